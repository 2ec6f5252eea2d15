/* SPDX-License-Identifier: MPL-2.0
 *
 * Redis publish and subscribe: PUBLISH to the channel of the publisher's category, SUBSCRIBE to the categories read.
 * Commands are pipelined, replies read back: see redis_link.h. A batch is one message of several payloads, or,
 * pipelined, so many commands.
 */
#include "redis_link.h"

static void s_publish (void *driver, uint32_t publisher, uint64_t first_number, const uint8_t *payloads, uint32_t count)
{
    (void)first_number;
    redis_publishers_t *self = driver;
    redis_link_t *link = &self->links[publisher];
    const uint32_t messages = self->options->is_pipelined ? count : 1;
    const size_t size = (size_t)self->options->size * (count / messages);
    for (uint32_t i = 0; i < messages; i++) {
        const char *arguments[] = {"PUBLISH", link->channel, (const char *)payloads + i * size};
        const size_t sizes[] = {7, link->channel_size, size};
        redis_link_append (self, link, count / messages, 3, arguments, sizes);
    }
    redis_link_commit (self, link);
}

const bench_driver_t bench_driver_redis = {
    .name = "redis",
    .help = "Redis PUBLISH and SUBSCRIBE; HOST:PORT; a batch is one message, or so many commands (--pipelined 1)",
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
