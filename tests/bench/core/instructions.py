#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Counts the instructions of the core's main paths and compares them with instructions.txt.

Each row of bench_steps runs twice under callgrind, COUNT and twice COUNT repetitions; the difference is what COUNT
repetitions cost. Instructions do not depend on what else the machine does, so 5 percent is a tight bound. They do
depend on compiler and processor type: the baseline names its own, and is not compared with another's.
Beside that stand BOUNDS, which no --update moves: what a delta may cost at all.
Exit code 0: nothing costs more than the baseline by more than that, and no bound is exceeded; 1: something does, or
is; 77: nothing was compared.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOLERANCE = 0.05

# At most `most` instructions for what `row` costs; with `less`, for each of the `parts` by which it is more than that
# row; with `over`, it is at most that multiple of the row `over`.
Bound = collections.namedtuple("Bound", "title row less parts most over", defaults=[None, 1, None, None])
BOUNDS = (
    Bound("core step, a delta of one number", "step_one_field", most=1500),
    Bound("core step, a delta of one field of 128 octets", "step_bytes_128", most=1500),
    Bound("core step, the second field", "step_two_fields", "step_one_field", 1, 300),
    Bound("core step, each of the next three", "step_five_fields", "step_two_fields", 3, 300),
    Bound("core step, each of the next five", "step_ten_fields", "step_five_fields", 5, 300),
    Bound("decode, step and encode, a delta of one number", "path_one_field", most=3000),
    Bound("decode, step and encode, a delta of one field of 128 octets", "path_bytes_128", most=3000),
    Bound("a delta among 10,000 agents, as a multiple of one among 10", "step_among_10000", most=1.25,
          over="step_among_10"),
)
COUNTED = ["s_step", "s_decode", "s_receive*", "s_encode", "s_encode_agents*"]  # the compiler may add to a name
BASELINE = pathlib.Path(__file__).resolve().parent / "instructions.txt"
HEAD = """# SPDX-License-Identifier: MPL-2.0
# Instructions of the core's main paths; written by instructions.py --update, on purpose only.
"""


def skip(why):
    print(f"SKIPPED, NOT TESTED: instructions of the core's main paths: {why}")
    sys.exit(77)


def rows_of(bench):
    listed = subprocess.run([bench, "--list"], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name, count, units, unit = line.split("\t")
        yield name, int(count), int(units), unit


def collected(bench, row, count):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [f"--toggle-collect={function}" for function in COUNTED] + [bench, row, str(count)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return int(found.group(1))


def measure(bench, row):
    name, count, units, _ = row
    return round((collected(bench, name, 2 * count) - collected(bench, name, count)) / (count * units))


def count(bench, rows):
    """Instructions of a unit of each row, by its name; as many rows at once as there are cores."""
    longest_first = sorted(rows, key=lambda row: -row[1])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip((row[0] for row in longest_first), pool.map(lambda row: measure(bench, row), longest_first)))


def rows_named(bound):
    return {row for row in (bound.row, bound.less, bound.over) if row}


def held_to(bound, counted):
    """What a bound is about, in instructions or as a multiple; None when a row of it was not counted."""
    if not rows_named(bound) <= set(counted):
        return None
    if bound.over:
        return counted[bound.row] / counted[bound.over]
    return (counted[bound.row] - (counted[bound.less] if bound.less else 0)) / bound.parts


def judge_bounds(counted):
    """Prints each bound that can be judged; the titles of those that are exceeded."""
    exceeded = []
    for bound in BOUNDS:
        value = held_to(bound, counted)
        if value is None:
            continue
        verdict = "" if value <= bound.most else ": EXCEEDED"
        print(f"{bound.title}: {value:.{2 if bound.over else 0}f}, at most {bound.most}{verdict}")
        if verdict:
            exceeded.append(bound.title)
    return exceeded


def read_baseline(path):
    """Compiler, and by the rows' names: instructions, and of what unit."""
    compiler, counts, units = None, {}, {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("compiler: "):
            compiler = line.split(" ", 1)[1]
        elif line and not line.startswith("#"):
            name, instructions, units[name] = line.split(None, 2)
            counts[name] = int(instructions)
    return compiler, counts, units


def write_baseline(path, compiler, rows, counts):
    lines = [f"{row[0]:<24} {counts[row[0]]:>9}  {row[3]}\n" for row in rows if row[0] in counts]
    path.write_text(HEAD + f"compiler: {compiler}\n" + "".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the program bench_steps")
    parser.add_argument("--compiler", required=True, help="compiler, version and processor type that made it")
    parser.add_argument("--update", action="store_true", help="write what was counted as the new baseline")
    parser.add_argument("rows", nargs="*", help="only these rows")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        skip("valgrind is not installed")
    compiler, baseline, _ = read_baseline(BASELINE)
    if compiler != options.compiler and not options.update and not options.rows:
        skip(f"the baseline is of {compiler}, this is {options.compiler}")
    rows = list(rows_of(options.bench))
    chosen = [row for row in rows if not options.rows or row[0] in options.rows]
    counted = count(options.bench, chosen)
    worse, better = [], []
    print(f"{'':24} {'baseline':>9} {'now':>9}")
    for name, _, _, unit in chosen:
        before, now = baseline.get(name), counted[name]
        change = (now - before) / before if before else None
        print(f"{name:<24} {before or '-':>9} {now:>9} {'new' if change is None else f'{change:+.1%}':>7}  {unit}")
        if change is None or change > TOLERANCE:
            worse.append(name)
        elif change < -TOLERANCE:
            better.append(name)
    exceeded = judge_bounds(counted)
    if options.update:
        kept = {row[0]: counted.get(row[0], baseline.get(row[0])) for row in rows}
        write_baseline(BASELINE, options.compiler, rows, {name: cost for name, cost in kept.items() if cost})
        return 1 if exceeded else 0
    gone = [] if options.rows else sorted(set(baseline) - set(counted))
    if better:
        print(f"cheaper by more than 5 %, so that the baseline guards it no longer: {', '.join(better)}")
    if worse or gone:
        print(f"costs more than the baseline by more than 5 %, or is not in it: {', '.join(worse) or 'none'}; "
              f"in it, but not counted: {', '.join(gone) or 'none'}. If that is meant: instructions.py --update")
    return 1 if worse or gone or exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
