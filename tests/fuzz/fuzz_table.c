/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of targets, from fuzz_targets.def and from the table of commands, and what targets share.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_TARGET(name, most, what) void fuzz_##name (const fuzz_target_t *self, const uint8_t *data, size_t size);
#include "fuzz_targets.def"
#undef FUZZ_TARGET
void fuzz_command (const fuzz_target_t *self, const uint8_t *data, size_t size);

enum { COMMAND_INPUT_MAX = 4096 };

static const fuzz_target_t s_targets[] = {
#define FUZZ_TARGET(name, most, what) {#name, NULL, most, what, fuzz_##name},
#include "fuzz_targets.def"
#undef FUZZ_TARGET
#define SB_COMMAND(name, target, role, changes, from_agent, help)                                                      \
    {"command_" #name, #name, COMMAND_INPUT_MAX, "handler: " help, fuzz_command},
#define SB_PARAMETER(command, name, kind, required, help)
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
};

const fuzz_target_t *fuzz_targets (uint32_t *count)
{
    *count = sizeof s_targets / sizeof *s_targets;
    return s_targets;
}

const fuzz_target_t *fuzz_target_find (const char *name)
{
    uint32_t count;
    const fuzz_target_t *targets = fuzz_targets (&count);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp (targets[i].name, name) == 0)
            return &targets[i];
    }
    return NULL;
}

void fuzz_fail (const char *claim, const char *file, int line)
{
    fprintf (stderr, "%s:%d: this does not hold: %s\n", file, line, claim);
    abort ();
}

/* ------------------------------------------------------------------ inputs */

uint8_t fuzz_take_octet (fuzz_reader_t *reader)
{
    if (reader->size == 0)
        return 0;
    reader->size--;
    return *reader->data++;
}

uint16_t fuzz_take_number (fuzz_reader_t *reader)
{
    uint16_t low = fuzz_take_octet (reader);
    return (uint16_t)(low | fuzz_take_octet (reader) << 8);
}

uint8_t *fuzz_take_octets (fuzz_reader_t *reader, size_t *size)
{
    *size = fuzz_take_number (reader);
    if (*size > reader->size)
        *size = reader->size;
    uint8_t *octets = malloc (*size ? *size : 1);
    FUZZ_CLAIM (octets);
    if (*size)
        memcpy (octets, reader->data, *size);
    reader->data += *size;
    reader->size -= *size;
    return octets;
}

char *fuzz_text (const uint8_t *data, size_t size)
{
    char *text = malloc (size + 1);
    FUZZ_CLAIM (text);
    if (size)
        memcpy (text, data, size);
    text[size] = '\0';
    return text;
}

int fuzz_file (const uint8_t *data, size_t size, char *path, size_t path_size)
{
    int descriptor = memfd_create ("fuzz", MFD_CLOEXEC);
    FUZZ_CLAIM (descriptor >= 0);
    FUZZ_CLAIM (size == 0 || write (descriptor, data, size) == (ssize_t)size);
    snprintf (path, path_size, "/proc/self/fd/%d", descriptor);
    return descriptor;
}
