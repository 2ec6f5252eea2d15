/* SPDX-License-Identifier: MPL-2.0
 *
 * Makes the seeds of all targets from valid samples, and the dictionary:
 *   fuzz_seeds corpus FOLDER    writes FOLDER/<target>/<label>-<hash of the content>
 *   fuzz_seeds dictionary       prints words for libFuzzer's -dict
 * The corpus is committed, since what a fuzzer found is kept there too; files of an unchanged maker keep their names.
 */
#include "seeds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sb_codec.h"

static const char *s_folder;

void seed_add (seed_t *self, const void *data, size_t size)
{
    FUZZ_CLAIM (size <= sizeof self->octets - self->size);
    if (size)
        memcpy (self->octets + self->size, data, size);
    self->size += size;
}

void seed_octet (seed_t *self, uint8_t octet)
{
    seed_add (self, &octet, 1);
}

void seed_number (seed_t *self, uint16_t number)
{
    seed_octet (self, (uint8_t)number);
    seed_octet (self, (uint8_t)(number >> 8));
}

void seed_text (seed_t *self, const char *text)
{
    seed_add (self, text, strlen (text));
}

void seed_record (seed_t *self, uint8_t record, uint8_t how)
{
    seed_octet (self, (uint8_t)(record | how << 3));
}

void seed_record_octets (seed_t *self, uint8_t record, uint8_t how, const void *data, size_t size)
{
    seed_record (self, record, how);
    seed_number (self, (uint16_t)size);
    seed_add (self, data, size);
}

/* A record with what an encoder made. */
#define SEED_MESSAGE(name, encode, type)                                                                               \
    void name (seed_t *self, uint8_t record, uint8_t how, const type *message)                                         \
    {                                                                                                                  \
        uint8_t octets[4096];                                                                                          \
        sb_encoding_t *encoding;                                                                                       \
        sb_arena_t *arena = sb_arena_new (1 << 20);                                                                    \
        size_t size = encode (arena, message, &encoding);                                                              \
        FUZZ_CLAIM (size > 0 && size <= sizeof octets);                                                                \
        sb_encoding_write (encoding, octets);                                                                          \
        seed_record_octets (self, record, how, octets, size);                                                          \
        sb_arena_destroy (&arena);                                                                                     \
    }

SEED_MESSAGE (seed_agent_message, sb_encode_agent_message, sb_agent_message_t)
SEED_MESSAGE (seed_broker_message, sb_encode_broker_message, sb_broker_message_t)
SEED_MESSAGE (seed_publication, sb_encode_publication, sb_publication_t)
SEED_MESSAGE (seed_request, sb_encode_command_request, sb_command_request_t)

static void s_make_folder (const char *path)
{
    FUZZ_CLAIM (mkdir (path, 0777) == 0 || errno == EEXIST);
}

void seed_save (seed_t *self, const char *target, const char *label)
{
    char path[1024];
    const fuzz_target_t *row = fuzz_target_find (target);
    FUZZ_CLAIM (row && self->size <= row->size_max);
    uint64_t hash = UINT64_C (0xcbf29ce484222325);
    for (size_t i = 0; i < self->size; i++)
        hash = (hash ^ self->octets[i]) * UINT64_C (0x100000001b3);
    snprintf (path, sizeof path, "%s/%s", s_folder, target);
    s_make_folder (path);
    snprintf (path, sizeof path, "%s/%s/%s-%016" PRIx64, s_folder, target, label, hash);
    FILE *file = fopen (path, "wb");
    FUZZ_CLAIM (file);
    FUZZ_CLAIM (fwrite (self->octets, 1, self->size, file) == self->size && fclose (file) == 0);
    self->size = 0;
}

int main (int argument_count, char **arguments)
{
    static seed_t seed;
    if (argument_count == 2 && strcmp (arguments[1], "dictionary") == 0) {
        seeds_words ();
        return 0;
    }
    if (argument_count != 3 || strcmp (arguments[1], "corpus") != 0) {
        fprintf (stderr, "usage: fuzz_seeds corpus FOLDER\n       fuzz_seeds dictionary\n");
        return 2;
    }
    s_folder = arguments[2];
    s_make_folder (s_folder);
    seeds_text (&seed);
    seeds_wire (&seed);
    seeds_play (&seed);
    return 0;
}
