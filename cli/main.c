/* SPDX-License-Identifier: MPL-2.0
 *
 * syncbus: look at a broker and its agents, command them, read and write the bus.
 */
#include <czmq.h>
#include <locale.h>

#include "sb_output.h"
#include "sb_run.h"

int main (int argc, char **argv)
{
    sb_output_reserve ();
    /* Only how characters are encoded: a comma as decimal point would break numbers. */
    setlocale (LC_CTYPE, "");
    zsys_init ();
    zsys_set_linger (0);
    return sb_run (argc, argv);
}
