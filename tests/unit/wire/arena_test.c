/* SPDX-License-Identifier: MPL-2.0
 *
 * The arena: alignment, cap, reuse, and the size header that texts rely on.
 */
#include "sb_codec_private.h"

#include <criterion/criterion.h>
#include <string.h>

Test (arena, hands_out_aligned_memory_that_does_not_overlap)
{
    sb_arena_t *arena = sb_arena_new (1 << 20);
    unsigned char *taken[500];
    for (size_t i = 0; i < 500; i++) {
        taken[i] = sb_arena_take (arena, i);
        cr_assert_not_null (taken[i]);
        cr_expect_eq ((uintptr_t)taken[i] % 16, 0);
        memset (taken[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t n = 0; n < i; n++)
            cr_assert_eq (taken[i][n], i & 0xff);
    sb_arena_destroy (&arena);
    cr_expect_null (arena);
}

Test (arena, refuses_at_its_limit_and_takes_again_after_reset)
{
    sb_arena_t *arena = sb_arena_new (4096);
    cr_expect_null (sb_arena_take (arena, 4097));
    cr_expect_null (sb_arena_take (arena, SIZE_MAX));
    for (int round = 0; round < 3; round++) {
        cr_expect_not_null (sb_arena_take (arena, 4080));
        cr_expect_not_null (sb_arena_take (arena, 16));
        cr_expect_null (sb_arena_take (arena, 1));
        cr_expect_null (sb_arena_take (arena, 0));
        sb_arena_reset (arena);
    }
    cr_expect_not_null (sb_arena_take (arena, 4096));
    sb_arena_destroy (&arena);
}

Test (arena, reset_makes_one_block_of_all)
{
    sb_arena_t *arena = sb_arena_new (1 << 20);
    for (int i = 0; i < 100; i++)
        cr_assert_not_null (sb_arena_take (arena, 1000));
    sb_arena_reset (arena);
    unsigned char *first = sb_arena_take (arena, 1000);
    for (int i = 1; i < 100; i++)
        cr_expect_eq ((unsigned char *)sb_arena_take (arena, 1000), first + i * 1008);
    sb_arena_destroy (&arena);
}

Test (arena, destroy_and_reset_are_harmless_on_nothing)
{
    sb_arena_t *arena = NULL;
    sb_arena_destroy (&arena);
    sb_arena_destroy (NULL);
    arena = sb_arena_new (4096);
    sb_arena_reset (arena);
    sb_arena_destroy (&arena);
}

Test (arena, protobuf_gets_what_it_asks_for_and_the_header_knows_how_much)
{
    sb_arena_t *arena = sb_arena_new (4096);
    ProtobufCAllocator allocator;
    sb_arena_allocator (arena, &allocator);
    for (size_t size = 0; size < 50; size++) {
        void *memory = allocator.alloc (allocator.allocator_data, size);
        cr_assert_not_null (memory);
        cr_expect_eq ((uintptr_t)memory % 16, 0);
        cr_expect_eq (sb_arena_allocated_size (memory), size);
        allocator.free (allocator.allocator_data, memory);
    }
    cr_expect_null (allocator.alloc (allocator.allocator_data, SIZE_MAX));
    sb_arena_destroy (&arena);
}

/* The codec rests on this habit of protobuf-c: a string's allocation is its length on the wire plus one. */
Test (arena, protobuf_allocates_a_string_as_its_length_and_one)
{
    static const uint8_t octets[] = {0x0a, 5, 'a', 'b', 0, 'd', 'e'}; /* Label.name */
    sb_arena_t *arena = sb_arena_new (4096);
    ProtobufCAllocator allocator;
    sb_arena_allocator (arena, &allocator);
    Syncbus__V1__Label *label = syncbus__v1__label__unpack (&allocator, sizeof octets, octets);
    cr_assert_not_null (label);
    cr_expect_eq (sb_arena_allocated_size (label->name), 6);
    cr_expect_eq (label->value, protobuf_c_empty_string);
    sb_arena_destroy (&arena);
}
