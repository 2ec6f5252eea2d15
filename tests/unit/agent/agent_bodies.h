/* SPDX-License-Identifier: MPL-2.0
 *
 * What the client's threads must do, as plain functions: run by Criterion one process each, and by agent_threads in one
 * process under ThreadSanitizer, which does not work under Criterion.
 */
#ifndef SB_AGENT_BODIES_H
#define SB_AGENT_BODIES_H

/* Each returns NULL when all is well, else what was not. */
const char *sb_body_many_threads_update_and_one_reads (void);
const char *sb_body_dispatch_by_caller (void);
const char *sb_body_broker_forgets_while_updates_pour_in (void);
const char *sb_body_acks_are_given_to_the_application (void);
const char *sb_body_commands_from_many_threads (void);
const char *sb_body_full_window_waits_then_says_so (void);
const char *sb_body_destroy_while_connecting (void);
const char *sb_body_memory_is_bounded (void);
const char *sb_body_an_empty_copy_can_be_read (void);
const char *sb_body_bad_options_are_refused (void);

/* SB_BODY (name) for each. */
#define SB_BODIES                                                                                                      \
    SB_BODY (many_threads_update_and_one_reads)                                                                        \
    SB_BODY (dispatch_by_caller)                                                                                       \
    SB_BODY (broker_forgets_while_updates_pour_in)                                                                     \
    SB_BODY (acks_are_given_to_the_application)                                                                        \
    SB_BODY (commands_from_many_threads)                                                                               \
    SB_BODY (full_window_waits_then_says_so)                                                                           \
    SB_BODY (destroy_while_connecting)                                                                                 \
    SB_BODY (memory_is_bounded)                                                                                        \
    SB_BODY (an_empty_copy_can_be_read)                                                                                \
    SB_BODY (bad_options_are_refused)

#endif
