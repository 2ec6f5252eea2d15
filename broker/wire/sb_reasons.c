/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of reasons and the names of the schema's small enums.
 *
 * The rows come from schemas/sb_reasons.def in order of wire code; a second
 * table, indexed by wire code, finds a row in O(1). Codes between two rows
 * find row 0, the one of SB_REASON_NONE.
 */
#include "sb_reasons.h"

static const sb_reason_info_t s_rows[] = {
    {SB_REASON_NONE, "NONE", SB_REASON_KIND_NONE, false, SB_SEVERITY_DEBUG, "nothing was refused"},
#define SB_REASON(name, code, kind, failure, severity, text)                                                           \
    {SB_REASON_##name, #name, SB_REASON_KIND_##kind, (failure) != 0, SB_SEVERITY_##severity, text},
#include "sb_reasons.def"
#undef SB_REASON
};

enum {
    ROW_NONE,
#define SB_REASON(name, code, kind, failure, severity, text) ROW_##name,
#include "sb_reasons.def"
#undef SB_REASON
    ROW_COUNT
};

_Static_assert(ROW_COUNT <= UINT8_MAX, "a row's number fits an octet");

static const uint8_t s_row_of[SB_REASON_LIMIT] = {
#define SB_REASON(name, code, kind, failure, severity, text) [code] = ROW_##name,
#include "sb_reasons.def"
#undef SB_REASON
};

static const char *const s_breaker_states[] = {"CLOSED", "OPEN", "HALF_OPEN", "FORCED_OPEN"};
static const char *const s_qualities[] = {"UNKNOWN", "OK", "STALE", "FORCED_STALE"};
static const char *const s_causes[] = {"NONE",    "REPLACED",  "LOST",      "OFFLINE", "BREAKER", "PAUSED",
                                       "STOPPED", "FORGOTTEN", "RECOVERED", "EXPIRED", "SNAPSHOT"};

#define NAME_OF(names, number)                                                                                         \
    ((uint32_t)(number) < sizeof (names) / sizeof (names)[0] ? (names)[(uint32_t)(number)] : "?")

const sb_reason_info_t *sb_reason_info (sb_reason_t reason)
{
    uint32_t code = (uint32_t)reason;
    return &s_rows[code < SB_REASON_LIMIT ? s_row_of[code] : ROW_NONE];
}

const sb_reason_info_t *sb_reason_table (uint32_t *count)
{
    *count = ROW_COUNT;
    return s_rows;
}

const char *sb_breaker_state_name (sb_breaker_state_t state)
{
    return NAME_OF (s_breaker_states, state);
}

const char *sb_quality_name (sb_quality_t quality)
{
    return NAME_OF (s_qualities, quality);
}

const char *sb_cause_name (sb_cause_t cause)
{
    return NAME_OF (s_causes, cause);
}
