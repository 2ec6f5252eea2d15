/* SPDX-License-Identifier: MPL-2.0
 *
 * The grid on a terminal, with keys (ncurses).
 */
#ifndef SB_TERMINAL_H
#define SB_TERMINAL_H

#include "sb_run.h"

/* Shows the grid until q or a signal, asking each interval_ms. Goes on when the broker is away. Returns what the
 * program ends with. */
int sb_terminal_run (sb_run_t *run, uint32_t interval_ms);

#endif
