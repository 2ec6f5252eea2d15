#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A plain subscriber in another language receives and decodes what an agent in C publishes over a real broker.

Usage: subscribers_test.py python|node. Starts syncbusd on free ports, the example subscriber of that language,
and the C library's example publisher until the subscriber has had enough; then looks at every line that it printed.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from node_folder import node_environment
from plain_broker import DEADLINE_S, Broker, program

EXAMPLES = os.path.join(os.environ["SB_SOURCE_DIR"], "agents", "examples")
COUNT = 5


def subscriber_command(language):
    """-> (arguments, environment)"""
    if language == "node":
        return ["node", os.path.join(EXAMPLES, "subscriber.js")], node_environment()
    return [sys.executable, os.path.join(EXAMPLES, "subscriber.py")], dict(os.environ)


def wait_while_publishing(subscriber, broker):
    """Publishes until the subscriber ends, which it does after COUNT publications."""
    example = program("agents", "examples", "example_publisher")
    publisher = subprocess.Popen([example, broker.ingress], stdout=subprocess.DEVNULL)
    try:
        code = subscriber.wait(3 * DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise AssertionError("the subscriber did not receive %d publications" % COUNT) from None
    finally:
        publisher.terminate()
        publisher.wait(DEADLINE_S)
    assert code == 0, "the subscriber failed, exit code %d" % code


def check_lines(lines):
    assert len(lines) == COUNT, lines
    sequences = []
    for line in lines:
        publication = json.loads(line)
        category, agent_id, _ = publication["topic"].split(".")
        assert category == "market_data" and agent_id == publication["agent_id"], line
        sequences.append(int(publication["sequence"]))
        for update in publication.get("updates", []):
            for change in update["changes"]:
                assert change["name"] and ("value" in change) != ("delete" in change), line
        assert publication["quality"] in ("QUALITY_OK", "QUALITY_STALE"), line
    assert sequences == sorted(set(sequences)), sequences
    assert any("updates" in json.loads(line) for line in lines), lines


def main():
    command, environment = subscriber_command(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="sb-subscribers-") as folder, Broker(folder) as broker:
        arguments = command + ["market_data.", broker.publish, str(COUNT)]
        with open(os.path.join(folder, "lines"), "w+") as output:
            subscriber = subprocess.Popen(arguments, env=environment, stdout=output)
            try:
                wait_while_publishing(subscriber, broker)
            finally:
                subscriber.kill()
                subscriber.wait()
            output.seek(0)
            lines = output.read().splitlines()
        check_lines(lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
