# SPDX-License-Identifier: MPL-2.0
"""The state hash as PROTOCOL.md describes it, written from that page alone, and the page's vectors.

term () takes one field of a Value's kind and what it holds; a copy's hash is the sum of the terms modulo 2^64.
"""
import re
import struct

MASK = (1 << 64) - 1
KINDS = {"number": 1, "integer": 2, "decimal": 3, "boolean": 4, "text": 5, "bytes": 6}
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| ([a-z]+) `([^`]+)` \| (\d) \| (\d+) \| `([0-9a-f]{16})` \|$", re.M)
SUM = re.compile(r"^\| the sum \|[ |]*`([0-9a-f]{16})` \|$", re.M)


def value_octets(kind, value):
    """value: float, int, (unscaled, exponent), bool, str or bytes."""
    pack = {
        "number": lambda: struct.pack("<d", value),
        "integer": lambda: struct.pack("<q", value),
        "decimal": lambda: struct.pack("<qi", *value),
        "boolean": lambda: bytes([value]),
        "text": lambda: value.encode(),
        "bytes": lambda: value,
    }
    return bytes([KINDS[kind]]) + pack[kind]()


def term(topic, name, kind, value, quality, sequence):
    octets = (topic.encode() + b"\0" + name.encode() + b"\0" + value_octets(kind, value) + bytes([quality])
              + struct.pack("<Q", sequence))
    mixed = 0xcbf29ce484222325
    for octet in octets:
        mixed = (mixed ^ octet) * 0x100000001b3 & MASK
    mixed = (mixed ^ mixed >> 33) * 0xff51afd7ed558ccd & MASK
    mixed = (mixed ^ mixed >> 33) * 0xc4ceb9fe1a85ec53 & MASK
    return mixed ^ mixed >> 33


def parse_value(kind, text):
    """A value as the page's vectors write it."""
    parse = {
        "number": float,
        "integer": int,
        "decimal": lambda decimal: tuple(int(part) for part in decimal.split("e")),
        "boolean": lambda boolean: boolean == "true",
        "text": str,
        "bytes": bytes.fromhex,
    }
    return parse[kind](text)


def read_vectors(page):
    """([(topic, name, kind, value's text, quality, sequence, term's digits)], digits of the sum)"""
    rows = [(topic, name, kind, value, int(quality), int(sequence), digits)
            for topic, name, kind, value, quality, sequence, digits in ROW.findall(page)]
    return rows, SUM.search(page)[1]


def message_terms(topics):
    """The terms of all fields in a SnapshotTopics message."""
    for topic in topics.topics:
        for field in topic.fields:
            kind = field.value.WhichOneof("kind")
            value = getattr(field.value, kind)
            if kind == "decimal":
                value = (value.unscaled, value.exponent)
            yield term(topic.topic, field.name, kind, value, topic.quality, field.sequence)
