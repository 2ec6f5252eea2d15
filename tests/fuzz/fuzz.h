/* SPDX-License-Identifier: MPL-2.0
 *
 * Fuzz targets: each takes any octets, feeds them to one part of SyncBus, and aborts when the part does what
 * it must never do. Under libFuzzer (fuzz_main.c) inputs are made up; everywhere else (replay_main.c) the
 * inputs kept in corpus are run, so that what was found once is looked for in every build.
 *
 * An input of the stateful targets is a list of records: one octet that says what to do (low three bits) and
 * how (the upper five), and for some kinds 16 bits of size (little endian) and as many octets. So any octets are
 * a valid input, and cutting or joining inputs gives inputs.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_target fuzz_target_t;

/* A row of the table. */
struct fuzz_target {
    const char *name;
    const char *command; /* the command whose handler it is; NULL: another target */
    size_t size_max;     /* octets of an input */
    const char *what;
    void (*run) (const fuzz_target_t *self, const uint8_t *data, size_t size);
};

/* The rows; *count gets their number. */
const fuzz_target_t *fuzz_targets (uint32_t *count);

/* The row of that name, NULL when there is none. */
const fuzz_target_t *fuzz_target_find (const char *name);

/* Aborts with a line on standard error unless `claim` holds. Never compiled away. */
#define FUZZ_CLAIM(claim)                                                                                              \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            fuzz_fail (#claim, __FILE__, __LINE__);                                                                    \
    } while (0)
void fuzz_fail (const char *claim, const char *file, int line) __attribute__ ((noreturn));

/* An input being read. */
typedef struct {
    const uint8_t *data;
    size_t size; /* octets left */
} fuzz_reader_t;

/* The next octet, or the next two, 0 when there are no more. */
uint8_t fuzz_take_octet (fuzz_reader_t *reader);
uint16_t fuzz_take_number (fuzz_reader_t *reader);

/* A size and as many octets, fewer at the end of the input, on the heap in exactly their size (at least one octet is
 * allocated), so that a sanitizer sees the first octet read too far. To be freed. */
uint8_t *fuzz_take_octets (fuzz_reader_t *reader, size_t *size);

/* A copy on the heap with a NUL behind it. To be freed. */
char *fuzz_text (const uint8_t *data, size_t size);

/* A file that has these octets and no name: its path, and its descriptor, to be closed. */
int fuzz_file (const uint8_t *data, size_t size, char *path, size_t path_size);

#endif
