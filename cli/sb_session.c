/* SPDX-License-Identifier: MPL-2.0
 *
 * A short-lived agent. Undecided deltas stand in a ring by sequence; whatever the broker says it expects
 * next (Welcome, SEQUENCE_GAP) is where sending goes on. O(1) for each delta.
 */
#include "sb_session.h"

#include <assert.h>
#include <czmq.h>

#include "sb_client.h"
#include "sb_names.h"
#include "sb_reasons.h"

enum {
    HEARTBEAT_MS = 1000,
    REGISTER_AGAIN_MS = 1000, /* a registration without an answer is sent again after this */
    GOODBYE_LINGER_MS = 500,
    GAP_PATIENCE_MS = 200,
    ARENA_BYTES = 64 << 20,
    MESSAGE_BYTES = 32 << 20, /* the largest message that is read: twice what a broker may be set to take */
    FAILURE_SIZE = 512
};

/* One undecided delta. */
typedef struct {
    void *data; /* an encoded AgentMessage */
    size_t size;
    uint64_t label;
} entry_t;

struct sb_session {
    zsock_t *dealer;
    const char *agent_id;
    sb_session_decided_t *decided;
    void *context;
    sb_arena_t *arena;
    uint64_t instance_id;
    uint64_t next_sequence;   /* of the next delta pushed */
    uint64_t decided_through; /* all up to here are decided */
    uint64_t next_to_send;    /* first one that is not on its way */
    uint32_t window;
    uint32_t max_message_bytes;
    entry_t entries[SB_SESSION_WINDOW]; /* by sequence modulo SB_SESSION_WINDOW */
    bool is_registered;
    bool is_paused;      /* by an operator's word */
    bool is_stopped;     /* by the emergency stop */
    bool is_partly_open; /* the stop leaves some categories open: the broker judges */
    uint64_t operator_revision;
    uint64_t latch_epoch;
    int64_t register_ms; /* when to register next */
    int64_t beat_ms;     /* when to beat next */
    int64_t moved_ms;    /* when something last got on */
    uint64_t gap;        /* the sequence that the broker last asked to go back to */
    int64_t gap_ms;      /* until when it is not gone back to again */
    sb_reason_t failure;
    char failure_text[FAILURE_SIZE];
};

sb_session_t *sb_session_new (const char *ingress_endpoint, const char *agent_id, sb_session_decided_t *decided,
                              void *context)
{
    sb_session_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->agent_id = agent_id;
    self->decided = decided;
    self->context = context;
    self->arena = sb_arena_new (ARENA_BYTES);
    self->dealer = zsock_new (ZMQ_DEALER);
    assert (self->arena && self->dealer);
    zuuid_t *uuid = zuuid_new ();
    assert (uuid);
    memcpy (&self->instance_id, zuuid_data (uuid), sizeof (self->instance_id));
    zuuid_destroy (&uuid);
    self->instance_id = self->instance_id % SB_NUMBER_MAX + 1;
    self->next_sequence = self->next_to_send = 1;
    self->window = SB_SESSION_WINDOW;
    self->moved_ms = zclock_mono ();
    zsock_set_immediate (self->dealer, 1);
    zsock_set_linger (self->dealer, GOODBYE_LINGER_MS);
    zsock_set_reconnect_ivl_max (self->dealer, 1000);
    if (zsock_connect (self->dealer, "%s", ingress_endpoint) != 0)
        sb_session_destroy (&self);
    return self;
}

static bool s_send_bytes (sb_session_t *self, const void *data, size_t size)
{
    return zmq_send (zsock_resolve (self->dealer), data, size, ZMQ_DONTWAIT) >= 0;
}

/* Encodes and sends; false when no connection stands or takes it now. */
static bool s_send (sb_session_t *self, const sb_agent_message_t *message)
{
    sb_encoding_t *encoding;
    sb_arena_reset (self->arena);
    size_t size = sb_encode_agent_message (self->arena, message, &encoding);
    void *data = size ? sb_arena_take (self->arena, size) : NULL;
    assert (data);
    sb_encoding_write (encoding, data);
    return s_send_bytes (self, data, size);
}

void sb_session_destroy (sb_session_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_session_t *self = *self_p;
    if (self->is_registered)
        s_send (self, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_GOODBYE});
    for (uint32_t i = 0; i < SB_SESSION_WINDOW; i++)
        free (self->entries[i].data);
    zsock_destroy (&self->dealer);
    sb_arena_destroy (&self->arena);
    free (self);
    *self_p = NULL;
}

void *sb_session_socket (const sb_session_t *self)
{
    return zsock_resolve (self->dealer);
}

sb_reason_t sb_session_failure (const sb_session_t *self, const char **text)
{
    *text = self->failure_text;
    return self->failure;
}

bool sb_session_is_registered (const sb_session_t *self)
{
    return self->is_registered;
}

uint32_t sb_session_undecided (const sb_session_t *self)
{
    return (uint32_t)(self->next_sequence - 1 - self->decided_through);
}

bool sb_session_has_room (const sb_session_t *self)
{
    return sb_session_undecided (self) < self->window;
}

int64_t sb_session_idle_ms (const sb_session_t *self)
{
    return zclock_mono () - self->moved_ms;
}

static void s_fail (sb_session_t *self, sb_reason_t reason, sb_text_t text)
{
    const sb_reason_info_t *row = sb_reason_info (reason);
    self->failure = reason;
    if (text.size)
        snprintf (self->failure_text, sizeof (self->failure_text), "%.*s", (int)text.size, text.data);
    else
        snprintf (self->failure_text, sizeof (self->failure_text), "%s", row->text);
}

static void s_register (sb_session_t *self)
{
    /* Levels only: nothing is expected of a publisher as a reader. */
    static const char *const interest = "_control";
    sb_text_t interests[] = {sb_text (interest)};
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_REGISTRATION,
                                  .registration = {.protocol = SB_PROTOCOL,
                                                   .agent_id = sb_text (self->agent_id),
                                                   .instance_id = self->instance_id,
                                                   .next_sequence = self->decided_through + 1,
                                                   .interests = interests,
                                                   .interest_count = 1,
                                                   .heartbeat_interval_ms = HEARTBEAT_MS}};
    self->is_registered = false;
    if (s_send (self, &message))
        self->register_ms = zclock_mono () + REGISTER_AGAIN_MS;
}

static void s_beat (sb_session_t *self)
{
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_HEARTBEAT,
                                  .heartbeat = {.progress = self->decided_through,
                                                .operator_revision = self->operator_revision,
                                                .latch_epoch = self->latch_epoch,
                                                .paused = self->is_paused || self->is_stopped,
                                                .decided_through = self->decided_through}};
    if (s_send (self, &message))
        self->beat_ms = zclock_mono () + HEARTBEAT_MS;
}

/* Sends what is not on its way, as far as the connection takes it. */
static void s_flush (sb_session_t *self)
{
    while (self->is_registered && self->next_to_send < self->next_sequence) {
        const entry_t *entry = &self->entries[self->next_to_send % SB_SESSION_WINDOW];
        if (!s_send_bytes (self, entry->data, entry->size))
            return;
        self->next_to_send++;
    }
}

/* The refusal of `sequence`, NULL when it is not among them. */
static const sb_refusal_t *s_refusal (const sb_refusal_t *refused, uint32_t count, uint64_t sequence)
{
    for (uint32_t i = 0; i < count; i++)
        if (refused[i].sequence == sequence)
            return &refused[i];
    return NULL;
}

/* All up to `through` are decided. */
static void s_decide (sb_session_t *self, uint64_t through, const sb_refusal_t *refused, uint32_t count)
{
    while (self->decided_through < through && self->decided_through + 1 < self->next_sequence) {
        entry_t *entry = &self->entries[++self->decided_through % SB_SESSION_WINDOW];
        const sb_refusal_t *refusal = s_refusal (refused, count, self->decided_through);
        self->moved_ms = zclock_mono ();
        self->decided (self->context, entry->label, refusal ? refusal->reason : SB_REASON_NONE,
                       refusal ? refusal->text : sb_text (""), refusal ? refusal->field : sb_text (""));
        free (entry->data);
        *entry = (entry_t){.data = NULL};
    }
    if (self->next_to_send <= self->decided_through)
        self->next_to_send = self->decided_through + 1;
}

static void s_apply_levels (sb_session_t *self, const sb_operator_state_t *operator_state, const sb_latch_t *latch)
{
    self->is_paused = operator_state->paused;
    self->operator_revision = operator_state->revision;
    self->is_stopped = latch->stopped;
    self->latch_epoch = latch->latch_epoch;
    self->is_partly_open = latch->admitted_count > 0;
}

static void s_welcome (sb_session_t *self, const sb_welcome_t *welcome)
{
    self->is_registered = true;
    self->moved_ms = zclock_mono ();
    if (welcome->limits.max_unacked && welcome->limits.max_unacked < self->window)
        self->window = welcome->limits.max_unacked;
    self->max_message_bytes = welcome->limits.max_message_bytes;
    s_apply_levels (self, &welcome->operator_state, &welcome->latch);
    s_decide (self, welcome->decided_through, welcome->refused, welcome->refused_count);
    self->next_to_send = self->decided_through + 1;
    s_beat (self);
}

/* Goes back to where the broker wants it. Each message that was on its way gets such a refusal: once is enough. */
static void s_go_back (sb_session_t *self, uint64_t expected)
{
    bool is_repeat = expected == self->gap && zclock_mono () < self->gap_ms;
    if (is_repeat || expected <= self->decided_through || expected >= self->next_to_send)
        return;
    self->gap = expected;
    self->gap_ms = zclock_mono () + GAP_PATIENCE_MS;
    self->next_to_send = expected;
}

/* A refusal of a whole message; it decides nothing. */
static void s_refused (sb_session_t *self, const sb_refusal_t *refusal)
{
    if (refusal->reason == SB_REASON_REGISTER_AGAIN) {
        if (self->is_registered) {
            /* The wait for the Welcome begins now, however long nothing was sent before. */
            self->moved_ms = zclock_mono ();
            s_register (self);
        }
    } else if (refusal->reason == SB_REASON_SEQUENCE_GAP || refusal->reason == SB_REASON_REPLACE_PENDING) {
        s_go_back (self, refusal->expected_sequence);
    } else
        s_fail (self, refusal->reason, refusal->text);
}

/* Pause, resume, stop and clear are heeded; anything else is refused. */
static void s_command (sb_session_t *self, const sb_agent_command_t *command)
{
    static const struct {
        const char *name;
        bool is_latch;
        bool holds; /* what it sets the flag to */
    } rows[] = {{"pause", false, true},
                {"resume", false, false},
                {"emergency_stop", true, true},
                {"emergency_clear", true, false}};
    sb_command_result_t result = {.command_id = command->command_id,
                                  .code = SB_REASON_AGENT_REFUSED,
                                  .message = sb_text ("syncbus pub takes no commands of its own")};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        if (!sb_text_equal (command->command, sb_text (rows[i].name)))
            continue;
        *(rows[i].is_latch ? &self->is_stopped : &self->is_paused) = rows[i].holds;
        *(rows[i].is_latch ? &self->latch_epoch : &self->operator_revision) =
            rows[i].is_latch ? command->latch_epoch : command->operator_revision;
        result.code = SB_REASON_NONE;
        result.message = sb_text ("");
    }
    /* Sending resets the arena that `command` lives in; the encoder is done with it by then. */
    char command_id[SB_ID_MAX + 1];
    snprintf (command_id, sizeof (command_id), "%.*s", (int)command->command_id.size, command->command_id.data);
    result.command_id = sb_text (command_id);
    s_send (self, &(sb_agent_message_t){.kind = SB_AGENT_MESSAGE_COMMAND_RESULT, .command_result = result});
    s_beat (self);
}

static void s_handle (sb_session_t *self, const sb_broker_message_t *message)
{
    switch (message->kind) {
    case SB_BROKER_MESSAGE_WELCOME:
        s_welcome (self, &message->welcome);
        return;
    case SB_BROKER_MESSAGE_REFUSAL:
        s_refused (self, &message->refusal);
        return;
    case SB_BROKER_MESSAGE_ACK:
        s_decide (self, message->ack.decided_through, message->ack.refused, message->ack.refused_count);
        return;
    case SB_BROKER_MESSAGE_HEARTBEAT_ACK:
        s_apply_levels (self, &message->heartbeat_ack.operator_state, &message->heartbeat_ack.latch);
        s_decide (self, message->heartbeat_ack.decided_through, message->heartbeat_ack.refused,
                  message->heartbeat_ack.refused_count);
        return;
    case SB_BROKER_MESSAGE_COMMAND:
        s_command (self, &message->command);
        return;
    case SB_BROKER_MESSAGE_GOODBYE:
        if (message->goodbye.reason == SB_REASON_BROKER_STOPPING) {
            self->is_registered = false;
            self->moved_ms = zclock_mono ();
        } else
            s_fail (self, message->goodbye.reason, message->goodbye.text);
        return;
    case SB_BROKER_MESSAGE_COMMAND_REPLY:
    case SB_BROKER_MESSAGE_SNAPSHOT_CHUNK:
    case SB_BROKER_MESSAGE_SNAPSHOT_END:
        return;
    }
}

bool sb_session_turn (sb_session_t *self)
{
    zmq_msg_t frame;
    sb_broker_message_t message;
    while (!self->failure) {
        zmq_msg_init (&frame);
        int size = zmq_msg_recv (&frame, zsock_resolve (self->dealer), ZMQ_DONTWAIT);
        if (size < 0) {
            zmq_msg_close (&frame);
            break;
        }
        sb_arena_reset (self->arena);
        sb_fault_t fault =
            sb_decode_broker_message (self->arena, zmq_msg_data (&frame), (size_t)size, MESSAGE_BYTES, &message);
        if (fault.reason == SB_REASON_NONE)
            s_handle (self, &message);
        else
            s_fail (self, fault.reason,
                    sb_text ("what answers there is no ingress of SyncBus: check --ingress-endpoint"));
        zmq_msg_close (&frame);
    }
    if (self->failure)
        return false;
    if (!self->is_registered && zclock_mono () >= self->register_ms)
        s_register (self);
    if (self->is_registered && zclock_mono () >= self->beat_ms)
        s_beat (self);
    s_flush (self);
    return true;
}

/* Why a delta would be refused, as far as that is known here. */
static sb_reason_t s_known_refusal (const sb_session_t *self, size_t size)
{
    if (self->max_message_bytes && size > self->max_message_bytes)
        return SB_REASON_TOO_LARGE;
    if (self->is_stopped && !self->is_partly_open)
        return SB_REASON_EMERGENCY_STOPPED;
    return self->is_paused ? SB_REASON_PAUSED : SB_REASON_NONE;
}

void sb_session_push (sb_session_t *self, sb_delta_t *delta, uint64_t label)
{
    sb_encoding_t *encoding;
    assert (sb_session_has_room (self) && self->is_registered);
    sb_arena_reset (self->arena);
    delta->update.sequence = self->next_sequence;
    if (delta->update.event_unix_ns == 0)
        delta->update.event_unix_ns = sb_client_unix_ns ();
    sb_agent_message_t message = {.kind = SB_AGENT_MESSAGE_BATCH, .batch = {.deltas = delta, .delta_count = 1}};
    size_t size = sb_encode_agent_message (self->arena, &message, &encoding);
    sb_reason_t reason = size ? s_known_refusal (self, size) : SB_REASON_TOO_LARGE;
    if (reason != SB_REASON_NONE) {
        self->decided (self->context, label, reason, sb_text (sb_reason_info (reason)->text), sb_text (""));
        return;
    }
    entry_t *entry = &self->entries[self->next_sequence++ % SB_SESSION_WINDOW];
    *entry = (entry_t){.data = malloc (size), .size = size, .label = label};
    assert (entry->data && size > 0);
    sb_encoding_write (encoding, entry->data);
    self->moved_ms = zclock_mono ();
    s_flush (self);
}
