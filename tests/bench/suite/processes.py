# SPDX-License-Identifier: MPL-2.0
"""Programs of the benchmark: started so that none outlives it, and looked at while they run."""
import ctypes
import json
import os
import signal
import subprocess

from model import AccountingError

STOP_TIMEOUT_S = 10
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def cpu_ns(pid):
    """Time that all threads of a process have had a core, and those that ended, as the scheduler counts it."""
    total = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (pid, thread), encoding="ascii") as file:
                total += int(file.read().split()[0])
        except OSError:
            pass  # it has just ended
    return total


class Program:
    """A program that says lines of JSON and is told lines. A context manager: at its end the program is stopped."""

    def __init__(self, arguments, log):
        self.arguments = [str(argument) for argument in arguments]
        self.log = open(log, "w+b")
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, preexec_fn=die_with_parent)

    @property
    def pid(self):
        return self.process.pid

    def read(self, key):
        """The next line, an object that must have this key."""
        line = self.process.stdout.readline()
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict) or key not in value:
            self.stop()
            raise AccountingError("%s did not say `%s` but `%s`; on standard error: %s" %
                                  (" ".join(self.arguments), key, line.strip(), self.errors()))
        return value

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise AccountingError("%s has ended: %s" % (" ".join(self.arguments), self.errors())) from error

    def errors(self):
        """The end of what it said on standard error."""
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace").strip()[-600:] or "nothing"

    def wait(self):
        """Waits until it ends by itself, as it should."""
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = "none: it did not end"
        if code != 0:
            raise AccountingError("%s ended with code %s: %s" % (" ".join(self.arguments), code, self.errors()))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        for file in (self.process.stdin, self.process.stdout, self.log):
            try:
                file.close()
            except OSError:
                pass  # a line that nobody reads any more
