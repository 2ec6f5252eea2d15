/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line of syncbus-market. Options are one table: parsing and --help come from it. Pure.
 */
#ifndef SB_OPTIONS_H
#define SB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ROW (field, option, kind, argument, help) */
#define SB_OPTION_TABLE(ROW)                                                                                           \
    ROW (layout, "layout", TEXT, "NAME|FILE", "what the columns mean; chosen by the first line when not given")        \
    ROW (layouts, "layouts", TEXT, "DIR", "where layouts are kept (also $SYNCBUS_LAYOUTS)")                            \
    ROW (as, "as", TEXT, "NAME",                                                                                       \
         "take the input's file name to be this: for - and fifos, where a name tells a symbol")                        \
    ROW (context, "context", TEXT, "DIR", "join the context series in this folder, as of their time")                  \
    ROW (pace, "pace", PACE, "recorded|N|flat", "as recorded, N times as fast, or as fast as it goes")                 \
    ROW (longest_wait_s, "longest-wait", NUMBER, "SECONDS", "cut pauses between rows down to this")                    \
    ROW (rows, "rows", COUNT, "N", "stop after N rows")                                                                \
    ROW (loop, "loop", FLAG, NULL, "start over at the end of the file")                                                \
    ROW (symbol, "symbol", TEXT, "PATTERN", "only subjects (market:symbol) or symbols that fit; * and ? are wild")     \
    ROW (sim, "sim", COUNT, "SEED", "read from the built-in simulated exchange instead of a file")                     \
    ROW (sim_seconds, "sim-seconds", COUNT, "N", "end the simulation after N seconds of its own clock")                \
    ROW (ingress, "ingress", TEXT, "ENDPOINT", "the broker (default $SYNCBUS_INGRESS, else tcp://127.0.0.1:5570)")     \
    ROW (publish, "publish", TEXT, "ENDPOINT", "its publish endpoint (default: what the broker says)")                 \
    ROW (agent_id, "agent-id", TEXT, "ID", "this agent's id (default market)")                                         \
    ROW (connect_s, "connect-timeout", NUMBER, "SECONDS", "give up when no broker answers for so long (default 10)")   \
    ROW (batch, "batch", COUNT, "ROWS", "rows that go out together when flat out, 1 to 256 (default 64)")              \
    ROW (progress_s, "progress", NUMBER, "SECONDS",                                                                    \
         "between two lines of progress; 0: none (default 5; on a terminal 0.5, in its background 0)")                 \
    ROW (json, "json", FLAG, NULL, "print the summary as one JSON object")                                             \
    ROW (check, "check", FLAG, NULL, "read and validate the file, print its accounting; needs no broker")              \
    ROW (list_layouts, "list-layouts", FLAG, NULL, "print the layouts at hand")                                        \
    ROW (print_layout, "print-layout", TEXT, "NAME", "print a layout, to start your own from")                         \
    ROW (version, "version", FLAG, NULL, "print the version")                                                          \
    ROW (help, "help", FLAG, NULL, "print this")

typedef const char *sb_option_TEXT;
typedef double sb_option_NUMBER;
typedef uint64_t sb_option_COUNT;
typedef bool sb_option_FLAG;
typedef double sb_option_PACE; /* 0: flat */

/* What was asked for. Texts borrow from argv. */
typedef struct {
#define SB_OPTION_FIELD(field, option, kind, argument, help)                                                           \
    sb_option_##kind field;                                                                                            \
    bool has_##field; /* it was given */
    SB_OPTION_TABLE (SB_OPTION_FIELD)
#undef SB_OPTION_FIELD
    const char *path; /* NULL: none given */
} sb_options_t;

/* Reads a command line. False, and a sentence that says what to do, on: an unknown option, a missing or bad argument,
 * more than one file, options that do not go together, nothing to do. */
bool sb_options_parse (sb_options_t *self, int argc, char *const *argv, char *error, size_t error_size);

/* Writes the help, with examples, as snprintf does: returns the octets that it has. */
int sb_options_help (char *text, size_t size);

#endif
