# SPDX-License-Identifier: MPL-2.0
"""A broker of the build on free ports, and a client that knows nothing but syncbus.proto and PROTOCOL.md."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import zmq

from node_folder import skip

DEADLINE_S = 20


def load_schema(folder):
    """syncbus_pb2, compiled into `folder`."""
    schemas = os.path.join(os.environ["SB_SOURCE_DIR"], "schemas")
    subprocess.run(["protoc", "--proto_path=" + schemas, "--python_out=" + folder, "syncbus.proto"], check=True)
    sys.path.insert(0, folder)
    import syncbus_pb2
    return syncbus_pb2


def program(*parts):
    """A program of the build; the test is skipped, loudly, where it was not built."""
    path = os.path.join(os.environ["SB_BINARY_DIR"], *parts)
    if not os.access(path, os.X_OK):
        skip("%s was not built" % path)
    return path


class Broker:
    """with Broker(folder) as broker: broker.ingress, broker.publish, broker.command are its endpoints."""

    def __init__(self, folder, *options):
        """`options` are more of the program's."""
        self.folder, self.options = folder, options

    def __enter__(self):
        ready = os.path.join(self.folder, "ready.json")
        any_port = "tcp://127.0.0.1:*"
        self.log = open(os.path.join(self.folder, "syncbusd.log"), "w")
        self.process = subprocess.Popen(
            [program("broker", "live", "syncbusd"), "--ingress", any_port, "--publish", any_port, "--command", any_port,
             "--ready-file", ready, "--state-dir", self.folder, *self.options], stdout=self.log, stderr=self.log)
        wait_for("the broker's ready file", lambda: os.path.exists(ready) or self.process.poll() is not None)
        assert self.process.poll() is None, "syncbusd ended at once:\n" + open(self.log.name).read()
        with open(ready) as file:
            endpoints = json.load(file)
        self.ingress, self.publish, self.command = (endpoints[name] for name in ("ingress", "publish", "command"))
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def wait_for(what, condition):
    """The first true value of condition()."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("not within %d s: %s" % (DEADLINE_S, what))


class Agent:
    """A DEALER and what goes over it."""

    def __init__(self, schema, broker, agent_id, routing_id=None):
        self.schema, self.agent_id = schema, agent_id
        self.instance_id = random.randint(1, 2**53 - 1)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        if routing_id:
            self.socket.setsockopt(zmq.ROUTING_ID, routing_id)
        self.socket.connect(broker.ingress)

    def send(self, body, **fields):
        """send("delta", sequence=1 …): one AgentMessage with that body."""
        message = self.schema.AgentMessage()
        getattr(message, body).SetInParent()
        for name, value in fields.items():
            target = getattr(message, body)
            if isinstance(value, list):
                getattr(target, name).extend(value)
            else:
                setattr(target, name, value)
        self.socket.send(message.SerializeToString())

    def receive(self, body):
        """The next message with that body; others are passed over."""
        end = time.monotonic() + DEADLINE_S
        passed = []
        while time.monotonic() < end:
            if not self.socket.poll(100):
                continue
            message = self.schema.BrokerMessage.FromString(self.socket.recv())
            if message.WhichOneof("body") == body:
                return getattr(message, body)
            passed.append(message.WhichOneof("body"))
        raise AssertionError("no %s within %d s, only %s" % (body, DEADLINE_S, passed))

    def register(self, **fields):
        self.send("registration", protocol=1, agent_id=self.agent_id, instance_id=self.instance_id,
                  next_sequence=1, **fields)
        return self.receive("welcome")

    def change(self, name, **kind):
        return self.schema.Change(name=name, value=self.schema.Value(**kind))


class Subscriber:
    """A SUB socket on some prefixes."""

    def __init__(self, schema, broker, *prefixes):
        self.schema = schema
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.connect(broker.publish)
        for prefix in prefixes:
            self.socket.subscribe(prefix)

    def receive(self, topic):
        """The next publication of that topic; others are passed over."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if not self.socket.poll(100):
                continue
            found, _, body = self.socket.recv().partition(b"\0")
            if found.decode() == topic:
                return self.schema.Publication.FromString(body)
        raise AssertionError("no publication of %s within %d s" % (topic, DEADLINE_S))
