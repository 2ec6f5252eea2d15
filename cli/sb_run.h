/* SPDX-License-Identifier: MPL-2.0
 *
 * The commands of the command line: what each does with its arguments. Results go to standard output,
 * complaints, one sentence each, to standard error.
 */
#ifndef SB_RUN_H
#define SB_RUN_H

#include "sb_arguments.h"
#include "sb_client.h"
#include "sb_pages.h"

/* What the program ends with. */
typedef enum {
    SB_EXIT_DONE = 0,
    SB_EXIT_REFUSED = 1,  /* by the broker or an agent, or standard output did not take what was printed */
    SB_EXIT_USAGE = 2,    /* the command line makes no sense */
    SB_EXIT_NO_ANSWER = 3 /* no broker, or none that answers */
} sb_exit_t;

/* One run of the program. */
typedef struct {
    sb_arguments_t arguments;
    sb_arena_t *arena;   /* for what the arguments point to */
    uint32_t timeout_ms; /* --timeout */
    bool is_impatient;   /* no --timeout is given: a closed port is not waited for */
    const char *issuer;  /* --issuer or the default */
    char default_issuer[SB_CLIENT_ISSUER_SIZE];
} sb_run_t;

/* Reads argv, does what it says, returns what the program ends with. */
int sb_run (int argc, char *const *argv);

/* Complains: "syncbus: " and the sentence. Returns `code`. */
__attribute__ ((format (printf, 2, 3))) int sb_run_complain (int code, const char *format, ...);

/* Complains about an option or operand that could not be read, by arguments.problem. Returns SB_EXIT_USAGE. */
int sb_run_usage (const sb_run_t *self);

/* Complains about an outcome other than ANSWERED. Returns SB_EXIT_NO_ANSWER. */
int sb_run_no_answer (const sb_client_t *client, sb_client_outcome_t outcome);

/* A request of this run: issuer, reason, timeout, no parameters. */
sb_command_request_t sb_run_request (const sb_run_t *self, const char *command);

/* A client of the command endpoint; NULL after complaining. */
sb_client_t *sb_run_client (const sb_run_t *self);

/* Says on standard error how to go on, when the reply has a next page. */
void sb_run_print_more (const sb_command_reply_t *reply);

/* The commands. Each returns what the program ends with. */
int sb_run_ask (sb_run_t *self);    /* any of the broker's that needs nothing more than this */
int sb_run_stop (sb_run_t *self);   /* emergency_stop */
int sb_run_clear (sb_run_t *self);  /* emergency_clear */
int sb_run_agents (sb_run_t *self); /* list_agents */
int sb_run_events (sb_run_t *self);
int sb_run_history (sb_run_t *self);
int sb_run_replay (sb_run_t *self);
int sb_run_state_hash (sb_run_t *self);
int sb_run_sub (sb_run_t *self);
int sb_run_pub (sb_run_t *self);
int sb_run_top (sb_run_t *self);
int sb_run_help (sb_run_t *self);
int sb_run_complete (sb_run_t *self);

#endif
