/* SPDX-License-Identifier: MPL-2.0
 *
 * A bounded map from a subject (`market:symbol`, or any name of at most 64 octets) to a record of
 * fixed size that stays where it is. The desk's agents keep what they know of each instrument here.
 */
#ifndef SB_RECORDS_H
#define SB_RECORDS_H

#include "sb_model.h"

typedef struct sb_records sb_records_t;

/* A map of at most max_subjects (1 to 1,000,000) records of record_bytes (from 1 up). NULL when there is no memory. */
sb_records_t *sb_records_new (uint32_t record_bytes, uint32_t max_subjects);

/* Destroys it and its records, and sets *self_p to NULL. Harmless on NULL and on *self_p == NULL. */
void sb_records_destroy (sb_records_t **self_p);

/* The record of `subject`, NULL when there is none. */
void *sb_records_find (const sb_records_t *self, sb_text_t subject);

/* The record of `subject`, made and zeroed when there is none. NULL when the map is full, the name is longer than
 * 64 octets, or there is no memory. */
void *sb_records_take (sb_records_t *self, sb_text_t subject);

/* How many records there are. */
uint32_t sb_records_count (const sb_records_t *self);

/* The record made i-th (from 0; i < count is asserted). *subject (may be NULL) gets its NUL-terminated name; both live
 * as long as the map. */
void *sb_records_at (const sb_records_t *self, uint32_t i, const char **subject);

#endif
