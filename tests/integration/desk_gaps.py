#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The trader acts on news alone: not on what it finds when it joins, nor on what it reads while some of it is lost.

A feed of our own says prices and signals. The trader joins with a signal standing; is held while a flood passes that
its sockets cannot take; and is let go. It says so in its log and its summary, and trades once it knows all.
"""
import json
import signal
import sys

from faults_stage import Scene, wait_for

import plain_broker

FLOOD = 20000
BATCH = 200
SUBJECT = "sim:AAA"


class Feed:
    def __init__(self, scene):
        self.schema, self.sequence = scene.schema, 0
        self.agent = plain_broker.Agent(scene.schema, scene, "feed")
        self.agent.register(heartbeat_interval_ms=60000)

    def delta(self, category, subject=SUBJECT, **values):
        self.sequence += 1
        kinds = {str: "text", float: "number"}
        changes = [self.agent.change(name, **{kinds[type(value)]: value}) for name, value in values.items()]
        return self.schema.Delta(sequence=self.sequence, category=category, subject=subject, changes=changes)

    def send(self, *deltas):
        self.agent.send("batch", deltas=list(deltas))
        while True:
            ack = self.agent.receive("ack")
            assert not ack.refused, ack
            if ack.decided_through == self.sequence:
                return

    def price(self, price):
        self.send(self.delta("market_data", price=price))

    def signal(self, word, confidence):
        self.send(self.delta("scanner_data", signal=word, confidence=confidence))

    def flood(self):
        """Of two instruments in turn: what a batch says of one topic in a row is one publication."""
        for first in range(0, FLOOD, BATCH):
            self.send(*(self.delta("market_data", f"sim:{i % 2}", price=100.0 + i % 7, note=f"{i}" + "x" * 1000)
                        for i in range(first, first + BATCH)))


def log_of(trader):
    with open(trader.log, encoding="utf-8") as log:
        return log.read()


def main():
    with Scene("--history-category", "market_data 500", "--publish-agent-queue", "1000") as scene:
        feed = Feed(scene)
        feed.price(100.0)
        feed.signal("buy", 0.5)
        output = open(scene.path("summary"), "w", encoding="utf-8")
        trader = scene.start("trader", "--ingress", scene.ingress, "--publish", scene.publish, "--json", "--lot",
                             "0.001", "--cooldown-ms", "0", stdout=output)

        def trades():
            return len(scene.ask("history", "trades", "--last", "1000")[1].get("publications", []))

        def seen():
            """The trader has handled all that was published."""
            head = scene.done("status")["sequence"]
            row = scene.agent("trader")
            return row.get("liveness") == "LIVE" and row["backlog"] == 0 and row["queue_depth"] == 0 and head

        wait_for("the trader has joined", seen)
        feed.price(101.0)
        wait_for("the trader has the price", seen)
        assert trades() == 0, "traded on a signal that it found"
        feed.signal("buy", 0.6)
        wait_for("a trade on the next signal", lambda: trades() == 1)

        trader.send_signal(signal.SIGSTOP)
        feed.flood()
        feed.signal("sell", 0.7)
        trader.send_signal(signal.SIGCONT)
        wait_for(lambda: "a loss and its recovery: " + log_of(trader)[-2000:],
                 lambda: "is current again" in log_of(trader).replace("inputs are", "is"))
        wait_for("the trader has caught up", seen)
        assert trades() == 1, "traded on a signal that came while some of its input was lost"
        feed.price(102.0)
        wait_for("it acts on that signal once it knows all, with the next price", lambda: trades() == 2)
        feed.signal("hold", 0.0)
        wait_for("it trades again", lambda: trades() == 3)

        wait_for("the trader has seen all", seen)
        made = trades()
        trader.send_signal(signal.SIGTERM)
        assert trader.wait(20) == 0, log_of(trader)
        with open(output.name, encoding="utf-8") as file:
            summary = json.load(file)
        output.close()
        assert summary["trades"] == made, (summary["trades"], made)
        assert summary["gaps"] > 0 and summary["recoveries"] > 0 and summary["waits_for_input"] > 0, summary
        assert summary["dropped"] == summary["recovered"] + summary["resynchronized"] > 0, summary
        assert summary["state_learned"] >= 2, summary
        assert "lost" in log_of(trader), log_of(trader)
        print(f"{summary['dropped']} publications lost, {summary['waits_for_input']} waits, {made} trades")


if __name__ == "__main__":
    sys.exit(main())
