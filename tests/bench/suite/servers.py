# SPDX-License-Identifier: MPL-2.0
"""The servers of bench_load's drivers: the two forwarders, the broker, the peers. Each run has one of its own, new.

A server has endpoint, publish_endpoint and pid, and `check (published, options)`: what is wrong with what it says of
a run whose publisher process has said `published`; an empty list when nothing is, or when it says nothing. `figures`:
those of the run that it alone knows, after that.
"""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

import payload
import peer_state
import peers
from model import AccountingError
from processes import Program, die_with_parent

START_TIMEOUT_S = 20


def check_acks(published):
    """What is wrong with the acks of a run. Probes are acked like updates."""
    sent = published["updates"] + published["probes"]
    return ["updates %s are %s, not %s" % (what, published[key], wanted)
            for what, key, wanted in (("acked as accepted", "accepted", sent), ("refused", "refused", 0))
            if published[key] != wanted]


class Server:
    """A context manager with a folder of its own, which goes at its end."""

    def __init__(self, context, options):
        self.context = context
        self.options = options
        self.flags = [str(word) for name, value in options.get("flags", {}).items() for word in ("--" + name, value)]
        self.folder = tempfile.mkdtemp(prefix="syncbus-bench-")
        self.figures = {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self, published, options):
        return []


class Forwarder(Server):
    program = None
    process = None

    def start(self):
        self.process = Program([os.path.join(self.context.build, "tests/bench/forwarders", self.program),
                                "--ingress-queue", self.options["ingress-queue"],
                                "--publish-queue", self.options["publish-queue"], *self.flags],
                               self.folder + "/errors")
        said = self.process.read("ingress")
        self.endpoint, self.publish_endpoint, self.pid = said["ingress"], said["publish"], self.process.pid

    def stop(self):
        if self.process:
            self.process.__exit__()


class Bare(Forwarder):
    program = "bench_bare_forwarder"


class Codec(Forwarder):
    program = "bench_codec_forwarder"

    def check(self, published, options):
        """Every update was acked, and none refused: by what the publishers were told."""
        return check_acks(published)


class Peer(Server):
    """A row of peers.PEERS."""

    def __init__(self, name, context, options):
        super().__init__(context, options)
        self.peer = peers.Peer(name)

    def start(self):
        self.peer.start()
        self.endpoint = self.publish_endpoint = self.peer.endpoint
        self.pid = self.peer.pid

    def stop(self):
        self.peer.stop()

    def check(self, published, options):
        return peer_state.check(self.peer.name, self.endpoint, published, options)


class Broker(Server):
    """syncbusd as it is by default, but for free ports, a state folder of its own, the high-water mark of publications,
    and `flags` of a case. Health, breakers, history, events, beats and logging are on."""

    process = None

    def start(self):
        ready = self.folder + "/ready.json"
        self.log = open(self.folder + "/log", "wb")
        self.process = subprocess.Popen(
            [os.path.join(self.context.build, "broker/live/syncbusd"), "--ingress", "tcp://127.0.0.1:*",
             "--publish", "tcp://127.0.0.1:*", "--command", "tcp://127.0.0.1:*", "--ready-file", ready,
             "--state-dir", self.folder, "--ingress-receive-queue", str(self.options["ingress-queue"]),
             "--publish-agent-queue", str(self.options["publish-queue"]), *self.flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not os.path.exists(ready):
            if time.monotonic() > deadline or self.process.poll() is not None:
                with open(self.folder + "/log", encoding="utf-8") as log:
                    raise AccountingError("syncbusd did not start: %s" % log.read()[-600:])
            time.sleep(0.01)
        with open(ready, encoding="utf-8") as file:
            said = json.load(file)
        self.endpoint, self.publish_endpoint = said["ingress"], said["publish"]
        self.command_endpoint, self.pid = said["command"], self.process.pid

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def ask(self, *arguments):
        """A command by the command line tool; its reply."""
        done = subprocess.run([os.path.join(self.context.build, "cli/syncbus"), "--command", self.command_endpoint,
                               *arguments, "--json"], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise AccountingError("syncbus %s: %s" % (" ".join(arguments), done.stderr.strip()))
        return json.loads(done.stdout)

    def status(self):
        """The broker's counters, and the categories' heads by name."""
        records = self.ask("status")["records"]
        broker = next(record for record in records if record["record"] == "broker")
        return broker, {record["category"]: record["category_sequence"] for record in records
                        if record["record"] == "category"}

    def state(self, category):
        """The fields of a category: their values by (topic, name)."""
        fields, cursor = {}, ""
        while True:
            reply = self.ask("get_state", category, "limit=1000", *(["cursor=" + cursor] if cursor else []))
            for field in reply["fields"]:
                fields[field["topic"], field["name"]] = field["value"]
            cursor = reply["next_cursor"]
            if not cursor:
                return fields

    def check(self, published, options):
        """Every update was accepted, merged and published, and the last one of each publisher is in the state."""
        wrong = check_acks(published)
        broker, heads = self.status()
        sent = published["updates"] + published["probes"]

        def expect(what, measured, wanted):
            if measured != wanted:
                wrong.append("%s is %s, not %s" % (what, measured, wanted))

        # A whole state uses up a number, and is accepted as one.
        expect("the broker's deltas_accepted", broker["deltas_accepted"], sent + broker["replacements"])
        expect("the broker's deltas", broker["deltas"], broker["deltas_accepted"])
        expect("the broker's changes", broker["changes"], sent)
        for counter in ("changes_suppressed", "publish_refused", "failures", "deltas_repeated", "sessions_lost"):
            expect("the broker's " + counter, broker[counter], 0)
        # What a library made messages of. A few others, for a copy's snapshot, are among them.
        self.figures["sent_per_message"] = sent / max(1, broker["messages"] - broker["heartbeats"] -
                                                      broker["registrations"])
        if published["driver"] == "syncbus":  # the library makes messages of several updates by itself
            publications = sum(number for name, number in heads.items() if name.startswith("bench"))
            # Messages of one update that waited together are published together.
            if not 0 < publications <= published["messages"]:
                wrong.append("publications of the categories are %d, of %d messages" %
                             (publications, published["messages"]))
        return wrong + self.check_state(published["published"], options)

    def check_state(self, numbers, options):
        states = {}
        wrong = []
        for publisher, number in enumerate(numbers):
            category = "bench%d" % (publisher % options.get("categories", 1))
            if category not in states:
                states[category] = self.state(category)
            keys = options.get("keys", 1)
            topic = "%s.p%d." % (category, publisher)
            fields = {name: base64.b64decode(value["base64"])
                      for (of, name), value in states[category].items() if of == topic}
            wanted = {"payload" if keys == 1 else "payload.%d" % (last % keys): last
                      for last in range(max(0, number - keys + 1), number + 1)}  # the last keys updates; 0 is a probe
            size = options.get("size", payload.DEFAULT_SIZE)
            for name in fields | wanted:
                problem = payload.problem(fields.get(name), wanted.get(name), publisher, size)
                if problem:
                    wrong.append("publisher %d's %s %s" % (publisher, name, problem))
                    break
        return wrong[:5]


SERVERS = {"bare": Bare, "codec": Codec, "syncbus": Broker, "library": Broker}


def make(system, context, options):
    """The server of a system, not started."""
    return SERVERS[system](context, options) if system in SERVERS else Peer(system, context, options)
