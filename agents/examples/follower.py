#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Keeps an exact copy of a category with nothing but SUB and REQ, and says what happens to it. No registration.

Usage: follower.py [CATEGORY [PUBLISH_ENDPOINT [COMMAND_ENDPOINT]]], by default market_data on 127.0.0.1.
Joins without a gap, fetches what was lost from history, or the state anew when history has dropped some of it, and
starts over with a broker that began anew. Prints a state hash after changes: the same as `syncbus state-hash CATEGORY`.
Needs python3-zmq, python3-protobuf, and protoc to compile the schema. Ends with 1 when there can be no such category.
"""
import secrets
import struct
import sys
import time

import zmq

from subscriber import load_schema

ANSWER_S = 2
SILENCE_S = 3
REPLY_MS = 5000
WORD = 2**64 - 1


class StartOver(Exception):
    """The broker is another one, or began anew: what is known of it means nothing."""


def term(topic, name, value, quality, sequence):
    """One field's part of the state hash; see "State hash" in PROTOCOL.md."""
    kind = value.WhichOneof("kind")
    held = getattr(value, kind)
    octets = {"number": lambda: struct.pack("<d", held), "integer": lambda: struct.pack("<q", held),
              "decimal": lambda: struct.pack("<qi", held.unscaled, held.exponent),
              "boolean": lambda: struct.pack("<?", held), "text": lambda: held.encode(), "bytes": lambda: held}[kind]()
    number = value.DESCRIPTOR.fields_by_name[kind].number
    h = 0xcbf29ce484222325
    for octet in b"%s\0%s\0%c%s%c%s" % (topic.encode(), name.encode(), number, octets, quality,
                                        struct.pack("<Q", sequence)):
        h = (h ^ octet) * 0x100000001b3 & WORD
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        h = (h ^ h >> 33) * factor & WORD
    return h ^ h >> 33


def say(what, **facts):
    print(what, *("%s=%s" % fact for fact in facts.items()), flush=True)


class Follower:
    def __init__(self, category, publish, command):
        self.schema, self.category, self.command = load_schema(), category, command
        self.subscriber = zmq.Context.instance().socket(zmq.SUB)
        self.subscriber.sndhwm = 0    # else subscriptions may be lost while it is not connected
        self.subscriber.rcvhwm = 100000  # what comes while state or history are fetched waits here
        self.subscriber.connect(publish)
        self.subscriber.subscribe("_beat.")
        self.subscriber.subscribe(category + ".")
        self.told, self.publish, self.is_joined = None, publish, False

    def receive(self):
        topic, _, body = self.subscriber.recv().partition(b"\0")
        return topic.decode(), self.schema.Publication.FromString(body)

    def pages(self, command, **parameters):
        """Asks for one page after the other."""
        cursor = ""
        while cursor is not None:
            request = self.schema.CommandRequest(command_id=secrets.token_hex(16), command=command, protocol=1,
                                                 issuer="follower", issued_unix_ns=time.time_ns(),
                                                 timeout_ms=REPLY_MS)
            for name, value in {**parameters, **({"cursor": cursor} if cursor else {})}.items():
                kind = {"text": value} if isinstance(value, str) else {"integer": value}
                request.parameters.add(name=name, value=self.schema.Value(**kind))
            with zmq.Context.instance().socket(zmq.REQ) as asker:
                asker.linger = 0
                asker.connect(self.command)
                asker.send(request.SerializeToString())
                if not asker.poll(REPLY_MS):
                    raise StartOver("no answer from %s" % self.command)
                reply = self.schema.CommandReply.FromString(asker.recv())
            if not self.is_joined and reply.code in (self.schema.REASON_BAD_PARAMETER,
                                                     self.schema.REASON_UNKNOWN_CATEGORY):
                raise SystemExit("follower.py: category %s: %s" % (self.category, reply.message))
            if reply.code or (reply.stream_id, reply.epoch) != self.stream:
                raise StartOver(reply.message if reply.code else "the broker began anew")
            yield reply
            cursor = reply.next_cursor or None

    def join(self):
        """Learns that the subscriptions are live, and where the category then stands; then fetches the state."""
        answer, silent_at = None, time.monotonic() + SILENCE_S
        while not answer:
            join = "~join.%s." % secrets.token_hex(16)
            self.subscriber.subscribe(join)
            end = time.monotonic() + ANSWER_S
            # What came before the answer is in the state that is fetched after it.
            while not answer and time.monotonic() < end:
                if self.subscriber.poll(100):
                    topic, publication = self.receive()
                    answer = publication if topic == join else None
                if not answer and time.monotonic() >= silent_at:
                    say("waiting:", why="no answer from %s: is syncbusd running there?" % self.publish)
                    silent_at = float("inf")
            self.subscriber.unsubscribe(join)
        self.stream = (answer.stream_id, answer.epoch)
        self.position = self.head(answer)
        self.fetch_state()
        self.is_joined = True
        say("joined", category=self.category, position=self.position, fields=len(self.fields))

    def head(self, publication):
        """The category's head, as a beat or the answer to a join says it."""
        heads = {change.name: change.value.integer for update in publication.updates for change in update.changes}
        self.sequence = heads["sequence"]
        return heads.get("head." + self.category, 0)

    def fetch_state(self):
        """What was published since the question is still to come, and is applied by the fields' sequences."""
        self.fields, self.quality = {}, {}
        for reply in self.pages("get_state", category=self.category):
            for field in reply.fields:
                self.fields[field.topic, field.name] = field.value, field.sequence
                self.quality[field.topic] = field.quality
        self.whole_at = reply.sequence

    def apply(self, topic, publication):
        for change in (change for update in publication.updates for change in update.changes):
            _, sequence = self.fields.get((topic, change.name), (None, 0))
            if publication.sequence >= sequence:  # equal: an update before this one of the same publication
                self.fields.pop((topic, change.name), None)
                if change.HasField("value"):
                    self.fields[topic, change.name] = change.value, publication.sequence
        self.quality[topic] = publication.quality
        self.position = publication.category_sequence

    def recover(self, through):
        """Makes good what was lost up to that category_sequence."""
        say("lost", category=self.category, first=self.position + 1, last=through, count=through - self.position)
        evicted, entries = False, []
        for reply in self.pages("history", category=self.category, after=self.position, through=through):
            record = {column.name: column.value for column in reply.records[0].columns}
            evicted = evicted or record["evicted"].boolean
            entries += reply.publications
            if evicted or record["end"].boolean:
                break
        if evicted:
            self.fetch_state()
        for entry in [] if evicted else entries:
            self.apply(entry.topic, entry.publication)
        self.position = through
        say("recovered", by="state" if evicted else "history", count=0 if evicted else len(entries))

    def handle(self, topic, publication):
        if (publication.stream_id, publication.epoch) != self.stream:
            raise StartOver("the broker began anew")
        if topic == "_beat..":
            head = self.head(publication)
            if head > self.position:
                self.recover(head)
            elif self.sequence >= self.whole_at and self.told != (self.stream, self.position):
                self.told = (self.stream, self.position)
                total = sum(term(topic, name, value, self.quality[topic], sequence)
                            for (topic, name), (value, sequence) in self.fields.items()) & WORD
                say("state", position=self.position, sequence=self.sequence, fields=len(self.fields),
                    hash="%016x" % total)
        elif topic.startswith(self.category + ".") and publication.category_sequence > self.position:
            if publication.category_sequence > self.position + 1:
                self.recover(publication.category_sequence - 1)
            self.apply(topic, publication)

    def follow(self):
        while True:
            try:
                self.join()
                while True:
                    self.handle(*self.receive())
            except StartOver as why:
                say("starting over:", why=why)
                time.sleep(1)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.exit(print(__doc__))
    arguments = sys.argv[1:] + ["market_data", "tcp://127.0.0.1:5571", "tcp://127.0.0.1:5572"][len(sys.argv) - 1:]
    try:
        Follower(*arguments[:3]).follow()
    except KeyboardInterrupt:
        pass
