# SPDX-License-Identifier: MPL-2.0
"""The workloads of bench_load: a table. A case `syncbus x16` is the driver syncbus with batches of 16."""
import load
from model import Bar, Case, Figure, Sizes, Workload

RATE = Figure("rate", "updates/s", "1/s", True)
P50 = Figure("p50_us", "p50", "us", False)
P99 = Figure("p99_us", "p99", "us", False)
P999 = Figure("p999_us", "p99.9", "us", False)
SERVER_CPU = Figure("server_cpu_us", "server CPU an update", "us", False)
PUBLISHER_CPU = Figure("publisher_cpu_us", "publisher CPU an update", "us", False)
SUBSCRIBER_CPU = Figure("subscriber_cpu_us", "subscribers' CPU an update", "us", False)
BYTES = Figure("received_bytes", "octets received an update", "B", False)

FLOW = [RATE, SERVER_CPU, PUBLISHER_CPU, SUBSCRIBER_CPU, BYTES]
DELAY = [P50, P99, P999, SERVER_CPU]

OURS = ["bare", "codec", "syncbus", "library"]
PEERS = ["nats", "redis", "mosquitto"]


def cases(systems, batch=1, **options):
    """A case for each system; `options` as bench_load's, _ for -."""
    common = {name.replace("_", "-"): value for name, value in options.items()}
    return [Case(system if batch == 1 else "%s x%d" % (system, batch), system, {**common, "batch": batch})
            for system in systems]


# Fewer than the 1,000,000 messages that a subscriber may be behind, so that nothing can be lost.
SINGLE = Sizes(800000, 150000, 3000)
BATCHED = Sizes(2400000, 400000, 6000)
SINGLE_20 = Sizes(200000, 40000, 2000)
BATCHED_20 = Sizes(800000, 120000, 4000)
SAME_WORK = Sizes(300000, 50000, 3000)
PACED = Sizes(100000, 15000, 2000)  # at 10,000 a second
IDLE = Sizes(1000, 150, 30)         # at 100 a second

WORKLOADS = [
    Workload(
        "flat_out", "One publisher, one subscriber, flat out",
        "As fast as it goes: the system, or its high-water mark or window, holds the publisher back. Singly, and in "
        "batches of 16 as each system knows them.",
        load.run,
        cases(OURS + PEERS, updates=SINGLE) + cases(OURS + PEERS, 16, updates=BATCHED), FLOW, ["rate"],
        [Bar("rate", "syncbus", "codec", ">=", 0.85), Bar("rate", "syncbus x16", "codec x16", ">=", 0.85),
         Bar("rate", "syncbus x16", "bare", ">=", 1.5)]),
    Workload(
        "fan_out", "One publisher, 20 subscribers, flat out",
        "Each update goes to 20 subscribers. The rate is that of the median subscriber.",
        load.run,
        cases(OURS + PEERS, updates=SINGLE_20, subscribers=20) +
        cases(OURS + PEERS, 16, updates=BATCHED_20, subscribers=20), FLOW, ["rate"],
        [Bar("rate", "syncbus", "bare", ">=", 0.85), Bar("rate", "syncbus x16", "nats", ">=", 1.2),
         Bar("rate", "syncbus x16", "nats x16", ">=", 0)]),
    Workload(
        "same_work", "The same work: merge into keyed state and notify a reader",
        "1,000 keys written in turn, each write kept as the key's value and told to a subscriber with its value. "
        "Redis: HSET and PUBLISH, pipelined; NATS: a JetStream key-value bucket in memory and a watcher.",
        load.run,
        cases(["syncbus", "library", "redis_state", "nats_state"], 16, updates=SAME_WORK, keys=1000) +
        cases(["syncbus", "library", "redis_state", "nats_state"], 64, updates=SAME_WORK, keys=1000), FLOW, ["rate"],
        [Bar("rate", "syncbus x16", "redis_state x16", ">=", 5), Bar("rate", "syncbus x16", "nats_state x16", ">=", 5),
         Bar("rate", "syncbus x64", "redis_state x64", ">=", 5),
         Bar("rate", "syncbus x64", "nats_state x64", ">=", 5)]),
    Workload(
        "latency", "Latency at 10,000 updates a second, one to one",
        "From when an update should have been sent to when it was read out of the message at the subscriber.",
        load.run,
        cases(OURS + PEERS, updates=PACED, rate=10000), DELAY, ["p50_us", "p99_us"],
        [Bar("p50_us", "syncbus", "bare", "<=", 1.2), Bar("p99_us", "syncbus", "bare", "<=", 1.5),
         Bar("p50_us", "syncbus", "nats", "<", 1)]),
    Workload(
        "idle", "Adaptive batching: latency at 100 updates a second",
        "The same with leave to fill batches of 16: what is due goes out at once, so an idle pipe adds no wait.",
        load.run,
        cases(["bare", "syncbus", "library"], updates=IDLE, rate=100) +
        cases(["syncbus", "library"], 16, updates=IDLE, rate=100), DELAY, ["p50_us"],
        [Bar("p50_us", "syncbus x16", "syncbus", "<=", 1.1), Bar("p50_us", "library x16", "library", "<=", 1.1)]),
    Workload(
        "desk", "100 agents at 100 updates a second each, each reading 2 of 10 categories",
        "100 publishers and 100 subscribers with connections of their own; 10,000 updates a second in, 200,000 out.",
        load.run,
        cases(OURS + ["nats"], updates=PACED, rate=10000, publishers=100, subscribers=100, categories=10, reads=2),
        DELAY, ["p50_us", "p99_us"],
        [Bar("p99_us", "syncbus", "bare", "<=", 1.5)]),
]
