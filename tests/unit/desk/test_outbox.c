/* SPDX-License-Identifier: MPL-2.0
 *
 * Refused trades and executions wait and come out again in order; refused for good they are counted.
 */
#include "sb_outbox.h"

#include <criterion/criterion.h>

static const unsigned s_both = SB_OUTBOX_TRADE | SB_OUTBOX_EXECUTION;

static sb_trader_order_t s_order (uint64_t order_id)
{
    return (sb_trader_order_t){.order_id = order_id};
}

Test (outbox, refused_updates_wait_in_order_of_sending)
{
    sb_outbox_t *outbox = sb_outbox_new (8);
    sb_trader_order_t one = s_order (1), two = s_order (2), three = s_order (3), out;
    sb_outbox_add (outbox, &one, s_both, 10);              /* 10, 11 */
    sb_outbox_add (outbox, &two, SB_OUTBOX_EXECUTION, 12); /* 12 */
    sb_outbox_add (outbox, &three, s_both, 20);            /* 20, 21 */
    cr_assert (sb_outbox_refused (outbox, 20, true));
    cr_assert (sb_outbox_refused (outbox, 11, true));
    cr_assert (sb_outbox_refused (outbox, 12, true));
    cr_assert_not (sb_outbox_refused (outbox, 13, true));
    cr_assert_eq (sb_outbox_waiting (outbox), 3);
    unsigned parts;
    cr_assert (sb_outbox_take (outbox, &out, &parts));
    cr_assert_eq (out.order_id, 1);
    cr_assert_eq (parts, SB_OUTBOX_EXECUTION);
    cr_assert (sb_outbox_take (outbox, &out, &parts));
    cr_assert_eq (out.order_id, 2);
    cr_assert_eq (parts, SB_OUTBOX_EXECUTION);
    cr_assert (sb_outbox_take (outbox, &out, &parts));
    cr_assert_eq (out.order_id, 3);
    cr_assert_eq (parts, SB_OUTBOX_TRADE);
    cr_assert_not (sb_outbox_take (outbox, &out, &parts));
    sb_outbox_destroy (&outbox);
    cr_assert_null (outbox);
}

Test (outbox, what_was_not_sent_waits_at_once)
{
    sb_outbox_t *outbox = sb_outbox_new (2);
    sb_trader_order_t one = s_order (1), out;
    unsigned parts;
    sb_outbox_add (outbox, &one, s_both, 0);
    cr_assert_eq (sb_outbox_waiting (outbox), 1);
    cr_assert (sb_outbox_take (outbox, &out, &parts));
    cr_assert_eq (parts, s_both);
    cr_assert_eq (sb_outbox_waiting (outbox), 0);
    sb_outbox_destroy (&outbox);
}

Test (outbox, a_full_ring_gives_up_the_oldest_and_counts_what_waited)
{
    sb_outbox_t *outbox = sb_outbox_new (2);
    sb_trader_order_t one = s_order (1), two = s_order (2), three = s_order (3), four = s_order (4), out;
    unsigned parts;
    sb_outbox_add (outbox, &one, s_both, 0);
    sb_outbox_add (outbox, &two, s_both, 2);
    sb_outbox_add (outbox, &three, s_both, 0); /* gives up 1, which waited */
    cr_assert_eq (sb_outbox_lost (outbox), 2);
    sb_outbox_add (outbox, &four, s_both, 6); /* gives up 2, which did not */
    cr_assert_eq (sb_outbox_lost (outbox), 2);
    cr_assert_eq (sb_outbox_waiting (outbox), 1);
    cr_assert (sb_outbox_take (outbox, &out, &parts));
    cr_assert_eq (out.order_id, 3);
    sb_outbox_destroy (&outbox);
}

Test (outbox, a_refusal_for_good_is_lost_and_does_not_wait)
{
    sb_outbox_t *outbox = sb_outbox_new (2);
    sb_trader_order_t one = s_order (1);
    sb_outbox_add (outbox, &one, s_both, 1);
    cr_assert (sb_outbox_refused (outbox, 1, sb_outbox_is_momentary (SB_REASON_BAD_FIELD_NAME)));
    cr_assert_eq (sb_outbox_waiting (outbox), 0);
    cr_assert_eq (sb_outbox_lost (outbox), 1);
    cr_assert (sb_outbox_is_momentary (SB_REASON_PAUSED));
    cr_assert (sb_outbox_is_momentary (SB_REASON_BREAKER_OPEN));
    sb_outbox_destroy (&outbox);
}
