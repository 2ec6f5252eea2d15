# SPDX-License-Identifier: MPL-2.0
"""What a peer holds after a run of the same work: that its acks and its state agree with what was published.

Redis and NATS are asked over a plain socket in their own text protocols, so that nothing needs a client library here.
"""
import json
import socket

import payload

TIMEOUT_S = 10
CHECKED_MAX = 100  # publishers whose last update is looked up


class Wire:
    """A connection that reads lines and counted octets."""

    def __init__(self, endpoint):
        host, port = endpoint.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        return self.stream.readline().decode().rstrip("\r\n")

    def octets(self, count):
        return self.stream.read(count)


def redis_value(endpoint, category, agent, field):
    """The octets of a field of a publisher's hash, None when there is none."""
    with Wire(endpoint) as wire:
        wire.send("HGET %s.%s %s\r\n" % (category, agent, field))
        kind = wire.line()
        size = int(kind[1:]) if kind.startswith("$") else -1
        return wire.octets(size) if size >= 0 else None


def redis_count(endpoint, category, agent):
    """How many fields a publisher's hash has."""
    with Wire(endpoint) as wire:
        wire.send("HLEN %s.%s\r\n" % (category, agent))
        return int(wire.line()[1:])


def nats_request(endpoint, subject):
    """The octets that answer a request without a body; None when it is refused."""
    with Wire(endpoint) as wire:
        wire.line()  # INFO
        wire.send("CONNECT %s\r\n" % json.dumps({"verbose": False, "headers": True, "no_responders": True}))
        wire.send("SUB _INBOX.state 1\r\nPUB %s _INBOX.state 0\r\n\r\n" % subject)
        while True:
            words = wire.line().split()
            if words and words[0] == "HMSG":
                headers, total = int(words[-2]), int(words[-1])
                return wire.octets(total)[headers:] or None
            if words and words[0] == "MSG":
                return wire.octets(int(words[-1]))
            if not words or words[0] == "-ERR":
                return None


def nats_count(endpoint, *_):
    """How many keys the bucket has: those of all publishers."""
    answer = nats_request(endpoint, "$JS.API.STREAM.INFO.KV_bench")
    return json.loads(answer)["state"]["messages"] if answer else None


def nats_value(endpoint, category, agent, field):
    """The octets of a key of the bucket, None when there is none."""
    return nats_request(endpoint, "$JS.API.DIRECT.GET.KV_bench.$KV.bench.%s.%s.%s" % (category, agent, field))


# What asks for a value, for the systems that have state.
VALUES = {"redis_state": redis_value, "nats_state": nats_value}
COUNTS = {"redis_state": redis_count, "nats_state": nats_count}
ACKING = {"redis", "redis_state", "nats_state"}


def check(system, endpoint, published, options):
    """What is wrong with a peer's acks and state after a run; options as bench_load's. An empty list: nothing."""
    wrong = []
    sent = published["updates"] + published["probes"]
    if system in ACKING and published["accepted"] != sent:
        wrong.append("updates acked are %d, not %d" % (published["accepted"], sent))
    if system in VALUES:
        for publisher, number in enumerate(published["published"][:CHECKED_MAX]):
            held = number and held_value(system, endpoint, publisher, number, options)
            size = int(options.get("size", payload.DEFAULT_SIZE))
            problem = number and payload.problem(held, number, publisher, size)
            if problem:
                wrong.append("the state of publisher %d %s" % (publisher, problem))
        keys, publishers = int(options.get("keys", 1)), published["published"]
        if len(publishers) == 1:
            held = COUNTS[system](endpoint, "bench0", "p0")
            wanted = min(keys, publishers[0] + 1)  # update 0 is a probe
            if held != wanted:
                wrong.append("there are %s keys, not %d" % (held, wanted))
    return wrong[:5]


def held_value(system, endpoint, publisher, number, options):
    """The value of the key that update `number` went to, or None."""
    keys = int(options.get("keys", 1))
    category = "bench%d" % (publisher % int(options.get("categories", 1)))
    field = "payload" if keys == 1 else "payload.%d" % (number % keys)
    return VALUES[system](endpoint, category, "p%d" % publisher, field)
