# SPDX-License-Identifier: MPL-2.0
"""The workloads of bench_load: a table. A case `syncbus x16` is the driver syncbus with batches of 16.

A batch is one message with all its updates, in every system alike. Peers that can gather messages on the way are also
measured so: `nats x16 pipelined` is 16 messages of one update each, handed over together.
"""
import load
from figures import P50, P99, P999, SERVER_CPU, rate
from model import Bar, Case, Figure, Sizes, Workload

PUBLISHER_CPU = Figure("publisher_cpu_us", "publisher CPU an update", "us", False)
SUBSCRIBER_CPU = Figure("subscriber_cpu_us", "subscribers' CPU an update", "us", False)
BYTES = Figure("received_bytes", "octets received an update, by all", "B", False)
# As publishers sent it, and as it came to subscribers: syncbusd may publish together what waits one behind the other.
SENT_FILL = Figure("sent_per_message", "updates in a message sent", "", True)
FILL = Figure("per_message", "updates in a message received", "", True)

FLOW = [rate(), SERVER_CPU, PUBLISHER_CPU, SUBSCRIBER_CPU, BYTES, SENT_FILL, FILL]
DELAY = [P50, P99, P999, SERVER_CPU, SENT_FILL, FILL]

OURS = ["bare", "codec", "syncbus", "library"]
PEERS = ["nats", "redis", "mosquitto"]
GATHERING = ["nats", "redis"]  # messages on the way


def cases(systems, batch=1, **options):
    """A case for each system; `options` as bench_load's, _ for -."""
    common = {name.replace("_", "-"): value for name, value in options.items()}
    suffix = (("" if batch == 1 else " x%d" % batch) + (" pipelined" if options.get("pipelined") else "") +
              (" unbatched" if options.get("window") == 1 else ""))
    return [Case(system + suffix, system, {**common, "batch": batch}) for system in systems]


def codec_gathering(batch=1, **options):
    """The codec forwarder publishing together what waits, at most as many updates as syncbusd (SB_GATHER_DELTAS)."""
    return [case._replace(label=case.label.replace("codec", "codec gathering"))
            for case in cases(["codec"], batch, flags={"gather": 256}, **options)]


def from_four(**options):
    """Our systems with four publishers, whose messages a server gets in turn."""
    options["publishers"] = 4
    return [case._replace(label=case.label + " from 4")
            for case in cases(["bare", "codec", "syncbus"], **options) + codec_gathering(**options)]


def note(figure, case, base):
    """A ratio that is reported and has no bar."""
    return Bar(figure, case, base, ">=", 0)


def gathering_notes(*figures):
    """Ratios to the reference that gathers as well, and of how full the messages of both were."""
    return [note(figure, "syncbus" + of, "codec gathering" + of)
            for of in ("", " x16", " from 4") for figure in (*figures, FILL.key)]


def same_work(batch):
    """Redis as pairs of commands in one write, and in as few commands as can be; NATS has only single puts. It has the
    window that is its fastest, and as many keys as its watcher then needs to miss none: see PEERS.md."""
    return (cases(["syncbus", "library", "redis_state"], batch, updates=SAME_WORK, keys=KEYS) +
            cases(["redis_state"], batch, updates=SAME_WORK, keys=KEYS, pipelined=1) +
            cases(["nats_state"], batch, updates=SAME_WORK_NATS, keys=KEYS_NATS, window=2048))


def same_work_bars(batch):
    ours = "syncbus x%d" % batch
    return [Bar("rate", ours, "redis_state x%d pipelined" % batch, ">=", 5),
            Bar("rate", ours, "nats_state x%d" % batch, ">=", 5),
            note("rate", ours, "redis_state x%d" % batch)] + \
        [note("rate", "library x%d" % batch, base)
         for base in ("redis_state x%d pipelined" % batch, "nats_state x%d" % batch)]


# Fewer than the 1,000,000 messages that a subscriber may be behind, so that nothing can be lost.
SINGLE = Sizes(800000, 100000, 3000)
BATCHED = Sizes(2400000, 300000, 6000)
SINGLE_20 = Sizes(200000, 25000, 2000)
SINGLE_4 = Sizes(200000, 25000, 800)  # of each
SINGLE_20_4 = Sizes(50000, 6000, 500)
MOSQUITTO_20 = Sizes(50000, 6000, 2000)  # it takes its time: several system calls a message and subscriber
BATCHED_20 = Sizes(800000, 80000, 4000)
SAME_WORK = Sizes(2400000, 200000, 3000)
SAME_WORK_NATS = Sizes(300000, 40000, 3000)  # as long, at its pace: a rate is a rate
KEYS = 4000  # of one agent in one category syncbusd takes 4,096 by default
KEYS_NATS = 20000
PACED = Sizes(50000, 8000, 2000)  # at 10,000 a second
IDLE = Sizes(500, 80, 30)         # at 100 a second
BATCHES = (16, 64, 256)            # of the same work
FILLED = 16  # updates in a message: what the batches have that other cases are given

# What is compared with what, for the texts of the workloads flat out.
GATHERED = ("SyncBus publishes together what waits of an agent, up to 256 updates (figure *%s*), singly and in batches "
            "of 16 alike. `bare` and `codec` publish each message as it came: singly, an update at a time. `codec "
            "gathering` is the codec forwarder doing as SyncBus does: like beside like." % FILL.title)

BUSY_POLL = Case("syncbus busy-poll", "syncbus",
                 {"updates": PACED, "rate": 10000, "batch": 1, "flags": {"network-busy-poll": "200us"}})

WORKLOADS = [
    Workload(
        "flat_out", "One publisher, one subscriber, flat out",
        "As fast as it goes: the system, or its high-water mark or window, holds the publisher back. Singly, and in "
        "batches of 16 as each system knows them. `from 4`: four publishers, as fast as they go. " + GATHERED,
        load.run,
        cases(OURS + PEERS, updates=SINGLE) + codec_gathering(updates=SINGLE) +
        cases(OURS + PEERS, 16, updates=BATCHED) + codec_gathering(16, updates=BATCHED) +
        cases(GATHERING, 16, updates=SINGLE, pipelined=1) + from_four(updates=SINGLE_4), FLOW, ["rate"],
        [Bar("rate", "syncbus", "codec", ">=", 0.85), Bar("rate", "syncbus x16", "codec x16", ">=", 0.85),
         Bar("rate", "syncbus x16", "bare", ">=", 1.5),
         # Nobody asks `library` for batches here: what a message has, it filled by itself.
         Bar("sent_per_message", "library", None, ">=", FILLED),
         *gathering_notes("rate"), note("rate", "syncbus from 4", "codec from 4"),
         *[note("rate", "library" + batch, base + batch) for batch in ("", " x16") for base in ("codec", "bare")]]),
    Workload(
        "fan_out", "One publisher, 20 subscribers, flat out",
        "Each update goes to 20 subscribers. The rate is that of the median subscriber. `from 4`: four publishers. " +
        GATHERED,
        load.run,
        cases(OURS + GATHERING, updates=SINGLE_20, subscribers=20) +
        codec_gathering(updates=SINGLE_20, subscribers=20) +
        cases(["mosquitto"], updates=MOSQUITTO_20, subscribers=20) +
        cases(OURS + PEERS, 16, updates=BATCHED_20, subscribers=20) +
        codec_gathering(16, updates=BATCHED_20, subscribers=20) +
        cases(GATHERING, 16, updates=SINGLE_20, subscribers=20, pipelined=1) +
        from_four(updates=SINGLE_20_4, subscribers=20), FLOW, ["rate"],
        [Bar("rate", "syncbus", "bare", ">=", 0.85), Bar("rate", "syncbus x16", "nats", ">=", 1.2),
         note("rate", "syncbus x16", "nats x16"),
         # All subscribers share a process: where that holds the rate back, the broker's own cost shows here alone.
         note("server_cpu_us", "syncbus", "bare"), note("server_cpu_us", "syncbus x16", "bare x16"),
         *gathering_notes("rate", "server_cpu_us"), note("rate", "syncbus from 4", "bare from 4"),
         note("rate", "library", "bare"), note("rate", "library", "nats"), note("rate", "library x16", "nats x16")]),
    Workload(
        "same_work", "The same work: merge into keyed state and notify a reader",
        "4,000 keys written in turn, in batches of 16, 64 and 256, each write kept as the key's value and told to a "
        "subscriber with its value. Redis: HSET and PUBLISH; pipelined, a pair of them for each update, else one pair "
        "for a batch. NATS: a JetStream key-value bucket in memory, asynchronous puts to 20,000 keys and a watcher; an "
        "eighth as many updates, which take it longer than the others need for theirs.",
        load.run, [case for batch in BATCHES for case in same_work(batch)], FLOW, ["rate"],
        [bar for batch in BATCHES for bar in same_work_bars(batch)]),
    Workload(
        "latency", "Latency at 10,000 updates a second, one to one",
        "From when an update should have been sent to when it was read out of the message at the subscriber. `syncbus "
        "busy-poll` is the broker with `--network-busy-poll 200us`, which gives a core for latency.",
        load.run,
        cases(OURS + PEERS, updates=PACED, rate=10000) + [BUSY_POLL], DELAY, ["p50_us", "p99_us"],
        [Bar("p50_us", "syncbus", "bare", "<=", 1.2), Bar("p99_us", "syncbus", "bare", "<=", 1.5),
         Bar("p50_us", "syncbus", "nats", "<", 1), note("p50_us", "syncbus busy-poll", "nats"),
         note("p50_us", "library", "bare"), note("p99_us", "library", "bare")]),
    Workload(
        "idle", "Adaptive batching: latency at 100 updates a second",
        "libsyncbus makes batches by itself of what comes while its pipe is busy. `library unbatched` may have one "
        "undecided update, so that each is a message of its own. With an idle pipe `library`, which has no such limit, "
        "must take no longer. How a busy pipe fills messages is told by those of `library` above, flat out.",
        load.run,
        cases(["bare", "syncbus", "library"], updates=IDLE, rate=100) +
        cases(["library"], updates=IDLE, rate=100, window=1), DELAY, ["p50_us"],
        [Bar("p50_us", "library", "library unbatched", "<=", 1.1)]),
    Workload(
        "desk", "100 agents at 100 updates a second each, each reading 2 of 10 categories",
        "100 publishers and 100 subscribers with connections of their own; 10,000 updates a second in, 200,000 out. "
        "With `codec` and `syncbus` publisher and subscriber of a number are one agent to the server, which is "
        "registered with what it reads and tells in its beats how far it has read; with `library` they are two agents.",
        load.run,
        cases(OURS + ["nats"], updates=PACED, rate=10000, publishers=100, subscribers=100, categories=10, reads=2),
        DELAY, ["p50_us", "p99_us"],
        [Bar("p99_us", "syncbus", "bare", "<=", 1.5), note("p50_us", "library", "bare"),
         note("p99_us", "library", "bare")]),
]
