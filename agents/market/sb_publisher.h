/* SPDX-License-Identifier: MPL-2.0
 *
 * Sends ticks to SyncBus in batches, and settles the books with what the broker decided.
 *
 * A batch holds the rows' own updates first, then the derived ones: neighbours of one topic then become
 * one publication. Rows become published or refused as their sequence numbers are decided. Handlers run on
 * the caller's thread, so the books need no lock.
 */
#ifndef SB_PUBLISHER_H
#define SB_PUBLISHER_H

#include "sb_feed.h"
#include "syncbus.h"

typedef struct sb_publisher sb_publisher_t;

/* Texts are copied by the library; `accounting` is borrowed for the publisher's life. */
typedef struct {
    const char *agent_id;
    const char *ingress; /* NULL: the library's default */
    const char *publish;
    uint32_t batch_rows; /* 1 to 256 */
    sb_accounting_t *accounting;
    void (*on_log) (int severity, const char *text);
} sb_publisher_options_t;

typedef enum {
    SB_PUBLISHER_SENT,
    SB_PUBLISHER_HELD,    /* not now (paused, stopped, no session, window full): the batch is kept, flush again later */
    SB_PUBLISHER_FINISHED /* never again: displaced by another instance */
} sb_publisher_result_t;

/* NULL and a sentence when the agent cannot be made. */
sb_publisher_t *sb_publisher_new (const sb_publisher_options_t *options, char *error, size_t error_size);

/* Says goodbye after waiting up to linger_ms for decisions. */
void sb_publisher_destroy (sb_publisher_t **self_p, uint32_t linger_ms);

/* The agent under it. Borrowed. */
sb_agent_t *sb_publisher_agent (sb_publisher_t *self);

/* True when another tick might not fit: flush first. */
bool sb_publisher_is_full (const sb_publisher_t *self);

/* Copies a tick into the batch. The batch must not be full. Of a tick without a market part (a series)
 * the derived update is the row. Names and the subject must live until the flush. */
void sb_publisher_add (sb_publisher_t *self, const sb_tick_t *tick, int64_t origin_unix_ns);

/* Sends the batch, waiting up to timeout_ms for room in the window. An empty one is SENT. */
sb_publisher_result_t sb_publisher_flush (sb_publisher_t *self, uint32_t timeout_ms);

/* Gives up the batch: its rows count as refused for `reason`. */
void sb_publisher_give_up (sb_publisher_t *self, sb_reason_t reason);

/* Runs handlers, and counts as published what was decided and not refused. */
void sb_publisher_settle (sb_publisher_t *self);

/* Waits up to timeout_ms for the last decision, and settles. False when some are still out. */
bool sb_publisher_settle_all (sb_publisher_t *self, uint32_t timeout_ms);

/* Sends fields that are no row. False when they could not be sent now. */
bool sb_publisher_send_fields (sb_publisher_t *self, const char *category, const char *subject,
                               const sb_change_t *changes, uint32_t count);

/* Updates other than rows that the broker refused. */
uint64_t sb_publisher_derived_refused (const sb_publisher_t *self);

/* Why the agent stands where it does, by its last change of status. */
sb_reason_t sb_publisher_status_reason (const sb_publisher_t *self);

#endif
