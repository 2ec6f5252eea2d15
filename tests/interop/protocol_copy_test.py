#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What PROTOCOL.md promises about copies of the state, kept by a real broker to a client that knows nothing else.

Joins, snapshots, the state hash, history as a repair, expiry, conflation. Each function is one claim. All run
against one broker, each with agents and topics of its own.
"""
import sys
import tempfile
import time
import zlib

sys.dont_write_bytecode = True

import zmq

from plain_broker import DEADLINE_S, Agent, Broker, Subscriber, load_schema
from state_hash import MASK, message_terms, term

COUNT = {"commands": 0}


def ask(schema, broker, command, **parameters):
    """The reply to a command, over a REQ of its own."""
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.linger = 0
    socket.connect(broker.command)
    COUNT["commands"] += 1
    request = schema.CommandRequest(command_id="copy/%d" % COUNT["commands"], command=command, issuer="test",
                                    timeout_ms=5000, protocol=1)
    for name, value in parameters.items():
        kind = {"integer": value} if isinstance(value, int) else {"text": value}
        request.parameters.append(schema.Parameter(name=name, value=schema.Value(**kind)))
    socket.send(request.SerializeToString())
    assert socket.poll(DEADLINE_S * 1000), "no reply to " + command
    reply = schema.CommandReply.FromString(socket.recv())
    socket.close()
    return reply


def columns(record):
    return {column.name: getattr(column.value, column.value.WhichOneof("kind")) for column in record.columns}


def broker_hash(schema, broker, interests):
    """(hash, sequence) as the broker says them."""
    reply = ask(schema, broker, "state_hash", interests=interests)
    assert reply.code == schema.REASON_NONE, reply.message
    return int(columns(reply.records[0])["state_hash"], 16), reply.sequence


def write(agent, sequence, subject, count, category="market_data", **options):
    changes = [agent.change("f%d" % number, integer=sequence * 1000 + number) for number in range(count)]
    agent.send("delta", sequence=sequence, category=category, subject=subject, changes=changes, **options)


def writer(schema, broker, name, deltas, **options):
    """An agent that has written so many deltas, all decided."""
    agent = Agent(schema, broker, name)
    agent.register()
    for sequence in range(1, deltas + 1):
        write(agent, sequence, "s%d" % (sequence % 5), 20, **options)
    while agent.receive("ack").decided_through < deltas:
        pass
    return agent


def level(publication):
    return {change.name: change.value.integer for change in publication.updates[0].changes}


class Copy:
    """What PROTOCOL.md calls a copy, of one prefix."""

    def __init__(self):
        self.fields = {}  # (topic, name): (kind, value, sequence)
        self.topics = {}  # topic: (quality, sequence of its head, topic_sequence)

    def apply_field(self, key, value, sequence):
        """The field rule; value None: a delete."""
        if sequence <= self.fields.get(key, (None, None, 0))[2]:
            return
        if value is None:
            self.fields.pop(key, None)
        else:
            kind = value.WhichOneof("kind")
            self.fields[key] = (kind, getattr(value, kind), sequence)

    def apply_head(self, topic, quality, sequence, topic_sequence):
        if sequence > self.topics.get(topic, (0, 0, 0))[1]:
            self.topics[topic] = (quality, sequence, topic_sequence)

    def apply(self, topic, publication):
        for update in publication.updates:
            for change in update.changes:
                self.apply_field((topic, change.name), change.value if change.HasField("value") else None,
                                 update.publication_sequence or publication.sequence)
        self.apply_head(topic, publication.quality, publication.sequence, publication.topic_sequence)

    def hash(self):
        return sum(term(topic, name, kind, value, self.topics[topic][0], sequence)
                   for (topic, name), (kind, value, sequence) in self.fields.items()) & MASK


def take_snapshot(schema, agent, snapshot_id, credit, interests):
    """([SnapshotTopics], SnapshotEnd); every chunk checked."""
    agent.send("snapshot_request", snapshot_id=snapshot_id, interests=interests, credit=credit)
    parts = []
    while True:
        assert agent.socket.poll(DEADLINE_S * 1000), "no further part after %d" % len(parts)
        message = schema.BrokerMessage.FromString(agent.socket.recv())
        if message.WhichOneof("body") == "snapshot_end" and message.snapshot_end.snapshot_id == snapshot_id:
            return parts, message.snapshot_end
        if message.WhichOneof("body") == "snapshot_chunk" and message.snapshot_chunk.snapshot_id == snapshot_id:
            chunk = message.snapshot_chunk
            assert chunk.number == len(parts) + 1 and zlib.crc32(chunk.body) == chunk.checksum
            parts.append(schema.SnapshotTopics.FromString(chunk.body))
            agent.send("snapshot_credit", snapshot_id=snapshot_id, credit=1)


# ---------------------------------------------------------------- claims

def join_is_answered_with_the_heads_and_a_bad_nonce_is_not(schema, broker):
    writer(schema, broker, "joined", 3)
    subscriber = Subscriber(schema, broker, "market_data.joined.", "~join.bad nonce.", "~join.%s." % ("n" * 65),
                            "~join.", "~join.good:1.")
    assert subscriber.socket.poll(DEADLINE_S * 1000)
    found, _, body = subscriber.socket.recv().partition(b"\0")
    assert found == b"~join.good:1.", found
    answer = schema.Publication.FromString(body)
    heads = level(answer)
    assert answer.sequence == 0 and answer.agent_id == "_broker" and answer.epoch > 0
    assert heads["sequence"] >= heads["head.market_data"] >= 3, heads


def snapshot_is_whole_and_its_hash_is_the_brokers(schema, broker):
    writer(schema, broker, "walked", 20)
    reader = Agent(schema, broker, "walker")
    welcome = reader.register(interests=["macro"])
    parts, end = take_snapshot(schema, reader, 1, 1, ["market_data.walked."])
    assert end.code == schema.REASON_NONE, end.text
    assert end.chunk_count == len(parts) and end.stream_id == welcome.stream_id and end.epoch == welcome.epoch
    terms = [one for part in parts for one in message_terms(part)]
    assert len(terms) == end.field_count == 100, (len(terms), end.field_count)
    assert sum(terms) & MASK == end.state_hash
    topics = {topic.topic: topic for part in parts for topic in part.topics}
    assert sorted(topics) == ["market_data.walked.s%d" % number for number in range(5)]
    assert all(topic.quality == schema.QUALITY_OK and topic.topic_sequence == 4 for topic in topics.values())
    stated, sequence = broker_hash(schema, broker, "market_data.walked.")
    assert stated == end.state_hash and sequence >= end.sequence


def no_chunk_comes_without_credit(schema, broker):
    agent = writer(schema, broker, "wide", 40, category="macro")
    for sequence in range(41, 241):
        changes = [agent.change("wide.%d.%d" % (sequence, number), text="x" * 100) for number in range(15)]
        agent.send("delta", sequence=sequence, category="macro", subject="wide", changes=changes)
    while agent.receive("ack").decided_through < 240:
        pass
    reader = Agent(schema, broker, "thrifty")
    reader.register(interests=["macro.wide."])
    reader.send("snapshot_request", snapshot_id=7, credit=2)
    numbers = [reader.receive("snapshot_chunk").number for _ in range(2)]
    assert not reader.socket.poll(500), "something came beyond the credit"
    reader.send("snapshot_credit", snapshot_id=7, credit=1)
    numbers.append(reader.receive("snapshot_chunk").number)
    assert numbers == [1, 2, 3], numbers


def request_that_cannot_be_is_answered_by_its_end(schema, broker):
    agent = Agent(schema, broker, "asker")
    agent.register()
    for snapshot_id, interests, code in ((1, ["no interest"], schema.REASON_BAD_INTEREST),
                                         (2, ["c%d" % number for number in range(65)],
                                          schema.REASON_TOO_MANY_INTERESTS)):
        parts, end = take_snapshot(schema, agent, snapshot_id, 1, interests)
        assert not parts and end.code == code and end.text, end
    for body, fields in (("snapshot_request", {"snapshot_id": 0, "credit": 1}),
                         ("snapshot_request", {"snapshot_id": 3, "credit": 65}),
                         ("snapshot_credit", {"snapshot_id": 2**53, "credit": 1})):
        agent.send(body, **fields)
        assert agent.receive("refusal").reason == schema.REASON_MALFORMED
    write(agent, 1, "alive", 1)
    assert agent.receive("ack").decided_through == 1


def buffered_publications_and_a_snapshot_make_the_brokers_state(schema, broker):
    agent = writer(schema, broker, "busy", 10)
    subscriber = Subscriber(schema, broker, "_beat.", "market_data.busy.", "~join.busy.")
    subscriber.receive("~join.busy.")
    reader = Agent(schema, broker, "copier")
    reader.register(interests=["market_data.busy."])
    for sequence in range(11, 61):
        write(agent, sequence, "s%d" % (sequence % 7), 20)
    agent.send("delta", sequence=61, category="market_data", subject="s1",
               changes=[schema.Change(name="f3", delete=schema.Delete())])
    parts, end = take_snapshot(schema, reader, 1, 2, [])
    while agent.receive("ack").decided_through < 61:
        pass
    copy = Copy()
    for part in parts:
        for topic in part.topics:
            copy.apply_head(topic.topic, topic.quality, topic.sequence, topic.topic_sequence)
            for field in topic.fields:
                copy.apply_field((topic.topic, field.name), field.value, field.sequence)
    stated, sequence = broker_hash(schema, broker, "market_data.busy.")
    seen = 0
    while seen < max(sequence, end.sequence):
        assert subscriber.socket.poll(DEADLINE_S * 1000)
        topic, _, body = subscriber.socket.recv().partition(b"\0")
        publication = schema.Publication.FromString(body)
        if topic == b"_beat..":
            seen = level(publication)["sequence"]
        elif publication.sequence:
            copy.apply(topic.decode(), publication)
    assert copy.hash() == stated, "%016x instead of %016x" % (copy.hash(), stated)
    assert ("market_data.busy.s1", "f3") not in copy.fields and len(copy.fields) == 7 * 20 - 1


def pages_of_get_state_have_the_same_hash(schema, broker):
    writer(schema, broker, "paged", 10)
    fields, cursor = [], {}
    while True:
        reply = ask(schema, broker, "get_state", category="market_data", limit=30, **cursor)
        assert reply.code == schema.REASON_NONE, reply.message
        fields += [field for field in reply.fields if field.topic.startswith("market_data.paged.")]
        if not reply.next_cursor:
            break
        cursor = {"cursor": reply.next_cursor}
    total = 0
    for field in fields:
        kind = field.value.WhichOneof("kind")
        total += term(field.topic, field.name, kind, getattr(field.value, kind), field.quality, field.sequence)
    assert len(fields) == 100 and total & MASK == broker_hash(schema, broker, "market_data.paged.")[0]


def range_of_history_is_exact_and_says_its_end(schema, broker):
    subscriber = Subscriber(schema, broker, "sentiment.told.", "_beat.")
    subscriber.receive("_beat..")
    writer(schema, broker, "told", 30, category="sentiment")
    asked = dict(category="sentiment", after=10, through=20, prefix="sentiment.told.", limit=4)
    reply = ask(schema, broker, "history", **asked)
    got, pages = list(reply.publications), [columns(reply.records[0])]
    while reply.next_cursor:
        reply = ask(schema, broker, "history", cursor=reply.next_cursor, **asked)
        got += reply.publications
        pages.append(columns(reply.records[0]))
    assert [entry.publication.category_sequence for entry in got] == list(range(11, 21))
    assert [page["end"] for page in pages] == [False] * (len(pages) - 1) + [True] and len(pages) > 1
    assert not any(page["evicted"] for page in pages) and pages[0]["head"] == 30 and pages[0]["oldest"] == 1
    heard = subscriber.receive("sentiment.told.s1")
    assert heard.SerializeToString() == ask(schema, broker, "history", category="sentiment", after=0,
                                            through=1).publications[0].publication.SerializeToString()


def field_with_a_time_to_live_goes_by_itself(schema, broker):
    subscriber = Subscriber(schema, broker, "macro.mortal.", "_beat.")
    subscriber.receive("_beat..")
    agent = Agent(schema, broker, "mortal")
    agent.register()
    write(agent, 1, "", 2, category="macro", time_to_live_ms=100)
    begun = time.monotonic()
    assert subscriber.receive("macro.mortal.").cause == schema.CAUSE_NONE
    gone = set()
    while gone != {"f0", "f1"}:
        publication = subscriber.receive("macro.mortal.")
        assert publication.cause == schema.CAUSE_EXPIRED and publication.sequence > 0
        for update in publication.updates:
            assert update.sequence == 0 and all(change.HasField("delete") for change in update.changes)
            gone |= {change.name for change in update.changes}
    assert time.monotonic() - begun > 0.09


def conflated_ranges_have_no_hole_and_end_in_the_same_state(schema, broker):
    subscriber = Subscriber(schema, broker, "_beat.", "~conflated.50.market_data.often.", "~join.often.")
    subscriber.receive("~join.often.")
    agent = Agent(schema, broker, "often")
    agent.register()
    for sequence in range(1, 201):
        write(agent, sequence, "s", 3)
    topic, copy, ranges, last = "~conflated.50.market_data.often.s", Copy(), [], 0
    while last < 200:  # updates: those that wait one behind the other may share a publication
        publication = subscriber.receive(topic)
        last = max(update.sequence for update in publication.updates)
        ranges.append((publication.first_topic_sequence, publication.topic_sequence))
        names = [change.name for update in publication.updates for change in update.changes]
        assert len(names) == len(set(names)) == 3, names
        copy.apply("market_data.often.s", publication)
    assert ranges[0] == (1, 1), "the first comes at once"
    assert all(after[0] == before[1] + 1 for before, after in zip(ranges, ranges[1:])), ranges
    assert len(ranges) < 100, len(ranges)
    assert copy.hash() == broker_hash(schema, broker, "market_data.often.")[0]


def largest_value_comes_every_way_in_frames_of_twice_the_limit(schema, broker):
    limit, name, text = 256 * 1024, "f" * 128, ["x" * 200000]
    agent = Agent(schema, broker, "l" * 64)
    agent.register(interests=["onchain.%s." % ("l" * 64)])
    topic = "onchain.%s.%s" % ("l" * 64, "s" * 64)
    subscriber = Subscriber(schema, broker, topic, "~conflated.10." + topic, "~join.large.")
    assert subscriber.socket.poll(DEADLINE_S * 1000)

    def message():
        delta = schema.Delta(sequence=1, category="onchain", subject="s" * 64)
        delta.changes.append(agent.change(name, text=text[0]))
        return schema.AgentMessage(delta=delta).SerializeToString()

    text[0] += "x" * (limit - len(message()))
    assert len(message()) == limit
    agent.socket.send(message())
    sizes = {}
    while not {topic, "~conflated.10." + topic} <= set(sizes):
        assert subscriber.socket.poll(DEADLINE_S * 1000), list(sizes)
        found, _, body = subscriber.socket.recv().partition(b"\0")
        sizes[found.decode()] = len(found) + 1 + len(body)
    agent.send("snapshot_request", snapshot_id=1, credit=2)
    for command, agent_id, parameters in (("history", "", {"category": "onchain"}), ("get_state", "", {"agent": agent.agent_id}),
                                          ("explain", agent.agent_id, {"field": name})):
        request = schema.CommandRequest(command_id=command, command=command, timeout_ms=5000, protocol=1)
        request.agent_id = agent_id
        for key, value in parameters.items():
            request.parameters.append(schema.Parameter(name=key, value=schema.Value(text=value)))
        agent.socket.send(schema.AgentMessage(command=request).SerializeToString())
    while not {"snapshot_chunk", "history", "get_state", "explain"} <= set(sizes):
        assert agent.socket.poll(DEADLINE_S * 1000), list(sizes)
        frame = agent.socket.recv()
        answer = schema.BrokerMessage.FromString(frame)
        body = answer.WhichOneof("body")
        if body == "command_reply":
            assert answer.command_reply.code == schema.REASON_NONE, answer.command_reply.message
            body = answer.command_reply.command_id
        sizes[body] = len(frame)
    whole = [size for key, size in sizes.items() if key not in ("ack", "snapshot_end") and not key.startswith("~join.")]
    assert all(limit <= size <= limit + 2048 for size in whole), sizes


def next_of(subscriber, schema):
    """(topic, publication) that comes next."""
    assert subscriber.socket.poll(DEADLINE_S * 1000)
    topic, _, body = subscriber.socket.recv().partition(b"\0")
    return topic.decode(), schema.Publication.FromString(body)


def parts_and_conflated_categories_are_counted_without_holes(schema, broker):
    told, conflated = "conflated.40.onchain", "~conflated.40.onchain."
    subscriber = Subscriber(schema, broker, "_beat.", "onchain.part1.", conflated, "~join.parts.")
    assert told not in level(subscriber.receive("~join.parts."))
    reader = Agent(schema, broker, "counter")
    reader.register(interests=["onchain.part1."])
    reader.send("heartbeat", progress=1)
    head = reader.receive("heartbeat_ack").heads[0]
    assert (head.interest, head.sequence, head.agent_sequence) == ("onchain.part1.", 0, 0), head
    agents = [Agent(schema, broker, name) for name in ("part1", "part2")]
    for agent in agents:
        agent.register()
    for sequence in range(1, 101):
        for agent in agents:
            write(agent, sequence, "s%d" % (sequence % 5), 2, category="onchain")
    for agent in agents:
        agent.send("goodbye")  # ten publications of quality alone
    parts, merged, agents_of_merged, beat = [], [], {}, {}
    while not parts or parts[-1] < 105 or beat.get(told, 0) == 0 or sum(agents_of_merged.values()) < 210:
        topic, publication = next_of(subscriber, schema)
        if topic == "_beat..":
            beat = level(publication)
            assert publication.agent_sequence == publication.conflated_sequence == 0
            assert beat.get(told, 0) == len(merged), "a beat comes behind all that it tells of"
        elif topic.startswith(conflated):
            merged.append(publication.conflated_sequence)
            agents_of_merged[publication.agent_id] = max(publication.agent_sequence,
                                                         agents_of_merged.get(publication.agent_id, 0))
        elif publication.sequence:
            parts.append(publication.agent_sequence)
            assert publication.conflated_sequence == 0
    assert parts == list(range(1, 106)), parts
    assert merged == list(range(1, len(merged) + 1)) and len(merged) < 200, merged
    late = Subscriber(schema, broker, conflated, "~join.late.")
    assert level(late.receive("~join.late."))[told] == len(merged)
    reader.send("heartbeat", progress=2)
    head = reader.receive("heartbeat_ack").heads[0]
    assert head.agent_sequence == 105, head
    kept = ask(schema, broker, "history", category="onchain", prefix="onchain.part1.", last=105).publications
    assert [entry.publication.agent_sequence for entry in kept] == parts[-len(kept):] and kept
    assert kept[-1].publication.sequence == head.sequence


def malformed_snapshot_request_is_refused_with_what_is_wrong(schema, broker):
    reader = Agent(schema, broker, "careless")
    reader.register()
    for snapshot_id, credit, said in ((1, 0, "credit"), (1, 9999, "credit"), (0, 1, "snapshot_id"),
                                      (2 ** 53, 1, "snapshot_id")):
        reader.send("snapshot_request", snapshot_id=snapshot_id, credit=credit)
        assert reader.socket.poll(DEADLINE_S * 1000)
        answer = schema.BrokerMessage.FromString(reader.socket.recv())
        assert answer.WhichOneof("body") == "refusal", answer
        assert answer.refusal.reason == schema.REASON_MALFORMED, answer
        assert said in answer.refusal.text and "1 to" in answer.refusal.text, answer.refusal.text


def join_tells_an_accepted_conflation_from_a_refused_one(schema, broker):
    subscriber = Subscriber(schema, broker, "~conflated.77.crypto.", "~conflated.77.", "~conflated.77.cry.no:b",
                            "~conflated.9.crypto.", "~conflated.78.Crypto", "~conflated.77.macro.fred.gdp\0",
                            "~join.told.")
    answer = subscriber.receive("~join.told.")
    told = {change.name: change.value.text for change in answer.updates[0].changes
            if change.name.startswith("conflation.")}
    assert sorted(told["conflation.77"].split(" ")) == ["*", "cry.no:b*", "crypto.*", "macro.fred.gdp"], told
    assert "conflation.9" not in told and "conflation.78" not in told, told


CLAIMS = [value for value in list(globals().values())
          if callable(value) and getattr(value, "__code__", None) and value.__module__ == __name__
          and value.__code__.co_varnames[:2] == ("schema", "broker") and value.__code__.co_argcount == 2]


def main():
    assert len(CLAIMS) >= 10, len(CLAIMS)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="sb-copy-") as folder:
        schema = load_schema(folder)
        with Broker(folder) as broker:
            for claim in CLAIMS:
                try:
                    claim(schema, broker)
                    print("ok   " + claim.__name__, flush=True)
                except AssertionError as error:
                    failures += 1
                    line = error.__traceback__.tb_next.tb_lineno
                    print("FAIL %s: %s (line %d)" % (claim.__name__, error, line), flush=True)
            assert broker.process.poll() is None, "the broker has ended"
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
