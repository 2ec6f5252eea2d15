/* SPDX-License-Identifier: MPL-2.0
 *
 * What the scale programs share: clocks, options, figures of a process, raw peers on libzmq and the codec, commands.
 *
 * Raw peers rather than the client library: thousands of agents then fit into a few processes, and the load generator
 * costs the same whatever serves it. Anything that a measurement rests on and that fails ends the program with a
 * sentence: a figure is printed only when everything was accounted for.
 */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

#include "sb_codec.h"
#include "sb_message.h"
#include "sb_names.h"
#include "sb_value.h"

#include <stdio.h>
#include <sys/types.h>
#include <zmq.h>

enum { SCALE_TEXT = 64 };

/* ---------------------------------------------------------------- this program */

/* Prints the sentence with the program's name and exits with 1. */
void scale_fail (const char *format, ...) __attribute__ ((noreturn, format (printf, 1, 2)));

/* CLOCK_MONOTONIC, CLOCK_REALTIME. Cannot fail. */
uint64_t scale_now_ns (void);
int64_t scale_unix_ns (void);

/* Sleeps until that time of scale_now_ns. */
void scale_sleep_until (uint64_t monotonic_ns);

/* A row of a program's options: --name VALUE. */
typedef struct {
    const char *name;
    const char **text; /* one of the two is set */
    uint64_t *number;
    const char *help;
} scale_option_t;

/* Fills the targets. Help, and an option that is not in the table, end the program. */
void scale_read_options (int argument_count, char **arguments, const scale_option_t *options, uint32_t count);

/* Zeroed memory that forked children share. */
void *scale_share (size_t size);

/* A child that dies with this process: 0 in the child, like fork. */
pid_t scale_fork (void);

/* Waits for a child; fails when it did not end with 0. */
void scale_join (pid_t pid);

/* ---------------------------------------------------------------- figures */

/* Of another process, of all its threads. */
typedef struct {
    uint64_t cpu_ns; /* user and system */
    uint64_t resident_bytes;
    uint64_t peak_bytes;
    uint64_t threads;
} scale_process_t;

/* From /proc. CPU time by the scheduler's own count in ns where it is kept, else in ticks. */
scale_process_t scale_process (uint64_t pid);

/* Sorts the values and returns the one that `per_mille` of 1000 do not exceed; 0 of none. */
uint64_t scale_quantile (uint64_t *values, uint64_t count, uint32_t per_mille);

/* ---------------------------------------------------------------- raw peers */

/* What encoding and decoding need; one for each thread. */
typedef struct {
    sb_arena_t *encoded;
    sb_arena_t *decoded;
    zmq_msg_t frame; /* the last one received; what was decoded does not point into it */
} scale_wire_t;

void scale_wire_open (scale_wire_t *self);
void scale_wire_close (scale_wire_t *self);

/* A context that bears `sockets` sockets; raises the limit of file descriptors as far as it goes. */
void *scale_context (uint32_t sockets);

/* A socket of that type, connected; queues without a bound on its side, so that only the server's matter. */
void *scale_socket (void *context, int type, const char *endpoint);

/* Sends; false when the socket's queue is full. */
bool scale_send (scale_wire_t *self, void *socket, const sb_agent_message_t *message);

/* Receives a frame into self->frame; false when none is there. */
bool scale_receive_frame (scale_wire_t *self, void *socket);

/* Receives and decodes what the broker sent; false when nothing is there. One that cannot be read ends the program. */
bool scale_receive (scale_wire_t *self, void *socket, sb_broker_message_t *message);

/* Decodes the last frame received as one of the PUB side; one that cannot be read ends the program. */
void scale_publication (scale_wire_t *self, sb_publication_t *publication);

/* A registration; texts are borrowed. */
sb_agent_message_t scale_registration (const char *agent_id, uint64_t instance_id, const sb_text_t *interests,
                                       uint32_t interest_count, uint32_t heartbeat_interval_ms);

/* A delta as the only one of a message; *delta must outlive it. */
sb_agent_message_t scale_delta (sb_delta_t *delta, uint64_t sequence, sb_text_t category, sb_text_t subject,
                                const sb_change_t *changes, uint32_t change_count);

/* Waits up to `timeout_ms` for something to read. */
bool scale_wait (void *socket, long timeout_ms);

/* ---------------------------------------------------------------- commands */

/* Asks over a REQ socket and waits for the reply, borrowed until the next use of `self`. A refusal, or silence of 60 s,
 * ends the program. *round_trip_ns, unless NULL: from the send of the encoded request to the reply's frame. */
const sb_command_reply_t *scale_ask (scale_wire_t *self, void *request_socket, const char *command,
                                     const sb_parameter_t *parameters, uint32_t parameter_count,
                                     uint64_t *round_trip_ns);

/* Parameters and columns. A column that is not there counts as 0. */
sb_parameter_t scale_integer (const char *name, uint64_t value);
sb_parameter_t scale_text (const char *name, const char *value);
uint64_t scale_column (const sb_record_t *record, const char *name);

/* A column of the first record of `status`. */
uint64_t scale_status (scale_wire_t *self, void *request_socket, const char *name);

#endif
