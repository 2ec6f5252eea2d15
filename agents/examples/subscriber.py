#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Prints what is published under a topic, one JSON line each. A plain subscriber: it needs no registration.

Usage: subscriber.py [TOPIC [ENDPOINT [COUNT]]], by default market_data. tcp://127.0.0.1:5571 and no end.
Needs python3-zmq, python3-protobuf, and protoc to compile the schema.
"""
import json
import os
import subprocess
import sys
import tempfile

import zmq
from google.protobuf.json_format import MessageToDict

SCHEMAS = os.environ.get("SYNCBUS_SCHEMAS") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../schemas")


def load_schema():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", "--proto_path=" + SCHEMAS, "--python_out=" + folder, "syncbus.proto"], check=True)
        sys.path.insert(0, folder)
        import syncbus_pb2
        return syncbus_pb2


def main(topic="market_data.", endpoint="tcp://127.0.0.1:5571", count="0"):
    schema = load_schema()
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.SNDHWM, 0)  # else subscriptions may be lost while it is not connected
    socket.connect(endpoint)
    socket.subscribe(topic)
    left = int(count)
    while True:
        frame_topic, _, body = socket.recv().partition(b"\0")
        publication = MessageToDict(schema.Publication.FromString(body), preserving_proto_field_name=True)
        print(json.dumps({"topic": frame_topic.decode(), **publication}), flush=True)
        left -= 1
        if left == 0:
            return


if __name__ == "__main__":
    try:
        main(*sys.argv[1:4])
    except KeyboardInterrupt:
        pass
