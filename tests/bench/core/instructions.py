#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Counts the instructions of the core's main paths and compares them with instructions.txt.

Each row of bench_steps runs twice under callgrind, COUNT and twice COUNT repetitions; the difference is what COUNT
repetitions cost. Instructions do not depend on what else the machine does, so 5 percent is a tight bound. They do
depend on compiler and processor type: the baseline names its own, and is not compared with another's.
Exit code 0: nothing costs more than the baseline by more than that; 1: something does; 77: nothing was compared.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOLERANCE = 0.05
COUNTED = ["s_step", "s_decode", "s_receive*", "s_encode", "s_encode_agents*"]  # the compiler may add to a name
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
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return int(found.group(1))


def measure(bench, row):
    name, count, units, _ = row
    return round((collected(bench, name, 2 * count) - collected(bench, name, count)) / (count * units))


def read_baseline(path):
    compiler, counts = None, {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("compiler: "):
            compiler = line.split(" ", 1)[1]
        elif line and not line.startswith("#"):
            name, instructions, *_ = line.split()
            counts[name] = int(instructions)
    return compiler, counts


def write_baseline(path, compiler, rows, counts):
    lines = [f"{row[0]:<24} {counts[row[0]]:>9}  {row[3]}\n" for row in rows if row[0] in counts]
    path.write_text(HEAD + f"compiler: {compiler}\n" + "".join(lines))


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the program bench_steps")
    parser.add_argument("--compiler", required=True, help="compiler, version and processor type that made it")
    parser.add_argument("--update", action="store_true", help="write what was counted as the new baseline")
    parser.add_argument("rows", nargs="*", help="only these rows")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        skip("valgrind is not installed")
    path = here / "instructions.txt"
    compiler, baseline = read_baseline(path)
    if compiler != options.compiler and not options.update and not options.rows:
        skip(f"the baseline is of {compiler}, this is {options.compiler}")
    rows = list(rows_of(options.bench))
    chosen = [row for row in rows if not options.rows or row[0] in options.rows]
    longest_first = sorted(chosen, key=lambda row: -row[1])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = dict(zip((row[0] for row in longest_first),
                           pool.map(lambda row: measure(options.bench, row), longest_first)))
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
    if options.update:
        kept = {row[0]: counted.get(row[0], baseline.get(row[0])) for row in rows}
        write_baseline(path, options.compiler, rows, {name: count for name, count in kept.items() if count})
        return 0
    gone = [] if options.rows else sorted(set(baseline) - set(counted))
    if better:
        print(f"cheaper by more than 5 %, so that the baseline guards it no longer: {', '.join(better)}")
    if worse or gone:
        print(f"costs more than the baseline by more than 5 %, or is not in it: {', '.join(worse) or 'none'}; "
              f"in it, but not counted: {', '.join(gone) or 'none'}. If that is meant: instructions.py --update")
    return 1 if worse or gone else 0


sys.exit(main())
