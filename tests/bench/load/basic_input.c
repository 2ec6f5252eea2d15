/* SPDX-License-Identifier: MPL-2.0
 *
 * What bench_basic reads: the ticks, and how many octets went over its connections.
 *
 * Octets are the kernel's own count for each connection (TCP_INFO), taken at the agents' ends: payload alone, without
 * retransmissions, exact to the octet. A counting proxy was rejected: it would stand in the way of the latency.
 */
#define _GNU_SOURCE
#include "basic.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LINE = 1024, STEP = 4096 };

/* The number of a name in a table, which takes it up when it is new. */
static uint32_t s_number (char (*table)[BASIC_NAME], uint32_t *count, uint32_t capacity, const char *name)
{
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp (table[i], name) == 0)
            return i;
    if (*count == capacity || strlen (name) >= BASIC_NAME)
        scale_fail ("ticks: %s: too many names, or too long a one", name);
    strcpy (table[*count], name);
    return (*count)++;
}

static void s_read_line (basic_recording_t *self, char *line, basic_tick_t *tick)
{
    char *rest = NULL;
    const char *time_text = strtok_r (line, " \n", &rest), *instrument = strtok_r (NULL, " \n", &rest);
    if (!instrument)
        scale_fail ("ticks: a line without instrument");
    tick->time_ns = strtoull (time_text, NULL, 10);
    tick->instrument = s_number (self->instruments, &self->instrument_count, BASIC_INSTRUMENTS_MAX, instrument);
    tick->count = 0;
    for (char *field = strtok_r (NULL, " \n", &rest); field; field = strtok_r (NULL, " \n", &rest)) {
        char *value = strchr (field, '=');
        if (!value || tick->count == BASIC_FIELDS_MAX)
            scale_fail ("ticks: %s is no field", field);
        *value = '\0';
        tick->fields[tick->count] = (uint8_t)s_number (self->fields, &self->field_count, BASIC_FIELDS_MAX, field);
        tick->values[tick->count++] = strtod (value + 1, NULL);
    }
}

/* "instrument.field", which has room in `name`. */
static void s_join (char *name, const char *instrument, const char *field)
{
    char *end = stpcpy (name, instrument);
    *end = '.';
    strcpy (end + 1, field);
}

void basic_read_ticks (basic_recording_t *self, const char *path)
{
    char line[LINE];
    FILE *file = fopen (path, "re");
    if (!file)
        scale_fail ("%s: %s", path, strerror (errno));
    while (fgets (line, sizeof line, file)) {
        if (self->count % STEP == 0)
            self->ticks = realloc (self->ticks, (self->count + STEP) * sizeof *self->ticks);
        if (!self->ticks)
            scale_fail ("no memory");
        s_read_line (self, line, &self->ticks[self->count++]);
    }
    fclose (file);
    if (self->count == 0)
        scale_fail ("%s: no ticks", path);
    for (uint32_t i = 0; i < self->instrument_count; i++)
        for (uint32_t j = 0; j < self->field_count; j++)
            s_join (self->names[i][j], self->instruments[i], self->fields[j]);
}

static int s_port (const char *endpoint)
{
    return atoi (strrchr (endpoint, ':') + 1);
}

/* Adds what a descriptor carried, if it is a connection to one of the ports. */
static void s_add (int descriptor, int ingress, int publish, basic_bytes_t *bytes)
{
    struct sockaddr_storage peer;
    struct tcp_info info = {0};
    socklen_t peer_size = sizeof peer, info_size = sizeof info;
    if (getpeername (descriptor, (struct sockaddr *)&peer, &peer_size) != 0 || peer.ss_family != AF_INET)
        return;
    const int port = ntohs (((struct sockaddr_in *)&peer)->sin_port);
    if (port != ingress && port != publish)
        return;
    if (getsockopt (descriptor, IPPROTO_TCP, TCP_INFO, &info, &info_size) != 0 ||
        info_size < offsetof (struct tcp_info, tcpi_dsack_dups))
        scale_fail ("this kernel does not count the octets of a connection");
    bytes->sent += info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
    bytes->received += info.tcpi_bytes_received;
}

basic_bytes_t basic_bytes (const basic_options_t *options)
{
    basic_bytes_t bytes = {0};
    DIR *folder = opendir ("/proc/self/fd");
    if (!folder)
        scale_fail ("/proc: %s", strerror (errno));
    for (struct dirent *entry = readdir (folder); entry; entry = readdir (folder))
        if (entry->d_name[0] != '.')
            s_add (atoi (entry->d_name), s_port (options->ingress), s_port (options->publish), &bytes);
    closedir (folder);
    return bytes;
}
