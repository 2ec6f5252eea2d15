/* SPDX-License-Identifier: MPL-2.0
 *
 * The syntax of names, topics and interests.
 *
 * Every name is a run of octets out of a class; the classes are bits of one
 * 256-octet table, so that a name is checked in one pass without branches on
 * ranges. UTF-8 is decoded by the table of lead octets of RFC 3629: the second
 * octet's range depends on the lead, which rules out overlong forms and
 * surrogates without computing the code point. All of it is O(octets).
 * Rejected: regular expressions, and isalnum (), which obeys the locale.
 */
#include "sb_names.h"

#include <assert.h>
#include <string.h>

enum {
    LOWER = 1,    /* a-z 0-9: begins a category */
    CATEGORY = 2, /* a-z 0-9 _ */
    NAME = 4,     /* A-Z a-z 0-9 _ : / - */
    DOT = 8       /* . */
};

#define UPPERS                                                                                                         \
    ['A'] = NAME, ['B'] = NAME, ['C'] = NAME, ['D'] = NAME, ['E'] = NAME, ['F'] = NAME, ['G'] = NAME, ['H'] = NAME,    \
    ['I'] = NAME, ['J'] = NAME, ['K'] = NAME, ['L'] = NAME, ['M'] = NAME, ['N'] = NAME, ['O'] = NAME, ['P'] = NAME,    \
    ['Q'] = NAME, ['R'] = NAME, ['S'] = NAME, ['T'] = NAME, ['U'] = NAME, ['V'] = NAME, ['W'] = NAME, ['X'] = NAME,    \
    ['Y'] = NAME, ['Z'] = NAME
#define ALL3 (LOWER | CATEGORY | NAME)
#define LOWERS                                                                                                         \
    ['a'] = ALL3, ['b'] = ALL3, ['c'] = ALL3, ['d'] = ALL3, ['e'] = ALL3, ['f'] = ALL3, ['g'] = ALL3, ['h'] = ALL3,    \
    ['i'] = ALL3, ['j'] = ALL3, ['k'] = ALL3, ['l'] = ALL3, ['m'] = ALL3, ['n'] = ALL3, ['o'] = ALL3, ['p'] = ALL3,    \
    ['q'] = ALL3, ['r'] = ALL3, ['s'] = ALL3, ['t'] = ALL3, ['u'] = ALL3, ['v'] = ALL3, ['w'] = ALL3, ['x'] = ALL3,    \
    ['y'] = ALL3, ['z'] = ALL3
#define DIGITS                                                                                                         \
    ['0'] = ALL3, ['1'] = ALL3, ['2'] = ALL3, ['3'] = ALL3, ['4'] = ALL3, ['5'] = ALL3, ['6'] = ALL3, ['7'] = ALL3,    \
    ['8'] = ALL3, ['9'] = ALL3

static const uint8_t s_class[256] = {
    UPPERS, LOWERS, DIGITS, ['_'] = CATEGORY | NAME, [':'] = NAME, ['/'] = NAME, ['-'] = NAME, ['.'] = DOT};

/* ------------------------------------------------------------------ texts */

sb_text_t sb_text (const char *string)
{
    if (!string)
        return (sb_text_t){NULL, 0};
    size_t size = strlen (string);
    assert (size <= UINT32_MAX);
    return (sb_text_t){string, (uint32_t)size};
}

bool sb_text_equal (sb_text_t left, sb_text_t right)
{
    return left.size == right.size && (left.size == 0 || memcmp (left.data, right.data, left.size) == 0);
}

bool sb_text_begins_with (sb_text_t text, sb_text_t prefix)
{
    return text.size >= prefix.size && (prefix.size == 0 || memcmp (text.data, prefix.data, prefix.size) == 0);
}

int sb_text_compare (sb_text_t left, sb_text_t right)
{
    uint32_t common = left.size < right.size ? left.size : right.size;
    int order = common ? memcmp (left.data, right.data, common) : 0;
    if (order != 0)
        return order;
    return (left.size > right.size) - (left.size < right.size);
}

/* One row for each range of lead octets above 0x7f. */
typedef struct {
    uint8_t lead_first, lead_last;     /* the first octet */
    uint8_t second_first, second_last; /* the second; any further ones are 0x80 to 0xbf */
    uint8_t size;                      /* octets in all */
} sb_utf8_row_t;

static const sb_utf8_row_t s_utf8[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Octets of the multi-octet character at `octets`; 0 when there is no valid one within `left` octets. */
static uint32_t s_utf8_size (const uint8_t *octets, uint32_t left)
{
    for (size_t i = 0; i < sizeof s_utf8 / sizeof s_utf8[0]; i++) {
        const sb_utf8_row_t *row = &s_utf8[i];
        if (octets[0] < row->lead_first || octets[0] > row->lead_last)
            continue;
        if (left < row->size || octets[1] < row->second_first || octets[1] > row->second_last)
            return 0;
        for (uint32_t n = 2; n < row->size; n++)
            if ((octets[n] & 0xc0) != 0x80)
                return 0;
        return row->size;
    }
    return 0;
}

/* Not 0 when one of the octets in `word` is 0 or above 0x7f. The borrow of the subtraction can make a good octet next
 * to a 0 look bad, never a bad one good. */
static inline uint64_t s_not_plain (uint64_t word)
{
    return (word | (word - UINT64_C (0x0101010101010101))) & UINT64_C (0x8080808080808080);
}

static inline uint64_t s_word (const uint8_t *octets)
{
    uint64_t word;
    memcpy (&word, octets, sizeof word);
    return word;
}

/* True when all octets are 0x01 to 0x7f: looked at eight by eight, the last eight maybe twice. */
static inline bool s_is_plain (const uint8_t *octets, uint32_t size)
{
    if (size < 8) {
        uint64_t word = UINT64_C (0x0101010101010101);
        for (uint32_t i = 0; i < size; i++)
            word = word << 8 | octets[i];
        return s_not_plain (word) == 0;
    }
    const uint8_t *last = octets + size - 8;
    uint64_t found = s_not_plain (s_word (last));
    for (; octets < last && !found; octets += 8)
        found = s_not_plain (s_word (octets));
    return found == 0;
}

bool sb_text_is_utf8 (sb_text_t text)
{
    const uint8_t *octets = (const uint8_t *)text.data;
    uint32_t at = 0;
    if (s_is_plain (octets, text.size))
        return true;
    while (at < text.size) {
        if (octets[at] < 0x80) {
            if (octets[at] == 0)
                return false;
            at++;
            continue;
        }
        uint32_t size = s_utf8_size (octets + at, text.size - at);
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}

/* ------------------------------------------------------------------ names */

static inline uint32_t s_common4 (const uint8_t *octets)
{
    return (uint32_t)s_class[octets[0]] & s_class[octets[1]] & s_class[octets[2]] & s_class[octets[3]];
}

/* The classes that all octets are of. Names are short and good: no octet is worth a branch of its own. */
static inline uint32_t s_common (sb_text_t text)
{
    const uint8_t *octets = (const uint8_t *)text.data;
    uint32_t common = LOWER | CATEGORY | NAME | DOT;
    if (text.size < 4) {
        for (uint32_t i = 0; i < text.size; i++)
            common &= s_class[octets[i]];
        return common;
    }
    const uint8_t *last = octets + text.size - 4; /* the last four may be looked at twice */
    for (; octets < last; octets += 4)
        common &= s_common4 (octets);
    return common & s_common4 (last);
}

/* True when all octets are of the class. */
static inline bool s_all (sb_text_t text, uint8_t class)
{
    return (s_common (text) & class) != 0;
}

static bool s_is_all_word (sb_text_t text)
{
    return text.size == 3 && memcmp (text.data, "all", 3) == 0;
}

bool sb_name_is_category (sb_text_t text)
{
    return text.size >= 1 && text.size <= SB_CATEGORY_MAX && (s_class[(uint8_t)text.data[0]] & LOWER) &&
           s_all (text, CATEGORY) && !s_is_all_word (text);
}

bool sb_name_is_agent_id (sb_text_t text)
{
    return text.size >= 1 && text.size <= SB_ID_MAX && text.data[0] != '_' && s_all (text, NAME);
}

bool sb_name_is_subject (sb_text_t text)
{
    return text.size <= SB_ID_MAX && s_all (text, NAME);
}

bool sb_name_is_field (sb_text_t text)
{
    if (text.size == 0 || text.size > SB_FIELD_NAME_MAX)
        return false;
    if (s_all (text, NAME))
        return true;
    char before = '.';
    for (uint32_t i = 0; i < text.size; i++) {
        char octet = text.data[i];
        if (octet == '.' ? before == '.' : !(s_class[(uint8_t)octet] & NAME))
            return false;
        before = octet;
    }
    return before != '.';
}

bool sb_name_is_command_id (sb_text_t text)
{
    if (text.size == 0 || text.size > SB_ID_MAX)
        return false;
    for (uint32_t i = 0; i < text.size; i++)
        if (text.data[i] != '.' && !(s_class[(uint8_t)text.data[i]] & NAME))
            return false;
    return true;
}

/* ------------------------------------------------------------------ topics */

/* The part of `text` before its first dot goes to *part and the rest after it to *rest; false without a dot. */
static bool s_cut (sb_text_t text, sb_text_t *part, sb_text_t *rest)
{
    const char *dot = text.size ? memchr (text.data, '.', text.size) : NULL;
    if (!dot) {
        *part = text;
        *rest = (sb_text_t){NULL, 0};
        return false;
    }
    part->data = text.data;
    part->size = (uint32_t)(dot - text.data);
    rest->data = dot + 1;
    rest->size = text.size - part->size - 1;
    return true;
}

/* A category of an agent, or one of the broker's own, which begin with _. */
static bool s_is_any_category (sb_text_t text)
{
    if (text.size >= 2 && text.size <= SB_CATEGORY_MAX && text.data[0] == '_')
        return s_all (text, CATEGORY);
    return sb_name_is_category (text);
}

bool sb_name_is_interest (sb_text_t text)
{
    if (s_is_all_word (text))
        return true;
    sb_text_t category, agent_id, rest;
    bool dotted = s_cut (text, &category, &rest);
    if (!s_is_any_category (category))
        return false;
    if (!dotted)
        return true;
    dotted = s_cut (rest, &agent_id, &rest);
    if (agent_id.size > SB_ID_MAX || !s_all (agent_id, NAME))
        return false;
    if (!dotted)
        return true;
    if (agent_id.size == 0 && category.data[0] != '_')
        return false; /* no topic of an agent lacks its id, the broker's levels do */
    return sb_name_is_subject (rest);
}

uint32_t sb_interest_prefix (sb_text_t interest, char *prefix)
{
    assert (interest.size <= SB_TOPIC_MAX);
    if (s_is_all_word (interest))
        return 0;
    if (interest.size == 0)
        return 0;
    memcpy (prefix, interest.data, interest.size);
    if (memchr (interest.data, '.', interest.size))
        return interest.size;
    prefix[interest.size] = '.';
    return interest.size + 1;
}

bool sb_prefix_matches (sb_text_t prefix, sb_text_t topic)
{
    if (prefix.size == 0)
        return topic.size > 0 && (s_class[(uint8_t)topic.data[0]] & LOWER);
    return sb_text_begins_with (topic, prefix);
}

bool sb_topic_split (sb_text_t topic, sb_text_t *category, sb_text_t *agent_id, sb_text_t *subject)
{
    sb_text_t rest;
    if (!s_cut (topic, category, &rest) || !s_cut (rest, agent_id, subject))
        return false;
    return subject->size == 0 || !memchr (subject->data, '.', subject->size);
}

bool sb_conflated_split (sb_text_t text, uint32_t *interval_ms, sb_text_t *rest)
{
    static const char word[] = "~conflated.";
    uint32_t at = sizeof word - 1, number = 0;
    if (text.size <= at || text.data[0] != word[0] || memcmp (text.data, word, at) != 0 || text.data[at] == '0')
        return false;
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9' && number <= SB_CONFLATION_MAX_MS; at++)
        number = number * 10 + (uint32_t)(text.data[at] - '0');
    if (number < SB_CONFLATION_MIN_MS || number > SB_CONFLATION_MAX_MS || at == text.size || text.data[at] != '.')
        return false;
    *interval_ms = number;
    *rest = (sb_text_t){text.data + at + 1, text.size - at - 1};
    return true;
}
