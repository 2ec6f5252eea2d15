/* SPDX-License-Identifier: MPL-2.0
 *
 * The hot path of the codec: the few messages that make up nearly all traffic, without protobuf-c. Private.
 *
 * Each function takes a message whole, or says false (0 octets); then protobuf-c does it from the beginning.
 * So the hot path has no faults of its own: it takes only what is right, in the form that every encoder writes, and
 * what is wrong or unusual is judged in one place. Tests and fuzz targets hold each to its twin sb_protobuf_….
 */
#ifndef SB_HOT_H
#define SB_HOT_H

#include "sb_codec.h"

/* An AgentMessage with a Delta or a DeltaBatch, no delta having a fault. False: something else, or the arena's newest
 * block has no room for it; then nothing was taken from the arena, and *message is anything. */
bool sb_hot_decode_agent_message (sb_arena_t *arena, const void *data, size_t size, size_t max_bytes,
                                  sb_agent_message_t *message);

/* A frame of the PUB socket. As above. */
bool sb_hot_decode_publication (sb_arena_t *arena, const void *frame, size_t size, size_t max_bytes,
                                sb_publication_t *publication);

/* A BrokerMessage with an Ack that refuses nothing. As above; takes no memory. */
bool sb_hot_decode_broker_message (const void *data, size_t size, size_t max_bytes, sb_broker_message_t *message);

/* The same messages the other way, with the contract of sb_codec.h; 0: something else, or no room, and *encoding is
 * NULL. */
size_t sb_hot_encode_agent_message (sb_arena_t *arena, const sb_agent_message_t *message, sb_encoding_t **encoding);
size_t sb_hot_encode_publication (sb_arena_t *arena, const sb_publication_t *publication, sb_encoding_t **encoding);
size_t sb_hot_encode_broker_message (sb_arena_t *arena, const sb_broker_message_t *message, sb_encoding_t **encoding);

/* First octets of fields, as the schema numbers them: number << 3, and how the field is written. No hot message has a
 * number above 15, so that one octet is all of it. */
enum { SB_HOT_VARINT = 0, SB_HOT_FIXED64 = 1, SB_HOT_SIZED = 2 };
#define SB_HOT_TAG(number, type) ((number) << 3 | SB_HOT_##type)
enum {
    SB_HOT_DECIMAL_UNSCALED = SB_HOT_TAG (1, VARINT),
    SB_HOT_DECIMAL_EXPONENT = SB_HOT_TAG (2, VARINT),
    SB_HOT_VALUE_NUMBER = SB_HOT_TAG (1, FIXED64),
    SB_HOT_VALUE_INTEGER = SB_HOT_TAG (2, VARINT),
    SB_HOT_VALUE_DECIMAL = SB_HOT_TAG (3, SIZED),
    SB_HOT_VALUE_BOOLEAN = SB_HOT_TAG (4, VARINT),
    SB_HOT_VALUE_TEXT = SB_HOT_TAG (5, SIZED),
    SB_HOT_VALUE_BYTES = SB_HOT_TAG (6, SIZED),
    SB_HOT_CHANGE_NAME = SB_HOT_TAG (1, SIZED),
    SB_HOT_CHANGE_VALUE = SB_HOT_TAG (2, SIZED),
    SB_HOT_CHANGE_DELETE = SB_HOT_TAG (3, SIZED),
    SB_HOT_DELTA_SEQUENCE = SB_HOT_TAG (1, VARINT),
    SB_HOT_DELTA_EVENT = SB_HOT_TAG (2, VARINT),
    SB_HOT_DELTA_ORIGIN = SB_HOT_TAG (3, VARINT),
    SB_HOT_DELTA_CATEGORY = SB_HOT_TAG (4, SIZED),
    SB_HOT_DELTA_SUBJECT = SB_HOT_TAG (5, SIZED),
    SB_HOT_DELTA_CHANGES = SB_HOT_TAG (6, SIZED),
    SB_HOT_DELTA_TIME_TO_LIVE = SB_HOT_TAG (7, VARINT),
    SB_HOT_BATCH_DELTAS = SB_HOT_TAG (1, SIZED),
    SB_HOT_AGENT_MESSAGE_DELTA = SB_HOT_TAG (2, SIZED),
    SB_HOT_AGENT_MESSAGE_BATCH = SB_HOT_TAG (3, SIZED),
    SB_HOT_ACK_DECIDED_THROUGH = SB_HOT_TAG (1, VARINT),
    SB_HOT_BROKER_MESSAGE_ACK = SB_HOT_TAG (3, SIZED),
    SB_HOT_UPDATE_SEQUENCE = SB_HOT_TAG (1, VARINT),
    SB_HOT_UPDATE_EVENT = SB_HOT_TAG (2, VARINT),
    SB_HOT_UPDATE_ORIGIN = SB_HOT_TAG (3, VARINT),
    SB_HOT_UPDATE_CHANGES = SB_HOT_TAG (4, SIZED),
    SB_HOT_UPDATE_PUBLICATION = SB_HOT_TAG (5, VARINT),
    SB_HOT_PUBLICATION_STREAM = SB_HOT_TAG (1, VARINT),
    SB_HOT_PUBLICATION_EPOCH = SB_HOT_TAG (2, VARINT),
    SB_HOT_PUBLICATION_SEQUENCE = SB_HOT_TAG (3, VARINT),
    SB_HOT_PUBLICATION_CATEGORY = SB_HOT_TAG (4, VARINT),
    SB_HOT_PUBLICATION_TOPIC = SB_HOT_TAG (5, VARINT),
    SB_HOT_PUBLICATION_AGENT_ID = SB_HOT_TAG (6, SIZED),
    SB_HOT_PUBLICATION_BROKER_TIME = SB_HOT_TAG (7, VARINT),
    SB_HOT_PUBLICATION_QUALITY = SB_HOT_TAG (8, VARINT),
    SB_HOT_PUBLICATION_CAUSE = SB_HOT_TAG (9, VARINT),
    SB_HOT_PUBLICATION_UPDATES = SB_HOT_TAG (10, SIZED),
    SB_HOT_PUBLICATION_FIRST_TOPIC = SB_HOT_TAG (11, VARINT),
    SB_HOT_PUBLICATION_AGENT = SB_HOT_TAG (12, VARINT),
    SB_HOT_PUBLICATION_CONFLATED = SB_HOT_TAG (13, VARINT)
};

#endif
