#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
#
# Output that cannot be written is said and is a failure, in all three programs that print; a reader of a pipe that
# has enough of it is none. Needs no broker.
set -u
syncbus=$SB_BINARY_DIR/cli/syncbus
syncbusd=$SB_BINARY_DIR/broker/live/syncbusd
market=$SB_BINARY_DIR/agents/market/syncbus-market
complaints=$(mktemp)
trap 'rm -f "$complaints"' EXIT
failed=0

fail ()
{
    echo "$1: $2: $(cat "$complaints")"
    failed=1
}

# lost PROGRAM ARGUMENT...: onto a full disk, and onto nothing at all.
lost ()
{
    "$@" > /dev/full 2> "$complaints"
    [[ $? -eq 1 ]] || fail "$*" "not 1 on a full disk"
    grep -q "could not be written: No space left on device" "$complaints" || fail "$*" "does not say why: a full disk"
    "$@" 2> "$complaints" >&-
    [[ $? -eq 1 ]] || fail "$*" "not 1 with its output closed"
    grep -q "could not be written: Bad file descriptor" "$complaints" || fail "$*" "does not say why: no output"
}

# enough PROGRAM ARGUMENT...: the pipe's reader has gone, with SIGPIPE as it is and ignored.
enough ()
{
    "$@" 2> "$complaints" | true
    [[ -s $complaints ]] && fail "$*" "complains of a closed pipe"
    (trap '' PIPE; "$@" 2> "$complaints" | true; exit "${PIPESTATUS[0]}")
    [[ $? -eq 0 ]] || fail "$*" "not 0 for a closed pipe"
    [[ -s $complaints ]] && fail "$*" "complains of a closed pipe where SIGPIPE is ignored"
}

lost "$syncbus" help
lost "$syncbus" help history
lost "$syncbus" --version
lost "$syncbus" complete 1 syncbus ""
enough "$syncbus" help
for flag in --print-config --help --version; do
    lost "$syncbusd" $flag
    enough "$syncbusd" $flag
done
lost "$market" --print-layout equity_trades
lost "$market" --list-layouts
lost "$market" --help
enough "$market" --list-layouts
exit $failed
