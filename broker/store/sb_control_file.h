/* SPDX-License-Identifier: MPL-2.0
 *
 * The control-state file: what must survive a restart of the broker and is small enough to be
 * written whole each time: the emergency stop, its epoch, what operators said of each agent, and
 * the broker's own epoch.
 *
 * Text, one item a line, a version line first and a checksum line last, so that a person can read it and a
 * cut file is seen. Saved to a new file, fsync, rename, fsync of the folder: after a crash there is the
 * old state or the new, whole. Cost: one fsync pair per change of control state, which only operators make.
 * Rejected: a log of changes (would need compaction), editing in place (a crash leaves half).
 */
#ifndef SB_CONTROL_FILE_H
#define SB_CONTROL_FILE_H

#include "sb_core.h"

typedef struct sb_control_file sb_control_file_t;

/* What loading found. */
typedef enum {
    SB_CONTROL_LOADED,  /* state and epoch are as last saved */
    SB_CONTROL_MISSING, /* no file: the first start; nothing is stopped, epoch 0 */
    SB_CONTROL_CORRUPT  /* there, but not readable or not whole: the state given is "stopped" */
} sb_control_outcome_t;

/* A file at `path` (copied); nothing is opened yet. NULL when the system has no memory. */
sb_control_file_t *sb_control_file_new (const char *path);

/* Gives up the lock and frees it; sets *self_p to NULL. Harmless on NULL. */
void sb_control_file_destroy (sb_control_file_t **self_p);

/* Makes the folder (with parents) where missing, and locks `path`.lock against a second broker.
 * Returns 0; EWOULDBLOCK when another process holds it (*holder then gets its pid, 0 when not known);
 * else the errno of what failed. */
int sb_control_file_lock (sb_control_file_t *self, int *holder);

/* Reads the file. *state borrows from self until the next load. On CORRUPT, state is stopped, issuer "broker", with
 * a reason that says why, *epoch and latch_epoch are `unix_ns` in seconds (above any counted up from 1),
 * and sb_control_file_problem tells what is wrong. The broken file is kept under `path`.corrupt. */
sb_control_outcome_t sb_control_file_load (sb_control_file_t *self, int64_t unix_ns, sb_control_state_t *state,
                                           uint64_t *epoch);

/* Saves state and epoch durably. Returns true, or false when it could not be written (see _problem); the file
 * before it is then still whole. */
bool sb_control_file_save (sb_control_file_t *self, const sb_control_state_t *state, uint64_t epoch);

/* A sentence about the last load or save that went wrong; valid until the next call on self. */
const char *sb_control_file_problem (const sb_control_file_t *self);

#endif
