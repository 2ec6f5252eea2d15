/* SPDX-License-Identifier: MPL-2.0
 *
 * A publisher: one instrument's price, ten times a second, under market_data.example.spot:BTCUSDT.
 *
 *   publisher [INGRESS_ENDPOINT [COUNT]]     default tcp://127.0.0.1:5570, until interrupted
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <syncbus.h>

static volatile sig_atomic_t s_is_interrupted;

static void s_interrupt (int signal_number)
{
    s_is_interrupted = signal_number;
}

static void s_on_refused (sb_agent_t *agent, const sb_agent_refusal_t *refusal, void *context)
{
    (void)agent, (void)context;
    fprintf (stderr, "update %llu: %s\n", (unsigned long long)refusal->sequence, refusal->text);
}

int main (int argc, char **argv)
{
    char error[256];
    sb_agent_options_t options = {.agent_id = "example", .ingress_endpoint = argc > 1 ? argv[1] : NULL};
    options.handlers.on_refused = s_on_refused;
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    if (!agent) {
        fprintf (stderr, "publisher: %s\n", error);
        return 2;
    }
    if (!sb_agent_wait_active (agent, 5000))
        fprintf (stderr, "publisher: no broker yet: is syncbusd running? What is sent now is delivered once it is\n");
    signal (SIGINT, s_interrupt);
    signal (SIGTERM, s_interrupt);
    long count = argc > 2 ? atol (argv[2]) : -1;
    double price = 60000;
    for (long tick = 1; !s_is_interrupted && (count < 0 || tick <= count); tick++) {
        price += tick % 7 - 3; /* a walk that anybody can check */
        sb_change_t changes[] = {sb_number ("price", price), sb_integer ("tick_id", tick)};
        sb_agent_update_t update = {
            .category = "market_data", .subject = "spot:BTCUSDT", .changes = changes, .change_count = 2};
        sb_reason_t reason = sb_agent_update (agent, &update, 1000, NULL);
        if (reason != SB_REASON_NONE)
            fprintf (stderr, "not sent: %s\n", sb_reason_text (reason));
        nanosleep (&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    bool is_decided = sb_agent_wait_decided (agent, 5000);
    sb_agent_counts_t counts;
    sb_agent_counts (agent, &counts);
    printf ("sent %llu accepted %llu\n", (unsigned long long)counts.updates_sent,
            (unsigned long long)counts.updates_accepted);
    sb_agent_destroy (&agent, 1000);
    return is_decided ? 0 : 1;
}
