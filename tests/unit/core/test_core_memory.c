/* SPDX-License-Identifier: MPL-2.0
 *
 * What the core's memory is made of: pools, octet runs, hash index, scratch; and the history's bounds, paging.
 */
#include "core_internal.h"
#include "state.h"

#include "core_harness.h"

static sb_memory_t s_memory (harness_t *harness)
{
    memset (harness, 0, sizeof *harness);
    harness->allowance = SIZE_MAX / 2;
    return (sb_memory_t){{harness_allocate, harness_release, harness}, 0};
}

Test (pool, slots_are_stable_bounded_and_used_again)
{
    harness_t h;
    sb_memory_t memory = s_memory (&h);
    sb_pool_t pool;
    cr_assert (sb_pool_init (&pool, &memory, 24, 2, 10));
    void *first = NULL;
    for (uint32_t i = 1; i <= 10; i++) {
        cr_assert_eq (sb_pool_take (&pool), i);
        if (i == 1)
            first = sb_pool_at (&pool, 1);
    }
    cr_assert_eq (sb_pool_take (&pool), 0);
    cr_assert_eq (sb_pool_at (&pool, 1), first);
    memset (sb_pool_at (&pool, 4), 0xff, 24);
    sb_pool_give (&pool, 4);
    sb_pool_give (&pool, 7);
    cr_assert_eq (sb_pool_take (&pool), 7);
    cr_assert_eq (sb_pool_take (&pool), 4);
    static const char s_zero[24];
    cr_assert_arr_eq (sb_pool_at (&pool, 4), s_zero, 24);
    sb_pool_fini (&pool);
    cr_assert_eq (memory.bytes, 0);
}

Test (blob, runs_do_not_overlap_and_the_cap_holds)
{
    harness_t h;
    sb_memory_t memory = s_memory (&h);
    sb_blob_t blob;
    sb_blob_init (&blob, &memory, 4 * 1024 * 1024);
    static struct {
        unsigned char *run;
        size_t size;
    } runs[2000];
    uint32_t state = 7, taken = 0, refused = 0;
    for (int i = 0; i < 60000; i++) {
        state = state * 1664525 + 1013904223;
        uint32_t slot = (state >> 8) % 2000;
        if (runs[slot].run) {
            for (size_t j = 0; j < runs[slot].size; j++)
                cr_assert_eq (runs[slot].run[j], (unsigned char)slot);
            sb_blob_give (&blob, runs[slot].run, runs[slot].size);
            runs[slot].run = NULL;
            continue;
        }
        size_t size = (state >> 4) % 100 == 0 ? 8000 + state % 60000 : state % 300;
        runs[slot].run = sb_blob_take (&blob, size);
        runs[slot].size = size;
        if (runs[slot].run) {
            taken++;
            memset (runs[slot].run, (int)slot, size);
        } else
            refused++;
        cr_assert_leq (blob.taken_bytes, blob.limit_bytes);
    }
    cr_assert_gt (taken, 20000);
    for (uint32_t i = 0; i < 2000; i++)
        if (runs[i].run)
            sb_blob_give (&blob, runs[i].run, runs[i].size);
    cr_assert_eq (blob.used_bytes, 0);
    sb_blob_fini (&blob);
    cr_assert_eq (memory.bytes, 0);
    (void)refused;
}

Test (blob, footprint_wastes_a_quarter_at_most)
{
    for (size_t size = 65; size <= 8192; size++) {
        size_t footprint = sb_blob_footprint (size);
        cr_assert_geq (footprint, size);
        cr_assert_leq (footprint, size + size / 4);
    }
}

static bool s_match (const void *owner, uint32_t slot, const void *key)
{
    return ((const uint64_t *)owner)[slot] == *(const uint64_t *)key;
}

Test (index, finds_exactly_what_is_in_it_through_growth_and_removal)
{
    harness_t h;
    sb_memory_t memory = s_memory (&h);
    static uint64_t keys[20001];
    static bool is_in[20001];
    static const uint64_t s_key[2] = {1, 2};
    sb_index_t index;
    sb_index_init (&index, &memory);
    uint32_t state = 99;
    for (uint32_t i = 1; i <= 20000; i++)
        keys[i] = i * 7;
    for (int i = 0; i < 200000; i++) {
        state = state * 1664525 + 1013904223;
        uint32_t slot = 1 + (state >> 8) % (i < 100000 ? 20000 : 500);
        uint64_t hash = sb_hash (s_key, &keys[slot], 8);
        cr_assert_eq (sb_index_find (&index, hash, s_match, keys, &keys[slot]), is_in[slot] ? slot : 0);
        if (is_in[slot])
            sb_index_remove (&index, hash, slot);
        else {
            cr_assert (sb_index_reserve (&index, 1));
            sb_index_insert (&index, hash, slot);
        }
        is_in[slot] = !is_in[slot];
    }
    for (uint32_t slot = 1; slot <= 20000; slot++) {
        uint64_t hash = sb_hash (s_key, &keys[slot], 8);
        cr_assert_eq (sb_index_find (&index, hash, s_match, keys, &keys[slot]), is_in[slot] ? slot : 0);
    }
    sb_index_fini (&index);
    cr_assert_eq (memory.bytes, 0);
}

Test (index, growth_is_spread_over_insertions)
{
    harness_t h;
    sb_memory_t memory = s_memory (&h);
    static uint64_t keys[10001];
    static const uint64_t s_key[2] = {1, 2};
    sb_index_t index;
    sb_index_init (&index, &memory);
    for (uint32_t slot = 1; slot <= 10000; slot++) {
        keys[slot] = slot;
        uint32_t before = index.current.count;
        cr_assert (sb_index_reserve (&index, 1));
        sb_index_insert (&index, sb_hash (s_key, &keys[slot], 8), slot);
        if (index.current.count > before)
            cr_assert_leq (index.current.count - before, 64);
    }
    sb_index_fini (&index);
}

/* Category x of agent a as fed, with `count` deltas of one number each. */
static void s_feed (harness_t *self, uint64_t count)
{
    harness_register (self, 1, "a", 10);
    for (uint64_t i = 1; i <= count; i++)
        harness_delta (self, 1, i, "x", i % 3 ? "s" : "t", "p", (double)i);
}

/* The first page of all that a category keeps. True when there is more. */
static bool s_read (harness_t *self, const char *name, uint32_t limit, sb_history_page_t *page)
{
    const sb_category_t *category = sb_core_find_category (self->core, sb_text (name));
    sb_history_filter_t all = sb_core_history_filter ();
    sb_history_place_t place = sb_core_begin_history (category, &all, UINT64_MAX, UINT64_MAX, false);
    return sb_core_read_history (self->core, category, &all, &place, limit, SB_PAGE_BYTES, page);
}

Test (history, keeps_the_last_updates_within_its_bound)
{
    harness_t h;
    harness_init (&h);
    h.config.history_updates = 20;
    harness_start_configured (&h);
    s_feed (&h, 100);
    sb_history_page_t page;
    cr_assert_not (s_read (&h, "x", 100, &page));
    const sb_publication_t *const *found = page.publications;
    cr_assert_eq (page.count, 20);
    for (uint32_t i = 0; i < page.count; i++) {
        cr_assert_eq (found[i]->category_sequence, 81 + i);
        cr_assert_eq (found[i]->update_count, 1);
        cr_assert_eq (found[i]->updates[0].sequence, 81 + i);
        cr_assert_eq (found[i]->updates[0].changes[0].value.number, (double)(81 + i));
        cr_assert (sb_text_equal (found[i]->updates[0].changes[0].name, sb_text ("p")));
        cr_assert (sb_text_equal (found[i]->agent_id, sb_text ("a")));
    }
    harness_stop (&h);
}

Test (history, keeps_within_its_octets)
{
    harness_t h;
    harness_init (&h);
    h.config.history_bytes = 10000;
    harness_start_configured (&h);
    harness_register (&h, 1, "a", 10);
    static char text[1001];
    memset (text, 'x', 1000);
    for (uint64_t i = 1; i <= 50; i++) {
        text[0] = (char)('a' + i % 20);
        sb_change_t change = harness_text ("t", text);
        harness_changes (&h, 1, i, "x", "", &change, 1);
    }
    sb_category_t *category = sb_core_find_category (h.core, sb_text ("x"));
    cr_assert_leq (category->history_bytes, 10000);
    cr_assert_geq (category->ring_count, 8);
    harness_stop (&h);
}

Test (history, pages_by_subject_and_from_the_end)
{
    harness_t h;
    harness_start (&h);
    s_feed (&h, 100);
    sb_history_filter_t filter = sb_core_history_filter ();
    filter.subject = sb_text ("t");
    sb_category_t *category = sb_core_find_category (h.core, sb_text ("x"));
    sb_history_place_t place = sb_core_begin_history (category, &filter, UINT64_MAX, 5, true);
    sb_history_page_t page;
    uint32_t total = 0;
    bool is_more = true;
    while (is_more) {
        is_more = sb_core_read_history (h.core, category, &filter, &place, 2, SB_PAGE_BYTES, &page);
        for (uint32_t i = 0; i < page.count; i++, total++)
            cr_assert_eq (page.publications[i]->updates[0].sequence, 87 + 3 * total);
    }
    cr_assert_eq (total, 5);
    harness_stop (&h);
}

Test (history, every_kind_of_value_survives)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    sb_change_t changes[] = {harness_number ("number", 1.5),     harness_text ("text", "words"),
                             harness_text ("empty", ""),         harness_number ("integer", 0),
                             harness_number ("decimal", 0),      harness_number ("boolean", 0),
                             harness_text ("bytes", "\x01\x02"), harness_delete ("gone")};
    changes[3].value = (sb_value_t){.kind = SB_VALUE_INTEGER, .integer = INT64_MIN};
    changes[4].value = (sb_value_t){.kind = SB_VALUE_DECIMAL, .decimal = {-12345, -3}};
    changes[5].value = (sb_value_t){.kind = SB_VALUE_BOOLEAN, .boolean = true};
    changes[6].value.kind = SB_VALUE_BYTES;
    harness_changes (&h, 1, 1, "trades", "", changes, 8);
    harness_forget (&h);
    sb_history_page_t page;
    s_read (&h, "trades", 9, &page);
    cr_assert_eq (page.count, 1);
    harness_print_publication (&h, page.publications[0]);
    harness_expect (&h, "{1: number=1.5 text='words' empty='' integer=-9223372036854775808 decimal=-12345e-3 "
                        "boolean=true bytes=<2> -gone}");
    harness_stop (&h);
}

Test (reading, pages_give_every_field_once)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_register (&h, 2, "b", 10);
    for (uint64_t i = 1; i <= 500; i++) {
        char name[16];
        snprintf (name, sizeof name, "f%u", (unsigned)i);
        harness_delta (&h, 1, i, i % 2 ? "x" : "y", "s", name, (double)i);
        harness_delta (&h, 2, i, "x", "", name, (double)i);
    }
    sb_topic_filter_t filter = {.category = sb_text ("x"), .agent = sb_text ("a")};
    uint64_t cursor = 0;
    uint32_t total = 0;
    double sum = 0;
    do {
        const sb_state_field_t *fields;
        uint32_t count = sb_core_read_fields (h.core, &filter, &cursor, 7, &fields);
        for (uint32_t i = 0; i < count; i++, total++) {
            cr_assert (sb_text_equal (fields[i].topic, sb_text ("x.a.s")));
            cr_assert_eq (fields[i].quality, SB_QUALITY_OK);
            sum += fields[i].value.number;
        }
    } while (cursor);
    cr_assert_eq (total, 250);
    cr_assert_eq (sum, 250.0 * 250.0);
    harness_stop (&h);
}

Test (reading, hash_does_not_depend_on_order_but_on_quality)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    harness_delta (&h, 1, 1, "x", "", "p", 1);
    uint64_t hash = sb_core_state_hash (h.core);
    cr_assert_neq (hash, 0);
    harness_goodbye (&h, 1);
    harness_settle (&h);
    cr_assert_neq (sb_core_state_hash (h.core), hash);
    harness_stop (&h);
}

Test (memory, ten_thousand_agents_of_ten_fields_fit_into_100_megabytes)
{
    harness_t h;
    harness_init (&h);
    h.is_quiet = true;
    sb_core_config_default (&h.config);
    harness_start_configured (&h);
    for (uint64_t i = 1; i <= 10000; i++) {
        char id[16];
        snprintf (id, sizeof id, "agent%u", (unsigned)i);
        harness_register (&h, i, id, 10);
        sb_change_t changes[10];
        static const char *const names[] = {"status", "confidence", "last_signal", "pnl", "f5",
                                            "f6",     "f7",         "f8",          "f9",  "f10"};
        for (int j = 0; j < 10; j++)
            changes[j] = harness_number (names[j], j);
        harness_changes (&h, i, 1, "agent", "", changes, 10);
    }
    harness_flush (&h);
    size_t bytes = sb_core_memory_bytes (h.core);
    cr_assert_leq (bytes, 100u * 1000 * 1000, "%zu octets", bytes);
    harness_stop (&h);
}

Test (reading, page_is_bounded_by_octets)
{
    harness_t h;
    harness_start (&h);
    harness_register (&h, 1, "a", 10);
    static char text[60001];
    memset (text, 'x', 60000);
    for (uint64_t i = 1; i <= 6; i++) {
        char name[16];
        snprintf (name, sizeof name, "f%u", (unsigned)i);
        sb_change_t change = harness_text (name, text);
        harness_changes (&h, 1, i, "trades", "", &change, 1);
    }
    sb_topic_filter_t all = {0};
    const sb_state_field_t *fields;
    sb_history_page_t page;
    uint64_t cursor = 0;
    cr_assert_eq (sb_core_read_fields (h.core, &all, &cursor, 100, &fields), 2);
    cr_assert_neq (cursor, 0);
    cr_assert (s_read (&h, "trades", 100, &page));
    cr_assert_eq (page.count, 2);
    harness_stop (&h);
}
