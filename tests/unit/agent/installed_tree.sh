#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# Installs the client library into a folder of its own and uses it as a stranger would: pkg-config, one header, one
# shared library; from C and, where a compiler is there, from C++. Then looks at what the library exports and needs.
#
#   installed_tree.sh BUILD_DIR SOURCE_DIR C_COMPILER SANITIZERS
set -eu
build=$1 source=$2 cc=$3
if [ -n "${4:-}" ]; then
    echo "SKIPPED: a library built with a sanitizer cannot be loaded by a plain program"
    exit 77
fi
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

cmake --install "$build" --prefix "$tree" --component library > "$tree/install.log"
PKG_CONFIG_PATH=$(dirname "$(find "$tree" -name syncbus.pc)")
export PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(pkg-config --variable=libdir syncbus)
export LD_LIBRARY_PATH

# A shared library brings what it needs along: nobody needs the .pc files, headers or folders of its own parts.
flags=$(PKG_CONFIG_LIBDIR=$PKG_CONFIG_PATH pkg-config --cflags syncbus)
case $flags in
*-I*-I* | *" -"*)
    echo "pkg-config --cflags says more than where the header is: $flags"
    exit 1
    ;;
esac

cat > "$tree/user.c" <<'PROGRAM'
#include <syncbus.h>
#include <stdio.h>
#include <string.h>
int main (void)
{
    char error[200];
    sb_agent_options_t options;
    memset (&options, 0, sizeof options);
    options.agent_id = "_not good";
    if (sb_agent_new (&options, error, sizeof error) != NULL)
        return 1;
    options.agent_id = "user";
    options.ingress_endpoint = "tcp://127.0.0.1:1";
    sb_agent_t *agent = sb_agent_new (&options, error, sizeof error);
    if (agent == NULL || sb_agent_status (agent) != SB_AGENT_CONNECTING)
        return 2;
    sb_change_t change = sb_number ("x", 1.5);
    sb_agent_update_t update;
    memset (&update, 0, sizeof update);
    update.changes = &change;
    update.change_count = 1;
    if (sb_agent_update (agent, &update, 0, NULL) != SB_REASON_NONE)
        return 3;
    sb_agent_destroy (&agent, 0);
    printf ("%s: %s\n", sb_reason_name (SB_REASON_PAUSED), error);
    return 0;
}
PROGRAM
# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Wextra -Werror -o "$tree/user" "$tree/user.c" $(pkg-config --cflags --libs syncbus)
"$tree/user" | grep -q "^PAUSED: an agent id is"
if command -v g++ > /dev/null; then
    # shellcheck disable=SC2046
    g++ -Wall -Wextra -Werror -x c++ -o "$tree/user_cxx" "$tree/user.c" $(pkg-config --cflags --libs syncbus)
    "$tree/user_cxx" > /dev/null
fi
for example in publisher subscriber; do
    # shellcheck disable=SC2046
    "$cc" -std=gnu11 -Wall -Wextra -Werror -o "$tree/$example" "$source/agents/examples/$example.c" $(pkg-config --cflags --libs syncbus)
    lines=$(wc -l < "$source/agents/examples/$example.c")
    [ "$lines" -le 60 ] || { echo "$example.c has $lines lines, 60 are allowed"; exit 1; }
done

header=$(pkg-config --variable=includedir syncbus)/syncbus.h
if grep -n '#include "' "$header"; then
    echo "the installed header does not stand alone"
    exit 1
fi
library=$(pkg-config --variable=libdir syncbus)/libsyncbus.so
nm -D --defined-only "$library" | awk '{ print $3 }' | sort > "$tree/exported"
grep -oE '\bsb_[a-z_]+ \(' "$source/agents/libsyncbus/syncbus.h" | tr -d ' (' | sort -u > "$tree/declared"
if ! diff "$tree/declared" "$tree/exported" > "$tree/difference"; then
    echo "declared in syncbus.h (<) and exported (>) differ:"
    cat "$tree/difference"
    exit 1
fi
needed=$(objdump -p "$library" | awk '/NEEDED/ { print $2 }' | grep -vE '^(libc|libm|libpthread|ld-linux.*|libzmq|libprotobuf-c|libz)\.so' || true)
if [ -n "$needed" ]; then
    echo "the library needs more than libzmq, protobuf-c and zlib: $needed"
    exit 1
fi
echo "installed tree: header, library and pkg-config file work"
