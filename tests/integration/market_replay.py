#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""syncbus-market against a real broker: every row accounted for, whatever it is read from, paused, stopped, cut short.

A subscriber that knows only the schema compares what came out with what the summary says.
"""
import collections
import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["SB_SOURCE_DIR"], "tests", "interop"))

import zmq

from plain_broker import Broker, load_schema, program, wait_for

RECORDED = os.path.join(os.environ["SB_SOURCE_DIR"], "..", "shared", "marketdata")
HEADER = "ts_utc_ms,time_ms_since_midnight_et,price_x10000,size,exchange,sale_condition,suspicious\n"
SIX = {"technical", "fundamental", "sentiment", "risk", "onchain", "macro"}
numbers = itertools.count(1)


def rows(count):
    return "".join("%d,0,%d,100,P,0,0\n" % (1381132800000 + i, 139400 + i % 7) for i in range(count))


class Market:
    """One run of the program."""

    def __init__(self, broker, *arguments, stdin=subprocess.DEVNULL):
        self.process = subprocess.Popen(
            [program("agents", "market", "syncbus-market"), "--json", "--ingress", broker.ingress, *arguments],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, code=0, seconds=60):
        """The summary; the exit code must be `code`."""
        try:
            out, error = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("syncbus-market did not end: %s" % self.process.communicate()[1]) from None
        assert self.process.returncode == code, "exit code %d\n%s\n%s" % (self.process.returncode, out, error)
        summary = json.loads(out)
        found = summary["published"] + summary["unchanged"] + summary["rejected_total"] + summary["refused_total"]
        assert summary["balances"] and summary["read"] == found and summary["pending"] == 0, summary
        return summary


class Reader:
    """A SUB on everything, counting."""

    def __init__(self, schema, broker):
        self.schema = schema
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = 0
        self.socket.connect(broker.publish)
        self.socket.subscribe("")
        self.categories = collections.Counter()
        self.tick_ids = []
        self.quality = {}
        wait_for("a beat", lambda: self.socket.poll(100) and self.socket.recv().startswith(b"_beat."))

    def read(self):
        """Takes in what waits; true when there was anything but beats."""
        any_found = False
        while self.socket.poll(0):
            topic, _, body = self.socket.recv().partition(b"\0")
            category, _, subject = topic.decode().split(".", 2)
            if category.startswith("_"):
                continue
            any_found = True
            for update in self.schema.Publication.FromString(body).updates:
                self.take(category, subject, update)
        return any_found

    def take(self, category, subject, update):
        self.categories[category] += 1
        for change in update.changes:
            if category == "market_data" and subject == "feed":
                self.quality[change.name] = change.value.integer
            elif change.name == "tick_id":
                self.tick_ids.append(change.value.integer)


def command(schema, broker, name, **fields):
    request = schema.CommandRequest(command_id="test-%d-%d" % (os.getpid(), next(numbers)), command=name, issuer="test", reason="a test",
                                    timeout_ms=5000, protocol=1, issued_unix_ns=time.time_ns(), **fields)
    with zmq.Context.instance().socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(broker.command)
        socket.send(request.SerializeToString())
        assert socket.poll(10000), "no reply to %s" % name
        reply = schema.CommandReply.FromString(socket.recv())
    assert reply.code == 0, reply
    return reply


def simulation_reaches_all_categories_and_each_tick_arrives_once(schema, broker, _):
    reader = Reader(schema, broker)
    market = Market(broker, "--sim", "7", "--rows", "4000", "--pace", "20")
    wait_for("the end", lambda: reader.read() and False or market.process.poll() is not None)
    summary = market.finish()
    wait_for("the last tick", lambda: reader.read() is not None and len(reader.tick_ids) >= summary["published"])
    assert summary["read"] == 4000 and summary["rejected_total"] > 0, summary
    assert sorted(reader.tick_ids) == list(range(1, summary["published"] + 1)), "a tick is missing or doubled"
    assert SIX <= set(reader.categories), reader.categories
    wait_for("the final quality", lambda: reader.read() is not None and reader.quality.get("rows_published") == summary["published"])
    assert reader.quality["rows_read"] == 4000
    for cause, count in summary["rejected"].items():
        assert reader.quality["rows_rejected." + cause] == count, cause


def standard_input_fifo_and_file_give_the_same(schema, broker, folder):
    text = HEADER + rows(5000)
    path = os.path.join(folder, "trades_BAC.csv")
    with open(path, "w") as file:
        file.write(text)
    by_file = Market(broker, "--pace", "flat", path).finish()
    with open(path) as file:
        by_input = Market(broker, "--pace", "flat", "--as", "trades_BAC.csv", "-", stdin=file).finish()
    fifo = os.path.join(folder, "trades_BAC.fifo")
    os.mkfifo(fifo)
    market = Market(broker, "--pace", "flat", fifo)
    with open(fifo, "wb") as file:
        packed = gzip.compress(text.encode())
        file.write(packed[:100])
        file.flush()
        file.write(packed[100:])
    by_fifo = market.finish()
    counts = [(found["read"], found["published"]) for found in (by_file, by_input, by_fifo)]
    assert counts == [(5000, 5000)] * 3, counts


def json_lines_are_read_and_dirt_is_counted(schema, broker, folder):
    path = os.path.join(folder, "trades.jsonl")
    row = {"local_ts_ns": 1, "market": "spot", "symbol": "BTCUSDT", "event_ts_ms": 1, "trade_ts_ms": 1, "trade_id": 1, "price": "61837.63",
           "qty": "0.02", "buyer_is_maker": True, "order_type_x": None}
    with open(path, "w") as file:
        for i in range(1, 101):
            file.write(json.dumps(dict(row, local_ts_ns=i, trade_id=i)) + "\n")
        file.write(json.dumps(dict(row, local_ts_ns=101, trade_id=100)) + "\n{broken\n")
        file.write(json.dumps(dict(row, local_ts_ns=101, trade_id=101, price=float("nan"))) + "\n" + "x" * 70000 + "\n")
    summary = Market(broker, "--pace", "flat", path).finish()
    assert summary["published"] == 100, summary
    assert summary["rejected"] == {"duplicate_id": 1, "bad_row": 1, "not_finite": 1, "too_long": 1}, summary


def gzip_cut_in_the_middle_publishes_what_was_whole(schema, broker, folder):
    path = os.path.join(folder, "trades_CUT.csv.gz")
    packed = gzip.compress((HEADER + rows(50000)).encode())
    with open(path, "wb") as file:
        file.write(packed[:len(packed) // 2])
    summary = Market(broker, "--pace", "flat", path).finish(code=1)
    assert summary["truncated_input"] == 1 and "cut" in summary["error"], summary
    assert 1000 < summary["published"] < 50000, summary


def paused_feed_keeps_its_place(schema, broker, folder):
    path = os.path.join(folder, "trades_PAUSE.csv")
    with open(path, "w") as file:
        file.write(HEADER + rows(4000))
    reader = Reader(schema, broker)
    market = Market(broker, "--pace", "1", path)
    wait_for("ticks", lambda: reader.read() is not None and len(reader.tick_ids) > 100)
    command(schema, broker, "pause_agent", agent_id="market")
    wait_for("silence", lambda: not reader.read() and not reader.socket.poll(700))
    before = len(reader.tick_ids)
    time.sleep(1)
    assert not reader.read(), "the feed went on while paused"
    assert market.process.poll() is None and before < 4000
    command(schema, broker, "resume_agent", agent_id="market")
    market.process.wait(30)
    summary = market.finish(code=market.process.returncode)
    assert summary["read"] == 4000 and set(summary["refused"]) <= {"PAUSED"}, summary
    assert summary["refused_total"] < (4000 - before) // 2, \
        "what was not yet read when the pause came must not be lost: %s" % summary


def stop_signal_ends_a_feed_even_while_it_is_stopped(schema, broker, _):
    reader = Reader(schema, broker)
    market = Market(broker, "--sim", "3", "--pace", "5")
    wait_for("ticks", lambda: reader.read() is not None and len(reader.tick_ids) > 50)
    market.process.send_signal(signal.SIGTERM)
    summary = market.finish()
    assert summary["published"] > 50 and summary["refused_total"] == 0, summary
    market = Market(broker, "--sim", "4", "--pace", "5")
    reader.tick_ids.clear()
    wait_for("ticks", lambda: reader.read() is not None and len(reader.tick_ids) > 50)
    reply = command(schema, broker, "emergency_stop")
    wait_for("silence", lambda: not reader.read() and not reader.socket.poll(700))
    assert market.process.poll() is None
    market.process.send_signal(signal.SIGTERM)
    market.process.wait(20)
    summary = market.finish(code=market.process.returncode)
    assert set(summary["refused"]) <= {"EMERGENCY_STOPPED"}, summary
    epoch = next(column.value.integer for record in reply.records for column in record.columns if column.name == "latch_epoch")
    command(schema, broker, "emergency_clear", parameters=[schema.Parameter(name="latch_epoch", value=schema.Value(integer=epoch))])


def broker_that_comes_back_finds_the_feed_waiting(schema, broker, folder):
    path = os.path.join(folder, "trades_BACK.csv")
    with open(path, "w") as file:
        file.write(HEADER + rows(6000))
    reader = Reader(schema, broker)
    market = Market(broker, "--pace", "1", path)
    wait_for("ticks", lambda: reader.read() is not None and len(reader.tick_ids) > 500)
    broker.process.kill()
    broker.process.wait()
    time.sleep(1)
    assert market.process.poll() is None, "the feed must outlive its broker"
    broker.process = subprocess.Popen(
        [program("broker", "live", "syncbusd"), "--ingress", broker.ingress, "--publish", broker.publish, "--command", broker.command,
         "--state-dir", broker.folder], stdout=broker.log, stderr=broker.log)
    # A SUB asks for its topics again when its owner next touches it: so read on all the while.
    wait_for("the end", lambda: reader.read() and False or market.process.poll() is not None)
    summary = market.finish(code=market.process.returncode)
    assert summary["read"] == 6000 and set(summary["refused"]) <= {"SESSION_LOST"}, summary
    print("    %d of 6000 rows were under way when the broker died" % summary["refused_total"])
    wait_for("the last tick", lambda: reader.read() is not None and reader.tick_ids and max(reader.tick_ids) == 6000)


def looping_feed_starts_over(schema, broker, folder):
    path = os.path.join(folder, "trades_LOOP.csv.gz")
    with gzip.open(path, "wt") as file:
        file.write(HEADER + rows(100))
    summary = Market(broker, "--pace", "flat", "--loop", "--rows", "1050", path).finish()
    assert summary["read"] == summary["published"] == 1050 and summary["subjects"] == 1, summary


def recorded_file_goes_through_flat_out(schema, broker, _):
    path = os.path.join(RECORDED, "us_equity_201310", "trades_BAC.csv.gz")
    if not os.access(path, os.R_OK):
        print("SKIPPED, NOT TESTED: no recorded market data at %s" % path)
        return
    start = time.monotonic()
    summary = Market(broker, "--pace", "flat", path).finish()
    elapsed_s = time.monotonic() - start
    assert summary["published"] == 573620 and summary["repeated"] == 35225 and summary["derived_refused"] == 0, summary
    assert elapsed_s < 60, "%.1f s" % elapsed_s
    print("    573,620 rows in %.1f s" % elapsed_s)


def exit_codes_and_sentences(schema, broker, folder):
    market = program("agents", "market", "syncbus-market")
    path = os.path.join(folder, "odd.csv")
    with open(path, "w") as file:
        file.write("a,b\n1,2\n")
    table = [(["--what"], 2, "unknown option"), ([], 2, "nothing to read"), ([path], 1, "no layout fits"),
             ([os.path.join(folder, "absent")], 1, "No such file"), (["--layout", "nosuch", path], 1, "--list-layouts"),
             (["--layouts", folder + "/absent", path], 2, "--layouts"), (["--help"], 0, ""), (["--print-layout", "equity_trades"], 0, ""),
             (["--sim", "1", "--rows", "5", "--ingress", "tcp://127.0.0.1:9", "--connect-timeout", "1"], 3, "is syncbusd running?")]
    for arguments, code, sentence in table:
        done = subprocess.run([market, *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == code, (arguments, done)
        assert sentence in done.stderr, (arguments, done.stderr)


TESTS = [simulation_reaches_all_categories_and_each_tick_arrives_once, standard_input_fifo_and_file_give_the_same,
         json_lines_are_read_and_dirt_is_counted, gzip_cut_in_the_middle_publishes_what_was_whole, paused_feed_keeps_its_place,
         stop_signal_ends_a_feed_even_while_it_is_stopped,
         broker_that_comes_back_finds_the_feed_waiting, looping_feed_starts_over, recorded_file_goes_through_flat_out, exit_codes_and_sentences]


def main():
    with tempfile.TemporaryDirectory() as folder:
        schema = load_schema(folder)
        for test in TESTS:
            if len(sys.argv) > 1 and sys.argv[1] not in test.__name__:
                continue
            with tempfile.TemporaryDirectory() as own, Broker(own) as broker:
                test(schema, broker, own)
            print("ok %s" % test.__name__)


if __name__ == "__main__":
    main()
