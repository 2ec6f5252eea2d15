/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads the grid from the broker. Three questions in a row, not at once: the command endpoint serves others too.
 */
#include "sb_poller.h"

#include <assert.h>
#include <czmq.h>

#include "sb_names.h"
#include "sb_reply.h"

enum { PAGE_LIMIT = 1000, SMALL_ARENA_BYTES = 4 << 20, CONNECT_STEP_MS = 20 };

/* The questions of a reading, in order. */
typedef enum { STEP_STATUS, STEP_HEALTH, STEP_AGENTS, STEP_COUNT } step_t;

static const struct {
    const char *command;
    int64_t limit; /* 0: the command takes none */
} s_steps[STEP_COUNT] = {{"status", 0}, {"health", 1}, {"list_agents", PAGE_LIMIT}};

struct sb_poller {
    const sb_run_t *run;
    sb_client_t *client;
    bool is_busy;
    bool is_sent; /* the question of `step` */
    step_t step;
    int64_t deadline_ms;
    sb_page_t status; /* arenas are NULL while there is none */
    sb_page_t health;
    sb_pages_t agents;
    char cursor[256];
    int code;
    char problem[SB_DISPLAY_SIZE];
};

sb_poller_t *sb_poller_new (const sb_run_t *run)
{
    sb_poller_t *self = calloc (1, sizeof (*self));
    assert (self);
    self->run = run;
    self->client = sb_run_client (run);
    if (!self->client)
        sb_poller_destroy (&self);
    return self;
}

/* Forgets what was read of this reading. */
static void s_reset (sb_poller_t *self)
{
    sb_arena_destroy (&self->status.arena);
    sb_arena_destroy (&self->health.arena);
    sb_pages_clear (&self->agents);
    self->cursor[0] = 0;
    self->is_busy = false;
    self->is_sent = false;
    self->step = STEP_STATUS;
}

void sb_poller_destroy (sb_poller_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    s_reset (*self_p);
    sb_client_destroy (&(*self_p)->client);
    free (*self_p);
    *self_p = NULL;
}

void *sb_poller_socket (const sb_poller_t *self)
{
    return sb_client_socket (self->client);
}

const char *sb_poller_problem (const sb_poller_t *self, int *code)
{
    *code = self->code;
    return self->problem;
}

void sb_poller_start (sb_poller_t *self)
{
    if (self->is_busy)
        return;
    s_reset (self);
    self->is_busy = true;
    self->deadline_ms = zclock_mono () + self->run->timeout_ms;
}

static sb_poller_state_t s_fail (sb_poller_t *self, int code, const char *problem)
{
    self->code = code;
    snprintf (self->problem, sizeof (self->problem), "%s", problem);
    s_reset (self);
    return SB_POLLER_FAILED;
}

/* Asks the question of the step. */
static sb_client_outcome_t s_ask (sb_poller_t *self)
{
    sb_parameter_t parameters[2];
    sb_command_request_t request = sb_run_request (self->run, s_steps[self->step].command);
    request.parameters = parameters;
    if (s_steps[self->step].limit)
        parameters[request.parameter_count++] = (sb_parameter_t){
            .name = sb_text ("limit"), .value = {.kind = SB_VALUE_INTEGER, .integer = s_steps[self->step].limit}};
    if (self->cursor[0])
        parameters[request.parameter_count++] = (sb_parameter_t){
            .name = sb_text ("cursor"), .value = {.kind = SB_VALUE_TEXT, .text = sb_text (self->cursor)}};
    sb_arena_t *arena = sb_arena_new (SMALL_ARENA_BYTES);
    assert (arena);
    sb_client_outcome_t outcome = sb_client_send (self->client, &request, arena);
    sb_arena_destroy (&arena);
    return outcome;
}

/* Keeps an answer and moves on. Returns true when the reading is whole. */
static bool s_take (sb_poller_t *self, const sb_page_t *page)
{
    self->is_sent = false;
    if (self->step != STEP_AGENTS) {
        *(self->step == STEP_STATUS ? &self->status : &self->health) = *page;
        self->step++;
        return false;
    }
    sb_pages_add (&self->agents, page);
    sb_text_t cursor = page->reply.next_cursor;
    snprintf (self->cursor, sizeof (self->cursor), "%.*s", (int)cursor.size, cursor.size ? cursor.data : "");
    self->deadline_ms = zclock_mono () + self->run->timeout_ms;
    return cursor.size == 0;
}

static const sb_record_t *s_first (const sb_page_t *page)
{
    static const sb_record_t none = {0};
    return page->reply.record_count ? &page->reply.records[0] : &none;
}

static sb_poller_state_t s_finish (sb_poller_t *self, sb_grid_t *grid)
{
    snprintf (grid->endpoint, sizeof (grid->endpoint), "%s", sb_client_endpoint (self->client));
    sb_grid_set_status (grid, s_first (&self->status));
    sb_grid_set_health (grid, s_first (&self->health));
    sb_grid_set_agents (grid, &self->agents, zclock_mono ());
    s_reset (self);
    return SB_POLLER_DONE;
}

/* Waits for the answer to the question that was sent. */
static sb_poller_state_t s_receive (sb_poller_t *self, int wait_ms, sb_grid_t *grid)
{
    sb_page_t page = {.arena = sb_arena_new (SB_CLIENT_REPLY_BYTES)};
    assert (page.arena);
    sb_client_outcome_t outcome = sb_client_receive (self->client, wait_ms, page.arena, &page.reply);
    if (outcome == SB_CLIENT_ANSWERED && page.reply.code == SB_REASON_NONE)
        return s_take (self, &page) ? s_finish (self, grid) : SB_POLLER_BUSY;
    sb_poller_state_t state = SB_POLLER_BUSY;
    char text[SB_DISPLAY_SIZE];
    if (outcome == SB_CLIENT_ANSWERED)
        state = s_fail (self, SB_EXIT_REFUSED, sb_reply_refusal (NULL, page.reply.code, page.reply.message, text));
    else if (outcome != SB_CLIENT_NO_ANSWER || zclock_mono () >= self->deadline_ms)
        state = s_fail (self, SB_EXIT_NO_ANSWER, sb_client_problem (self->client, outcome));
    sb_arena_destroy (&page.arena);
    return state;
}

sb_poller_state_t sb_poller_turn (sb_poller_t *self, int wait_ms, sb_grid_t *grid)
{
    if (!self->is_busy)
        return SB_POLLER_IDLE;
    if (self->is_sent)
        return s_receive (self, wait_ms, grid);
    sb_client_outcome_t outcome = s_ask (self);
    self->is_sent = outcome == SB_CLIENT_ANSWERED;
    if (!self->is_sent && (zclock_mono () >= self->deadline_ms || sb_client_is_refused (self->client)))
        return s_fail (self, SB_EXIT_NO_ANSWER, sb_client_problem (self->client, outcome));
    return SB_POLLER_BUSY;
}

sb_poller_state_t sb_poller_read (sb_poller_t *self, sb_grid_t *grid)
{
    sb_poller_state_t state;
    sb_poller_start (self);
    while ((state = sb_poller_turn (self, CONNECT_STEP_MS, grid)) == SB_POLLER_BUSY) {
        if (zsys_interrupted)
            return s_fail (self, SB_EXIT_DONE, "interrupted");
        if (!self->is_sent && self->step == STEP_STATUS)
            zclock_sleep (CONNECT_STEP_MS);
    }
    return state;
}
