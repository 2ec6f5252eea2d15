#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""history, replay, explain, timeline and state-hash against a real broker whose history is short."""
import json
import signal
import subprocess
import sys
import time

from faults_stage import SYNCBUS, Scene, wait_for

KEPT = 40
WRITTEN = 60
GAP_S = 0.02


def publish(scene):
    """WRITTEN publications, at least GAP_S apart, of two subjects in turn; returns when the first half was there."""
    publisher = subprocess.Popen([SYNCBUS, "pub", "--ingress-endpoint", scene.ingress, "--agent", "writer", "-"],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    scene.processes.append(publisher)
    half_unix_ns = 0
    for number in range(WRITTEN):
        if number == WRITTEN // 2:
            wait_for("the first half is there", lambda: numbers(scene, "--last", "1") == [WRITTEN // 2 - 1])
            half_unix_ns = time.time_ns()
        publisher.stdin.write(json.dumps({"category": "notes", "subject": f"s{number % 2}",
                                          "changes": {"number": number}}) + "\n")
        publisher.stdin.flush()
        time.sleep(GAP_S)
    # It stays connected: its end would be two more publications.
    wait_for("all is there", lambda: numbers(scene, "--last", "1") == [WRITTEN - 1])
    return half_unix_ns


def numbers(scene, *words, command="history"):
    """What was written in the publications of an answer that says it is whole."""
    code, reply = scene.ask(command, "notes", *words)
    if code != 0:
        return []
    assert reply["records"][0]["record"] == "end", reply
    assert reply["records"][0]["publications"] == len(reply["publications"]), reply
    return [change for publication in reply["publications"] for update in publication["updates"]
            for change in update["changes"].values()]


def check_history(scene, half_unix_ns):
    everything = list(range(WRITTEN - KEPT, WRITTEN))
    assert numbers(scene, "--last", "1000") == everything
    assert numbers(scene, "--after", "50", "--through", "55") == list(range(50, 55))
    assert numbers(scene, "--agent", "writer", "--subject", "s1", "--last", "3") == [55, 57, 59]
    assert numbers(scene, "--prefix", "notes.writer.s0", "--last", "2") == [56, 58]
    since = numbers(scene, "--since", str(half_unix_ns))
    until = numbers(scene, "--since", "-1h", "--until", str(half_unix_ns))
    assert until + since == everything and since[0] == WRITTEN // 2, (until, since)
    evicted = scene.done("history", "notes", "--after", "10")
    assert evicted["records"][0]["evicted"] and evicted["records"][0]["first"] == WRITTEN - KEPT + 1, evicted
    assert f"kept is from {WRITTEN - KEPT + 1} " in evicted["message"], evicted
    assert not scene.done("history", "notes", "--after", str(WRITTEN - KEPT))["records"][0]["evicted"]


def check_replay(scene):
    """At recorded pace it takes as long as the recording, faster it does not, and it is all there either way."""
    everything = list(range(WRITTEN - KEPT, WRITTEN))
    publications = scene.done("replay", "notes", "--speed", "flat")["publications"]
    recorded_s = (int(publications[-1]["broker_unix_ns"]) - int(publications[0]["broker_unix_ns"])) / 1e9
    assert recorded_s > (WRITTEN // 2 - 1) * GAP_S, f"so long are the gaps of the second half: {recorded_s}"
    took_s = {}
    for speed in ("1", "8", "flat"):
        begin = time.monotonic()
        assert numbers(scene, "--speed", speed, command="replay") == everything
        took_s[speed] = time.monotonic() - begin
    assert took_s["1"] >= recorded_s and took_s["8"] >= recorded_s / 8, took_s
    assert took_s["flat"] < took_s["1"] and took_s["8"] < took_s["1"], took_s


def check_interrupted(scene):
    replay = subprocess.Popen([SYNCBUS, "--endpoint", scene.command, "replay", "notes", "--speed", "0.01"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    scene.processes.append(replay)
    first = replay.stdout.readline()
    assert "number=20" in first, first
    replay.send_signal(signal.SIGINT)
    output, complaints = replay.communicate(timeout=10)
    assert output.splitlines()[-1].startswith("stopped: "), output
    assert "go on with --after 2" in complaints, complaints


def check_explain_and_timeline(scene):
    row, = scene.done("explain", "writer", "number", "--subject", "s1")["records"]
    assert (row["topic"], row["value"], row["delta_sequence"]) == ("notes.writer.s1", WRITTEN - 1, WRITTEN), row
    assert (row["agent_id"], row["cause"], row["quality"]) == ("writer", "NONE", "OK"), row
    assert len(scene.done("explain", "writer", "number")["records"]) == 2
    assert scene.ask("explain", "writer", "nothing_there")[0] == 1
    scene.done("pause-agent", "writer", "--reason", "for the test")
    kinds = [event["subject"] for event in scene.done("timeline", "writer")["publications"]]
    assert kinds[0] == "REGISTERED" and "LIVENESS" in kinds and "OPERATOR" in kinds, kinds
    text = subprocess.run([SYNCBUS, "--endpoint", scene.command, "timeline", "writer"], capture_output=True, text=True,
                          check=True).stdout
    assert len(text.splitlines()) == len(kinds) and " REGISTERED " in text, text


def said(scene, *words):
    """What a command complains of."""
    return subprocess.run([SYNCBUS, "--endpoint", scene.command, *words], capture_output=True, text=True,
                          check=False).stderr


def check_gone(scene):
    """Without a beginning the last line says what the kept history no longer has."""
    end = scene.done("replay", "notes", "--speed", "flat")["records"][0]
    assert end["evicted"] and end["gone_through"] == WRITTEN - KEPT, end
    assert said(scene, "replay", "notes", "--speed", "flat") == "", "nobody asked for them by number or time"
    end = scene.done("history", "notes", "--last", "5")["records"][0]
    assert not end["evicted"] and end["gone_through"] == 0, end


def check_output(scene):
    """Each command that prints says that it could not, and why."""
    for words in (["history", "notes"], ["replay", "notes", "--speed", "flat"], ["status"], ["get_state", "notes"],
                  ["events"], ["explain", "writer", "number"], ["timeline", "writer"], ["list-agents"],
                  ["top", "--plain"], ["events", "--follow", "--publish-endpoint", scene.publish],
                  ["sub", "_beat", "--publish-endpoint", scene.publish]):
        for json_too in ([], ["--json"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                ended = subprocess.run([SYNCBUS, "--endpoint", scene.command, *json_too, *words], stdout=full,
                                       stderr=subprocess.PIPE, text=True, check=False, timeout=20)
            assert ended.returncode == 1, (words, ended)
            assert "could not be written: No space left on device" in ended.stderr, (words, ended)


def check_conflated(scene):
    """One of each topic a second, with what was merged into it; as an option or as the raw prefix, of all too."""
    option = ["sub", "--publish-endpoint", scene.publish, "--seconds", "30"]
    readers = [subprocess.Popen([SYNCBUS, *option, *words, "--count", "2"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
               for words in (["quick", "--conflate", "300"], ["~conflated.300.quick."], ["all", "--conflate", "300"],
                             ["quick.swift.x", "--conflate", "300"])]
    scene.processes += readers
    publisher = subprocess.Popen([SYNCBUS, "pub", "--ingress-endpoint", scene.ingress, "--agent", "swift", "-"],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    scene.processes.append(publisher)
    number = 0
    while any(reader.poll() is None for reader in readers):
        publisher.stdin.write(json.dumps({"category": "quick", "subject": "x", "changes": {"number": number}}) + "\n")
        publisher.stdin.flush()
        number += 1
        time.sleep(GAP_S)
    for reader in readers:
        output, complaints = reader.communicate()
        first, second = (json.loads(line) for line in output.splitlines())
        assert reader.returncode == 0 and complaints == "", complaints
        assert first["topic"] == second["topic"] == "quick.swift.x" and second["conflated_ms"] == 300, second
        assert second["first_topic_sequence"] == first["topic_sequence"] + 1, (first, second)
        assert second["topic_sequence"] > second["first_topic_sequence"], (first, second)


def check_time_to_live(scene):
    subprocess.run([SYNCBUS, "pub", "--ingress-endpoint", scene.ingress, "--agent", "brief", "--ttl", "200ms", "fading",
                    "mood=calm"], check=True, stdout=subprocess.DEVNULL)
    lines = [{"category": "fading", "changes": {"own": 1}, "time_to_live_ms": 3600000},
             {"category": "fading", "changes": {"given": 1}}]
    subprocess.run([SYNCBUS, "pub", "--ingress-endpoint", scene.ingress, "--agent", "lines", "--ttl", "200ms", "-"],
                   input="".join(json.dumps(line) + "\n" for line in lines), text=True, check=True,
                   stdout=subprocess.DEVNULL)
    wait_for("all but what has an hour is gone",
             lambda: [field["name"] for field in scene.state("fading").values()] == ["own"])


def check_state_hash(scene):
    notes = scene.done("state-hash", "notes")
    both = scene.done("state_hash", "notes", "agent")["records"][0]
    assert notes["records"][0]["fields"] == 2 and len(notes["records"][0]["state_hash"]) == 16, notes
    assert both["fields"] >= 2 and notes["sequence"] > WRITTEN, both
    assert scene.done("state-hash", "notes")["records"] == notes["records"], "nothing was written meanwhile"
    parts = [int(scene.done("state-hash", f"notes.writer.s{i}")["records"][0]["state_hash"], 16) for i in range(2)]
    assert "no category nope is known" in said(scene, "state-hash", "notes", "nope")
    assert said(scene, "state-hash", "notes.writer.s0", "all") == ""
    assert f"{sum(parts) % 2**64:016x}" == notes["records"][0]["state_hash"], "the sum of its parts"


def main():
    with Scene("--history-category", f"notes {KEPT}") as scene:
        half_unix_ns = publish(scene)
        check_history(scene, half_unix_ns)
        check_replay(scene)
        check_gone(scene)
        check_output(scene)
        check_interrupted(scene)
        check_conflated(scene)
        check_time_to_live(scene)
        check_state_hash(scene)
        check_explain_and_timeline(scene)
    print("history, replay, explain, timeline and state-hash say what was published")


if __name__ == "__main__":
    sys.exit(main())
