#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The example followers, which have nothing but SUB and REQ, end with the broker's state whatever they lose.

Usage: followers_test.py python|node repair|resync|join|restart|words. Starts syncbusd on free ports and a publisher.
repair: the follower is held while a flood passes that its socket cannot take; history still has what it lost.
resync: the same with a short history, so that it needs the state anew.
join:   it joins a running stream at 20 random moments.
restart: the broker is killed, and another one with another state takes its place.
words:  without a broker, of a category that cannot be, and when asked for help it says so; nothing else of below.
After each the state hash that it prints is the broker's. A run in which nothing was lost fails.
"""
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

import zmq

from node_folder import node_environment
from plain_broker import DEADLINE_S, Agent, Broker, load_schema, wait_for

EXAMPLES = os.path.join(os.environ["SB_SOURCE_DIR"], "agents", "examples")
CATEGORY = "ticks"
JOINS = 20
FLOOD = 30000
BATCH = 200
WINDOW = 2000
HISTORY = {"repair": "1000000", "resync": "300", "join": "500", "restart": "500", "words": "500"}


def example(language):
    """(command, environment)"""
    if language == "node":
        return ["node", os.path.join(EXAMPLES, "follower.js")], node_environment()
    return [sys.executable, os.path.join(EXAMPLES, "follower.py")], dict(os.environ, PYTHONDONTWRITEBYTECODE="1")


class Follower:
    """The example as a process; its lines as [word, {name: value}]."""

    def __init__(self, language, broker):
        command, environment = example(language)
        self.lines = []
        self.process = subprocess.Popen(command + [CATEGORY, broker.publish, broker.command], env=environment,
                                        stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            word, *facts = line.split()
            self.lines.append([word, dict(fact.split("=", 1) for fact in facts if "=" in fact)])

    def all(self, word):
        return [facts for found, facts in list(self.lines) if found == word]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.reader.join()


class Publisher:
    """Writes and deletes fields of a few hundred topics; at most WINDOW deltas are undecided."""

    def __init__(self, schema, broker):
        self.schema, self.sequence, self.decided = schema, 0, 0
        self.random = random.Random(os.environ.get("SB_SEED", "1"))
        self.agent = Agent(schema, broker, "publisher")
        self.agent.register(heartbeat_interval_ms=60000)
        self.running = self.thread = None

    def delta(self, size):
        self.sequence += 1
        changes = []
        for name in self.random.sample(["price", "size", "note", "depth.bid"], 2):
            if self.random.random() < 0.2:
                changes.append(self.schema.Change(name=name, delete=self.schema.Delete()))
            elif name == "note":
                changes.append(self.agent.change(name, text="%d " % self.sequence + "x" * size))
            else:
                changes.append(self.agent.change(name, number=self.sequence / 8))
        return self.schema.Delta(sequence=self.sequence, category=CATEGORY, changes=changes,
                                 subject="s%d" % self.random.randrange(200))

    def publish(self, count, size=10):
        for _ in range(0, count, BATCH):
            self.agent.send("batch", deltas=[self.delta(size) for _ in range(min(BATCH, count))])
            while self.sequence - self.decided > WINDOW:
                self.hear()

    def hear(self):
        ack = self.agent.receive("ack")
        assert not ack.refused, ack
        self.decided = ack.decided_through

    def settle(self):
        while self.decided < self.sequence:
            self.hear()

    def stream(self):
        while self.running:
            self.publish(self.random.randrange(1, 5))
            self.settle()
            time.sleep(self.random.random() / 200)

    def start(self):
        self.running = True
        self.thread = threading.Thread(target=self.stream)
        self.thread.start()

    def stop(self):
        self.running = False
        if self.thread:
            self.thread.join()


def state_hash(schema, broker):
    """The broker's, while nothing is published."""
    with zmq.Context.instance().socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(broker.command)
        request = schema.CommandRequest(command_id=os.urandom(8).hex(), command="state_hash", protocol=1,
                                        issuer="followers_test", timeout_ms=5000)
        request.parameters.add(name="interests", value=schema.Value(text=CATEGORY))
        socket.send(request.SerializeToString())
        assert socket.poll(1000 * DEADLINE_S), "no answer to state_hash"
        reply = schema.CommandReply.FromString(socket.recv())
    assert reply.code == 0, reply
    values = {column.name: column.value for column in reply.records[0].columns}
    return values["state_hash"].text, values["fields"].integer


def wait_equal(schema, broker, follower):
    """Until the follower says that it has the broker's state; nothing is published meanwhile."""
    wanted, fields = state_hash(schema, broker)
    try:
        wait_for("the broker's state hash", lambda: follower.all("state")[-1:] and
                 follower.all("state")[-1]["hash"] == wanted)
    except AssertionError:
        raise AssertionError("the broker has %s of %d fields, the follower said:\n%s" %
                             (wanted, fields, "\n".join(map(str, follower.lines[-8:])))) from None
    assert int(follower.all("state")[-1]["fields"]) == fields


def hold_and_flood(schema, broker, publisher, language, by):
    with Follower(language, broker) as follower:
        publisher.publish(1000)
        publisher.settle()
        wait_for("the join", lambda: follower.all("joined"))
        wait_equal(schema, broker, follower)
        assert not follower.all("lost"), follower.lines
        follower.process.send_signal(signal.SIGSTOP)
        publisher.publish(FLOOD, size=1000)
        publisher.settle()
        follower.process.send_signal(signal.SIGCONT)
        wait_for("a loss: the flood was too small", lambda: follower.all("lost"))
        wait_for("its recovery", lambda: follower.all("recovered"))
        wait_equal(schema, broker, follower)
        publisher.publish(1000)
        publisher.settle()
        wait_equal(schema, broker, follower)
        lost, recovered = follower.all("lost"), follower.all("recovered")
        assert len(lost) == len(recovered) and len(follower.all("joined")) == 1, follower.lines
        assert {facts["by"] for facts in recovered} == {by}, recovered
        if by == "history":
            assert [facts["count"] for facts in lost] == [facts["count"] for facts in recovered], follower.lines
        print("lost %d publications in %d gaps, recovered by %s" % (sum(int(facts["count"]) for facts in lost),
                                                                   len(lost), by))


def join_at_random(schema, broker, publisher, language):
    for number in range(JOINS):
        publisher.start()
        try:
            time.sleep(publisher.random.random() / 4)
            with Follower(language, broker) as follower:
                wait_for("join %d" % number, lambda: follower.all("joined"))
                time.sleep(publisher.random.random() / 4)
                publisher.stop()
                wait_equal(schema, broker, follower)
                joined, states = follower.all("joined"), follower.all("state")
                assert len(joined) == 1 and int(states[-1]["position"]) > int(joined[0]["position"]), follower.lines
        finally:
            publisher.stop()
    print("%d joins into a running stream, each with the broker's state hash" % JOINS)


def take_over(schema, broker, publisher, language, folder):
    with Follower(language, broker) as follower:
        publisher.publish(1000)
        publisher.settle()
        wait_for("the join", lambda: follower.all("joined"))
        wait_equal(schema, broker, follower)
        broker.process.kill()
        broker.process.wait()
        endpoints = ["--ingress", broker.ingress, "--publish", broker.publish, "--command", broker.command]
        with Broker(folder, *endpoints) as other:
            second = Publisher(schema, other)
            second.publish(400)
            second.settle()
            wait_for("another join", lambda: len(follower.all("joined")) == 2)
            wait_equal(schema, other, follower)
            second.publish(400)
            second.settle()
            wait_equal(schema, other, follower)
        assert follower.all("starting") and not follower.all("lost"), follower.lines
    print("joined the second broker, and has its state")


def say_what_is_wrong(broker, language):
    command, environment = example(language)

    def run(*arguments):
        return subprocess.run(command + list(arguments), env=environment, capture_output=True, text=True,
                              timeout=DEADLINE_S)

    done = run("--help")
    assert done.returncode == 0 and "COMMAND_ENDPOINT" in done.stdout, done
    done = run("No.Category", broker.publish, broker.command)
    assert done.returncode == 1 and "No.Category" in done.stderr and "category" in done.stderr, done
    assert "starting over" not in done.stdout, done
    broker.process.kill()
    broker.process.wait()
    with Follower(language, broker) as follower:
        wait_for("a word on the silence", lambda: follower.all("waiting:"))
        time.sleep(4)  # longer than until the first
        assert len(follower.lines) == 1, follower.lines
    print("help, a bad category and a broker that is not there: said")


def main():
    language, way = sys.argv[1:3]
    options = ["--history-category=%s %s" % (CATEGORY, HISTORY[way]), "--history-bytes", "256 MiB"]
    with tempfile.TemporaryDirectory(prefix="sb-followers-") as folder, Broker(folder, *options) as broker:
        schema = load_schema(folder)
        publisher = Publisher(schema, broker)
        if way == "join":
            join_at_random(schema, broker, publisher, language)
        elif way == "words":
            say_what_is_wrong(broker, language)
        elif way == "restart":
            with tempfile.TemporaryDirectory(prefix="sb-followers-") as second:
                take_over(schema, broker, publisher, language, second)
        else:
            hold_and_flood(schema, broker, publisher, language, "history" if way == "repair" else "state")


if __name__ == "__main__":
    main()
