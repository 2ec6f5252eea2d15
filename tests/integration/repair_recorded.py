#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Losses on a real stream are seen, told exactly, and made good.

SPY's recorded trades pour flat out, over and over; where there are none the test is skipped. One reader is held by
SIGSTOP again and again, so that the broker drops what it cannot take; history is kept short, so that some losses can be
fetched and others only be covered by a snapshot. Another reader joins at random moments, 100 times. A third is left
alone. After each: the state hash of the copy equals the broker's; what on_gap told is exactly what the socket never
handed out; who was left alone has no hole.

No hold ends by the clock alone, so that a machine may be as fast, slow or busy as it likes. A loss is certain once
nothing more goes into the reader's connection while more is published than its queue takes. Then either the stream
stands still while all since the hold's beginning is kept: the loss must be fetched. Or the hold goes on, for 10 s at
least, until history begins behind the loss: it must be covered by a snapshot.
"""
import collections
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
HELD_S = 10
TRIES = 10
PATIENCE_S = 120
QUEUE = 1000
# A publication is 64 rows, some 4 KiB. The longer of the histories holds several times what queue and kernel take for
# the reader that is held; out of the shorter one each loss is soon.
RECEIVE_OCTETS = 256 << 10
FLAGS = ("--publish-agent-queue", str(QUEUE), "--history-bytes", "64MiB",
         "--history-category", "market_data 1000,technical 300000")
KEPT = "technical"

Connection = collections.namedtuple("Connection", "local remote unsent unread socket")


def port_of(endpoint):
    return int(endpoint.rsplit(":", 1)[1])


def connections(endpoint):
    """What the kernel holds of each established connection at a port of this machine, seen from either end."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    ports = ([int(row[i].split(":")[1], 16) for i in (1, 2)] for row in rows)
    octets = ([int(each, 16) for each in row[4].split(":")] for row in rows)
    found = [Connection(*port, *octet, f"socket:[{row[9]}]") for row, port, octet in zip(rows, ports, octets)
             if row[3] == "01"]
    return [each for each in found if port_of(endpoint) in (each.local, each.remote)]


class Follower:
    """A repair_follower. Its counts must add up whenever it is asked for its state."""

    def __init__(self, scene, agent_id, receive_octets=0):
        self.scene, self.agent_id = scene, agent_id
        self.process = scene.start("repair_follower", str(receive_octets), scene.ingress, agent_id, *INTERESTS,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    say = Puppet.say

    def octets_on_the_way(self):
        """What the kernel holds of its subscription; while it is held this changes only when the broker sends more."""
        folder, known = f"/proc/{self.process.pid}/fd", connections(self.scene.publish)
        sockets = {os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)}
        own = {each.local: each.unread for each in known if each.socket in sockets}  # one, or a former one beside it
        assert own, f"{self.agent_id} has no subscription"
        return sum(own.values()) + sum(each.unsent for each in known if each.remote in own)

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
    def heads(self):
        return {row["category"]: row["category_sequence"] for row in self.done("status")["records"]
                if row.get("category") in INTERESTS}

    def oldest(self, category):
        """The oldest publication that history keeps."""
        return self.done("history", category, "--last", "1")["records"][0]["oldest"]

    def newest(self, topic):
        """The topic sequence of its newest publication; None when history has none."""
        category, agent_id, subject = topic.split(".", 2)
        answer = subprocess.run([SYNCBUS, "--json", "--endpoint", self.command, "history", category, "--agent",
                                 agent_id, "--subject", subject, "--last", "1"],
                                capture_output=True, text=True, check=True)
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
        try:
            wait_for("the stream stands still", self.is_still, PATIENCE_S)
        except BaseException:
            self.__exit__()
            raise

    def is_held(self):
        """Each thread of the feed has stopped; on a busy machine one may run on for long after the signal was sent."""
        folder = f"/proc/{self.feed.pid}/task"
        states = set()
        for thread in os.listdir(folder):
            with open(os.path.join(folder, thread, "stat"), encoding="utf-8") as stat:
                states.add(stat.read().rpartition(")")[2].split()[0])
        return states == {"T"}

    def is_still(self):
        """No thread of the feed runs, the kernel holds nothing on its way to the broker, and then two of its answers
        are the same: what it had read from its connections came to its turn before the first, or between the two."""
        if not self.is_held():
            return False
        on_the_way = any(each.unread if each.local == port_of(self.scene.ingress) else each.unsent
                         for each in connections(self.scene.ingress))
        return not on_the_way and self.scene.heads() == self.scene.heads()

    def __exit__(self, *_):
        self.feed.send_signal(signal.SIGCONT)
        self.lock.release()


def pour(scene):
    """The feed, last in line for the processors: it is not to win them from those who read."""
    feed = scene.start("market", "--ingress", scene.ingress, "--publish", scene.publish, "--json", "--pace", "flat",
                       "--loop", "--progress", "0", SPY, preexec_fn=lambda: os.nice(19))
    wait_for("ticks pour", lambda: len(scene.state("technical")) > 2)
    return feed


class Holder:
    """Holds a reader and lets it go. It begins with a stream that stands still, so that all before is known to it."""

    def __init__(self, scene, feed):
        self.scene, self.feed, self.fetched, self.covered = scene, feed, 0, 0
        self.reader = Follower(scene, "held", RECEIVE_OCTETS)
        self.reader.await_current()

    def hold(self):
        """The heads up to which it has all; and its counts."""
        with StandStill(self.scene, self.feed):
            counts, whole = self.check(), self.scene.heads()
            self.reader.process.send_signal(signal.SIGSTOP)
        return whole, counts

    def await_loss(self, in_steps=False):
        """Until it has lost something of each category for certain: by these heads. The stream pours meanwhile; or in
        steps, so that hardly more is published than it takes."""
        octets, since, full = None, {}, {}

        def has_lost():
            """While nothing goes into the connection, the queue fills; once it is full, all that is more is lost."""
            nonlocal octets, since, full
            heads, now_octets = self.scene.heads(), self.reader.octets_on_the_way()
            if octets != now_octets:
                octets, since, full = now_octets, self.scene.heads(), {}
            elif not full and sum(heads.values()) - sum(since.values()) > QUEUE + 100:
                full = heads
            return full and all(heads[category] > full[category] for category in heads) and heads

        def has_lost_in_steps():
            with StandStill(self.scene, self.feed):
                return has_lost()

        return wait_for("a loss", has_lost_in_steps if in_steps else has_lost, PATIENCE_S)

    def let_go(self):
        self.reader.process.send_signal(signal.SIGCONT)
        self.reader.await_current()

    def check(self):
        """Its counts, once it is equal and its losses are told; the stream stands still."""
        counts = self.reader.assert_equal()
        self.reader.account()
        return counts

    def hold_until_fetched(self):
        """Lets go while the stream stands still and all that was lost is kept; where it is not, once more, in steps."""
        for number in range(TRIES):
            whole, before = self.hold()
            self.await_loss(in_steps=number > 0)
            with StandStill(self.scene, self.feed):
                is_kept = self.scene.oldest(KEPT) <= whole[KEPT] + 1
                self.let_go()
                after = self.check()
            if is_kept:
                assert after["recovered"] > before["recovered"], f"not fetched from history: {before}, {after}"
                self.fetched += 1
                return
            print("held: history had gone past before the stream stood still; once more")
        raise AssertionError(f"{TRIES} times history went past what was just lost: it is too short for this machine")

    def hold_until_evicted(self, is_pouring):
        """For HELD_S, and until history begins behind the first loss; lets go while ticks pour, or stand still."""
        held_s = time.monotonic()
        _, before = self.hold()
        lost = self.await_loss()
        wait_for("history goes past the loss",
                 lambda: all(self.scene.oldest(category) > lost[category] for category in lost), PATIENCE_S)
        time.sleep(max(0, held_s + HELD_S - time.monotonic()))  # the claim's own length: how long a reader is held
        if is_pouring:
            self.let_go()
        with StandStill(self.scene, self.feed):
            if not is_pouring:
                self.let_go()
            after = self.check()
        assert after["resynchronized"] > before["resynchronized"], f"evicted, yet no snapshot: {before}, {after}"
        assert is_pouring or after["recovered"] == before["recovered"], f"fetched what was evicted: {before}, {after}"
        self.covered += 1

    def end(self):
        with StandStill(self.scene, self.feed):
            counts, account = self.reader.assert_equal(), self.reader.account()
        print(f"held: {counts}; missing {account['missing']}, snapshots {account['snapshots']}; "
              f"holds fetched {self.fetched}, evicted {self.covered}")
        assert counts["dropped"] == account["missing"] > 0, f"lost: {account['missing']}, counted: {counts['dropped']}"
        self.reader.end()


def hold_again_and_again(scene, feed, failures, joined):
    """The reader that is held; at least this often, and on until the other one has joined often enough."""
    try:
        holder = Holder(scene, feed)
        holder.hold_until_evicted(is_pouring=True)
        holder.hold_until_fetched()
        holder.hold_until_fetched()
        holder.hold_until_evicted(is_pouring=False)
        while not joined.is_set():
            holder.hold_until_fetched()
        holder.end()
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
        assert counts["dropped"] == counts["gaps"] == account["missing"] == account["gaps"] == 0, \
            f"who was left alone lost something: {counts}, {account}"
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
