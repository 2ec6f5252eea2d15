/* SPDX-License-Identifier: MPL-2.0
 *
 * A JSON writer. One flag says whether a comma is due: it is after each value and not after an opening
 * bracket or a key; no stack is needed. Whole objects in memory (json-c) were rejected: a stream of
 * publications is written as it comes.
 */
#include "sb_json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sb_literal.h"
#include "sb_names.h"
#include "sb_reasons.h"

enum { FIRST_CAPACITY = 1024 };

struct sb_json {
    char *data;        /* NUL-terminated */
    size_t size;       /* octets without the NUL */
    size_t capacity;   /* octets that `data` has */
    uint32_t depth;    /* brackets open */
    bool comma_is_due; /* before the next key or value */
};

sb_json_t *sb_json_new (void)
{
    sb_json_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->capacity = FIRST_CAPACITY;
    self->data = calloc (1, self->capacity);
    assert (self->data);
    return self;
}

void sb_json_destroy (sb_json_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    free ((*self_p)->data);
    free (*self_p);
    *self_p = NULL;
}

void sb_json_clear (sb_json_t *self)
{
    self->size = 0;
    self->data[0] = 0;
    self->depth = 0;
    self->comma_is_due = false;
}

const char *sb_json_text (const sb_json_t *self)
{
    assert (self->depth == 0);
    return self->data;
}

/* Makes room for `size` more octets and gives where they go; the caller adds to self->size. */
static char *s_room (sb_json_t *self, size_t size)
{
    while (self->size + size + 1 > self->capacity) {
        self->capacity *= 2;
        self->data = realloc (self->data, self->capacity);
        assert (self->data);
    }
    return self->data + self->size;
}

static void s_append (sb_json_t *self, const char *data, size_t size)
{
    memcpy (s_room (self, size), data, size);
    self->size += size;
    self->data[self->size] = 0;
}

/* What stands before a value or a key. */
static void s_begin (sb_json_t *self)
{
    if (self->comma_is_due)
        s_append (self, ",", 1);
    self->comma_is_due = true;
}

static void s_open (sb_json_t *self, const char *bracket)
{
    s_begin (self);
    s_append (self, bracket, 1);
    self->depth++;
    self->comma_is_due = false;
}

static void s_close (sb_json_t *self, const char *bracket)
{
    assert (self->depth > 0);
    s_append (self, bracket, 1);
    self->depth--;
    self->comma_is_due = true;
}

void sb_json_open_object (sb_json_t *self)
{
    s_open (self, "{");
}

void sb_json_close_object (sb_json_t *self)
{
    s_close (self, "}");
}

void sb_json_open_array (sb_json_t *self)
{
    s_open (self, "[");
}

void sb_json_close_array (sb_json_t *self)
{
    s_close (self, "]");
}

/* Octets of the valid UTF-8 character at `text`, 0 when there is none. */
static uint32_t s_character_size (sb_text_t text)
{
    unsigned char lead = (unsigned char)text.data[0];
    uint32_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead == 0)
        return 1;
    return size <= text.size && sb_text_is_utf8 ((sb_text_t){text.data, size}) ? size : 0;
}

/* One octet under 0x80, escaped where it must be. */
static void s_ascii (sb_json_t *self, char octet)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char escaped[] = "\"\\bfnrt";
    const char *place = octet ? strchr (plain, octet) : NULL;
    char text[8];
    if (place)
        snprintf (text, sizeof (text), "\\%c", escaped[place - plain]);
    else if ((unsigned char)octet < 0x20 || octet == 0x7f)
        snprintf (text, sizeof (text), "\\u%04x", (unsigned)octet);
    else
        snprintf (text, sizeof (text), "%c", octet);
    s_append (self, text, strlen (text));
}

void sb_json_string (sb_json_t *self, sb_text_t text)
{
    s_begin (self);
    s_append (self, "\"", 1);
    while (text.size > 0) {
        uint32_t size = s_character_size (text);
        if (size == 1)
            s_ascii (self, *text.data);
        else
            s_append (self, size ? text.data : "\xef\xbf\xbd", size ? size : 3);
        size = size ? size : 1;
        text.data += size;
        text.size -= size;
    }
    s_append (self, "\"", 1);
}

void sb_json_key (sb_json_t *self, sb_text_t key)
{
    sb_json_string (self, key);
    s_append (self, ":", 1);
    self->comma_is_due = false;
}

void sb_json_number (sb_json_t *self, double number)
{
    char text[32];
    if (!isfinite (number)) {
        sb_json_null (self);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf (text, sizeof (text), "%.*g", digits, number);
        if (strtod (text, NULL) == number)
            break;
    }
    /* A reader that tells integers from fractions sees one kind, whatever the value. */
    if (!strpbrk (text, ".e"))
        strcat (text, ".0");
    s_begin (self);
    s_append (self, text, strlen (text));
}

void sb_json_integer (sb_json_t *self, int64_t integer)
{
    char text[32];
    bool is_exact = integer <= (int64_t)SB_NUMBER_MAX && integer >= -(int64_t)SB_NUMBER_MAX;
    snprintf (text, sizeof (text), is_exact ? "%" PRId64 : "\"%" PRId64 "\"", integer);
    s_begin (self);
    s_append (self, text, strlen (text));
}

void sb_json_unsigned (sb_json_t *self, uint64_t integer)
{
    char text[32];
    snprintf (text, sizeof (text), integer <= SB_NUMBER_MAX ? "%" PRIu64 : "\"%" PRIu64 "\"", integer);
    s_begin (self);
    s_append (self, text, strlen (text));
}

void sb_json_time (sb_json_t *self, int64_t unix_ns)
{
    char text[32];
    snprintf (text, sizeof (text), "\"%" PRId64 "\"", unix_ns);
    s_begin (self);
    s_append (self, text, strlen (text));
}

void sb_json_boolean (sb_json_t *self, bool boolean)
{
    s_begin (self);
    s_append (self, boolean ? "true" : "false", boolean ? 4 : 5);
}

void sb_json_null (sb_json_t *self)
{
    s_begin (self);
    s_append (self, "null", 4);
}

/* {"base64": "..."}: octets are told from texts. */
static void s_bytes (sb_json_t *self, sb_text_t bytes)
{
    sb_json_open_object (self);
    sb_json_key (self, sb_text ("base64"));
    s_begin (self);
    s_append (self, "\"", 1);
    size_t size = sb_base64_size (bytes.size);
    sb_base64_encode (bytes.data, bytes.size, s_room (self, size));
    self->size += size;
    s_append (self, "\"", 1);
    sb_json_close_object (self);
}

void sb_json_value (sb_json_t *self, const sb_value_t *value)
{
    char decimal[SB_DECIMAL_TEXT_SIZE];
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        sb_json_number (self, value->number);
        return;
    case SB_VALUE_INTEGER:
        sb_json_integer (self, value->integer);
        return;
    case SB_VALUE_DECIMAL:
        sb_json_string (self, sb_text (sb_decimal_text (value->decimal.unscaled, value->decimal.exponent, decimal)));
        return;
    case SB_VALUE_BOOLEAN:
        sb_json_boolean (self, value->boolean);
        return;
    case SB_VALUE_TEXT:
        sb_json_string (self, value->text);
        return;
    case SB_VALUE_BYTES:
        s_bytes (self, value->bytes);
        return;
    case SB_VALUE_NONE:
        break;
    }
    sb_json_null (self);
}

void sb_json_named_value (sb_json_t *self, sb_text_t name, const sb_value_t *value)
{
    static const char ending[] = "unix_ns";
    const uint32_t size = sizeof (ending) - 1;
    bool is_time = name.size >= size && memcmp (name.data + name.size - size, ending, size) == 0;
    if (is_time && value->kind == SB_VALUE_INTEGER)
        sb_json_time (self, value->integer);
    else
        sb_json_value (self, value);
}

void sb_json_member_string (sb_json_t *self, const char *key, sb_text_t text)
{
    sb_json_key (self, sb_text (key));
    sb_json_string (self, text);
}

void sb_json_member_integer (sb_json_t *self, const char *key, int64_t integer)
{
    sb_json_key (self, sb_text (key));
    sb_json_integer (self, integer);
}

void sb_json_member_time (sb_json_t *self, const char *key, int64_t unix_ns)
{
    sb_json_key (self, sb_text (key));
    sb_json_time (self, unix_ns);
}

void sb_json_member_unsigned (sb_json_t *self, const char *key, uint64_t integer)
{
    sb_json_key (self, sb_text (key));
    sb_json_unsigned (self, integer);
}

static void s_update (sb_json_t *self, const sb_update_t *update)
{
    sb_json_open_object (self);
    sb_json_member_unsigned (self, "sequence", update->sequence);
    if (update->publication_sequence)
        sb_json_member_unsigned (self, "publication_sequence", update->publication_sequence);
    sb_json_member_time (self, "event_unix_ns", update->event_unix_ns);
    sb_json_member_time (self, "origin_unix_ns", update->origin_unix_ns);
    sb_json_key (self, sb_text ("changes"));
    sb_json_open_object (self);
    for (uint32_t i = 0; i < update->change_count; i++) {
        sb_json_key (self, update->changes[i].name);
        if (update->changes[i].is_delete)
            sb_json_null (self);
        else
            sb_json_named_value (self, update->changes[i].name, &update->changes[i].value);
    }
    sb_json_close_object (self);
    sb_json_close_object (self);
}

void sb_json_publication (sb_json_t *self, const sb_publication_t *publication)
{
    sb_text_t category = {0};
    sb_text_t agent_id = {0};
    sb_text_t subject = {0};
    sb_text_t topic = publication->topic;
    uint32_t conflate_ms = 0;
    sb_conflated_split (publication->topic, &conflate_ms, &topic);
    sb_topic_split (topic, &category, &agent_id, &subject);
    sb_json_open_object (self);
    sb_json_member_string (self, "topic", topic);
    sb_json_member_string (self, "category", category);
    sb_json_member_string (self, "agent_id", publication->agent_id.size ? publication->agent_id : agent_id);
    sb_json_member_string (self, "subject", subject);
    sb_json_member_unsigned (self, "stream_id", publication->stream_id);
    sb_json_member_unsigned (self, "epoch", publication->epoch);
    sb_json_member_unsigned (self, "sequence", publication->sequence);
    sb_json_member_unsigned (self, "category_sequence", publication->category_sequence);
    sb_json_member_unsigned (self, "topic_sequence", publication->topic_sequence);
    if (conflate_ms) {
        sb_json_member_unsigned (self, "first_topic_sequence", publication->first_topic_sequence);
        sb_json_member_unsigned (self, "conflated_sequence", publication->conflated_sequence);
        sb_json_member_unsigned (self, "conflated_ms", conflate_ms);
    }
    sb_json_member_unsigned (self, "agent_sequence", publication->agent_sequence);
    sb_json_member_time (self, "broker_unix_ns", publication->broker_unix_ns);
    sb_json_member_string (self, "quality", sb_text (sb_quality_name (publication->quality)));
    sb_json_member_string (self, "cause", sb_text (sb_cause_name (publication->cause)));
    sb_json_key (self, sb_text ("updates"));
    sb_json_open_array (self);
    for (uint32_t i = 0; i < publication->update_count; i++)
        s_update (self, &publication->updates[i]);
    sb_json_close_array (self);
    sb_json_close_object (self);
}
