/* SPDX-License-Identifier: MPL-2.0
 *
 * A subscriber: prints what is, and then what changes, under an interest; and says when it missed something.
 *
 *   subscriber [INTEREST [INGRESS_ENDPOINT]]     default market_data, tcp://127.0.0.1:5570, until interrupted
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <syncbus.h>

static volatile sig_atomic_t s_is_interrupted;

static void s_interrupt (int signal_number)
{
    s_is_interrupted = signal_number;
}

static int s_on_update (sb_agent_t *agent, const sb_publication_t *publication, void *context)
{
    (void)agent, (void)context;
    for (uint32_t i = 0; i < publication->update_count; i++)
        for (uint32_t j = 0; j < publication->updates[i].change_count; j++) {
            const sb_change_t *change = &publication->updates[i].changes[j];
            printf ("%s %s ", publication->topic.data, change->name.data);
            change->is_delete ? printf ("deleted") : printf ("%.10g", sb_value_number (&change->value, 0));
            puts (publication->cause == SB_CAUSE_SNAPSHOT ? " (state, no news)" : "");
        }
    return fflush (stdout);
}

static void s_on_gap (sb_agent_t *agent, const sb_agent_gap_t *gap, void *context)
{
    (void)agent, (void)context;
    fprintf (stderr, "something of %s was lost: what is printed is behind until it is recovered\n", gap->topic.data);
}

static void s_on_recovered (sb_agent_t *agent, const sb_agent_recovery_t *recovery, void *context)
{
    (void)agent, (void)context;
    fprintf (stderr, "current: %d lost, %d of them fetched\n", (int)recovery->lost, (int)recovery->recovered);
}

int main (int argc, char **argv)
{
    char error[256];
    const char *interest = argc > 1 ? argv[1] : "market_data";
    sb_agent_options_t options = {.agent_id = "example_reader", .interests = &interest, .interest_count = 1};
    options.ingress_endpoint = argc > 2 ? argv[2] : NULL;
    options.dispatch_by_caller = true; /* handlers run in this thread, below */
    options.handlers = (sb_agent_handlers_t){s_on_update, .on_gap = s_on_gap, .on_recovered = s_on_recovered};
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    if (!agent)
        return fprintf (stderr, "subscriber: %s\n", error), 2;
    signal (SIGINT, s_interrupt), signal (SIGTERM, s_interrupt);
    struct pollfd waiting = {.fd = sb_agent_descriptor (agent), .events = POLLIN};
    while (!s_is_interrupted && poll (&waiting, 1, 500) >= 0)
        sb_agent_dispatch (agent, 1);
    sb_agent_destroy (&agent, 1000); /* says goodbye: the broker knows that it is OFFLINE, not lost */
}
