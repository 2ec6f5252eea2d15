/* SPDX-License-Identifier: MPL-2.0
 *
 * A JSON writer (RFC 8259) into a buffer that grows. Commas come by themselves; what is opened must be
 * closed, which sb_json_text asserts.
 *
 * How values of the bus look: numbers in the fewest digits that read back the same, always with a point or an exponent
 * (1.0), never NaN or infinity (null instead); times, whose name ends in unix_ns, always as texts; other integers as
 * numbers up to 2^53-1, beyond as texts; decimals as texts with their exact digits; octets as {"base64": "..."}; a
 * delete as null. Octets that are no UTF-8 become U+FFFD.
 */
#ifndef SB_JSON_H
#define SB_JSON_H

#include "sb_message.h"

typedef struct sb_json sb_json_t;

/* An empty document; out of memory ends the program, here and below. */
sb_json_t *sb_json_new (void);

/* Harmless on NULL and on *self_p == NULL. */
void sb_json_destroy (sb_json_t **self_p);

/* Forgets what was written. */
void sb_json_clear (sb_json_t *self);

/* The document, NUL-terminated, until the next call. */
const char *sb_json_text (const sb_json_t *self);

/* Parts of a document. A key is followed by its value. */
void sb_json_open_object (sb_json_t *self);
void sb_json_close_object (sb_json_t *self);
void sb_json_open_array (sb_json_t *self);
void sb_json_close_array (sb_json_t *self);
void sb_json_key (sb_json_t *self, sb_text_t key);
void sb_json_string (sb_json_t *self, sb_text_t text);
void sb_json_number (sb_json_t *self, double number);
void sb_json_integer (sb_json_t *self, int64_t integer);
void sb_json_unsigned (sb_json_t *self, uint64_t integer);
void sb_json_boolean (sb_json_t *self, bool boolean);
void sb_json_null (sb_json_t *self);
void sb_json_time (sb_json_t *self, int64_t unix_ns);
void sb_json_value (sb_json_t *self, const sb_value_t *value);

/* The value of what bears that name: an integer whose name ends in unix_ns is a time. */
void sb_json_named_value (sb_json_t *self, sb_text_t name, const sb_value_t *value);

/* A key with its value. */
void sb_json_member_string (sb_json_t *self, const char *key, sb_text_t text);
void sb_json_member_integer (sb_json_t *self, const char *key, int64_t integer);
void sb_json_member_time (sb_json_t *self, const char *key, int64_t unix_ns);
void sb_json_member_unsigned (sb_json_t *self, const char *key, uint64_t integer);

/* A publication as an object: topic, its three parts, numbers, quality, cause, updates. */
void sb_json_publication (sb_json_t *self, const sb_publication_t *publication);

#endif
