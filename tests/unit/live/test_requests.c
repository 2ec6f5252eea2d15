/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of requests that wait for their reply.
 */
#include "sb_requests.h"

#include <criterion/criterion.h>
#include <string.h>

Test (requests, an_envelope_comes_back_as_it_was)
{
    sb_requests_t *requests = sb_requests_new (4);
    sb_envelope_t envelope = {.has_delimiter = true};
    cr_assert (sb_envelope_append (&envelope, "\0abcd", 5));
    cr_assert (sb_envelope_append (&envelope, "\1\2\3\4", 4));
    uint64_t token = sb_requests_add (requests, &envelope);
    cr_assert_neq (token, 0);
    const sb_envelope_t *found = sb_requests_take (requests, token);
    cr_assert (found);
    cr_assert_eq (found->frame_count, 2);
    cr_assert_eq (found->frame_sizes[0], 5);
    cr_assert_eq (found->frame_sizes[1], 4);
    cr_assert (found->has_delimiter);
    cr_assert_arr_eq (found->octets, "\0abcd\1\2\3\4", 9);
    sb_requests_destroy (&requests);
}

Test (requests, a_token_is_good_once)
{
    sb_requests_t *requests = sb_requests_new (1);
    const sb_envelope_t envelope = {0};
    uint64_t first = sb_requests_add (requests, &envelope);
    cr_assert (sb_requests_take (requests, first));
    cr_assert_null (sb_requests_take (requests, first));
    uint64_t second = sb_requests_add (requests, &envelope);
    cr_assert_neq (first, second);
    cr_assert_null (sb_requests_take (requests, first), "the slot is the same, the request is not");
    cr_assert_null (sb_requests_take (requests, 0));
    cr_assert_null (sb_requests_take (requests, second + 1));
    sb_requests_destroy (&requests);
}

Test (requests, a_full_table_refuses_until_one_is_taken)
{
    sb_requests_t *requests = sb_requests_new (3);
    const sb_envelope_t envelope = {0};
    uint64_t tokens[3];
    for (int i = 0; i < 3; i++)
        tokens[i] = sb_requests_add (requests, &envelope);
    cr_assert_eq (sb_requests_add (requests, &envelope), 0);
    cr_assert_eq (sb_requests_count (requests), 3);
    cr_assert (sb_requests_take (requests, tokens[1]));
    cr_assert_neq (sb_requests_add (requests, &envelope), 0);
    sb_requests_destroy (&requests);
}

Test (requests, an_envelope_is_bounded)
{
    sb_envelope_t envelope = {0};
    char frame[255] = {0};
    cr_assert (sb_envelope_append (&envelope, frame, 255));
    cr_assert (sb_envelope_append (&envelope, frame, 255));
    cr_assert_not (sb_envelope_append (&envelope, frame, 255));
    cr_assert_eq (envelope.frame_count, 2);
    sb_envelope_t many = {0};
    for (int i = 0; i < SB_ENVELOPE_FRAMES; i++)
        cr_assert (sb_envelope_append (&many, frame, 1));
    cr_assert_not (sb_envelope_append (&many, frame, 1));
}
