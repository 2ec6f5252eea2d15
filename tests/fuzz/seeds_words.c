/* SPDX-License-Identifier: MPL-2.0
 *
 * The dictionary: words that mean something to some reader. Commands, parameters, columns, counters, reasons,
 * configuration keys and layout keys come from their tables; the rest are names that tests and seeds use.
 */
#include "seeds.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sb_config.h"
#include "sb_layout.h"

enum { WORD_MAX = 60 };

static const char *const s_words[] = {
#define SB_COMMAND(name, target, role, changes, from_agent, help) #name,
#define SB_PARAMETER(command, name, kind, required, help)         #name,
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
#define SB_REASON(name, code, kind, failure, severity, text) #name,
#include "sb_reasons.def"
#undef SB_REASON
#define WORD(name, text, ...) text,
    SB_LAYOUT_KIND_TABLE (WORD) SB_ROLE_TABLE (WORD)
#undef WORD
        "market_data",
    "trades",
    "risk",
    "agent",
    "status",
    "confidence",
    "last_signal",
    "pnl",
    "system_health",
    "uncategorized",
    "_event",
    "~join.",
    "~conflated.100.",
    "16 MiB 1 h",
    "_health",
    "_control",
    "_beat",
    "all",
    "good",
    "a",
    "next",
    "pause",
    "resume",
    "restart",
    "market_data.good.s",
    "{\"changes\":{",
    "\"decimal\":",
    "\"base64\":",
    "null",
    "true",
    "\\u0041",
    "tcp://*:5571",
    "syncbus-control 1\n",
    "epoch ",
    "latch stopped=1 latch_epoch=1 since=1 issuer=a reason=b\n",
    "operator agent=a paused=1 isolated=0 by_agent=0 revision=1 since=1 issuer=a reason=b\n",
    "columns = ",
    "roles\n",
    "numbers\n",
    "unix_ms",
    "\x1f\x8b\x08",
    "\r\n",
    "%20",
    " KiB",
    " ms",
    " = "};

/* Prints a word, once, in libFuzzer's quotes. */
static void s_print (const char *word)
{
    size_t size = strlen (word);
    if (size == 0 || size > WORD_MAX)
        return;
    putchar ('"');
    for (size_t i = 0; i < size; i++) {
        unsigned char octet = (unsigned char)word[i];
        if (octet == '"' || octet == '\\' || !isprint (octet))
            printf ("\\x%02x", octet);
        else
            putchar (octet);
    }
    printf ("\"\n");
}

void seeds_words (void)
{
    const size_t count = sizeof s_words / sizeof *s_words;
    for (size_t i = 0; i < count; i++) {
        size_t first = 0;
        while (strcmp (s_words[first], s_words[i]) != 0)
            first++;
        if (first == i)
            s_print (s_words[i]);
    }
    uint32_t key_count;
    const sb_config_key_t *keys = sb_config_keys (&key_count);
    for (uint32_t i = 0; i < key_count; i++)
        s_print (strchr (keys[i].path, '/') + 1);
    for (uint32_t place = 0; sb_layout_key (place); place++)
        s_print (sb_layout_key (place));
}
