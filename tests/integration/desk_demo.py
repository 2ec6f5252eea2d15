#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
#
# script/demo on the built-in exchange for some seconds: its summary's arithmetic is done again here, and nothing
# may be left behind: no process, no file; neither at its end nor after Ctrl-C.
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import uuid

BINARIES = os.environ["SB_BINARY_DIR"]
DEMO = os.path.join(os.environ["SB_SOURCE_DIR"], "script", "demo")


def left_over(marker):
    """Processes that were started, however indirectly, with this marker in their environment."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (process / "environ").read_bytes():
                found.append((process.name, (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
        except OSError:
            pass
    return found


class Demo:
    """One run in a temporary folder and under a marker of its own."""

    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory(prefix="sb-desk-demo-")
        self.marker = "SB_DESK_DEMO_MARKER=" + uuid.uuid4().hex
        name, value = self.marker.split("=")
        environment = dict(os.environ, TMPDIR=self.folder.name, **{name: value})
        self.process = subprocess.Popen([DEMO, "--build-dir", BINARIES, *arguments], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def finish(self, seconds=90):
        output, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, output, errors

    def assert_clean(self):
        assert not left_over(self.marker), f"processes left: {left_over (self.marker)}"
        files = os.listdir(self.folder.name)
        assert not files, f"files left: {files}"


def check_sums(summary):
    rows, broker, agents = summary["rows"], summary["broker"], summary["agents"]
    rejected, refused = sum(rows["rejected"].values()), sum(rows["refused"].values())
    assert rows["read"] > 0
    assert rows["read"] == rows["published"] + rows["unchanged"] + rows["pending"] + rejected + refused, rows
    assert broker["deltas"] == broker["deltas_accepted"] + sum(broker["refusals"].values()), broker
    assert broker["deltas_accepted"] == sum(agent["accepted"] for agent in agents), agents
    assert [agent["agent_id"] for agent in agents] == ["market", "risk", "scanner", "trader", "trainer"]
    assert all(agent["is_healthy"] for agent in agents), agents
    assert summary["trading"]["trades"] > 0, "the trader has not traded"
    assert summary["risk"]["executions"] == summary["trading"]["trades"]
    assert summary["latency"]["reactions"] == summary["trading"]["trades"]
    assert 0 < summary["latency"]["reaction_p50_us"] <= summary["latency"]["reaction_p99_us"]
    assert abs(sum(summary["training"]["weights"].values()) - 1) < 1e-6
    trading = summary["trading"]
    assert abs(trading["pnl"] - (trading["realized_pnl"] + trading["unrealized_pnl"] - trading["fees"])) < 0.01


def test_counts_add_up_and_nothing_is_left():
    demo = Demo("--seconds", "6", "--json")
    code, output, errors = demo.finish()
    assert code == 0, f"exit code {code}\n{output}\n{errors}"
    summary = json.loads(output)
    assert summary["ok"] and not summary["problems"]
    check_sums(summary)
    demo.assert_clean()


def test_plain_output_has_grid_and_summary():
    demo = Demo("--seconds", "4", "--grid", "1")
    code, output, errors = demo.finish()
    assert code == 0, f"exit code {code}\n{output}\n{errors}"
    assert "all counts add up, every agent is healthy" in output
    assert output.count("scanner") >= 2, "no grid was printed while it ran"
    demo.assert_clean()


def test_interrupt_leaves_nothing():
    demo = Demo("--seconds", "60")
    deadline = time.monotonic() + 30
    while not any("syncbus-market" in line for _, line in left_over(demo.marker)):
        assert time.monotonic() < deadline and demo.process.poll() is None, "the desk did not start"
        time.sleep(0.1)
    os.killpg(demo.process.pid, signal.SIGINT)
    code, output, errors = demo.finish(30)
    assert code == 130, f"exit code {code}\n{output}\n{errors}"
    demo.assert_clean()


def test_mistakes_are_usage():
    for arguments in (["--nothing"], ["--seconds"], ["--seconds", "x"], ["a", "b"], ["--pace", "quick"], ["nofile"],
                      ["/"]):
        demo = Demo(*arguments)
        code, _, errors = demo.finish(10)
        assert code == 2, f"{arguments}: exit code {code}"
        assert "see script/demo --help" in errors or "needs a value" in errors
        demo.assert_clean()


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("passed", name, flush=True)


if __name__ == "__main__":
    sys.exit(main())
