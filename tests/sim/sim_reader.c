/* SPDX-License-Identifier: MPL-2.0
 *
 * What each subscriber is given: each publication must be one that was offered (sim_offers.c), with the same content,
 * and the next of its topic: what is left out in between was merged into it by conflation, or is older than the topic's
 * head in a snapshot that this client had; never is one given twice. So each publication offered is given, merged, or
 * covered by a snapshot. A step for each publication left out. What is made of all that is the matter of sim_picture.c.
 */
#include "sim_checker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Twice the longest heartbeat interval, some beats lost, the longest conflation. */
enum { SILENCE_MS = 20000, LOOK_MS = 10000 };

/* What one subscriber has of one topic. */
typedef struct {
    uint64_t last;     /* sequence of the last publication given; 0: none */
    uint64_t covered;  /* a snapshot told the topic's state up to this sequence */
    uint64_t snapshot; /* number of the snapshot that named it last */
    int8_t wanted;     /* 0: not looked up yet, 1, -1 */
} s_heard_t;

struct sim_reader {
    sim_prefixes_t interests;
    uint64_t life; /* start of the broker that all below is about; 0: none yet */
    s_heard_t *heard;
    uint32_t heard_count;
    uint64_t snapshot;             /* number of the last one asked for */
    uint64_t snapshot_id;          /* and its id on the wire; 0: it was of another life, or none was asked for */
    uint64_t end;                  /* sequence of the last whole one */
    bool is_stale[SIM_CATEGORIES]; /* a gap was told, its recovery not yet */
    uint64_t restarts;             /* of repairs, as counted when last looked at */
    uint64_t refused;              /* interests that were not conflated, likewise */
    uint64_t told;                 /* publications, as lost */
    uint32_t chunks;               /* of the snapshot asked for last, that came */
    uint64_t chunk_fields;         /* in them */
    sim_picture_t *picture;        /* the application's */
    /* When something was lost on the SUB last that the client may not have made good; 0: it has everything. */
    uint64_t lost_ns[SIM_CATEGORIES];
};

/* ------------------------------------------------------------------ life */

sim_reader_t *sim_reader_new (sim_t *self, sim_process_t *process)
{
    static const char octets[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    sim_reader_t *reader = calloc (1, sizeof *reader);
    assert (reader);
    (void)self;
    for (uint32_t i = 0; i < process->interest_count; i++) {
        char prefix[SB_TOPIC_MAX + 2];
        uint32_t size = sb_interest_prefix (process->interests[i], prefix);
        for (uint32_t j = 0; size == 0 && j < sizeof octets - 1; j++)
            sim_prefixes_add (&reader->interests, (sb_text_t){&octets[j], 1});
        if (size)
            sim_prefixes_add (&reader->interests, (sb_text_t){prefix, size});
    }
    reader->picture = sim_picture_new ();
    return reader;
}

void sim_reader_destroy (sim_reader_t **self_p)
{
    if (!*self_p)
        return;
    sim_prefixes_clear (&(*self_p)->interests);
    free ((*self_p)->heard);
    sim_picture_destroy (&(*self_p)->picture);
    free (*self_p);
    *self_p = NULL;
}

static s_heard_t *s_heard (sim_t *self, sim_reader_t *reader, uint32_t topic)
{
    if (topic >= reader->heard_count) {
        uint32_t count = topic * 2 + 64;
        reader->heard = realloc (reader->heard, count * sizeof *reader->heard);
        assert (reader->heard);
        memset (reader->heard + reader->heard_count, 0, (count - reader->heard_count) * sizeof *reader->heard);
        reader->heard_count = count;
    }
    s_heard_t *heard = &reader->heard[topic];
    if (!heard->wanted) {
        bool is_wanted = sim_prefixes_match (&reader->interests, sb_text (self->checker->topics[topic].text));
        heard->wanted = is_wanted ? 1 : -1;
    }
    return heard;
}

/* Sequences of another life of the broker mean nothing any more, nor do parts of its snapshot that are still under way;
 * the picture stays. */
static void s_follow (sim_reader_t *reader, uint64_t life)
{
    if (reader->life == life)
        return;
    reader->life = life;
    reader->end = 0;
    reader->snapshot_id = 0;
    memset (reader->is_stale, 0, sizeof reader->is_stale);
    for (uint32_t i = 0; i < reader->heard_count; i++)
        reader->heard[i].last = reader->heard[i].covered = reader->heard[i].snapshot = 0;
}

void sim_reader_publication (sim_process_t *process, const sb_publication_t *publication)
{
    if (publication->epoch > process->reader->life)
        s_follow (process->reader, publication->epoch);
}

/* ------------------------------------------------------------------ snapshots */

static void s_chunk (sim_t *self, sim_reader_t *reader, const sb_snapshot_chunk_t *chunk)
{
    self->checks++;
    if (chunk->number != ++reader->chunks)
        sim_fail (self, "part %u of a snapshot comes where %u was to come", chunk->number, reader->chunks);
    for (uint32_t i = 0; i < chunk->topic_count; i++) {
        const sb_snapshot_topic_t *topic = &chunk->topics[i];
        sim_topic_t *known = sim_topic_at (self->checker, topic->topic);
        uint32_t number = (uint32_t)(known - self->checker->topics);
        s_heard_t *heard = s_heard (self, reader, number);
        const sim_offer_t *offer = sim_offer (self, reader->life, topic->sequence);
        self->checks++;
        reader->chunk_fields += topic->field_count;
        sim_say (self, "  snapshot: %s at %" PRIu64 ", %" PRIu64 ", %u fields, quality %d", known->text,
                 topic->topic_sequence, topic->sequence, topic->field_count, (int)topic->quality);
        if (heard->wanted < 0)
            sim_fail (self, "a snapshot has %s, which was not asked for", known->text);
        if (topic->sequence && (!offer || offer->topic != number || offer->topic_sequence != topic->topic_sequence))
            sim_fail (self, "a snapshot says that %s stands at %" PRIu64 ", %" PRIu64, known->text, topic->sequence,
                      topic->topic_sequence);
        if (heard->snapshot == reader->snapshot)
            continue; /* a further part: what was published since the first one may be of the first one's fields */
        heard->snapshot = reader->snapshot;
        if (topic->sequence > heard->covered)
            heard->covered = topic->sequence;
    }
}

static void s_look_for_eviction (sim_t *self, const sb_command_reply_t *reply)
{
    for (uint32_t i = 0; i < reply->record_count; i++)
        for (uint32_t j = 0; j < reply->records[i].column_count; j++)
            if (sim_text_is (reply->records[i].columns[j].name, "evicted") &&
                reply->records[i].columns[j].value.boolean)
                sim_note_fault (self, SIM_FAULT_history_evicted);
}

void sim_reader_message (sim_t *self, sim_process_t *process, const sb_broker_message_t *message)
{
    sim_reader_t *reader = process->reader;
    if (message->kind == SB_BROKER_MESSAGE_WELCOME) {
        s_follow (reader, message->welcome.epoch);
    } else if (message->kind == SB_BROKER_MESSAGE_HEARTBEAT_ACK) {
        for (uint32_t i = 0; i < message->heartbeat_ack.head_count; i++)
            sim_say (self, "%s#%" PRIu64 " hears that %.*s stands at %" PRIu64, self->names[process->agent],
                     process->instance, (int)message->heartbeat_ack.heads[i].interest.size,
                     message->heartbeat_ack.heads[i].interest.data, message->heartbeat_ack.heads[i].sequence);
    } else if (message->kind == SB_BROKER_MESSAGE_COMMAND_REPLY) {
        s_look_for_eviction (self, &message->command_reply);
    } else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_CHUNK) {
        if (message->snapshot_chunk.snapshot_id == reader->snapshot_id)
            s_chunk (self, reader, &message->snapshot_chunk);
    } else if (message->kind == SB_BROKER_MESSAGE_SNAPSHOT_END) {
        const sb_snapshot_end_t *end = &message->snapshot_end;
        if (end->snapshot_id != reader->snapshot_id || end->code != SB_REASON_NONE)
            return;
        if (end->chunk_count != reader->chunks || end->field_count != reader->chunk_fields)
            sim_fail (self, "a snapshot ends after %u parts, %u came", end->chunk_count, reader->chunks);
        reader->end = end->sequence;
    }
}

/* ------------------------------------------------------------------ publications */

/* True when the topic began anew between those two publications of it: then its numbers say nothing of what was lost in
 * between, and only the look at all of it, once it is quiet, finds that. */
static bool s_began_anew (const sim_t *self, const sim_reader_t *reader, uint64_t sequence, uint64_t after)
{
    bool is_anew = false;
    while (sim_may_forget (self) && sequence > after && !is_anew) {
        const sim_offer_t *offer = sim_offer (self, reader->life, sequence);
        is_anew = offer->topic_sequence == 1;
        sequence = offer->before;
    }
    return is_anew;
}

/* What was published after the last one given, through `sequence`; is_anew: what follows is of another life of the
 * topic. */
static void s_skip (sim_t *self, sim_process_t *process, s_heard_t *heard, const sim_topic_t *topic, uint64_t sequence,
                    bool is_anew)
{
    sim_reader_t *reader = process->reader;
    while (sequence > heard->last) {
        const sim_offer_t *offer = sim_offer (self, reader->life, sequence);
        bool is_covered = sequence <= heard->covered;
        /* A topic that is gone is in no snapshot. */
        if (!is_covered && (is_anew || !topic->field_count))
            is_covered = sequence <= reader->end && sim_may_forget (self);
        self->checks++;
        if (!is_covered && !s_began_anew (self, reader, sequence, heard->last))
            sim_fail (self, "%s was not given %s %" PRIu64 ", sequence %" PRIu64, self->names[process->agent],
                      topic->text, offer->topic_sequence, sequence);
        is_anew = is_anew || offer->topic_sequence == 1;
        sequence = offer->before;
    }
}

static void s_check_order (sim_t *self, sim_process_t *process, const sb_publication_t *publication)
{
    sim_reader_t *reader = process->reader;
    const char *name = self->names[process->agent];
    s_follow (reader, publication->epoch);
    const sim_offer_t *offer = sim_offer (self, reader->life, publication->sequence);
    self->checks += 4;
    if (!offer || !sim_text_is (publication->topic, self->checker->topics[offer->topic].text) ||
        offer->topic_sequence != publication->topic_sequence)
        sim_fail (self, "%s was given what nobody published: %.*s %" PRIu64 ", sequence %" PRIu64, name,
                  (int)publication->topic.size, publication->topic.data, publication->topic_sequence,
                  publication->sequence);
    const sim_topic_t *topic = &self->checker->topics[offer->topic];
    s_heard_t *heard = s_heard (self, reader, offer->topic);
    if (heard->wanted < 0)
        sim_fail (self, "%s was given %s, which it did not ask for", name, topic->text);
    if (publication->sequence <= heard->last)
        sim_fail (self, "%s was given %s %" PRIu64 " again", name, topic->text, publication->topic_sequence);
    uint64_t first = publication->first_topic_sequence;
    if (first == 0 && offer->digest != sim_offer_digest (publication))
        sim_fail (self, "%s was given %s %" PRIu64 " otherwise than it was published", name, topic->text,
                  publication->topic_sequence);
    uint64_t before = offer->before;
    while (first && before && offer->topic_sequence > first) {
        offer = sim_offer (self, reader->life, before);
        before = offer->before;
    }
    s_skip (self, process, heard, topic, before, offer->topic_sequence == 1);
    heard->last = publication->sequence;
}

/* It keeps a copy that has room for everything, else it cannot know what differs; and has somebody to tell. */
static bool s_has_all (const sim_process_t *process)
{
    return process->has_handler && process->has_copy && process->copy_fields >= 1000000;
}

static void s_paint (sim_t *self, sim_process_t *process, const sb_publication_t *publication)
{
    bool is_difference = publication->cause == SB_CAUSE_SNAPSHOT;
    const sim_topic_t *topic = sim_topic_at (self->checker, publication->topic);
    if (sim_is_event_topic (publication->topic)) {
        if (is_difference)
            sim_fail (self, "%s was given events out of a snapshot: %s", self->names[process->agent], topic->text);
        return;
    }
    uint32_t number = (uint32_t)(topic - self->checker->topics);
    bool is_other = sim_picture_apply (process->reader->picture, number, publication);
    self->checks++;
    if (is_difference && !is_other && publication->update_count && s_has_all (process))
        sim_fail (self, "%s was given a difference of %s that is none: quality %d, %u changes",
                  self->names[process->agent], topic->text, (int)publication->quality,
                  publication->update_count ? publication->updates[0].change_count : 0);
}

static void s_deliver (sim_t *self, sim_process_t *process, const sb_publication_t *publication)
{
    bool is_level = publication->sequence == 0 && publication->cause != SB_CAUSE_SNAPSHOT;
    if (is_level || process->is_final || sim_canary (self, SIM_CANARY_delivery))
        return;
    sim_say (self,
             "%s#%" PRIu64 " is given %.*s %" PRIu64 " to %" PRIu64 ", sequence %" PRIu64 ", cause %d, quality %d",
             self->names[process->agent], process->instance, (int)publication->topic.size, publication->topic.data,
             publication->first_topic_sequence, publication->topic_sequence, publication->sequence,
             (int)publication->cause, (int)publication->quality);
    if (publication->cause != SB_CAUSE_SNAPSHOT)
        s_check_order (self, process, publication);
    s_paint (self, process, publication);
    if (publication->cause != SB_CAUSE_SNAPSHOT && sim_canary (self, SIM_CANARY_repeat))
        s_check_order (self, process, publication);
}

/* ------------------------------------------------------------------ gaps */

/* True when what is told of the gap or the recovery is about that category. */
static bool s_is_about (const sim_t *self, sb_text_t told, uint32_t category)
{
    sb_text_t name = sb_text (self->checker->categories[category]);
    if (told.size == 0 || sim_text_is (told, "all"))
        return told.size == 0 || name.data[0] != '_';
    return told.size >= name.size && memcmp (told.data, name.data, name.size) == 0 &&
           (told.size == name.size || told.data[name.size] == '.');
}

void sim_reader_loses (sim_t *self, sim_process_t *process, const sb_publication_t *publication)
{
    sim_reader_t *reader = process->reader;
    uint32_t interval_ms, category = 0;
    sb_text_t topic;
    if (publication && (publication->sequence == 0 || sim_canary (self, SIM_CANARY_loss)))
        return; /* a level has no number that could be missed */
    if (publication) {
        bool is_conflated = sb_conflated_split (publication->topic, &interval_ms, &topic);
        const sim_topic_t *known = sim_topic_at (self->checker, is_conflated ? topic : publication->topic);
        category = known->category;
        /* Of a conflated category nobody can say what was in it: what is held back too is taken for lost then. */
        if (!is_conflated && s_heard (self, reader, (uint32_t)(known - self->checker->topics))->wanted < 0)
            return;
    }
    for (uint32_t i = 0; i < SIM_CATEGORIES; i++)
        if (category == 0 || category == i + 1)
            reader->lost_ns[i] = self->now_ns;
}

/* Nothing may be told as lost while nothing was. */
static void s_check_loss (sim_t *self, sim_process_t *process, const sb_agent_gap_t *gap)
{
    bool is_lost = false;
    for (uint32_t i = 0; i < self->checker->category_count; i++)
        is_lost |= process->reader->lost_ns[i] && s_is_about (self, gap->topic, i);
    self->checks++;
    if (!is_lost)
        sim_fail (self, "%s was told that %.*s %" PRIu64 " to %" PRIu64 " are lost, and its SUB lost nothing",
                  self->names[process->agent], (int)gap->topic.size, gap->topic.data, gap->first, gap->last);
}

static void s_gap (sim_t *self, sim_process_t *process, const sb_agent_gap_t *gap)
{
    sim_reader_t *reader = process->reader;
    for (uint32_t i = 0; i < self->checker->category_count; i++)
        if (s_is_about (self, gap->topic, i))
            reader->is_stale[i] = true;
    sim_say (self, "%s#%" PRIu64 " is told: lost %.*s %" PRIu64 " to %" PRIu64, self->names[process->agent],
             process->instance, (int)gap->topic.size, gap->topic.data, gap->first, gap->last);
    s_check_loss (self, process, gap);
    if (gap->first == 0)
        return;
    reader->told += gap->last - gap->first + 1;
    const sim_topic_t *topic = sim_topic_at (self->checker, gap->topic);
    const s_heard_t *heard = s_heard (self, reader, (uint32_t)(topic - self->checker->topics));
    const sim_offer_t *last = sim_offer (self, reader->life, heard->last);
    self->checks += 2;
    if (gap->first > gap->last || heard->wanted < 0)
        sim_fail (self, "%s was told of a gap that cannot be: %s %" PRIu64 " to %" PRIu64, self->names[process->agent],
                  topic->text, gap->first, gap->last);
    bool is_given = last && gap->first <= last->topic_sequence && !sim_may_forget (self);
    bool is_ahead = reader->life == self->broker_starts && gap->last > topic->topic_sequence && !sim_may_forget (self);
    if (is_given || is_ahead)
        sim_fail (self,
                  "%s was told that %s %" PRIu64 " to %" PRIu64 " are lost; it was given %" PRIu64
                  ", there are %" PRIu64,
                  self->names[process->agent], topic->text, gap->first, gap->last, last ? last->topic_sequence : 0,
                  topic->topic_sequence);
}

static void s_recovered (sim_t *self, sim_process_t *process, const sb_agent_recovery_t *recovery)
{
    sim_reader_t *reader = process->reader;
    bool is_history = recovery->kind == SB_RECOVERED_BY_HISTORY;
    sim_say (self, "%s#%" PRIu64 " is told: %.*s recovered by %s, lost %" PRIu64 ", fetched %" PRIu64,
             self->names[process->agent], process->instance, (int)recovery->category.size, recovery->category.data,
             is_history ? "history" : "snapshot", recovery->lost, recovery->recovered);
    self->checks += 2;
    if (is_history ? recovery->recovered != recovery->lost : recovery->recovered > recovery->lost)
        sim_fail (self, "%s was told that %" PRIu64 " of %" PRIu64 " lost were fetched", self->names[process->agent],
                  recovery->recovered, recovery->lost);
    sb_agent_counts_t counts;
    sb_agent_step_counts (process->step, &counts);
    for (; reader->restarts < counts.restarts; reader->restarts++)
        sim_note_fault (self, SIM_FAULT_repair_restarted);
    for (; reader->refused < counts.conflations_refused; reader->refused++)
        sim_note_fault (self, SIM_FAULT_conflation_refused);
    if (recovery->lost)
        sim_note_fault (self, is_history ? SIM_FAULT_repaired_by_history : SIM_FAULT_repaired_by_snapshot);
    for (uint32_t i = 0; i < self->checker->category_count; i++) {
        if (!s_is_about (self, recovery->category, i) && recovery->category.size)
            continue;
        reader->is_stale[i] = false;
    }
}

void sim_reader_effect (sim_t *self, sim_process_t *process, const sb_agent_effect_t *effect)
{
    sim_reader_t *reader = process->reader;
    switch (effect->kind) {
    case SB_AGENT_EFFECT_DELIVER:
    case SB_AGENT_EFFECT_REMEMBER:
        s_deliver (self, process, effect->publication);
        break;
    case SB_AGENT_EFFECT_GAP:
        s_gap (self, process, &effect->gap);
        break;
    case SB_AGENT_EFFECT_RECOVERED:
        s_recovered (self, process, &effect->recovered);
        break;
    case SB_AGENT_EFFECT_JOIN:
        /* A broker that is asked again may have dropped what it held back, for all that a client can know. */
        if (process->has_joined && sim_is_conflated (process))
            sim_reader_loses (self, process, NULL);
        break;
    case SB_AGENT_EFFECT_SEND:
        if (effect->send->kind != SB_AGENT_MESSAGE_SNAPSHOT_REQUEST)
            break;
        reader->snapshot++;
        reader->chunks = 0;
        reader->chunk_fields = 0;
        reader->snapshot_id = effect->send->snapshot_request.snapshot_id;
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ losses in silence */

/* What was published SILENCE_MS ago and before, and not given to a client that takes itself to be current. */
static void s_check_silence (sim_t *self, sim_process_t *process, uint64_t before_ns)
{
    sim_reader_t *reader = process->reader;
    for (uint32_t i = 1; i <= self->checker->topic_count; i++) {
        const sim_topic_t *topic = &self->checker->topics[i];
        s_heard_t *heard = s_heard (self, reader, i);
        if (heard->wanted < 0 || !topic->last_offer || reader->is_stale[topic->category - 1])
            continue;
        uint64_t sequence = topic->last_offer;
        const sim_offer_t *offer = sim_offer (self, reader->life, sequence);
        while (offer && sequence > heard->last && offer->at_ns > before_ns) {
            sequence = offer->before;
            offer = sim_offer (self, reader->life, sequence);
        }
        self->checks++;
        if (offer && sequence > heard->last)
            s_skip (self, process, heard, topic, sequence, false);
    }
    for (uint32_t i = 0; i < SIM_CATEGORIES; i++)
        if (!reader->is_stale[i] && reader->lost_ns[i] < before_ns)
            reader->lost_ns[i] = 0; /* made good, then */
}

void sim_readers_check (sim_t *self)
{
    uint64_t now_ns = self->now_ns, before_ns = now_ns - SILENCE_MS * SIM_MS;
    if (now_ns < self->checker->silence_next_ns || !self->core || before_ns < self->broker_held_until_ns)
        return;
    self->checker->silence_next_ns = now_ns + LOOK_MS * SIM_MS;
    for (uint32_t i = 0; i < self->process_count; i++) {
        sim_process_t *process = &self->processes[i];
        bool is_reading = process->is_running && process->step && !process->is_final &&
                          before_ns >= process->held_until_ns && sim_line_next_ns (&process->sub.down) > now_ns;
        if (is_reading && process->reader->life == self->broker_starts && sb_agent_step_is_current (process->step))
            s_check_silence (self, process, before_ns);
    }
}

/* ------------------------------------------------------------------ the end */

bool sim_reader_wants (sim_t *self, sim_process_t *process, uint32_t topic)
{
    return s_heard (self, process->reader, topic)->wanted > 0;
}

/* Everything offered was given or covered; what is still called lost is nothing. */
static void s_check_offers (sim_t *self, sim_process_t *process)
{
    sim_reader_t *reader = process->reader;
    for (uint32_t i = 1; i <= self->checker->topic_count; i++) {
        const sim_topic_t *topic = &self->checker->topics[i];
        s_heard_t *heard = s_heard (self, reader, i);
        if (heard->wanted < 0 || !topic->last_offer)
            continue;
        s_skip (self, process, heard, topic, topic->last_offer, false);
        heard->last = topic->last_offer;
    }
    for (uint32_t i = 0; i < self->checker->category_count; i++)
        if (reader->is_stale[i])
            sim_fail (self, "%s was told that %s is stale, and nothing since", self->names[process->agent],
                      self->checker->categories[i]);
}

void sim_reader_agree (sim_t *self, sim_process_t *process)
{
    const sim_reader_t *reader = process->reader;
    s_check_offers (self, process);
    if (s_has_all (process))
        sim_picture_agree (self, process, reader->picture);
    sb_agent_counts_t counts;
    sb_agent_step_counts (process->step, &counts);
    self->checks += 2;
    uint64_t good = counts.recovered + counts.resynchronized - (sim_canary (self, SIM_CANARY_gap) ? 1 : 0);
    if (counts.dropped < reader->told) /* what a full buffer dropped is told without a number */
        sim_fail (self, "%s counts %" PRIu64 " lost, and was told of %" PRIu64, self->names[process->agent],
                  counts.dropped, reader->told);
    if (counts.dropped != good)
        sim_fail (self, "%s counts %" PRIu64 " lost, %" PRIu64 " fetched and %" PRIu64 " covered by a snapshot",
                  self->names[process->agent], counts.dropped, counts.recovered, counts.resynchronized);
}
