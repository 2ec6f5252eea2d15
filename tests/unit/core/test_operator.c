/* SPDX-License-Identifier: MPL-2.0
 *
 * Every cell of the operator state's table, receipts at t-1, t and t+1, and the emergency stop's latch.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "latch.h"
#include "operator.h"
#include "sb_names.h"

static const uint64_t start_ns = 1000;

static sb_operator_t s_normal (void)
{
    sb_operator_t state;
    sb_operator_init (&state);
    return state;
}

static sb_operator_t s_paused (void)
{
    sb_operator_t state = s_normal ();
    cr_assert (sb_operator_pause (&state, sb_text ("ann"), sb_text ("too fast"), false, 7));
    return state;
}

static sb_operator_t s_confirmed (void)
{
    sb_operator_t state = s_paused ();
    cr_assert (sb_operator_confirm (&state, 1, true));
    return state;
}

static void s_check (const sb_operator_t *state, bool paused, bool confirmed, uint64_t revision)
{
    cr_assert_eq (state->paused, paused);
    cr_assert_eq (state->confirmed, confirmed);
    cr_assert_eq (state->revision, revision);
}

/* ------------------------------------------------------------------ the table */

Test (operator, normal_is_paused_unconfirmed_by_pause)
{
    sb_operator_t state = s_paused ();
    s_check (&state, true, false, 1);
    cr_assert (sb_text_equal (sb_authorship_issuer (&state.pause), sb_text ("ann")));
    cr_assert (sb_text_equal (sb_authorship_reason (&state.pause), sb_text ("too fast")));
    cr_assert_eq (state.pause.since_unix_ns, 7);
}

Test (operator, normal_stays_by_resume)
{
    sb_operator_t state = s_normal ();
    cr_assert_not (sb_operator_resume (&state, sb_text ("ann"), sb_text (""), false, 7));
    s_check (&state, false, true, 0);
}

Test (operator, normal_has_nothing_to_confirm)
{
    sb_operator_t state = s_normal ();
    cr_assert_not (sb_operator_confirm (&state, 0, false));
    s_check (&state, false, true, 0);
}

Test (operator, unconfirmed_stays_by_pause_and_keeps_its_author)
{
    sb_operator_t state = s_paused ();
    cr_assert_not (sb_operator_pause (&state, sb_text ("bob"), sb_text ("me too"), false, 8));
    s_check (&state, true, false, 1);
    cr_assert (sb_text_equal (sb_authorship_issuer (&state.pause), sb_text ("ann")));
}

Test (operator, unconfirmed_is_normal_unconfirmed_by_resume)
{
    sb_operator_t state = s_paused ();
    cr_assert (sb_operator_resume (&state, sb_text ("bob"), sb_text (""), false, 8));
    s_check (&state, false, false, 2);
}

Test (operator, unconfirmed_is_confirmed_by_revision_and_state_together)
{
    sb_operator_t state = s_paused ();
    cr_assert_not (sb_operator_confirm (&state, 0, true), "an older revision");
    cr_assert_not (sb_operator_confirm (&state, 2, true), "a revision that never was");
    cr_assert_not (sb_operator_confirm (&state, 1, false), "it says that it is not paused");
    cr_assert (sb_operator_confirm (&state, 1, true));
    s_check (&state, true, true, 1);
}

Test (operator, confirmed_stays_by_pause_and_by_confirmation)
{
    sb_operator_t state = s_confirmed ();
    cr_assert_not (sb_operator_pause (&state, sb_text ("bob"), sb_text (""), false, 8));
    cr_assert_not (sb_operator_confirm (&state, 1, true));
    s_check (&state, true, true, 1);
}

Test (operator, confirmed_is_normal_unconfirmed_by_resume)
{
    sb_operator_t state = s_confirmed ();
    cr_assert (sb_operator_resume (&state, sb_text ("bob"), sb_text (""), false, 8));
    s_check (&state, false, false, 2);
    cr_assert (sb_operator_confirm (&state, 2, false));
    s_check (&state, false, true, 2);
}

Test (operator, broker_restart_keeps_state_and_revision_unconfirmed)
{
    sb_operator_t state = s_normal ();
    sb_operator_restore (&state, true, 5, sb_text ("risk"), sb_text ("limit"), true, 9);
    s_check (&state, true, false, 5);
    cr_assert (state.pause.by_agent);
    cr_assert_eq (state.receipt.state, SB_RECEIPT_ACCEPTED, "to be told again");
    cr_assert (sb_operator_confirm (&state, 5, true));
}

Test (operator, new_instance_must_confirm_anew)
{
    sb_operator_t state = s_confirmed ();
    sb_operator_unconfirm (&state);
    s_check (&state, true, false, 1);
    sb_operator_t normal = s_normal ();
    sb_operator_unconfirm (&normal);
    s_check (&normal, false, true, 0);
}

Test (operator, operator_takes_over_an_agents_pause_and_no_other)
{
    sb_operator_t state = s_normal ();
    cr_assert_not (sb_operator_take_over (&state, sb_text ("ann"), sb_text (""), 8), "not paused");
    sb_operator_pause (&state, sb_text ("risk"), sb_text ("limit"), true, 7);
    cr_assert (sb_operator_take_over (&state, sb_text ("ann"), sb_text ("mine"), 8));
    cr_assert_not (state.pause.by_agent);
    cr_assert_not (sb_operator_take_over (&state, sb_text ("bob"), sb_text (""), 9), "an operator's already");
    s_check (&state, true, false, 1);
}

Test (operator, is_kept_once_it_was_ever_changed)
{
    sb_operator_t state = s_normal ();
    cr_assert_not (sb_operator_is_kept (&state));
    state = s_paused ();
    cr_assert (sb_operator_is_kept (&state));
    sb_operator_resume (&state, sb_text ("ann"), sb_text (""), false, 8);
    cr_assert (sb_operator_is_kept (&state));
}

Test (operator, author_texts_are_cut_at_a_characters_edge)
{
    char issuer[SB_ISSUER_MAX + 2];
    memset (issuer, 'a', sizeof issuer);
    /* A character of three octets, of which the bound would cut the last one. */
    memcpy (issuer + SB_ISSUER_MAX - 2, "\xe2\x82\xac", 3);
    sb_authorship_t author;
    sb_authorship_set (&author, (sb_text_t){issuer, sizeof issuer}, sb_text (""), false, 0);
    cr_assert_eq (author.issuer_size, SB_ISSUER_MAX - 2);
}

Test (operator, wire_form_says_it_all)
{
    sb_operator_t state = s_confirmed ();
    sb_operator_state_t status;
    sb_operator_status (&state, &status);
    cr_assert (status.paused && status.confirmed);
    cr_assert_eq (status.revision, 1);
    cr_assert (sb_text_equal (status.reason, sb_text ("too fast")));
}

/* ------------------------------------------------------------------ receipts */

Test (receipt, accepted_without_a_session_never_times_out)
{
    sb_receipt_t receipt = {0};
    sb_receipt_open (&receipt, false, start_ns);
    cr_assert_eq (receipt.state, SB_RECEIPT_ACCEPTED);
    cr_assert_not (sb_receipt_expire (&receipt, UINT64_MAX));
}

Test (receipt, delivered_times_out_at_its_deadline)
{
    for (int beyond = -1; beyond <= 1; beyond++) {
        sb_receipt_t receipt = {0};
        sb_receipt_open (&receipt, true, start_ns);
        cr_assert_eq (receipt.state, SB_RECEIPT_DELIVERED);
        cr_assert_eq (sb_receipt_expire (&receipt, start_ns + (uint64_t)(int64_t)beyond), beyond >= 0);
        cr_assert_eq (receipt.state, beyond >= 0 ? SB_RECEIPT_TIMED_OUT : SB_RECEIPT_DELIVERED);
    }
}

Test (receipt, late_word_replaces_the_timeout)
{
    sb_receipt_t receipt = {0};
    sb_receipt_open (&receipt, true, start_ns);
    sb_receipt_expire (&receipt, start_ns);
    cr_assert (sb_receipt_answer (&receipt, true));
    cr_assert_eq (receipt.state, SB_RECEIPT_APPLIED);
    cr_assert_not (sb_receipt_answer (&receipt, true));
}

Test (receipt, refusal_is_told)
{
    sb_receipt_t receipt = {0};
    sb_receipt_open (&receipt, true, start_ns);
    cr_assert (sb_receipt_answer (&receipt, false));
    cr_assert_str_eq (sb_receipt_name (receipt.state), "REFUSED");
}

Test (receipt, answer_to_nothing_is_nothing)
{
    sb_receipt_t receipt = {0};
    cr_assert_not (sb_receipt_answer (&receipt, true));
    cr_assert_eq (receipt.state, SB_RECEIPT_NONE);
}

Test (receipt, lost_connection_takes_the_delivery_back)
{
    sb_receipt_t receipt = {0};
    sb_receipt_open (&receipt, true, start_ns);
    sb_receipt_lost (&receipt);
    cr_assert_eq (receipt.state, SB_RECEIPT_ACCEPTED);
    sb_receipt_answer (&receipt, true);
    sb_receipt_lost (&receipt);
    cr_assert_eq (receipt.state, SB_RECEIPT_APPLIED, "what was said stands");
}

Test (receipt, brokers_lateness_moves_its_deadline)
{
    sb_operator_t state = s_paused ();
    sb_receipt_open (&state.receipt, true, start_ns);
    sb_operator_delay (&state, 500);
    cr_assert_not (sb_receipt_expire (&state.receipt, start_ns + 499));
    cr_assert (sb_receipt_expire (&state.receipt, start_ns + 500));
}

/* ------------------------------------------------------------------ latch */

Test (latch, stop_counts_the_epoch_and_a_second_stop_is_the_same)
{
    sb_stop_latch_t latch;
    sb_latch_init (&latch);
    cr_assert (sb_latch_stop (&latch, sb_text ("ann"), sb_text ("fire"), 7));
    cr_assert_eq (latch.epoch, 1);
    cr_assert_not (sb_latch_stop (&latch, sb_text ("bob"), sb_text ("smoke"), 8));
    cr_assert_eq (latch.epoch, 1);
    cr_assert (sb_text_equal (sb_authorship_issuer (&latch.author), sb_text ("ann")));
}

Test (latch, clear_needs_the_epoch_of_the_stop_in_force)
{
    sb_stop_latch_t latch;
    sb_latch_init (&latch);
    cr_assert_eq (sb_latch_clear (&latch, 0, sb_text ("ann"), sb_text ("x"), 7), SB_REASON_WRONG_EPOCH);
    sb_latch_stop (&latch, sb_text ("ann"), sb_text ("fire"), 7);
    cr_assert_eq (sb_latch_clear (&latch, 0, sb_text ("ann"), sb_text ("x"), 8), SB_REASON_WRONG_EPOCH);
    cr_assert_eq (sb_latch_clear (&latch, 2, sb_text ("ann"), sb_text ("x"), 8), SB_REASON_WRONG_EPOCH);
    cr_assert (latch.stopped);
    cr_assert_eq (sb_latch_clear (&latch, 1, sb_text ("ann"), sb_text ("x"), 8), SB_REASON_NONE);
    cr_assert_not (latch.stopped);
    cr_assert_eq (latch.epoch, 2);
    sb_latch_stop (&latch, sb_text ("ann"), sb_text ("again"), 9);
    cr_assert_eq (sb_latch_clear (&latch, 1, sb_text ("ann"), sb_text ("old"), 10), SB_REASON_WRONG_EPOCH);
}

Test (latch, refuses_all_but_admitted_categories)
{
    const sb_text_t admitted[] = {sb_text ("market_data"), sb_text ("agent")};
    sb_stop_latch_t latch;
    sb_latch_init (&latch);
    cr_assert_not (sb_latch_refuses (&latch, admitted, 2, sb_text ("trades")));
    sb_latch_stop (&latch, sb_text ("ann"), sb_text (""), 7);
    cr_assert (sb_latch_refuses (&latch, admitted, 2, sb_text ("trades")));
    cr_assert (sb_latch_refuses (&latch, admitted, 2, sb_text ("market")));
    cr_assert_not (sb_latch_refuses (&latch, admitted, 2, sb_text ("agent")));
    cr_assert (sb_latch_refuses (&latch, NULL, 0, sb_text ("market_data")));
}

Test (latch, restored_as_it_was)
{
    sb_stop_latch_t latch;
    sb_latch_init (&latch);
    sb_latch_restore (&latch, true, 41, sb_text ("ann"), sb_text ("fire"), 7);
    sb_latch_t status;
    sb_latch_status (&latch, NULL, 0, &status);
    cr_assert (status.stopped);
    cr_assert_eq (status.latch_epoch, 41);
    cr_assert (sb_text_equal (status.issuer, sb_text ("ann")));
    cr_assert_eq (status.since_unix_ns, 7);
}
