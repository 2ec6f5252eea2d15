/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of reasons at run time.
 */
#include "sb_reasons.h"

#include <criterion/criterion.h>
#include <string.h>

Test (reasons, table_is_in_order_of_code_and_found_by_code)
{
    uint32_t count;
    const sb_reason_info_t *rows = sb_reason_table (&count);
    cr_assert_gt (count, 50);
    for (uint32_t i = 0; i < count; i++) {
        cr_expect_eq (sb_reason_info (rows[i].reason), &rows[i], "%s", rows[i].name);
        if (i > 0)
            cr_expect_gt (rows[i].reason, rows[i - 1].reason, "%s", rows[i].name);
    }
    cr_expect_eq (rows[count - 1].reason + 1, SB_REASON_LIMIT);
}

Test (reasons, names_are_unique_and_texts_say_something)
{
    uint32_t count;
    const sb_reason_info_t *rows = sb_reason_table (&count);
    for (uint32_t i = 0; i < count; i++) {
        cr_expect_gt (strlen (rows[i].text), 10);
        for (uint32_t n = 0; n < i; n++)
            cr_expect_str_neq (rows[i].name, rows[n].name);
    }
}

Test (reasons, number_that_is_no_reason_gives_the_row_of_none)
{
    cr_expect_str_eq (sb_reason_info (SB_REASON_NONE)->name, "NONE");
    cr_expect_str_eq (sb_reason_info ((sb_reason_t)5)->name, "NONE");
    cr_expect_str_eq (sb_reason_info (SB_REASON_LIMIT)->name, "NONE");
    cr_expect_str_eq (sb_reason_info ((sb_reason_t)-1)->name, "NONE");
}

Test (reasons, only_messages_content_and_gaps_count_as_failures)
{
    uint32_t count;
    const sb_reason_info_t *rows = sb_reason_table (&count);
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].kind == SB_REASON_KIND_ADMISSION || rows[i].kind == SB_REASON_KIND_BOUND ||
            rows[i].kind == SB_REASON_KIND_SESSION || rows[i].kind == SB_REASON_KIND_COMMAND)
            cr_expect_not (rows[i].is_failure, "%s", rows[i].name);
    cr_expect (sb_reason_info (SB_REASON_MALFORMED)->is_failure);
    cr_expect (sb_reason_info (SB_REASON_NOT_FINITE)->is_failure);
    cr_expect (sb_reason_info (SB_REASON_SEQUENCE_GAP)->is_failure);
}

Test (reasons, names_of_the_small_enums)
{
    cr_expect_str_eq (sb_breaker_state_name (SB_BREAKER_FORCED_OPEN), "FORCED_OPEN");
    cr_expect_str_eq (sb_breaker_state_name ((sb_breaker_state_t)4), "?");
    cr_expect_str_eq (sb_quality_name (SB_QUALITY_FORCED_STALE), "FORCED_STALE");
    cr_expect_str_eq (sb_quality_name ((sb_quality_t)4), "?");
    cr_expect_str_eq (sb_cause_name (SB_CAUSE_RECOVERED), "RECOVERED");
    cr_expect_str_eq (sb_cause_name ((sb_cause_t)-1), "?");
}
