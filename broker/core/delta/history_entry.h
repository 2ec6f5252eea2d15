/* SPDX-License-Identifier: MPL-2.0
 *
 * One publication as history keeps it: for history.c, which keeps, and history_read.c, which reads.
 *
 * A head, then the topic, then each update: a packed head and its changes, each a packed head, its name, and the octets
 * of a text or bytes. Heads stand at any octet, so they are copied in and out, never pointed to.
 */
#ifndef SB_HISTORY_ENTRY_H
#define SB_HISTORY_ENTRY_H

#include "state.h"

struct sb_history_entry {
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t topic_sequence;
    uint64_t agent_sequence;
    int64_t broker_unix_ns;
    uint64_t added_ns; /* by the monotonic clock */
    uint32_t size;     /* octets of the whole entry */
    uint32_t update_count;
    uint32_t change_count; /* of all updates */
    uint8_t topic_size;
    uint8_t agent_start; /* where the agent id begins in the topic */
    uint8_t agent_size;
    uint8_t quality;
    uint8_t cause;
    char octets[]; /* topic, then updates */
};

typedef struct {
    uint64_t sequence;
    int64_t event_unix_ns;
    int64_t origin_unix_ns;
    uint32_t change_count;
    uint32_t unused; /* 0, so that no octet is left to chance */
} sb_packed_update_t;

typedef struct {
    uint64_t word; /* number, integer, unscaled, boolean */
    uint32_t size; /* octets of a text or bytes */
    uint8_t name_size;
    uint8_t kind;
    int8_t exponent;
    bool is_delete;
} sb_packed_change_t;

/* The place of the `number`th entry from the oldest. */
static inline sb_history_entry_t **sb_history_at (const sb_category_t *category, uint32_t number)
{
    return &category->ring[(category->ring_first + number) & (category->ring_capacity - 1)];
}

#endif
