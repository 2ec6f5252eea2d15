# SPDX-License-Identifier: MPL-2.0
"""Runs the benchmark: every workload, its cases in turn, round after round; prints medians and bars, writes reports.

Exit code 0 when everything added up, bars reached or not; 1 when a run did not add up or could not be made.
"""
import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import time

import charts
import core_workloads
import machine
import peers
import report
import resume
import summary
import workloads
from charts import number
from model import AccountingError, Case, Context

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
ROUNDS = {"full": 5, "quick": 2, "tiny": 1}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(SOURCE, "build/release"), help="folder of the build")
    parser.add_argument("--rounds", type=int, help="rounds of each workload (5; quick: 2; tiny: 1)")
    parser.add_argument("--quick", dest="mode", action="store_const", const="quick", default="full",
                        help="small counts: under two minutes")
    parser.add_argument("--tiny", dest="mode", action="store_const", const="tiny",
                        help="a few thousand updates, our own systems only: does all add up?")
    parser.add_argument("--no-peers", action="store_true", help="without NATS, Redis and Mosquitto")
    parser.add_argument("--only", action="append", metavar="WORKLOAD", help="only this one; may be given again")
    parser.add_argument("--market-data", metavar="DIR", default=os.path.join(SOURCE, "../shared/marketdata"),
                        help="recorded market data (beside the checkout: ../shared/marketdata), in it "
                             "crypto_binance_20240808_09 with trades.csv.gz and book_ticker_l1.csv.gz, see "
                             "tests/bench/SCALE.md; without it a simulated exchange takes its place")
    parser.add_argument("--list", action="store_true", help="name the workloads and their cases, and end")
    parser.add_argument("--json", metavar="FILE", help="write all figures of all rounds")
    parser.add_argument("--resume", action="store_true",
                        help="keep the workloads that the file of --json has and that added up, and run the others")
    parser.add_argument("--report", metavar="FILE.md", help="write a report, its charts beside it")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.only or []) - {workload.name for workload in workloads.WORKLOADS}
    if unknown:
        parser.error("no workload %s: see --list" % ", ".join(sorted(unknown)))
    if chosen.rounds is not None and chosen.rounds < 1:
        parser.error("--rounds is at least 1")
    if chosen.resume and not chosen.json:
        parser.error("--resume goes on with the file of --json: give one")
    return chosen


def built_drivers(build):
    """The drivers that bench_load has here."""
    program = os.path.join(build, "tests/bench/load/bench_load")
    if not os.path.exists(program):
        sys.exit("bench: no %s: build with -DSB_BUILD_BENCH=ON, as script/bench does" % program)
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in said.partition("Drivers:")[2].splitlines() if line.strip()}


def has_no_peers(arguments):
    return arguments.no_peers or arguments.mode == "tiny"


def is_there(case, drivers, no_peers):
    """Whether a case can be run here. Systems that are no peer are a workload's own affair."""
    if case.system == core_workloads.VALGRIND:
        return core_workloads.is_there()
    if case.system not in peers.PEERS:
        return True
    return not no_peers and case.system in drivers and peers.program_path(case.system) is not None


def in_mode(workload, arguments):
    """A workload as this mode runs it; None when it does not."""
    if arguments.only:
        return workload if workload.name in arguments.only else None
    if arguments.mode == "tiny" and workload.name in workloads.TINY_CASES:
        labels = workloads.TINY_CASES[workload.name]
        return workload._replace(cases=[case for case in workload.cases if case.label in labels])
    return workload if arguments.mode == "full" or workload.name not in workloads.FULL_ONLY else None


def choose(arguments):
    """The workloads to run with the cases that can be run, the systems that were left out, and the workloads that this
    mode leaves out."""
    drivers = built_drivers(arguments.build)
    no_peers = has_no_peers(arguments)
    chosen, left_out, not_run = [], set(), []
    for every in workloads.WORKLOADS:
        workload = in_mode(every, arguments)
        if not workload:
            if not arguments.only:  # else it is not the mode that leaves it out
                not_run.append(every.name)
            continue
        cases = [case for case in workload.cases if is_there(case, drivers, no_peers)]
        left_out |= {case.system for case in workload.cases} - {case.system for case in cases}
        chosen.append(workload._replace(cases=cases))
    return chosen, sorted(left_out), not_run


def run_workload(workload, rounds, context):
    """All rounds of a workload; what they gave, and what failed."""
    results, failures = [], []
    for turn in range(rounds):
        figures = {}
        for position, case in enumerate(workload.cases):
            print("  round %d of %d, %d of %d: %s" % (turn + 1, rounds, position + 1, len(workload.cases), case.label),
                  end="", flush=True)
            try:
                figures[case.label] = workload.run(case, context)
                print(", ".join("%s%s %s %s" % (": " if i == 0 else "", figure.title,
                                                number(figures[case.label][figure.key]), figure.unit)
                                for i, figure in enumerate(figure for figure in workload.figures
                                                          if figure.key in figures[case.label])
                                if i < 2), flush=True)
            except (AccountingError, peers.PeerError, OSError, subprocess.SubprocessError) as error:
                failures.append({"case": case.label, "round": turn + 1, "problem": str(error)})
                print(": DOES NOT ADD UP: %s" % error, flush=True)
        results.append(figures)
    return summary.of_workload(workload, results, failures, context.mode)


def print_summary(result):
    figures = {figure["key"]: figure for figure in result["figures"]}
    for label, case in result["cases"].items() if result["charts"] else ():
        print("  %-24s %s" % (label, "   ".join("%s %s %s" % (figures[key]["title"], report.with_spread(value),
                                                             figures[key]["unit"])
                                                for key, value in case.items() if key in result["charts"] and value)))
    for bar in result["bars"]:
        print("  bar: %s: %s: %s" % tuple(report.bar_row(bar, figures)))
    print("  took %.0f s\n" % result["seconds"], flush=True)


def peers_here(arguments):
    """The versions of the peers that can be run, by their programs' names."""
    drivers = built_drivers(arguments.build)
    names = [name for name in peers.PEERS if is_there(Case(name, name, {}), drivers, has_no_peers(arguments))]
    return {peers.PEERS[name].program: peers.version(name) for name in names}


def begin_document(chosen, left_out, arguments):
    """The document before its workloads, and that which it goes on with (None: none)."""
    here = machine.describe()
    rounds = arguments.rounds or ROUNDS[arguments.mode]
    conditions = resume.conditions(arguments, rounds, peers_here(arguments), here, SOURCE)
    kept = resume.read(arguments.json, conditions) if arguments.resume else None
    before = kept or {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
                      "machine": here, "left_out": [], "peers": {}, "systems": {}}
    systems = {case.label: case.system for workload in chosen for case in workload.cases}
    used = {system for system in systems.values() if system in peers.PEERS}
    return {"date": before["date"], "machine": before["machine"],
            "warning": resume.warning(kept, machine.warning(here)), "mode": arguments.mode, "round_count": rounds,
            "version": version(arguments.build), "conditions": conditions,
            "peers": {**before["peers"], **{peers.PEERS[name].program: peers.version(name) for name in used}},
            "left_out": sorted({*before["left_out"], *left_out}), "systems": {**before["systems"], **systems}}, kept


def print_head(document, not_run):
    print("%(cpu)s, %(cores)s cores, Linux %(kernel)s, libzmq %(libzmq)s" % document["machine"])
    if document["warning"]:
        print("WARNING: %s" % document["warning"])
    if document["left_out"]:
        print("LEFT OUT, since not installed, not built or not asked for: %s" % ", ".join(document["left_out"]))
    if not_run:
        print("left out of this mode: %s (run one with --only NAME)" % ", ".join(not_run))


def run_all(chosen, left_out, not_run, arguments):
    """Runs the workloads, with --resume only those that the document of --json has not, or with failures; it keeps what
    it has of others. Writes the document after each, so that what was measured stays when the run is ended; returns
    it."""
    document, kept = begin_document(chosen, left_out, arguments)
    context = Context(arguments.mode, arguments.build, SOURCE, market_data=arguments.market_data)
    results = {result["name"]: result for result in kept["workloads"]} if kept else {}
    waiting = [workload for workload in chosen if not resume.is_kept(results.get(workload.name))]
    print_head(document, [name for name in not_run if name not in results])
    not_run = [*(kept["not_run"] if kept else []), *not_run, *(workload.name for workload in chosen)]
    if results:
        again = [workload.name for workload in waiting if workload.name in results]
        print("KEPT of %s: %s" % (arguments.json,
                                  ", ".join(name for name in results if name not in again) or "nothing"))
        if again:
            print("RUN AGAIN, since not all of it added up: %s" % ", ".join(again))

    def update():
        done = resume.in_order(results.values())
        document.update(not_run=[name for name in dict.fromkeys(not_run) if name not in results],
                        is_recorded=is_recorded(done), seconds=round(sum(result["seconds"] for result in done)),
                        workloads=done)

    update()
    for workload in waiting:
        print("%s: %s" % (workload.name, workload.title), flush=True)
        begun = time.monotonic()
        result = run_workload(workload, workload.rounds or document["round_count"], context)
        results[workload.name] = {**result, "seconds": round(time.monotonic() - begun, 1)}
        print_summary(results[workload.name])
        update()
        write_json(document, arguments.json)
    return document


def write_json(document, path):
    if not path:
        return
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    os.replace(path + ".new", path)


def is_recorded(results):
    """Whether ticks were recorded ones; None when no workload had any."""
    said = [figures["recorded"] for result in results for turn in result["rounds"] for figures in turn.values()
            if "recorded" in figures]
    return bool(min(said)) if said else None


def version(build):
    program = os.path.join(build, "broker/live/syncbusd")
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.split()
    except OSError:
        sys.exit("bench: no %s: build with -DSB_BUILD_BENCH=ON, as script/bench does" % program)
    return said[-1] if said else "unknown"


def main():
    arguments = parse(sys.argv[1:])
    # What is running is then stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.list:
        for workload in workloads.WORKLOADS:
            print("%-12s %s\n%13s%s" % (workload.name, workload.title, "",
                                        ", ".join(case.label for case in workload.cases)))
        return 0
    if arguments.report and not charts.can_draw():
        sys.exit("bench: a report's charts need python3-matplotlib (script/bootstrap report), and Debian's Python")
    document = run_all(*choose(arguments), arguments)
    if arguments.report:
        report.write(document, arguments.report)
    failures = sum(len(result["failures"]) for result in document["workloads"])
    missed = sum(bar["is_reached"] is False for result in document["workloads"] for bar in result["bars"])
    not_judged = sum(bar["is_reached"] is None and not report.is_note(bar)
                     for result in document["workloads"] for bar in result["bars"])
    print("%d s; %d runs that do not add up, %d bars missed, %d not judged" %
          (document["seconds"], failures, missed, not_judged))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("bench: ended; what --json has of whole workloads is kept, and --resume goes on with it", file=sys.stderr)
        sys.exit(130)
