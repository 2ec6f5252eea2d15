/* SPDX-License-Identifier: MPL-2.0
 *
 * What the desk's programs share: options, the run loop around one sb_agent_t, signals, the grid's
 * beat and the summary. A program is a table of callbacks; everything runs on one thread, so none of
 * them locks anything.
 */
#ifndef SB_DESK_H
#define SB_DESK_H

#include "sb_options.h"
#include "sb_summary.h"
#include "syncbus.h"

/* Exit codes of every program. */
enum {
    SB_EXIT_DONE = 0,
    SB_EXIT_REFUSED = 1,  /* refused for good, or displaced by a newer instance */
    SB_EXIT_USAGE = 2,    /* the command line is wrong; or there is no memory or thread to start with */
    SB_EXIT_NO_BROKER = 3 /* none within --connect-timeout */
};

typedef struct sb_desk sb_desk_t;

/* One update of one topic, with its topic taken apart. Borrowed until the callback returns. */
typedef struct {
    sb_text_t category;
    sb_text_t agent_id;
    sb_text_t subject;
    const sb_update_t *update;
    int64_t now_unix_ns; /* when it is handled */
    bool is_news;        /* false: state that a join or a repair brought. To be known, not to be acted on */
} sb_desk_update_t;

/* A topic whose data may not be acted on any more, or may again. Borrowed until the callback returns. */
typedef struct {
    sb_text_t category;
    sb_text_t agent_id;
    sb_text_t subject;
    bool is_stale;
} sb_desk_quality_t;

/* A program. Callbacks may be NULL, `start` and `stop` apart. `context` is sb_desk_program_t.context. */
typedef struct {
    const char *program;  /* "syncbus-trader" */
    const char *purpose;  /* one or two lines for --help */
    const char *examples; /* lines for --help */
    const char *agent_id; /* default of --agent-id */
    const char *const *interests;
    uint32_t interest_count;
    const char *const *publishes;
    uint32_t publish_count;
    const sb_option_t *options; /* its own, besides the common ones */
    uint32_t option_count;      /* at most 32 */
    void *context;

    /* Called once the options are read. False ends the program with SB_EXIT_USAGE and `error` as its text. */
    bool (*start) (sb_desk_t *desk, void *context, char *error, size_t error_size);
    /* Somebody's state changed, or an event happened. */
    void (*on_update) (sb_desk_t *desk, const sb_desk_update_t *update, void *context);
    /* A topic became stale, or fresh again; told for each topic when that changes. */
    void (*on_quality) (sb_desk_t *desk, const sb_desk_quality_t *quality, void *context);
    /* A command: restart, or the program's own. pause, resume and the stop are carried out by the library. */
    void (*on_command) (sb_desk_t *desk, const sb_agent_command_view_t *command, sb_agent_command_reply_t *reply,
                        void *context);
    /* An update was refused. */
    void (*on_refused) (sb_desk_t *desk, const sb_agent_refusal_t *refusal, void *context);
    /* Updates go out again (true), or do not (false): paused, stopped, cut off, or without a broker. */
    void (*on_active) (sb_desk_t *desk, bool is_active, void *context);
    /* Some of what the program reads was lost on the way (false): what it knows may be behind until all is current
     * again (true). Updates are told meanwhile, in order, but not of what is stale. */
    void (*on_current) (sb_desk_t *desk, bool is_current, void *context);
    /* After each round of updates and at least every 250 ms: what takes long or issues commands. */
    void (*on_round) (sb_desk_t *desk, void *context);
    /* At most every 250 ms: set the grid's fields with sb_desk_grid. */
    void (*on_grid) (sb_desk_t *desk, void *context);
    /* Adds the program's own rows to the summary. */
    void (*on_summary) (sb_desk_t *desk, sb_summary_t *summary, void *context);
    /* Frees what start made. */
    void (*stop) (void *context);
} sb_desk_program_t;

/* Runs the program to its end and returns its exit code. SIGTERM, SIGINT and SIGHUP end it cleanly. */
int sb_desk_main (const sb_desk_program_t *program, int argc, char **argv);

/* The agent; for what has no function here. */
sb_agent_t *sb_desk_agent (sb_desk_t *self);

/* The id it goes by. Lives as long as the program. */
const char *sb_desk_agent_id (const sb_desk_t *self);

/* True while updates go out. */
bool sb_desk_is_active (const sb_desk_t *self);

/* True while nothing that the program reads is stale. */
bool sb_desk_is_current (const sb_desk_t *self);

/* Sends updates in one message, all or none; waits up to a second for room in the window. Returns what
 * sb_agent_update_batch returns. *first_sequence (may be NULL) gets the first one's number, 0 when not sent. */
sb_reason_t sb_desk_send (sb_desk_t *self, const sb_agent_update_t *updates, uint32_t count, uint64_t *first_sequence);

/* Sets the grid's fields: `confidence` and `pnl` may be NaN, `signal` NULL: left as they are. While the agent is not
 * active, the status shown is its standing ("PAUSED"), else `status`. Sends only what differs from before. */
void sb_desk_grid (sb_desk_t *self, const char *status, double confidence, const char *signal, double pnl);

/* The number of field `name` in an update; `otherwise` when it is absent, deleted or no number. */
double sb_desk_number (const sb_update_t *update, const char *name, double otherwise);

/* True when the update deletes field `name`. */
bool sb_desk_is_gone (const sb_update_t *update, const char *name);

/* True when `text` is exactly the C string `string`. */
bool sb_desk_is (sb_text_t text, const char *string);

/* Answers a command: code SB_REASON_AGENT_REFUSED with why, or SB_REASON_NONE with what was done. */
void sb_desk_answer (sb_agent_command_reply_t *reply, sb_reason_t code, const char *text);

/* A line to standard error: "syncbus-trader: text". */
void sb_desk_log (sb_desk_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* Now, nanoseconds since 1970 UTC. */
int64_t sb_desk_unix_ns (void);

/* Now on a clock that never goes back, nanoseconds. */
uint64_t sb_desk_monotonic_ns (void);

#endif
