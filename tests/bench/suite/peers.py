# SPDX-License-Identifier: MPL-2.0
"""Starts and stops the servers that SyncBus is measured against: NATS, Redis and Mosquitto.

Each is the distribution's own build, on a free port of the loopback interface, with a temporary folder as its only
place on disk. The configuration is what a careful user would choose for moving short-lived state at full speed:

- nothing is written to disk: no persistence, no fsync, no log but of errors. SyncBus keeps its state in memory as well;
- no limit cuts off a subscriber that is behind for a moment (every server's default does, and a loss ends a run);
- TCP_NODELAY wherever there is a choice, as libzmq has it;
- everything else is the default, number of threads included: NATS uses all cores, Redis and Mosquitto one.

The table PEERS has one row per system. A Peer is a context manager; what is started is always stopped, by its own
process id. By hand: `peers.py NAME` starts one, prints its endpoint and stops it at the end of the standard input.
"""
import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from processes import die_with_parent

HOST = "127.0.0.1"
START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 5
ATTEMPTS = 5


class PeerError(Exception):
    """A server is missing or did not start; the text says what to do."""


def nats_lines(port, folder):
    return ["listen: \"%s:%d\"" % (HOST, port),
            "server_name: bench",
            # A subscriber that is behind is cut off at 64 MB and after 10 s by default.
            "max_pending: 4GB",
            "write_deadline: \"60s\"",
            # Room for the largest batch; the default of 1 MB is as good, but the server warns above 8 MB.
            "max_payload: 8MB",
            "logtime: false"]


def nats_state_lines(port, folder):
    return nats_lines(port, folder) + [
        "jetstream {",
        "  store_dir: \"%s\"" % folder,
        "  max_memory_store: 4GB",
        "  max_file_store: 1MB",
        "}"]


def redis_lines(port, folder):
    return ["bind %s" % HOST,
            "port %d" % port,
            "dir %s" % folder,
            "daemonize no",
            "loglevel warning",
            # Neither snapshots nor the append-only file: nothing is ever written.
            "save \"\"",
            "appendonly no",
            # A subscriber that is behind is cut off at 32 MB by default.
            "client-output-buffer-limit pubsub 0 0 0",
            "client-output-buffer-limit normal 0 0 0"]


def mosquitto_lines(port, folder):
    return ["listener %d %s" % (port, HOST),
            "allow_anonymous true",
            "persistence false",
            "set_tcp_nodelay true",
            "log_dest stderr",
            "log_type error",
            "sys_interval 0",
            # 0 is no limit; by default what exceeds 1000 messages of a subscriber is dropped in silence.
            "max_queued_messages 0",
            "max_queued_bytes 0",
            "max_inflight_messages 0"]


# program: what is started; package: Debian's; lines: the configuration; arguments: before the configuration's path;
# version: how the program is asked for it.
Row = collections.namedtuple("Row", "program package lines arguments version")
PEERS = {
    "nats": Row("nats-server", "nats-server", nats_lines, ["-c"], ["--version"]),
    "nats_state": Row("nats-server", "nats-server", nats_state_lines, ["-c"], ["--version"]),
    "redis": Row("redis-server", "redis-server", redis_lines, [], ["--version"]),
    "redis_state": Row("redis-server", "redis-server", redis_lines, [], ["--version"]),
    "mosquitto": Row("mosquitto", "mosquitto", mosquitto_lines, ["-c"], ["-h"]),
}


def program_path(name):
    """Where the server's program is, or None. Debian puts some into sbin, which is not on every user's path."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(PEERS[name].program, path=path)


def version(name):
    """The server's version as text, or None where it is not installed."""
    program = program_path(name)
    if program is None:
        return None
    done = subprocess.run([program] + PEERS[name].version, capture_output=True, text=True, check=False)
    found = re.search(r"v?=?(\d+\.\d+\.\d+)", done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def missing():
    """Debian packages of the servers that are not installed."""
    return sorted({row.package for name, row in PEERS.items() if program_path(name) is None})


def configuration(name):
    """The lines of a server's configuration for the report, with port 0 and the folder `DIR`."""
    return PEERS[name].lines(0, "DIR")


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def answers(port):
    try:
        socket.create_connection((HOST, port), timeout=0.2).close()
        return True
    except OSError:
        return False


class Peer:
    """One running server; `endpoint` is HOST:PORT, `pid` its process."""

    def __init__(self, name):
        self.name = name
        self.program = program_path(name)
        if self.program is None:
            raise PeerError("%s is not installed: run script/bootstrap bench" % PEERS[name].program)
        self.folder = None
        self.process = None
        self.port = None

    @property
    def endpoint(self):
        return "%s:%d" % (HOST, self.port)

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Starts the server and waits until it takes connections; another port when somebody was faster."""
        for _ in range(ATTEMPTS):
            if self._start_once():
                return self
            said = self._said()
            self.stop()
        raise PeerError("%s did not start: %s" % (self.program, said[-500:]))

    def stop(self):
        """Ends the server, by force if it must be, and removes its folder. Does nothing a second time."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _start_once(self):
        row = PEERS[self.name]
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="syncbus-bench-%s-" % self.name)
        # Mosquitto gives up root's rights, if it has them, before it opens anything below the folder.
        os.chmod(self.folder, 0o755)
        path = os.path.join(self.folder, "server.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(row.lines(self.port, self.folder)) + "\n")
        with open(os.path.join(self.folder, "output"), "wb") as output:
            self.process = subprocess.Popen([self.program] + row.arguments + [path], cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                            preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if answers(self.port):
                # Whoever answers may be another program that took the port first: then ours ends at once.
                time.sleep(0.05)
                return self.process.poll() is None
            time.sleep(0.02)
        return False

    def _said(self):
        try:
            with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
                return file.read().strip() or "it said nothing"
        except OSError:
            return "it said nothing"


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in PEERS:
        print("usage: peers.py %s" % "|".join(PEERS), file=sys.stderr)
        return 2
    try:
        with Peer(sys.argv[1]) as peer:
            print(peer.endpoint, flush=True)
            sys.stdin.read()
    except PeerError as error:
        print("peers.py: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
