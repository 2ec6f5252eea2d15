/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs kept inputs through a target, in any build: sb_fuzz_replay TARGET [FILE or folder]..., sb_fuzz_replay --list.
 * Each file is named before it is run, so that the last line before a crash says which it was. A folder without
 * inputs is an error: a corpus that was lost must not pass for one that holds.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20 };

/* False: it cannot be read. */
static bool s_run_file (const fuzz_target_t *target, const char *path)
{
    printf ("%s\n", path);
    fflush (stdout);
    FILE *file = fopen (path, "rb");
    if (!file) {
        perror (path);
        return false;
    }
    uint8_t *room = malloc (INPUT_MAX);
    FUZZ_CLAIM (room);
    size_t size = fread (room, 1, INPUT_MAX, file);
    fclose (file);
    uint8_t *data = realloc (room, size ? size : 1); /* exactly its size: a sanitizer guards its end */
    FUZZ_CLAIM (data);
    if (size <= target->size_max)
        target->run (target, data, size);
    free (data);
    return true;
}

/* How many inputs it ran; -1: one could not be read. */
static int s_run_path (const fuzz_target_t *target, const char *path)
{
    struct stat status;
    if (stat (path, &status) != 0 || !S_ISDIR (status.st_mode))
        return s_run_file (target, path) ? 1 : -1;
    struct dirent **entries;
    int entry_count = scandir (path, &entries, NULL, alphasort);
    int ran = 0;
    for (int i = 0; i < entry_count; i++) {
        char *name = NULL;
        if (entries[i]->d_name[0] != '.' && ran >= 0) {
            FUZZ_CLAIM (asprintf (&name, "%s/%s", path, entries[i]->d_name) > 0);
            ran = s_run_file (target, name) ? ran + 1 : -1;
            free (name);
        }
        free (entries[i]);
    }
    if (entry_count >= 0)
        free (entries);
    return ran;
}

static int s_list (void)
{
    uint32_t count;
    const fuzz_target_t *targets = fuzz_targets (&count);
    for (uint32_t i = 0; i < count; i++)
        printf ("%-24s %s\n", targets[i].name, targets[i].what);
    return 0;
}

int main (int argument_count, char **arguments)
{
    if (argument_count == 2 && strcmp (arguments[1], "--list") == 0)
        return s_list ();
    const fuzz_target_t *target = argument_count > 1 ? fuzz_target_find (arguments[1]) : NULL;
    if (!target || argument_count < 3) {
        fprintf (stderr, "usage: sb_fuzz_replay TARGET FILE-OR-FOLDER...\n       sb_fuzz_replay --list\n");
        return 2;
    }
    int total = 0;
    for (int i = 2; i < argument_count; i++) {
        int ran = s_run_path (target, arguments[i]);
        if (ran <= 0) {
            fprintf (stderr, "%s: no input could be read there\n", arguments[i]);
            return 1;
        }
        total += ran;
    }
    printf ("%s: %d inputs, nothing found\n", target->name, total);
    return 0;
}
