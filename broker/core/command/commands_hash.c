/* SPDX-License-Identifier: MPL-2.0
 *
 * state_hash: one number for the state under some interests.
 */
#include "commands_internal.h"

void sb_handle_state_hash (sb_core_t *core, sb_call_t *call)
{
    (void)core, (void)call;
}
