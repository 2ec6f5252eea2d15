# SPDX-License-Identifier: MPL-2.0
"""One run of bench_load: a server, a publisher process, a subscriber process; and whether all adds up."""
import os

import servers
from model import AccountingError, Sizes
from processes import Program, cpu_ns

# High-water marks of all ZeroMQ sockets: up as syncbusd has it by default, down the most that it takes, so that no
# subscriber loses anything however far behind it is.
DEFAULTS = {"ingress-queue": 1000, "publish-queue": 1000000}

# Seconds after which the two processes of a run give up, so that a system that hangs does not hang the rest.
DEADLINE_S = Sizes(120, 60, 30)

# Options of bench_load that only one of the two roles takes.
PUBLISH_ONLY = {"updates", "rate", "batch", "window", "pipelined"}
SUBSCRIBE_ONLY = {"subscribers"}
SERVER_ONLY = {"flags"}  # which none of them takes
FIGURES = {"p50_us": "p50_ns", "p99_us": "p99_ns", "p999_us": "p999_ns"}


def arguments(role, driver, server, options, context):
    left_out = SERVER_ONLY | (SUBSCRIBE_ONLY if role == "publish" else PUBLISH_ONLY)
    line = [os.path.join(context.build, "tests/bench/load/bench_load"), role, "--driver", driver,
            "--endpoint", server.endpoint, "--publish-endpoint", server.publish_endpoint]
    for name, value in options.items():
        if name not in left_out:
            line += ["--" + name, value]
    return line


def run(case, context):
    """A run of a case; its figures."""
    options = {**DEFAULTS, "deadline-s": context.size(DEADLINE_S), **context.options(case)}
    with servers.make(case.system, context, options) as server:
        return run_against(server, case.system, options, context)


def run_against(server, driver, options, context):
    subscribe = arguments("subscribe", driver, server, options, context)
    publish = arguments("publish", driver, server, options, context)
    with Program(subscribe, server.folder + "/subscriber") as subscriber, \
         Program(publish, server.folder + "/publisher") as publisher:
        subscriber.read("connected")
        publisher.read("connected")
        subscriber.read("ready")
        before_ns = cpu_ns(server.pid)
        publisher.tell("go")
        published = publisher.read("published")
        subscriber.tell("published " + " ".join(str(number) for number in published["published"]))
        received = subscriber.read("expected")
        server_ns = cpu_ns(server.pid) - before_ns
        check(server, options, published, received)
        publisher.tell("end")
        publisher.wait()
        subscriber.wait()
    return {**figures(published, received, server_ns), **server.figures}


def check(server, options, published, received):
    """Raises unless every update reached every subscriber that reads it, once, in order and whole."""
    wrong = [] if published["finished"] else ["the publisher's last updates were not decided"]
    if published["updates"] != sum(published["published"]):
        wrong.append("the publishers' numbers do not add up")
    for what in ("lost", "repeated", "damaged", "reported_lost"):
        if received[what]:
            wrong.append("%d updates %s" % (received[what], what.replace("reported_lost", "reported lost")))
    if received["updates"] != received["expected"]:
        wrong.append("%d updates received of %d" % (received["updates"], received["expected"]))
    wrong += server.check(published, options)
    if wrong:
        raise AccountingError("; ".join(wrong))


def figures(published, received, server_ns):
    updates = max(1, published["updates"])
    made = {name: received[key] / 1000 for name, key in FIGURES.items()}
    made.update(rate=received["rate"], rate_low=received["rate_low"], updates=published["updates"],
                repaired=received["repaired"], behind_us=published["behind_ns"] / 1000,
                server_cpu_us=server_ns / 1000 / updates,
                publisher_cpu_us=published["cpu_seconds"] * 1e6 / updates,
                subscriber_cpu_us=received["cpu_seconds"] * 1e6 / updates)
    if published["messages"]:
        made["sent_per_message"] = (published["updates"] + published["probes"]) / published["messages"]
    if received["messages"]:
        made["per_message"] = received["updates"] / received["messages"]
    for name, said in (("sent_bytes", published), ("received_bytes", received)):
        if said["bytes"]:  # the library does not say
            made[name] = said["bytes"] / updates
    return made
