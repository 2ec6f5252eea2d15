# SPDX-License-Identifier: MPL-2.0
"""The workloads of size: a fleet of thousands of agents, a large snapshot, the emergency stop under a flood, the basic
bus, and how cost grows. Each run is one program that makes its own load and prints one line of JSON; it fails when an
answer, an update or an agent is not accounted for."""
import json
import os
import subprocess
import tempfile

import servers
from figures import P50, P99, P999, SERVER_CPU, rate
from model import FULL_COUNTS, AccountingError, Axis, Bar, Case, Condition, Figure, Sizes, Workload
from processes import Program, die_with_parent

RUN_TIMEOUT_S = 400
MB = 10 ** 6
QUEUES = {"ingress-queue": 1000, "publish-queue": 1000}  # what syncbusd has by default
SERVER_OPTIONS = {*QUEUES, "flags", "echo"}  # all others are the load program's


class Echo(servers.Server):
    """bench_echo: a ROUTER and an XPUB with the broker's options that send back, or publish, what they get."""

    process = None

    def start(self):
        ready = self.folder + "/ready.json"
        arguments = [os.path.join(self.context.build, "tests/bench/forwarders/bench_echo"), ready]
        if "echo" in self.options:
            arguments.append("--" + self.options["echo"])
        self.process = Program(arguments, self.folder + "/errors")
        self.process.read("ready")
        with open(ready, encoding="utf-8") as file:
            said = json.load(file)
        self.endpoint, self.publish_endpoint = said["ingress"], said["publish"]
        self.command_endpoint, self.pid = said["command"], said["pid"]

    def stop(self):
        if self.process:
            self.process.__exit__()


def make(case, context, options):
    kind = Echo if case.system == "bare" else servers.Broker
    return kind(context, {**QUEUES, **options})


def measure(program, case, server, options, context):
    """Runs a load program against a server; what it said."""
    line = [os.path.join(context.build, "tests/bench/load", program), "--system", case.system,
            "--ingress", server.endpoint, "--publish", server.publish_endpoint, "--command", server.command_endpoint,
            "--pid", str(server.pid)]
    for name, value in options.items():
        if name not in SERVER_OPTIONS:
            line += ["--" + name, str(value)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False,
                              preexec_fn=die_with_parent)
    except subprocess.TimeoutExpired as error:
        raise AccountingError("%s hangs" % program) from error
    if done.returncode != 0:
        raise AccountingError(done.stderr.strip()[-600:] or "%s ended with code %d" % (program, done.returncode))
    return json.loads(done.stdout)


def said_by(program, case, context):
    options = context.options(case)
    with make(case, context, options) as server:
        return measure(program, case, server, options, context)


# ---------------------------------------------------------------------------- the fleet, and how cost grows

def run_fleet(case, context):
    said = said_by("bench_fleet", case, context)
    made = {"resident_mb": said["resident_bytes"] / MB, "beat_cpu_us": said["cpu_ns_per_beat"] / 1000,
            "beats": said["beats_answered"], "mistaken_suspects": said["mistaken_suspects"]}
    if said["core_bytes"]:
        made["core_mb"] = said["core_bytes"] / MB
    if said["deltas_measured"]:
        made.update(delta_cpu_us=said["cpu_ns_per_delta"] / 1000,
                    rate=said["deltas_measured"] * 1e9 / said["deltas_window_ns"],
                    beats_a_delta=said["beats_meanwhile"] / said["deltas_measured"])
    if said["sparse_window_ns"]:
        made["delta_own_us"] = said["own_ns_per_delta"] / 1000
        made["per_publication"] = said["written"] / said["publications"]
    return made


RESIDENT = Figure("resident_mb", "resident memory of the server", "MB", False)
CORE = Figure("core_mb", "memory of the core", "MB", False)
BEAT_CPU = Figure("beat_cpu_us", "server CPU a beat", "us", False)
DELTA_OWN = Figure("delta_own_us", "server CPU a delta, its own", "us", False)
DELTA_CPU = Figure("delta_cpu_us", "server CPU a delta, beats included", "us", False)
PER_PUBLICATION = Figure("per_publication", "deltas in a publication", "", True)
BEATS_A_DELTA = Figure("beats_a_delta", "beats a delta", "", False)
RATE = rate("deltas/s")

AGENTS = Sizes(10000, 1000, 60)
FLEET = {"agents": AGENTS, "readers": Sizes(1000, 100, 6), "processes": Sizes(10, 2, 1),
         "interval-ms": Sizes(1000, 250, 250), "beat-s": Sizes(10, 1, 1)}
WIDE = {**FLEET, "field-octets": 128}
DELTAS = Sizes(1000000, 100000, 2000)
FEW = {"agents": 10, "readers": 0, "processes": 1, "interval-ms": 250, "beat-s": 1}
PAIRED = {"interval-ms": Sizes(1000, 1000, 250), "beat-laps": 10, "beat-s": 1, "pairs": Sizes(5, 3, 2)}
# A subscriber reads all. Small windows: a connection brings four deltas at a time, for one ack, whether ten agents
# write or a thousand. Large ones: as many are under way as a thousand small windows hold.
ALL_READ = {**PAIRED, "deltas": DELTAS, "burst": 4, "subscribers": 1, "ahead": 8000, "publish-queue": 20000}
SMALL = {"window": 4}
LARGE = {"window": 400, "burst": 16}
MANY = {"writers": Sizes(1000, 400, 40)}
UNDERSCORED = {name.replace("-", "_"): value for name, value in PAIRED.items()}


def grown(count, flags=None, **options):
    """A case of growth: 10 agents that write, unless said otherwise, and one thing of which there is so much."""
    return count, {**FEW, "deltas": Sizes(500000, 50000, 2000),
                   **{name.replace("_", "-"): value for name, value in options.items()}, "flags": flags or {}}


def growth(name, title, text, axis, rows, figures=(DELTA_CPU, RATE, CORE), charts=("delta_cpu_us",)):
    """`rows` as grown () gives them."""
    places = {"%d %s" % (count, name.partition("_")[2]): count for count, _ in rows}
    cases = [Case(label, "syncbus", options) for label, (_, options) in zip(places, rows)]
    return Workload(name, title, text, run_fleet, cases, list(figures), list(charts), [], Axis(axis, places))


ROOM = {"limits-fields": 1200000, "limits-fields-per-category": 200000, "limits-categories": 512}

FLEET_WORKLOADS = [
    Workload(
        "fleet", "A fleet: 10,000 agents with 10 fields each, 1,000 of them subscribers",
        "Over DEALERs from ten processes (quick: 1,000 agents that beat four times a second). Bare: a ROUTER and an "
        "XPUB that send every frame back, with the same peers. Fields are numbers, or 128 octets. Beats are measured "
        "while nothing else goes on; memory behind that. 1 MB is 1,000,000 octets.",
        run_fleet, [Case("bare", "bare", FLEET), Case("syncbus", "syncbus", FLEET),
                    Case("bare, 128-octet fields", "bare", WIDE), Case("syncbus, 128-octet fields", "syncbus", WIDE)],
        [RESIDENT, CORE, BEAT_CPU, Figure("mistaken_suspects", "agents SUSPECT for a while", "", False)],
        ["resident_mb", "beat_cpu_us"],
        [Bar("core_mb", "syncbus", None, "<=", 100, FULL_COUNTS),
         Bar("resident_mb", "syncbus", "bare", "<=", 1.3, FULL_COUNTS),
         Bar("beat_cpu_us", "syncbus", "bare", "<=", 1.5, FULL_COUNTS),
         Bar("core_mb", "syncbus, 128-octet fields", None, ">=", 0),
         Bar("resident_mb", "syncbus, 128-octet fields", "bare, 128-octet fields", ">=", 0)]),
    Workload(
        "fleet_deltas", "What a delta costs with 10 agents and with a fleet of 10,000",
        "Deltas of 128 octets come flat out, and a subscriber reads every one of them. With small windows each writer "
        "has four undecided and waits for its ack: 10 agents, ten of the fleet, or 1,000 of it in turn (quick: 400 of "
        "1,000), whose deltas, unlike those of ten, seldom wait together and so are published one by one. With large "
        "ones ten agents write, of ten or of the fleet, with 400 undecided each: a read from a connection then brings "
        "many deltas and one ack decides them, in both. `fleet` against `10 agents, large windows` has both "
        "differences. All come twice, in five parts, each while every agent beats once a second and again while it "
        "beats every ten seconds. *Its own* is what a further delta adds to the server's CPU: two such windows give "
        "the price of a delta and that of a beat, and the beats' is taken out; the median of the pairs counts. *Beats "
        "included* is the plain quotient at a beat a second; most of what the fleet adds to it are 10,000 connections "
        "that are read and written, which the bar about beats is about. The broker's own counters of deltas, changes "
        "and publications are those of what was sent, and the subscriber got each update once, in its writer's order.",
        run_fleet,
        [Case("10 agents", "syncbus", {**FEW, **ALL_READ, **SMALL}),
         Case("fleet", "syncbus", {**FLEET, **ALL_READ, **SMALL, **MANY}),
         Case("fleet, ten writers", "syncbus", {**FLEET, **ALL_READ, **SMALL}),
         Case("10 agents, large windows", "syncbus", {**FEW, **ALL_READ, **LARGE}),
         Case("fleet, large windows", "syncbus", {**FLEET, **ALL_READ, **LARGE})],
        [DELTA_OWN, DELTA_CPU, PER_PUBLICATION, BEATS_A_DELTA, RATE], ["delta_own_us", "delta_cpu_us"],
        [Bar("delta_own_us", "fleet", "10 agents", "<=", 1.25, FULL_COUNTS),
         Bar("delta_own_us", "fleet, ten writers", "10 agents", "<=", 1.25, FULL_COUNTS),
         Bar("delta_cpu_us", "fleet", "10 agents", ">=", 0),
         Bar("delta_own_us", "fleet, large windows", "10 agents, large windows", "<=", 1.25, FULL_COUNTS),
         Bar("delta_cpu_us", "fleet, large windows", "10 agents, large windows", ">=", 0),
         Bar("delta_own_us", "fleet", "10 agents, large windows", ">=", 0)]),
    growth("growth_agents", "How cost grows with agents",
           "Deltas from 10 agents, flat out, while so many are registered and beat once a second.",
           "agents registered and beating",
           [grown(count, agents=count, processes=min(10, count // 10), **UNDERSCORED)
            for count in (10, 100, 1000, 10000)],
           (DELTA_OWN, DELTA_CPU, RATE, CORE, RESIDENT),
           ("delta_own_us", "delta_cpu_us", "core_mb", "resident_mb")),
    growth("growth_categories", "How cost grows with categories", "The deltas go to so many categories in turn.",
           "categories written in turn", [grown(count, ROOM, categories=count) for count in (1, 10, 100, 400)]),
    growth("growth_subscribers", "How cost grows with subscribers",
           "So many subscribers read every delta; the writers wait for them, so that nothing is lost.",
           "subscribers that read every delta",
           [grown(count, subscribers=count, deltas=Sizes(200000 if count < 20 else 50000, 5000, 500))
            for count in (0, 1, 5, 20, 100)]),
    growth("growth_fields", "How cost grows with fields",
           "The state holds so many fields of 128 octets, and each delta writes one of them as if at random.",
           "fields in the state",
           [grown(10 * count, ROOM, fields=count, field_octets=128) for count in (10, 100, 1000, 10000, 100000)],
           charts=("delta_cpu_us", "core_mb")),
]

# ---------------------------------------------------------------------------- a snapshot


def run_snapshot(case, context):
    said = said_by("bench_snapshot", case, context)
    return {"ratio": said["syncbus_p50_ns"] / said["bare_p50_ns"], "time_ms": said["syncbus_p50_ns"] / 1e6,
            "bare_ms": said["bare_p50_ns"] / 1e6, "field_cpu_ns": said["broker_cpu_ns_per_field"],
            "chunks": said["chunks"], "core_mb": said["core_bytes"] / MB}


def run_slices(case, context):
    """The same walk without sockets: each slice's own time."""
    line = [os.path.join(context.build, "tests/bench/core/bench_slices")]
    for name, value in context.options(case).items():
        line += ["--" + name, str(value)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise AccountingError(done.stderr.strip() or "bench_slices ended with code %d" % done.returncode)
    said = json.loads(done.stdout)
    made = {name + "_us": said[name + "_ns"] / 1000
            for name in ("p50", "p99", "p999", "most", "median_most", "wall_most")}
    return {**made, "most_faults": said["most_faults"]}


SNAPSHOT_WORKLOADS = [
    Workload(
        "snapshot", "A snapshot of 1,000,000 fields to an agent that joins",
        "From the request until the end is applied to a copy as the client library keeps it, by credit for eight "
        "chunks. Bare: the same chunks, encoded beforehand, sent by reference by a ROUTER, to the same receiver under "
        "the same credit, in turn with the broker. Quick: 50,000 fields.",
        run_snapshot,
        [Case("syncbus", "syncbus", {"fields": Sizes(1000000, 50000, 2000), "rounds": Sizes(3, 2, 1),
                                     "flags": {"limits-fields": 1100000}})],
        [Figure("ratio", "time, as a multiple of the bare sender's", "x", False),
         Figure("time_ms", "time", "ms", False),
         Figure("bare_ms", "time of the bare sender", "ms", False),
         Figure("field_cpu_ns", "broker CPU a field", "ns", False), Figure("chunks", "chunks", "", False), CORE],
        ["time_ms", "bare_ms"], [Bar("ratio", "syncbus", None, "<=", 1.5, FULL_COUNTS)]),
    Workload(
        "slices", "How long a slice of a snapshot holds the broker",
        "Each step that makes a chunk and its encoding, in process: 1,000,000 numbers, in few topics and in many, and "
        "texts of 1,000 octets. By the thread's CPU time, in which interrupts and first touches of memory (*page "
        "faults in it*) are contained. The bar is on *longest as a median*: the longest slice when each counts as the "
        "median of five walks that are alike. *Longest* is that of the first walk alone; by the wall's clock the "
        "thread may have been preempted as well.",
        run_slices,
        [Case("few topics", "syncbus", {"fields": Sizes(1000000, 100000, 5000), "topic-fields": 1000}),
         Case("many topics", "syncbus", {"fields": Sizes(200000, 50000, 5000), "topic-fields": 1}),
         Case("long texts", "syncbus", {"fields": Sizes(100000, 20000, 2000), "topic-fields": 1000, "octets": 1000})],
        [P50, P99, P999, Figure("most_us", "longest", "us", False),
         Figure("most_faults", "page faults in it", "", False),
         Figure("median_most_us", "longest as a median", "us", False),
         Figure("wall_most_us", "longest by the wall", "us", False)], ["p99_us", "median_most_us"],
        [bar for label in ("few topics", "many topics", "long texts")
         for bar in (Bar("median_most_us", label, None, "<=", 200, FULL_COUNTS),
                     Bar("most_us", label, None, ">=", 0))]),
]

# ---------------------------------------------------------------------------- the emergency stop


def run_stop(case, context):
    said = said_by("bench_stop", case, context)
    made = {"round_trip_us": said["round_trip_p50_ns"] / 1000, "round_trip_most_us": said["round_trip_max_ns"] / 1000,
            "rate": said["sent"] * 1e9 / said["window_ns"], "accepted_after": said["accepted_after_stop"]}
    if said["command_p50_ns"]:
        made["command_us"] = said["command_p50_ns"] / 1000
    return made


STOP = {"publishers": Sizes(4, 4, 2), "rounds": Sizes(20, 3, 1)}
STOP_WORKLOADS = [
    Workload(
        "stop", "The emergency stop under a flat-out flood",
        "Four publishers write as fast as they may, before, during and after each stop. Nothing accepted after the "
        "stop was read: its event has a place in the one order of publications, and the flooded category's history "
        "has no update behind it; no publisher saw an "
        "acceptance between its first refusal and the clear; every delta is decided, and what publishers and broker "
        "count agrees. A stop's round "
        "trip has the write to disk in it that makes it survive a restart; `another command` has none. Bare: a "
        "request to a process that sends all frames of the same flood back, and publishes them.",
        run_stop,
        [Case("bare", "bare", {**STOP, "echo": "forward"}), Case("syncbus", "syncbus", STOP)],
        [Figure("round_trip_us", "round trip", "us", False),
         Figure("round_trip_most_us", "longest round trip", "us", False),
         Figure("command_us", "another command's", "us", False), Figure("rate", "flood", "deltas/s", True),
         Figure("accepted_after", "accepted after the stop", "", False)], ["round_trip_us"],
        [Bar("accepted_after", "syncbus", None, "<=", 0), Bar("round_trip_us", "syncbus", "bare", ">=", 0)]),
]

# ---------------------------------------------------------------------------- the basic bus


def make_ticks(path, count, context):
    """Writes ticks; says whether they are recorded or simulated."""
    script = os.path.join(context.source, "tests/bench/load/bench_basic_ticks.py")
    done = subprocess.run(["python3", "-B", script, path, str(count), context.market_data], capture_output=True,
                          text=True, check=True)
    return done.stdout.strip()


def run_basic(case, context):
    options = context.options(case)
    with tempfile.TemporaryDirectory(prefix="syncbus-bench-") as folder:
        source = make_ticks(folder + "/ticks", options.pop("count"), context)
        with make(case, context, options) as server:
            said = measure("bench_basic", case, server, {**options, "ticks": folder + "/ticks"}, context)
    if said["lost"] and said["mode"] == "deltas":
        raise AccountingError("%d of %d updates lost" % (said["lost"], said["expected"]))
    return {"bytes": (said["bytes_up"] + said["bytes_down"]) / said["updates"],
            "p50_us": said["latency_p50_ns"] / 1000, "p99_us": said["latency_p99_ns"] / 1000,
            "rate": said["updates"] * 1e9 / said["window_ns"], "server_cpu_us": said["cpu_ns_per_update"] / 1000,
            "late_p50_us": said["late_p50_ns"] / 1000, "late_p99_us": said["late_p99_ns"] / 1000,
            "late_most_us": said["late_max_ns"] / 1000,
            "lost": said["lost"], "recorded": int(source == "recorded")}


RECORDED = Condition("recorded", "not measured on recorded ticks")
BEFORE = Sizes(3000, 1500, 300)  # ticks after which nearly every agent has published of every instrument


def basic(name, title, speed, count):
    common = {"speed": speed, "count": count, "before": BEFORE}
    # Far beyond what it can do at eight times the pace: a minute a run, which says nothing new.
    on_syncbusd = [Case("basic on syncbusd", "syncbus", {**common, "mode": "full"})] if speed == 1 else []
    return Workload(
        name, title,
        "The ticks of the crypto capture (`recorded` 0: there is none here, and a simulated exchange takes its place) "
        "at %s, shared evenly by 20 agents, so that each comes to publish of every instrument. `deltas`: the fields "
        "that changed, each agent reads two of ten categories, or all. `basic`: each update carries all that its "
        "agent has published so far, to all agents, through a process that only forwards, without acks or beats; "
        "`basic on syncbusd`: the same through the broker. Octets are TCP payload at the agents' ends, in both "
        "directions, acks and beats with the agents' interests and positions included. Latency counts from when an "
        "update was due; *late* is how long after that the sender came to it."
        % ("the pace at which they were received" if speed == 1 else "%d times their pace" % speed),
        run_basic,
        [Case("deltas", "syncbus", {**common, "mode": "deltas"}),
         Case("deltas, read by all", "syncbus", {**common, "mode": "deltas", "reads-all": 1}),
         Case("basic", "bare", {**common, "mode": "full", "echo": "only-forward"}),
         *on_syncbusd],
        [Figure("bytes", "octets an update", "B", False), P50, P99, SERVER_CPU,
         Figure("late_p50_us", "late, p50", "us", False), Figure("late_p99_us", "late, p99", "us", False),
         Figure("late_most_us", "late at most", "us", False),
         rate(), Figure("lost", "lost", "", False),
         Figure("recorded", "recorded", "", True)], ["bytes", "p50_us", "p99_us"],
        [Bar("bytes", "deltas", "basic", "<=", 0.1, RECORDED), Bar("p50_us", "deltas", "basic", "<=", 0.3, RECORDED),
         Bar("p99_us", "deltas", "basic", "<=", 0.3, RECORDED)] +
        [Bar(figure, "deltas, read by all", "basic", ">=", 0) for figure in ("bytes", "p50_us", "p99_us")])


BASIC_WORKLOADS = [
    basic("basic", "The basic bus, at the market's pace", 1, Sizes(23000, 2000, 400)),
    basic("basic_fast", "The basic bus, at eight times the market's pace", 8, Sizes(63000, 6000, 800)),
]

WORKLOADS = FLEET_WORKLOADS[:1] + SNAPSHOT_WORKLOADS + STOP_WORKLOADS + BASIC_WORKLOADS + FLEET_WORKLOADS[1:]

# In the whole benchmark, or when asked for by name: points of curves rather than comparisons, and what takes its time.
FULL_ONLY = {workload.name for workload in FLEET_WORKLOADS[1:] + BASIC_WORKLOADS[1:]}
# The cases of these that --tiny runs, be they in FULL_ONLY or not: every program and option, but not every case.
TINY_CASES = {"fleet": ("bare", "syncbus"), "fleet_deltas": ("10 agents", "fleet"),
              "growth_categories": ("10 categories",)}
