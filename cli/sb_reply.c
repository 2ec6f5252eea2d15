/* SPDX-License-Identifier: MPL-2.0
 *
 * Answers on paper. Units, kinds and order of a command's columns come from schemas/sb_columns.def; what
 * a newer broker adds beyond it is shown too, without unit.
 */
#include "sb_reply.h"

#include <inttypes.h>
#include <string.h>

#include "sb_catalog.h"
#include "sb_names.h"
#include "sb_reasons.h"
#include "sb_table.h"

enum {
    BLOCK_COLUMNS_MIN = 7, /* a first record of its kind with fewer columns is a table of one row */
    TABLE_COLUMNS_MAX = 64
};

/* How a column's values are shown: the table's unit, save for what its name says better. */
static const char *s_unit (const char *command, sb_text_t column)
{
    static const struct {
        const char *ending;
        const char *unit;
    } endings[] = {{"unix_ns", "unix_ns"}, {"_id", "id"}, {"epoch", "id"}, {"sequence", "id"}};
    for (size_t i = 0; i < sizeof (endings) / sizeof (endings[0]); i++) {
        size_t size = strlen (endings[i].ending);
        if (column.size >= size && memcmp (column.data + column.size - size, endings[i].ending, size) == 0)
            return endings[i].unit;
    }
    const sb_catalog_column_t *row = sb_catalog_column (command, column);
    return row ? row->unit : "";
}

/* The column's name without the unit that its values show. */
static const char *s_title (sb_text_t column, char *text)
{
    static const char *const endings[] = {"_unix_ns", "_ns", "_ms"};
    for (size_t i = 0; i < sizeof (endings) / sizeof (endings[0]); i++) {
        uint32_t size = (uint32_t)strlen (endings[i]);
        if (column.size > size && memcmp (column.data + column.size - size, endings[i], size) == 0) {
            column.size -= size;
            break;
        }
    }
    return sb_display_text (column, text);
}

static bool s_is_number (const sb_value_t *value)
{
    return value->kind == SB_VALUE_NUMBER || value->kind == SB_VALUE_INTEGER || value->kind == SB_VALUE_DECIMAL;
}

/* Records of one kind: with the same `record`, or, where there is none, under the same command. */
static bool s_same_kind (const sb_record_t *left, const sb_record_t *right)
{
    return sb_text_equal (sb_record_text (left, "record"), sb_record_text (right, "record"));
}

/* The columns that records have between them, in order of first appearance; `record`, which is told apart by the
 * groups, is left out. Returns how many. */
static uint32_t s_union (const sb_pages_t *pages, uint32_t first, uint32_t count, const sb_parameter_t **columns)
{
    uint32_t column_count = 0;
    for (uint32_t row = first; row < first + count; row++) {
        const sb_record_t *record = sb_pages_record (pages, row);
        for (uint32_t i = 0; i < record->column_count; i++) {
            uint32_t j = 0;
            while (j < column_count && !sb_text_equal (columns[j]->name, record->columns[i].name))
                j++;
            bool is_kind = sb_text_equal (record->columns[i].name, sb_text ("record"));
            if (j == column_count && !is_kind && column_count < TABLE_COLUMNS_MAX)
                columns[column_count++] = &record->columns[i];
        }
    }
    return column_count;
}

static sb_mark_t s_mark (const sb_value_t *value)
{
    return value->kind == SB_VALUE_TEXT ? sb_display_mark (value->text) : SB_MARK_PLAIN;
}

/* Counters and receipts at nought, and empty texts, would only hide the rest of a block. */
static bool s_is_worth_a_line (const char *command, const sb_parameter_t *column)
{
    static const char latch[] = "latch_";
    const sb_value_t *value = &column->value;
    bool is_latch = column->name.size > strlen (latch) && memcmp (column->name.data, latch, strlen (latch)) == 0;
    if (sb_text_equal (column->name, sb_text ("record")))
        return false;
    if (value->kind == SB_VALUE_TEXT)
        return value->text.size > 0;
    if (value->kind == SB_VALUE_INTEGER && value->integer == 0)
        return !is_latch && sb_catalog_column (command, column->name);
    return true;
}

/* One record, a line for each column that is worth it. */
static void s_print_block (const char *command, const sb_record_t *record, FILE *stream, bool has_colour)
{
    char text[SB_DISPLAY_SIZE];
    sb_table_t *table = sb_table_new ();
    sb_table_column (table, "", false);
    sb_table_column (table, "", false);
    for (uint32_t i = 0; i < record->column_count; i++) {
        const sb_parameter_t *column = &record->columns[i];
        if (!s_is_worth_a_line (command, column))
            continue;
        sb_table_row (table);
        sb_table_cell (table, s_title (column->name, text), SB_MARK_DIM);
        sb_table_cell (table, sb_display_value (&column->value, s_unit (command, column->name), text),
                       s_mark (&column->value));
    }
    sb_table_print (table, stream, has_colour);
    sb_table_destroy (&table);
}

/* `count` records of one kind from the i-th on, as a table. */
static void s_print_table (const char *command, const sb_pages_t *pages, uint32_t first, uint32_t count, FILE *stream,
                           bool has_colour)
{
    static const sb_value_t none = {.kind = SB_VALUE_NONE};
    char text[SB_DISPLAY_SIZE];
    const sb_parameter_t *columns[TABLE_COLUMNS_MAX];
    uint32_t column_count = s_union (pages, first, count, columns);
    sb_table_t *table = sb_table_new ();
    for (uint32_t i = 0; i < column_count; i++)
        sb_table_column (table, s_title (columns[i]->name, text), s_is_number (&columns[i]->value));
    for (uint32_t row = first; column_count && row < first + count; row++) {
        const sb_record_t *record = sb_pages_record (pages, row);
        sb_table_row (table);
        for (uint32_t i = 0; i < column_count; i++) {
            char name[SB_DISPLAY_SIZE];
            snprintf (name, sizeof (name), "%.*s", (int)columns[i]->name.size, columns[i]->name.data);
            const sb_value_t *value = sb_record_value (record, name);
            value = value ? value : &none;
            sb_table_cell (table, sb_display_value (value, s_unit (command, columns[i]->name), text), s_mark (value));
        }
    }
    sb_table_print (table, stream, has_colour);
    sb_table_destroy (&table);
}

/* Groups of records alike, an empty line between groups. Those of explain are too wide for a table. */
static void s_print_records (const char *command, const sb_pages_t *pages, FILE *stream, bool has_colour)
{
    uint32_t total = sb_pages_record_count (pages);
    uint32_t count;
    for (uint32_t first = 0; first < total; first += count) {
        const sb_record_t *record = sb_pages_record (pages, first);
        for (count = 1; first + count < total; count++)
            if (!s_same_kind (record, sb_pages_record (pages, first + count)))
                break;
        if (first > 0)
            fputc ('\n', stream);
        if (strcmp (command, "explain") == 0) {
            for (uint32_t i = first; i < first + count; i++) {
                if (i > first)
                    fputc ('\n', stream);
                s_print_block (command, sb_pages_record (pages, i), stream, has_colour);
            }
        } else if (first == 0 && count == 1 && record->column_count >= BLOCK_COLUMNS_MIN)
            s_print_block (command, record, stream, has_colour);
        else
            s_print_table (command, pages, first, count, stream, has_colour);
    }
}

static void s_print_fields (const sb_pages_t *pages, FILE *stream, bool has_colour)
{
    static const char *const titles[] = {"topic", "field", "value", "quality", "changed"};
    char text[SB_DISPLAY_SIZE];
    uint32_t count = 0;
    sb_table_t *table = sb_table_new ();
    for (size_t i = 0; i < sizeof (titles) / sizeof (titles[0]); i++)
        sb_table_column (table, titles[i], false);
    for (uint32_t page = 0; page < pages->count; page++) {
        const sb_command_reply_t *reply = &pages->items[page].reply;
        for (uint32_t i = 0; i < reply->field_count; i++, count++) {
            const sb_state_field_t *field = &reply->fields[i];
            const char *quality = sb_quality_name (field->quality);
            sb_table_row (table);
            sb_table_cell (table, sb_display_text (field->topic, text), SB_MARK_PLAIN);
            sb_table_cell (table, sb_display_text (field->name, text), SB_MARK_PLAIN);
            sb_table_cell (table, sb_display_value (&field->value, s_unit ("get_state", field->name), text),
                           SB_MARK_TITLE);
            sb_table_cell (table, quality, sb_display_mark (sb_text (quality)));
            sb_table_cell (table, sb_display_time (field->changed_unix_ns, text), SB_MARK_DIM);
        }
    }
    if (count)
        sb_table_print (table, stream, has_colour);
    sb_table_destroy (&table);
}

/* A text as it stands where it cannot be taken for anything else, else in quotes. */
static const char *s_quoted (sb_text_t source, char *text)
{
    char shown[SB_DISPLAY_SIZE];
    uint32_t size = 0;
    sb_display_text (source, shown);
    if (*shown && !strpbrk (shown, " =\"\\") && strcmp (shown, "null") != 0)
        return strcpy (text, shown);
    text[size++] = '"';
    for (const char *from = shown; *from && size + 3 < SB_DISPLAY_SIZE; from++) {
        if (*from == '"' || *from == '\\')
            text[size++] = '\\';
        text[size++] = *from;
    }
    snprintf (text + size, SB_DISPLAY_SIZE - size, "\"");
    return text;
}

static const char *s_change_value (const sb_change_t *change, char *text)
{
    if (change->is_delete)
        return "null";
    return change->value.kind == SB_VALUE_TEXT ? s_quoted (change->value.text, text)
                                               : sb_display_value (&change->value, s_unit ("", change->name), text);
}

/* " name=value" for each change. */
static void s_print_changes (const sb_publication_t *publication, FILE *stream)
{
    char name[SB_DISPLAY_SIZE];
    char text[SB_DISPLAY_SIZE];
    for (uint32_t i = 0; i < publication->update_count; i++) {
        const sb_update_t *update = &publication->updates[i];
        for (uint32_t j = 0; j < update->change_count; j++) {
            const sb_change_t *change = &update->changes[j];
            fprintf (stream, " %s=%s", sb_display_text (change->name, name), s_change_value (change, text));
        }
    }
}

/* The sentence that an event carries; NULL when it has none. */
static const sb_value_t *s_sentence (const sb_publication_t *publication)
{
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            if (sb_text_equal (change->name, sb_text ("text")) && change->value.kind == SB_VALUE_TEXT)
                return &change->value;
        }
    return NULL;
}

/* A line: the number that --after takes, time, topic, changes; an event as number, time, kind, agent (unless it is
 * `known_agent`), what happened. */
static void s_print_publication (const sb_publication_t *publication, sb_text_t known_agent, FILE *stream,
                                 bool has_colour)
{
    char text[SB_DISPLAY_SIZE];
    sb_text_t category = {0};
    sb_text_t agent_id = {0};
    sb_text_t subject = {0};
    bool is_event = sb_topic_split (publication->topic, &category, &agent_id, &subject) &&
                    sb_text_equal (category, sb_text ("_event"));
    fprintf (stream, "%10" PRIu64 "  %s%s%s  ", publication->category_sequence,
             has_colour ? sb_display_colour (SB_MARK_DIM) : "", sb_display_time (publication->broker_unix_ns, text),
             has_colour ? SB_DISPLAY_RESET : "");
    if (is_event) {
        const sb_value_t *sentence = s_sentence (publication);
        fprintf (stream, "%-12s ", sb_display_text (subject, text));
        if (!known_agent.size)
            fprintf (stream, "%-16s ", sb_display_text (agent_id, text));
        else if (!sb_text_equal (agent_id, known_agent))
            fprintf (stream, "(%s) ", sb_display_text (agent_id, text));
        if (sentence)
            fprintf (stream, "%s", sb_display_text (sentence->text, text));
        else
            s_print_changes (publication, stream);
        fputc ('\n', stream);
        return;
    }
    fprintf (stream, "%s", sb_display_text (publication->topic, text));
    if (publication->quality != SB_QUALITY_OK)
        fprintf (stream, " [%s]", sb_quality_name (publication->quality));
    if (publication->cause != SB_CAUSE_NONE)
        fprintf (stream, " (%s)", sb_cause_name (publication->cause));
    s_print_changes (publication, stream);
    fputc ('\n', stream);
}

void sb_reply_print_publication (const sb_publication_t *publication, FILE *stream, bool has_colour)
{
    s_print_publication (publication, (sb_text_t){0}, stream, has_colour);
}

bool sb_reply_is_of_events (const char *command)
{
    return strcmp (command, "events") == 0 || strcmp (command, "timeline") == 0;
}

void sb_reply_print (const char *command, sb_text_t agent_id, const sb_pages_t *pages, FILE *stream, bool has_colour)
{
    char text[SB_DISPLAY_SIZE];
    const sb_command_reply_t *last = sb_pages_last (pages);
    uint32_t publications = 0;
    uint32_t fields = 0;
    for (uint32_t i = 0; i < pages->count; i++) {
        publications += pages->items[i].reply.publication_count;
        fields += pages->items[i].reply.field_count;
    }
    /* How far the history reaches is for programs; what is wrong with it is said by the caller. */
    uint32_t records = sb_reply_is_of_events (command) ? 0 : sb_pages_record_count (pages);
    bool is_empty = publications + fields + records == 0;
    if (last && last->message.size && (is_empty || !sb_text_equal (last->message, sb_text ("done"))))
        fprintf (stream, "%s\n", sb_display_text (last->message, text));
    else if (is_empty)
        fprintf (stream, "nothing\n");
    if (records)
        s_print_records (command, pages, stream, has_colour);
    s_print_fields (pages, stream, has_colour);
    /* What a copy is compared at. */
    if (strcmp (command, "state_hash") == 0 && last && last->code == SB_REASON_NONE)
        fprintf (stream, "at sequence %" PRIu64 ", epoch %" PRIu64 " of stream %" PRIu64 "\n", last->sequence,
                 last->epoch, last->stream_id);
    for (uint32_t page = 0; page < pages->count; page++)
        for (uint32_t i = 0; i < pages->items[page].reply.publication_count; i++)
            s_print_publication (pages->items[page].reply.publications[i], agent_id, stream, has_colour);
}

static void s_json_field (const sb_state_field_t *field, sb_json_t *json)
{
    sb_text_t category = {0};
    sb_text_t agent_id = {0};
    sb_text_t subject = {0};
    sb_topic_split (field->topic, &category, &agent_id, &subject);
    sb_json_open_object (json);
    sb_json_member_string (json, "topic", field->topic);
    sb_json_member_string (json, "category", category);
    sb_json_member_string (json, "agent_id", agent_id);
    sb_json_member_string (json, "subject", subject);
    sb_json_member_string (json, "name", field->name);
    sb_json_key (json, sb_text ("value"));
    sb_json_named_value (json, field->name, &field->value);
    sb_json_member_unsigned (json, "sequence", field->sequence);
    sb_json_member_time (json, "changed_unix_ns", field->changed_unix_ns);
    sb_json_member_string (json, "quality", sb_text (sb_quality_name (field->quality)));
    sb_json_close_object (json);
}

static void s_json_record (const sb_record_t *record, sb_json_t *json)
{
    sb_json_open_object (json);
    for (uint32_t i = 0; i < record->column_count; i++) {
        sb_json_key (json, record->columns[i].name);
        sb_json_named_value (json, record->columns[i].name, &record->columns[i].value);
    }
    sb_json_close_object (json);
}

void sb_reply_json (const char *command, const sb_pages_t *pages, sb_json_t *json)
{
    static const sb_command_reply_t none = {.code = SB_REASON_NONE};
    const sb_command_reply_t *last = sb_pages_last (pages) ? sb_pages_last (pages) : &none;
    sb_json_open_object (json);
    sb_json_member_string (json, "command", sb_text (command));
    sb_json_member_string (json, "code", sb_text (sb_reason_info (last->code)->name));
    sb_json_member_string (json, "message", last->message);
    sb_json_member_string (json, "command_id", last->command_id);
    sb_json_member_unsigned (json, "sequence", last->sequence);
    sb_json_member_unsigned (json, "stream_id", last->stream_id);
    sb_json_member_unsigned (json, "epoch", last->epoch);
    sb_json_key (json, sb_text ("records"));
    sb_json_open_array (json);
    for (uint32_t page = 0; page < pages->count; page++)
        for (uint32_t i = 0; i < pages->items[page].reply.record_count; i++)
            s_json_record (&pages->items[page].reply.records[i], json);
    sb_json_close_array (json);
    sb_json_key (json, sb_text ("fields"));
    sb_json_open_array (json);
    for (uint32_t page = 0; page < pages->count; page++)
        for (uint32_t i = 0; i < pages->items[page].reply.field_count; i++)
            s_json_field (&pages->items[page].reply.fields[i], json);
    sb_json_close_array (json);
    sb_json_key (json, sb_text ("publications"));
    sb_json_open_array (json);
    for (uint32_t page = 0; page < pages->count; page++)
        for (uint32_t i = 0; i < pages->items[page].reply.publication_count; i++)
            sb_json_publication (json, pages->items[page].reply.publications[i]);
    sb_json_close_array (json);
    sb_json_member_string (json, "next_cursor", last->next_cursor);
    sb_json_close_object (json);
}

/* The broker's "NAME: " and the reason's own text: what the table says of that parameter, which names its range. */
static const char *s_parameter_help (const char *command, const char *said, const sb_reason_info_t *row)
{
    char name[SB_DISPLAY_SIZE];
    const char *colon = strstr (said, ": ");
    const sb_catalog_command_t *known = command ? sb_catalog_command (command) : NULL;
    if (!known || !colon || strcmp (colon + 2, row->text) != 0)
        return NULL;
    snprintf (name, sizeof (name), "%.*s", (int)(colon - said), said);
    const sb_catalog_parameter_t *parameter = sb_catalog_parameter (known, name);
    return parameter ? sb_catalog_parameter_help (known, parameter) : NULL;
}

/* Puts the name of the command, or nothing, for the word that stands for it. */
static void s_name_command (const char *command, char *text)
{
    static const char word[] = " COMMAND";
    char rest[SB_DISPLAY_SIZE];
    char *place = strstr (text, word);
    if (!place)
        return;
    snprintf (rest, sizeof (rest), "%s", place + strlen (word));
    snprintf (place, SB_DISPLAY_SIZE - (size_t)(place - text), "%s%s%s", command ? " " : "", command ? command : "",
              rest);
}

const char *sb_reply_refusal (const char *command, sb_reason_t reason, sb_text_t message, char *text)
{
    char said[SB_DISPLAY_SIZE];
    const sb_reason_info_t *row = sb_reason_info (reason);
    sb_display_text (message, said);
    const char *help = reason == SB_REASON_BAD_PARAMETER ? s_parameter_help (command, said, row) : NULL;
    bool is_precise = *said && row->kind == SB_REASON_KIND_COMMAND;
    if (help)
        snprintf (text, SB_DISPLAY_SIZE, "%s: %.*s is %.240s: see syncbus help %s", row->name, (int)strcspn (said, ":"),
                  said, help, command);
    else if (!*said)
        snprintf (text, SB_DISPLAY_SIZE, "%s: %.400s", row->name, row->text);
    else if (is_precise || strstr (said, row->text))
        snprintf (text, SB_DISPLAY_SIZE, "%s: %.400s", row->name, said);
    else
        snprintf (text, SB_DISPLAY_SIZE, "%s: %.240s (%.240s)", row->name, said, row->text);
    s_name_command (command, text);
    return text;
}
