/* SPDX-License-Identifier: MPL-2.0
 *
 * Expiry: a field with a time to live goes by itself when it is not written again in time, also by a write of the same
 * bits. That is a publication with cause EXPIRED and a delete, like any other in its topic.
 */
#ifndef SB_EXPIRY_H
#define SB_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

/* All fields that have a time to live. */
typedef struct {
    uint32_t count; /* fields that may expire */
} sb_expiry_t;

/* `field` was written, changed or not, by a delta that asks for `time_to_live_ms` (0: its category's, which may be
 * none). False when there is no memory: then nothing changed, and the delta is refused STORE_FULL. */
bool sb_expiry_written (sb_core_t *self, uint32_t field, uint32_t time_to_live_ms);

/* The field is about to be freed. */
void sb_expiry_forget (sb_core_t *self, uint32_t field);

/* When the next field may expire; SB_NEVER: none. */
uint64_t sb_expiry_deadline (const sb_core_t *self);

/* Expires what is due, a bounded number of fields; what is left stays due. */
void sb_expiry_tick (sb_core_t *self);

/* Broker time at which the field goes if it is not written again; 0: it stays. */
int64_t sb_expiry_unix_ns (const sb_core_t *self, uint32_t field);

/* Gives everything back. */
void sb_expiry_fini (sb_core_t *self);

#endif
