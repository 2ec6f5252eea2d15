/* SPDX-License-Identifier: MPL-2.0
 *
 * Seeds of the wire's decoders: the samples that the codec's own tests use, one with every field set and one with
 * next to none for each kind of body, and each of them cut short. Of snapshots' messages also what is in the frame, and
 * of a chunk what is in its body, as the targets of those take it.
 */
#include "seeds.h"

#include "samples.h"

#include <stdio.h>

static const char *const s_targets[] = {
    [SAMPLE_AGENT_MESSAGE] = "agent_message",     [SAMPLE_BROKER_MESSAGE] = "broker_message",
    [SAMPLE_COMMAND_REQUEST] = "command_request", [SAMPLE_COMMAND_REPLY] = "command_reply",
    [SAMPLE_PUBLICATION] = "publication",
};

static void s_save (seed_t *seed, const char *target, const sample_t *sample, size_t size, const char *how,
                    uint32_t number)
{
    char label[32];
    snprintf (label, sizeof label, "%s%u", how, number);
    seed_add (seed, sample->data, size);
    seed_save (seed, target, label);
}

/* Octets of a frame before its one body: the body's tag and size. */
static size_t s_head_size (const sample_t *frame)
{
    size_t at = 1;
    while (frame->data[at++] & 0x80)
        ;
    return at;
}

static void s_save_inner (seed_t *seed, sample_frame_t frame, uint32_t number, bool full, const char *target)
{
    sample_t sample = sample_new (frame, number, full);
    size_t head = s_head_size (&sample);
    seed_add (seed, sample.data + head, sample.size - head);
    seed_save (seed, target, full ? "full" : "bare");
    sample_free (&sample);
}

static void s_save_chunk (seed_t *seed, const char *label, const Syncbus__V1__SnapshotTopics *topics)
{
    uint8_t octets[4096];
    FUZZ_CLAIM (syncbus__v1__snapshot_topics__get_packed_size (topics) < sizeof octets);
    seed_octet (seed, 1);
    seed_add (seed, octets, syncbus__v1__snapshot_topics__pack (topics, octets));
    seed_save (seed, "snapshot_chunk", label);
}

static void s_seeds_chunk (seed_t *seed)
{
    sample_t sample = sample_new (SAMPLE_BROKER_MESSAGE, 7, true);
    size_t head = s_head_size (&sample);
    seed_octet (seed, 0);
    seed_add (seed, sample.data + head, sample.size - head);
    seed_save (seed, "snapshot_chunk", "whole");
    Syncbus__V1__BrokerMessage *message = syncbus__v1__broker_message__unpack (NULL, sample.size, sample.data);
    FUZZ_CLAIM (message && message->body_case == SYNCBUS__V1__BROKER_MESSAGE__BODY_SNAPSHOT_CHUNK);
    const ProtobufCBinaryData *body = &message->snapshot_chunk->body;
    Syncbus__V1__SnapshotTopics *topics = syncbus__v1__snapshot_topics__unpack (NULL, body->len, body->data);
    FUZZ_CLAIM (topics && topics->n_topics == 2);
    s_save_chunk (seed, "body", topics);
    size_t field_count = topics->topics[1]->n_fields;
    topics->topics[1]->n_fields = 0;
    s_save_chunk (seed, "topic_without_fields", topics);
    topics->topics[1]->n_fields = field_count;
    topics->topics[0]->cause = SYNCBUS__V1__CAUSE__CAUSE_SNAPSHOT;
    s_save_chunk (seed, "cause_never_on_the_wire", topics);
    topics->topics[0]->cause = SYNCBUS__V1__CAUSE__CAUSE_EXPIRED;
    topics->topics[0]->fields[0]->value->kind_case = SYNCBUS__V1__VALUE__KIND__NOT_SET;
    s_save_chunk (seed, "field_without_value", topics);
    topics->topics[0]->fields[0]->value->kind_case = SYNCBUS__V1__VALUE__KIND_NUMBER;
    topics->n_topics = 0;
    s_save_chunk (seed, "no_topics", topics);
    topics->n_topics = 2;
    syncbus__v1__snapshot_topics__free_unpacked (topics, NULL);
    syncbus__v1__broker_message__free_unpacked (message, NULL);
    sample_free (&sample);
}

/* Seeds for hot path and protobuf-c side by side: every body whole, and cut where it hurts most. */
static void s_seeds_differential (seed_t *seed, sample_frame_t frame, const char *target, size_t size_max)
{
    for (uint32_t number = 0; number < sample_count (frame); number++) {
        sample_t full = sample_new (frame, number, true), bare = sample_new (frame, number, false);
        if (full.size <= size_max) {
            s_save (seed, target, &full, full.size, "full", number);
            s_save (seed, target, &full, full.size - 1, "short", number);
        }
        s_save (seed, target, &bare, bare.size, "bare", number);
        sample_free (&bare);
        sample_free (&full);
    }
}

void seeds_wire (seed_t *seed)
{
    s_seeds_differential (seed, SAMPLE_AGENT_MESSAGE, "differential_agent_message", 4096);
    s_seeds_differential (seed, SAMPLE_PUBLICATION, "differential_publication", 4096);
    s_seeds_differential (seed, SAMPLE_BROKER_MESSAGE, "differential_broker_message", 512);
    static const struct {
        sample_frame_t frame;
        uint32_t number;
        const char *target;
    } inner[] = {{SAMPLE_AGENT_MESSAGE, 10, "snapshot_request"},
                 {SAMPLE_AGENT_MESSAGE, 11, "snapshot_credit"},
                 {SAMPLE_BROKER_MESSAGE, 8, "snapshot_end"}};
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        s_save_inner (seed, inner[i].frame, inner[i].number, true, inner[i].target);
        s_save_inner (seed, inner[i].frame, inner[i].number, false, inner[i].target);
    }
    s_seeds_chunk (seed);
    for (sample_frame_t frame = 0; frame < SAMPLE_FRAMES; frame++) {
        for (uint32_t number = 0; number < sample_count (frame); number++) {
            sample_t full = sample_new (frame, number, true), bare = sample_new (frame, number, false);
            if (full.size <= 4096) {
                s_save (seed, s_targets[frame], &full, full.size, "full", number);
                s_save (seed, s_targets[frame], &full, full.size - full.size / 3, "cut", number);
            }
            s_save (seed, s_targets[frame], &bare, bare.size, "bare", number);
            sample_free (&bare);
            sample_free (&full);
        }
    }
}
