/* SPDX-License-Identifier: MPL-2.0
 *
 * Who listens on a port.
 */
#include "sb_listener.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Test (listener, the_process_that_listens_is_named_with_its_pid)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int descriptor = socket (AF_INET, SOCK_STREAM, 0);
    cr_assert_eq (bind (descriptor, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq (listen (descriptor, 1), 0);
    cr_assert_eq (getsockname (descriptor, (struct sockaddr *)&address, &size), 0);
    char text[128], expected[32];
    snprintf (expected, sizeof expected, "(pid %d)", (int)getpid ());
    cr_assert (strstr (sb_listener_describe (ntohs (address.sin_port), text, sizeof text), expected), "%s", text);
    close (descriptor);
    cr_assert (strstr (sb_listener_describe (ntohs (address.sin_port), text, sizeof text), "another program"), "%s",
               text);
}
