/* SPDX-License-Identifier: MPL-2.0
 *
 * history, events, timeline: pages of what a category still keeps.
 *
 * All three read one ring by category_sequence (history_read.c). events and timeline are the history of `_event`, the
 * latter of one agent; where they are asked for `after` and `last` they give the first so many, for who follows them,
 * while history gives the last. A cursor holds the place and the end that was fixed with the first page; filters are
 * given again with each page.
 */
#include "commands_internal.h"

enum { LAST_DEFAULT = 100 };

/* What a command asks for, and how far its pages have come. */
typedef struct {
    const sb_category_t *category;
    sb_history_filter_t filter;
    sb_history_place_t place;
    uint32_t limit; /* publications of this page */
} s_request_t;

/* A time given by a parameter, or `otherwise`. */
static int64_t s_time (const sb_call_t *call, const char *name, int64_t otherwise)
{
    const sb_parameter_t *parameter = sb_command_parameter (call, name);
    return parameter != NULL ? parameter->value.integer : otherwise;
}

/* The place as the numbers of a cursor: any number left is 0 there, as nothing left needs no cursor. */
static void s_next_cursor (sb_core_t *core, sb_call_t *call, const sb_history_place_t *place)
{
    uint64_t left = place->left == UINT64_MAX ? 0 : place->left;
    uint64_t numbers[SB_CURSOR_NUMBERS] = {place->after, place->through, left, place->is_searching};
    sb_call_next_numbers (core, call, numbers, SB_CURSOR_NUMBERS);
}

/* Reads limit, last, after, through and the cursor. False after a refusal. */
static bool s_read_place (sb_core_t *core, sb_call_t *call, s_request_t *request)
{
    uint64_t numbers[SB_CURSOR_NUMBERS];
    bool is_continued;
    if (!sb_call_cursor (core, call, numbers, SB_CURSOR_NUMBERS, &is_continued, &request->limit))
        return false;
    bool has_last = sb_command_parameter (call, "last") != NULL;
    bool has_after = sb_command_parameter (call, "after") != NULL;
    bool is_range = has_after || sb_command_parameter (call, "since_unix_ns") != NULL;
    uint64_t last = sb_command_integer (call, "last", is_range ? UINT64_MAX : LAST_DEFAULT);
    if (last < 1)
        return sb_call_refuse_parameter (core, call, "last");
    request->filter.after = sb_command_integer (call, "after", 0);
    request->filter.has_floor = is_range || request->filter.timeline.size > 0;
    bool is_from_end = !is_range || (has_last && call->command == SB_COMMAND_history);
    uint64_t through = sb_command_integer (call, "through", UINT64_MAX);
    request->place = sb_core_begin_history (request->category, &request->filter, through, last, is_from_end);
    if (!is_continued)
        return true;
    if (numbers[3] > 1) {
        sb_call_refuse (core, call, SB_REASON_BAD_CURSOR, sb_command_text (call, "cursor"));
        return false;
    }
    request->place = (sb_history_place_t){.after = numbers[0],
                                          .through = numbers[1],
                                          .left = numbers[2] != 0 ? numbers[2] : UINT64_MAX,
                                          .is_searching = numbers[3] == 1};
    return true;
}

/* How far the history reaches, and whether that was enough. */
static void s_add_record (sb_core_t *core, sb_call_t *call, const sb_category_t *category, bool is_evicted, bool is_end)
{
    uint64_t head = category->head.category_sequence;
    sb_call_reserve (core, call, 1);
    sb_row_t row = sb_call_row (core, call, 0);
    sb_row_integer (&row, "oldest", category->ring_count > 0 ? head + 1 - category->ring_count : 0);
    sb_row_integer (&row, "head", head);
    sb_row_unix_ns (&row, "oldest_unix_ns", sb_core_history_oldest_unix_ns (category));
    sb_row_boolean (&row, "evicted", is_evicted);
    sb_row_boolean (&row, "end", is_end);
}

static void s_read (sb_core_t *core, sb_call_t *call, s_request_t *request)
{
    if (!s_read_place (core, call, request))
        return;
    sb_history_page_t page;
    bool is_more = sb_core_read_history (core, request->category, &request->filter, &request->place, request->limit,
                                         sb_call_page_bytes (core, call), &page);
    call->reply.publications = page.publications;
    call->reply.publication_count = page.count;
    s_add_record (core, call, request->category, page.is_evicted, !is_more);
    if (is_more)
        s_next_cursor (core, call, &request->place);
}

void sb_handle_history (sb_core_t *core, sb_call_t *call)
{
    sb_topic_filter_t topic;
    sb_text_t name = sb_command_text (call, "category");
    if (!sb_call_topic_filter (core, call, &topic))
        return;
    s_request_t request = {.category = sb_core_find_category (core, name), .filter = sb_core_history_filter ()};
    if (request.category == NULL) {
        sb_call_refuse (core, call, SB_REASON_UNKNOWN_CATEGORY, name);
        return;
    }
    request.filter.agent = topic.agent;
    request.filter.subject = topic.subject;
    request.filter.is_subject_set = topic.is_subject_set;
    request.filter.prefix = sb_command_text (call, "prefix");
    request.filter.since_unix_ns = s_time (call, "since_unix_ns", INT64_MIN);
    request.filter.until_unix_ns = s_time (call, "until_unix_ns", INT64_MAX);
    s_read (core, call, &request);
}

void sb_handle_events (sb_core_t *core, sb_call_t *call)
{
    sb_topic_filter_t topic;
    if (!sb_call_topic_filter (core, call, &topic))
        return;
    s_request_t request = {.category = sb_core_find_category (core, sb_text ("_event")),
                           .filter = sb_core_history_filter ()};
    request.filter.agent = topic.agent;
    s_read (core, call, &request);
}

void sb_handle_timeline (sb_core_t *core, sb_call_t *call)
{
    s_request_t request = {.category = sb_core_find_category (core, sb_text ("_event")),
                           .filter = sb_core_history_filter ()};
    request.filter.timeline = sb_core_agent_id (call->agent);
    s_read (core, call, &request);
}
