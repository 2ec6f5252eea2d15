#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A flood of single deltas is decided one by one, and published together where neighbours share a topic.

A client that knows nothing but the protocol sends as many single deltas as the window allows without waiting for an
ack, in runs of one topic. A reader has every update once, in the order of its sequence, without a hole in any number;
and the broker's counters are exact: so are those of messages and octets, as what shares a publication stays a message.
Where the broker is held while they are sent, so that they do wait one behind the other, there are far fewer
publications than deltas. A delta that is refused in the middle of it is refused alone; what else comes between, from the
same agent or another, is heard in its place.
"""
import signal
import sys

from faults_stage import Scene, run_all, wait_for

DELTAS = 20000
RUN = 40  # deltas of one topic in a row
TOPICS = ("a", "b", "c")
UNACKED = ("--limits-unacked", str(2 * DELTAS))
REFUSED = (5000, 5001, 17777)  # of a kind that no breaker counts up to its threshold
LARGE = 70000  # octets of a delta that is gathered with none
LARGE_EVERY = 3001
REPEAT_EVERY = 501
NOISE = b"\xff\xff\xff"
COUNTERS = ("messages", "message_bytes", "deltas", "deltas_accepted", "deltas_repeated", "changes",
            "changes_suppressed", "publications", "failures")


def frames(peer, refused=()):
    """Every message as it goes out, made before, so that they go out in one go."""
    made = []
    for sequence in range(1, DELTAS + 1):
        subject = TOPICS[sequence // RUN % len(TOPICS)]
        names = ("number", "number") if sequence in refused else ("number",)
        message = peer.schema.AgentMessage()
        message.delta.sequence, message.delta.category, message.delta.subject = sequence, "flood", subject
        message.delta.changes.extend(peer.change(name, integer=sequence) for name in names)
        made.append(message.SerializeToString())
    return made


def counters(scene):
    status = scene.status()
    return {name: status[name] for name in COUNTERS}


def send(scene, peer, made, is_held):
    """Sends it all; with is_held the broker's process stands still meanwhile."""
    if is_held:
        scene.broker.send_signal(signal.SIGSTOP)
    for frame in made:
        peer.socket.send(frame)
    if is_held:
        scene.broker.send_signal(signal.SIGCONT)


def flood(scene, refused=(), is_held=True):
    """Sends it all, waits until all is decided, and checks acks and counters: the reader."""
    reader = scene.reader("flood.")
    peer = scene.raw("flooder", heartbeat_interval_ms=60000)
    peer.socket.sndhwm = 0
    made = frames(peer, refused)
    before = counters(scene)
    send(scene, peer, made, is_held)
    decided, told = 0, {}
    while decided < DELTAS:
        ack = peer.receive("ack")
        assert ack.decided_through >= decided, f"decided through {ack.decided_through} after {decided}"
        decided = ack.decided_through
        told.update((refusal.sequence, refusal.reason) for refusal in ack.refused)
    assert decided == DELTAS, decided
    assert told == {sequence: scene.schema.REASON_DUPLICATE_FIELD for sequence in refused}, told
    after = counters(scene)
    reader.await_head(scene.done("state_hash")["sequence"])
    grown = {name: after[name] - before[name] for name in COUNTERS}
    assert grown["messages"] == DELTAS, grown
    assert grown["message_bytes"] == sum(map(len, made)), grown
    assert grown["deltas"] == DELTAS, grown
    assert grown["deltas_accepted"] == grown["changes"] == DELTAS - len(refused), grown
    assert grown["deltas_repeated"] == grown["changes_suppressed"] == 0, grown
    assert grown["failures"] == len(refused), grown
    return reader


def check(reader, refused=(), agent_id="flooder"):
    """Every update once and in order, each under its own topic; the number of publications."""
    publications = reader.of(agent_id)
    sequences = []
    for topic, publication in publications:
        subject = topic.rpartition(".")[2]
        assert publication.updates, topic
        for update in publication.updates:
            sequences.append(update.sequence)
            assert TOPICS[update.sequence // RUN % len(TOPICS)] == subject, f"{update.sequence} under {topic}"
            numbers = [(change.name, change.value.integer) for change in update.changes if change.name != "long"]
            assert numbers == [("number", update.sequence)], f"{update.sequence}: {numbers}"
    assert sequences == [number for number in range(1, DELTAS + 1) if number not in refused], "not each once, in order"
    reader.assert_no_hole("flood")
    parts = [publication.agent_sequence for _, publication in publications]
    assert parts == list(range(1, len(parts) + 1)), "a hole in the agent's part"
    return len(publications)


def test_each_update_comes_once_and_in_order_in_fewer_publications():
    with Scene(*UNACKED) as scene:
        count = check(flood(scene))
        assert DELTAS // RUN <= count < DELTAS // 4, f"{count} publications of {DELTAS} deltas"
        print(f"{DELTAS} single deltas that waited, {count} publications")
        fields = scene.state("flood", "flooder")
        last = {subject: max(number for number in range(1, DELTAS + 1)
                             if TOPICS[number // RUN % len(TOPICS)] == subject) for subject in TOPICS}
        assert {name: int(field["value"]) for name, field in fields.items()} == {
            f"flood.flooder.{subject} number": number for subject, number in last.items()}


def test_it_is_the_same_at_any_pace():
    with Scene(*UNACKED) as scene:
        count = check(flood(scene, is_held=False))
        assert DELTAS // RUN <= count <= DELTAS, f"{count} publications of {DELTAS} deltas"
        print(f"{DELTAS} single deltas, {count} publications")


def with_others_between(peer):
    """A flood with heartbeats, repeats, frames that nobody can read, and deltas too large to be gathered, between."""
    made = []
    for sequence, frame in enumerate(frames(peer), 1):
        if sequence % LARGE_EVERY == 0:
            message = peer.schema.AgentMessage.FromString(frame)
            message.delta.changes.append(peer.change("long", text=f"{sequence} " + "x" * LARGE))
            frame = message.SerializeToString()
        made.append(frame)
        if sequence % 97 == 0:
            beat = peer.schema.Heartbeat(progress=sequence)
            made.append(peer.schema.AgentMessage(heartbeat=beat).SerializeToString())
        if sequence % REPEAT_EVERY == 0:
            made.append(frame)
        if sequence % (DELTAS // 4) == 1:
            made.append(NOISE)
    return made


def flood_with_others_between(*agent_ids):
    """All at once, and checks it; the number of publications of each."""
    with Scene(*UNACKED) as scene:
        reader = scene.reader("flood.")
        peers = [scene.raw(agent_id, heartbeat_interval_ms=60000) for agent_id in agent_ids]
        made = [with_others_between(peer) for peer in peers]
        before = counters(scene)
        scene.broker.send_signal(signal.SIGSTOP)
        for peer in peers:
            peer.socket.sndhwm = 0
        for pair in zip(*made):
            for peer, frame in zip(peers, pair):
                peer.socket.send(frame)
        scene.broker.send_signal(signal.SIGCONT)
        for peer in peers:
            while peer.receive("ack").decided_through < DELTAS:
                pass
        reader.await_head(scene.done("state_hash")["sequence"])
        wait_for("all is read to the end",
                 lambda: counters(scene)["deltas_repeated"] == len(peers) * (DELTAS // REPEAT_EVERY))
        grown = {name: after - before[name] for name, after in counters(scene).items()}
        sent = [frame for frames_of in made for frame in frames_of]
        assert grown["message_bytes"] == sum(map(len, sent)), (grown, sum(map(len, sent)))
        assert grown["messages"] == len(sent) - sent.count(NOISE), (grown, len(sent))
        assert grown["deltas_accepted"] == len(peers) * DELTAS, grown
        assert grown["changes"] == len(peers) * (DELTAS + DELTAS // LARGE_EVERY), grown
        assert grown["failures"] == sent.count(NOISE) == len(peers) * 4, grown
        counts = [check(reader, agent_id=agent_id) for agent_id in agent_ids]
        print(f"{len(sent)} messages of {', '.join(agent_ids)}: {counts} publications")
        return counts


def test_what_comes_between_is_heard_in_its_place():
    (count,) = flood_with_others_between("flooder")
    assert count < DELTAS // 4, f"{count} publications"


def test_two_at_once_are_told_apart():
    for count in flood_with_others_between("flooder", "other"):
        assert count < DELTAS // 4, f"{count} publications"


def test_a_delta_that_is_refused_in_it_is_refused_alone():
    with Scene(*UNACKED) as scene:
        check(flood(scene, REFUSED), REFUSED)
        assert scene.refusals()["DUPLICATE_FIELD"] == len(REFUSED)
        assert scene.agent("flooder")["breaker"] == "CLOSED"


def test_a_flood_under_a_pause_is_refused_delta_by_delta():
    with Scene(*UNACKED) as scene:
        reader = scene.reader("flood.")
        peer = scene.raw("flooder", heartbeat_interval_ms=60000)
        scene.done("pause_agent", "flooder", "--reason", "test")
        peer.socket.sndhwm = 0
        send(scene, peer, frames(peer), is_held=True)
        told = []
        while not told or told[-1].sequence < DELTAS:
            told.extend(peer.receive("ack").refused)
        assert [refusal.sequence for refusal in told] == list(range(1, DELTAS + 1))
        assert {refusal.reason for refusal in told} == {scene.schema.REASON_PAUSED}
        wait_for("each is counted", lambda: scene.refusals().get("PAUSED") == DELTAS)
        assert not [seen for seen in reader.of("flooder") if seen.topic.startswith("flood.")]


if __name__ == "__main__":
    sys.exit(run_all(globals()))
