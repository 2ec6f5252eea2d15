/* SPDX-License-Identifier: MPL-2.0
 *
 * Judges rows against those before. Checks run from cheap to dear; the first that fails names the cause.
 */
#include "sb_validator.h"

#include <math.h>
#include <string.h>

static bool s_is_backwards (const sb_layout_t *layout, const sb_subject_t *subject, const sb_row_t *row)
{
    if (!subject->has_time)
        return false;
    return layout->order == SB_ORDER_ASCENDING ? row->time_ns < subject->time_ns : row->time_ns > subject->time_ns;
}

/* Looks for the row's trade id among the last ones, and keeps it when it is new. */
static bool s_is_duplicate (sb_subject_t *subject, const sb_row_t *row)
{
    if (row->trade_id_hash == 0)
        return false;
    for (int i = 0; i < SB_TRADE_IDS_KEPT; i++)
        if (subject->trade_ids[i] == row->trade_id_hash)
            return true;
    subject->trade_ids[subject->trade_id_next] = row->trade_id_hash;
    subject->trade_id_next = (subject->trade_id_next + 1) % SB_TRADE_IDS_KEPT;
    return false;
}

/* True when `price` is to be rejected as a jump. */
static bool s_jumps (const sb_layout_t *layout, sb_subject_t *subject, double price)
{
    if (layout->jump_ratio == 0 || !(price > 0))
        return false;
    if (subject->reference > 0 && fabs (price / subject->reference - 1) > layout->jump_ratio) {
        bool agrees = subject->candidate > 0 && fabs (price / subject->candidate - 1) <= layout->jump_ratio;
        subject->candidate_rows = agrees ? subject->candidate_rows + 1 : 1;
        subject->candidate = price;
        if (subject->candidate_rows < layout->jump_confirmations)
            return true;
    }
    subject->reference = price;
    subject->candidate = 0;
    subject->candidate_rows = 0;
    return false;
}

/* The best bid and offer as this row leaves it. */
static sb_best_t s_best_after (const sb_layout_t *layout, sb_subject_t *subject, const sb_row_t *row)
{
    if (layout->kind == SB_LAYOUT_SIDED_QUOTE) {
        uint64_t venue = sb_octets_hash (row->venue.data, row->venue.size);
        if (row->has_bid)
            sb_book_set_bid (&subject->book, venue, row->bid, row->bid_size, row->time_ns, layout->quote_stale_ns);
        if (row->has_ask)
            sb_book_set_ask (&subject->book, venue, row->ask, row->ask_size, row->time_ns, layout->quote_stale_ns);
        return sb_book_best (&subject->book);
    }
    sb_best_t best = subject->best;
    if (row->has_bid) {
        best.bid = row->bid;
        best.bid_size = row->bid_size;
    }
    if (row->has_ask) {
        best.ask = row->ask;
        best.ask_size = row->ask_size;
    }
    return best;
}

static sb_rejection_t s_judge_quote (const sb_layout_t *layout, sb_subject_t *subject, const sb_row_t *row,
                                     bool *is_unchanged)
{
    bool is_sided = layout->kind == SB_LAYOUT_SIDED_QUOTE;
    /* A stub quote, far from the market, must not get into the book: it would drop the whole other side. */
    if (is_sided && !row->is_suspicious && s_jumps (layout, subject, row->has_bid ? row->bid : row->ask))
        return SB_REJECTION_JUMP;
    sb_best_t best = s_best_after (layout, subject, row);
    bool has_both = best.bid > 0 && best.ask > 0;
    if (has_both && best.bid > best.ask && !layout->allow_crossed)
        return SB_REJECTION_CROSSED_QUOTE;
    *is_unchanged = sb_best_equal (&best, &subject->best);
    if (*is_unchanged)
        return SB_REJECTION_NONE;
    bool is_judged = has_both && !is_sided && !row->has_trade && !row->is_suspicious;
    if (is_judged && s_jumps (layout, subject, (best.bid + best.ask) / 2))
        return SB_REJECTION_JUMP;
    subject->best = best;
    return SB_REJECTION_NONE;
}

static sb_rejection_t s_judge (const sb_layout_t *layout, sb_subject_t *subject, const sb_row_t *row,
                               sb_verdict_t *verdict)
{
    if (s_is_backwards (layout, subject, row))
        return SB_REJECTION_TIME_BACKWARDS;
    if (layout->book_reset_ns && subject->has_time && row->time_ns - subject->time_ns > layout->book_reset_ns)
        memset (&subject->book, 0, sizeof subject->book);
    subject->has_time = true;
    subject->time_ns = row->time_ns;
    if (s_is_duplicate (subject, row))
        return SB_REJECTION_DUPLICATE_ID;
    bool is_quote_unchanged = true;
    if (row->has_bid || row->has_ask) {
        sb_rejection_t rejection = s_judge_quote (layout, subject, row, &is_quote_unchanged);
        if (rejection != SB_REJECTION_NONE)
            return rejection;
    }
    if (row->has_trade && !row->is_suspicious && s_jumps (layout, subject, row->price))
        return SB_REJECTION_JUMP;
    verdict->is_unchanged = layout->kind != SB_LAYOUT_SERIES && !row->has_trade && is_quote_unchanged;
    return SB_REJECTION_NONE;
}

sb_verdict_t sb_validator_judge (const sb_layout_t *layout, sb_subject_t *subject, const sb_row_t *row)
{
    sb_verdict_t verdict = {SB_REJECTION_NONE, false, false};
    verdict.rejection = s_judge (layout, subject, row, &verdict);
    if (verdict.rejection == SB_REJECTION_NONE && row->has_trade) {
        verdict.is_repeated = row->trade_id_hash == 0 && subject->row_hash == row->hash;
        subject->row_hash = row->hash;
    }
    return verdict;
}
