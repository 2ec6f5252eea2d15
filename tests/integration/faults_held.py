#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The broker itself stopped for 30 s: nobody is declared dead for what was the broker's fault."""
from faults_stage import Scene, run_all, signal, sys, time, wait_for

HELD_S = 30


def s_wait_held(scene):
    """Holds the broker for as long as the claim says; the agents go on beating and changing."""
    scene.broker.send_signal(signal.SIGSTOP)
    time.sleep(HELD_S)
    scene.broker.send_signal(signal.SIGCONT)


def test_broker_stopped_for_30_s_declares_nobody_dead_and_all_come_back_with_equal_state():
    with Scene() as scene:
        reader = scene.reader("work.", "_event.")
        puppets = [scene.puppet(f"beating{i}", 1000) for i in range(4)]
        scene.desk_agent("scanner")
        names = {puppet.agent_id for puppet in puppets} | {"scanner"}
        wait_for("all are LIVE", lambda: scene.liveness() == dict.fromkeys(names, "LIVE"))
        for puppet in puppets:
            puppet.fill()
            puppet.say("pour 20")
        puppets[-1].say("hold")  # one that only beats
        s_wait_held(scene)
        wait_for("the broker answers", lambda: scene.ask("status")[0] == 0)
        wait_for("all are LIVE again", lambda: scene.liveness() == dict.fromkeys(names, "LIVE"))
        held_sequence = scene.done("status")["sequence"]
        paused = [puppet.say("report")["returned"].get("SELF_PAUSED", 0) for puppet in puppets]
        assert all(paused[:-1]), f"10 s of silence pause an agent by its own word: {paused}"
        for puppet in puppets:
            wait_for("it goes on by itself", lambda: puppet.say("report")["status"] == "ACTIVE")
            puppet.say("hold")
            assert puppet.say("settle 10000")["decided"]
        scene.assert_equal(*puppets)
        for name in names:
            lives = scene.lives(name)
            assert "DEAD" not in lives and "SUSPECT" not in lives, f"{name}: {lives}"
            assert not scene.events(name, "MUTE") and not scene.events(name, "BREAKER")
        status = scene.status()
        assert status["mutes"] == 0 and status["agents_dead"] == 0 and status["failures"] == 0, status
        assert status["ticks_late"] >= 1, "the broker knows that it was late"
        late = [facts for facts in scene.events("_broker", "LATE")]
        assert any(facts["late_ms"] > (HELD_S - 2) * 1000 for facts in late), late
        reader.await_head(held_sequence)
        reader.assert_no_hole()


if __name__ == "__main__":
    sys.exit(run_all(globals()))
