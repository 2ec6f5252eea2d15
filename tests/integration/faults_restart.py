#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""syncbusd killed under the bundled agents and started again on the same ports: all is back, and nobody did a thing."""
from faults_stage import Scene, run_all, signal, sys, wait_for

READERS = ("scanner", "trader", "risk", "trainer")
DESK = ("market", *READERS)
# What the desk has once it runs, by agent; the market's technical fields are the categorizer's.
WANTED = {"market": "market_data", "scanner": "scanner_data", "trader": "agent", "risk": "risk_metrics",
          "trainer": "performance"}


def start_desk(scene):
    for name in READERS:
        scene.desk_agent(name)
    wait_for("the readers are LIVE", lambda: all(scene.liveness().get(name) == "LIVE" for name in READERS))
    scene.desk_agent("market", "--sim", "5", "--pace", "20", "--progress", "0")
    wait_for("the market is LIVE", lambda: scene.liveness().get("market") == "LIVE")
    wait_for("every agent has a state, and there were trades", lambda: all(
        scene.state(category, name) for name, category in WANTED.items()) and scene.agent("trader")["accepted"] > 10)


def lasting_fields(scene):
    """{"topic name": quality}. Event categories are no lasting state: what was traded is not traded again."""
    return {name: field["quality"] for name, field in scene.state().items()
            if field["category"] not in ("trades", "execution_result")}


def assert_all_back(scene, before, epoch):
    topics = {name.split()[0] for name in before}

    def is_back():
        fields = lasting_fields(scene)
        is_back.missing = sorted(topics - {name.split()[0] for name in fields})
        is_back.stale = sorted(name for name, quality in fields.items() if quality != "OK")
        return not is_back.missing and not is_back.stale

    wait_for(lambda: f"missing {is_back.missing}, not OK {is_back.stale}, {scene.liveness()}", is_back)
    assert len(topics) > 10, topics
    assert scene.done("status")["epoch"] == epoch + 1
    for name in DESK:
        row = scene.agent(name)
        assert row["liveness"] == "LIVE" and row["is_healthy"] and row["failures"] == 0, row


def test_broker_killed_under_the_desk_comes_back_with_every_agent_and_all_state():
    with Scene() as scene:
        start_desk(scene)
        puppet = scene.puppet("puppet", 500)
        puppet.fill()
        for _ in range(2):
            before, epoch = lasting_fields(scene), scene.done("status")["epoch"]
            scene.kill_broker()
            puppet.say("churn 100")  # it changes while there is no broker
            scene.start_broker()
            wait_for("all register again by themselves", lambda: all(
                scene.liveness().get(name) == "LIVE" for name in (*DESK, "puppet")))
            assert_all_back(scene, before, epoch)
            scene.assert_equal(puppet)
            traded = scene.agent("trader")["accepted"]
            wait_for("the desk trades on", lambda: scene.agent("trader")["accepted"] > traded + 5, 60)
        assert puppet.say("report")["registrations"] == 3


def test_broker_ended_by_sigterm_and_started_again_has_all_of_who_changed_and_of_who_did_not():
    with Scene() as scene:
        changing, quiet = scene.puppet("changing", 500), scene.puppet("quiet", 500)
        for puppet in (changing, quiet):
            puppet.fill()
        scene.broker.send_signal(signal.SIGTERM)
        assert scene.broker.wait(20) == 0
        changing.say("churn 300")
        scene.start_broker()
        wait_for("they register again", lambda: scene.liveness() == {"changing": "LIVE", "quiet": "LIVE"})
        scene.assert_equal(changing, quiet)


if __name__ == "__main__":
    sys.exit(run_all(globals()))
