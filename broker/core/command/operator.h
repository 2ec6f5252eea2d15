/* SPDX-License-Identifier: MPL-2.0
 *
 * What operators said of one agent, and how far the agent followed.
 *
 * A plain struct inside the agent's record and pure functions over it. `revision` goes up with each change, and
 * the agent confirms by naming it: in a CommandResult, or in any later Heartbeat, so that no single lost message
 * leaves a lasting doubt. The receipts of pause and of the emergency stop stand here too, because they are per
 * agent: accepted, delivered, applied, timed out, refused. O(1), cannot fail.
 */
#ifndef SB_OPERATOR_H
#define SB_OPERATOR_H

#include "sb_message.h"

enum {
    SB_ISSUER_MAX = 64,         /* octets of an issuer */
    SB_COMMAND_REASON_MAX = 256 /* octets of a command's reason */
};

/* Who said it, why, and since when; kept as long as what was said. */
typedef struct {
    bool by_agent; /* issued over an agent's session; `issuer` is then its id */
    uint16_t issuer_size;
    uint16_t reason_size;
    int64_t since_unix_ns;
    char issuer[SB_ISSUER_MAX];
    char reason[SB_COMMAND_REASON_MAX];
} sb_authorship_t;

typedef enum {
    SB_RECEIPT_NONE,      /* nothing was asked of the agent */
    SB_RECEIPT_ACCEPTED,  /* in force at the broker; the agent has no session to be told over */
    SB_RECEIPT_DELIVERED, /* handed to the agent's connection */
    SB_RECEIPT_APPLIED,   /* the agent said that it did it */
    SB_RECEIPT_TIMED_OUT, /* it said nothing within timeout_per_agent */
    SB_RECEIPT_REFUSED    /* it said that it will not */
} sb_receipt_state_t;

/* How far one thing told came. A late APPLIED replaces TIMED_OUT. */
typedef struct {
    sb_receipt_state_t state;
    uint64_t until_ns; /* DELIVERED: when it times out; else 0 */
} sb_receipt_t;

/* Read freely; written by the functions below alone. */
typedef struct {
    bool paused;
    bool confirmed;    /* the agent said that it applied `paused` at `revision`; NORMAL from the start is confirmed */
    uint64_t revision; /* +1 with each change of `paused` */
    sb_authorship_t pause;      /* of the last change of `paused` */
    sb_receipt_t receipt;       /* of the last change of `paused` */
    sb_authorship_t isolation;  /* of the isolation in force, or the last one */
    sb_receipt_t latch_receipt; /* of the latch's last change */
    uint64_t latch_epoch;       /* last that the agent said it applied */
} sb_operator_t;

/* Keeps at most the bounds above of both texts, cut at a character's edge. */
void sb_authorship_set (sb_authorship_t *self, sb_text_t issuer, sb_text_t reason, bool by_agent, int64_t unix_ns);
sb_text_t sb_authorship_issuer (const sb_authorship_t *self);
sb_text_t sb_authorship_reason (const sb_authorship_t *self);

/* NORMAL, revision 0, confirmed. */
void sb_operator_init (sb_operator_t *self);

/* pause_agent, resume_agent. Each returns true when the state changed (then unconfirmed, one revision on, `pause` set
 * anew); false when it was so already: nothing changed, the first author stands. */
bool sb_operator_pause (sb_operator_t *self, sb_text_t issuer, sb_text_t reason, bool by_agent, int64_t unix_ns);
bool sb_operator_resume (sb_operator_t *self, sb_text_t issuer, sb_text_t reason, bool by_agent, int64_t unix_ns);

/* An operator pauses what an agent has paused: the pause becomes the operator's, which that agent cannot lift; nothing
 * else changes. Returns false, changing nothing, in any other case. */
bool sb_operator_take_over (sb_operator_t *self, sb_text_t issuer, sb_text_t reason, int64_t unix_ns);

/* The agent says that at `revision` its own state was `paused`. Returns true when that confirmed it. */
bool sb_operator_confirm (sb_operator_t *self, uint64_t revision, bool paused);

/* A broker restart: state and revision are kept, unconfirmed, to be told again. */
void sb_operator_restore (sb_operator_t *self, bool paused, uint64_t revision, sb_text_t issuer, sb_text_t reason,
                          bool by_agent, int64_t unix_ns);

/* A new instance of the agent came, which cannot know of it yet: unconfirmed, unless nothing was ever said. */
void sb_operator_unconfirm (sb_operator_t *self);

/* The broker's own lateness: receipts that wait are not timed out sooner for it. */
void sb_operator_delay (sb_operator_t *self, uint64_t lateness_ns);

/* True when it is to be kept over a restart: paused, or ever changed (the revision goes on). */
bool sb_operator_is_kept (const sb_operator_t *self);

/* For the wire; borrows from `self`. */
void sb_operator_status (const sb_operator_t *self, sb_operator_state_t *status);

/* A command was put into force: DELIVERED until `until_ns` when it was sent, else ACCEPTED. */
void sb_receipt_open (sb_receipt_t *self, bool is_sent, uint64_t until_ns);

/* The agent answered: APPLIED or REFUSED. Nothing when nothing was asked. Returns true when the state changed. */
bool sb_receipt_answer (sb_receipt_t *self, bool is_applied);

/* The connection that it was handed to is gone: back to ACCEPTED unless answered. */
void sb_receipt_lost (sb_receipt_t *self);

/* TIMED_OUT when due. Returns true when the state changed. */
bool sb_receipt_expire (sb_receipt_t *self, uint64_t now_ns);

/* "DELIVERED" …; "?" for a number that is none. */
const char *sb_receipt_name (sb_receipt_state_t state);

#endif
