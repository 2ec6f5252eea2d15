#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Losses on a real stream are seen, told exactly, and made good.

SPY's recorded trades pour flat out, over and over; where there are none the test is skipped. One reader is held by
SIGSTOP again and again, for 10 s and for shorter, so that the broker drops what it cannot take; history is kept short,
so that some losses can be fetched and others only be covered by a snapshot. Another reader joins at random moments, 100
times. A third is left alone. After each: the state hash of the copy equals the broker's; what on_gap told is exactly
what the socket never handed out; who was left alone has no hole.

The test fails when no loss occurred, when none was fetched from history, or when none had been evicted.
"""
import json
import os
import random
import subprocess
import threading
import time

from faults_stage import BINARIES, PROGRAMS, SYNCBUS, Puppet, Scene, signal, sys, wait_for

PROGRAMS["repair_follower"] = os.path.join(BINARIES, "tests", "integration", "repair_follower")
SPY = os.path.join(os.environ["SB_SOURCE_DIR"], "..", "shared", "marketdata", "us_equity_201310", "trades_SPY.csv.gz")
INTERESTS = ("market_data", "technical")
JOINS = int(os.environ.get("SB_JOINS", "100"))
HOLDS_S = (10, 2, 1, 2, 10)
# One second of the stream fits about twice into the history, ten do not; and 1000 messages wait for each reader.
FLAGS = ("--publish-agent-queue", "1000", "--history-updates", "200000", "--history-bytes", "64MiB")


class Follower:
    """A repair_follower. Its counts must add up whenever it is asked for its state."""

    def __init__(self, scene, agent_id):
        self.scene, self.agent_id = scene, agent_id
        self.process = scene.start("repair_follower", scene.ingress, agent_id, *INTERESTS, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)

    say = Puppet.say

    def await_current(self):
        assert self.say("wait 30000")["current"], f"{self.agent_id} did not become current: {self.say('state')}"

    def assert_equal(self):
        """The stream stands still meanwhile: the copy becomes equal to the broker's state."""
        def is_equal():
            broker = self.scene.done("state_hash", "interests=" + " ".join(INTERESTS))["records"][0]
            copy = is_equal.copy = self.say("state")
            return copy["current"] and copy["state_hash"] == broker["state_hash"] and copy["fields"] == broker["fields"]
        wait_for(lambda: f"{self.agent_id}: the copy differs from the broker's state: {is_equal.copy}", is_equal, 30)
        counts = is_equal.copy
        assert counts["fields"] > 5, "an empty copy proves nothing"
        assert counts["dropped"] == counts["recovered"] + counts["resynchronized"], counts
        return counts

    def account(self):
        """The follower's own account, after it was held to the broker's heads: nothing untold at the end either."""
        account = self.say("account")
        assert account["told_twice"] == 0, "a loss was told twice"
        account["missing"] = 0
        for name, topic in account["topics"].items():
            if not name.startswith(tuple(f"{interest}." for interest in INTERESTS)):
                continue
            newest = self.scene.newest(name)
            assert newest in (None, topic["last"]), f"{self.agent_id} {name}: the last is {newest}, known is {topic}"
            assert topic["missing"] == topic["told"], f"{self.agent_id} {name}: lost and told differ: {topic}"
            assert topic["wrong"] == 0, f"{self.agent_id} {name}: twice, out of order, or while stale: {topic}"
            account["missing"] += sum(last - first + 1 for first, last in topic["missing"])
        return account

    def end(self):
        self.process.communicate(timeout=10)


class RepairScene(Scene):
    def newest(self, topic):
        """The topic sequence of its newest publication; None when history has none."""
        category, agent_id, subject = topic.split(".", 2)
        answer = subprocess.run([SYNCBUS, "--json", "--endpoint", self.command, "history", category, "--agent", agent_id,
                                 "--subject", subject, "--last", "1"], capture_output=True, text=True, check=True)
        rows = [json.loads(line) for line in answer.stdout.splitlines()]
        return next((row["topic_sequence"] for row in rows if "topic_sequence" in row), None)


class StandStill:
    """The stream stands still: its feed is held, and what it had sent has come out."""

    lock = threading.RLock()

    def __init__(self, scene, feed):
        self.scene, self.feed = scene, feed

    def __enter__(self):
        self.lock.acquire()
        self.feed.send_signal(signal.SIGSTOP)
        head = None
        while head != (head := {row["category"]: row["category_sequence"] for row in
                                self.scene.done("status")["records"] if row.get("category") in INTERESTS}):
            time.sleep(0.02)

    def __exit__(self, *_):
        self.feed.send_signal(signal.SIGCONT)
        self.lock.release()


def pour(scene):
    feed = scene.desk_agent("market", "--pace", "flat", "--loop", "--progress", "0", SPY)
    wait_for("ticks pour", lambda: len(scene.state("technical")) > 2)
    return feed


def hold_again_and_again(scene, feed, failures, joined):
    """The reader that is held; at least HOLDS_S, and on until the other one has joined often enough."""
    try:
        held = Follower(scene, "held")
        held.await_current()
        holds = list(HOLDS_S)
        while holds or not joined.is_set():
            held.process.send_signal(signal.SIGSTOP)
            time.sleep(holds.pop(0) if holds else 1)  # the claim's own length: how long a reader is held
            held.process.send_signal(signal.SIGCONT)
            held.await_current()
            with StandStill(scene, feed):
                held.assert_equal()
                held.account()
        with StandStill(scene, feed):
            counts, account = held.assert_equal(), held.account()
        print(f"held: {counts}; missing {account['missing']}, snapshots {account['snapshots']}")
        assert counts["dropped"] == account["missing"] > 0, "no loss occurred: the test proves nothing"
        assert counts["recovered"] > 0, "no loss was fetched from history: the test proves little"
        assert counts["resynchronized"] > 0, "no loss had been evicted: the test proves little"
        held.end()
    except BaseException as failure:
        failures.append(failure)
        raise


def join_at_random_moments(scene, feed):
    for number in range(JOINS):
        time.sleep(random.random() / 4)  # the claim's own: at random moments
        joiner = Follower(scene, f"joiner{number % 3}")
        joiner.await_current()
        time.sleep(random.random() / 10)
        with StandStill(scene, feed):
            joiner.assert_equal()
            joiner.account()
        joiner.end()


def test_losses_are_told_exactly_and_copies_end_equal():
    with RepairScene(*FLAGS) as scene:
        feed = pour(scene)
        alone = Follower(scene, "alone")
        alone.await_current()
        failures, joined = [], threading.Event()
        holder = threading.Thread(target=hold_again_and_again, args=(scene, feed, failures, joined))
        holder.start()
        try:
            join_at_random_moments(scene, feed)
        finally:
            joined.set()
            holder.join()
        assert not failures, failures
        with StandStill(scene, feed):
            counts, account = alone.assert_equal(), alone.account()
        print(f"alone: {counts}")
        assert counts["dropped"] == counts["gaps"] == account["missing"] == account["gaps"] == 0, f"who was left alone lost something: {counts}"
        assert feed.poll() is None, "the feed has ended"
        alone.end()


if __name__ == "__main__":
    if not os.path.exists(SPY):
        print(f"SKIPPED, NOT TESTED: no recorded market data at {SPY}")
        sys.exit(77)
    seed = int(os.environ.get("SB_SEED", time.time_ns() % 1000000))
    print(f"SB_SEED={seed}")
    random.seed(seed)
    tests = [test for name, test in list(globals().items()) if name.startswith("test_")]
    for test in tests:
        began = time.monotonic()
        test()
        print(f"passed {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
    sys.exit(0)
