/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs every body in one process, without Criterion, so that ThreadSanitizer can watch. Its suppressions (tsan.supp)
 * are set from ctest.
 */
#include <stdio.h>

#include "agent_bodies.h"

#define SB_BODY(name) {#name, sb_body_##name},

int main (void)
{
    static const struct {
        const char *name;
        const char *(*run) (void);
    } bodies[] = {SB_BODIES};
    int failed = 0;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        const char *fault = bodies[i].run ();
        printf ("%s %s%s%s\n", fault ? "FAIL" : "ok  ", bodies[i].name, fault ? ": " : "", fault ? fault : "");
        fflush (stdout);
        failed += fault != NULL;
    }
    return failed != 0;
}
