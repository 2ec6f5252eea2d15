/* SPDX-License-Identifier: MPL-2.0
 *
 * Finds a conflated subscription in the answer to a join.
 *
 * The answer has a text `conflation.<ms>` for each interval: prefixes with blanks between, `*` behind each but one that
 * was a topic and its NUL. The interval is compared as it is spelled, since it has one spelling only. One pass over the
 * text for each question. Rejected: to read the text into a set first; few subscriptions are looked for, once a join.
 */
#include "sb_conflated.h"

#include <string.h>

#include "sb_names.h"

/* Whether the word is how the answer writes that prefix. */
static bool s_is_word_of (sb_text_t word, sb_text_t prefix)
{
    bool is_topic = prefix.size > 1 && prefix.data[prefix.size - 1] == '\0';
    if (is_topic)
        return sb_text_equal (word, (sb_text_t){prefix.data, prefix.size - 1});
    return word.size == prefix.size + 1 && word.data[prefix.size] == '*' && sb_text_begins_with (word, prefix);
}

static bool s_names (sb_text_t text, sb_text_t prefix)
{
    for (uint32_t start = 0; start < text.size;) {
        const char *blank = memchr (text.data + start, ' ', text.size - start);
        uint32_t end = blank ? (uint32_t)(blank - text.data) : text.size;
        if (s_is_word_of ((sb_text_t){text.data + start, end - start}, prefix))
            return true;
        start = end + 1;
    }
    return false;
}

bool sb_conflated_is_in_force (const sb_publication_t *answer, sb_text_t subscription)
{
    const sb_text_t name = sb_text ("conflation.");
    uint32_t interval_ms;
    sb_text_t prefix;
    if (!sb_conflated_split (subscription, &interval_ms, &prefix))
        return false;
    uint32_t skipped = sb_text ("~conflated.").size;
    sb_text_t digits = {subscription.data + skipped, subscription.size - skipped - prefix.size - 1};
    for (uint32_t i = 0; i < answer->update_count; i++)
        for (uint32_t j = 0; j < answer->updates[i].change_count; j++) {
            const sb_change_t *change = &answer->updates[i].changes[j];
            if (change->is_delete || change->value.kind != SB_VALUE_TEXT || !sb_text_begins_with (change->name, name))
                continue;
            sb_text_t interval = {change->name.data + name.size, change->name.size - name.size};
            if (sb_text_equal (interval, digits) && s_names (change->value.text, prefix))
                return true;
        }
    return false;
}
