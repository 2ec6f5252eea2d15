/* SPDX-License-Identifier: MPL-2.0
 *
 * The step's parts: own state, window, checks of content; and the helpers of syncbus.h.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent_check.h"
#include "agent_inbox.h"
#include "agent_window.h"
#include "sb_names.h"
#include "syncbus.h"

static sb_delta_t s_delta (const char *category, const char *subject, const sb_change_t *changes, uint32_t count)
{
    sb_delta_t delta = {.category = sb_text (category), .subject = sb_text (subject)};
    delta.update.changes = changes;
    delta.update.change_count = count;
    return delta;
}

static void s_note (void *context, sb_text_t category, sb_text_t subject, sb_text_t name, const sb_value_t *value)
{
    char *at = (char *)context + strlen (context);
    sprintf (at, "%.*s/%.*s/%.*s=%g ", (int)category.size, category.data, (int)subject.size, subject.data,
             (int)name.size, name.data, sb_value_number (value, NAN));
}

Test (own_state, is_walked_in_order_of_first_write_whatever_the_seed)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        sb_own_state_t *state = sb_own_state_new (100, seed);
        sb_change_t first[] = {sb_number ("b", 1), sb_number ("a", 2)};
        sb_change_t again = sb_number ("b", 3);
        sb_change_t gone = sb_delete ("a");
        sb_delta_t deltas[] = {s_delta ("risk", "s", first, 2), s_delta ("", "", first, 1),
                               s_delta ("risk", "s", &again, 1), s_delta ("risk", "s", &gone, 1)};
        for (int i = 0; i < 4; i++)
            cr_assert (sb_own_state_apply (state, &deltas[i], 0, NULL));
        char text[200] = "";
        sb_own_state_visit (state, s_note, text);
        cr_assert_str_eq (text, "risk/s/b=3 //b=1 ");
        cr_assert_eq (sb_own_state_count (state), 2);
        sb_own_state_destroy (&state);
        cr_assert_null (state);
    }
}

Test (own_state, cursor_survives_the_removal_of_what_it_points_at)
{
    sb_own_state_t *state = sb_own_state_new (100, 1);
    sb_change_t changes[] = {sb_number ("a", 1), sb_number ("b", 2), sb_number ("c", 3)};
    sb_delta_t one = s_delta ("x", "", changes, 3), two = s_delta ("y", "", changes, 1);
    sb_own_state_apply (state, &two, 0, NULL);
    sb_own_state_apply (state, &one, 0, NULL);
    sb_own_state_rewind (state);
    sb_text_t category, subject, name;
    const sb_value_t *value;
    cr_assert (sb_own_state_at_cursor (state, &category, &subject, &name, &value));
    sb_own_state_advance (state);
    sb_change_t gone[] = {sb_delete ("a"), sb_delete ("b"), sb_delete ("c")};
    sb_delta_t all = s_delta ("x", "", gone, 3);
    sb_own_state_apply (state, &all, 0, NULL);
    cr_assert (sb_own_state_at_cursor (state, &category, &subject, &name, &value));
    cr_assert (sb_text_equal (category, sb_text ("y")));
    sb_own_state_advance (state);
    cr_assert_not (sb_own_state_at_cursor (state, &category, &subject, &name, &value));
    sb_own_state_destroy (&state);
}

/* The next name of the walk, 0 at its end. */
static char s_next (sb_own_state_t *state)
{
    sb_text_t category, subject, name;
    const sb_value_t *value;
    if (!sb_own_state_at_cursor (state, &category, &subject, &name, &value))
        return 0;
    char first = name.data[0];
    sb_own_state_advance (state);
    return first;
}

static void s_write (sb_own_state_t *state, const char *category, const char *name)
{
    sb_change_t change = sb_number (name, 1);
    sb_delta_t delta = s_delta (category, "", &change, 1);
    cr_assert (sb_own_state_apply (state, &delta, 0, NULL));
}

Test (own_state, a_walk_passes_each_field_once_the_last_written_first_whatever_is_written_meanwhile)
{
    sb_own_state_t *state = sb_own_state_new (100, 1);
    s_write (state, "x", "a");
    s_write (state, "y", "b");
    s_write (state, "x", "c");
    s_write (state, "y", "d");
    s_write (state, "y", "b");
    sb_own_state_rewind (state);
    cr_assert_eq (s_next (state), 'b');
    cr_assert_eq (s_next (state), 'd');
    s_write (state, "x", "a"); /* not passed yet: moves behind the cursor */
    s_write (state, "y", "d"); /* passed */
    s_write (state, "z", "e"); /* new */
    cr_assert_eq (s_next (state), 'c');
    cr_assert_eq (s_next (state), 'e');
    s_write (state, "x", "a");
    cr_assert_eq (s_next (state), 'a');
    cr_assert_eq (s_next (state), 0);
    cr_assert_eq (s_next (state), 0);
    sb_own_state_rewind (state);
    const char order[] = {'a', 'e', 'd', 'b', 'c', 0};
    for (size_t i = 0; i < sizeof order; i++)
        cr_assert_eq (s_next (state), order[i], "at %zu", i);
    sb_own_state_destroy (&state);
}

static void s_put_decision (sb_inbox_t *inbox, sb_agent_effect_kind_t kind, uint64_t number)
{
    sb_agent_effect_t effect = {.kind = kind};
    if (kind == SB_AGENT_EFFECT_DECIDED)
        effect.decided_through = number;
    else
        effect.refused.sequence = number;
    cr_assert (sb_inbox_put (inbox, &effect));
}

Test (inbox, decisions_that_wait_are_told_as_one_and_never_before_a_refusal)
{
    sb_inbox_t *inbox = sb_inbox_new (1, 1, false);
    s_put_decision (inbox, SB_AGENT_EFFECT_DECIDED, 1);
    s_put_decision (inbox, SB_AGENT_EFFECT_DECIDED, 3);
    s_put_decision (inbox, SB_AGENT_EFFECT_REFUSED, 4);
    s_put_decision (inbox, SB_AGENT_EFFECT_DECIDED, 5);
    s_put_decision (inbox, SB_AGENT_EFFECT_DECIDED, 6);
    const uint64_t told[] = {3, 4, 6};
    for (size_t i = 0; i < 3; i++) {
        sb_inbox_item_t *item = sb_inbox_take (inbox, false);
        cr_assert_eq (item->kind, i == 1 ? SB_INBOX_REFUSED : SB_INBOX_DECIDED);
        cr_assert_eq (i == 1 ? item->refused.sequence : item->decided_through, told[i]);
        sb_inbox_item_destroy (&item);
    }
    cr_assert_null (sb_inbox_take (inbox, false));
    s_put_decision (inbox, SB_AGENT_EFFECT_DECIDED, 7);
    sb_inbox_item_t *item = sb_inbox_take (inbox, false);
    cr_assert_eq (item->decided_through, 7, "one that was taken is not raised any more");
    sb_inbox_item_destroy (&item);
    sb_inbox_destroy (&inbox);
}

/* A refusal lost for want of room would be taken for an acceptance. */
Test (inbox, refusals_have_room_when_notices_have_none)
{
    sb_inbox_t *inbox = sb_inbox_new (1, 1, false);
    sb_agent_effect_t status = {.kind = SB_AGENT_EFFECT_STATUS};
    for (int i = 0; i < SB_INBOX_NOTICES_MAX; i++)
        cr_assert (sb_inbox_put (inbox, &status));
    cr_assert_not (sb_inbox_put (inbox, &status));
    s_put_decision (inbox, SB_AGENT_EFFECT_REFUSED, 1);
    s_put_decision (inbox, SB_AGENT_EFFECT_DECIDED, 1);
    sb_inbox_destroy (&inbox);
}

Test (own_state, texts_are_copied_and_restored)
{
    sb_own_state_t *state = sb_own_state_new (100, 1);
    char octets[] = "first";
    sb_change_t change = sb_string ("t", octets);
    sb_delta_t delta = s_delta ("x", "", &change, 1);
    sb_own_state_apply (state, &delta, 1, NULL);
    memcpy (octets, "XXXXX", 5);
    sb_change_t later = sb_string ("t", "second");
    sb_delta_t second = s_delta ("x", "", &later, 1);
    sb_own_value_t before = {0};
    sb_own_state_apply (state, &second, 2, &before);
    cr_assert_not (sb_own_state_restore (state, &second, &later, 9, &before), "not its writer");
    cr_assert (sb_own_state_restore (state, &second, &later, 2, &before));
    sb_text_t category, subject, name;
    const sb_value_t *value;
    sb_own_state_rewind (state);
    sb_own_state_at_cursor (state, &category, &subject, &name, &value);
    cr_assert (sb_text_equal (value->text, sb_text ("first")));
    sb_own_state_destroy (&state);
}

Test (own_state, holds_many_fields_and_finds_each)
{
    sb_own_state_t *state = sb_own_state_new (20000, 1);
    char name[16], subject[16];
    for (int i = 0; i < 20000; i++) {
        snprintf (name, sizeof name, "n%d", i % 100);
        snprintf (subject, sizeof subject, "s%d", i / 100);
        sb_change_t change = sb_number (name, i);
        sb_delta_t delta = s_delta ("x", subject, &change, 1);
        cr_assert_eq (sb_own_state_check (state, &delta, 1), SB_REASON_NONE);
        sb_own_state_apply (state, &delta, 0, NULL);
    }
    sb_change_t one_more = sb_number ("more", 1), known = sb_number ("n5", 1);
    sb_delta_t delta = s_delta ("x", "s3", &one_more, 1);
    cr_assert_eq (sb_own_state_check (state, &delta, 1), SB_REASON_STORE_FULL);
    delta = s_delta ("x", "s3", &known, 1);
    cr_assert_eq (sb_own_state_check (state, &delta, 1), SB_REASON_NONE);
    sb_own_state_forget_category (state, sb_text ("x"));
    cr_assert_eq (sb_own_state_count (state), 0);
    sb_own_state_destroy (&state);
}

Test (own_state, a_batch_fits_a_category_by_its_new_fields_alone)
{
    sb_own_state_t *state = sb_own_state_new (100, 7);
    sb_change_t known = sb_number ("known", 1), first = sb_number ("first", 1), second = sb_number ("second", 1);
    sb_delta_t there = s_delta ("x", "s", &known, 1), other = s_delta ("y", "s", &first, 1);
    sb_own_state_apply (state, &there, 0, NULL);
    const sb_delta_t batch[] = {there, s_delta ("x", "s", &first, 1), other, there, s_delta ("x", "s", &second, 1)};
    sb_own_state_set_category_limit (state, 3);
    cr_expect_eq (sb_own_state_check (state, batch, 5), SB_REASON_NONE);
    sb_own_state_set_category_limit (state, 2);
    cr_expect_eq (sb_own_state_check (state, batch, 4), SB_REASON_NONE);
    cr_expect_eq (sb_own_state_check (state, batch, 5), SB_REASON_TOO_MANY_FIELDS);
    sb_own_state_set_category_limit (state, 0);
    cr_expect_eq (sb_own_state_check (state, &there, 1), SB_REASON_NONE, "overwritten, though the limit is lower now");
    cr_expect_eq (sb_own_state_check (state, &other, 1), SB_REASON_TOO_MANY_FIELDS);
    sb_own_state_destroy (&state);
}

Test (window, numbers_are_kept_through_growth_and_taking)
{
    sb_window_t *window = sb_window_new ();
    sb_change_t change = sb_string ("t", "text");
    sb_delta_t delta = s_delta ("x", "s", &change, 1);
    for (uint64_t i = 1; i <= 1000; i++) {
        cr_assert_eq (sb_window_add (window, &delta, false)->sequence, i);
        if (i % 3 == 0) {
            sb_slot_t *slot = sb_window_take (window);
            cr_assert_eq (slot->sequence, i / 3);
            sb_slot_destroy (&slot);
        }
    }
    cr_assert_eq (sb_window_first (window), 334);
    cr_assert_eq (sb_window_next (window), 1001);
    cr_assert_null (sb_window_at (window, 333));
    cr_assert_null (sb_window_at (window, 1001));
    cr_assert (sb_text_equal (sb_window_at (window, 1000)->delta.update.changes[0].value.text, sb_text ("text")));
    sb_window_destroy (&window);
}

Test (window, is_bounded_by_number_and_octets)
{
    sb_window_t *window = sb_window_new ();
    sb_change_t change = sb_number ("x", 1);
    sb_delta_t delta = s_delta ("x", "", &change, 1);
    cr_assert (sb_window_has_room (window, 9, (size_t)SB_WINDOW_BYTES_MAX + 1, 8), "an empty one takes anything");
    sb_window_add (window, &delta, true);
    cr_assert (sb_window_has_room (window, 7, 0, 8));
    cr_assert_not (sb_window_has_room (window, 8, 0, 8));
    cr_assert_not (sb_window_has_room (window, 1, SB_WINDOW_BYTES_MAX, 8));
    sb_window_destroy (&window);
}

Test (check, each_fault_has_its_reason)
{
    static char long_name[SB_FIELD_NAME_MAX + 2];
    memset (long_name, 'x', sizeof long_name - 1);
    const sb_change_t good = sb_number ("x", 1);
    const struct {
        const char *category, *subject;
        sb_change_t change;
        sb_reason_t reason;
    } rows[] = {
        {"status", "s:1", good, SB_REASON_NONE},
        {"", "", good, SB_REASON_NONE},
        {"Status", "", good, SB_REASON_BAD_CATEGORY},
        {"all", "", good, SB_REASON_BAD_CATEGORY},
        {"_event", "", good, SB_REASON_BAD_CATEGORY},
        {"status", "a.b", good, SB_REASON_BAD_SUBJECT},
        {"status", "", sb_number ("", 1), SB_REASON_BAD_FIELD_NAME},
        {"status", "", sb_number ("a..b", 1), SB_REASON_BAD_FIELD_NAME},
        {"status", "", sb_number (long_name, 1), SB_REASON_BAD_FIELD_NAME},
        {"status", "", sb_number ("x", NAN), SB_REASON_NOT_FINITE},
        {"status", "", sb_number ("x", INFINITY), SB_REASON_NOT_FINITE},
        {"status", "", sb_decimal ("x", 1, 65), SB_REASON_BAD_DECIMAL},
        {"status", "", sb_decimal ("x", 1, -64), SB_REASON_NONE},
        {"status", "", sb_string ("x", "\xff"), SB_REASON_BAD_TEXT},
        {"status", "", {.name = {"x", 1}}, SB_REASON_NO_VALUE},
        {"status", "", sb_delete ("x"), SB_REASON_NONE},
        {"status", "", sb_bytes ("x", "\xff\0", 2), SB_REASON_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sb_delta_t delta = s_delta (rows[i].category, rows[i].subject, &rows[i].change, 1);
        cr_assert_eq (sb_agent_check (&delta), rows[i].reason, "row %zu", i);
    }
    sb_delta_t empty = s_delta ("status", "", NULL, 0);
    cr_assert_eq (sb_agent_check (&empty), SB_REASON_NO_CHANGES);
}

Test (check, a_field_may_stand_once_only_in_any_number_of_changes)
{
    static sb_change_t changes[SB_CHANGES_MAX + 1];
    static char names[SB_CHANGES_MAX + 1][8];
    for (int i = 0; i <= SB_CHANGES_MAX; i++) {
        snprintf (names[i], sizeof names[i], "n%d", i);
        changes[i] = sb_number (names[i], i);
    }
    sb_delta_t delta = s_delta ("status", "", changes, SB_CHANGES_MAX);
    cr_assert_eq (sb_agent_check (&delta), SB_REASON_NONE);
    changes[SB_CHANGES_MAX - 1].name = sb_text ("n0");
    cr_assert_eq (sb_agent_check (&delta), SB_REASON_DUPLICATE_FIELD);
    delta.update.change_count = SB_CHANGES_MAX + 1;
    cr_assert_eq (sb_agent_check (&delta), SB_REASON_TOO_MANY_CHANGES);
}

Test (values, a_number_is_read_from_every_kind_that_has_one)
{
    sb_change_t number = sb_number ("x", 1.5);
    cr_assert_eq (sb_value_number (&number.value, 0), 1.5);
    cr_assert_eq (sb_value_number (&(sb_value_t){.kind = SB_VALUE_INTEGER, .integer = -3}, 0), -3);
    sb_change_t decimal = sb_decimal ("x", 123, -2), boolean = sb_boolean ("x", true), text = sb_string ("x", "1");
    cr_assert_eq (sb_value_number (&decimal.value, 0), 1.23);
    cr_assert_eq (sb_value_number (&boolean.value, 0), 1);
    cr_assert_eq (sb_value_number (&text.value, 7), 7);
    cr_assert_eq (sb_value_number (NULL, 7), 7);
}

Test (values, the_last_value_of_a_name_is_found_and_a_deleted_one_is_not)
{
    sb_change_t changes[] = {sb_number ("a", 1), sb_number ("b", 2), sb_delete ("b")};
    sb_update_t update = {.changes = changes, .change_count = 3};
    cr_assert_eq (sb_update_find (&update, "a")->number, 1);
    cr_assert_null (sb_update_find (&update, "b"));
    cr_assert_null (sb_update_find (&update, "c"));
}

Test (values, names_are_those_of_the_table)
{
    cr_assert_str_eq (sb_reason_name (SB_REASON_PAUSED), "PAUSED");
    cr_assert_str_eq (sb_agent_status_name (SB_AGENT_FINISHED), "FINISHED");
    cr_assert_str_eq (sb_agent_status_name ((sb_agent_status_t)99), "?");
}
