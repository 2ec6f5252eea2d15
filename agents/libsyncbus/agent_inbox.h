/* SPDX-License-Identifier: MPL-2.0
 *
 * What waits for the application's handlers: one queue in order of arrival, filled by the I/O thread and emptied by
 * the handler thread or by sb_agent_dispatch; and the memory of past publications, bounded in number and
 * octets. A publication is copied once, into one block that queue and memory share by counting references.
 */
#ifndef SB_AGENT_INBOX_H
#define SB_AGENT_INBOX_H

#include "agent_step.h"

typedef struct sb_inbox sb_inbox_t;

enum { SB_INBOX_NOTICES_MAX = 16384 }; /* statuses, gaps, recoveries and log lines; beyond: dropped, counted */

typedef struct sb_kept_publication sb_kept_publication_t;

typedef enum {
    SB_INBOX_PUBLICATION = 1,
    SB_INBOX_COMMAND,
    SB_INBOX_STATUS,
    SB_INBOX_REFUSED,
    SB_INBOX_DECIDED,
    SB_INBOX_GAP,
    SB_INBOX_RECOVERED,
    SB_INBOX_LOG
} sb_inbox_kind_t;

/* One thing for a handler, in one block with its texts, which are NUL-terminated. */
typedef struct sb_inbox_item {
    struct sb_inbox_item *next;
    sb_inbox_kind_t kind;
    union {
        struct {
            sb_kept_publication_t *kept;
            const sb_publication_t *view;
        } publication;
        struct {
            sb_agent_command_view_t view;
            const char *command_id;
            bool is_open;
        } command;
        struct {
            sb_agent_status_t status;
            sb_reason_t reason;
        } status;
        sb_agent_refusal_t refused;
        uint64_t decided_through;
        sb_agent_gap_t gap;
        sb_agent_recovery_t recovered;
        struct {
            int severity;
            const char *text;
        } log;
    };
} sb_inbox_item_t;

/* Creates an empty inbox that remembers so much. With `has_descriptor` it has one to poll. NULL without memory or
 * descriptors. */
sb_inbox_t *sb_inbox_new (uint32_t memory_updates, uint64_t memory_bytes, bool has_descriptor);

/* Nobody waits in it any more. */
void sb_inbox_destroy (sb_inbox_t **self_p);

/* Copies what an effect of kind DELIVER, REMEMBER, COMMAND, STATUS, REFUSED, DECIDED, GAP, RECOVERED or LOG says into
 * memory and queue. A DECIDED that waits is raised where it stands, unless a REFUSED came after it. False when it was
 * dropped: no memory, or too many notices. */
bool sb_inbox_put (sb_inbox_t *self, const sb_agent_effect_t *effect);

/* The oldest item; with `wait`, as soon as there is one; NULL when there is none, or the inbox was closed. */
sb_inbox_item_t *sb_inbox_take (sb_inbox_t *self, bool wait);
void sb_inbox_item_destroy (sb_inbox_item_t **self_p);

/* Wakes whoever waits; from now on sb_inbox_take gives NULL. */
void sb_inbox_close (sb_inbox_t *self);

/* Readable while the queue is not empty; -1 when there is none. */
int sb_inbox_descriptor (const sb_inbox_t *self);

uint32_t sb_inbox_visit_memory (sb_inbox_t *self, bool (*visit) (const sb_publication_t *publication, void *context),
                                void *context);

#endif
