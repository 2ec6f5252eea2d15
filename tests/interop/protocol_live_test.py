#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What PROTOCOL.md promises, kept by a real broker to a client that knows nothing else.

Each function is one claim. All run against one broker, each with agents of its own.
"""
import sys
import tempfile

sys.dont_write_bytecode = True

import zmq

from plain_broker import DEADLINE_S, Agent, Broker, Subscriber, load_schema
from protocol_tables import plain, read_tables, tables_with


def connection_without_a_session_is_told_to_register(schema, broker):
    agent = Agent(schema, broker, "early")
    agent.send("delta", sequence=1, category="market_data", changes=[agent.change("price", number=1)])
    assert agent.receive("refusal").reason == schema.REASON_REGISTER_AGAIN
    agent.send("heartbeat")
    assert agent.receive("refusal").reason == schema.REASON_REGISTER_AGAIN


def chosen_routing_id_is_refused(schema, broker):
    agent = Agent(schema, broker, "chooser", routing_id=b"chooser")
    agent.send("registration", protocol=1, agent_id="chooser", instance_id=1, next_sequence=1)
    assert agent.receive("refusal").reason == schema.REASON_ROUTING_ID_SET


def random_octets_and_empty_frames_are_malformed(schema, broker):
    agent = Agent(schema, broker, "noise")
    for octets in (b"\xff\x00\xff", b"", b"\x0a\x05ab"):
        agent.socket.send(octets)
        assert agent.receive("refusal").reason == schema.REASON_MALFORMED
    agent.socket.send_multipart([b"", b"x"])
    assert agent.receive("refusal").reason == schema.REASON_MALFORMED


def welcome_says_what_a_client_needs(schema, broker):
    welcome = Agent(schema, broker, "newcomer").register(interests=["market_data.feed.", "market_data", "_event"])
    assert welcome.publish_endpoint and welcome.heartbeat_interval_ms == 1000
    assert not welcome.state_known and welcome.decided_through == 0
    assert sorted(welcome.interests) == ["_event", "market_data"], welcome.interests
    assert welcome.limits.max_message_bytes == 256 * 1024 and welcome.limits.max_changes == 1024
    assert sorted(welcome.event_categories) == ["execution_result", "trades"]
    assert [(time.category, time.time_to_live_ms) for time in welcome.times_to_live] == [("passing", 90000)]
    assert max(welcome.session_id, welcome.stream_id, welcome.epoch) < 2**53


def delta_is_published_and_decided_and_a_repeat_is_answered_the_same(schema, broker):
    subscriber = Subscriber(schema, broker, "market_data.one.spot:A\0", "_beat.")
    subscriber.receive("_beat..")
    agent = Agent(schema, broker, "one")
    agent.register()
    fields = dict(category="market_data", subject="spot:A", origin_unix_ns=5, event_unix_ns=6)
    price = agent.change("price", decimal=schema.Decimal(unscaled=6425, exponent=-2))
    agent.send("delta", sequence=1, changes=[price], **fields)
    assert agent.receive("ack").decided_through == 1
    publication = subscriber.receive("market_data.one.spot:A")
    assert publication.agent_id == "one" and publication.topic_sequence == 1
    assert publication.quality == schema.QUALITY_OK
    assert publication.updates[0].sequence == 1 and publication.updates[0].origin_unix_ns == 5
    assert publication.updates[0].changes[0].value.decimal.unscaled == 6425
    agent.send("delta", sequence=2, changes=[agent.change("price", number=float("nan"))], **fields)
    ack = agent.receive("ack")
    assert ack.decided_through == 2
    assert ack.refused[0].reason == schema.REASON_NOT_FINITE and ack.refused[0].field == "price"
    agent.send("delta", sequence=2, changes=[agent.change("price", number=1)], **fields)
    repeated = agent.receive("ack")
    assert repeated.decided_through == 2 and repeated.refused[0].reason == schema.REASON_NOT_FINITE
    agent.send("delta", sequence=4, changes=[agent.change("price", number=1)], **fields)
    refusal = agent.receive("refusal")
    assert refusal.reason == schema.REASON_SEQUENCE_GAP and refusal.expected_sequence == 3


def batch_is_judged_delta_by_delta_and_neighbours_are_published_together(schema, broker):
    subscriber = Subscriber(schema, broker, "market_data.batcher.", "_beat.")
    subscriber.receive("_beat..")
    agent = Agent(schema, broker, "batcher")
    agent.register()
    deltas = [schema.Delta(sequence=number, category="market_data", subject=subject,
                           changes=[agent.change(name, integer=number)])
              for number, subject, name in ((1, "a", "x"), (2, "a", "x"), (3, "b", "bad name"), (4, "b", "x"))]
    agent.send("batch", deltas=deltas)
    ack = agent.receive("ack")
    assert ack.decided_through == 4 and [(r.sequence, r.reason, r.field) for r in ack.refused] == [
        (3, schema.REASON_BAD_FIELD_NAME, "bad name")]
    assert [update.sequence for update in subscriber.receive("market_data.batcher.a").updates] == [1, 2]
    assert [update.sequence for update in subscriber.receive("market_data.batcher.b").updates] == [4]


def whole_state_replaces_and_deletes_what_is_not_named(schema, broker):
    subscriber = Subscriber(schema, broker, "macro.whole.", "_beat.")
    subscriber.receive("_beat..")
    agent = Agent(schema, broker, "whole")
    agent.register()
    agent.send("delta", sequence=1, category="macro",
               changes=[agent.change("a", integer=1), agent.change("b", integer=2)])
    agent.receive("ack")
    subscriber.receive("macro.whole.")
    agent.send("replace_begin", sequence=2)
    state = schema.Delta(category="macro", changes=[agent.change("b", integer=3)])
    agent.send("replace_chunk", sequence=2, topics=[state])
    agent.send("replace_end", sequence=2, chunk_count=1)
    assert agent.receive("ack").decided_through == 2
    changed = {}
    while len(changed) < 2:
        publication = subscriber.receive("macro.whole.")
        assert publication.cause == schema.CAUSE_REPLACED
        changed.update((change.name, change.WhichOneof("kind"))
                       for update in publication.updates for change in update.changes)
    assert changed == {"a": "delete", "b": "value"}
    agent.send("heartbeat", decided_through=2)
    beat = agent.receive("heartbeat_ack")
    assert beat.state_known and beat.decided_through == 2 and not beat.latch.stopped


def newer_instance_displaces_and_the_older_is_refused_for_good(schema, broker):
    older, newer = Agent(schema, broker, "twin"), Agent(schema, broker, "twin")
    older.register()
    newer.register()
    assert older.receive("goodbye").reason == schema.REASON_DISPLACED
    older.send("registration", protocol=1, agent_id="twin", instance_id=older.instance_id, next_sequence=1)
    assert older.receive("refusal").reason == schema.REASON_SUPERSEDED


def prefix_with_its_dot_or_nul_is_exact(schema, broker):
    subscriber = Subscriber(schema, broker, "macro.exact.s\0", "_beat.")
    subscriber.receive("_beat..")
    agent = Agent(schema, broker, "exact")
    agent.register()
    for number, subject in enumerate(("s1", "s", "s2"), 1):
        agent.send("delta", sequence=number, category="macro", subject=subject, changes=[agent.change("x", integer=1)])
    subscriber.socket.unsubscribe("_beat.")
    topics = []
    while subscriber.socket.poll(1500):
        topics.append(subscriber.socket.recv().partition(b"\0")[0])
    assert [topic for topic in topics if not topic.startswith(b"_beat")] == [b"macro.exact.s"], topics


def documented(kind):
    with open(sys.argv[1], encoding="utf-8") as file:
        return tables_with(read_tables(file.read()), *kind)[0][2]


def levels_carry_the_fields_that_are_documented(schema, broker):
    subscriber = Subscriber(schema, broker, "_beat.", "_control.", "_health.")
    counters = {plain(row[0]) for row in documented(("counter", "unit"))}
    for topic in ("_beat..", "_control..", "_health.."):
        fields = {plain(name) for row in documented(("topic", "field")) if plain(row[0]) == topic
                  for name in row[1].split(", ")}
        publication = subscriber.receive(topic)
        sent = {change.name for change in publication.updates[0].changes}
        assert publication.sequence == 0 and publication.agent_id == "_broker"
        unknown = {name for name in sent - fields - (counters if topic == "_health.." else set())
                   if not name.startswith(("head.", "refused."))}
        missing = {name for name in fields - sent if "<" not in name and " " not in name}
        assert not unknown and not missing, "%s: not documented %s, not sent %s" % (topic, unknown, missing)


def ask(schema, broker, command, **fields):
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.linger = 0
    socket.connect(broker.command)
    request = schema.CommandRequest(command_id="test/" + command, command=command, issuer="test",
                                    timeout_ms=5000, protocol=1)
    for name, value in fields.items():
        setattr(request, name, value)
    socket.send(request.SerializeToString())
    assert socket.poll(DEADLINE_S * 1000), "no reply to " + command
    return schema.CommandReply.FromString(socket.recv())


def records_have_the_columns_that_are_documented(schema, broker):
    rows = documented(("command", "column"))
    counters = {plain(row[0]) for row in documented(("counter", "unit"))}
    kinds = {"TEXT": {"text"}, "INTEGER": {"integer"}, "NUMBER": {"number"}, "BOOLEAN": {"boolean"},
             "ANY": {"text", "integer", "number", "boolean", "decimal", "bytes"}}
    for command in ("status", "health", "list_agents"):
        columns = {plain(row[1]): row[2] for row in rows if plain(row[0]) == command}
        reply = ask(schema, broker, command)
        assert reply.code == schema.REASON_NONE and len(reply.records) > 0, reply.message
        for record in reply.records:
            for column in record.columns:
                assert column.name in columns or column.name in counters, "%s: %s" % (command, column.name)
                kind = columns.get(column.name, "INTEGER")
                assert column.value.WhichOneof("kind") in kinds[kind], "%s: %s is no %s" % (command, column.name, kind)


def unknown_command_and_agent_are_refused_with_a_sentence(schema, broker):
    for command, fields, reason in (("dance", {}, schema.REASON_UNKNOWN_COMMAND),
                                    ("pause_agent", {"agent_id": "nobody"}, schema.REASON_UNKNOWN_AGENT),
                                    ("restart_agent", {}, schema.REASON_MISSING_PARAMETER)):
        reply = ask(schema, broker, command, **fields)
        assert reply.code == reason and reply.message and reply.command_id == "test/" + command


CLAIMS = [value for value in list(globals().values())
          if callable(value) and getattr(value, "__code__", None) and value.__module__ == __name__
          and value.__code__.co_varnames[:2] == ("schema", "broker") and value.__code__.co_argcount == 2]


def main():
    assert len(CLAIMS) >= 12, len(CLAIMS)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="sb-protocol-") as folder:
        schema = load_schema(folder)
        with Broker(folder, "--expiry-category", "passing 90 s") as broker:
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
