/* SPDX-License-Identifier: MPL-2.0
 *
 * The broker's configuration: one table of keys (config_keys.def), filled in layers: defaults, file,
 * environment, flags; each layer overrides the one before. A list given by a layer replaces the list before it.
 *
 * Every function that reads from outside writes one line per problem to `problems` and returns how many there were; a
 * configuration with problems is to be thrown away. Nothing here changes a running broker.
 */
#ifndef SB_CONFIG_H
#define SB_CONFIG_H

#include "sb_core.h"

#include <stdio.h>

typedef enum { SB_LOG_PLAIN, SB_LOG_JSON } sb_log_format_t;

/* Entries of a list as written, in order. */
typedef struct {
    char **items;
    uint32_t *lines; /* of the configuration file; 0: from elsewhere */
    uint32_t count;
} sb_config_list_t;

/* All settings. Texts are never NULL. Owned by the configuration; read only for others. */
typedef struct sb_config {
    sb_core_config_t core; /* its arrays are set by sb_config_finish; version and endpoints by the reactor */
    char *file;            /* that was read last; NULL: none */
    char *ingress_endpoint;
    char *publish_endpoint;
    char *command_endpoint;
    char *advertise;        /* host for Welcome; may be empty */
    uint32_t receive_queue; /* messages */
    uint32_t agent_queue;   /* messages */
    uint32_t command_queue; /* messages */
    uint32_t io_threads;
    uint32_t busy_poll_us; /* 0: off */
    uint32_t backlog;      /* connections */
    uint32_t handshake_timeout_ms;
    uint32_t tcp_timeout_ms;
    uint32_t log_format; /* sb_log_format_t */
    uint32_t log_level;  /* sb_severity_t */
    uint32_t log_burst;  /* lines */
    uint32_t log_window_ms;
    char *log_file;        /* empty: standard error */
    char *audit_file;      /* after sb_config_finish never empty */
    char *state_directory; /* after sb_config_finish never empty */
    char *control_file;    /* after sb_config_finish never empty */
    char *ready_file;      /* empty: none */
    uint32_t linger_ms;
    sb_config_list_t history_list;
    sb_config_list_t expiry_list;
    sb_config_list_t rule_list;
    sb_config_list_t event_list;
    sb_config_list_t admitted_list;
} sb_config_t;

typedef enum {
    SB_CONFIG_INTEGER,
    SB_CONFIG_DURATION,       /* kept in ms */
    SB_CONFIG_SHORT_DURATION, /* kept in us */
    SB_CONFIG_BYTES,
    SB_CONFIG_CHOICE,
    SB_CONFIG_ENDPOINT,
    SB_CONFIG_TEXT,
    SB_CONFIG_LIST
} sb_config_type_t;

/* One row of the table. */
typedef struct {
    const char *path;
    sb_config_type_t type;
    const char *unit;
    uint64_t low;
    uint64_t high;
    const char *default_text;
    bool is_reloadable;
    size_t offset; /* of the member in sb_config_t */
    size_t size;   /* of the member */
    const char *prose;
} sb_config_key_t;

/* The rows in the order of the file; *count gets their number. */
const sb_config_key_t *sb_config_keys (uint32_t *count);

/* The row of that path, or NULL. */
const sb_config_key_t *sb_config_find (const char *path);

/* The row whose path is nearest to a misspelt one, or NULL when none is near. */
const sb_config_key_t *sb_config_nearest (const char *path);

/* A configuration of defaults; NULL when the system has no memory. */
sb_config_t *sb_config_new (void);
void sb_config_destroy (sb_config_t **self_p);

/* Sets one key from text. For a list: one entry; an empty one empties the list, else it is appended. Returns true, or
 * false with a sentence in `problem` (`size` octets); then nothing was changed. */
bool sb_config_set (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size);

/* The same for a layer that has one text for all: a list's entries are separated by commas and replace the list. */
bool sb_config_set_whole (sb_config_t *self, const sb_config_key_t *key, const char *value, char *problem, size_t size);

/* Takes every entry out of a list. */
void sb_config_list_clear (sb_config_list_t *self);

/* The value as it would stand in a file, for a list the entry at `index`. Returns `text`. */
const char *sb_config_format (const sb_config_t *self, const sb_config_key_t *key, uint32_t index, char *text,
                              size_t size);

/* Reads a ZPL file. Each problem names file and line. */
uint32_t sb_config_read_file (sb_config_t *self, const char *path, FILE *problems);

/* Reads SYNCBUS_… variables from `environment` (as environ). */
uint32_t sb_config_read_environment (sb_config_t *self, char *const *environment, FILE *problems);

/* The environment variable and the flag (without --) of a key; both return `name`. */
const char *sb_config_variable_name (const sb_config_key_t *key, char *name, size_t size);
const char *sb_config_flag_name (const sb_config_key_t *key, char *name, size_t size);

/* After the last layer: checks what concerns several keys, fills in empty paths, sets the core's arrays. */
uint32_t sb_config_finish (sb_config_t *self, FILE *problems);

/* Prints a commented file with every value, which reads back as the same configuration. */
void sb_config_print (const sb_config_t *self, FILE *file);

/* True when both have the same value of that key. */
bool sb_config_same (const sb_config_t *left, const sb_config_t *right, const sb_config_key_t *key);

#endif
