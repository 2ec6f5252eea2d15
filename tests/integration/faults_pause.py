#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""An agent paused from the command line, changing its state meanwhile, and resumed: the picture is its own again."""
from faults_stage import Scene, run_all, sys, wait_for


def values(scene, agent_id):
    return {name: field["value"] for name, field in scene.state("work", agent_id).items()}


def pause(scene, puppet):
    (row,) = scene.done("pause_agent", puppet.agent_id, "--reason", "test")["records"]
    assert row["operator_state"] == "PAUSED" and row["durable"], row
    wait_for("it confirms", lambda: scene.agent(puppet.agent_id)["confirmed"])
    wait_for("its state is FORCED_STALE", lambda: scene.qualities("work", puppet.agent_id) == {"FORCED_STALE"})


def resume(scene, puppet):
    scene.done("resume_agent", puppet.agent_id, "--reason", "test")
    wait_for("it confirms", lambda: scene.agent(puppet.agent_id)["confirmed"])
    wait_for("it is active", lambda: puppet.say("report")["status"] == "ACTIVE")


def test_paused_changing_and_resumed_the_picture_equals_its_own():
    with Scene() as scene:
        reader = scene.reader("work.")
        puppet, other = scene.puppet("paused", 300), scene.puppet("other", 300)
        for each in (puppet, other):
            each.fill()
        pause(scene, puppet)
        before, accepted = values(scene, "paused"), scene.agent("paused")["accepted"]
        puppet.say("churn 900")
        own = puppet.say("state")
        gone, new = before.keys() - own.keys(), own.keys() - before.keys()
        assert len(gone) > 10 and len(new) > 10 and before != own, "it deletes, adds and changes meanwhile"
        assert puppet.say("report")["returned"]["PAUSED"] == 900
        assert values(scene, "paused") == before, "the picture stands still"
        resume(scene, puppet)
        scene.assert_equal(puppet, other)
        row = scene.agent("paused")
        assert row["accepted"] > accepted and row["failures"] == 0 and row["liveness"] == "LIVE", row
        assert not scene.events("other", "QUALITY"), "the other is untouched"
        reader.await_head(scene.done("status")["sequence"])
        reader.assert_no_hole()
        deletes = [change for seen in reader.of("paused") for update in seen.publication.updates
                   for change in update.changes if change.WhichOneof("kind") == "delete" and
                   seen.publication.cause == scene.schema.CAUSE_REPLACED]
        assert len(deletes) == len(gone), "readers are told of each field that went"


def test_pouring_all_along_over_five_pauses_nothing_is_missing_at_the_end():
    with Scene() as scene:
        puppet = scene.puppet("paused", 300)
        puppet.fill()
        puppet.say("pour 2000")
        for _ in range(5):
            pause(scene, puppet)
            accepted = scene.agent("paused")["accepted"]
            puppet.say("churn 100")
            assert scene.agent("paused")["accepted"] == accepted, "nothing is accepted of the paused"
            resume(scene, puppet)
            wait_for("it is heard again", lambda: scene.agent("paused")["accepted"] > accepted + 50)
        puppet.say("hold")
        assert puppet.say("settle 10000")["decided"]
        scene.assert_equal(puppet)


if __name__ == "__main__":
    sys.exit(run_all(globals()))
