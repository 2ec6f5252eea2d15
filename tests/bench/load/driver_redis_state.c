/* SPDX-License-Identifier: MPL-2.0
 *
 * The same work on Redis: merge each update into keyed state and notify its readers. The state of a publisher is a hash
 * named CATEGORY.AGENT; an update is HSET of its field and PUBLISH of its value to the category's channel.
 *
 * Pipelined, a batch is so many pairs of commands, written together. Otherwise it is the cheapest that Redis has for
 * it: one HSET of all fields of the batch and one PUBLISH of all values, so the server merges a batch in one command. A
 * script or MULTI would do the same pairs with more work: neither saves the server a command.
 */
#include "redis_link.h"

#include <string.h>

enum { S_ARGUMENTS = 2 * BENCH_BATCH_MAX + 2 };

static void s_append_publish (redis_publishers_t *self, redis_link_t *link, const uint8_t *payloads, size_t size)
{
    const char *arguments[] = {"PUBLISH", link->channel, (const char *)payloads};
    const size_t sizes[] = {7, link->channel_size, size};
    redis_link_append (self, link, (uint32_t)(size / self->options->size), 3, arguments, sizes);
}

/* HSET of `count` fields. */
static void s_append_set (redis_publishers_t *self, uint32_t publisher, uint64_t first_number, const uint8_t *payloads,
                          uint32_t count)
{
    static const char *arguments[S_ARGUMENTS];
    static size_t sizes[S_ARGUMENTS];
    redis_link_t *link = &self->links[publisher];
    arguments[0] = "HSET";
    sizes[0] = 4;
    arguments[1] = link->key;
    sizes[1] = link->key_size;
    for (uint32_t i = 0; i < count; i++) {
        const char *field = self->names->fields[(first_number + i) % self->options->keys];
        arguments[2 + 2 * i] = field;
        sizes[2 + 2 * i] = strlen (field);
        arguments[3 + 2 * i] = (const char *)payloads + (size_t)i * self->options->size;
        sizes[3 + 2 * i] = self->options->size;
    }
    redis_link_append (self, link, 0, (int)(2 + 2 * count), arguments, sizes);
}

static void s_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count)
{
    redis_publishers_t *self = driver;
    redis_link_t *link = &self->links[publisher];
    const uint32_t messages = self->options->is_pipelined ? count : 1;
    const uint32_t updates = count / messages;
    for (uint32_t i = 0; i < messages; i++) {
        const uint8_t *some = payloads + (size_t)i * updates * self->options->size;
        s_append_set (self, publisher, first_number + (uint64_t)i * updates, some, updates);
        s_append_publish (self, link, some, (size_t)updates * self->options->size);
    }
    redis_link_commit (self, link);
}

const bench_driver_t bench_driver_redis_state = {
    .name = "redis_state",
    .help = "Redis HSET and PUBLISH; HOST:PORT; a batch is one of each, or so many pairs (--pipelined 1)",
    .publish_open = redis_publishers_open,
    .publish = s_publish,
    .service = redis_publishers_service,
    .finish = redis_publishers_finish,
    .published = redis_publishers_counts,
    .publish_close = redis_publishers_close,
    .subscribe_open = redis_subscribers_open,
    .receive = redis_subscribers_receive,
    .received = redis_subscribers_counts,
    .subscribe_close = redis_subscribers_close,
};
