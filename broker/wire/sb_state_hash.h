/* SPDX-License-Identifier: MPL-2.0
 *
 * The state hash: one number for a set of fields, so that two copies of a state can be compared. A sum, modulo 2^64,
 * over the fields, hence independent of order and kept up to date by subtracting the old term and adding the new.
 *
 * A field's term is FNV-1a (64 bit) over topic, NUL, name, NUL, one octet of kind (as in the schema's Value: 1 number
 * to 6 bytes), the value (number: the 8 octets of its IEEE 754 bits; integer: 8; decimal: 8 of unscaled, 4 of exponent;
 * boolean: 1; text and bytes: their octets; all little endian), one octet of quality, 8 octets of sequence, little
 * endian; then h ^= h >> 33; h *= 0xff51afd7ed558ccd; h ^= h >> 33; h *= 0xc4ceb9fe1a85ec53; h ^= h >> 33.
 * FNV because it is a line in any language; the last steps (MurmurHash3's finalizer) because a sum needs well mixed
 * terms.
 */
#ifndef SB_STATE_HASH_H
#define SB_STATE_HASH_H

#include "sb_model.h"

/* The term of one field. `quality` is its topic's; `sequence` that of the publication that last changed the field. */
uint64_t sb_state_hash_field (sb_text_t topic, sb_text_t name, const sb_value_t *value, sb_quality_t quality,
                              uint64_t sequence);

#endif
