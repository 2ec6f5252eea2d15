/* SPDX-License-Identifier: MPL-2.0
 *
 * Sends ticks in batches. A ring of marks, one for each sequence number that may still be refused,
 * says which numbers are rows. The window (at most some thousand) is far smaller than the ring, and a
 * refusal that comes after its row was settled only moves the row from one count to the other.
 */
#include "sb_publisher.h"
#include "sb_input.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_ROWS_MAX = 256,
    BATCH_CHANGES = 8192,
    BATCH_TEXT = 4 * SB_LINE_MAX,
    TICK_CHANGES_MAX = SB_MARKET_CHANGES_MAX + SB_DERIVED_CHANGES_MAX,
    MARKS = 1 << 17
};

typedef enum { MARK_NONE, MARK_PENDING, MARK_SETTLED } mark_t;

struct sb_publisher {
    sb_agent_t *agent;
    sb_accounting_t *accounting;
    void (*on_log) (int severity, const char *text);
    uint32_t batch_rows;
    sb_reason_t status_reason;
    uint64_t derived_refused;
    uint64_t last_sequence; /* of all that was sent */
    uint64_t settled;       /* rows up to here are counted */
    uint8_t marks[MARKS];   /* mark_t, by sequence modulo MARKS */
    sb_agent_update_t rows[BATCH_ROWS_MAX];
    sb_agent_update_t derived[BATCH_ROWS_MAX];
    uint32_t row_count, derived_count;
    sb_agent_update_t updates[2 * BATCH_ROWS_MAX]; /* work space of a flush */
    uint32_t sent_count;                           /* of a batch that was cut in parts, already out */
    sb_change_t changes[BATCH_CHANGES];
    uint32_t change_count;
    char text[BATCH_TEXT];
    uint32_t text_used;
};

/* ------------------------------------------------------------------ handlers */

static void s_on_refused (sb_agent_t *agent, const sb_agent_refusal_t *refusal, void *context)
{
    (void)agent;
    sb_publisher_t *self = context;
    uint8_t *mark = &self->marks[refusal->sequence % MARKS];
    bool is_recent = refusal->sequence > 0 && refusal->sequence + MARKS > self->last_sequence;
    if (!is_recent || *mark == MARK_NONE) {
        self->derived_refused++;
        return;
    }
    if (*mark == MARK_PENDING)
        self->accounting->pending--;
    else
        self->accounting->published--;
    *mark = MARK_NONE;
    self->accounting->refused[refusal->reason < SB_REASON_LIMIT ? refusal->reason : SB_REASON_MALFORMED]++;
}

static void s_on_status (sb_agent_t *agent, sb_agent_status_t status, sb_reason_t reason, void *context)
{
    (void)agent;
    (void)status;
    ((sb_publisher_t *)context)->status_reason = reason;
}

static void s_on_log (sb_agent_t *agent, int severity, const char *text, void *context)
{
    (void)agent;
    sb_publisher_t *self = context;
    if (self->on_log)
        self->on_log (severity, text);
}

static void s_on_command (sb_agent_t *agent, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                          void *context)
{
    (void)agent;
    (void)context;
    static const char *const known[] = {"pause", "resume", "restart", "emergency_stop", "emergency_clear"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp (command->name, known[i]) == 0)
            return;
    reply->code = SB_REASON_AGENT_REFUSED;
    snprintf (reply->message, sizeof reply->message,
              "a market feed takes no command of its own: its quality is in market_data, subject feed");
}

/* ------------------------------------------------------------------ life */

sb_publisher_t *sb_publisher_new (const sb_publisher_options_t *options, char *error, size_t error_size)
{
    static const char *const publishes[] = {"market_data", "technical", "risk",       "sentiment",
                                            "onchain",     "macro",     "fundamental"};
    sb_publisher_t *self = calloc (1, sizeof *self);
    if (!self) {
        snprintf (error, error_size, "no memory");
        return NULL;
    }
    self->accounting = options->accounting;
    self->on_log = options->on_log;
    self->batch_rows = options->batch_rows;
    sb_agent_options_t agent_options = {
        .agent_id = options->agent_id,
        .ingress_endpoint = options->ingress,
        .publish_endpoint = options->publish,
        .publishes = publishes,
        .publish_count = sizeof publishes / sizeof publishes[0],
        .dispatch_by_caller = true,
        .handlers = {.on_command = s_on_command,
                     .on_status = s_on_status,
                     .on_refused = s_on_refused,
                     .on_log = s_on_log},
        .context = self,
    };
    self->agent = sb_agent_new (&agent_options, error, error_size);
    if (!self->agent) {
        free (self);
        return NULL;
    }
    return self;
}

void sb_publisher_destroy (sb_publisher_t **self_p, uint32_t linger_ms)
{
    if (!self_p || !*self_p)
        return;
    sb_agent_destroy (&(*self_p)->agent, linger_ms);
    free (*self_p);
    *self_p = NULL;
}

sb_agent_t *sb_publisher_agent (sb_publisher_t *self)
{
    return self->agent;
}

/* ------------------------------------------------------------------ the batch */

bool sb_publisher_is_full (const sb_publisher_t *self)
{
    return self->row_count >= self->batch_rows || self->change_count + TICK_CHANGES_MAX > BATCH_CHANGES ||
           self->text_used + SB_LINE_MAX > BATCH_TEXT;
}

/* Copies changes, and with `with_texts` their texts: those of a row live in its line only, those of the context stay.
 * All texts of a row together are no longer than its line, for which there is room. */
static const sb_change_t *s_copy (sb_publisher_t *self, const sb_change_t *changes, uint32_t count, bool with_texts)
{
    sb_change_t *copies = self->changes + self->change_count;
    memcpy (copies, changes, count * sizeof *copies);
    self->change_count += count;
    for (uint32_t i = 0; i < count && with_texts; i++) {
        sb_value_t *value = &copies[i].value;
        if (value->kind != SB_VALUE_TEXT)
            continue;
        assert (self->text_used + value->text.size <= BATCH_TEXT);
        char *text = self->text + self->text_used;
        memcpy (text, value->text.data, value->text.size);
        value->text.data = text;
        self->text_used += value->text.size;
    }
    return copies;
}

void sb_publisher_add (sb_publisher_t *self, const sb_tick_t *tick, int64_t origin_unix_ns)
{
    assert (!sb_publisher_is_full (self));
    sb_agent_update_t update = {
        .subject = tick->subject, .event_unix_ns = tick->time_ns, .origin_unix_ns = origin_unix_ns};
    bool is_series = tick->market_count == 0;
    if (!is_series) {
        update.category = "market_data";
        update.changes = s_copy (self, tick->market, tick->market_count, true);
        update.change_count = tick->market_count;
        self->rows[self->row_count++] = update;
        update.category = NULL;
    }
    if (tick->derived_count == 0 && !is_series)
        return;
    update.changes = s_copy (self, tick->derived, tick->derived_count, is_series);
    update.change_count = tick->derived_count;
    if (is_series)
        self->rows[self->row_count++] = update;
    else
        self->derived[self->derived_count++] = update;
}

static void s_clear (sb_publisher_t *self)
{
    self->row_count = self->derived_count = self->change_count = self->text_used = self->sent_count = 0;
}

/* Notes which of the numbers just given are rows. */
static void s_mark (sb_publisher_t *self, uint64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool is_row = self->sent_count + i < self->row_count;
        self->marks[(first + i) % MARKS] = is_row ? MARK_PENDING : MARK_NONE;
    }
    self->last_sequence = first + count - 1;
}

/* Kept by the library without a number of their own: the broker sees the last values, not each row. */
static void s_count_kept (sb_publisher_t *self, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (self->sent_count + i < self->row_count) {
            self->accounting->pending--;
            self->accounting->refused[SB_REASON_SESSION_LOST]++;
        }
}

sb_publisher_result_t sb_publisher_flush (sb_publisher_t *self, uint32_t timeout_ms)
{
    uint32_t total = self->row_count + self->derived_count;
    memcpy (self->updates, self->rows, self->row_count * sizeof self->rows[0]);
    memcpy (self->updates + self->row_count, self->derived, self->derived_count * sizeof self->derived[0]);
    uint32_t part = total;
    while (self->sent_count < total) {
        if (part > total - self->sent_count)
            part = total - self->sent_count;
        uint64_t first = 0;
        sb_reason_t reason =
            sb_agent_update_batch (self->agent, self->updates + self->sent_count, part, timeout_ms, &first);
        if (reason == SB_REASON_TOO_LARGE && part > 1) {
            part /= 2;
            continue;
        }
        if (reason == SB_REASON_SUPERSEDED || reason == SB_REASON_DISPLACED)
            return SB_PUBLISHER_FINISHED;
        if (reason == SB_REASON_WINDOW_FULL ||
            (reason >= SB_REASON_EMERGENCY_STOPPED && reason <= SB_REASON_SELF_PAUSED)) {
            self->status_reason = reason;
            return SB_PUBLISHER_HELD;
        }
        if (reason != SB_REASON_NONE) {
            /* The library will not take this content, ever: find the update at fault alone, and count it. */
            if (part > 1) {
                part /= 2;
                continue;
            }
            if (self->sent_count < self->row_count) {
                self->accounting->pending--;
                self->accounting->refused[reason]++;
            } else {
                self->derived_refused++;
            }
        } else if (first == 0) {
            s_count_kept (self, part);
        } else {
            s_mark (self, first, part);
        }
        self->sent_count += part;
    }
    s_clear (self);
    return SB_PUBLISHER_SENT;
}

void sb_publisher_give_up (sb_publisher_t *self, sb_reason_t reason)
{
    for (uint32_t i = self->sent_count; i < self->row_count; i++) {
        self->accounting->pending--;
        self->accounting->refused[reason]++;
    }
    s_clear (self);
}

bool sb_publisher_send_fields (sb_publisher_t *self, const char *category, const char *subject,
                               const sb_change_t *changes, uint32_t count)
{
    uint64_t sequence = 0;
    sb_agent_update_t update = {.category = category, .subject = subject, .changes = changes, .change_count = count};
    if (sb_agent_update (self->agent, &update, 100, &sequence) != SB_REASON_NONE)
        return false;
    if (sequence > 0) {
        self->marks[sequence % MARKS] = MARK_NONE;
        self->last_sequence = sequence;
    }
    return true;
}

/* Counts rows up to `decided` that were not refused. */
static void s_settle_through (sb_publisher_t *self, uint64_t decided)
{
    uint64_t from = self->settled;
    if (self->last_sequence > MARKS && from < self->last_sequence - MARKS)
        from = self->last_sequence - MARKS;
    for (uint64_t sequence = from + 1; sequence <= decided; sequence++) {
        uint8_t *mark = &self->marks[sequence % MARKS];
        if (*mark == MARK_PENDING) {
            *mark = MARK_SETTLED;
            self->accounting->pending--;
            self->accounting->published++;
        }
    }
    if (decided > self->settled)
        self->settled = decided;
}

void sb_publisher_settle (sb_publisher_t *self)
{
    sb_agent_counts_t counts;
    sb_agent_counts (self->agent, &counts);
    sb_agent_dispatch (self->agent, 0);
    s_settle_through (self, self->last_sequence > counts.undecided ? self->last_sequence - counts.undecided : 0);
}

bool sb_publisher_settle_all (sb_publisher_t *self, uint32_t timeout_ms)
{
    bool is_decided = sb_agent_wait_decided (self->agent, timeout_ms);
    sb_publisher_settle (self);
    if (is_decided)
        s_settle_through (self, self->last_sequence);
    return is_decided;
}

uint64_t sb_publisher_derived_refused (const sb_publisher_t *self)
{
    return self->derived_refused;
}

sb_reason_t sb_publisher_status_reason (const sb_publisher_t *self)
{
    return self->status_reason;
}
