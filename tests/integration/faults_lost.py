#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Agents that are lost: killed, and stopped for a while."""
from faults_stage import Scene, as_milliseconds, run_all, signal, sys, time, wait_for

INTERVAL_MS = 300
SLACK_MS = 1.5 * INTERVAL_MS  # how late a busy machine may be; too early is wrong by any amount
CLOCK_MS = 2                  # between reading the wall clock here and the broker's monotonic one


def last_life_ns(reader, agent_id, before_ns):
    """When the broker last heard of an agent that was pouring: the time of its last change, less than the events'."""
    return max(seen.publication.broker_unix_ns for seen in reader.of(agent_id)
               if seen.publication.updates and seen.publication.broker_unix_ns < before_ns)


def check_on_time(event, last_heard_ns, intervals):
    silence_ms = as_milliseconds(event["broker_unix_ns"] - last_heard_ns)
    due_ms = intervals * INTERVAL_MS
    assert due_ms - CLOCK_MS <= silence_ms <= due_ms + SLACK_MS, f"{event['to']} after {silence_ms} ms, due {due_ms}"
    assert due_ms <= event["silence_ms"] <= due_ms + SLACK_MS, event


def check_stale(scene, reader, victim):
    """Quality as state, as numbered publications, and as an event."""
    fields = scene.state("work", victim)
    assert {field["quality"] for field in fields.values()} == {"STALE"}, "the state of the dead is STALE"
    reader.await_head(scene.done("status")["sequence"])
    topics = {field["topic"] for field in fields.values()}
    last = {seen.topic: seen.publication for seen in reader.seen()}
    for topic in topics:
        publication = last[topic]
        assert not publication.updates and publication.quality == scene.schema.QUALITY_STALE, publication
        assert publication.cause == scene.schema.CAUSE_LOST
    assert [event["quality"] for event in scene.events(victim, "QUALITY")][-1] == "STALE"
    reader.assert_no_hole()


def check_untouched(scene, reader, others):
    """They are LIVE without ever having been anything else, and each of their changes was published, in order."""
    for other in others:
        other.say("hold")
        assert other.say("settle 10000")["decided"]
        assert scene.liveness()[other.agent_id] == "LIVE"
        assert scene.lives(other.agent_id) == ["LIVE"]
    reader.await_head(scene.done("status")["sequence"])
    for other in others:
        numbers = [update.sequence for seen in reader.of(other.agent_id) for update in seen.publication.updates
                   if seen.topic.startswith("work.") and update.sequence]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"{other.agent_id}: a hole"
        assert numbers[-1] >= other.say("report")["sent"] > len(numbers) / 2
    scene.assert_equal(*others)


def test_killed_is_suspect_then_dead_on_time_and_stale_and_the_others_untouched():
    with Scene() as scene:
        reader = scene.reader("work.", "_event.")
        victim, *others = [scene.puppet(name, INTERVAL_MS) for name in ("victim", "left", "right")]
        scene.desk_agent("scanner")
        wait_for("the scanner is LIVE", lambda: scene.liveness().get("scanner") == "LIVE")
        for puppet in (victim, *others):
            puppet.fill()
            puppet.say("pour 500")
        wait_for("the victim's changes come", lambda: len(reader.of("victim")) > 700)
        killed_ns = victim.kill()
        wait_for("the victim is DEAD", lambda: scene.liveness()["victim"] == "DEAD")
        assert scene.lives("victim") == ["LIVE", "SUSPECT", "DEAD"]
        suspect, dead = scene.events("victim", "LIVENESS")[-2:]
        last_heard_ns = last_life_ns(reader, "victim", suspect["broker_unix_ns"])
        assert abs(as_milliseconds(last_heard_ns - killed_ns)) < SLACK_MS, "it poured until it was killed"
        check_on_time(suspect, last_heard_ns, 3)
        check_on_time(dead, last_heard_ns, 8)
        wait_for("quality is told", lambda: scene.qualities("work", "victim") == {"STALE"})
        check_stale(scene, reader, "victim")
        check_untouched(scene, reader, others)
        assert scene.liveness()["scanner"] == "LIVE"


def test_stopped_for_five_seconds_is_suspect_and_comes_back_live_with_the_mistake_counted():
    with Scene() as scene:
        puppet, other = scene.puppet("sleeper", 1000), scene.puppet("other", 1000)
        for each in (puppet, other):
            each.fill()
            each.say("pour 100")
        puppet.signal(signal.SIGSTOP)
        stopped_s = time.monotonic()
        wait_for("the sleeper is SUSPECT", lambda: scene.liveness()["sleeper"] == "SUSPECT", 5)
        assert 2.9 < time.monotonic() - stopped_s, "not before 3 s of silence"
        time.sleep(max(0, stopped_s + 5 - time.monotonic()))
        assert scene.liveness()["sleeper"] == "SUSPECT", "5 s are not 8"
        assert scene.agent("sleeper")["mistakes"] == 0
        puppet.signal(signal.SIGCONT)
        wait_for("the sleeper is LIVE again", lambda: scene.liveness()["sleeper"] == "LIVE")
        row = scene.agent("sleeper")
        assert row["mistakes"] == 1 and scene.status()["mistaken_suspects"] == 1, row
        assert row["breaker"] == "CLOSED" and row["failures"] == 0, row
        assert scene.lives("sleeper") == ["LIVE", "SUSPECT", "LIVE"]
        assert scene.agent("other")["mistakes"] == 0
        for each in (puppet, other):
            each.say("hold")
        scene.assert_equal(puppet, other)
        assert puppet.say("report")["registrations"] == 1, "the same session goes on"


def test_dead_by_a_long_stop_it_registers_again_and_its_state_is_whole_again():
    with Scene() as scene:
        puppets = [scene.puppet(name, INTERVAL_MS) for name in ("quiet", "changing")]
        for puppet in puppets:
            puppet.fill()
        puppets[1].say("pour 100")
        for puppet in puppets:
            puppet.signal(signal.SIGSTOP)
        wait_for("both are DEAD", lambda: scene.liveness() == {"quiet": "DEAD", "changing": "DEAD"})
        wait_for("their state is STALE", lambda: all(
            scene.qualities("work", puppet.agent_id) == {"STALE"} for puppet in puppets))
        for puppet in puppets:
            puppet.signal(signal.SIGCONT)
        wait_for("both are LIVE again", lambda: scene.liveness() == {"quiet": "LIVE", "changing": "LIVE"})
        puppets[1].say("hold")
        scene.assert_equal(*puppets)
        for puppet in puppets:
            assert puppet.say("report")["registrations"] == 2, "the dead are never revived silently"
            assert scene.lives(puppet.agent_id) == ["LIVE", "SUSPECT", "DEAD", "LIVE"]


if __name__ == "__main__":
    sys.exit(run_all(globals()))
