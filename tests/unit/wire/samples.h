/* SPDX-License-Identifier: MPL-2.0
 *
 * Samples of every message, made from the schema's descriptors: each field that the schema
 * has is set, to a value that no other field of the sample has where its syntax allows that. So a field
 * that is added to the schema and forgotten in the codec makes the round trip fail.
 */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "sb_codec_private.h"

#include <stdbool.h>

/* The five frames of the wire. */
typedef enum {
    SAMPLE_AGENT_MESSAGE,
    SAMPLE_BROKER_MESSAGE,
    SAMPLE_COMMAND_REQUEST,
    SAMPLE_COMMAND_REPLY,
    SAMPLE_PUBLICATION,
    SAMPLE_FRAMES
} sample_frame_t;

/* Octets on the heap of exactly their size, so that a sanitizer sees the first octet read too far. */
typedef struct {
    unsigned char *data;
    size_t size;
} sample_t;

/* Number of different samples of a frame: one for each body that its oneof can have. */
uint32_t sample_count (sample_frame_t frame);

/* Sample `number` with every field set; with `full` false nothing but the body's kind. Value kinds and deletes take
 * turns along repeated fields. */
sample_t sample_new (sample_frame_t frame, uint32_t number, bool full);
sample_t sample_copy (const void *data, size_t size);
void sample_free (sample_t *self);

/* Decodes; gives the fault. With `again` not NULL, what was decoded is encoded again into it. */
sb_fault_t sample_decode (sample_frame_t frame, const sample_t *sample, sb_arena_t *arena, sample_t *again);

#endif
