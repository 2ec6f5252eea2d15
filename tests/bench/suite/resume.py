# SPDX-License-Identifier: MPL-2.0
"""Going on with a run that was ended: which of its workloads are kept, and whether the rest would be measured alike.

The document of --json holds what all its figures depend on, the SHA-256 of the measuring programs among it (a version
says nothing of two builds of one day). When any of it differs, the file is not gone on with: medians of two builds or
two machines side by side would compare what cannot be compared.
"""
import hashlib
import json
import os
import sys

import workloads

MACHINE = ("cpu", "cores", "system", "kernel", "libzmq", "protobuf_c")


def programs(build):
    """The programs of a build that measure or are measured, by their paths in it."""
    found = ["broker/live/syncbusd"]
    for folder, folders, files in os.walk(os.path.join(build, "tests/bench")):
        folders[:] = [name for name in folders if name != "CMakeFiles"]
        found += [os.path.relpath(os.path.join(folder, name), build) for name in files
                  if name.startswith("bench_") and os.access(os.path.join(folder, name), os.X_OK)]
    return sorted(found)


def programs_sha256(build):
    every = hashlib.sha256()
    for path in programs(build):
        with open(os.path.join(build, path), "rb") as file:
            every.update(("%s %s\n" % (path, hashlib.sha256(file.read()).hexdigest())).encode())
    return every.hexdigest()


def conditions(arguments, rounds, peers, here, source):
    """What must be the same in both parts of a run, by its name for people. `peers`: versions of those that are run."""
    return {"mode": arguments.mode, "rounds": rounds,
            "peers": ", ".join("%s %s" % item for item in sorted(peers.items())) or "none",
            "market data": os.path.relpath(arguments.market_data, source) +
                           ("" if os.path.isdir(arguments.market_data) else " (not there)"),
            "programs (SHA-256)": programs_sha256(arguments.build), **{name: here[name] for name in MACHINE}}


def read(path, now):
    """The document that was begun at `path`; None without one. Ends the program when it was measured otherwise."""
    if not path or not os.path.exists(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        then = kept.get("conditions", {})
        whole = all(key in kept for key in ("date", "machine", "warning", "peers", "left_out", "not_run", "systems",
                                            "workloads"))
    except (ValueError, AttributeError):
        whole = False
    if not whole:
        sys.exit("bench: %s is no file that --json wrote: give another --json, or leave out --resume, which begins "
                 "anew and replaces it" % path)
    differing = ["%s: %s then, %s now" % (name, then.get(name, "not told"), value)
                 for name, value in now.items() if then.get(name) != value]
    if differing:
        sys.exit("bench: %s cannot be gone on with, since it was not measured alike:\n  %s\nRun with the same, give "
                 "another --json, or leave out --resume, which begins anew and replaces it" %
                 (path, "\n  ".join(differing)))
    return kept


def is_kept(result):
    """Whether a workload need not be run again."""
    return result is not None and not result["failures"]


def in_order(results):
    """Results in the order of the report."""
    names = [workload.name for workload in workloads.WORKLOADS]
    return sorted(results, key=lambda result: names.index(result["name"]) if result["name"] in names else len(names))


def warning(kept, now):
    """What is to be said of the machine in both parts of a run; None: nothing."""
    if not kept:
        return now
    return "; ".join(filter(None, [kept["warning"], now and "when the run was gone on with, " + now])) or None
