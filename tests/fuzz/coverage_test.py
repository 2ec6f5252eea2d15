#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Fails, with its name, for each reader of outside input and each command that no fuzz target feeds.

usage: coverage_test.py SOURCE_DIR SB_FUZZ_REPLAY

Readers are found in the public headers by their names and parameters; fuzz_readers.def says which target feeds each;
commands are the rows of sb_commands.def; targets are those that the program has, and each must have inputs in corpus.
Then the check is tried out: each row is taken out once, and must be missed by name.
"""
import re
import subprocess
import sys
from pathlib import Path

# Names of readers (but for counts of what was read), and parameters that are input from outside.
READER = re.compile(r"^sb_decode_|_decode$|_(read|parse|from_csv|from_json)(_|$)|^sb_literal_|^sb_input_line$")
NAMES_READER = re.compile(r"_is_|_split$|_prefix$|_prefix_matches$")
INPUT = re.compile(r"\bsb_text_t\b|\bconst (char|void) \*|\bchar \*(const )?\*|\bchar \*(line|text)\b|\bsb_input_t \*")
DECLARATION = re.compile(r"^[a-z][\w \*]*?[ \*](sb_\w+) \(([^;{]*?)\);", re.M | re.S)
# Not public: inside one library. Commands and messages come to these through what is fuzzed.
INNER = re.compile(r"_private\.h$|_internal\.h$|/sb_hot\.h$")


def readers(source):
    """Public functions that read what comes from outside, each with its header."""
    found = {}
    for header in sorted(path for part in ("broker", "cli", "agents") for path in (source / part).rglob("*.h")):
        if INNER.search(str(header)):
            continue
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for name, parameters in DECLARATION.findall(text):
            rule = NAMES_READER if header.name == "sb_names.h" else READER
            if rule.search(name) and not name.endswith("_octets_read") and INPUT.search(" ".join(parameters.split())):
                found[name] = str(header.relative_to(source))
    return found


def rows(path, macro):
    """The rows of a table: the names between the parentheses, up to two."""
    return re.findall(rf"^{macro} \((\w+)(?:, (\w+))?", path.read_text(), re.M)


def missing(wanted, commands, targets, direct, within, sources):
    """A sentence for each thing that is not covered."""
    problems = [f"{name} ({header}) has no row in fuzz_readers.def" for name, header in wanted.items()
                if name not in direct and name not in within]
    problems += [f"fuzz_readers.def has {name}, which no public header declares as a reader"
                 for name in [*direct, *within] if name not in wanted]
    problems += [f"{name}: there is no target {target}" for name, target in direct.items() if target not in targets]
    problems += [f"{name}: no target calls it" for name in direct if f"{name} (" not in sources
                 and not (name.startswith("sb_decode_") and f"WIRE_TARGET ({name[10:]}," in sources)]
    problems += [f"{name}: {reader} has no row" for name, reader in within.items() if reader not in direct]
    problems += [f"the command {name} has no target command_{name}" for name in commands
                 if f"command_{name}" not in targets]
    return problems


def without(table, name):
    return {key: value for key, value in table.items() if key != name}


def check_itself(wanted, commands, targets, direct, within, sources):
    """Each row taken out must be missed, by its name."""
    for name in direct:
        said = missing(wanted, commands, targets, without(direct, name), within, sources)
        assert any(line.startswith(f"{name} (") for line in said), f"not missed: {name}"
    for name in within:
        said = missing(wanted, commands, targets, direct, without(within, name), sources)
        assert any(line.startswith(f"{name} (") for line in said), f"not missed: {name}"
    for name in commands:
        said = missing(wanted, commands, targets - {f"command_{name}"}, direct, within, sources)
        assert said == [f"the command {name} has no target command_{name}"], f"not missed: {name}"
    for target in set(direct.values()):
        said = missing(wanted, commands, targets - {target}, direct, within, sources)
        assert any(line.endswith(f"no target {target}") for line in said), f"not missed: {target}"


def main():
    source, program = Path(sys.argv[1]), sys.argv[2]
    folder = source / "tests" / "fuzz"
    listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    wanted = readers(source)
    direct = dict(rows(folder / "fuzz_readers.def", "FUZZ_READER"))
    within = dict(rows(folder / "fuzz_readers.def", "FUZZ_WITHIN"))
    commands = [name for name, _ in rows(source / "schemas" / "sb_commands.def", "SB_COMMAND")]
    assert len(commands) >= 10 and len(wanted) >= 30, "the tables are not read as they are written"
    sources = "".join(path.read_text() for path in sorted(folder.glob("*target*.c")))
    problems = missing(wanted, commands, targets, direct, within, sources)
    problems += [f"fuzz_targets.def has {name}, which is no target of the program"
                 for name, _ in rows(folder / "fuzz_targets.def", "FUZZ_TARGET") if name not in targets]
    kept = {path.name for path in (folder / "corpus").iterdir() if any(path.iterdir())}
    problems += [f"target {name} has no inputs in corpus" for name in sorted(targets - kept)]
    problems += [f"corpus/{name} is of no target" for name in sorted(kept - targets)]
    if problems:
        print("\n".join(problems))
        return 1
    check_itself(wanted, commands, targets, direct, within, sources)
    print(f"{len(wanted)} readers and {len(commands)} commands, each with a target")
    return 0


if __name__ == "__main__":
    sys.exit(main())
