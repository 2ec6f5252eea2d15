/* SPDX-License-Identifier: MPL-2.0
 *
 * A mutex, a linked queue and a ring. Copies are made outside the mutex. The eventfd of caller dispatch
 * is written when the queue becomes non-empty and read when it becomes empty, both under the mutex, so
 * that it is readable exactly while something waits.
 */
#include "agent_inbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent_keep.h"

struct sb_kept_publication {
    atomic_uint references;
    size_t size;
    sb_publication_t publication;
};

struct sb_inbox {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    sb_inbox_item_t *first, *last;
    sb_inbox_item_t *decided; /* the DECIDED that waits, with no REFUSED after it; may be NULL */
    uint32_t notice_count;    /* of those that are bounded here */
    bool is_closed;
    int descriptor;
    sb_kept_publication_t **memory; /* a ring of memory_updates */
    uint32_t memory_updates;
    uint64_t memory_bytes_max;
    uint32_t memory_first;
    uint32_t memory_count;
    uint64_t memory_bytes;
};

/* ------------------------------------------------------------------ copies */

static sb_kept_publication_t *s_keep (const sb_publication_t *publication)
{
    size_t size = sizeof (sb_kept_publication_t) + sb_keep_size (publication);
    sb_kept_publication_t *kept = malloc (size);
    if (!kept)
        return NULL;
    atomic_init (&kept->references, 1);
    kept->size = size;
    sb_keep_copy (&kept->publication, kept + 1, publication);
    return kept;
}

static void s_let_go (sb_kept_publication_t *kept)
{
    if (atomic_fetch_sub_explicit (&kept->references, 1, memory_order_acq_rel) == 1)
        free (kept);
}

static sb_inbox_item_t *s_item_new (sb_inbox_kind_t kind, size_t extra, char **at)
{
    sb_inbox_item_t *item = malloc (sizeof *item + extra);
    if (!item)
        return NULL;
    memset (item, 0, sizeof *item);
    item->kind = kind;
    *at = (char *)(item + 1);
    return item;
}

static sb_inbox_item_t *s_command_item (const sb_agent_effect_t *effect)
{
    const sb_agent_command_t *command = effect->command.command;
    size_t size = command->parameter_count * sizeof (sb_parameter_t) + command->command.size +
                  command->command_id.size + command->issuer.size + command->reason.size + 4;
    for (uint32_t i = 0; i < command->parameter_count; i++)
        size += command->parameters[i].name.size + sb_keep_text_size (&command->parameters[i].value) + 2;
    char *at;
    sb_inbox_item_t *item = s_item_new (SB_INBOX_COMMAND, size, &at);
    if (!item)
        return NULL;
    sb_parameter_t *parameters = (sb_parameter_t *)(item + 1);
    at = (char *)(parameters + command->parameter_count);
    for (uint32_t i = 0; i < command->parameter_count; i++) {
        parameters[i] = command->parameters[i];
        parameters[i].name = sb_keep_text (&at, parameters[i].name);
        sb_keep_value (&at, &parameters[i].value);
    }
    item->command.view = (sb_agent_command_view_t){
        .name = sb_keep_text (&at, command->command).data,
        .parameters = parameters,
        .parameter_count = command->parameter_count,
        .issuer = sb_keep_text (&at, command->issuer).data,
        .reason = sb_keep_text (&at, command->reason).data,
    };
    item->command.command_id = sb_keep_text (&at, command->command_id).data;
    item->command.is_open = effect->command.is_open;
    return item;
}

static sb_inbox_item_t *s_notice_item (const sb_agent_effect_t *effect)
{
    char *at;
    sb_inbox_item_t *item = NULL;
    if (effect->kind == SB_AGENT_EFFECT_STATUS) {
        item = s_item_new (SB_INBOX_STATUS, 0, &at);
        if (item) {
            item->status.status = effect->status.status;
            item->status.reason = effect->status.reason;
        }
    } else if (effect->kind == SB_AGENT_EFFECT_REFUSED) {
        item = s_item_new (SB_INBOX_REFUSED, effect->refused.text.size + effect->refused.field.size + 2, &at);
        if (item)
            item->refused = (sb_agent_refusal_t){.sequence = effect->refused.sequence,
                                                 .reason = effect->refused.reason,
                                                 .text = sb_keep_text (&at, effect->refused.text).data,
                                                 .field = sb_keep_text (&at, effect->refused.field).data,
                                                 .retry_after_ms = effect->refused.retry_after_ms,
                                                 .kept = effect->refused.kept};
    } else if (effect->kind == SB_AGENT_EFFECT_DECIDED) {
        item = s_item_new (SB_INBOX_DECIDED, 0, &at);
        if (item)
            item->decided_through = effect->decided_through;
    } else if (effect->kind == SB_AGENT_EFFECT_GAP) {
        item = s_item_new (SB_INBOX_GAP, effect->gap.topic.size + 1, &at);
        if (item)
            item->gap = (sb_agent_gap_t){sb_keep_text (&at, effect->gap.topic), effect->gap.first, effect->gap.last};
    } else if (effect->kind == SB_AGENT_EFFECT_RECOVERED) {
        item = s_item_new (SB_INBOX_RECOVERED, effect->recovered.category.size + 1, &at);
        if (item) {
            item->recovered = effect->recovered;
            item->recovered.category = sb_keep_text (&at, effect->recovered.category);
        }
    } else {
        size_t text_size = strlen (effect->log.text);
        uint32_t detail_size = effect->log.detail.size;
        item = s_item_new (SB_INBOX_LOG, text_size + detail_size + 3, &at);
        if (item) {
            item->log.severity = (int)effect->log.severity;
            item->log.text = at;
            memcpy (at, effect->log.text, text_size + 1);
            if (detail_size) {
                memcpy (at + text_size, ": ", 2);
                at += text_size + 2;
                sb_keep_text (&at, effect->log.detail);
            }
        }
    }
    return item;
}

/* ------------------------------------------------------------------ life */

sb_inbox_t *sb_inbox_new (uint32_t memory_updates, uint64_t memory_bytes, bool has_descriptor)
{
    sb_inbox_t *self = calloc (1, sizeof *self);
    if (!self)
        return NULL;
    pthread_mutex_init (&self->mutex, NULL);
    pthread_cond_init (&self->filled, NULL);
    self->descriptor = has_descriptor ? eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    self->memory_updates = memory_updates;
    self->memory_bytes_max = memory_bytes;
    self->memory = calloc (memory_updates, sizeof *self->memory);
    if (!self->memory || (has_descriptor && self->descriptor < 0))
        sb_inbox_destroy (&self);
    return self;
}

void sb_inbox_item_destroy (sb_inbox_item_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    if ((*self_p)->kind == SB_INBOX_PUBLICATION)
        s_let_go ((*self_p)->publication.kept);
    free (*self_p);
    *self_p = NULL;
}

void sb_inbox_destroy (sb_inbox_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    sb_inbox_t *self = *self_p;
    while (self->first) {
        sb_inbox_item_t *item = self->first;
        self->first = item->next;
        sb_inbox_item_destroy (&item);
    }
    for (uint32_t i = 0; i < self->memory_count; i++)
        s_let_go (self->memory[(self->memory_first + i) % self->memory_updates]);
    free (self->memory);
    if (self->descriptor >= 0)
        close (self->descriptor);
    pthread_cond_destroy (&self->filled);
    pthread_mutex_destroy (&self->mutex);
    free (self);
    *self_p = NULL;
}

/* ------------------------------------------------------------------ filling */

static void s_remember (sb_inbox_t *self, sb_kept_publication_t *kept)
{
    while (self->memory_count > 0 &&
           (self->memory_count == self->memory_updates || self->memory_bytes + kept->size > self->memory_bytes_max)) {
        sb_kept_publication_t *oldest = self->memory[self->memory_first];
        self->memory_first = (self->memory_first + 1) % self->memory_updates;
        self->memory_count--;
        self->memory_bytes -= oldest->size;
        s_let_go (oldest);
    }
    if (kept->size > self->memory_bytes_max)
        return;
    atomic_fetch_add_explicit (&kept->references, 1, memory_order_relaxed);
    self->memory[(self->memory_first + self->memory_count++) % self->memory_updates] = kept;
    self->memory_bytes += kept->size;
}

static void s_append (sb_inbox_t *self, sb_inbox_item_t *item)
{
    if (!self->first && self->descriptor >= 0) {
        uint64_t one = 1;
        (void)!write (self->descriptor, &one, sizeof one);
    }
    *(self->first ? &self->last->next : &self->first) = item;
    self->last = item;
    pthread_cond_signal (&self->filled);
}

static bool s_put_publication (sb_inbox_t *self, const sb_agent_effect_t *effect)
{
    char *at;
    sb_kept_publication_t *kept = s_keep (effect->publication);
    bool is_delivered = effect->kind == SB_AGENT_EFFECT_DELIVER;
    sb_inbox_item_t *item = kept && is_delivered ? s_item_new (SB_INBOX_PUBLICATION, 0, &at) : NULL;
    if (kept) {
        pthread_mutex_lock (&self->mutex);
        s_remember (self, kept);
        if (item) {
            item->publication.kept = kept;
            item->publication.view = &kept->publication;
            s_append (self, item);
        }
        pthread_mutex_unlock (&self->mutex);
        if (!item)
            s_let_go (kept);
    }
    return kept && (item || !is_delivered);
}

/* What is bounded here: open commands are bounded by the step, refusals by the broker's patience, and they must not be
 * lost, since a later DECIDED would say that they were accepted. Of these there is one at most between two refusals. */
static bool s_is_bounded (const sb_inbox_item_t *item)
{
    switch (item->kind) {
    case SB_INBOX_COMMAND:
        return !item->command.is_open;
    case SB_INBOX_STATUS:
    case SB_INBOX_GAP:
    case SB_INBOX_RECOVERED:
    case SB_INBOX_LOG:
        return true;
    default:
        return false;
    }
}

/* Raises the DECIDED that waits; false when there is none. */
static bool s_raise_decided (sb_inbox_t *self, const sb_agent_effect_t *effect)
{
    if (effect->kind != SB_AGENT_EFFECT_DECIDED)
        return false;
    pthread_mutex_lock (&self->mutex);
    bool is_waiting = self->decided != NULL;
    if (is_waiting)
        self->decided->decided_through = effect->decided_through;
    pthread_mutex_unlock (&self->mutex);
    return is_waiting;
}

bool sb_inbox_put (sb_inbox_t *self, const sb_agent_effect_t *effect)
{
    if (effect->kind == SB_AGENT_EFFECT_DELIVER || effect->kind == SB_AGENT_EFFECT_REMEMBER)
        return s_put_publication (self, effect);
    if (s_raise_decided (self, effect))
        return true;
    bool is_command = effect->kind == SB_AGENT_EFFECT_COMMAND;
    sb_inbox_item_t *item = is_command ? s_command_item (effect) : s_notice_item (effect);
    if (!item)
        return false;
    pthread_mutex_lock (&self->mutex);
    bool is_bounded = s_is_bounded (item);
    bool fits = !is_bounded || self->notice_count < SB_INBOX_NOTICES_MAX;
    if (fits) {
        self->notice_count += is_bounded;
        if (item->kind == SB_INBOX_DECIDED || item->kind == SB_INBOX_REFUSED)
            self->decided = item->kind == SB_INBOX_DECIDED ? item : NULL;
        s_append (self, item);
    }
    pthread_mutex_unlock (&self->mutex);
    if (!fits)
        sb_inbox_item_destroy (&item);
    return fits;
}

/* ------------------------------------------------------------------ emptying */

sb_inbox_item_t *sb_inbox_take (sb_inbox_t *self, bool wait)
{
    pthread_mutex_lock (&self->mutex);
    while (wait && !self->first && !self->is_closed)
        pthread_cond_wait (&self->filled, &self->mutex);
    sb_inbox_item_t *item = self->is_closed ? NULL : self->first;
    if (item) {
        self->first = item->next;
        self->notice_count -= s_is_bounded (item);
        if (self->decided == item)
            self->decided = NULL;
        if (!self->first && self->descriptor >= 0) {
            uint64_t count;
            (void)!read (self->descriptor, &count, sizeof count);
        }
    }
    pthread_mutex_unlock (&self->mutex);
    return item;
}

void sb_inbox_close (sb_inbox_t *self)
{
    pthread_mutex_lock (&self->mutex);
    self->is_closed = true;
    pthread_cond_broadcast (&self->filled);
    pthread_mutex_unlock (&self->mutex);
}

int sb_inbox_descriptor (const sb_inbox_t *self)
{
    return self->descriptor;
}

uint32_t sb_inbox_visit_memory (sb_inbox_t *self, bool (*visit) (const sb_publication_t *publication, void *context),
                                void *context)
{
    uint32_t visited = 0;
    bool goes_on = true;
    pthread_mutex_lock (&self->mutex);
    while (goes_on && visited < self->memory_count) {
        const sb_kept_publication_t *kept = self->memory[(self->memory_first + visited) % self->memory_updates];
        visited++;
        goes_on = visit (&kept->publication, context);
    }
    pthread_mutex_unlock (&self->mutex);
    return visited;
}
