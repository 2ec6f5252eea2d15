/* SPDX-License-Identifier: MPL-2.0
 *
 * What the makers of seeds share: an input being written, and its file.
 */
#ifndef SEEDS_H
#define SEEDS_H

#include "fuzz.h"
#include "sb_message.h"

/* An input being written. All of it is plain data; seed_save empties it. */
typedef struct {
    uint8_t octets[65536];
    size_t size;
} seed_t;

/* Each adds to the end; what does not fit aborts. */
void seed_octet (seed_t *self, uint8_t octet);
void seed_number (seed_t *self, uint16_t number);
void seed_add (seed_t *self, const void *data, size_t size);
void seed_text (seed_t *self, const char *text);

/* A record without octets, and one with: see core_targets.c and agent_target.c for what they mean. */
void seed_record (seed_t *self, uint8_t record, uint8_t how);
void seed_record_octets (seed_t *self, uint8_t record, uint8_t how, const void *data, size_t size);

/* Records with a message in them. */
void seed_agent_message (seed_t *self, uint8_t record, uint8_t how, const sb_agent_message_t *message);
void seed_broker_message (seed_t *self, uint8_t record, uint8_t how, const sb_broker_message_t *message);
void seed_publication (seed_t *self, uint8_t record, uint8_t how, const sb_publication_t *publication);
void seed_request (seed_t *self, uint8_t record, uint8_t how, const sb_command_request_t *request);

/* Writes it to FOLDER/target/label-HASH, where HASH is of its content, and empties it. */
void seed_save (seed_t *self, const char *target, const char *label);

/* The makers (seeds_text.c, seeds_wire.c, seeds_play.c). Each writes its targets' seeds. */
void seeds_text (seed_t *seed);
void seeds_wire (seed_t *seed);
void seeds_play (seed_t *seed);

/* Prints libFuzzer's dictionary (seeds_words.c). */
void seeds_words (void);

#endif
