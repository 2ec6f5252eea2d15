#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The schema in other languages: compiles for Python, loads in Node, and both read and write what C wrote.

Usage: schema_test.py python|node WRITE_SAMPLES. WRITE_SAMPLES prints every message of the schema as the C codec
writes it. Each is decoded and encoded again; the octets must be the same. In Node what was decoded
must also be what Python decoded. A snapshot's chunk holds a message of its own: each language checks its
checksum, reads and writes it too, and makes the state hash of its fields, which must be the same.
"""
import json
import os
import subprocess
import sys
import tempfile
import zlib

sys.dont_write_bytecode = True

from node_folder import HERE, node_environment
from state_hash import MASK, message_terms

SCHEMAS = os.path.join(os.environ["SB_SOURCE_DIR"], "schemas")


def read_samples(program):
    """[(message's name, octets without topic and NUL)]"""
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    samples = []
    for name, has_topic, octets in (line.split() for line in lines):
        data = bytes.fromhex(octets)
        if has_topic == "1":
            topic, nul, data = data.partition(b"\0")
            assert nul and topic.count(b".") == 2, topic
        samples.append((name, data))
    assert len(samples) >= 20, len(samples)
    return samples


def chunk_decoded(chunk, message):
    """What is in a SnapshotChunk's body, and the hash of its fields."""
    assert zlib.crc32(chunk.body) == chunk.checksum, "the chunk's checksum is not that of its body"
    topics = message.FromString(chunk.body)
    assert topics.SerializeToString(deterministic=True) == chunk.body, "a chunk's body came back as other octets"
    terms = list(message_terms(topics))
    assert len(terms) >= 20, len(terms)
    return topics, "%016x" % (sum(terms) & MASK)


def python_decoded(samples):
    """What Python's protobuf makes of the samples, after it wrote the same octets."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", "--proto_path=" + SCHEMAS, "--python_out=" + folder, "syncbus.proto"], check=True)
        sys.path.insert(0, folder)
        import syncbus_pb2
    from google.protobuf.json_format import MessageToDict
    decoded, chunks = [], 0
    for name, data in samples:
        message = getattr(syncbus_pb2, name).FromString(data)
        assert message.SerializeToString(deterministic=True) == data, "%s came back as other octets" % name
        decoded.append(MessageToDict(message, preserving_proto_field_name=True))
        if name == "BrokerMessage" and message.HasField("snapshot_chunk"):
            topics, state_hash = chunk_decoded(message.snapshot_chunk, syncbus_pb2.SnapshotTopics)
            decoded[-1]["topics"] = MessageToDict(topics, preserving_proto_field_name=True)["topics"]
            decoded[-1]["state_hash"] = state_hash
            chunks += 1
    assert chunks == 1, chunks
    return decoded


def node_decoded(samples):
    """What protobufjs makes of them; it ends with an error when it writes other octets."""
    lines = "".join("%s %s\n" % (name, data.hex()) for name, data in samples)
    done = subprocess.run(["node", os.path.join(HERE, "schema_test.js"), os.path.join(SCHEMAS, "syncbus.proto")],
                           input=lines, env=node_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    language, program = sys.argv[1:3]
    samples = read_samples(program)
    expected = python_decoded(samples)
    if language == "node":
        decoded = node_decoded(samples)
        assert len(decoded) == len(samples)
        for (name, _), left, right in zip(samples, expected, decoded):
            assert left == right, "%s: Python read %s, Node read %s" % (name, left, right)
    print("%s reads and writes %d messages as C does" % (language, len(samples)))


if __name__ == "__main__":
    main()
