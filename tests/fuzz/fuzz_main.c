/* SPDX-License-Identifier: MPL-2.0
 *
 * The entry for libFuzzer. One program has every target; the name it is started by says which: fuzz_agent_message
 * is a link to it. A program for each target was rejected: some thirty times the same 15 MB.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const fuzz_target_t *s_target;

/* libFuzzer's names. */
int LLVMFuzzerInitialize (int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerInitialize (int *argument_count, char ***arguments)
{
    (void)argument_count;
    const char *slash = strrchr ((*arguments)[0], '/');
    const char *name = slash ? slash + 1 : (*arguments)[0];
    s_target = strncmp (name, "fuzz_", 5) == 0 ? fuzz_target_find (name + 5) : NULL;
    if (!s_target) {
        fprintf (stderr, "%s: start it by a name like fuzz_agent_message; script/fuzz --list shows the targets\n",
                 name);
        exit (2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    if (size <= s_target->size_max)
        s_target->run (s_target, data, size);
    return 0;
}
