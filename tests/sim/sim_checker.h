/* SPDX-License-Identifier: MPL-2.0
 *
 * What the checker knows, shared by its files: sim_checker.c (publications and a copy of the state made of them alone),
 * sim_ledger.c (what each agent was promised), sim_models.c (breaker, liveness, operators' orders, bounds),
 * sim_agreement.c (the end).
 */
#ifndef SIM_CHECKER_H
#define SIM_CHECKER_H

#include "sim.h"

struct sb_agent_record;

/* One field as publications told it. */
typedef struct sim_field {
    struct sim_field *next;
    char name[SB_FIELD_NAME_MAX + 1];
    uint64_t sequence;   /* of the publication that last named it */
    uint64_t hash;       /* of the value */
    uint64_t expires_ns; /* soonest; 0: never */
    uint64_t gone_ns;    /* latest */
    uint32_t value_size;
    uint8_t *value; /* kind, then octets; owned */
} sim_field_t;

typedef struct {
    char text[SB_TOPIC_MAX + 1];
    uint32_t next; /* number of the next in its bucket */
    int32_t agent; /* number of its id; -1: the broker's, or nobody's here */
    bool is_event; /* trades and the broker's: no state */
    uint32_t category;
    uint32_t part;
    uint64_t topic_sequence;
    uint32_t merge;      /* first of what conflation holds of it */
    uint32_t last_offer; /* sequence of its last publication; 0: none in this life of the broker */
    sb_quality_t quality;
    sim_field_t *fields;
    uint32_t field_count;
} sim_topic_t;

/* One sequence of an instance, as far as it arrived at the broker. */
typedef struct {
    bool is_applied; /* publications carried it */
    bool is_nothing; /* nothing in it was new: accepting it publishes nothing */
    bool is_refused; /* the broker said so */
    bool is_replacement;
} sim_entry_t;

/* One instance of an agent. */
typedef struct sim_ledger {
    struct sim_ledger *next;
    uint32_t agent;
    uint64_t instance;
    uint64_t base;            /* decided before its first Welcome */
    uint64_t decided_through; /* as last told */
    uint64_t last_written;    /* sequence of the last update published */
    uint64_t last_unknown;    /* last sequence whose refusal leaves the broker's copy behind the agent's */
    uint64_t last_whole;      /* last whole state that was accepted */
    sim_entry_t *entries;     /* sequence base + 1 and on */
    uint32_t count, capacity;
    struct sim_staged *staged; /* fields of the whole state under way; see sim_expiry.c */
    uint32_t staged_count, staged_capacity;
    uint64_t staged_sequence, staged_ns; /* its end, and when that came; 0: not yet */
} sim_ledger_t;

/* An agent's tables in their simplest form; see sim_models.c. */
typedef struct {
    bool is_known;
    bool is_paused, is_isolated; /* by the operators' word */
    int breaker;
    uint64_t failures;      /* counted when last looked */
    uint64_t failed_ns[32]; /* the last failures while closed, or none */
    uint32_t failed_count;
    uint64_t opened_ns, wait_ns, open_count;
    int liveness;
    uint32_t unwell_ticks;      /* ticks in a row at which its topics could not be OK */
    uint64_t heard_ns, late_ns; /* last message of its session, and the broker's lateness since */
} sim_model_t;

typedef struct {
    uint64_t peer;
    sim_ledger_t *ledger;
} sim_session_t;

typedef struct {
    uint64_t token;
    uint32_t agent;
    char command[20];
} sim_order_t;

/* A numbered publication as the core emitted it. */
typedef struct {
    uint32_t topic;
    uint32_t before; /* sequence of the topic's publication before; 0: none */
    uint64_t topic_sequence;
    uint64_t agent_sequence;
    uint64_t digest;
    uint64_t at_ns;
} sim_offer_t;

/* An agent's part of a category, also of the broker's own. */
typedef struct {
    char text[SB_TOPIC_MAX + 1]; /* "market_data.feed." */
    uint64_t agent_sequence;
    uint64_t last; /* sequence of its last publication; 0: none in this life of the broker */
} sim_part_t;

/* All of one life of the broker; that with sequence n stands at n - 1. */
typedef struct {
    sim_offer_t *offers;
    uint32_t count, capacity;
} sim_life_t;

typedef struct sim_conflation sim_conflation_t;

enum { SIM_LIVES = 128 };
enum { SIM_BUCKETS = 4096, SIM_TOPICS = 32768, SIM_CATEGORIES = 64, SIM_ORDERS = 128 };

struct sim_checker {
    sim_topic_t *topics; /* from 1; room for SIM_TOPICS, so that none ever moves */
    uint32_t topic_count;
    uint32_t buckets[SIM_BUCKETS];
    char categories[SIM_CATEGORIES][SB_CATEGORY_MAX + 1];
    uint64_t category_sequences[SIM_CATEGORIES];
    uint64_t category_last[SIM_CATEGORIES]; /* sequence of its last publication */
    uint64_t public_last;                   /* the same of all that are not the broker's own */
    sim_part_t *parts;
    uint32_t part_count, part_capacity;
    sim_life_t lives[SIM_LIVES]; /* by start of the broker */
    sim_conflation_t *conflation;
    uint64_t merge_next_ns, expiry_next_ns; /* nothing of theirs is due before */
    uint64_t silence_next_ns;               /* when losses in silence are looked for again */
    uint32_t category_count;
    uint64_t sequence;
    sim_ledger_t *ledgers;
    sim_session_t *sessions;
    uint32_t session_count, session_capacity;
    sim_model_t models[SIM_AGENTS_MAX];
    sim_order_t orders[SIM_ORDERS];
    uint32_t order_next;
    bool is_stopped;
    uint64_t latch_epoch;
    uint64_t tick_late_ns, ticked_ns; /* lateness of the tick in hand; when the one before came */
    uint64_t ticks, tick_timeouts;    /* the broker's counts of whole ticks and of those put off, at the one before */
    bool is_put_off;                  /* the broker works off nothing more before its next whole tick */
    bool canary_done;
    /* of the step in hand: the batch, and how far its deltas were compared */
    const sb_batch_t *batch;
    const uint32_t *batch_counts; /* deltas of each message in it; NULL: it is one */
    bool batch_is_tried;          /* its agent's breaker is half open: one message goes through */
    uint32_t batch_probe;         /* where the message begins that did, plus one; 0: none yet */
    uint64_t batch_due;           /* what must be decided when it was handled; 0: not known */
    sim_ledger_t *batch_ledger;
    uint32_t batch_place;
    uint64_t batch_decided; /* of its agent, before the step */
    bool batch_has_written;
};

/* ---- sim_checker.c */
sim_topic_t *sim_topic_at (sim_checker_t *self, sb_text_t text); /* made when new */
sim_field_t *sim_topic_find (const sim_topic_t *topic, sb_text_t name);
bool sim_field_has (const sim_field_t *field, const sb_value_t *value);
uint64_t sim_field_term (const sim_topic_t *topic, const sim_field_t *field); /* in the state hash */
uint64_t sim_value_hash (const sb_value_t *value);
static inline uint64_t sim_mixed (uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C (0x9FB21C651E98DF25);
    return hash ^ hash >> 29;
}
bool sim_is_event_topic (sb_text_t topic);              /* of an event category, or the broker's */
bool sim_may_forget (const sim_t *self);                /* a bound or an age makes the broker forget agents */
int32_t sim_agent_of (const sim_t *self, sb_text_t id); /* -1: none of ours */
bool sim_canary (sim_t *self, sim_canary_t canary);     /* true once, some way into the run */

/* ---- sim_offers.c */
void sim_offers_add (sim_t *self, const sb_publication_t *publication, sim_topic_t *topic);
/* The publication with that sequence; NULL: there was none. */
const sim_offer_t *sim_offer (const sim_t *self, uint64_t life, uint64_t sequence);
uint64_t sim_offer_digest (const sb_publication_t *publication);
/* Of the topic's publication with that topic sequence; 0: none. */
uint64_t sim_offers_sequence (const sim_t *self, const sim_topic_t *topic, uint64_t topic_sequence);
/* True when it is the topic's last publication, but for what conflation adds. */
bool sim_offers_is_same (const sim_t *self, const sb_publication_t *publication, const sim_topic_t *topic);
void sim_offers_free (sim_checker_t *checker);
void sim_offers_level (sim_t *self,
                       const sb_publication_t *publication); /* without a number: a beat, a join's answer */
void sim_offers_heads (sim_t *self, const sb_heartbeat_ack_t *ack);

/* ---- sim_reader.c */
bool sim_reader_wants (sim_t *self, sim_process_t *process, uint32_t topic);
void sim_reader_agree (sim_t *self, sim_process_t *process); /* at the end, when all is at rest */

/* ---- sim_picture.c: what an application makes of what it is given */
typedef struct sim_picture sim_picture_t;
sim_picture_t *sim_picture_new (void);
void sim_picture_destroy (sim_picture_t **self_p);
/* `topic` is its number. True when that changed anything. */
bool sim_picture_apply (sim_picture_t *self, uint32_t topic, const sb_publication_t *publication);
void sim_picture_agree (sim_t *self, sim_process_t *process, const sim_picture_t *picture); /* with all publications */

/* ---- sim_conflation.c */
void sim_conflation_before (sim_t *self, const sb_event_t *event);
void sim_conflation_offered (sim_t *self, const sb_publication_t *publication, sim_topic_t *topic);
bool sim_conflation_published (sim_t *self, const sb_publication_t *publication); /* false: it is not conflated */
void sim_conflation_after (sim_t *self, const sb_event_t *event);
bool sim_conflation_has (const sim_checker_t *checker, uint32_t interval_ms,
                         sb_text_t prefix); /* somebody asks for it */
uint32_t sim_conflation_prefix_count (const sim_checker_t *checker, uint32_t interval_ms);
/* The last conflated_sequence of that interval and category; 0: there is none. */
uint64_t sim_conflation_number (const sim_checker_t *checker, uint32_t interval_ms, sb_text_t category);
uint32_t sim_conflation_number_count (const sim_checker_t *checker); /* not 0, and somebody reads the category */
void sim_conflation_start (sim_checker_t *checker);
void sim_conflation_free (sim_checker_t *checker);

/* ---- sim_expiry.c */
bool sim_expiry_is_on (const sim_t *self);
void sim_expiry_written (sim_t *self, const sim_topic_t *topic, sim_field_t *field, uint32_t asked_ms);
void sim_expiry_begin (sim_ledger_t *ledger);
void sim_expiry_stage (sim_ledger_t *ledger, sim_topic_t *topic, sb_text_t name, uint32_t asked_ms);
void sim_expiry_replaced (sim_t *self, const sim_topic_t *topic, sim_field_t *field);
void sim_expiry_deleted (sim_t *self, const sim_topic_t *topic, sb_text_t name);
void sim_expiry_after (sim_t *self, const sb_event_t *event);

/* ---- sim_ledger.c */
bool sim_was_refused (const struct sb_agent_record *record, uint64_t sequence); /* by the broker's own memory */
void sim_ledger_before (sim_t *self, const sb_event_t *event);
void sim_ledger_write (sim_t *self, const sim_topic_t *topic, const sb_update_t *update);
void sim_ledger_after (sim_t *self, const sb_event_t *event);
void sim_ledger_sent (sim_t *self, const sb_event_t *event, uint64_t peer, const sb_broker_message_t *message);
void sim_ledger_free (sim_checker_t *checker);
sim_ledger_t *sim_session_ledger (sim_checker_t *checker, uint64_t peer);

/* ---- sim_models.c */
void sim_models_start (sim_t *self);
void sim_models_before (sim_t *self, const sb_event_t *event);
void sim_models_reply (sim_t *self, const sb_event_t *event, uint64_t token, const sb_command_reply_t *reply);
void sim_models_after (sim_t *self, const sb_event_t *event);
bool sim_checker_is_stopped (const sim_t *self);
bool sim_checker_is_paused (const sim_t *self, uint32_t agent);
bool sim_checker_is_isolated (const sim_t *self, uint32_t agent);
uint64_t sim_checker_latch_epoch (const sim_t *self);

#endif
