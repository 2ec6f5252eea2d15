/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding what agents send, deltas and batches, without protobuf-c. How: sb_hot_changes.h.
 *
 * Measured with callgrind (bench_steps), in instructions: a delta of 128 octets takes 320 in a batch of 16 with one
 * topic, 400 with others in turn, 580 alone; without sharing, and with a check before each octet, it was 610, 610, 730.
 * protobuf-c needs five to ten times as many.
 */
#include "sb_hot_changes.h"

static const sb_fault_t s_no_fault = {.reason = SB_REASON_NONE};
static const sb_text_t s_no_text = {"", 0};

/* A name that may be absent, of which *seen may be the like. Gives the place behind it, or nowhere; *name_end is where
 * its NUL belongs once the octet there was read, and stays when it has one. */
SB_HOT_INLINE const uint8_t *s_read_name (sb_hot_work_t *self, const uint8_t *at, const uint8_t *limit, bool is_alone,
                                          uint8_t tag, bool (*is_name) (sb_text_t), sb_hot_seen_name_t *seen,
                                          sb_text_t *name, const uint8_t **name_end)
{
    const uint8_t *end, *tag_at = at;
    if (*at != tag) {
        *name = sb_hot_text (self->end, self->end);
        return at;
    }
    if (!is_alone && sb_hot_is_same (at, seen->at, seen->size)) {
        *name = seen->text;
        return at + seen->size;
    }
    at = sb_hot_short_part (at + 1, limit, &end);
    if (!end)
        return sb_hot_nowhere;
    *name = sb_hot_text (at, end);
    *name_end = end;
    if (at < end && !is_name (*name))
        return sb_hot_nowhere;
    if (!is_alone) {
        size_t size = (size_t)(end - tag_at);
        *seen = (sb_hot_seen_name_t){sb_hot_original (self, tag_at), size, *name};
    }
    return end;
}

/* `is_alone`: there is no other in the message, and nothing to be shared. */
SB_HOT_INLINE bool s_read_delta (sb_hot_work_t *self, sb_hot_part_t part, bool is_alone, sb_delta_t *delta)
{
    const uint8_t *at = part.at, *end = part.end;
    sb_update_t *update = &delta->update;
    const uint8_t *category_end = self->end, *subject_end = self->end; /* a NUL already */
    uint64_t time_to_live_ms;
    at = sb_hot_number (at, SB_HOT_DELTA_SEQUENCE, &update->sequence);
    at = sb_hot_time (at, SB_HOT_DELTA_EVENT, &self->times, &update->event_unix_ns);
    at = sb_hot_time (at, SB_HOT_DELTA_ORIGIN, &self->times, &update->origin_unix_ns);
    at = s_read_name (self, at, end, is_alone, SB_HOT_DELTA_CATEGORY, sb_name_is_category, &self->category,
                      &delta->category, &category_end);
    at = s_read_name (self, at, end, is_alone, SB_HOT_DELTA_SUBJECT, sb_name_is_subject, &self->subject,
                      &delta->subject, &subject_end);
    at = sb_hot_read_changes (self, at, end, is_alone, SB_HOT_DELTA_CHANGES, sb_name_is_field, update);
    at = sb_hot_number (at, SB_HOT_DELTA_TIME_TO_LIVE, &time_to_live_ms);
    sb_hot_put_nul (category_end);
    sb_hot_put_nul (subject_end);
    update->publication_sequence = 0;
    delta->time_to_live_ms = (uint32_t)time_to_live_ms; /* protobuf has it that more bits are dropped */
    delta->fault = SB_REASON_NONE;
    delta->fault_field = s_no_text;
    return at == end && update->change_count > 0 && update->change_count <= SB_CHANGES_MAX;
}

/* A body that is a delta. */
SB_HOT_INLINE bool s_read_one (sb_hot_work_t *self, const uint8_t *at, sb_batch_t *batch)
{
    sb_delta_t *delta = sb_hot_take (self, sizeof *delta);
    batch->deltas = delta;
    batch->delta_count = 1;
    return delta && s_read_delta (self, (sb_hot_part_t){at, self->end}, true, delta);
}

/* A body that is a batch. */
SB_HOT_INLINE bool s_read_batch (sb_hot_work_t *self, const uint8_t *at, sb_batch_t *batch)
{
    sb_delta_t *deltas = (sb_delta_t *)self->low;
    at = sb_hot_take_items (self, at, SB_HOT_BATCH_DELTAS, sizeof *deltas);
    size_t count = (size_t)((sb_delta_t *)self->low - deltas);
    if (at != self->end || count == 0 || count > SB_CHANGES_MAX)
        return false;
    batch->deltas = deltas;
    batch->delta_count = (uint32_t)count;
    for (const sb_delta_t *last = deltas + count; deltas < last; deltas++) {
        sb_hot_part_t part;
        memcpy (&part, deltas, sizeof part);
        if (!s_read_delta (self, part, false, deltas))
            return false;
    }
    return true;
}

SB_HOT_INLINE bool s_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                           sb_agent_message_t *message)
{
    const uint8_t *frame = data, *end;
    if (size == 0 || size > max_bytes || (*frame != SB_HOT_AGENT_MESSAGE_BATCH && *frame != SB_HOT_AGENT_MESSAGE_DELTA))
        return false;
    sb_hot_work_t work;
    if (!sb_hot_begin (&work, arena, data, size))
        return false;
    const uint8_t *at = sb_hot_part (work.at + 1, work.end, &end);
    if (end != work.end)
        return false;
    bool is_read = *work.at == SB_HOT_AGENT_MESSAGE_BATCH ? s_read_batch (&work, at, &message->batch)
                                                          : s_read_one (&work, at, &message->batch);
    if (!is_read)
        return false;
    message->kind = SB_AGENT_MESSAGE_BATCH;
    sb_arena_close (arena, work.low, work.high);
    return true;
}

bool sb_hot_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                  sb_agent_message_t *message)
{
    return s_decode_agent_message (arena, data, size, max_bytes, message);
}

sb_fault_t sb_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                    sb_agent_message_t *message)
{
    if (s_decode_agent_message (arena, data, size, max_bytes, message))
        return s_no_fault;
    return sb_protobuf_decode_agent_message (arena, data, size, max_bytes, message);
}
