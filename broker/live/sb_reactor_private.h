/* SPDX-License-Identifier: MPL-2.0
 *
 * What the parts of the reactor share: its state, stepping the core (sb_perform.c), reading the sockets (sb_receive.c).
 */
#ifndef SB_REACTOR_PRIVATE_H
#define SB_REACTOR_PRIVATE_H

#include "sb_codec.h"
#include "sb_gather.h"
#include "sb_histogram.h"
#include "sb_inputs.h"
#include "sb_names.h"
#include "sb_reactor.h"
#include "sb_requests.h"
#include "sb_sockets.h"

#include <zmq.h>

enum { SB_ROUTING_ID_OCTETS = 5, SB_FOREIGN_ID_MAX = 255 };

/* What is waited for: the sockets by their names, the monitor of each, signals. */
enum { SB_INPUT_MONITORS = SB_SOCKETS, SB_INPUT_SIGNAL = 2 * SB_SOCKETS };

/* Stands for the one peer whose routing id is not of our making, while its message is handled. */
#define SB_FOREIGN_PEER UINT64_MAX

/* Peers that an event is to be stepped for. */
typedef struct {
    uint64_t *items;
    uint32_t count;
    uint32_t capacity;
} sb_reactor_peers_t;

struct sb_reactor {
    sb_reactor_options_t options;
    sb_config_t *config;
    sb_log_t *log;
    sb_sockets_t sockets;
    sb_inputs_t inputs;
    sb_control_file_t *control_file;
    uint64_t epoch;
    sb_core_t *core;
    sb_requests_t *requests;
    sb_arena_t *decode_arena;
    sb_gathers_t gathers; /* deltas read and not stepped yet, in decode_arena; none between turns */
    sb_arena_t *encode_arena;

    uint64_t clock_ns;    /* the monotonic clock as last read; never goes back */
    uint64_t deadline_ns; /* the core's, after the last step */
    uint64_t held_up_ns;  /* beyond the deadline, the longest since the last tick; 0: not: drain before the next one */
    bool is_stopping;

    bool has_read;          /* from a socket, since the last wait: more may follow at once */
    uint64_t busy_until_ns; /* it is looked for without sleep until then */

    /* Follow-ups of the effects that are being carried out. */
    bool is_stored_pending;
    bool is_durable;
    sb_reactor_peers_t lost;    /* that a send was refused for */
    sb_reactor_peers_t refused; /* that a chunk or end of a snapshot was refused for */

    uint8_t foreign_id[SB_FOREIGN_ID_MAX]; /* routing id of SB_FOREIGN_PEER */
    uint32_t foreign_id_size;
    bool is_skipping[SB_SOCKETS]; /* the rest of an overlong message is still to be thrown away */

    sb_histogram_t merge_times; /* since the last tick */
    bool has_merge_times;
    uint64_t publish_refused;     /* in all */
    uint64_t replies_undelivered; /* in all: the asker had gone, does not read, or sent too long an envelope */

    uint32_t descriptor_limit;
    uint32_t configured_agents; /* limits/agents, before it was lowered to what the descriptors bear */
    bool is_short_of_descriptors;
    uint64_t next_housekeeping_ns;
};

/* Reads the clocks; notices when the process was held up. Returns the monotonic one. */
uint64_t sb_reactor_clock (sb_reactor_t *self);

/* Gives the event its times, steps the core, carries out the effects and what follows from them. */
void sb_reactor_step (sb_reactor_t *self, sb_event_t *event);

/* Logs what peers can make happen again and again: repeats are held back and counted. `event` and `what` are static. */
void sb_reactor_complain (sb_reactor_t *self, sb_severity_t severity, const char *event, const char *what);

/* Sends a reply that the core has no part in. */
void sb_reactor_reply (sb_reactor_t *self, const sb_envelope_t *envelope, const sb_command_reply_t *reply);

/* Says how messages of agents are handled once they are read; to be called before the first is, with the arena made. */
void sb_reactor_set_gathers (sb_reactor_t *self);

/* Reads one message of an agent, and handles it, or gathers it with its like: sb_gathers_end_turn is to be called
 * before anything but ingress is read. False when there was none. */
bool sb_reactor_take_ingress (sb_reactor_t *self);

/* Each reads one message and handles it; false when there was none. */
bool sb_reactor_take_command (sb_reactor_t *self);
bool sb_reactor_take_subscription (sb_reactor_t *self);

#endif
