#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
#
# The completion script in a real bash: what it offers is what the table of commands has, and words with : and = are
# completed from where readline splits them.
set -u
PATH=$SB_BINARY_DIR/cli:$PATH
export SYNCBUS_COMMAND=tcp://127.0.0.1:1
source "$SB_SOURCE_DIR/cli/completion/syncbus"
failed=0

# expect LINE CANDIDATES: what stands in COMPREPLY with the cursor at the end of LINE.
expect ()
{
    COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
    _syncbus
    if [[ "${COMPREPLY[*]-}" != "$2" ]]; then
        echo "\"$1\": expected \"$2\", got \"${COMPREPLY[*]-}\""
        failed=1
    fi
}

COMP_LINE="syncbus " COMP_POINT=8
_syncbus
for name in $(sed -n 's/^SB_COMMAND (\([a-z_]*\),.*/\1/p' "$SB_SOURCE_DIR/schemas/sb_commands.def"); do
    if [[ " ${COMPREPLY[*]} " != *" $name "* ]]; then
        echo "$name is not offered"
        failed=1
    fi
done

expect "syncbus pau" "pause_agent"
expect "syncbus pause-a" "pause-agent"
expect "syncbus nothing-of-that-name" ""
expect "syncbus help emergency_s" "emergency_stop"
expect "syncbus emergency_clear la" "latch_epoch="
expect "syncbus emergency_clear --la" "--latch-epoch"
expect "syncbus --json events --fo" "--follow"
expect "syncbus status --fo" ""
expect "syncbus pause_agent " ""
expect "syncbus send_command a:b co" "command="
exit $failed
