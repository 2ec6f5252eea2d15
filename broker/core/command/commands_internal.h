/* SPDX-License-Identifier: MPL-2.0
 *
 * What the files of the command side share: the table's rows, a call on its way through a handler, records.
 */
#ifndef SB_COMMANDS_INTERNAL_H
#define SB_COMMANDS_INTERNAL_H

#include "control_internal.h"

typedef enum {
#define SB_COMMAND(name, target, role, changes, from_agent, help) SB_COMMAND_##name,
#define SB_PARAMETER(command, name, kind, required, help)
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER
    SB_COMMAND_COUNT /* number of commands */
} sb_command_t;

typedef enum { SB_TARGET_NONE, SB_TARGET_AGENT } sb_target_t;
typedef enum { SB_ROLE_VIEWER, SB_ROLE_OPERATOR, SB_ROLE_ADMIN } sb_role_t;
typedef enum { SB_KIND_INTEGER, SB_KIND_NUMBER, SB_KIND_TEXT, SB_KIND_BOOLEAN, SB_KIND_ANY } sb_parameter_kind_t;

/* How a handler ended. */
typedef enum {
    SB_CALL_ANSWERED,    /* the reply is whole */
    SB_CALL_WAITS_STORE, /* SB_EFFECT_STORE was emitted; sb_commands_stored makes the reply */
    SB_CALL_WAITS_AGENT, /* it is in the pending table */
    SB_CALL_WAITS_WALK   /* a walk over the state makes the reply, in slices */
} sb_call_end_t;

typedef struct sb_call sb_call_t;

/* A command's row. */
typedef struct {
    const char *name;
    sb_target_t target;
    sb_role_t role;
    bool changes;
    bool from_agent;
    void (*handle) (sb_core_t *core, sb_call_t *call);
} sb_command_info_t;

/* A parameter's row. */
typedef struct {
    sb_command_t command;
    const char *name; /* "*": any further ones */
    sb_parameter_kind_t kind;
    bool is_required;
} sb_parameter_info_t;

/* One command on its way: filled by the dispatcher, then by the handler. */
struct sb_call {
    sb_command_t command;
    const sb_command_info_t *info;
    const sb_command_request_t *request; /* valid during the step */
    sb_asker_t asker;
    sb_text_t issuer; /* the request's, or the agent's id */
    bool by_agent;
    uint64_t scope;           /* of the command id: see sb_reply_entry_t */
    sb_agent_record_t *agent; /* the target; NULL: none */
    uint32_t memory;          /* slot in the reply memory; 0: none */
    sb_text_t before;         /* for the audit: a static text or one in scratch memory */
    sb_text_t after;
    bool is_changed; /* SB_CALL_WAITS_STORE: something became different */
    sb_call_end_t end;
    sb_command_reply_t reply; /* what it points to is in scratch memory */
    sb_record_t *records;     /* reply.records while they are being made */
    uint32_t record_capacity;
};

/* A record being filled, column by column, in the order of sb_columns.def. */
typedef struct {
    sb_command_t command;
    uint32_t place;    /* row of sb_columns.def that is looked at next */
    uint32_t count;    /* columns set */
    uint32_t capacity; /* columns that there is room for */
    sb_parameter_t *columns;
    sb_record_t *record;
} sb_row_t;

/* One file's worth of handlers each; what they do stands in sb_commands.def. */
#define SB_COMMAND(name, target, role, changes, from_agent, help)                                                      \
    void sb_handle_##name (sb_core_t *core, sb_call_t *call);
#define SB_PARAMETER(command, name, kind, required, help)
#include "sb_commands.def"
#undef SB_COMMAND
#undef SB_PARAMETER

/* The rows (commands_check.c). */
const sb_command_info_t *sb_command_info (sb_command_t command);

/* SB_COMMAND_COUNT when there is no such command. */
sb_command_t sb_command_find (sb_text_t name);

/* Form of a request, before anything is looked up: NONE, PROTOCOL_VERSION, BAD_REQUEST; *detail says what. */
sb_reason_t sb_command_check_form (const sb_command_request_t *request, sb_text_t *detail);

/* Right, target, parameters, reason and expiry of a call: NONE or the first that fails; sets call->agent; *detail says
 * what. */
sb_reason_t sb_command_check (sb_core_t *core, sb_call_t *call, sb_text_t *detail);

/* The parameter of that name, or NULL. */
const sb_parameter_t *sb_command_parameter (const sb_call_t *call, const char *name);

/* An INTEGER parameter, or `otherwise` when it is not given; the empty text likewise. */
uint64_t sb_command_integer (const sb_call_t *call, const char *name, uint64_t otherwise);
sb_text_t sb_command_text (const sb_call_t *call, const char *name);

/* Makes the reply a refusal: the reason's text, and `detail` before it unless empty. */
void sb_call_refuse (sb_core_t *core, sb_call_t *call, sb_reason_t reason, sb_text_t detail);

/* Room for `count` records (commands_reply.c). Before the first sb_call_row. */
void sb_call_reserve (sb_core_t *core, sb_call_t *call, uint32_t count);

/* Begins the next record, with room for all columns of its command and `more`. */
sb_row_t sb_call_row (sb_core_t *core, sb_call_t *call, uint32_t more);

/* Each sets a column; asserts that the table has it, with that kind, and not before the one set last. Texts are
 * borrowed: static, in scratch memory, or living until the next step. */
void sb_row_text (sb_row_t *row, const char *name, sb_text_t text);
void sb_row_integer (sb_row_t *row, const char *name, uint64_t integer);
void sb_row_unix_ns (sb_row_t *row, const char *name, int64_t unix_ns);
void sb_row_number (sb_row_t *row, const char *name, double number);
void sb_row_boolean (sb_row_t *row, const char *name, bool boolean);
void sb_row_any (sb_row_t *row, const char *name, const sb_value_t *value);

/* Adds a column beyond the table: counters, an agent's own values. */
void sb_row_add (sb_row_t *row, sb_text_t name, const sb_value_t *value);

/* Adds a column for each counter. */
void sb_row_counters (sb_core_t *core, sb_row_t *row);

/* A list of texts, joined by spaces, in scratch memory. */
sb_text_t sb_join (sb_core_t *core, const sb_text_t *texts, uint32_t count);

/* Where a page begins. */
typedef struct {
    bool is_continued; /* a cursor was given */
    uint64_t position; /* what it was given by the page before; 0 without */
    uint64_t left;     /* the same */
} sb_place_t;

enum { SB_CURSOR_NUMBERS = 4 }; /* of a cursor at most */

/* Reads `cursor`, which holds `count` numbers, and `limit`; *is_continued: a cursor was given. False after a refusal:
 * BAD_PARAMETER, BAD_CURSOR. */
bool sb_call_cursor (sb_core_t *core, sb_call_t *call, uint64_t *numbers, uint32_t count, bool *is_continued,
                     uint32_t *limit);

/* Sets the reply's cursor of the next page to `count` numbers, at most SB_CURSOR_NUMBERS. */
void sb_call_next_numbers (sb_core_t *core, sb_call_t *call, const uint64_t *numbers, uint32_t count);

/* The two for a cursor of a place. Reads `cursor` and `limit`. False after a refusal: BAD_PARAMETER, BAD_CURSOR. */
bool sb_call_page (sb_core_t *core, sb_call_t *call, sb_place_t *place, uint32_t *limit);

/* Sets the reply's cursor of the next page. */
void sb_call_next_cursor (sb_core_t *core, sb_call_t *call, uint64_t position, uint64_t left);

/* Refuses with BAD_PARAMETER, naming it; always false (commands_state.c). */
bool sb_call_refuse_parameter (sb_core_t *core, sb_call_t *call, const char *name);

/* Reads category, agent and subject. False after a refusal: BAD_PARAMETER (commands_state.c). */
bool sb_call_topic_filter (sb_core_t *core, sb_call_t *call, sb_topic_filter_t *filter);

/* Octets that the items of a page may have: an agent takes no message beyond max_message_bytes. */
size_t sb_call_page_bytes (const sb_core_t *core, const sb_call_t *call);

/* Sends a reply to one asker (commands.c); an agent whose session is over gets none. */
void sb_command_answer (sb_core_t *core, const sb_asker_t *asker, sb_command_reply_t *reply);

/* A reply to everybody who waits for the command of that slot, which is then remembered, unless it is TOO_MANY_PENDING.
 */
void sb_command_finish (sb_core_t *core, uint32_t memory, sb_command_reply_t *reply);

/* The audit line of a call, and the event of one that changes something about an agent. */
void sb_command_audit (sb_core_t *core, const sb_call_t *call);

/* The reply of a stored call is whole: to all who wait, and remembered. */
void sb_call_reply_stored (sb_core_t *core, sb_call_t *call);

/* The control state was stored: makes the reply, then tells the agents (commands_stop.c, commands_operate.c). */
void sb_command_stored_latch (sb_core_t *core, sb_call_t *call);
void sb_command_stored_agent (sb_core_t *core, sb_call_t *call);

/* The facts of `_health..` and of `_health.<agent>.`, for the level, for get_state, for `health` (health.c): *count of
 * them, in scratch memory. */
const sb_change_t *sb_health_facts (sb_core_t *core, uint32_t *count);
const sb_change_t *sb_health_agent_facts (sb_core_t *core, const sb_agent_record_t *agent, uint32_t *count);

#endif
