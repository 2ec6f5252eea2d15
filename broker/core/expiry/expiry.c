/* SPDX-License-Identifier: MPL-2.0
 *
 * The wheel of deadlines, see expiry.h.
 *
 * A record stands at the level of the highest group of six bits in which its deadline differs from wheel_ns, in the
 * bucket that this group names. So lower levels come before higher ones, within a level buckets come in order, and
 * a bucket's records are all due at or after its start. When the wheel comes to a bucket, each of its records is put
 * to where its deadline now belongs, or has expired. One tick looks at LOOKED_MAX records and deletes DUE_MAX fields.
 */
#include "state.h"

#include <assert.h>

enum { LOOKED_MAX = 2048, DUE_MAX = 256, LEVEL_BITS = 6, RECORDS_SLAB_LOG2 = 10, NOWHERE = UINT16_MAX };

/* A field that has a time to live. */
typedef struct {
    uint64_t deadline_ns; /* when it goes; of a staged field, the time to live in ms */
    uint32_t field;       /* slot */
    uint32_t next;        /* in its bucket's ring */
    uint32_t previous;
    uint16_t place; /* bucket, all levels counted through; NOWHERE: not in the wheel */
} s_record_t;

static s_record_t *s_at (const sb_core_t *self, uint32_t slot)
{
    return sb_pool_at (&self->expiry.records, slot);
}

/* ---- the wheel */

/* The bucket that comes next, and when it begins. One that was left half done comes first: what is still in it may be
 * due before what went to finer ones. Precondition: the wheel is not empty. */
static uint64_t s_next_bucket (const sb_expiry_t *wheel, uint32_t *level, uint32_t *bucket)
{
    for (*level = SB_EXPIRY_LEVELS - 1; *level > 0; --*level) {
        *bucket = (wheel->wheel_ns >> (*level * LEVEL_BITS)) & (SB_EXPIRY_BUCKETS - 1);
        if (wheel->occupied[*level] & (UINT64_C (1) << *bucket))
            return wheel->wheel_ns;
    }
    while (!wheel->occupied[*level])
        ++*level;
    *bucket = (uint32_t)__builtin_ctzll (wheel->occupied[*level]);
    uint32_t shift = *level * LEVEL_BITS;
    uint64_t above = *level + 1 < SB_EXPIRY_LEVELS ? UINT64_MAX << (shift + LEVEL_BITS) : 0;
    return (wheel->wheel_ns & above) | (uint64_t)*bucket << shift;
}

/* Nothing has come up since the last turn: it need not be found out later, with records placed too coarsely, whose
 * buckets would seem to have been missed. */
static void s_catch_up (sb_core_t *self)
{
    sb_expiry_t *wheel = &self->expiry;
    uint32_t level, bucket;
    if (!wheel->count || s_next_bucket (wheel, &level, &bucket) > self->now_ns)
        wheel->wheel_ns = self->now_ns;
}

static void s_link (sb_core_t *self, uint32_t slot)
{
    sb_expiry_t *wheel = &self->expiry;
    s_record_t *record = s_at (self, slot);
    assert (record->place == NOWHERE && record->deadline_ns >= wheel->wheel_ns);
    uint64_t difference = record->deadline_ns ^ wheel->wheel_ns;
    uint32_t level = difference ? (63u - (uint32_t)__builtin_clzll (difference)) / LEVEL_BITS : 0;
    uint32_t bucket = (record->deadline_ns >> (level * LEVEL_BITS)) & (SB_EXPIRY_BUCKETS - 1);
    uint32_t *first = &wheel->buckets[level][bucket];
    record->place = (uint16_t)(level * SB_EXPIRY_BUCKETS + bucket);
    record->next = record->previous = slot;
    if (*first) {
        s_record_t *head = s_at (self, *first);
        record->next = *first;
        record->previous = head->previous;
        s_at (self, head->previous)->next = slot;
        head->previous = slot;
    } else
        *first = slot;
    wheel->occupied[level] |= UINT64_C (1) << bucket;
    wheel->count++;
}

static void s_unlink (sb_core_t *self, uint32_t slot)
{
    sb_expiry_t *wheel = &self->expiry;
    s_record_t *record = s_at (self, slot);
    if (record->place == NOWHERE)
        return;
    uint32_t level = record->place / SB_EXPIRY_BUCKETS, bucket = record->place % SB_EXPIRY_BUCKETS;
    uint32_t *first = &wheel->buckets[level][bucket];
    s_at (self, record->previous)->next = record->next;
    s_at (self, record->next)->previous = record->previous;
    if (*first == slot)
        *first = record->next == slot ? 0 : record->next;
    if (!*first)
        wheel->occupied[level] &= ~(UINT64_C (1) << bucket);
    record->place = NOWHERE;
    wheel->count--;
}

/* Takes up to `limit` fields that are due out of the wheel. */
static uint32_t s_take_due (sb_core_t *self, uint32_t *fields, uint32_t limit)
{
    sb_expiry_t *wheel = &self->expiry;
    uint32_t count = 0;
    for (uint32_t looked = 0; looked < LOOKED_MAX && count < limit; looked++) {
        uint32_t level = 0, bucket = 0;
        uint64_t start_ns = wheel->count ? s_next_bucket (wheel, &level, &bucket) : SB_NEVER;
        if (start_ns > self->now_ns) {
            wheel->wheel_ns = self->now_ns;
            break;
        }
        wheel->wheel_ns = start_ns;
        uint32_t slot = wheel->buckets[level][bucket];
        s_unlink (self, slot);
        if (s_at (self, slot)->deadline_ns <= self->now_ns)
            fields[count++] = s_at (self, slot)->field;
        else
            s_link (self, slot);
    }
    return count;
}

/* ---- records */

static bool s_ready (sb_core_t *self)
{
    sb_expiry_t *wheel = &self->expiry;
    if (wheel->records.slabs)
        return true;
    wheel->wheel_ns = self->now_ns;
    return sb_pool_init (&wheel->records, &self->memory, sizeof (s_record_t), RECORDS_SLAB_LOG2,
                         self->config.max_fields);
}

bool sb_expiry_reserve (sb_core_t *self, uint32_t more)
{
    return more == 0 || (s_ready (self) && sb_pool_reserve (&self->expiry.records, more));
}

/* The record of a field, made when it has none; 0 when there is no memory. */
static uint32_t s_record_of (sb_core_t *self, uint32_t slot)
{
    sb_field_t *field = sb_field_at (self, slot);
    if (field->expiry || !s_ready (self))
        return field->expiry;
    field->expiry = sb_pool_take (&self->expiry.records);
    if (field->expiry) {
        s_at (self, field->expiry)->field = slot;
        s_at (self, field->expiry)->place = NOWHERE;
    }
    return field->expiry;
}

void sb_expiry_written (sb_core_t *self, uint32_t field, uint32_t time_to_live_ms)
{
    if (!time_to_live_ms) {
        sb_expiry_forget (self, field);
        return;
    }
    uint32_t slot = s_record_of (self, field);
    assert (slot);
    s_record_t *record = s_at (self, slot);
    uint64_t deadline_ns = self->now_ns + time_to_live_ms * SB_MS;
    bool is_later = record->place != NOWHERE && deadline_ns >= record->deadline_ns;
    if (!is_later)
        s_unlink (self, slot);
    record->deadline_ns = deadline_ns;
    if (is_later)
        return;
    s_catch_up (self);
    s_link (self, slot);
}

bool sb_expiry_stage (sb_core_t *self, uint32_t staged, uint32_t time_to_live_ms)
{
    if (!time_to_live_ms)
        return true;
    uint32_t slot = s_record_of (self, staged);
    if (slot)
        s_at (self, slot)->deadline_ns = time_to_live_ms;
    return slot != 0;
}

void sb_expiry_apply (sb_core_t *self, uint32_t staged, uint32_t field)
{
    uint32_t slot = sb_field_at (self, staged)->expiry;
    uint32_t time_to_live_ms = slot ? (uint32_t)s_at (self, slot)->deadline_ns : 0;
    if (staged != field && slot) { /* hands its record over, so that nothing has to be taken */
        sb_expiry_forget (self, field);
        sb_field_at (self, staged)->expiry = 0;
        sb_field_at (self, field)->expiry = slot;
        s_at (self, slot)->field = field;
    }
    sb_expiry_written (self, field, time_to_live_ms);
}

void sb_expiry_forget (sb_core_t *self, uint32_t field)
{
    uint32_t slot = sb_field_at (self, field)->expiry;
    if (!slot)
        return;
    s_unlink (self, slot);
    sb_pool_give (&self->expiry.records, slot);
    sb_field_at (self, field)->expiry = 0;
}

uint64_t sb_expiry_deadline (const sb_core_t *self)
{
    uint32_t level, bucket;
    return self->expiry.count ? s_next_bucket (&self->expiry, &level, &bucket) : SB_NEVER;
}

int64_t sb_expiry_unix_ns (const sb_core_t *self, uint32_t field)
{
    uint32_t slot = sb_field_at (self, field)->expiry;
    if (!slot || s_at (self, slot)->place == NOWHERE)
        return 0;
    return self->now_unix_ns + (int64_t)(s_at (self, slot)->deadline_ns - self->now_ns);
}

void sb_expiry_fini (sb_core_t *self)
{
    sb_pool_fini (&self->expiry.records);
}

/* ---- expiring */

/* The fields of one topic that expire together, a chain through `next`. */
typedef struct {
    uint32_t topic;
    uint32_t first; /* place + 1 in the list of fields that are due */
    uint32_t last;
    uint32_t count;
} s_group_t;

/* Deletes a group's fields, max_changes of them in a publication at most. */
static void s_expire_group (sb_core_t *self, const s_group_t *group, const uint32_t *fields, const uint32_t *next)
{
    uint32_t place = group->first;
    for (uint32_t left = group->count; left;) {
        uint32_t count = left < self->config.max_changes ? left : self->config.max_changes;
        sb_change_t *changes = sb_scratch_take (&self->scratch, count * sizeof *changes);
        sb_publish_close (self);
        sb_publish_sequence (self, group->topic, SB_CAUSE_EXPIRED);
        for (uint32_t i = 0; i < count; i++, place = next[place - 1]) {
            uint32_t slot = fields[place - 1];
            sb_change_t gone = {.name = sb_field_text (sb_field_at (self, slot)), .is_delete = true};
            sb_apply_copy_change (self, &gone, &changes[i]);
            sb_remove_field (self, slot);
        }
        sb_update_t update = {.changes = changes, .change_count = count};
        sb_publish_update (self, &update);
        sb_publish_close (self);
        sb_core_counter_add (self, SB_COUNTER_changes_expired, count);
        left -= count;
    }
}

void sb_expiry_tick (sb_core_t *self)
{
    if (!self->expiry.count)
        return;
    uint32_t fields[DUE_MAX], next[DUE_MAX], groups = 0;
    s_group_t group[DUE_MAX];
    uint32_t count = s_take_due (self, fields, DUE_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t topic = sb_field_at (self, fields[i])->topic, at = groups;
        while (at > 0 && group[at - 1].topic != topic) /* most often the last one */
            at--;
        next[i] = 0;
        if (at > 0) {
            s_group_t *found = &group[at - 1];
            next[found->last - 1] = i + 1;
            found->last = i + 1;
            found->count++;
        } else
            group[groups++] = (s_group_t){topic, i + 1, i + 1, 1};
    }
    for (uint32_t i = 0; i < groups; i++)
        s_expire_group (self, &group[i], fields, next);
}
