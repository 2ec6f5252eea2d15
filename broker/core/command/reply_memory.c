/* SPDX-License-Identifier: MPL-2.0
 *
 * The memory of commands. A reply's run is: a head of fixed size, then message, then for each record its number of
 * columns, and for each column its name and value; texts as size and octets. Written and read by the same order of
 * calls. See reply_memory.h.
 */
#include "reply_memory.h"

#include <assert.h>
#include <string.h>

enum { SLAB_LOG2 = 6 };

/* A key of the index. */
typedef struct {
    uint64_t scope;
    sb_text_t command_id;
} s_key_t;

/* A place in a run; `data` NULL: only the size is counted. */
typedef struct {
    char *data;
    uint32_t place;
} s_cursor_t;

/* The fixed part of a run. */
typedef struct {
    uint64_t sequence;
    uint64_t stream_id;
    uint64_t epoch;
    uint32_t code;
    uint32_t record_count;
} s_head_t;

sb_reply_entry_t *sb_reply_memory_at (const sb_reply_memory_t *self, uint32_t slot)
{
    return sb_pool_at (&self->entries, slot);
}

static sb_waiter_t *s_waiter (const sb_reply_memory_t *self, uint32_t slot)
{
    return sb_pool_at (&self->waiters, slot);
}

static bool s_matches (const void *owner, uint32_t slot, const void *key)
{
    const sb_reply_entry_t *entry = sb_reply_memory_at (owner, slot);
    const s_key_t *wanted = key;
    return entry->scope == wanted->scope &&
           sb_text_equal ((sb_text_t){entry->command_id, entry->command_id_size}, wanted->command_id);
}

static uint64_t s_hash (const sb_reply_memory_t *self, uint64_t scope, sb_text_t command_id)
{
    return sb_hash (self->hash_key, command_id.data, command_id.size) ^ (scope * UINT64_C (0x9e3779b97f4a7c15));
}

bool sb_reply_memory_init (sb_reply_memory_t *self, sb_memory_t *memory, const uint64_t hash_key[2],
                           uint32_t max_replies, uint32_t max_pending)
{
    memset (self, 0, sizeof *self);
    self->memory = memory;
    memcpy (self->hash_key, hash_key, sizeof self->hash_key);
    self->done_limit = max_replies;
    sb_index_init (&self->index, memory);
    sb_blob_init (&self->runs, memory, SB_REPLY_BYTES_MAX);
    /* One more than may wait for agents: the command in hand, which may wait for the store. */
    uint32_t entry_limit = max_replies + max_pending + 2;
    uint32_t waiter_limit = 2 * max_pending + 2;
    if (!sb_pool_init (&self->entries, memory, sizeof (sb_reply_entry_t), SLAB_LOG2, entry_limit))
        return false;
    return sb_pool_init (&self->waiters, memory, sizeof (sb_waiter_t), SLAB_LOG2, waiter_limit);
}

void sb_reply_memory_fini (sb_reply_memory_t *self)
{
    if (self->memory == NULL)
        return;
    for (uint32_t slot = 1; slot <= self->entries.high; slot++) {
        sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
        if (entry->is_done)
            sb_blob_give (&self->runs, entry->run, entry->run_size);
    }
    sb_pool_fini (&self->entries);
    sb_pool_fini (&self->waiters);
    sb_blob_fini (&self->runs);
    sb_index_fini (&self->index);
    self->memory = NULL;
}

uint32_t sb_reply_memory_find (const sb_reply_memory_t *self, uint64_t scope, sb_text_t command_id)
{
    s_key_t key = {scope, command_id};
    return sb_index_find (&self->index, s_hash (self, scope, command_id), s_matches, self, &key);
}

static void s_forget (sb_reply_memory_t *self, uint32_t slot)
{
    sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
    sb_text_t command_id = {entry->command_id, entry->command_id_size};
    sb_index_remove (&self->index, s_hash (self, entry->scope, command_id), slot);
    sb_blob_give (&self->runs, entry->run, entry->run_size);
    /* The next taker gets it zeroed; until then fini must not take it for one that is done. */
    memset (entry, 0, sizeof *entry);
    sb_pool_give (&self->entries, slot);
}

static void s_forget_oldest (sb_reply_memory_t *self)
{
    uint32_t slot = self->oldest;
    self->oldest = sb_reply_memory_at (self, slot)->next;
    if (self->oldest == 0)
        self->youngest = 0;
    self->done_count--;
    s_forget (self, slot);
}

bool sb_reply_memory_join (sb_reply_memory_t *self, uint32_t slot, const sb_asker_t *asker)
{
    uint32_t waiter = sb_pool_take (&self->waiters);
    if (waiter == 0)
        return false;
    *s_waiter (self, waiter) = (sb_waiter_t){.asker = *asker, .next = 0};
    uint32_t *link = &sb_reply_memory_at (self, slot)->waiters;
    while (*link != 0)
        link = &s_waiter (self, *link)->next;
    *link = waiter;
    return true;
}

uint32_t sb_reply_memory_open (sb_reply_memory_t *self, uint64_t scope, sb_text_t command_id, uint64_t body_hash,
                               const sb_asker_t *asker)
{
    assert (command_id.size <= SB_ID_MAX);
    if (!sb_index_reserve (&self->index, 1))
        return 0;
    uint32_t slot = sb_pool_take (&self->entries);
    if (slot == 0)
        return 0;
    sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
    memcpy (entry->command_id, command_id.data, command_id.size);
    entry->command_id_size = (uint8_t)command_id.size;
    entry->scope = scope;
    entry->body_hash = body_hash;
    if (!sb_reply_memory_join (self, slot, asker)) {
        memset (entry, 0, sizeof *entry);
        sb_pool_give (&self->entries, slot);
        return 0;
    }
    sb_index_insert (&self->index, s_hash (self, scope, command_id), slot);
    return slot;
}

bool sb_reply_memory_next_asker (sb_reply_memory_t *self, uint32_t slot, sb_asker_t *asker)
{
    sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
    uint32_t waiter = entry->waiters;
    if (waiter == 0)
        return false;
    *asker = s_waiter (self, waiter)->asker;
    entry->waiters = s_waiter (self, waiter)->next;
    sb_pool_give (&self->waiters, waiter);
    return true;
}

void sb_reply_memory_drop (sb_reply_memory_t *self, uint32_t slot)
{
    assert (sb_reply_memory_at (self, slot)->waiters == 0);
    s_forget (self, slot);
}

/* ------------------------------------------------------------------ a reply as a run of octets */

static void s_put (s_cursor_t *cursor, const void *data, uint32_t size)
{
    if (cursor->data != NULL && size > 0)
        memcpy (cursor->data + cursor->place, data, size);
    cursor->place += size;
}

static void s_put_text (s_cursor_t *cursor, sb_text_t text)
{
    s_put (cursor, &text.size, sizeof text.size);
    s_put (cursor, text.data, text.size);
}

static void s_put_reply (s_cursor_t *cursor, const sb_command_reply_t *reply)
{
    s_head_t head = {reply->sequence, reply->stream_id, reply->epoch, (uint32_t)reply->code, reply->record_count};
    s_put (cursor, &head, sizeof head);
    s_put_text (cursor, reply->message);
    for (uint32_t i = 0; i < reply->record_count; i++) {
        const sb_record_t *record = &reply->records[i];
        s_put (cursor, &record->column_count, sizeof record->column_count);
        for (uint32_t n = 0; n < record->column_count; n++) {
            const sb_parameter_t *column = &record->columns[n];
            s_put_text (cursor, column->name);
            s_put (cursor, &column->value, sizeof column->value);
            if (column->value.kind == SB_VALUE_TEXT || column->value.kind == SB_VALUE_BYTES)
                s_put_text (cursor, column->value.text);
        }
    }
}

static void s_get (s_cursor_t *cursor, void *data, uint32_t size)
{
    memcpy (data, cursor->data + cursor->place, size);
    cursor->place += size;
}

static sb_text_t s_get_text (s_cursor_t *cursor, sb_core_t *core)
{
    uint32_t size = 0;
    s_get (cursor, &size, sizeof size);
    sb_text_t text = sb_core_copy (core, (sb_text_t){cursor->data + cursor->place, size});
    cursor->place += size;
    return text;
}

static void s_get_record (s_cursor_t *cursor, sb_core_t *core, sb_record_t *record)
{
    s_get (cursor, &record->column_count, sizeof record->column_count);
    sb_parameter_t *columns = sb_core_take (core, record->column_count * sizeof *columns);
    for (uint32_t i = 0; i < record->column_count; i++) {
        columns[i].name = s_get_text (cursor, core);
        s_get (cursor, &columns[i].value, sizeof columns[i].value);
        if (columns[i].value.kind == SB_VALUE_TEXT || columns[i].value.kind == SB_VALUE_BYTES)
            columns[i].value.text = s_get_text (cursor, core);
    }
    record->columns = columns;
}

void sb_reply_memory_read (const sb_reply_memory_t *self, uint32_t slot, sb_core_t *core, sb_command_reply_t *reply)
{
    const sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
    assert (entry->is_done && entry->run != NULL);
    s_cursor_t cursor = {entry->run, 0};
    s_head_t head;
    s_get (&cursor, &head, sizeof head);
    memset (reply, 0, sizeof *reply);
    reply->command_id = sb_core_copy (core, (sb_text_t){entry->command_id, entry->command_id_size});
    reply->code = (sb_reason_t)head.code;
    reply->sequence = head.sequence;
    reply->stream_id = head.stream_id;
    reply->epoch = head.epoch;
    reply->message = s_get_text (&cursor, core);
    sb_record_t *records = sb_core_take (core, head.record_count * sizeof *records);
    for (uint32_t i = 0; i < head.record_count; i++)
        s_get_record (&cursor, core, &records[i]);
    reply->records = records;
    reply->record_count = head.record_count;
}

/* ------------------------------------------------------------------ age */

/* Puts one that is done behind the others, and lets the oldest go beyond the limit. */
static uint32_t s_age (sb_reply_memory_t *self, uint32_t slot, uint64_t now_ns)
{
    sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
    uint32_t forgotten = 0;
    entry->done_ns = now_ns;
    entry->next = 0;
    if (self->youngest != 0)
        sb_reply_memory_at (self, self->youngest)->next = slot;
    else
        self->oldest = slot;
    self->youngest = slot;
    self->done_count++;
    for (; self->done_count > self->done_limit; forgotten++)
        s_forget_oldest (self);
    return forgotten;
}

uint32_t sb_reply_memory_finish (sb_reply_memory_t *self, uint32_t slot, const sb_command_reply_t *reply,
                                 uint64_t now_ns)
{
    sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
    assert (entry->waiters == 0 && !entry->is_done);
    uint32_t forgotten = 0;
    s_cursor_t cursor = {NULL, 0};
    s_put_reply (&cursor, reply);
    char *run = sb_blob_take (&self->runs, cursor.place);
    for (; run == NULL && self->oldest != 0; forgotten++) {
        s_forget_oldest (self);
        run = sb_blob_take (&self->runs, cursor.place);
    }
    if (run == NULL && entry->pending == 0) {
        s_forget (self, slot);
        return forgotten + 1;
    }
    entry->is_done = true;
    if (run == NULL)
        return forgotten;
    entry->run = run;
    entry->run_size = cursor.place;
    cursor = (s_cursor_t){run, 0};
    s_put_reply (&cursor, reply);
    return entry->pending != 0 ? forgotten : forgotten + s_age (self, slot, now_ns);
}

uint32_t sb_reply_memory_release (sb_reply_memory_t *self, uint32_t slot, uint64_t now_ns)
{
    sb_reply_entry_t *entry = sb_reply_memory_at (self, slot);
    assert (entry->is_done);
    entry->pending = 0;
    if (entry->run != NULL)
        return s_age (self, slot, now_ns);
    s_forget (self, slot);
    return 1;
}

void sb_reply_memory_expire (sb_reply_memory_t *self, uint64_t age_ns, uint64_t now_ns)
{
    while (self->oldest != 0 && now_ns >= sb_reply_memory_deadline (self, age_ns))
        s_forget_oldest (self);
}

uint64_t sb_reply_memory_deadline (const sb_reply_memory_t *self, uint64_t age_ns)
{
    if (self->oldest == 0)
        return UINT64_MAX;
    uint64_t done_ns = sb_reply_memory_at (self, self->oldest)->done_ns;
    return done_ns > UINT64_MAX - age_ns ? UINT64_MAX : done_ns + age_ns;
}
