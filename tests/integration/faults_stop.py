#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The emergency stop while deltas pour in, and what is left of it when the broker is killed right after the reply."""
import zmq

from faults_stage import Scene, run_all, signal, sys, threading, time, wait_for

POURERS = 3


class Deaf:
    """A raw agent that sends as fast as it can and heeds nothing, in a thread of its own."""

    def __init__(self, scene):
        self.schema = scene.schema
        self.peer = scene.raw("deaf", heartbeat_interval_ms=1000)
        self.first_refused = self.decided_through = self.sequence = 0
        self.reasons = {}
        self.is_ending = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_ending:
            if self.sequence - self.decided_through < 2000:
                self.sequence += 1
                self.peer.send("delta", sequence=self.sequence, category="work", subject="deaf", changes=[
                    self.peer.change("count", integer=self.sequence)])
            while self.peer.socket.poll(0 if self.sequence - self.decided_through < 2000 else 10):
                self.hear(self.schema.BrokerMessage.FromString(self.peer.socket.recv()))

    def hear(self, message):
        if message.WhichOneof("body") != "ack":
            return
        self.decided_through = message.ack.decided_through
        for refusal in message.ack.refused:
            self.reasons[refusal.reason] = self.reasons.get(refusal.reason, 0) + 1

    def end(self):
        self.is_ending = True
        self.thread.join()


def start_pouring(scene):
    puppets = [scene.puppet(f"pourer{i}", 300) for i in range(POURERS)]
    for puppet in puppets:
        puppet.say("pour 0")
    return puppets


def await_flood(scene, puppets):
    wait_for("thousands of deltas pour in", lambda: all(
        scene.agent(puppet.agent_id)["accepted"] > 2000 for puppet in puppets))


def first_sign(reader, scene):
    """Sequence of the first publication that the stop made: a change of quality, about when it is replied to."""
    return next(seen.publication.sequence for seen in reader.seen()
                if seen.publication.cause == scene.schema.CAUSE_STOPPED)


def assert_nothing_after(reader, sequence):
    """No publication above `sequence` carries an agent's word; changes of quality and events are the broker's."""
    by_agents = [seen.publication.sequence for seen in reader.seen()
                 if seen.publication.updates and not seen.topic.startswith("_")]
    late = [number for number in by_agents if number > sequence]
    assert not late, f"{len(late)} publications after {sequence}, from {late[0]} to {late[-1]}"
    assert len(by_agents) > 2000, "the flood was seen"


def clear(scene, latch_epoch):
    code, reply = scene.ask("emergency_clear", "--latch-epoch", str(latch_epoch + 1), "--reason", "test")
    assert code == 1 and reply["code"] == "WRONG_EPOCH", reply
    scene.done("emergency_clear", "--latch-epoch", str(latch_epoch), "--reason", "test")


def assert_goes_on(scene, puppets):
    """Cleared: each is heard again, and the broker's picture of each becomes its own."""
    before = {puppet.agent_id: scene.agent(puppet.agent_id)["accepted"] for puppet in puppets}
    for puppet in puppets:
        wait_for(f"{puppet.agent_id} is heard again",
                 lambda: scene.agent(puppet.agent_id)["accepted"] > before[puppet.agent_id] + 100)
    for puppet in puppets:
        puppet.say("hold")
        assert puppet.say("settle 10000")["decided"]
    scene.assert_equal(*puppets)


def test_nothing_is_accepted_after_the_stop_and_all_confirm_or_are_named():
    with Scene("--breaker-timeout-per-agent", "1 s") as scene:
        reader = scene.reader("work.", "_event.")
        stuck = scene.puppet("stuck", 1000)
        scene.desk_agent("scanner")
        wait_for("the scanner is LIVE", lambda: scene.liveness().get("scanner") == "LIVE")
        puppets = start_pouring(scene)
        deaf = Deaf(scene)
        await_flood(scene, puppets)
        stuck.signal(signal.SIGSTOP)
        refused = scene.refusals().get("EMERGENCY_STOPPED", 0)
        stop = scene.done("emergency_stop", "--reason", "test", "--timeout", "3")
        accepted = scene.status()["deltas_accepted"]
        assert refused == 0 and stop["in_force"] and stop["durable"], stop
        assert sorted(stop["confirmed"]) == ["pourer0", "pourer1", "pourer2", "scanner"], stop
        assert sorted(stop["not_confirmed"]) == ["deaf", "stuck"] and not stop["not_connected"], stop
        count = deaf.reasons.get(scene.schema.REASON_EMERGENCY_STOPPED, 0)
        wait_for("thousands more are refused",
                 lambda: deaf.reasons.get(scene.schema.REASON_EMERGENCY_STOPPED, 0) > count + 2000)
        assert scene.status()["deltas_accepted"] == accepted, "something was accepted after the reply"
        reader.await_head(scene.done("status")["sequence"])
        assert_nothing_after(reader, min(first_sign(reader, scene), stop["reply"]["sequence"]))
        (event,) = scene.events("_broker", "LATCH")
        assert event["stopped"] and event["latch_epoch"] == stop["latch_epoch"] and event["told"] == 6, event
        for puppet in puppets:
            assert puppet.say("report")["status"] == "STOPPED"
            assert scene.qualities("work", puppet.agent_id) == {"FORCED_STALE"}
        for name in ("deaf", "stuck"):
            assert scene.agent(name)["failures"] == 0, "a missing confirmation is no failure"
        deaf.end()
        assert set(deaf.reasons) == {scene.schema.REASON_EMERGENCY_STOPPED}, deaf.reasons
        stuck.signal(signal.SIGCONT)
        wait_for("the stuck one has heard", lambda: stuck.say("report")["status"] == "STOPPED")
        wait_for("and confirms", lambda: scene.agent("stuck")["latch_receipt"] == "APPLIED")
        clear(scene, stop["latch_epoch"])
        assert_goes_on(scene, puppets)


def stop_and_kill(scene):
    """A stop by a REQ of its own, and SIGKILL for the broker as soon as the reply is here; the reply."""
    request = scene.schema.CommandRequest(command_id="stop-1", command="emergency_stop", reason="test", issuer="test",
                                          issued_unix_ns=time.time_ns(), timeout_ms=5000, protocol=1)
    with zmq.Context.instance().socket(zmq.REQ) as asker:
        asker.linger = 0
        asker.connect(scene.command)
        asker.send(request.SerializeToString())
        assert asker.poll(10000), "no reply"
        reply = scene.schema.CommandReply.FromString(asker.recv())
        scene.kill_broker()
    assert reply.code == scene.schema.REASON_NONE
    columns = {column.name: column.value for column in reply.records[0].columns}
    assert columns["durable"].boolean and columns["stopped"].boolean
    return reply.sequence, columns["latch_epoch"].integer


def test_broker_killed_right_after_the_reply_comes_back_stopped():
    with Scene() as scene:
        reader = scene.reader("work.", "_event.")
        puppets = start_pouring(scene)
        await_flood(scene, puppets)
        sequence, latch_epoch = stop_and_kill(scene)
        assert_nothing_after(reader, sequence)
        scene.start_broker()
        status = scene.status()
        assert status["stopped"] and status["latch_epoch"] == latch_epoch, status
        wait_for("all register again by themselves and are told", lambda: all(
            scene.agent(puppet.agent_id).get("liveness") == "LIVE" and
            puppet.say("report")["status"] == "STOPPED" for puppet in puppets))
        newcomer = scene.raw("newcomer")
        newcomer.send("delta", sequence=1, category="work", changes=[newcomer.change("x", integer=1)])
        assert newcomer.receive("ack").refused[0].reason == scene.schema.REASON_EMERGENCY_STOPPED
        assert scene.status()["deltas_accepted"] == 0 and not scene.state("work"), "nothing is accepted"
        clear(scene, latch_epoch)
        assert_goes_on(scene, puppets)


if __name__ == "__main__":
    sys.exit(run_all(globals()))
