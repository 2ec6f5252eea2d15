/* SPDX-License-Identifier: MPL-2.0
 *
 * The circuit breaker's table, one function per event; each branches over the state once. See breaker.h.
 */
#include "breaker.h"

#include <assert.h>
#include <string.h>

enum { JITTER_PARTS = 1000, JITTER_DIVISOR = 10, WAIT_STEPS_MAX = 32 };

static const uint64_t ns_per_ms = 1000000;

/* FNV-1a: spreads ids well enough for a jitter; nothing is looked up by it, so chosen collisions gain nothing. */
static uint64_t s_hash (uint64_t hash, const void *data, size_t size)
{
    const unsigned char *octets = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ octets[i]) * UINT64_C (0x100000001b3);
    return hash;
}

static uint64_t s_add (uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

static uint32_t s_threshold (const sb_breaker_rules_t *rules)
{
    if (rules->failure_threshold < 1)
        return 1;
    return rules->failure_threshold > SB_BREAKER_RING ? SB_BREAKER_RING : rules->failure_threshold;
}

static void s_clear_ring (sb_breaker_t *self)
{
    self->ring_next = 0;
    self->ring_count = 0;
}

static void s_clear_probes (sb_breaker_t *self)
{
    self->probes_won = 0;
    self->probe_running = false;
    self->probe_void = false;
    self->probe_message = 0;
    self->probe_until_ns = 0;
}

static void s_half_open (sb_breaker_t *self)
{
    self->state = SB_BREAKER_HALF_OPEN;
    self->until_ns = 0;
    self->shorten_ns = 0;
    s_clear_probes (self);
}

static void s_close (sb_breaker_t *self, uint64_t now_ns)
{
    self->state = SB_BREAKER_CLOSED;
    self->until_ns = 0;
    s_clear_ring (self);
    s_clear_probes (self);
    self->shorten_ns = self->wait_step > 0 ? s_add (now_ns, 2 * self->last_wait_ns) : 0;
}

static void s_open (sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns)
{
    self->state = SB_BREAKER_OPEN;
    self->open_count++;
    self->last_wait_ns = sb_breaker_wait_ns (rules, self->agent_hash, self->open_count, self->wait_step);
    self->until_ns = s_add (now_ns, self->last_wait_ns);
    self->shorten_ns = 0;
    if (self->wait_step < WAIT_STEPS_MAX)
        self->wait_step++;
    s_clear_ring (self);
    s_clear_probes (self);
}

uint64_t sb_breaker_wait_ns (const sb_breaker_rules_t *rules, uint64_t agent_hash, uint64_t open_count, uint32_t step)
{
    uint64_t wait_ns = rules->recovery_delay_ns;
    for (uint32_t i = 0; i < step && wait_ns < rules->recovery_delay_max_ns; i++)
        wait_ns = wait_ns > UINT64_MAX / 2 ? UINT64_MAX : wait_ns * 2;
    if (wait_ns > rules->recovery_delay_max_ns)
        wait_ns = rules->recovery_delay_max_ns;
    uint64_t hash = s_hash (agent_hash, &open_count, sizeof open_count);
    uint64_t share = (hash >> 32) % (JITTER_PARTS + 1);
    return s_add (wait_ns, wait_ns / JITTER_DIVISOR / JITTER_PARTS * share);
}

void sb_breaker_init (sb_breaker_t *self, sb_text_t agent_id)
{
    memset (self, 0, sizeof *self);
    self->state = SB_BREAKER_CLOSED;
    self->agent_hash = s_hash (UINT64_C (0xcbf29ce484222325), agent_id.data, agent_id.size);
}

sb_breaker_verdict_t sb_breaker_admit (sb_breaker_t *self, uint64_t message, uint64_t now_ns, uint64_t interval_ns)
{
    assert (message != 0);
    switch (self->state) {
    case SB_BREAKER_CLOSED:
        return SB_BREAKER_PROCESS;
    case SB_BREAKER_OPEN:
        return SB_BREAKER_REFUSE_OPEN;
    case SB_BREAKER_FORCED_OPEN:
        return SB_BREAKER_REFUSE_ISOLATED;
    case SB_BREAKER_HALF_OPEN:
        break;
    }
    if (self->probe_running)
        return self->probe_message == message ? SB_BREAKER_PROBE : SB_BREAKER_REFUSE_OPEN;
    self->probe_running = true;
    self->probe_void = false;
    self->probe_message = message;
    self->probe_until_ns = s_add (now_ns, interval_ns);
    return SB_BREAKER_PROBE;
}

void sb_breaker_void_probe (sb_breaker_t *self, uint64_t message)
{
    if (self->probe_running && self->probe_message == message)
        self->probe_void = true;
}

void sb_breaker_success (sb_breaker_t *self, uint64_t count)
{
    self->successes = s_add (self->successes, count);
}

/* True when the failure just written makes `threshold` of them within the window: looks at the oldest of these only. */
static bool s_is_over (const sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns)
{
    uint32_t threshold = s_threshold (rules);
    if (self->ring_count < threshold)
        return false;
    uint64_t oldest_ns = self->ring_ns[(self->ring_next + SB_BREAKER_RING - threshold) % SB_BREAKER_RING];
    return now_ns - oldest_ns <= rules->failure_window_ns;
}

bool sb_breaker_failure (sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns)
{
    self->failures = s_add (self->failures, 1);
    switch (self->state) {
    case SB_BREAKER_OPEN:
    case SB_BREAKER_FORCED_OPEN:
        return false;
    case SB_BREAKER_HALF_OPEN:
        s_open (self, rules, now_ns);
        return true;
    case SB_BREAKER_CLOSED:
        break;
    }
    self->ring_ns[self->ring_next] = now_ns;
    self->ring_next = (self->ring_next + 1) % SB_BREAKER_RING;
    if (self->ring_count < SB_BREAKER_RING)
        self->ring_count++;
    if (!s_is_over (self, rules, now_ns))
        return false;
    s_open (self, rules, now_ns);
    return true;
}

static bool s_judge_probe (sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns)
{
    bool won = !self->probe_void;
    self->probe_running = false;
    self->probe_void = false;
    self->probe_message = 0;
    self->probe_until_ns = 0;
    if (won)
        self->probes_won++;
    if (self->probes_won < (rules->probes > 0 ? rules->probes : 1))
        return false;
    s_close (self, now_ns);
    self->restarts_by_recovery++;
    return true;
}

bool sb_breaker_expire (sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns)
{
    if (self->state == SB_BREAKER_OPEN && now_ns >= self->until_ns) {
        s_half_open (self);
        return true;
    }
    if (self->state == SB_BREAKER_HALF_OPEN && self->probe_running && now_ns >= self->probe_until_ns)
        return s_judge_probe (self, rules, now_ns);
    while (self->state == SB_BREAKER_CLOSED && self->shorten_ns != 0 && now_ns >= self->shorten_ns) {
        self->wait_step--;
        self->last_wait_ns /= 2;
        self->shorten_ns = self->wait_step > 0 ? s_add (self->shorten_ns, 2 * self->last_wait_ns) : 0;
    }
    return false;
}

uint64_t sb_breaker_deadline (const sb_breaker_t *self)
{
    switch (self->state) {
    case SB_BREAKER_CLOSED:
        return self->shorten_ns != 0 ? self->shorten_ns : UINT64_MAX;
    case SB_BREAKER_OPEN:
        return self->until_ns;
    case SB_BREAKER_HALF_OPEN:
        return self->probe_running ? self->probe_until_ns : UINT64_MAX;
    case SB_BREAKER_FORCED_OPEN:
        break;
    }
    return UINT64_MAX;
}

void sb_breaker_delay (sb_breaker_t *self, uint64_t lateness_ns)
{
    if (self->probe_running)
        self->probe_until_ns = s_add (self->probe_until_ns, lateness_ns);
}

bool sb_breaker_isolate (sb_breaker_t *self)
{
    if (self->state == SB_BREAKER_FORCED_OPEN)
        return false;
    self->state = SB_BREAKER_FORCED_OPEN;
    self->until_ns = 0;
    self->shorten_ns = 0;
    s_clear_ring (self);
    s_clear_probes (self);
    return true;
}

bool sb_breaker_release (sb_breaker_t *self)
{
    if (self->state != SB_BREAKER_FORCED_OPEN)
        return false;
    s_half_open (self);
    return true;
}

bool sb_breaker_restart (sb_breaker_t *self)
{
    if (self->state == SB_BREAKER_FORCED_OPEN)
        return false;
    self->state = SB_BREAKER_CLOSED;
    self->restarts_by_hand++;
    self->until_ns = 0;
    self->wait_step = 0;
    self->last_wait_ns = 0;
    self->shorten_ns = 0;
    s_clear_ring (self);
    s_clear_probes (self);
    return true;
}

void sb_breaker_restore (sb_breaker_t *self, sb_breaker_state_t state, uint64_t left_ns, uint64_t now_ns)
{
    s_clear_ring (self);
    s_clear_probes (self);
    self->state = state;
    self->until_ns = state == SB_BREAKER_OPEN ? s_add (now_ns, left_ns) : 0;
    self->shorten_ns = 0;
    if (state == SB_BREAKER_CLOSED && self->wait_step > 0)
        self->shorten_ns = s_add (now_ns, 2 * self->last_wait_ns);
}

static uint32_t s_to_ms (uint64_t left_ns)
{
    uint64_t ms = left_ns / ns_per_ms + (left_ns % ns_per_ms != 0);
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

uint32_t sb_breaker_retry_after_ms (const sb_breaker_t *self, const sb_breaker_rules_t *rules, uint64_t now_ns)
{
    uint32_t ms = 0;
    switch (self->state) {
    case SB_BREAKER_CLOSED:
        return 0;
    case SB_BREAKER_OPEN:
        ms = self->until_ns > now_ns ? s_to_ms (self->until_ns - now_ns) : 0;
        break;
    case SB_BREAKER_HALF_OPEN:
        if (!self->probe_running)
            return 0;
        ms = self->probe_until_ns > now_ns ? s_to_ms (self->probe_until_ns - now_ns) : 0;
        break;
    case SB_BREAKER_FORCED_OPEN:
        ms = s_to_ms (rules->recovery_delay_max_ns);
        break;
    }
    return ms > 0 ? ms : 1;
}
