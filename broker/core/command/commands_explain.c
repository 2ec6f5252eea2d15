/* SPDX-License-Identifier: MPL-2.0
 *
 * explain and timeline: where a field's value comes from; what happened to one agent.
 */
#include "commands_internal.h"

void sb_handle_explain (sb_core_t *core, sb_call_t *call)
{
    (void)core, (void)call;
}

void sb_handle_timeline (sb_core_t *core, sb_call_t *call)
{
    (void)core, (void)call;
}
