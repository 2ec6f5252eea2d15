# SPDX-License-Identifier: MPL-2.0
"""Instructions of the core's main paths as a workload, so that their bounds are judged and reported with all other bars.

core/instructions.py counts; its BOUNDS are the bars, its rows and the differences that bounds are about the cases.
Where valgrind is not installed all cases are left out, and the bars are not measured. One round is enough: a
second one counts the same.
"""
import functools
import os
import shutil
import subprocess
import sys

from model import AccountingError, Bar, Case, Figure, Workload

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "core"))
import instructions  # noqa: E402 (its folder had to be named first)

VALGRIND = "valgrind"  # stands for the system of each case: what must be there
_, BASELINE, UNITS = instructions.read_baseline(instructions.BASELINE)


def is_there():
    return shutil.which(VALGRIND) is not None


@functools.lru_cache(maxsize=None)
def counted(build):
    """All rows at once, which uses all cores."""
    program = os.path.join(build, "tests/bench/core/bench_steps")
    return instructions.count(program, list(instructions.rows_of(program)))


def run(case, context):
    try:
        value = instructions.held_to(case.options["bound"], counted(context.build))
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise AccountingError(str(error)) from error
    if value is None:
        raise AccountingError("bench_steps has no such row")
    before = instructions.held_to(case.options["bound"], BASELINE)
    return {"instructions": value} if before is None else {"instructions": value, "baseline": before}


def row_label(row):
    return "%s, %s" % (row, UNITS.get(row, ""))


def label_of(bound):
    return bound.title if bound.less else row_label(bound.row)


def cases():
    rows = [Case(row_label(row), VALGRIND, {"bound": instructions.Bound(row, row)}) for row in BASELINE]
    return rows + [Case(label_of(bound), VALGRIND, {"bound": bound}) for bound in instructions.BOUNDS if bound.less]


def bar_of(bound):
    return Bar("instructions", label_of(bound), row_label(bound.over) if bound.over else None, "<=", bound.most)


WORKLOADS = [Workload(
    "instructions", "Instructions of the core's main paths",
    "What the core's step and the codec take for a unit of each row, without sockets, counted by callgrind; `baseline`: "
    "what is committed in `tests/bench/core/instructions.txt`. The last rows are differences of others: what each "
    "further field of a delta costs. All rows are counted once, whatever the number of rounds: see PERFORMANCE.md.",
    run, cases(),
    [Figure("instructions", "instructions", "", False), Figure("baseline", "baseline", "", False)], [],
    [bar_of(bound) for bound in instructions.BOUNDS], None, 1)]
