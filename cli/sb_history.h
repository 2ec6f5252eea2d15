/* SPDX-License-Identifier: MPL-2.0
 *
 * The broker's history of a category, read page by page, some pages ahead of what is taken, so that little is evicted
 * before it was read. What is published after the first page was answered is not part of it: it always ends.
 */
#ifndef SB_HISTORY_H
#define SB_HISTORY_H

#include "sb_json.h"
#include "sb_run.h"

typedef struct sb_history sb_history_t;

/* What is known about it so far. */
typedef struct {
    uint64_t oldest;        /* category_sequence of the oldest kept, when the last page was answered; 0: none */
    uint64_t first_oldest;  /* of the oldest kept, when the first page was answered; 0: none */
    uint64_t head;          /* of the newest, when the first page was answered */
    int64_t oldest_unix_ns; /* when the oldest kept was published; 0: none */
    bool is_evicted;        /* some of what was asked for, by after, through or since, is no longer kept */
    bool is_whole;          /* nothing that was asked for comes after the pages read */
    sb_text_t next_cursor;  /* how to go on when it is not whole; lives until the next page is read */
    uint64_t count;         /* publications printed */
    uint64_t first;         /* category_sequence of the first one printed; 0: none was */
    uint64_t last;          /* and of the last */
} sb_history_facts_t;

/* How reading went. */
typedef enum {
    SB_HISTORY_READ,       /* a page, or all was read before */
    SB_HISTORY_REFUSED,    /* by the broker; complained of */
    SB_HISTORY_NO_ANSWER,  /* no broker, or none that answers; complained of */
    SB_HISTORY_INTERRUPTED /* a signal came */
} sb_history_outcome_t;

/* Takes parameters, --since and --until from the command line. With `all_by_default` everything kept is asked for when
 * nothing says where to begin. Returns NULL, with arguments.problem, when a time makes no sense, the category is none,
 * or the prefix can match none of its topics. `run` and `client`
 * are borrowed until it is destroyed. */
sb_history_t *sb_history_new (sb_run_t *run, sb_client_t *client, bool all_by_default);

/* Harmless on NULL and on *self_p == NULL. */
void sb_history_destroy (sb_history_t **self_p);

/* The next publication; NULL when no page that was read has one. Borrowed until it is printed. */
const sb_publication_t *sb_history_peek (const sb_history_t *self);

/* Prints that publication, as a line of JSON when `json` is not NULL, and goes on to the next. */
void sb_history_print (sb_history_t *self, sb_json_t *json);

/* Waits for one page more, at most as long as --timeout says. */
sb_history_outcome_t sb_history_read (sb_history_t *self);

/* Reads ahead without waiting, but for the `wait_ms` in which nothing else is to be done: returns after them, or
 * earlier when a page came. Trouble is left for sb_history_read to find. */
void sb_history_read_ahead (sb_history_t *self, int wait_ms);

/* What is known so far. */
sb_history_facts_t sb_history_facts (const sb_history_t *self);

/* Prints the last line, `word` (end, more, stopped) first: how many were printed, which, whether some were evicted; as
 * a JSON object when `json` is not NULL. Evicted is also what came before the history that is kept, when that was
 * reached and nothing that was asked for begins it. What was asked for by number or time and is gone is said on
 * standard error too. */
void sb_history_print_end (const sb_history_t *self, const char *word, sb_json_t *json);

#endif
