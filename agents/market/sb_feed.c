/* SPDX-License-Identifier: MPL-2.0
 *
 * The pipeline of a feed. A tick's own numbers are always sent; fields that are merely passed through
 * (venue, condition, flags) only when they differ from what was last sent for the subject.
 */
#include "sb_feed.h"
#include "sb_names.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sb_feed {
    sb_layout_t layout;
    bool is_json;
    const sb_context_t *context;
    const char *filter;
    sb_subjects_t *subjects;
    uint32_t subject_count; /* met in runs before a restart */
    sb_accounting_t accounting;
    sb_rejection_t last_rejection;
    uint64_t tick_id;
    int64_t time_ns;
    sb_cells_t cells;
    sb_row_t row;
    char sma_name[32], ema_name[32], rsi_name[32];
};

sb_feed_t *sb_feed_new (const sb_layout_t *layout, bool is_json, const sb_context_t *context)
{
    sb_feed_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    self->layout = *layout;
    self->is_json = is_json;
    self->context = context;
    self->subjects = sb_subjects_new (SB_SUBJECTS_MAX, &layout->periods);
    if (!self->subjects)
        sb_feed_destroy (&self);
    else {
        snprintf (self->sma_name, sizeof self->sma_name, "sma_%u", layout->periods.sma);
        snprintf (self->ema_name, sizeof self->ema_name, "ema_%u", layout->periods.ema);
        snprintf (self->rsi_name, sizeof self->rsi_name, "rsi_%u", layout->periods.rsi);
    }
    return self;
}

void sb_feed_destroy (sb_feed_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_subjects_destroy (&(*self_p)->subjects);
    free (*self_p);
    *self_p = NULL;
}

/* ------------------------------------------------------------------ changes of a tick */

static void s_put (sb_change_t *changes, uint32_t *count, const char *name, double number)
{
    if (isfinite (number))
        changes[(*count)++] =
            (sb_change_t){.name = sb_text (name), .value = {.kind = SB_VALUE_NUMBER, .number = number}};
}

static uint64_t s_value_hash (const sb_value_t *value)
{
    switch (value->kind) {
    case SB_VALUE_TEXT:
        return sb_octets_hash (value->text.data, value->text.size);
    case SB_VALUE_NUMBER:
        return sb_octets_hash (&value->number, sizeof value->number);
    case SB_VALUE_INTEGER:
        return sb_octets_hash (&value->integer, sizeof value->integer);
    case SB_VALUE_BOOLEAN:
        return value->boolean ? 2 : 1;
    default:
        return 0;
    }
}

/* The layout's own fields; of a market row those that differ from what was sent, of a series, whose row they are, all.
 */
static void s_put_fields (sb_feed_t *self, sb_subject_t *subject, sb_change_t *changes, uint32_t *count)
{
    bool is_series = self->layout.kind == SB_LAYOUT_SERIES;
    for (uint32_t i = 0; i < self->layout.field_count; i++) {
        const sb_value_t *value = &self->row.values[i];
        uint64_t hash = s_value_hash (value);
        if (value->kind == SB_VALUE_NONE || (hash == subject->sent_fields[i] && !is_series))
            continue;
        subject->sent_fields[i] = hash;
        changes[(*count)++] = (sb_change_t){.name = sb_text (self->layout.fields[i].name), .value = *value};
    }
}

static void s_put_market (sb_feed_t *self, sb_subject_t *subject, sb_tick_t *tick)
{
    const sb_row_t *row = &self->row;
    sb_change_t *changes = tick->market;
    uint32_t *count = &tick->market_count;
    changes[(*count)++] = (sb_change_t){.name = sb_text ("tick_id"),
                                        .value = {.kind = SB_VALUE_INTEGER, .integer = (int64_t)tick->tick_id}};
    if (row->has_trade) {
        s_put (changes, count, "price", row->price);
        if (self->layout.roles[SB_ROLE_SIZE] >= 0)
            s_put (changes, count, "size", row->size);
        if (self->layout.roles[SB_ROLE_OPEN] >= 0)
            s_put (changes, count, "open", row->open);
        if (self->layout.roles[SB_ROLE_HIGH] >= 0)
            s_put (changes, count, "high", row->high);
        if (self->layout.roles[SB_ROLE_LOW] >= 0)
            s_put (changes, count, "low", row->low);
    }
    if (row->has_bid || row->has_ask) {
        const sb_best_t *best = &subject->best;
        s_put (changes, count, "bid", best->bid > 0 ? best->bid : NAN);
        s_put (changes, count, "bid_size", best->bid > 0 ? best->bid_size : NAN);
        s_put (changes, count, "ask", best->ask > 0 ? best->ask : NAN);
        s_put (changes, count, "ask_size", best->ask > 0 ? best->ask_size : NAN);
    }
    s_put_fields (self, subject, changes, count);
}

/* Feeds the indicators: trades where the layout has trades, else the middle of the quote. */
static bool s_compute (sb_feed_t *self, sb_subject_t *subject)
{
    const sb_row_t *row = &self->row;
    const sb_best_t *best = &subject->best;
    bool has_trades = self->layout.roles[SB_ROLE_PRICE] >= 0;
    double price = has_trades ? (row->has_trade ? row->price : 0)
                              : (best->bid > 0 && best->ask > 0 ? (best->bid + best->ask) / 2 : 0);
    if (!(price > 0) || row->is_suspicious || self->layout.kind == SB_LAYOUT_SERIES)
        return false;
    int64_t day = sb_zone_day (self->layout.session_zone, row->time_ns);
    if (day != subject->session_day)
        sb_indicators_new_session (subject->indicators);
    subject->session_day = day;
    sb_indicators_add (subject->indicators, price, has_trades ? row->size : 0);
    return true;
}

static void s_put_derived (sb_feed_t *self, sb_subject_t *subject, sb_tick_t *tick)
{
    uint32_t *count = &tick->derived_count;
    if (s_compute (self, subject)) {
        sb_indicator_values_t values = sb_indicators_values (subject->indicators);
        s_put (tick->derived, count, self->sma_name, values.sma);
        s_put (tick->derived, count, self->ema_name, values.ema);
        s_put (tick->derived, count, self->rsi_name, values.rsi);
        s_put (tick->derived, count, "vwap", values.vwap);
        s_put (tick->derived, count, "realized_volatility", values.realized_volatility);
    }
    if (self->layout.kind == SB_LAYOUT_SERIES)
        s_put_fields (self, subject, tick->derived, count);
    else if (self->context)
        *count += sb_context_join (self->context, &subject->cursor, subject->name + subject->symbol_offset,
                                   tick->time_ns, tick->derived + *count, SB_DERIVED_CHANGES_MAX - *count);
}

/* ------------------------------------------------------------------ lines */

void sb_feed_reject (sb_feed_t *self, sb_rejection_t rejection)
{
    assert (rejection > SB_REJECTION_NONE && rejection < SB_REJECTION_LIMIT);
    self->accounting.read++;
    self->accounting.rejected[rejection]++;
    self->last_rejection = rejection;
}

static bool s_is_filtered (const sb_feed_t *self)
{
    const sb_row_t *row = &self->row;
    return self->filter && row->subject_size > 0 && !sb_pattern_matches (self->filter, row->subject) &&
           !sb_pattern_matches (self->filter, row->subject + row->symbol_offset);
}

static void s_mark (sb_feed_t *self, const sb_verdict_t *verdict)
{
    self->accounting.repeated += verdict->is_repeated;
    self->accounting.suspicious += self->row.is_suspicious;
    self->accounting.non_positive += self->row.is_non_positive;
    self->accounting.values_missing += self->row.values_missing;
}

static sb_outcome_t s_make_tick (sb_feed_t *self, sb_subject_t *subject, sb_tick_t *tick)
{
    tick->subject = subject->name;
    tick->time_ns = self->row.time_ns;
    tick->tick_id = ++self->tick_id;
    tick->row = &self->row;
    tick->market_count = tick->derived_count = 0;
    if (self->layout.kind != SB_LAYOUT_SERIES)
        s_put_market (self, subject, tick);
    s_put_derived (self, subject, tick);
    self->time_ns = tick->time_ns;
    self->accounting.read++;
    self->accounting.pending++;
    return SB_OUTCOME_TICK;
}

sb_outcome_t sb_feed_line (sb_feed_t *self, char *line, size_t size, sb_tick_t *tick)
{
    if (size == 0)
        return SB_OUTCOME_NONE;
    sb_rejection_t rejection = sb_row_read (&self->layout, self->is_json, line, size, &self->cells, &self->row);
    if (s_is_filtered (self)) {
        self->accounting.filtered++;
        return SB_OUTCOME_NONE;
    }
    sb_subject_t *subject = NULL;
    if (rejection == SB_REJECTION_NONE) {
        subject = sb_subjects_get (self->subjects, self->row.subject, self->row.symbol_offset);
        if (!subject)
            rejection = SB_REJECTION_TOO_MANY_SUBJECTS;
    }
    if (rejection != SB_REJECTION_NONE) {
        sb_feed_reject (self, rejection);
        return SB_OUTCOME_REJECTED;
    }
    sb_verdict_t verdict = sb_validator_judge (&self->layout, subject, &self->row);
    if (verdict.rejection != SB_REJECTION_NONE) {
        sb_feed_reject (self, verdict.rejection);
        return SB_OUTCOME_REJECTED;
    }
    s_mark (self, &verdict);
    if (verdict.is_unchanged) {
        self->accounting.read++;
        self->accounting.unchanged++;
        return SB_OUTCOME_UNCHANGED;
    }
    return s_make_tick (self, subject, tick);
}

void sb_feed_filter (sb_feed_t *self, const char *pattern)
{
    self->filter = pattern;
}

void sb_feed_restart (sb_feed_t *self)
{
    sb_subjects_t *fresh = sb_subjects_new (SB_SUBJECTS_MAX, &self->layout.periods);
    if (!fresh)
        return;
    self->subject_count = sb_feed_subject_count (self);
    sb_subjects_destroy (&self->subjects);
    self->subjects = fresh;
}

sb_accounting_t *sb_feed_accounting (sb_feed_t *self)
{
    return &self->accounting;
}

sb_rejection_t sb_feed_last_rejection (const sb_feed_t *self)
{
    return self->last_rejection;
}

int64_t sb_feed_time_ns (const sb_feed_t *self)
{
    return self->time_ns;
}

uint32_t sb_feed_subject_count (const sb_feed_t *self)
{
    uint32_t count = sb_subjects_count (self->subjects);
    return count > self->subject_count ? count : self->subject_count;
}
