/* SPDX-License-Identifier: MPL-2.0
 *
 * Decoding what the broker sends, publications and plain acks, without protobuf-c. How: sb_hot_changes.h.
 *
 * Measured with callgrind (bench_steps), in instructions: a publication takes a reader 760 instead of 1390 with a check
 * before each octet and without sharing, and each update of one with 16 takes 260 instead of 480. protobuf-c needs
 * five to ten times as many.
 */
#include "sb_hot_changes.h"

static const sb_fault_t s_no_fault = {.reason = SB_REASON_NONE};

/* ------------------------------------------------------------------ publications */

/* True when all octets are 0x01 to 0x7f; there is at least one. Up to seven octets behind them are looked at. */
SB_HOT_INLINE bool s_is_plain (sb_text_t text)
{
    const uint64_t ones = UINT64_C (0x0101010101010101), highest = ones << 7;
    const uint8_t *at = (const uint8_t *)text.data;
    size_t size = text.size;
    uint64_t octets = sb_hot_load (at), found = 0;
    for (; size > 8; size -= 8, octets = sb_hot_load (at += 8))
        found |= octets | (octets - ones);
    uint64_t last = ((octets | (octets - ones)) & highest) << (64 - 8 * size); /* without what is not the text's */
    return ((found & highest) | last) == 0;
}

/* A name in a publication was checked by the broker: it is taken when it is a text. */
SB_HOT_INLINE bool s_is_text (sb_text_t text)
{
    return s_is_plain (text) || sb_text_is_utf8 (text);
}

/* `is_alone`: there is no other in the message, and nothing to be shared. */
SB_HOT_INLINE bool s_read_update (sb_hot_work_t *self, sb_hot_part_t part, bool is_alone, sb_update_t *update)
{
    const uint8_t *at = part.at, *end = part.end;
    at = sb_hot_number (at, SB_HOT_UPDATE_SEQUENCE, &update->sequence);
    at = sb_hot_time (at, SB_HOT_UPDATE_EVENT, &self->times, &update->event_unix_ns);
    at = sb_hot_time (at, SB_HOT_UPDATE_ORIGIN, &self->times, &update->origin_unix_ns);
    at = sb_hot_read_changes (self, at, end, is_alone, SB_HOT_UPDATE_CHANGES, s_is_text, update);
    at = sb_hot_number (at, SB_HOT_UPDATE_PUBLICATION, &update->publication_sequence);
    return at == end;
}

SB_HOT_INLINE const uint8_t *s_read_updates (sb_hot_work_t *self, const uint8_t *at, sb_publication_t *publication)
{
    publication->updates = NULL;
    publication->update_count = 0;
    if (*at != SB_HOT_PUBLICATION_UPDATES)
        return at;
    sb_update_t *updates = (sb_update_t *)self->low;
    sb_hot_part_t part;
    part.at = sb_hot_part (at + 1, self->end, &part.end);
    if (!part.end)
        return sb_hot_nowhere;
    publication->updates = updates;
    if (*part.end != SB_HOT_PUBLICATION_UPDATES) {
        publication->update_count = 1;
        return sb_hot_take (self, sizeof *updates) && s_read_update (self, part, true, updates) ? part.end
                                                                                                : sb_hot_nowhere;
    }
    at = sb_hot_take_items (self, at, SB_HOT_PUBLICATION_UPDATES, sizeof *updates);
    for (const sb_update_t *last = (const sb_update_t *)self->low; updates < last; updates++) {
        memcpy (&part, updates, sizeof part);
        if (!s_read_update (self, part, false, updates))
            return sb_hot_nowhere;
        publication->update_count++;
    }
    return at;
}

SB_HOT_INLINE const uint8_t *s_read_agent_id (sb_hot_work_t *self, const uint8_t *at, sb_text_t *agent_id)
{
    const uint8_t *end;
    *agent_id = sb_hot_text (self->end, self->end);
    if (*at != SB_HOT_PUBLICATION_AGENT_ID)
        return at;
    at = sb_hot_short_part (at + 1, self->end, &end);
    if (at == end)
        return end;
    if (!end)
        return sb_hot_nowhere;
    *agent_id = sb_hot_text (at, end);
    return s_is_text (*agent_id) ? end : sb_hot_nowhere;
}

SB_HOT_INLINE bool s_read_publication (sb_hot_work_t *self, const uint8_t *at, sb_publication_t *publication)
{
    uint64_t quality, cause;
    at = sb_hot_long_number (at, SB_HOT_PUBLICATION_STREAM, &publication->stream_id);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_EPOCH, &publication->epoch);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_SEQUENCE, &publication->sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_CATEGORY, &publication->category_sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_TOPIC, &publication->topic_sequence);
    at = s_read_agent_id (self, at, &publication->agent_id);
    at = sb_hot_time (at, SB_HOT_PUBLICATION_BROKER_TIME, &self->times, &publication->broker_unix_ns);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_QUALITY, &quality);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_CAUSE, &cause);
    at = s_read_updates (self, at, publication);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_FIRST_TOPIC, &publication->first_topic_sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_AGENT, &publication->agent_sequence);
    at = sb_hot_number (at, SB_HOT_PUBLICATION_CONFLATED, &publication->conflated_sequence);
    sb_hot_put_nul ((const uint8_t *)publication->agent_id.data + publication->agent_id.size);
    publication->quality = (sb_quality_t)quality;
    publication->cause = (sb_cause_t)cause;
    return at == self->end && quality <= SB_QUALITY_FORCED_STALE && cause < SB_CAUSE_SNAPSHOT &&
           publication->first_topic_sequence <= publication->topic_sequence;
}

/* A topic that is a plain one: category.agent.subject of ASCII, not conflated. */
SB_HOT_INLINE bool s_is_plain_topic (sb_text_t topic)
{
    const uint64_t ones = UINT64_C (0x0101010101010101), highest = ones << 7, dots = ones * '.';
    const uint8_t *at = (const uint8_t *)topic.data;
    uint64_t octets = sb_hot_load (at), any = 0, found = 0; /* for each octet of a word: how many dots */
    uint32_t left = topic.size;
    if (left == 0 || left > SB_TOPIC_MAX || *at == '.' || *at == '~')
        return false;
    for (; left > 8; left -= 8, octets = sb_hot_load (at += 8)) {
        any |= octets;
        found += (highest - (octets ^ dots)) >> 7 & ones;
    }
    octets <<= 64 - 8 * left;
    any |= octets;
    found += (highest - (octets ^ dots)) >> 7 & ones;
    return !(any & highest) && found * ones >> 56 == 2;
}

/* The frame's topic. False: it is none, or has no NUL behind it. */
SB_HOT_INLINE bool s_read_topic (const sb_hot_work_t *self, sb_arena_t *arena, sb_text_t *topic)
{
    const uint8_t *nul = memchr (self->at, 0, (size_t)(self->end - self->at));
    sb_decoder_t decoder = {.arena = arena};
    if (!nul)
        return false;
    *topic = sb_hot_text (self->at, nul);
    if (!s_is_plain_topic (*topic))
        sb_decode_frame_topic (&decoder, *topic);
    return decoder.fault.reason == SB_REASON_NONE;
}

SB_HOT_INLINE bool s_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                         sb_publication_t *publication)
{
    sb_hot_work_t work;
    if (size == 0 || size > max_bytes || !sb_hot_begin (&work, arena, frame, size))
        return false;
    if (!s_read_topic (&work, arena, &publication->topic))
        return false;
    if (!s_read_publication (&work, work.at + publication->topic.size + 1, publication))
        return false;
    sb_arena_close (arena, work.low, work.high);
    return true;
}

bool sb_hot_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                sb_publication_t *publication)
{
    return s_decode_publication (arena, frame, size, max_bytes, publication);
}

sb_fault_t sb_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                  sb_publication_t *publication)
{
    if (s_decode_publication (arena, frame, size, max_bytes, publication))
        return s_no_fault;
    return sb_protobuf_decode_publication (arena, frame, size, max_bytes, publication);
}

/* ------------------------------------------------------------------ acks */

SB_HOT_INLINE bool s_decode_broker_message (const void *data, size_t size, size_t max_bytes,
                                            sb_broker_message_t *message)
{
    uint8_t octets[2 * SB_HOT_BEHIND + 1] = {0};
    const uint8_t *end, *at = octets;
    if (size == 0 || size > max_bytes || size > SB_HOT_BEHIND || *(const uint8_t *)data != SB_HOT_BROKER_MESSAGE_ACK)
        return false;
    memcpy (octets, data, size);
    at = sb_hot_part (at + 1, octets + size, &end);
    at = sb_hot_number (at, SB_HOT_ACK_DECIDED_THROUGH, &message->ack.decided_through);
    if (at != octets + size || end != at)
        return false;
    message->kind = SB_BROKER_MESSAGE_ACK;
    message->ack.refused = NULL;
    message->ack.refused_count = 0;
    return true;
}

bool sb_hot_decode_broker_message (const void *data, size_t size, size_t max_bytes, sb_broker_message_t *message)
{
    return s_decode_broker_message (data, size, max_bytes, message);
}

sb_fault_t sb_decode_broker_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                     sb_broker_message_t *message)
{
    if (s_decode_broker_message (data, size, max_bytes, message))
        return s_no_fault;
    return sb_protobuf_decode_broker_message (arena, data, size, max_bytes, message);
}
