/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line of syncbus-market, an argument in each line of the input: a refusal comes with a sentence, what was
 * accepted has something to do. A file of its own, since programs' options bear the same names.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "agents/market/sb_options.h"

enum { WORDS_MAX = 64, ERROR_OCTETS = 512 };

void fuzz_market_options (const fuzz_target_t *self, const uint8_t *data, size_t size);
void fuzz_market_options (const fuzz_target_t *self, const uint8_t *data, size_t size)
{
    (void)self;
    char *words[WORDS_MAX + 2] = {(char *)"syncbus-market"}, *text = fuzz_text (data, size), *rest = text;
    int count = 1;
    while (rest && count <= WORDS_MAX)
        words[count++] = strsep (&rest, "\n");
    words[count] = NULL;
    char error[ERROR_OCTETS] = "";
    sb_options_t options;
    if (!sb_options_parse (&options, count, words, error, sizeof error))
        FUZZ_CLAIM (error[0]);
    free (text);
}
