/* SPDX-License-Identifier: MPL-2.0
 *
 * A small broker in virtual time, faithful in what a reader sees of it: publications with all their numbers, heads in
 * beats and answers to joins, bounded history in pages, snapshots in slices by credit whose topics come in parts,
 * HeartbeatAcks. Between it and the step under test stands a way that loses what it is told to lose. The application
 * behind the step keeps its own picture of what it is told; everything it must never see is asserted at once.
 */
#ifndef SB_SMALL_BROKER_H
#define SB_SMALL_BROKER_H

#include "agent_fixture.h"

enum {
    SMALL_CATEGORIES = 3, /* m, n: state; e: events */
    SMALL_TOPICS = 12,    /* of agents b and c, two subjects each */
    SMALL_NAMES = 5,
    SMALL_INTERVALS_MAX = 4,
    SMALL_PUBLICATIONS_MAX = 8192,
    SMALL_QUEUE_MAX = 16384
};

typedef struct {
    uint32_t topic;
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t topic_sequence;
    uint64_t agent_sequence;
    uint64_t epoch;
    uint32_t change_count; /* 0: the quality changed */
    uint32_t names[SMALL_NAMES];
    bool deletes[SMALL_NAMES];
    double numbers[SMALL_NAMES];
    sb_quality_t quality;
    bool is_wanted;
    bool was_lost;      /* does not come by the SUB, as it was wanted */
    uint32_t delivered; /* as news */
    uint32_t told;      /* by on_gap */
} small_publication_t;

typedef struct {
    bool is_there;
    double number;
    uint64_t sequence;
} small_field_t;

typedef struct {
    char name[16];
    uint32_t category;
    uint64_t sequence;
    uint64_t category_sequence;
    uint64_t topic_sequence;
    sb_quality_t quality;
    small_field_t fields[SMALL_NAMES];
    small_field_t seen[SMALL_NAMES]; /* the application's picture */
    sb_quality_t seen_quality;
    uint64_t news; /* sequence of the last news */
} small_topic_t;

typedef enum { SMALL_PUBLICATION, SMALL_BEAT, SMALL_JOIN } small_frame_kind_t;

/* On its way to the SUB. */
typedef struct {
    small_frame_kind_t kind;
    uint32_t publication;
    uint32_t interval_ms; /* of conflation; 0: none */
    uint64_t conflated_sequence;
    uint64_t sequence; /* heads of that moment */
    uint64_t heads[SMALL_CATEGORIES];
    uint64_t conflated_heads[SMALL_INTERVALS_MAX][SMALL_CATEGORIES];
    uint64_t losses; /* of that moment */
    uint64_t epoch;
    char join[64];
    uint32_t join_size;
} small_frame_t;

/* On its way to the DEALER. */
typedef struct {
    sb_broker_message_kind_t kind;
    uint64_t snapshot_id;
    sb_snapshot_topic_t topic; /* one topic a chunk */
    sb_snapshot_field_t fields[SMALL_NAMES];
    uint32_t number;
    sb_snapshot_end_t end;
    char command_id[64];
    sb_reason_t code;
    uint32_t first, count, category; /* of the history's page */
    uint64_t after, through, oldest;
    char prefix[24];
    bool is_evicted, is_last;
    uint64_t head_sequence;
    uint64_t head_category[SMALL_CATEGORIES];
    uint64_t losses; /* of that moment */
    uint64_t epoch;
} small_message_t;

typedef struct {
    sb_fixture_t f;
    uint64_t random;
    /* the broker */
    uint64_t stream_id, epoch, sequence;
    uint64_t heads[SMALL_CATEGORIES];
    uint64_t agent_heads[SMALL_CATEGORIES][2]; /* of c and b */
    sb_text_t merged[8];                       /* what is registered */
    const uint32_t *conflate_ms;
    uint32_t intervals_ms[SMALL_INTERVALS_MAX];
    uint32_t interval_count;
    uint64_t conflated_heads[SMALL_INTERVALS_MAX][SMALL_CATEGORIES];
    bool is_read_by_others;          /* what is conflated is counted on while the reader is cut off */
    uint32_t history_max;            /* publications a category */
    uint32_t page_max;               /* publications a page */
    uint32_t refuse_history_percent; /* answered TIMEOUT */
    uint32_t break_snapshot_percent; /* a chunk is left out */
    small_topic_t topics[SMALL_TOPICS];
    small_publication_t *publications;
    uint32_t publication_count;
    bool has_session;
    uint64_t snapshot_id; /* 0: none is under way */
    bool in_snapshot[SMALL_TOPICS];
    uint32_t walk_topic, walk_field, credit, chunks;
    uint64_t snapshot_fields, snapshot_hash;
    /* the way */
    bool is_subscribed, is_cut; /* cut: what is published meanwhile is lost */
    uint32_t loss_percent;
    uint64_t losses;        /* frames lost, and connections */
    uint64_t acked_losses;  /* of the last HeartbeatAck brought */
    uint64_t judged_losses; /* of the last beat brought behind such a HeartbeatAck */
    small_frame_t *frames;
    uint32_t first_frame, last_frame;
    const small_publication_t *brought; /* the one being brought; NULL: none */
    small_message_t *messages;
    uint32_t first_message, last_message;
    /* the application */
    bool is_current_once;
    uint64_t base; /* sequence when it was current first in this epoch */
    uint32_t unhandled;
    uint64_t gap_count;
    uint64_t lost_told; /* by on_gap, numbered */
    uint64_t recovered_lost, recovered_recovered, recoveries;
    uint64_t current_checks; /* times that small_broker_check_copy had something to look at */
    bool forgives_counts;    /* buffers overflow: how many were lost is told, not which */
} small_broker_t;

/* A broker with an agent that has `interests`; started, welcomed and subscribed by small_broker_run. */
small_broker_t *small_broker_new (uint64_t seed, const sb_text_t *interests, const uint32_t *conflate_ms,
                                  uint32_t interest_count);
void small_broker_start (small_broker_t *self);
void small_broker_destroy (small_broker_t *self);

uint32_t small_broker_below (small_broker_t *self, uint32_t below);

/* Publishes a random change of a random topic. */
void small_broker_publish (small_broker_t *self);
/* Publishes one number. */
void small_broker_write (small_broker_t *self, uint32_t topic, uint32_t name, double number);
/* Forgets nothing, but begins a new epoch: connections are lost. */
void small_broker_restart (small_broker_t *self);
void small_broker_beat (small_broker_t *self);
/* The SUB is connected anew, if it is not. */
void small_broker_subscribe (small_broker_t *self);
void small_broker_cut_sub (small_broker_t *self);
void small_broker_cut_session (small_broker_t *self);

/* Brings one frame, one message to the step; lets the application finish one publication. False: there was none. */
bool small_broker_bring_frame (small_broker_t *self);
bool small_broker_bring_message (small_broker_t *self);
bool small_broker_handle (small_broker_t *self);
/* Time passes: ticks, beats each second, slices of snapshots. */
void small_broker_pass (small_broker_t *self, uint32_t ms);

/* Brings and handles everything for so many seconds, or until the step is current and nothing is under way. */
void small_broker_heal (small_broker_t *self, uint32_t seconds);

/* Asserts that a copy that says it is current is the broker's state, unless there was a loss since which no beat came,
 * or something is under way. */
void small_broker_check_copy (small_broker_t *self, const char *what);

/* Asserts that copy, application and broker have the same picture, and that the counts add up. */
void small_broker_check (small_broker_t *self, const char *what);

sb_agent_counts_t small_broker_counts (const small_broker_t *self);

#endif
