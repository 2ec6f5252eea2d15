/* SPDX-License-Identifier: MPL-2.0
 *
 * What integration tests are built from: real programs started on free ports, and
 * raw peers that speak to them: an agent's DEALER, a commander's REQ, a SUB.
 *
 * Every wait is for a condition with a deadline; nothing sleeps for a fixed time.
 * Programs die with the test (parent death signal), also when it crashes; a scene's
 * folder is removed by sb_scene_destroy. What cannot be set up ends the test by
 * cr_fatal, so callers need not check. Not thread safe: one test, one thread.
 */
#ifndef SB_HARNESS_H
#define SB_HARNESS_H

#include "sb_codec.h"
#include "sb_names.h"
#include "sb_reasons.h"

#include <sys/types.h>

enum { SB_PATIENCE_MS = 10000 }; /* how long a test waits for what must happen */

/* Milliseconds on the monotonic clock. */
int64_t sb_now_ms (void);

/* Calls `condition (context)` every few milliseconds until true or `timeout_ms` is over; returns its last answer. */
bool sb_wait_until (bool (*condition) (void *context), void *context, int timeout_ms);

/* The content of a file, NUL-terminated; to be freed. NULL when it cannot be read. */
char *sb_file_read (const char *path);

/* Writes `text` to a file, replacing it. */
void sb_file_write (const char *path, const char *text);

/* ---------------------------------------------------------------- programs */

/* A program that was started. */
typedef struct sb_process sb_process_t;

/* Where a program of this project is built ("syncbusd", "syncbus", "syncbus-market" …); any other name is
 * returned as it is. Valid until the next call. */
const char *sb_program_path (const char *name);

/* Starts `program` with `arguments` (ends with NULL; without the program itself), stdout and stderr to
 * `output_path`. The environment is the test's without any SYNCBUS_ variable. */
sb_process_t *sb_process_start (const char *program, const char *const *arguments, const char *output_path);

/* Kills it if it still runs, waits for it, frees it. Harmless on NULL. */
void sb_process_destroy (sb_process_t **self_p);

pid_t sb_process_pid (const sb_process_t *self);
void sb_process_signal (sb_process_t *self, int signal_number);

/* Its exit code, 128 + signal when a signal ended it, or -1 when it still runs after `timeout_ms`. */
int sb_process_wait (sb_process_t *self, int timeout_ms);

/* All that it has written so far; to be freed. */
char *sb_process_output (const sb_process_t *self);

/* True as soon as its output contains `text`; false after `timeout_ms`. */
bool sb_process_says (const sb_process_t *self, const char *text, int timeout_ms);

/* ---------------------------------------------------------------- a broker in a folder of its own */

/* A temporary folder with a broker in it: state, logs, config. */
typedef struct sb_scene sb_scene_t;

/* Makes the folder; starts nothing yet. */
sb_scene_t *sb_scene_new (void);

/* Stops what runs, removes the folder, sets *self_p to NULL. */
void sb_scene_destroy (sb_scene_t **self_p);

/* `name` inside the scene's folder; valid until the scene is destroyed. */
const char *sb_scene_path (sb_scene_t *self, const char *name);

/* Starts syncbusd on free loopback ports, the folder as its state, and `arguments` (may be NULL; ends with NULL)
 * added, which win over those; waits until it is ready. */
void sb_scene_start_broker (sb_scene_t *self, const char *const *arguments);

/* The same on the ports of the broker before it, which must be gone. */
void sb_scene_restart_broker (sb_scene_t *self, const char *const *arguments);

sb_process_t *sb_scene_broker (sb_scene_t *self);

/* Endpoints of the broker, valid until the next start. */
const char *sb_scene_ingress (const sb_scene_t *self);
const char *sb_scene_publish (const sb_scene_t *self);
const char *sb_scene_command (const sb_scene_t *self);

/* ---------------------------------------------------------------- a raw agent */

/* One DEALER; sends what it is told, right or wrong. */
typedef struct sb_peer sb_peer_t;

/* Connects; registers nothing. `routing_id` is NULL, or set on the socket, which the broker refuses. */
sb_peer_t *sb_peer_new (const char *ingress, const char *routing_id);
void sb_peer_destroy (sb_peer_t **self_p);

void sb_peer_send_bytes (sb_peer_t *self, const void *data, size_t size);
void sb_peer_send_frames (sb_peer_t *self, const char *const *frames, uint32_t frame_count);
void sb_peer_send (sb_peer_t *self, const sb_agent_message_t *message);

/* The next message, or NULL after `timeout_ms`. Valid until the next receive on this peer. */
const sb_broker_message_t *sb_peer_receive (sb_peer_t *self, int timeout_ms);

/* The next message of that kind; others are skipped. NULL after SB_PATIENCE_MS. */
const sb_broker_message_t *sb_peer_await (sb_peer_t *self, sb_broker_message_kind_t kind);

/* Sends a registration: `interest` may be NULL (one that never matches is then asked for, so that nothing is
 * expected of it); heartbeat interval 1 s. */
void sb_peer_register (sb_peer_t *self, const char *agent_id, uint64_t instance_id, const char *interest);

/* Connects, registers, waits for the Welcome. */
sb_peer_t *sb_peer_join (const char *ingress, const char *agent_id, uint64_t instance_id);

/* Sends a delta of one number field. */
void sb_peer_send_number (sb_peer_t *self, uint64_t sequence, const char *category, const char *subject,
                          const char *name, double number);

/* Sends an otherwise empty heartbeat. */
void sb_peer_send_heartbeat (sb_peer_t *self);

/* Waits for an Ack that decides `sequence`; returns the reason it was refused for, SB_REASON_NONE when accepted;
 * fails the test when none comes. */
sb_reason_t sb_peer_await_decision (sb_peer_t *self, uint64_t sequence);

/* Waits for a Refusal and returns its reason. */
sb_reason_t sb_peer_await_refusal (sb_peer_t *self);

/* ---------------------------------------------------------------- a commander */

/* One REQ (relaxed, correlated). */
typedef struct sb_commander sb_commander_t;

sb_commander_t *sb_commander_new (const char *command_endpoint);
void sb_commander_destroy (sb_commander_t **self_p);

/* Sends a request as it stands and does not wait. */
void sb_commander_send (sb_commander_t *self, const sb_command_request_t *request);
void sb_commander_send_bytes (sb_commander_t *self, const void *data, size_t size);

/* The reply, or NULL after `timeout_ms`. Valid until the next call. */
const sb_command_reply_t *sb_commander_receive (sb_commander_t *self, int timeout_ms);

/* Fills a request with a fresh id, issuer "test", reason "test", the present time, 5 s. `agent_id` may be NULL. */
sb_command_request_t sb_commander_request (const char *command, const char *agent_id);

/* Asks and waits; never NULL (fails the test without an answer). */
const sb_command_reply_t *sb_commander_ask (sb_commander_t *self, const sb_command_request_t *request);
const sb_command_reply_t *sb_commander_do (sb_commander_t *self, const char *command, const char *agent_id);

/* The value of column `column` of the first record whose text column `key_column` equals `key`; with key_column NULL,
 * of the first record that has such a column. NULL when there is none. */
const sb_value_t *sb_reply_value (const sb_command_reply_t *reply, const char *key_column, const char *key,
                                  const char *column);

/* ---------------------------------------------------------------- a subscriber */

typedef struct sb_subscriber sb_subscriber_t;

/* Connects and subscribes to the prefix. */
sb_subscriber_t *sb_subscriber_new (const char *publish, const char *prefix);
void sb_subscriber_destroy (sb_subscriber_t **self_p);

/* Subscribes to one more prefix. */
void sb_subscriber_add (sb_subscriber_t *self, const char *prefix);

/* The next publication, or NULL after `timeout_ms`. Valid until the next call. */
const sb_publication_t *sb_subscriber_receive (sb_subscriber_t *self, int timeout_ms);

#endif
