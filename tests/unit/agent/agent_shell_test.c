/* SPDX-License-Identifier: MPL-2.0
 *
 * The bodies of agent_bodies.h, each in a process of its own.
 */
#include <criterion/criterion.h>

#include "agent_bodies.h"

#define SB_BODY(name)                                                                                                  \
    Test (shell, name, .timeout = 60)                                                                                  \
    {                                                                                                                  \
        const char *fault = sb_body_##name ();                                                                         \
        cr_assert (fault == NULL, "not so: %s", fault);                                                                \
    }

SB_BODIES
