/* SPDX-License-Identifier: MPL-2.0
 *
 * The copy, case by case; agent_copy_model_test.c is for the rest.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_copy.h"
#include "sb_names.h"
#include "sb_state_hash.h"
#include "syncbus.h"

static sb_copy_t *s_copy (void)
{
    sb_copy_t *copy = sb_copy_new (7, true, 100, 1000, 1 << 20);
    cr_assert_not_null (copy);
    sb_copy_new_stream (copy, 5, 1);
    return copy;
}

static bool s_apply (sb_copy_t *copy, const char *topic, uint64_t sequence, sb_change_t change)
{
    sb_update_t update = {.sequence = 1, .changes = &change, .change_count = 1};
    sb_publication_t publication = {.topic = sb_text (topic),
                                    .sequence = sequence,
                                    .category_sequence = sequence,
                                    .topic_sequence = sequence,
                                    .broker_unix_ns = (int64_t)sequence * 10,
                                    .quality = SB_QUALITY_OK,
                                    .updates = &update,
                                    .update_count = 1};
    return sb_copy_apply (copy, &publication);
}

static bool s_apply_quality (sb_copy_t *copy, const char *topic, uint64_t sequence, sb_quality_t quality,
                             sb_cause_t cause)
{
    sb_publication_t publication = {.topic = sb_text (topic), .sequence = sequence, .quality = quality, .cause = cause};
    return sb_copy_apply (copy, &publication);
}

static double s_number (const sb_copy_t *copy, const char *topic, const char *name)
{
    sb_agent_field_t field;
    return sb_copy_find (copy, sb_text (topic), sb_text (name), &field) ? sb_value_number (&field.value, NAN) : NAN;
}

static sb_agent_copy_state_t s_state (const sb_copy_t *copy)
{
    sb_agent_copy_state_t state = {0};
    sb_copy_state (copy, &state);
    return state;
}

/* Writes what a difference says at the end of a text of 500 octets. */
static void s_note (void *context, const sb_publication_t *difference)
{
    char *at = (char *)context + strlen (context);
    cr_assert_eq (difference->cause, SB_CAUSE_SNAPSHOT);
    cr_assert_eq (difference->stream_id, 5);
    at += sprintf (at, "%.*s(%.*s)q%d", (int)difference->topic.size, difference->topic.data,
                   (int)difference->agent_id.size, difference->agent_id.data, (int)difference->quality);
    for (uint32_t i = 0; difference->update_count && i < difference->updates->change_count; i++) {
        const sb_change_t *change = &difference->updates->changes[i];
        if (change->is_delete)
            at += sprintf (at, " -%.*s", (int)change->name.size, change->name.data);
        else
            at += sprintf (at, " %.*s=%g", (int)change->name.size, change->name.data,
                           sb_value_number (&change->value, NAN));
    }
    strcpy (at, "; ");
}

static sb_snapshot_field_t s_field (const char *name, double number, uint64_t sequence)
{
    return (sb_snapshot_field_t){.name = sb_text (name),
                                 .value = {.kind = SB_VALUE_NUMBER, .number = number},
                                 .sequence = sequence,
                                 .changed_unix_ns = (int64_t)sequence * 10};
}

static void s_part (sb_copy_t *copy, const char *topic, uint64_t sequence, const sb_snapshot_field_t *fields,
                    uint32_t count, char *text)
{
    sb_snapshot_topic_t part = {.topic = sb_text (topic),
                                .sequence = sequence,
                                .category_sequence = sequence,
                                .topic_sequence = sequence,
                                .quality = SB_QUALITY_OK,
                                .fields = fields,
                                .field_count = count};
    sb_copy_scan_topic (copy, &part, s_note, text);
}

static void s_begin (sb_copy_t *copy, const char *prefix)
{
    sb_text_t text = sb_text (prefix);
    sb_copy_scan_begin (copy, &text, 1);
}

Test (copy, holds_the_last_value_of_every_kind)
{
    sb_copy_t *copy = s_copy ();
    const char *texts[] = {"", "a", "a text that is longer than the one before", "short"};
    for (uint64_t i = 0; i < 4; i++) {
        cr_assert (s_apply (copy, "risk.x.", 10 + i, sb_string ("t", texts[i])));
        sb_agent_field_t field;
        cr_assert (sb_copy_find (copy, sb_text ("risk.x."), sb_text ("t"), &field));
        cr_assert_str_eq (field.value.text.data, texts[i]);
        cr_assert_eq (field.value.text.size, strlen (texts[i]));
        cr_assert_str_eq (field.topic.data, "risk.x.");
        cr_assert_str_eq (field.name.data, "t");
        cr_assert_eq (field.sequence, 10 + i);
        cr_assert_eq (field.changed_unix_ns, (int64_t)(10 + i) * 10);
        cr_assert_eq (field.quality, SB_QUALITY_OK);
    }
    s_apply (copy, "risk.x.", 20, sb_bytes ("t", "\0\1", 2));
    s_apply (copy, "risk.x.", 21, sb_decimal ("d", 15, -1));
    s_apply (copy, "risk.x.", 22, sb_boolean ("b", true));
    s_apply (copy, "risk.x.", 23, sb_integer ("i", -3));
    cr_assert_eq (s_number (copy, "risk.x.", "d"), 1.5);
    cr_assert_eq (s_number (copy, "risk.x.", "b"), 1);
    cr_assert_eq (s_number (copy, "risk.x.", "i"), -3);
    cr_assert_eq (s_state (copy).fields, 4);
    s_apply (copy, "risk.x.", 24, sb_number ("t", 2)); /* a text's memory goes with it */
    s_apply (copy, "risk.x.", 25, sb_delete ("d"));
    cr_assert (isnan (s_number (copy, "risk.x.", "d")));
    cr_assert_eq (s_state (copy).fields, 3);
    sb_copy_destroy (&copy);
    cr_assert_null (copy);
}

Test (copy, a_repeat_and_a_level_change_nothing)
{
    sb_copy_t *copy = s_copy ();
    cr_assert (s_apply (copy, "risk.x.", 10, sb_number ("n", 1)));
    cr_assert (s_apply (copy, "risk.x.", 11, sb_number ("n", 2)));
    cr_assert_not (s_apply (copy, "risk.x.", 10, sb_number ("n", 1)));
    cr_assert_not (s_apply (copy, "risk.x.", 11, sb_number ("n", 1)));
    cr_assert_not (s_apply (copy, "_beat..", 0, sb_number ("n", 1)));
    cr_assert_eq (s_number (copy, "risk.x.", "n"), 2);
    cr_assert_null (sb_copy_head (copy, sb_text ("_beat..")));
    sb_copy_destroy (&copy);
}

Test (copy, within_one_publication_the_last_update_counts)
{
    sb_copy_t *copy = s_copy ();
    sb_change_t changes[] = {sb_number ("n", 1), sb_delete ("n"), sb_number ("n", 3)};
    sb_update_t updates[3];
    for (int i = 0; i < 3; i++)
        updates[i] = (sb_update_t){.changes = &changes[i], .change_count = 1};
    sb_publication_t publication = {
        .topic = sb_text ("risk.x."), .sequence = 9, .quality = SB_QUALITY_OK, .updates = updates, .update_count = 3};
    sb_copy_apply (copy, &publication);
    cr_assert_eq (s_number (copy, "risk.x.", "n"), 3);
    sb_copy_destroy (&copy);
}

Test (copy, merged_changes_keep_their_own_sequences)
{
    sb_copy_t *copy = s_copy ();
    sb_change_t changes[] = {sb_number ("a", 1), sb_number ("b", 2)};
    sb_update_t updates[] = {{.changes = &changes[0], .change_count = 1, .publication_sequence = 8},
                             {.changes = &changes[1], .change_count = 1, .publication_sequence = 12}};
    sb_publication_t publication = {
        .topic = sb_text ("risk.x."), .sequence = 12, .quality = SB_QUALITY_OK, .updates = updates, .update_count = 2};
    sb_copy_apply (copy, &publication);
    sb_agent_field_t field;
    cr_assert (sb_copy_find (copy, sb_text ("risk.x."), sb_text ("a"), &field));
    cr_assert_eq (field.sequence, 8);
    cr_assert (sb_copy_find (copy, sb_text ("risk.x."), sb_text ("b"), &field));
    cr_assert_eq (field.sequence, 12);
    sb_copy_destroy (&copy);
}

Test (copy, head_has_the_last_publication_its_quality_and_why)
{
    sb_copy_t *copy = s_copy ();
    cr_assert_null (sb_copy_head (copy, sb_text ("risk.x.")));
    s_apply (copy, "risk.x.", 10, sb_number ("n", 1));
    s_apply_quality (copy, "risk.x.", 11, SB_QUALITY_STALE, SB_CAUSE_LOST);
    const sb_copy_head_t *head = sb_copy_head (copy, sb_text ("risk.x."));
    cr_assert_eq (head->sequence, 11);
    cr_assert_eq (head->quality, SB_QUALITY_STALE);
    cr_assert_eq (head->cause, SB_CAUSE_LOST);
    sb_agent_field_t field;
    sb_copy_find (copy, sb_text ("risk.x."), sb_text ("n"), &field);
    cr_assert_eq (field.quality, SB_QUALITY_STALE);
    s_apply_quality (copy, "risk.x.", 12, SB_QUALITY_OK, SB_CAUSE_RECOVERED);
    cr_assert_eq (head->cause, SB_CAUSE_NONE);
    sb_copy_destroy (&copy);
}

Test (copy, a_snapshot_tells_what_differs_and_nothing_else)
{
    sb_copy_t *copy = s_copy ();
    char text[500] = "";
    s_apply (copy, "risk.x.", 1, sb_number ("same", 1));
    s_apply (copy, "risk.x.", 2, sb_number ("other", 1));
    s_apply (copy, "risk.x.", 3, sb_number ("gone", 1));
    s_apply (copy, "risk.y.", 4, sb_number ("gone", 1));
    s_apply (copy, "scan.z.", 5, sb_number ("stays", 1));
    s_begin (copy, "risk.");
    sb_snapshot_field_t fields[] = {s_field ("same", 1, 1), s_field ("other", 2, 7), s_field ("new", 3, 8)};
    s_part (copy, "risk.x.", 8, fields, 3, text);
    cr_assert_str_eq (text, "risk.x.(x)q1 other=2 new=3; ");
    text[0] = 0;
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_str_eq (text, "risk.x.(x)q1 -gone; risk.y.(y)q0 -gone; ");
    cr_assert_null (sb_copy_head (copy, sb_text ("risk.y.")));
    cr_assert_eq (s_number (copy, "scan.z.", "stays"), 1);
    cr_assert_eq (s_state (copy).fields, 4);
    text[0] = 0;
    s_begin (copy, "risk.");
    s_part (copy, "risk.x.", 8, fields, 3, text);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_str_eq (text, "", "the same again is no difference");
    sb_copy_destroy (&copy);
}

Test (copy, a_quality_that_differs_is_told_without_an_update)
{
    sb_copy_t *copy = s_copy ();
    char text[500] = "";
    s_apply (copy, "risk.x.", 1, sb_number ("n", 1));
    s_apply_quality (copy, "risk.x.", 2, SB_QUALITY_STALE, SB_CAUSE_LOST);
    s_begin (copy, "risk.");
    sb_snapshot_field_t field = s_field ("n", 1, 1);
    s_part (copy, "risk.x.", 3, &field, 1, text);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_str_eq (text, "risk.x.(x)q1; ");
    sb_copy_destroy (&copy);
}

Test (copy, a_buffered_write_does_not_bring_back_what_was_deleted_before_the_snapshot)
{
    sb_copy_t *copy = s_copy ();
    char text[500] = "";
    s_begin (copy, "risk.");
    s_part (copy, "risk.x.", 12, NULL, 0, text);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_not (s_apply (copy, "risk.x.", 10, sb_number ("n", 1)));
    cr_assert (isnan (s_number (copy, "risk.x.", "n")));
    sb_copy_destroy (&copy);
}

Test (copy, a_delete_between_two_parts_reaches_the_first_parts_fields)
{
    sb_copy_t *copy = s_copy ();
    char text[500] = "";
    s_begin (copy, "risk.");
    sb_snapshot_field_t first = s_field ("a", 1, 9), second = s_field ("b", 1, 8);
    s_part (copy, "risk.x.", 10, &first, 1, text);
    s_part (copy, "risk.x.", 11, &second, 1, text);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert (s_apply (copy, "risk.x.", 11, sb_delete ("a")));
    cr_assert (isnan (s_number (copy, "risk.x.", "a")));
    cr_assert_eq (s_number (copy, "risk.x.", "b"), 1);
    sb_copy_destroy (&copy);
}

Test (copy, a_part_made_before_a_delete_does_not_bring_the_field_back)
{
    sb_copy_t *copy = s_copy ();
    char text[500] = "";
    s_apply (copy, "risk.x.", 10, sb_number ("a", 1));
    s_begin (copy, "risk.");
    s_apply (copy, "risk.x.", 12, sb_delete ("a"));
    cr_assert_eq (s_state (copy).fields, 0);
    sb_snapshot_field_t field = s_field ("a", 1, 10);
    s_part (copy, "risk.x.", 11, &field, 1, text);
    cr_assert (isnan (s_number (copy, "risk.x.", "a")));
    cr_assert_eq (sb_copy_hash (copy, sb_text ("")), 0);
    cr_assert_eq (sb_copy_visit (copy, sb_text (""), NULL, NULL), 0);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_str_eq (text, "");
    cr_assert_eq (sb_copy_head (copy, sb_text ("risk.x."))->sequence, 12);
    sb_copy_destroy (&copy);
}

Test (copy, what_was_made_before_the_snapshot_was_asked_for_is_overtaken)
{
    sb_copy_t *copy = s_copy ();
    char text[500] = "";
    s_begin (copy, "risk.");
    sb_copy_scan_covers (copy, 13);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_not (s_apply (copy, "risk.x.", 13, sb_number ("n", 1)), "its delete was lost");
    cr_assert (s_apply (copy, "risk.x.", 14, sb_number ("n", 1)));
    cr_assert (s_apply (copy, "scan.x.", 12, sb_number ("n", 1)), "not under the prefix");
    sb_copy_destroy (&copy);
}

Test (copy, in_a_new_stream_every_sequence_is_newer)
{
    sb_copy_t *copy = s_copy ();
    char text[500] = "";
    s_apply (copy, "risk.x.", 1000, sb_number ("a", 1));
    s_apply (copy, "risk.x.", 1001, sb_number ("b", 1));
    sb_copy_new_stream (copy, 5, 1);
    cr_assert_eq (sb_copy_head (copy, sb_text ("risk.x."))->sequence, 1001, "it is the same one");
    sb_copy_new_stream (copy, 6, 1);
    sb_copy_new_stream (copy, 5, 2);
    cr_assert_eq (sb_copy_head (copy, sb_text ("risk.x."))->sequence, 0);
    cr_assert_eq (s_number (copy, "risk.x.", "a"), 1);
    s_begin (copy, "risk.");
    sb_snapshot_field_t field = s_field ("a", 2, 3);
    s_part (copy, "risk.x.", 4, &field, 1, text);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_str_eq (text, "risk.x.(x)q1 a=2; risk.x.(x)q1 -b; ");
    cr_assert_eq (s_state (copy).stream_id, 5);
    sb_copy_destroy (&copy);
}

Test (copy, more_than_a_delta_may_hold_is_told_in_several)
{
    enum { FIELDS = SB_CHANGES_MAX * 2 + 100 };
    sb_copy_t *copy = sb_copy_new (7, true, 100, FIELDS, 1 << 20);
    static char names[FIELDS][8];
    static sb_snapshot_field_t fields[FIELDS];
    sb_copy_new_stream (copy, 5, 1);
    for (uint32_t i = 0; i < FIELDS; i++) {
        sprintf (names[i], "f%u", i);
        fields[i] = s_field (names[i], i, 1);
    }
    char *text = calloc (1, 100 * FIELDS);
    s_begin (copy, "risk.");
    s_part (copy, "risk.x.", 1, fields, FIELDS, text);
    cr_assert_eq (s_state (copy).fields, FIELDS);
    uint32_t count = 0;
    for (const char *at = text; (at = strstr (at, "; ")); at++)
        count++;
    cr_assert_eq (count, 3);
    text[0] = 0;
    sb_copy_scan_end (copy, s_note, text);
    s_begin (copy, "risk.");
    sb_copy_scan_end (copy, s_note, text);
    count = 0;
    for (const char *at = text; (at = strstr (at, "; ")); at++)
        count++;
    cr_assert_eq (count, 3);
    cr_assert_eq (s_state (copy).fields, 0);
    free (text);
    sb_copy_destroy (&copy);
}

Test (copy, without_fields_an_idle_topic_is_told_once)
{
    sb_copy_t *copy = sb_copy_new (7, false, 100, 0, 1 << 20);
    sb_copy_new_stream (copy, 5, 1);
    char text[500] = "";
    sb_snapshot_field_t fields[] = {s_field ("a", 1, 3), s_field ("b", 2, 5)};
    s_apply (copy, "risk.x.", 4, sb_number ("a", 1));
    for (int i = 0; i < 2; i++) {
        s_begin (copy, "risk.");
        s_part (copy, "risk.x.", 5, fields, 2, text);
        sb_copy_scan_end (copy, s_note, text);
    }
    cr_assert_str_eq (text, "risk.x.(x)q1 b=2; ");
    cr_assert_eq (s_state (copy).fields, 0);
    sb_copy_destroy (&copy);
}

/* ------------------------------------------------------------------ bounds */

Test (copy, at_its_bounds_it_says_that_it_is_not_whole)
{
    static const struct {
        uint32_t topics, fields;
        uint64_t bytes;
    } rows[] = {{2, 100, 1 << 20}, {100, 2, 1 << 20}, {100, 100, 1800}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        sb_copy_t *copy = sb_copy_new (7, true, rows[row].topics, rows[row].fields, rows[row].bytes);
        char topic[20];
        uint64_t sequence = 0;
        for (int i = 0; i < 10; i++) {
            sprintf (topic, "risk.x.s%d", i);
            cr_assert (s_apply (copy, topic, ++sequence, sb_string ("n", "a text of some length")));
            cr_assert (i > 0 || s_state (copy).is_whole);
        }
        sb_agent_copy_state_t state = s_state (copy);
        cr_assert_not (state.is_whole, "row %zu", row);
        cr_assert_leq (state.topics, rows[row].topics);
        cr_assert_leq (state.fields, rows[row].fields);
        cr_assert_gt (state.fields, 0u);
        /* What found a place goes on. */
        s_apply (copy, "risk.x.s0", ++sequence, sb_number ("n", 5));
        cr_assert_eq (s_number (copy, "risk.x.s0", "n"), 5);
        sb_copy_destroy (&copy);
    }
}

Test (copy, a_value_that_finds_no_place_takes_the_old_one_with_it)
{
    sb_copy_t *copy = sb_copy_new (7, true, 10, 10, 2000);
    static char octets[4000];
    memset (octets, 'x', sizeof octets - 1);
    s_apply (copy, "risk.x.", 1, sb_string ("t", "old"));
    s_apply (copy, "risk.x.", 2, sb_string ("t", octets));
    sb_agent_field_t field;
    cr_assert_not (sb_copy_find (copy, sb_text ("risk.x."), sb_text ("t"), &field));
    cr_assert_not (s_state (copy).is_whole);
    sb_copy_destroy (&copy);
}

Test (copy, a_scan_of_everything_makes_it_whole_again_one_of_a_part_does_not)
{
    sb_copy_t *copy = sb_copy_new (7, true, 10, 2, 1 << 20);
    sb_copy_new_stream (copy, 5, 1);
    char text[500] = "";
    sb_text_t all[] = {sb_text ("risk."), sb_text ("scan.")};
    sb_copy_scan_begin (copy, all, 2);
    sb_copy_scan_end (copy, s_note, text);
    for (uint64_t i = 1; i <= 3; i++)
        s_apply (copy, "risk.x.", i, sb_number (i == 1 ? "a" : i == 2 ? "b" : "c", 1));
    cr_assert_not (s_state (copy).is_whole);
    s_begin (copy, "scan.");
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_not (s_state (copy).is_whole);
    sb_snapshot_field_t field = s_field ("a", 1, 1);
    sb_copy_scan_begin (copy, all, 2);
    s_part (copy, "risk.x.", 4, &field, 1, text);
    sb_copy_scan_end (copy, s_note, text);
    cr_assert (s_state (copy).is_whole);
    sb_copy_destroy (&copy);
}

Test (copy, topics_that_were_given_up_make_place)
{
    sb_copy_t *copy = sb_copy_new (7, true, 3, 10, 1 << 20);
    uint64_t sequence = 0;
    for (int i = 0; i < 50; i++) {
        char topic[20];
        sprintf (topic, "risk.x.s%d", i);
        s_apply (copy, topic, ++sequence, sb_number ("n", 1));
        sb_change_t change = sb_delete ("n");
        sb_update_t update = {.changes = &change, .change_count = 1};
        sb_publication_t publication = {.topic = sb_text (topic),
                                        .sequence = ++sequence,
                                        .cause = SB_CAUSE_FORGOTTEN,
                                        .updates = &update,
                                        .update_count = 1};
        sb_copy_apply (copy, &publication);
    }
    cr_assert (s_state (copy).is_whole);
    cr_assert_leq (s_state (copy).topics, 3u);
    sb_copy_destroy (&copy);
}

Test (copy, all_its_memory_is_counted_and_given_back)
{
    sb_copy_t *copy = sb_copy_new (7, true, 100000, 100000, 1 << 26);
    uint64_t empty = s_state (copy).bytes, sequence = 0;
    char topic[20];
    for (int i = 0; i < 5000; i++) {
        sprintf (topic, "risk.x.s%d", i % 1000);
        s_apply (copy, topic, ++sequence, sb_string (i < 2500 ? "n" : "m", "some text"));
    }
    cr_assert_gt (s_state (copy).bytes, empty + 2000 * 100);
    char *text = calloc (1, 1 << 20);
    sb_copy_new_stream (copy, 5, 1);
    s_begin (copy, "risk.");
    sb_copy_scan_end (copy, s_note, text);
    cr_assert_eq (s_state (copy).topics, 0);
    /* Nothing but the tables, which do not shrink. */
    cr_assert_lt (s_state (copy).bytes, empty + 8 * 4 * 4096);
    free (text);
    sb_copy_destroy (&copy);
}

/* ------------------------------------------------------------------ reading */

static bool s_list (const sb_agent_field_t *field, void *context)
{
    char *at = (char *)context + strlen (context);
    sprintf (at, "%s/%s ", field->topic.data, field->name.data);
    return strlen (context) < 40;
}

Test (copy, is_visited_by_prefix_in_order_of_first_meeting_whatever_the_seed)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        sb_copy_t *copy = sb_copy_new (seed, true, 100, 100, 1 << 20);
        s_apply (copy, "b.x.", 1, sb_number ("2", 1));
        s_apply (copy, "a.x.", 2, sb_number ("1", 1));
        s_apply (copy, "b.x.", 3, sb_number ("1", 1));
        s_apply (copy, "b.x.s", 4, sb_number ("3", 1));
        char text[100] = "";
        cr_assert_eq (sb_copy_visit (copy, sb_text ("b.x."), s_list, text), 3);
        cr_assert_str_eq (text, "b.x./2 b.x./1 b.x.s/3 ");
        s_apply (copy, "a.long_name.long_subject", 5, sb_number ("1", 1));
        s_apply (copy, "a.y.", 6, sb_number ("1", 1));
        text[0] = 0;
        cr_assert_eq (sb_copy_visit (copy, sb_text (""), s_list, text), 5, "until it has had enough");
        sb_copy_destroy (&copy);
    }
}

Test (copy, state_hash_is_the_sum_over_the_fields_under_a_prefix)
{
    sb_copy_t *copy = s_copy ();
    uint64_t expected[2] = {0};
    for (uint64_t i = 1; i <= 20; i++) {
        const char *topic = i % 2 ? "a.x." : "b.x.";
        char name[3] = {'n', (char)('a' + i), 0};
        sb_change_t change = sb_number (name, (double)i);
        s_apply (copy, topic, i, change);
        expected[i % 2] += sb_state_hash_field (sb_text (topic), sb_text (name), &change.value, SB_QUALITY_OK, i);
        cr_assert_eq (sb_copy_hash (copy, sb_text ("a.")), expected[1]);
        cr_assert_eq (sb_copy_hash (copy, sb_text ("")), expected[0] + expected[1]);
    }
    cr_assert_eq (s_state (copy).state_hash, expected[0] + expected[1]);
    s_apply_quality (copy, "a.x.", 30, SB_QUALITY_STALE, SB_CAUSE_LOST);
    cr_assert_neq (sb_copy_hash (copy, sb_text ("a.")), expected[1]);
    sb_copy_destroy (&copy);
}

Test (copy, holds_many_and_finds_each)
{
    sb_copy_t *copy = sb_copy_new (3, true, 10000, 100000, 1 << 26);
    char topic[30], name[10];
    for (uint32_t i = 0; i < 100000; i++) {
        sprintf (topic, "data.x.s%u", i % 10000);
        sprintf (name, "n%u", i / 10000);
        s_apply (copy, topic, i + 1, sb_number (name, i));
    }
    for (uint32_t i = 0; i < 100000; i++) {
        sprintf (topic, "data.x.s%u", i % 10000);
        sprintf (name, "n%u", i / 10000);
        cr_assert_eq (s_number (copy, topic, name), i);
    }
    cr_assert (s_state (copy).is_whole);
    cr_assert_eq (s_state (copy).topics, 10000);
    sb_copy_destroy (&copy);
}

/* The broker keeps no fields of what it says itself: a copy that did would never equal its state hash. */
Test (copy, keeps_heads_but_no_fields_of_the_brokers_own_topics)
{
    sb_copy_t *copy = s_copy ();
    sb_change_t change = {.name = sb_text ("text"), .value = {.kind = SB_VALUE_TEXT, .text = sb_text ("registered")}};
    cr_assert (s_apply (copy, "_event.a.REGISTERED", 3, change));
    cr_assert_eq (sb_copy_head (copy, sb_text ("_event.a.REGISTERED"))->sequence, 3);
    cr_assert_eq (s_state (copy).fields, 0);
    cr_assert_eq (s_state (copy).state_hash, 0);
    sb_copy_destroy (&copy);
}

/* Gaps of unknown topics are passed over when topics found no place: not for want of room for a field. */
Test (copy, is_full_when_a_topic_found_no_place_not_a_field)
{
    sb_copy_t *copy = sb_copy_new (7, true, 2, 1, 1 << 20);
    sb_change_t change = {.name = sb_text ("x"), .value = {.kind = SB_VALUE_INTEGER, .integer = 1}};
    sb_copy_new_stream (copy, 5, 1);
    s_apply (copy, "risk.a.", 1, change);
    s_apply (copy, "risk.b.", 2, change);
    cr_assert (!s_state (copy).is_whole);
    cr_assert (!sb_copy_is_full (copy));
    s_apply (copy, "risk.c.", 3, change);
    cr_assert (sb_copy_is_full (copy));
    sb_copy_destroy (&copy);
}
