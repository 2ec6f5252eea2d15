#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# The client's step may use memory and arithmetic, and nothing else of the world: every symbol that its objects leave
# undefined must be on the list below, or defined by one of them, or be this project's own (sb_, pure parts).
#
#   purity.sh none,SANITIZERS OBJECT ...
set -eu
if [ "$1" != none, ]; then
    echo "SKIPPED: a sanitizer adds symbols of its own"
    exit 77
fi
shift
allowed='malloc|calloc|realloc|free|memcpy|memmove|memset|memcmp|memchr|bcmp|strcmp|strcpy|strlen|pow|isfinite|__isfinite|finite|__finite|__assert_fail'
allowed="$allowed|__stack_chk_fail|__memcpy_chk|__memset_chk|__strcpy_chk|_GLOBAL_OFFSET_TABLE_"
forbidden=$(nm -u "$@" | awk '$1 == "U" { print $2 }' | sed 's/@.*//' | sort -u | grep -vE "^(sb_[a-z0-9_]+|$allowed)\$" || true)
if [ -n "$forbidden" ]; then
    echo "the client's step is no longer pure; it uses: $forbidden"
    exit 1
fi
shell=$(nm -u "$@" | awk '$1 == "U" { print $2 }' | grep -E '^sb_(shell|sockets|inbox|handlers|agent_(new|destroy|update|dispatch))' || true)
if [ -n "$shell" ]; then
    echo "the client's step calls its shell: $shell"
    exit 1
fi
echo "the client's step uses memory and arithmetic only"
