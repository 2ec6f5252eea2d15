/* SPDX-License-Identifier: MPL-2.0
 *
 * Which of a program's inputs are whole: a gap makes its category stale, a recovery makes it current again. Pure; a
 * walk over a few names for each.
 */
#ifndef SB_INPUTS_H
#define SB_INPUTS_H

#include "sb_model.h"

enum { SB_INPUTS_MAX = 16 };

/* Zeroed and with sb_inputs_add: all current. */
typedef struct {
    const char *categories[SB_INPUTS_MAX]; /* borrowed */
    bool is_stale[SB_INPUTS_MAX];
    uint32_t count;
    bool is_other_stale; /* a category that is none of these */
} sb_inputs_t;

/* Adds the category of an interest: what stands before its first dot. `interest` lives as long as `self`. At most
 * SB_INPUTS_MAX of them. */
void sb_inputs_add (sb_inputs_t *self, const char *interest);

/* Something of `topic` (or an interest) was lost. True when its category was current until now. */
bool sb_inputs_gap (sb_inputs_t *self, sb_text_t topic);

/* The category is as the broker has it; empty: all are. True when something was stale until now. */
bool sb_inputs_recovered (sb_inputs_t *self, sb_text_t category);

/* True when no input is stale. */
bool sb_inputs_is_current (const sb_inputs_t *self);

#endif
