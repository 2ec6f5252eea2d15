#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
#
# The desk's agents under command: exit codes, rebalance_weights and reset, pause and resume of the trader, a risk
# watcher that pauses and lifts its own pause, and a clean end with a summary.
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

BINARIES = os.environ["SB_BINARY_DIR"]
PATHS = {name: os.path.join(BINARIES, "agents", name, "syncbus-" + name)
         for name in ("market", "scanner", "trader", "risk", "trainer")}
PATHS["broker"] = os.path.join(BINARIES, "broker", "live", "syncbusd")
SYNCBUS = os.path.join(BINARIES, "cli", "syncbus")
DESK = ("scanner", "trader", "risk", "trainer")


def wait_for(what, condition, seconds=30):
    """The first true value of condition (); fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


class Desk:
    """A broker on free ports, and agents that are ended with it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sb-desk-control-")
        self.processes = {}
        ready = os.path.join(self.folder.name, "ready")
        self.start("broker", "broker", "--ingress", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*", "--command",
                   "tcp://127.0.0.1:*", "--state-dir", os.path.join(self.folder.name, "state"), "--ready-file", ready)
        wait_for("the broker is ready", lambda: os.path.exists(ready) and os.path.getsize(ready))
        helper = os.path.join(os.environ["SB_SOURCE_DIR"], "script", "lib", "demo.py")
        found = subprocess.run([sys.executable, helper, "endpoints", ready], capture_output=True, text=True, check=True)
        self.ingress, self.publish, self.command = found.stdout.split()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.folder.cleanup()

    def start(self, key, program, *arguments):
        log = open(os.path.join(self.folder.name, key + ".log"), "w", encoding="utf-8")
        self.processes[key] = subprocess.Popen([PATHS[program], *arguments], stdout=subprocess.PIPE, stderr=log,
                                               text=True)
        log.close()

    def start_agent(self, program, *arguments, agent_id=None):
        self.start(agent_id or program, program, "--ingress", self.ingress, "--publish", self.publish, "--json",
                   "--agent-id", agent_id or program, *arguments)

    def ask(self, *words):
        """Exit code and reply of a command."""
        answer = subprocess.run([SYNCBUS, "--json", "--endpoint", self.command, *words], capture_output=True, text=True,
                                check=False)
        try:
            return answer.returncode, json.loads(answer.stdout)
        except ValueError:
            return answer.returncode, {"records": [], "message": answer.stdout + answer.stderr}

    def agent(self, agent_id):
        rows = self.ask("list_agents")[1].get("records", [])
        return next((row for row in rows if row.get("agent_id") == agent_id), {})

    def end(self, key):
        """Ends an agent by SIGTERM; its summary."""
        process = self.processes[key]
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0, f"{key}: exit code {process.returncode}"
        return json.loads(output)


def test_exit_codes():
    for name in DESK:
        path = PATHS[name]
        answer = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
        assert answer.returncode == 0 and "examples:" in answer.stdout, name
        answer = subprocess.run([path, "--nothing"], capture_output=True, text=True, check=False)
        assert answer.returncode == 2 and "--help" in answer.stderr, name
        # Port 9 (discard) of the loopback: nobody listens there.
        answer = subprocess.run([path, "--ingress", "tcp://127.0.0.1:9", "--connect-timeout", "0.5", "--json"],
                                capture_output=True, text=True, check=False, timeout=20)
        assert answer.returncode == 3, f"{name}: {answer.returncode} {answer.stderr}"
        assert "is syncbusd running?" in answer.stderr and json.loads(answer.stdout)["exit_code"] == 3
        answer = subprocess.run([path, "--ingress", "tcp://127.0.0.1:9", "--connect-timeout", "0.5"],
                                capture_output=True, text=True, check=False, timeout=20)
        assert answer.returncode == 3 and answer.stdout == "", f"{name}: {answer.stdout}"
    answer = subprocess.run([PATHS["scanner"], "--enter-score", "0.2", "--exit-score", "0.3"], capture_output=True,
                            check=False)
    assert answer.returncode == 2


def check_trainer(desk):
    code, reply = desk.ask("send_command", "trainer", "rebalance_weights", "min_weight=0.3")
    assert code == 0, reply
    weights = {key: value for key, value in reply["records"][0].items() if key.startswith("weight.")}
    assert len(weights) == 3 and abs(sum(weights.values()) - 1) < 1e-9 and min(weights.values()) >= 0.3 - 1e-9, weights
    for words in (["min_weight=0.5"], [], ["min_weight=text:a"], ["min_weight=0.1", "other=1"], ["min_weight=-1"]):
        code, reply = desk.ask("send_command", "trainer", "rebalance_weights", *words)
        assert code == 1, f"{words}: {code} {reply}"
    code, reply = desk.ask("send_command", "trainer", "reset")
    assert code == 0, reply
    code, reply = desk.ask("send_command", "trainer", "dance")
    assert code == 1 and "dance" in json.dumps(reply), reply
    state = desk.ask("get_state", "performance")[1]
    assert any(field["name"] == "weight.momentum" for field in state["fields"]), state


def check_pause(desk):
    before = wait_for("the trader trades", lambda: desk.agent("trader").get("accepted", 0) > 5 and desk.agent("trader"))
    assert desk.ask("pause_agent", "trader", "--reason", "test")[0] == 0
    paused = wait_for("the trader has confirmed its pause",
                      lambda: desk.agent("trader").get("confirmed") and desk.agent("trader"))
    market = desk.agent("market")["accepted"]
    wait_for("the market goes on", lambda: desk.agent("market")["accepted"] > market + 500)
    wait_for("a paused trader listens", lambda: desk.agent("trader")["received"] > before["received"])
    now = desk.agent("trader")
    assert now["accepted"] == paused["accepted"], "a paused trader was heard"
    assert now["is_healthy"]
    assert desk.ask("resume_agent", "trader", "--reason", "test")[0] == 0
    wait_for("the trader trades again", lambda: desk.agent("trader")["accepted"] > paused["accepted"] + 2)


def check_risk(desk):
    desk.start_agent("risk", "--max-gross", "1", "--resume-after-ms", "1500", agent_id="strict")
    wait_for("the strict watcher pauses the trader",
             lambda: desk.agent("trader").get("operator_state") == "PAUSED" and
             "strict" in str(desk.agent("trader").get("operator_issuer")))
    assert "gross exposure" in desk.agent("trader")["operator_reason"]
    # By the revision, not the state: the trader may pass the limit again at once.
    revision = desk.agent("trader")["operator_revision"]
    wait_for("it lifts its own pause", lambda: desk.agent("trader")["operator_revision"] > revision)
    summary = desk.end("strict")
    assert summary["pauses"] >= 1 and summary["resumes"] >= 1 and summary["commands_failed"] == 0, summary
    if desk.agent("trader").get("operator_state") == "PAUSED":
        desk.ask("resume_agent", "trader", "--reason", "the strict watcher has gone")


def test_commands():
    with Desk() as desk:
        for name in DESK:
            desk.start_agent(name)
        wait_for("all live", lambda: all(desk.agent(name).get("liveness") == "LIVE" for name in DESK))
        desk.start_agent("market", "--sim", "3", "--pace", "20", "--progress", "0")
        check_pause(desk)
        check_trainer(desk)
        check_risk(desk)
        for name in DESK:
            code, reply = desk.ask("restart_agent", name)
            assert code == 0, reply
        wait_for("the trader trades after its restart", lambda: desk.agent("trader")["accepted"] > 0)
        summaries = {name: desk.end(name) for name in DESK}
        assert summaries["trader"]["trades"] > 0
        assert summaries["trader"]["order_updates_lost"] == 0 and summaries["trader"]["orders_waiting"] == 0
        assert summaries["risk"]["executions"] == summaries["trader"]["trades"]
        assert summaries["trainer"]["rebalances"] == 1 and summaries["trainer"]["resets"] >= 2
        assert summaries["scanner"]["weights_taken"] > 0 and summaries["scanner"]["weights_refused"] == 0


def test_broker_restart():
    with Desk() as desk:
        for name in DESK:
            desk.start_agent(name)
        wait_for("all live", lambda: all(desk.agent(name).get("liveness") == "LIVE" for name in DESK))
        desk.start_agent("market", "--sim", "3", "--pace", "20", "--progress", "0")
        wait_for("the trader trades", lambda: desk.agent("trader").get("accepted", 0) > 5)
        desk.processes["broker"].kill()
        desk.processes.pop("broker").communicate()
        desk.start("broker", "broker", "--ingress", desk.ingress, "--publish", desk.publish, "--command", desk.command,
                   "--state-dir", os.path.join(desk.folder.name, "state"))
        wait_for("everybody is back", lambda: all(desk.agent(name).get("liveness") == "LIVE" for name in DESK + ("market",)))
        wait_for("the trader trades again", lambda: desk.agent("trader").get("accepted", 0) > 5)
        state = desk.ask("get_state", "performance")[1]
        assert any(field["name"] == "weight.momentum" for field in state["fields"]), "the trainer's state is back"
        code, reply = desk.ask("emergency_stop", "--reason", "test")
        assert code == 0, reply
        accepted = desk.agent("trader")["accepted"]
        wait_for("everybody confirms the stop", lambda: desk.ask("status")[1]["records"][0]["latch_applied"] == 5)
        assert desk.agent("trader")["accepted"] == accepted, "something was accepted after the stop"
        epoch = desk.ask("status")[1]["records"][0]["latch_epoch"]
        code, reply = desk.ask("emergency_clear", f"latch_epoch={epoch}", "--reason", "test")
        assert code == 0, reply
        wait_for("the trader trades after the stop", lambda: desk.agent("trader")["accepted"] > accepted + 2)
        summaries = {name: desk.end(name) for name in DESK}
        assert summaries["trader"]["order_updates_lost"] == 0 and summaries["trader"]["orders_waiting"] == 0, summaries
        assert summaries["trader"]["registrations"] >= 2


def test_end_without_broker():
    """An agent ends at once, so that it does not come back with the broker and displace its successor."""
    with Desk() as desk:
        desk.start_agent("scanner")
        desk.start_agent("market", "--sim", "3", "--pace", "20", "--progress", "0")
        wait_for("it signals", lambda: desk.agent("scanner").get("accepted", 0) > 5)
        assert desk.ask("isolate_agent", "scanner", "--reason", "test")[0] == 0
        market = desk.agent("market")["accepted"]
        wait_for("it has signals to deliver", lambda: desk.agent("market")["accepted"] > market + 1000)
        desk.processes["broker"].kill()
        desk.processes.pop("broker").communicate()
        log = os.path.join(desk.folder.name, "scanner.log")
        wait_for("it has missed the broker", lambda: "CONNECTING" in open(log, encoding="utf-8").read())
        began = time.monotonic()
        desk.end("scanner")
        assert time.monotonic() - began < 2, f"it took {time.monotonic() - began} s to end"


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("passed", name, flush=True)


if __name__ == "__main__":
    sys.exit(main())
