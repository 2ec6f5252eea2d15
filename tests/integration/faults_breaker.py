#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Agents that keep failing: cut off alone, told when to come back, let back after the wait by three probes."""
from faults_stage import Scene, as_milliseconds, run_all, sys, time, wait_for

INTERVAL_MS = 300
DELAY_MS = 3000  # so long that all that holds while it is cut off can be looked at, on a busy machine too
JITTER = 1.1  # a wait is up to a tenth longer
SLACK_MS = 1500  # how late a busy machine may be; too early is wrong by any amount
CLOCK_MS = 2  # the broker's wall clock beside its monotonic one
FLAGS = ("--breaker-recovery-delay", f"{DELAY_MS} ms")


class Offender:
    """A raw agent that counts its own deltas."""

    def __init__(self, scene):
        self.scene, self.schema, self.sequence = scene, scene.schema, 0
        self.peer = scene.raw("offender", heartbeat_interval_ms=INTERVAL_MS)

    def send(self, number):
        """A delta of one field; the refusal it got, None when it was accepted."""
        self.sequence += 1
        self.peer.send("delta", sequence=self.sequence, category="work", subject="s0",
                       changes=[self.peer.change("price", number=number)])
        while True:
            ack = self.peer.receive("ack")
            if ack.decided_through >= self.sequence:
                return next((refusal for refusal in ack.refused if refusal.sequence == self.sequence), None)

    def fail_five_times(self):
        for _ in range(5):
            assert self.send(float("nan")).reason == self.schema.REASON_NOT_FINITE

    def wait_out(self, refusal):
        """Beats while it waits as long as the refusal says."""
        end_s = time.monotonic() + refusal.retry_after_ms / 1000
        while time.monotonic() < end_s:
            self.peer.send("heartbeat")
            time.sleep(min(0.1, max(0, end_s - time.monotonic())))


def transitions(scene, agent_id):
    return [(event["from"], event["to"]) for event in scene.events(agent_id, "BREAKER")]


def check_cut_off(scene, reader, offender):
    """Refusals that name the wait, an event, FORCED_STALE in state and in publications."""
    schema = scene.schema
    for _ in range(3):
        refusal = offender.send(2)
        assert refusal.reason == schema.REASON_BREAKER_OPEN
        assert 0 < refusal.retry_after_ms <= DELAY_MS * JITTER, refusal
    (event,) = scene.events("offender", "BREAKER")
    assert (event["from"], event["to"], event["open_count"]) == ("CLOSED", "OPEN", 1), event
    assert DELAY_MS <= event["retry_after_ms"] <= DELAY_MS * JITTER, event
    row = scene.agent("offender")
    assert row["breaker"] == "OPEN" and row["failures"] == 5 and not row["is_healthy"], row
    assert scene.qualities("work", "offender") == {"FORCED_STALE"}
    assert scene.state("work", "offender")["work.offender.s0 price"]["value"] == 1, "its last state is served"
    offender.peer.send("heartbeat")
    reader.await_head(scene.done("status")["sequence"])
    told = [seen.publication for seen in reader.of("offender") if seen.topic == "work.offender.s0"][-1]
    assert not told.updates and told.quality == schema.QUALITY_FORCED_STALE, told
    assert told.cause == schema.CAUSE_BREAKER
    return event


def check_let_back(scene, reader, offender, opened):
    """Three probes, an interval apart; what is sent in between is refused with the time to the next."""
    schema, probes = scene.schema, []
    while len(probes) < 3:
        refusal = offender.send(10 + offender.sequence)
        if not refusal:
            probes.append(offender.sequence)
            continue
        assert refusal.reason == schema.REASON_BREAKER_OPEN and refusal.retry_after_ms > 0, refusal
        if probes:
            assert refusal.retry_after_ms <= INTERVAL_MS, refusal
        offender.wait_out(refusal)
    wait_for("the breaker is CLOSED", lambda: scene.agent("offender")["breaker"] == "CLOSED")
    reader.await_head(scene.done("status")["sequence"])
    accepted_ns = [seen.publication.broker_unix_ns for seen in reader.of("offender")
                   for update in seen.publication.updates if update.sequence in probes]
    closed_ns = scene.events("offender", "BREAKER")[-1]["broker_unix_ns"]
    waited_ms = as_milliseconds(accepted_ns[0] - opened["broker_unix_ns"])
    assert opened["retry_after_ms"] <= waited_ms + 1 <= opened["retry_after_ms"] + SLACK_MS, waited_ms
    for one, next_one in zip(accepted_ns, [*accepted_ns[1:], closed_ns]):
        assert as_milliseconds(next_one - one) > INTERVAL_MS - CLOCK_MS, "each probe is judged after its interval"


def test_five_bad_deltas_cut_off_and_three_probes_after_the_wait_let_back():
    with Scene(*FLAGS) as scene:
        reader = scene.reader("work.", "_event.")
        others = [scene.puppet(name, INTERVAL_MS) for name in ("left", "right")]
        for other in others:
            other.fill()
            other.say("pour 300")
        offender = Offender(scene)
        assert offender.send(1) is None
        offender.fail_five_times()
        check_let_back(scene, reader, offender, check_cut_off(scene, reader, offender))
        assert transitions(scene, "offender") == [("CLOSED", "OPEN"), ("OPEN", "HALF_OPEN"), ("HALF_OPEN", "CLOSED")]
        row = scene.agent("offender")
        assert row["agent_restarts"] == 1 and scene.status()["agent_restarts_by_recovery"] == 1, row
        assert offender.send(99) is None
        assert scene.qualities("work", "offender") == {"OK"}
        assert scene.state("work", "offender")["work.offender.s0 price"]["value"] == 99
        for other in others:
            other.say("hold")
            row = scene.agent(other.agent_id)
            assert row["refused"] == 0 and row["failures"] == 0 and row["liveness"] == "LIVE", row
            assert not scene.events(other.agent_id, "BREAKER") and not scene.events(other.agent_id, "QUALITY")
        scene.assert_equal(*others)
        reader.await_head(scene.done("status")["sequence"])
        reader.assert_no_hole()


def test_four_bad_deltas_do_not_cut_off():
    with Scene(*FLAGS) as scene:
        offender = Offender(scene)
        for _ in range(4):
            assert offender.send(float("nan")).reason == scene.schema.REASON_NOT_FINITE
        assert offender.send(1) is None
        assert scene.agent("offender")["breaker"] == "CLOSED"


def test_an_agent_of_the_library_recovers_by_itself_with_all_that_it_changed_meanwhile():
    with Scene(*FLAGS) as scene:
        puppet, other = scene.puppet("offender", INTERVAL_MS), scene.puppet("other", INTERVAL_MS)
        for each in (puppet, other):
            each.fill()
        puppet.say("pour 200")
        poisoner = scene.raw("poisoner")
        for sequence in range(1, 6):  # each is a failure of the one handler that reads them
            poisoner.send("delta", sequence=sequence, category="poison", subject="offender",
                          changes=[poisoner.change("drop", integer=sequence)])
        wait_for("the offender is cut off", lambda: transitions(scene, "offender")[:1] == [("CLOSED", "OPEN")])
        wait_for("it has heard so", lambda: puppet.say("report")["status"] == "CUT_OFF")
        assert scene.qualities("work", "offender") == {"FORCED_STALE"}
        before = scene.state("work", "offender")
        puppet.say("churn 200")
        assert {name: field["value"] for name, field in scene.state("work", "offender").items()} == {
            name: field["value"] for name, field in before.items()}, "nothing is accepted of it"
        puppet.say("hold")
        report = puppet.say("report")
        assert report["returned"].get("BREAKER_OPEN", 0) > 0, report
        scene.assert_equal(puppet)
        wait_for("its breaker is CLOSED", lambda: scene.agent("offender")["breaker"] == "CLOSED")
        assert scene.agent("offender")["agent_restarts"] == 1
        assert transitions(scene, "offender") == [("CLOSED", "OPEN"), ("OPEN", "HALF_OPEN"), ("HALF_OPEN", "CLOSED")]
        wait_for("it knows", lambda: puppet.say("report")["status"] == "ACTIVE")
        puppet.fill()
        scene.assert_equal(puppet, other)
        row = scene.agent("other")
        assert row["received"] == 5 and row["failures"] == 0 and not scene.events("other", "BREAKER"), row


if __name__ == "__main__":
    sys.exit(run_all(globals()))
