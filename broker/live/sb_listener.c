/* SPDX-License-Identifier: MPL-2.0
 *
 * See sb_listener.h. /proc/net/tcp gives the inode of the listening socket, /proc/PID/fd/N the process that has it
 * open, /proc/PID/comm its name. Rejected: netlink, which says no more and takes more code.
 */
#define _GNU_SOURCE
#include "sb_listener.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_LISTEN = 0x0a };

/* Inode of a socket that listens on the port, 0 when there is none. */
static unsigned long s_find_inode (const char *table, uint16_t port)
{
    FILE *file = fopen (table, "re");
    if (!file)
        return 0;
    char line[512];
    unsigned long found = 0;
    while (!found && fgets (line, sizeof line, file)) {
        unsigned int local_port, state;
        unsigned long inode;
        if (sscanf (line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*d %*d %lu", &local_port,
                    &state, &inode) == 3 &&
            state == STATE_LISTEN && local_port == port)
            found = inode;
    }
    fclose (file);
    return found;
}

/* True when the process has that socket open. */
static bool s_holds (const char *pid, const char *socket_name)
{
    char path[PATH_MAX], target[64];
    snprintf (path, sizeof path, "/proc/%s/fd", pid);
    DIR *directory = opendir (path);
    if (!directory)
        return false;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir (directory))) {
        ssize_t size = readlinkat (dirfd (directory), entry->d_name, target, sizeof target - 1);
        if (size > 0) {
            target[size] = '\0';
            found = strcmp (target, socket_name) == 0;
        }
    }
    closedir (directory);
    return found;
}

static void s_describe_process (const char *pid, char *text, size_t size)
{
    char path[PATH_MAX], name[64] = "a program";
    snprintf (path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen (path, "re");
    if (file) {
        if (fgets (name, sizeof name, file))
            name[strcspn (name, "\n")] = '\0';
        fclose (file);
    }
    snprintf (text, size, "%s (pid %s)", name, pid);
}

const char *sb_listener_describe (uint16_t port, char *text, size_t size)
{
    char socket_name[64];
    snprintf (text, size, "another program, which this user may not see,");
    unsigned long inode = s_find_inode ("/proc/net/tcp", port);
    if (!inode)
        inode = s_find_inode ("/proc/net/tcp6", port);
    DIR *directory = inode ? opendir ("/proc") : NULL;
    if (!directory)
        return text;
    snprintf (socket_name, sizeof socket_name, "socket:[%lu]", inode);
    const struct dirent *entry;
    while ((entry = readdir (directory))) {
        if (strspn (entry->d_name, "0123456789") != strlen (entry->d_name) || !s_holds (entry->d_name, socket_name))
            continue;
        s_describe_process (entry->d_name, text, size);
        break;
    }
    closedir (directory);
    return text;
}
