/* SPDX-License-Identifier: MPL-2.0
 *
 * Gathering: which messages join which, at each bound and one to either side of it.
 */
#include "sb_gather.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { PEER = 7, OTHER_PEER = 8, LARGE = 1 << 20 };

static sb_gather_t *s_new (void)
{
    sb_gather_t *gather = calloc (1, sizeof *gather);
    cr_assert_not_null (gather);
    return gather;
}

/* A batch of so many deltas, numbered from `first` on. */
static sb_agent_message_t s_batch (uint64_t first, uint32_t count)
{
    static sb_delta_t deltas[SB_GATHER_DELTAS + 1];
    cr_assert_leq (count, SB_GATHER_DELTAS + 1u);
    memset (deltas, 0, sizeof deltas);
    for (uint32_t i = 0; i < count; i++)
        deltas[i].update.sequence = first + i;
    return (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_BATCH, .batch = {.deltas = deltas, .delta_count = count}};
}

/* As a shell does with a message: false when what is gathered must end before it, or it does not join. */
static bool s_offer (sb_gather_t *gather, uint64_t peer, uint32_t deltas, size_t size, size_t max_bytes)
{
    if (sb_gather_must_end (gather, peer, size, max_bytes))
        return false;
    uint64_t first = gather->delta_count + 1;
    sb_agent_message_t message = s_batch (first, deltas);
    return sb_gather_add (gather, peer, &message, size, max_bytes);
}

/* Offers messages of one octet until there are so many deltas. */
static void s_fill (sb_gather_t *gather, uint32_t deltas)
{
    while (gather->delta_count < deltas) {
        uint32_t left = deltas - gather->delta_count;
        cr_assert (s_offer (gather, PEER, left < SB_GATHER_SMALL ? left : SB_GATHER_SMALL, 1, LARGE));
    }
}

/* What is gathered has these counts, and deltas numbered from 1 on. */
static void s_expect (const sb_gather_t *gather, uint32_t messages, uint32_t deltas, uint32_t bytes)
{
    cr_expect_eq (gather->message_count, messages);
    cr_expect_eq (gather->delta_count, deltas);
    cr_expect_eq (gather->bytes, bytes);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < gather->message_count; i++)
        sum += gather->delta_counts[i];
    cr_expect_eq (sum, deltas, "%u deltas by message", sum);
    for (uint32_t i = 0; i < gather->delta_count; i++)
        cr_expect_eq (gather->deltas[i].update.sequence, i + 1);
}

Test (gather, empty_never_has_to_end)
{
    sb_gather_t *gather = s_new ();
    cr_expect_not (sb_gather_must_end (gather, PEER, 1, LARGE));
    cr_expect_not (sb_gather_must_end (gather, 0, 1, LARGE));
    cr_expect_not (sb_gather_must_end (gather, PEER, 10 * SB_GATHER_BYTES, LARGE));
    cr_expect_not (sb_gather_must_end (gather, PEER, SIZE_MAX, 1));
    free (gather);
}

Test (gather, deltas_of_messages_stand_in_their_order_with_the_count_of_each)
{
    sb_gather_t *gather = s_new ();
    cr_expect (s_offer (gather, PEER, 1, 10, LARGE));
    cr_expect (s_offer (gather, PEER, 3, 30, LARGE));
    cr_expect (s_offer (gather, PEER, 2, 20, LARGE));
    s_expect (gather, 3, 6, 60);
    cr_expect_eq (gather->peer, PEER);
    const uint32_t counts[] = {1, 3, 2};
    cr_expect_arr_eq (gather->delta_counts, counts, sizeof counts);
    free (gather);
}

Test (gather, ends_before_a_message_of_another_peer)
{
    sb_gather_t *gather = s_new ();
    cr_assert (s_offer (gather, PEER, 1, 10, LARGE));
    cr_expect (sb_gather_must_end (gather, OTHER_PEER, 10, LARGE));
    cr_expect_not (sb_gather_must_end (gather, PEER, 10, LARGE));
    sb_gather_clear (gather);
    cr_expect (s_offer (gather, OTHER_PEER, 1, 10, LARGE));
    cr_expect_eq (gather->peer, OTHER_PEER);
    s_expect (gather, 1, 1, 10);
    free (gather);
}

/* `before` deltas, then a message of `count`: whether that joins. */
static bool s_has_room (uint32_t before, uint32_t count)
{
    sb_gather_t *gather = s_new ();
    s_fill (gather, before);
    uint32_t messages = gather->message_count;
    bool is_taken = s_offer (gather, PEER, count, 1, LARGE);
    s_expect (gather, messages + is_taken, before + (is_taken ? count : 0), messages + is_taken);
    free (gather);
    return is_taken;
}

Test (gather, takes_any_small_batch_until_it_has_as_many_deltas_as_it_may)
{
    cr_expect (s_has_room (SB_GATHER_DELTAS - SB_GATHER_SMALL, SB_GATHER_SMALL));
    cr_expect (s_has_room (SB_GATHER_DELTAS - 1, SB_GATHER_SMALL));
    cr_expect_not (s_has_room (SB_GATHER_DELTAS, 1));
}

Test (gather, leaves_a_message_alone_that_has_too_many_changes)
{
    for (uint32_t changes = SB_GATHER_SMALL_CHANGES - 1; changes <= SB_GATHER_SMALL_CHANGES + 1; changes++) {
        sb_gather_t *gather = s_new ();
        sb_agent_message_t message = s_batch (1, 2);
        ((sb_delta_t *)message.batch.deltas)[0].update.change_count = changes - 1;
        ((sb_delta_t *)message.batch.deltas)[1].update.change_count = 1;
        const bool is_small = changes <= SB_GATHER_SMALL_CHANGES;
        cr_expect_eq (sb_gather_add (gather, PEER, &message, 10, LARGE), is_small, "%u changes", changes);
        cr_expect_eq (gather->change_count, is_small ? changes : 0);
        free (gather);
    }
}

Test (gather, ends_when_it_has_as_many_deltas_as_it_may)
{
    sb_gather_t *gather = s_new ();
    for (uint32_t i = 0; i < SB_GATHER_DELTAS; i++) {
        cr_assert_not (sb_gather_must_end (gather, PEER, 1, LARGE), "after %u", i);
        cr_assert (s_offer (gather, PEER, 1, 1, LARGE), "after %u", i);
    }
    s_expect (gather, SB_GATHER_DELTAS, SB_GATHER_DELTAS, SB_GATHER_DELTAS);
    cr_expect (sb_gather_must_end (gather, PEER, 1, LARGE));
    free (gather);
}

/* A message of `before` octets, then one that makes it `total`: whether what is gathered must end first. */
static bool s_must_end (size_t before, size_t total, size_t max_bytes)
{
    sb_gather_t *gather = s_new ();
    cr_assert (s_offer (gather, PEER, 1, before, max_bytes));
    bool must_end = sb_gather_must_end (gather, PEER, total - before, max_bytes);
    if (!must_end)
        cr_expect (s_offer (gather, PEER, 1, total - before, max_bytes));
    s_expect (gather, must_end ? 1 : 2, must_end ? 1 : 2, (uint32_t)(must_end ? before : total));
    free (gather);
    return must_end;
}

Test (gather, has_no_more_octets_than_its_bound)
{
    for (size_t before = 1; before < SB_GATHER_BYTES - 1; before = 3 * before + 1) {
        cr_expect_not (s_must_end (before, SB_GATHER_BYTES - 1, LARGE));
        cr_expect_not (s_must_end (before, SB_GATHER_BYTES, LARGE));
        cr_expect (s_must_end (before, SB_GATHER_BYTES + 1, LARGE));
    }
}

Test (gather, has_no_more_octets_than_one_message_may_have)
{
    enum { MAX_BYTES = 2048 };
    cr_expect_not (s_must_end (1000, MAX_BYTES - 1, MAX_BYTES));
    cr_expect_not (s_must_end (1000, MAX_BYTES, MAX_BYTES));
    cr_expect (s_must_end (1000, MAX_BYTES + 1, MAX_BYTES));
    cr_expect_not (s_must_end (1000, SB_GATHER_BYTES, SB_GATHER_BYTES + 1));
    cr_expect (s_must_end (1000, SB_GATHER_BYTES + 1, SB_GATHER_BYTES + 1));
    cr_expect_not (s_must_end (1000, SB_GATHER_BYTES - 1, SB_GATHER_BYTES - 1));
    cr_expect (s_must_end (1000, SB_GATHER_BYTES, SB_GATHER_BYTES - 1));
}

Test (gather, leaves_a_message_alone_that_is_too_large_by_itself)
{
    sb_gather_t *gather = s_new ();
    cr_expect_not (s_offer (gather, PEER, 1, SB_GATHER_BYTES + 1, LARGE));
    cr_expect_not (s_offer (gather, PEER, SB_GATHER_SMALL + 1, 1, LARGE));
    s_expect (gather, 0, 0, 0);
    cr_expect (s_offer (gather, PEER, 1, SB_GATHER_BYTES, LARGE));
    s_expect (gather, 1, 1, SB_GATHER_BYTES);
    sb_gather_clear (gather);
    cr_expect (s_offer (gather, PEER, SB_GATHER_SMALL - 1, 1, LARGE));
    cr_expect (s_offer (gather, PEER, 1, 1, LARGE));
    sb_gather_clear (gather);
    cr_expect (s_offer (gather, PEER, SB_GATHER_SMALL, 1, LARGE));
    s_expect (gather, 1, SB_GATHER_SMALL, 1);
    free (gather);
}

Test (gather, takes_batches_alone)
{
    static const sb_agent_message_kind_t others[] = {
        SB_AGENT_MESSAGE_REGISTRATION,    SB_AGENT_MESSAGE_HEARTBEAT,     SB_AGENT_MESSAGE_GOODBYE,
        SB_AGENT_MESSAGE_REPLACE_BEGIN,   SB_AGENT_MESSAGE_REPLACE_CHUNK, SB_AGENT_MESSAGE_REPLACE_END,
        SB_AGENT_MESSAGE_COMMAND_RESULT,  SB_AGENT_MESSAGE_COMMAND,       SB_AGENT_MESSAGE_SNAPSHOT_REQUEST,
        SB_AGENT_MESSAGE_SNAPSHOT_CREDIT,
    };
    sb_gather_t *gather = s_new ();
    for (size_t before = 0; before < 2; before++) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            sb_agent_message_t message = {.kind = others[i]};
            cr_expect_not (sb_gather_add (gather, PEER, &message, 10, LARGE), "kind %d", (int)others[i]);
        }
        s_expect (gather, (uint32_t)before, (uint32_t)before, (uint32_t)before);
        cr_assert (s_offer (gather, PEER, 1, 1, LARGE));
    }
    free (gather);
}

Test (gather, is_empty_when_cleared_and_gathers_again)
{
    sb_gather_t *gather = s_new ();
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < SB_GATHER_DELTAS; i++)
            cr_assert (s_offer (gather, PEER, 1, SB_GATHER_BYTES / SB_GATHER_DELTAS, LARGE));
        s_expect (gather, SB_GATHER_DELTAS, SB_GATHER_DELTAS, SB_GATHER_BYTES);
        sb_gather_clear (gather);
        s_expect (gather, 0, 0, 0);
        cr_expect_not (sb_gather_must_end (gather, OTHER_PEER, 1, LARGE));
    }
    free (gather);
}

/* ---- several agents */

/* What a shell was given: of how many messages each step was, 1 for a lone one, 0 for a fault, and whose. */
typedef struct {
    uint32_t count;
    uint32_t messages[64];
    uint64_t peers[64];
} s_steps_t;

static void s_note (s_steps_t *self, uint64_t peer, uint32_t messages)
{
    cr_assert_lt (self->count, 64u);
    self->peers[self->count] = peer;
    self->messages[self->count++] = messages;
}

static void s_step_batch (void *context, const sb_gather_t *batch)
{
    s_note (context, batch->peer, batch->message_count);
}

static void s_step_message (void *context, uint64_t peer, const sb_agent_message_t *message, uint32_t size)
{
    (void)message;
    (void)size;
    s_note (context, peer, 1);
}

static void s_step_fault (void *context, uint64_t peer, sb_fault_t fault, uint32_t size)
{
    (void)fault;
    (void)size;
    s_note (context, peer, 0);
}

static s_steps_t steps;

static sb_gathers_t *s_new_table (void)
{
    sb_gathers_t *table = calloc (1, sizeof *table);
    cr_assert_not_null (table);
    table->shell = (sb_gather_shell_t){sb_arena_new (1 << 24), &steps, s_step_batch, s_step_message, s_step_fault};
    return table;
}

static void s_free (sb_gathers_t *table)
{
    sb_arena_destroy (&table->shell.arena);
    free (table);
}

/* As s_offer; the deltas, of so many changes each, are numbered by the batch that they join. */
static bool s_offer_changes (sb_gathers_t *table, uint64_t peer, uint32_t deltas, uint32_t changes, size_t size)
{
    const uint32_t place = sb_gathers_hear (table, peer);
    if (sb_gathers_must_end (table, place, size, LARGE))
        return false;
    cr_assert_lt (place, SB_GATHER_AGENTS);
    sb_agent_message_t message = s_batch (table->batches[place].delta_count + 1, deltas);
    for (uint32_t i = 0; i < deltas; i++)
        ((sb_delta_t *)message.batch.deltas)[i].update.change_count = changes;
    return sb_gathers_add (table, place, &message, size, LARGE);
}

static bool s_offer_of (sb_gathers_t *table, uint64_t peer, uint32_t deltas, size_t size)
{
    return s_offer_changes (table, peer, deltas, 1, size);
}

/* As s_fill, for an agent's batch of several. */
static void s_fill_of (sb_gathers_t *table, uint64_t peer, uint32_t deltas)
{
    for (uint32_t i = 0; i < deltas; i += SB_GATHER_SMALL)
        cr_assert (s_offer_of (table, peer, deltas - i < SB_GATHER_SMALL ? deltas - i : SB_GATHER_SMALL, 1));
}

static void s_expect_must_end (sb_gathers_t *table, uint64_t peer, size_t size, bool must_end)
{
    cr_expect_eq (sb_gathers_must_end (table, sb_gathers_hear (table, peer), size, LARGE), must_end, "%u octets of %u",
                  (unsigned)size, (unsigned)peer);
}

Test (gather, agents_in_turn_have_a_batch_each_and_are_handled_in_the_order_of_their_first)
{
    sb_gathers_t *table = s_new_table ();
    for (uint32_t round = 0; round < 3; round++)
        for (uint64_t peer = 9; peer > 5; peer--)
            cr_assert (s_offer_of (table, peer, 2, 20));
    cr_expect_eq (table->delta_count, 24);
    for (uint32_t i = 0; i < 4; i++)
        s_expect (&table->batches[i], 3, 6, 60);
    sb_gathers_take (table);
    cr_expect_eq (steps.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq (steps.peers[i], 9 - i);
        cr_expect_eq (steps.messages[i], 3);
    }
    s_free (table);
}

Test (gather, one_agent_more_than_there_is_room_for_ends_all_and_others_do_not)
{
    sb_gathers_t *table = s_new_table ();
    for (uint64_t peer = 1; peer <= SB_GATHER_AGENTS; peer++)
        cr_assert (s_offer_of (table, peer, 1, 1), "agent %u", (unsigned)peer);
    cr_expect (s_offer_of (table, 1, 1, 1));
    cr_expect (s_offer_of (table, SB_GATHER_AGENTS, 1, 1));
    s_expect_must_end (table, SB_GATHER_AGENTS + 1, 1, true);
    sb_gathers_take (table);
    cr_expect (s_offer_of (table, SB_GATHER_AGENTS + 1, 1, 1));
    cr_expect_eq (table->peer_count, 1);
    s_expect (&table->batches[0], 1, 1, 1);
    s_free (table);
}

Test (gather, a_full_batch_of_one_agent_ends_all_for_its_next_message_only)
{
    sb_gathers_t *table = s_new_table ();
    s_fill_of (table, PEER, SB_GATHER_DELTAS);
    s_expect_must_end (table, PEER, 1, true);
    cr_expect (s_offer_of (table, OTHER_PEER, 1, 1));
    s_free (table);
}

Test (gather, all_agents_together_have_a_bound_of_deltas)
{
    for (uint32_t missing = 0; missing < 2; missing++) {
        sb_gathers_t *table = s_new_table ();
        for (uint64_t peer = 1; peer <= SB_GATHER_ALL_DELTAS / SB_GATHER_DELTAS; peer++)
            s_fill_of (table, peer, SB_GATHER_DELTAS - (peer == 1 ? missing : 0));
        cr_expect_eq (table->delta_count, SB_GATHER_ALL_DELTAS - missing);
        cr_expect_eq (s_offer_of (table, 100, 1, 1), missing == 1);
        s_expect_must_end (table, 101, 1, true);
        s_free (table);
    }
}

Test (gather, all_agents_together_have_a_bound_of_changes)
{
    enum { MESSAGES = SB_GATHER_ALL_CHANGES / SB_GATHER_SMALL_CHANGES };
    for (uint32_t missing = 0; missing < 2; missing++) {
        sb_gathers_t *table = s_new_table ();
        for (uint64_t i = 0; i < MESSAGES; i++)
            cr_assert (s_offer_changes (table, i % 3, 1, SB_GATHER_SMALL_CHANGES - (i == 0 ? missing : 0), 1));
        cr_expect_eq (table->change_count, SB_GATHER_ALL_CHANGES - missing);
        cr_expect_eq (s_offer_of (table, 0, 1, 1), missing == 1);
        s_expect_must_end (table, 0, 1, true);
        s_free (table);
    }
}

Test (gather, all_agents_together_have_a_bound_of_octets)
{
    enum { AGENTS = SB_GATHER_ALL_BYTES / SB_GATHER_BYTES };
    sb_gathers_t *table = s_new_table ();
    for (uint64_t peer = 1; peer < AGENTS; peer++)
        cr_assert (s_offer_of (table, peer, 1, SB_GATHER_BYTES));
    cr_assert (s_offer_of (table, AGENTS, 1, SB_GATHER_BYTES - 10));
    s_expect_must_end (table, AGENTS + 1, 11, true);
    s_expect_must_end (table, AGENTS + 1, 9, false);
    cr_expect (s_offer_of (table, AGENTS + 1, 1, 10));
    s_expect_must_end (table, AGENTS + 1, 1, true);
    sb_gathers_take (table);
    s_expect_must_end (table, PEER, SIZE_MAX, false);
    s_free (table);
}

/* ---- reading */

/* A frame with a batch of so many deltas, or a heartbeat when 0. */
static void s_read (sb_gathers_t *table, uint64_t peer, uint32_t deltas)
{
    sb_arena_t *arena = sb_arena_new (1 << 20);
    sb_agent_message_t message = s_batch (1, deltas);
    sb_change_t change = {.name = {"x", 1}, .value = {.kind = SB_VALUE_BOOLEAN, .boolean = true}};
    for (uint32_t i = 0; i < deltas; i++) {
        sb_update_t *update = &((sb_delta_t *)message.batch.deltas)[i].update;
        update->changes = &change;
        update->change_count = 1;
    }
    if (deltas == 0)
        message = (sb_agent_message_t){.kind = SB_AGENT_MESSAGE_HEARTBEAT, .heartbeat = {.decided_through = 1}};
    sb_encoding_t *encoding;
    size_t size = sb_encode_agent_message (arena, &message, &encoding);
    uint8_t octets[8192];
    cr_assert (size > 0 && size <= sizeof octets);
    sb_encoding_write (encoding, octets);
    sb_gathers_read (table, peer, octets, size, LARGE);
    sb_arena_destroy (&arena);
}

Test (gather, begins_once_so_many_messages_of_a_turn_came_from_agents_already_heard)
{
    sb_gathers_t *table = s_new_table ();
    for (uint64_t peer = 1; peer <= SB_GATHER_AGENTS; peer++)
        s_read (table, peer, 1);
    cr_expect_eq (table->repeats, 0);
    for (uint32_t i = 1; i < SB_GATHER_REPEATS; i++)
        s_read (table, i % 2 + 1, 1);
    cr_expect_eq (steps.count, SB_GATHER_AGENTS + SB_GATHER_REPEATS - 1);
    cr_expect_eq (table->message_count, 0);
    s_read (table, 1, 1);
    cr_expect_eq (steps.count, SB_GATHER_AGENTS + SB_GATHER_REPEATS - 1);
    cr_expect_eq (table->message_count, 1);
    sb_gathers_end_turn (table);
    cr_expect (table->is_gathering, "from the first message of the next turn on");
    s_read (table, 1, 1);
    cr_expect_eq (table->message_count, 1);
    sb_gathers_end_turn (table);
    cr_expect_not (table->is_gathering);
    s_free (table);
}

Test (gather, after_a_full_batch_the_next_one_begins)
{
    sb_gathers_t *table = s_new_table ();
    table->is_gathering = true;
    for (uint32_t i = 0; i < 3 * SB_GATHER_DELTAS / 30; i++)
        s_read (table, PEER, 30);
    sb_gathers_end_turn (table);
    cr_expect_eq (steps.count, 3);
    cr_expect_eq (steps.messages[0], 9, "270 deltas");
    cr_expect_eq (steps.messages[1], 9);
    cr_expect_eq (steps.messages[2], 7);
    s_free (table);
}

Test (gather, what_is_no_small_batch_is_handled_alone_after_all_before_it)
{
    sb_gathers_t *table = s_new_table ();
    table->is_gathering = true;
    s_read (table, PEER, 1);
    s_read (table, PEER, 1);
    s_read (table, OTHER_PEER, 0);
    s_read (table, PEER, 1);
    s_read (table, PEER, SB_GATHER_SMALL + 1);
    s_read (table, OTHER_PEER, 1);
    sb_gathers_read (table, PEER, "?", 1, LARGE);
    sb_gathers_end_turn (table);
    static const uint32_t messages[] = {2, 1, 1, 1, 1, 0};
    static const uint64_t peers[] = {PEER, OTHER_PEER, PEER, PEER, OTHER_PEER, PEER};
    cr_assert_eq (steps.count, 6);
    cr_expect_arr_eq (steps.messages, messages, sizeof messages);
    cr_expect_arr_eq (steps.peers, peers, sizeof peers);
    s_free (table);
}
