/* SPDX-License-Identifier: MPL-2.0
 *
 * The inside of reception, shared by its files and nobody else:
 *   agent_reception.c  who wants a publication, is one missing before it, positions
 *   agent_scope.c      what is subscribed to, and the numbers without holes in it
 *   agent_watch.c      categories, what waits in them, which losses were told
 *   agent_join.c       the SUB's connection, joins, beats, judging the heads
 *   agent_recovery.c   what is repaired next, by history, and what waited after it
 *   agent_snapshot.c   snapshots
 *
 * A category whose `need` is not NOTHING is stale: what comes of it waits in its buffer. `everything` is stale while
 * no join is answered and until the first snapshot is whole. One repair at a time; all of it bounded.
 */
#ifndef SB_AGENT_RECOVERY_H
#define SB_AGENT_RECOVERY_H

#include "agent_copy.h"
#include "agent_step_private.h"
#include "agent_table.h"

enum {
    SB_JOIN_ANSWER_MS = 2000,         /* then another nonce */
    SB_RECOVERY_ANSWER_MS = 5000,     /* for a page of history, a chunk, and what SnapshotEnd said is published */
    SB_RECOVERY_RETRY_MIN_MS = 100,   /* between attempts, doubled */
    SB_RECOVERY_RETRY_MAX_MS = 10000, /* up to this */
    SB_RECOVERY_PAGE = 200,           /* publications of a page of history */
    SB_RECOVERY_SLICE = 64,           /* publications taken out of a buffer in one event */
    SB_RECOVERY_CREDIT = 8,           /* chunks under way when nobody's handler has to keep up */
    SB_WATCHES_MAX = 513              /* categories, as many as a broker has, and _event; others are unwatched */
};

/* What a category needs; each includes those before it. */
typedef enum { SB_NEED_NOTHING, SB_NEED_BUFFER, SB_NEED_HISTORY, SB_NEED_SNAPSHOT } sb_need_t;

typedef enum {
    SB_RECOVERY_IDLE,
    SB_RECOVERY_HISTORY,  /* a page was asked for, or waits for room */
    SB_RECOVERY_SNAPSHOT, /* chunks come */
    SB_RECOVERY_CATCH_UP, /* whole, but the SUB has not brought all that was published before its end */
    SB_RECOVERY_BUFFER    /* what waited is delivered */
} sb_recovery_phase_t;

/* A publication that waits. */
typedef struct sb_waiting {
    struct sb_waiting *next;
    size_t size;
    sb_publication_t publication;
} sb_waiting_t;

/* What is known of one topic of a stale category: which publications came or were told as lost. */
typedef struct sb_noted {
    sb_chained_t chained;
    struct sb_noted *next;      /* of its watch */
    uint64_t from;              /* topic sequence: from here on */
    uint64_t through;           /* up to here each came or was told as lost */
    uint64_t sequence;          /* of the last that came, or the head as this was made */
    uint64_t delivered;         /* head as this was made: events above it were not delivered yet */
    uint64_t snapshot_through;  /* topic sequence that the snapshot's last part gave; 0: none did */
    uint64_t snapshot_sequence; /* and its publication's */
    uint64_t snapshot_id;       /* of the snapshot that named it last */
    uint64_t found_first;       /* losses found in the page at hand, to be told; 0: none */
    uint64_t found_last;
    bool is_split;           /* the snapshot's parts had different heads: the first one's follows */
    uint64_t split_sequence; /* applied through this publication */
    uint64_t split_through;  /* its topic sequence */
    uint64_t split_category; /* its category sequence */
    uint32_t topic_size;
    char topic[];
} sb_noted_t;

/* What numbers a scope. */
typedef enum {
    SB_SCOPE_CATEGORY, /* category_sequence; only where no interest covers it whole */
    SB_SCOPE_AGENT,    /* agent_sequence */
    SB_SCOPE_CONFLATED /* conflated_sequence */
} sb_scope_kind_t;

/* Something that is subscribed to, and numbered without holes. */
typedef struct {
    sb_scope_kind_t kind;
    uint32_t interval_ms;   /* CONFLATED: its interval; else 0 */
    sb_text_t prefix;       /* AGENT: category and agent, with both dots; borrowed from the step */
    bool is_based;          /* `seen` is not above what the last snapshot has */
    uint64_t seen;          /* the last number that is known to have gone past the SUB */
    uint64_t seen_sequence; /* AGENT: its sequence: an agent whose record was given up is counted anew */
    uint64_t seen_category; /* the highest category sequence of those that came */
    uint64_t first;         /* AGENT: the first number that came before there was a base; 0: none */
    uint64_t first_sequence;
    uint64_t told;         /* CONFLATED: by the beat, or the answer to a join, that is being judged */
    uint64_t hole_after;   /* category sequences: something between them is missing */
    uint64_t hole_through; /* 0: nothing is */
    uint64_t hole_number;  /* of the request that was the last as that was seen: a later snapshot makes it good */
} sb_scope_t;

/* A category that something was heard of. */
typedef struct {
    char name[SB_CATEGORY_MAX + 3]; /* with its dot */
    uint32_t size;                  /* octets of that */
    sb_chained_t chained;
    bool is_whole;         /* an unconflated interest covers it: judged by `verified`, it has no scopes */
    bool is_covered;       /* some interest covers it */
    bool is_conflated;     /* some of it is, no unconflated interest covers it, and it is state */
    bool is_event;         /* of events: never conflated, never delivered as a snapshot's difference */
    uint32_t conflated_ms; /* the longest time that a publication of it may be held back */
    sb_need_t need;
    uint64_t verified; /* category sequence: nothing is missing up to here; unless it is_whole: a snapshot has it */
    uint64_t passed;   /* the highest that is known to have gone past the SUB */
    uint64_t after;    /* a repair by history begins behind this */
    uint64_t covered;  /* sequence: a topic of up to here that the last snapshot does not have is gone */
    sb_scope_t *scopes;
    uint32_t scope_count;
    /* the present episode */
    sb_scope_t *repaired;   /* the scope whose hole the repair is for; NULL: none, or all */
    bool is_lossy;          /* a number is missing, or was */
    bool is_told;           /* a gap of it was */
    bool is_by_snapshot;    /* a snapshot was needed */
    uint64_t tried_through; /* history was read up to here */
    uint64_t lost;
    uint64_t recovered;
    sb_waiting_t *first, *last;
    size_t waiting_bytes;
    sb_noted_t *noted;
} sb_watch_t;

struct sb_reception {
    sb_copy_t *copy;
    uint64_t stream_id; /* that copy, watches and positions are of */
    uint64_t epoch;
    bool has_base; /* a snapshot of everything was taken of it */
    /* positions */
    sb_position_t positions[SB_INTERESTS_MAX];
    uint32_t position_count;
    /* categories */
    sb_watch_t *watches[SB_WATCHES_MAX];
    uint32_t watch_count;
    uint64_t seed;    /* of the two tables */
    sb_table_t named; /* the same, by name */
    sb_table_t noted; /* by topic, of all of them */
    size_t waiting_bytes;
    sb_waiting_t *taken; /* delivered by the effects of this event: freed at the next */
    /* join */
    bool is_subscribed;
    bool is_answered;
    bool tells_join;          /* RECOVERED of everything is due */
    bool is_join_by_snapshot; /* a snapshot was needed for it */
    char join_prefix[48];
    uint32_t join_prefix_size; /* 0: none was asked for */
    uint64_t join_at_ns;       /* the answer is due; UINT64_MAX: none is waited for */
    uint64_t sub_sequence;     /* the highest that is known to have gone past the SUB */
    uint64_t told_sequence;    /* of the last beat or answer, which tell of what is conflated too */
    bool wants_heads;          /* the heads in HeartbeatAck shall be asked for: something may have been missed */
    uint32_t unheard_beats;    /* until what was published before the registration has surely gone past the SUB */
    uint32_t awaited_heads;    /* HeartbeatAcks until they are there; 0: none is waited for */
    /* what is under way */
    sb_recovery_phase_t phase;
    sb_watch_t *active; /* NULL: everything */
    bool is_awaited;    /* an answer is */
    uint64_t deadline_ns;
    uint64_t retry_at_ns;
    uint32_t retry_ms;
    uint64_t number; /* of requests for history, and of snapshots */
    uint64_t through;
    char cursor[160];
    uint32_t cursor_size;
    sb_waiting_t *compared; /* history has come up to this one that waits */
    uint32_t next_chunk;
    uint32_t credit; /* chunks that may still come */
    uint64_t field_count;
    uint64_t field_hash;
    uint64_t end_sequence;
    uint64_t covered;                  /* sub_sequence when it was asked for: all up to here is in it */
    char part_topic[SB_TOPIC_MAX + 1]; /* the last topic of the snapshot: it may go on in the next chunk */
    uint32_t part_size;
    sb_copy_head_t part_head; /* that its first part gave */
};

/* ---- agent_reception.c */

typedef enum { SB_TAKEN, SB_TAKEN_BEFORE, SB_MISSING, SB_NO_ROOM } sb_taken_t;

/* Takes a numbered publication over and delivers it, unless something is missing before it, or there is no room; then
 * *after gets the category sequence behind which the repair has to begin. */
sb_taken_t sb_reception_take (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication,
                              bool has_room, uint64_t *after);
/* Passes over a publication that changes nothing any more. */
void sb_reception_skip (sb_watch_t *watch, const sb_publication_t *publication);
/* Delivers a publication that is in the copy; it lives as long as the effects. */
void sb_reception_deliver (sb_agent_step_t *self, const sb_publication_t *publication);
/* Publications that the handler's queue has room for. */
uint32_t sb_reception_room (const sb_agent_step_t *self);
/* The same, 0 while it is better to wait for more. */
uint32_t sb_reception_good_room (const sb_agent_step_t *self);
/* True when some interest asks for that topic. *interval_ms gets how it is conflated, 0: not. */
bool sb_reception_wants (const sb_agent_step_t *self, sb_text_t topic, uint32_t *interval_ms);
/* How far a topic is known: sequence and topic sequence of the last one applied. False: not at all. */
bool sb_reception_known (const sb_reception_t *self, sb_text_t topic, uint64_t *sequence, uint64_t *topic_sequence,
                         uint64_t *category_sequence);

/* ---- agent_scope.c */

/* The scopes of a category whose is_whole and so on are known, in place of those that it has. False without memory,
 * which only the first time can be. */
bool sb_scope_make (sb_agent_step_t *self, sb_watch_t *watch);
/* How it is read has changed: classifies it and makes its scopes anew. What may have been missed since the last one
 * that came will be looked for: events in history, state in a snapshot. No repair may be under way. */
void sb_scope_change (sb_agent_step_t *self, sb_watch_t *watch);
/* The scope that numbers what comes of a topic at that interval (0: unconflated); NULL: none does. */
sb_scope_t *sb_scope_of (const sb_watch_t *watch, sb_text_t topic, uint32_t interval_ms);
/* Another stream: numbers begin anew. */
void sb_scope_forget (sb_watch_t *watch);
/* A publication of the scope came, wanted or not: a hole before it is noted, to be repaired. */
void sb_scope_arrived (sb_agent_step_t *self, sb_watch_t *watch, sb_scope_t *scope,
                       const sb_publication_t *publication);
/* A snapshot's first part came: the heads that HeartbeatAck gave before it are the bases of agents' parts. */
void sb_scope_base (sb_agent_step_t *self, sb_watch_t *watch);
/* Judges agents' parts by the heads in HeartbeatAck, once a beat of their time has come. */
void sb_scope_judge_parts (sb_agent_step_t *self, uint64_t beat_sequence);
/* The broker has heads of prefixes cut inside a name only from the registration on: reads what came before that. */
void sb_scope_read_unheard (sb_agent_step_t *self);
/* Those heads came after a join: where they are ahead of what came something may have been missed. */
void sb_scope_missed (sb_agent_step_t *self);
/* A category's head, in a beat or an answer; is_base: it is where the numbers begin. */
void sb_scope_category_head (sb_agent_step_t *self, sb_watch_t *watch, uint64_t head, bool is_base);
/* A conflated category's: judged when all were given, as it is 0 where it is not named. */
void sb_scope_conflated_head (sb_watch_t *watch, uint32_t interval_ms, uint64_t head);
/* All heads of an answer were given. */
void sb_scope_joined (sb_agent_step_t *self);
/* All heads of a beat were. False when the broker has counted less than came: it began anew, so the subscription was
 * gone for a moment. */
bool sb_scope_beat (sb_agent_step_t *self);
/* The hole that begins first; NULL: none. */
sb_scope_t *sb_scope_with_hole (const sb_watch_t *watch);
/* Asks for its repair. */
void sb_scope_repair (sb_watch_t *watch, sb_scope_t *scope);
/* A publication of a page of history, which has all of the scope that is repaired. */
void sb_scope_read (const sb_watch_t *watch, const sb_publication_t *publication);
/* That history was read up to there; a snapshot with that number was taken: holes are made good. */
void sb_scope_history_read (sb_watch_t *watch, uint64_t through);
void sb_scope_snapshot_taken (sb_watch_t *watch, uint64_t number);

/* ---- agent_watch.c */

/* The category of a topic, or one named without its dot; made when it is new and wanted. NULL: not wanted, no room. */
sb_watch_t *sb_watch_of_topic (sb_agent_step_t *self, sb_text_t topic);
sb_watch_t *sb_watch_of_name (sb_agent_step_t *self, sb_text_t category);
/* What stands in `is_whole` and so on, from the interests and event categories of now. False when no interest asks for
 * anything in it. */
bool sb_watch_classify (const sb_agent_step_t *self, sb_watch_t *watch);
/* Tells a loss: of a topic's `first` to `last`, or, with both 0, of what an interest or category covers. */
void sb_watch_gap (sb_agent_step_t *self, sb_watch_t *watch, sb_text_t topic, uint64_t first, uint64_t last);
/* Puts a publication aside; what is missing before it is told at once. */
void sb_watch_wait (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication);
/* Notes that a publication was not taken for want of room: told. */
void sb_watch_no_room (sb_agent_step_t *self, sb_watch_t *watch, const sb_publication_t *publication);
/* Takes the oldest one that waits; it lives until the next event. */
sb_waiting_t *sb_watch_next (sb_reception_t *self, sb_watch_t *watch);
/* The note on a topic; made when `makes` is set and it is new. May be NULL. */
sb_noted_t *sb_watch_noted (sb_agent_step_t *self, sb_watch_t *watch, sb_text_t topic, bool makes);
sb_noted_t *sb_watch_find_noted (const sb_reception_t *self, sb_text_t topic);
/* Asks for at least that. */
void sb_watch_needs (sb_watch_t *self, sb_need_t need);
/* The episode is over: counts, tells, forgets the notes. */
void sb_watch_finish (sb_agent_step_t *self, sb_watch_t *watch);
void sb_watch_drop_waiting (sb_reception_t *self, sb_watch_t *watch);
void sb_watch_forget_notes (sb_reception_t *self, sb_watch_t *watch);
void sb_watch_free_taken (sb_reception_t *self);

/* ---- agent_conflation.c */

/* The answer to a join: what of the interests it does not name as conflated is read as it is published from now on, by
 * a new SUB, and joined again. */
void sb_conflation_look (sb_agent_step_t *self, const sb_publication_t *answer);
/* The SUB's connection was lost: the next one asks for all that the application asked for. */
void sb_conflation_ask_again (sb_agent_step_t *self);

/* ---- agent_join.c */
void sb_joiner_ask (sb_agent_step_t *self);
void sb_joiner_level (sb_agent_step_t *self, const sb_publication_t *publication, bool is_beat);
void sb_joiner_tick (sb_agent_step_t *self);
/* Another stream or epoch: what is known is of the past. */
void sb_joiner_new_stream (sb_agent_step_t *self, uint64_t stream_id, uint64_t epoch);
/* Whether a join is of use: something is subscribed to. */
bool sb_joiner_is_wanted (const sb_agent_step_t *self);

/* ---- agent_recovery.c */
/* Everything is stale, and waits. */
bool sb_recovery_waits_for_all (const sb_reception_t *self);
/* Gives up what is under way, to begin it again; `counts` it as a restart. */
void sb_recovery_abort (sb_agent_step_t *self, bool counts);
/* The same, not before a while that doubles each time. */
void sb_recovery_retry (sb_agent_step_t *self);
/* A repair has ended. */
void sb_recovery_done (sb_agent_step_t *self);

/* ---- agent_snapshot.c */
void sb_scan_start (sb_agent_step_t *self, sb_watch_t *watch);
void sb_scan_flush (sb_agent_step_t *self);
bool sb_scan_has_work (const sb_agent_step_t *self);
/* In CATCH_UP: goes on when the SUB has brought it all. */
void sb_scan_look (sb_agent_step_t *self);

#endif
