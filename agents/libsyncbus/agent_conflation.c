/* SPDX-License-Identifier: MPL-2.0
 *
 * Interests that the broker does not conflate.
 *
 * A subscription beyond the broker's bounds is ignored, and nothing ever comes of it; the answer to a join names the
 * prefixes in force. An interest of which one is not named is read unconflated, by a new SUB, since a subscription
 * that was ignored stands in the way of others who want the same when there is room again. Each new connection of the
 * SUB asks for conflation again. What numbers a category changes with that, and nothing is lost by it: what was missed
 * is looked for as after any join, see sb_scope_change. Rejected: to stay subscribed, stale, and to join now and then
 * until it is granted; an agent would have no data at all for want of a bound in the broker's configuration.
 */
#include "agent_recovery.h"
#include "sb_conflated.h"
#include "sb_names.h"

/* Those that are subscribed to by that prefix are read as they are published from now on. */
static void s_give_up (sb_agent_step_t *self, uint32_t interval_ms, sb_text_t prefix)
{
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        sb_want_t *want = &self->wants[i];
        bool is_of_all = want->subscribed.size == 0 && prefix.size == 1;
        if (want->interval_ms != interval_ms || !(is_of_all || sb_text_equal (want->subscribed, prefix)))
            continue;
        want->interval_ms = 0;
        self->counts.conflations_refused++;
        sb_step_log (self, SB_SEVERITY_WARNING,
                     "the broker does not conflate an interest: all of it is read until the next connection; raise "
                     "limits/conflations, or ask for another conflate_ms",
                     self->config.interests[i]);
    }
}

/* Some interests are read at other intervals than before: `was_ms`. */
static void s_subscribe_anew (sb_agent_step_t *self, const uint32_t *was_ms)
{
    sb_reception_t *reception = self->reception;
    sb_recovery_abort (self, true);
    sb_step_name_prefixes (self);
    for (uint32_t i = 0; i < reception->watch_count; i++) {
        sb_watch_t *watch = reception->watches[i];
        sb_text_t name = {watch->name, watch->size};
        bool is_changed = false;
        for (uint32_t j = 0; j < self->config.interest_count; j++) {
            const sb_want_t *want = &self->wants[j];
            is_changed |= want->interval_ms != was_ms[j] &&
                          (sb_prefix_matches (want->prefix, name) || sb_text_begins_with (want->prefix, name));
        }
        if (is_changed)
            sb_scope_change (self, watch);
    }
    if (self->has_agent_parts)
        reception->unheard_beats = 2; /* parts that were none before: see sb_recovery_welcome */
    reception->is_subscribed = reception->is_answered = false;
    reception->join_at_ns = UINT64_MAX;
    sb_step_effect (self, SB_AGENT_EFFECT_SUBSCRIBE)->subscribe_endpoint = self->subscribed_endpoint;
}

static bool s_differs (const sb_agent_step_t *self, const uint32_t *was_ms)
{
    for (uint32_t i = 0; i < self->config.interest_count; i++) {
        if (self->wants[i].interval_ms != was_ms[i])
            return true;
    }
    return false;
}

static uint32_t *s_intervals (sb_agent_step_t *self)
{
    uint32_t *intervals_ms = sb_step_take (self, (self->config.interest_count + 1) * sizeof *intervals_ms);
    for (uint32_t i = 0; i < self->config.interest_count; i++)
        intervals_ms[i] = self->wants[i].interval_ms;
    return intervals_ms;
}

void sb_conflation_look (sb_agent_step_t *self, const sb_publication_t *answer)
{
    uint32_t interval_ms;
    sb_text_t prefix;
    const uint32_t *was_ms = s_intervals (self);
    for (uint32_t i = 0; i < self->prefix_count; i++) {
        if (sb_conflated_split (self->prefixes[i], &interval_ms, &prefix) &&
            !sb_conflated_is_in_force (answer, self->prefixes[i]))
            s_give_up (self, interval_ms, prefix);
    }
    if (s_differs (self, was_ms))
        s_subscribe_anew (self, was_ms);
}

void sb_conflation_ask_again (sb_agent_step_t *self)
{
    const uint32_t *was_ms = s_intervals (self);
    if (self->link == SB_LINK_FINISHED)
        return;
    for (uint32_t i = 0; i < self->config.interest_count; i++)
        self->wants[i].interval_ms = self->wants[i].asked_ms;
    if (s_differs (self, was_ms))
        s_subscribe_anew (self, was_ms);
}
