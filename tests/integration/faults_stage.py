# SPDX-License-Identifier: MPL-2.0
"""The stage of the fault tests: a broker, agents as real programs over TCP, the command line, a reader of everything.

Programs die with the test, also when it is killed (parent death signal, as far as setpriv is there). Every wait is for
a condition with a deadline. What a subscriber got is kept as it came and read afterwards, so that Python's pace matters
to nothing.
"""
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["SB_SOURCE_DIR"], "tests", "interop"))

import zmq

import plain_broker

BINARIES = os.environ["SB_BINARY_DIR"]
PROGRAMS = {name: os.path.join(BINARIES, "agents", name, "syncbus-" + name)
            for name in ("market", "scanner", "trader", "risk", "trainer")}
PROGRAMS["broker"] = os.path.join(BINARIES, "broker", "live", "syncbusd")
PROGRAMS["faults_agent"] = os.path.join(BINARIES, "tests", "integration", "faults_agent")
SYNCBUS = os.path.join(BINARIES, "cli", "syncbus")
PREFIX = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
PATIENCE_S = 20
# Nobody here is to lose a publication: what is looked for are holes of the broker's making.
PUBLISH_QUEUE = ("--publish-agent-queue", "1000000")

Seen = collections.namedtuple("Seen", "topic publication")


def wait_for(what, condition, seconds=PATIENCE_S):
    """The first true value of condition (); fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)


class Scene:
    """with Scene (*flags of the broker) as scene."""

    def __init__(self, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="sb-faults-")
        self.flags = [*PUBLISH_QUEUE, *flags]
        self.processes, self.readers = [], []
        self.ingress = self.publish = self.command = "tcp://127.0.0.1:*"
        self.schema = plain_broker.load_schema(self.folder.name)
        self.start_broker()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for reader in self.readers:
            reader.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        if kind:
            with open(self.log, encoding="utf-8") as log:
                sys.stderr.write("the broker's last words:\n" + "".join(log.readlines()[-40:]))
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start(self, name, *arguments, **how):
        log = open(self.path(f"{len(self.processes)}-{name}.log"), "w", encoding="utf-8")
        process = subprocess.Popen([*PREFIX, PROGRAMS[name], *arguments], stderr=log, text=True,
                                   **{"stdin": subprocess.DEVNULL, "stdout": log, **how})
        self.processes.append(process)
        process.log = log.name
        log.close()
        return process

    # ------------------------------------------------------------------ broker

    def start_broker(self):
        """On free ports the first time, on the same ones and the same state after that."""
        ready = self.path("ready")
        if os.path.exists(ready):
            os.unlink(ready)
        self.broker = self.start("broker", "--ingress", self.ingress, "--publish", self.publish, "--command",
                                 self.command, "--state-dir", self.path("state"), "--ready-file", ready, *self.flags)
        self.log = self.broker.log
        wait_for("the broker is ready", lambda: os.path.exists(ready) and os.path.getsize(ready) or
                 self.broker.poll() is not None)
        assert self.broker.poll() is None, "the broker has ended at once"
        with open(ready, encoding="utf-8") as file:
            endpoints = json.load(file)
        self.ingress, self.publish, self.command = (endpoints[name] for name in ("ingress", "publish", "command"))

    def kill_broker(self):
        self.broker.kill()
        self.broker.wait()

    # ------------------------------------------------------------------ commands, by the command line

    def ask(self, *words):
        """Exit code and reply of a command."""
        answer = subprocess.run([SYNCBUS, "--json", "--endpoint", self.command, *words], capture_output=True, text=True,
                                check=False)
        try:
            lines = [json.loads(line) for line in answer.stdout.splitlines()]
            # history and replay: a publication a line, then one that says how it ended.
            if lines and "record" in lines[-1]:
                return answer.returncode, {"publications": lines[:-1], "records": lines[-1:], "message": answer.stderr}
            return answer.returncode, json.loads(answer.stdout)
        except ValueError:
            return answer.returncode, {"records": [], "message": answer.stdout + answer.stderr}

    def done(self, *words):
        code, reply = self.ask(*words)
        assert code == 0, f"{words}: exit code {code}, {reply}"
        return reply

    def status(self):
        return self.done("status")["records"][0]

    def refusals(self):
        return {row["reason"]: row["refused"] for row in self.done("status")["records"] if "refused" in row}

    def agent(self, agent_id):
        """The agent's row of list_agents, with its counts of health beside; {} when it is not known."""
        found = {}
        for command in ("list_agents", "health"):
            for row in self.done(command)["records"]:
                if row.get("agent_id") == agent_id:
                    found.update(row)
        return found

    def liveness(self):
        return {row["agent_id"]: row["liveness"] for row in self.done("list_agents")["records"]}

    def state(self, *words):
        """{"topic name": field} of get_state."""
        return {f"{field['topic']} {field['name']}": field
                for field in self.done("get_state", *words, "limit=1000").get("fields", [])}

    def qualities(self, category, agent_id):
        return {field["quality"] for field in self.state(category, agent_id).values()}

    def lives(self, agent_id):
        """What an agent was after it had registered, one word for each change."""
        return [event["to"] for event in self.events(agent_id, "LIVENESS") if event["to"] != "REGISTERED"]

    def events(self, agent_id, kind):
        """The facts of an agent's events of that kind, oldest first, each with broker_unix_ns and sequence."""
        found = []
        for publication in self.done("events", agent_id, "last=1000")["publications"]:
            if publication["topic"] == f"_event.{agent_id}.{kind}":
                found.append({**publication["updates"][-1]["changes"], "sequence": publication["sequence"],
                              "broker_unix_ns": int(publication["broker_unix_ns"])})
        return found

    # ------------------------------------------------------------------ peers

    def puppet(self, agent_id, heartbeat_ms=200):
        return Puppet(self, agent_id, heartbeat_ms)

    def desk_agent(self, name, *arguments):
        return self.start(name, "--ingress", self.ingress, "--publish", self.publish, "--json", *arguments)

    def raw(self, agent_id, **registration):
        """A DEALER of its own, registered: it says also what the library never would."""
        peer = plain_broker.Agent(self.schema, self, agent_id)
        peer.register(interests=["nothing_of_that_name"], **registration)
        return peer

    def reader(self, *prefixes):
        reader = Reader(self, prefixes)
        self.readers.append(reader)
        return reader

    def assert_equal(self, *puppets, seconds=PATIENCE_S):
        """The broker's picture of each becomes equal to its own, and is of quality OK."""
        for puppet in puppets:
            own = puppet.say("state")

            def is_equal():
                picture = self.state("work", puppet.agent_id)
                is_equal.wrong = {name for name in own.keys() | picture.keys()
                                  if own.get(name) != picture.get(name, {}).get("value")}
                is_equal.stale = {name for name, field in picture.items() if field["quality"] != "OK"}
                return not is_equal.wrong and not is_equal.stale

            wait_for(lambda: f"{puppet.agent_id}: {len(is_equal.wrong)} fields differ, {len(is_equal.stale)} are not OK"
                     f", of {len(own)}; {puppet.say('report')}", is_equal, seconds)
            assert len(own) > 100, "a picture of next to nothing proves little"


class Puppet:
    """A faults_agent: an agent on the client library that does as it is told."""

    def __init__(self, scene, agent_id, heartbeat_ms):
        self.scene, self.agent_id = scene, agent_id
        self.process = scene.start("faults_agent", scene.ingress, agent_id, str(heartbeat_ms), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        wait_for(f"{agent_id} is LIVE", lambda: scene.liveness().get(agent_id) == "LIVE")

    def say(self, line):
        """The answer to a line; see faults_agent.c."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{self.agent_id} has ended: {self.process.poll()}"
        return json.loads(answer)

    def fill(self):
        """Gives it a state, and waits until the broker has it."""
        self.say("churn 600")
        assert self.say("settle 10000")["decided"]

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL; the wall clock right before it."""
        at_ns = time.time_ns()
        self.process.kill()
        self.process.wait()
        return at_ns


class Reader:
    """A SUB that keeps all that comes, in a thread of its own."""

    def __init__(self, scene, prefixes):
        self.schema, self.frames, self.parsed = scene.schema, [], []
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.linger, self.socket.rcvhwm = 0, 0
        self.socket.connect(scene.publish)
        for prefix in (*prefixes, "_beat."):
            self.socket.subscribe(prefix)
        self.is_closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        wait_for("the reader hears a beat", lambda: self.frames)

    def run(self):
        while not self.is_closing:
            if self.socket.poll(50):
                self.frames.append(self.socket.recv())
        self.socket.close()

    def close(self):
        self.is_closing = True
        self.thread.join()

    def seen(self):
        """All numbered publications so far."""
        while len(self.parsed) < len(self.frames):
            topic, _, body = self.frames[len(self.parsed)].partition(b"\0")
            self.parsed.append(Seen(topic.decode(), self.schema.Publication.FromString(body)))
        return [seen for seen in self.parsed if seen.publication.sequence]

    def of(self, agent_id):
        return [seen for seen in self.seen() if seen.publication.agent_id == agent_id]

    def await_head(self, sequence):
        """Until a beat tells that everything up to `sequence` is out: beats come in order with the rest."""
        def has_passed():
            beats = [seen.publication for seen in self.parsed[-50:] if seen.topic == "_beat.."]
            heads = [change.value.integer for beat in beats for change in beat.updates[0].changes
                     if change.name == "sequence"]
            return self.seen() is not None and any(head >= sequence for head in heads)
        wait_for(f"a beat with {sequence}", has_passed)

    def assert_no_hole(self, category="work"):
        """Each topic's sequence, and the category's, counts on by one."""
        counts = {}
        for topic, publication in self.seen():
            if not topic.startswith(category + "."):
                continue
            for name, number in ((topic, publication.topic_sequence), (category, publication.category_sequence)):
                assert counts.get(name, number - 1) + 1 == number, f"{name}: {number} after {counts[name]}"
                counts[name] = number
        assert counts, f"nothing was seen of {category}"


def as_milliseconds(nanoseconds):
    return nanoseconds / 1e6


def run_all(tests):
    """Runs every test_ function of a module's globals (), or those named on the command line."""
    for name, test in list(tests.items()):
        if name.startswith("test_") and (len(sys.argv) < 2 or name in sys.argv[1:]):
            began = time.monotonic()
            test()
            print(f"passed {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return 0
