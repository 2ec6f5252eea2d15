#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""script/demo on recorded markets, which are not part of the repository: without them the test is skipped, loudly.

desk_recorded.py equity | crypto
"""
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile

DEMO = os.path.join(os.environ["SB_SOURCE_DIR"], "script", "demo")
DATA = os.path.join(os.environ["SB_SOURCE_DIR"], "..", "shared", "marketdata")
DESK = ["market", "risk", "scanner", "trader", "trainer"]
CATEGORIZED = ("technical", "fundamental", "sentiment", "risk", "onchain", "macro")
EQUITY_ROWS = 573620
PACE = 60


def data(*parts):
    path = os.path.join(DATA, *parts)
    if not os.path.exists(path):
        print("=" * 78 + f"\nSKIPPED, NOT TESTED: there is no recorded market at {path}\n" + "=" * 78)
        sys.exit(77)
    return path


def rows_of(path):
    """The file's own count of rows, its first and its last row."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        first = last = next(reader)
        count = 1
        for last in reader:
            count += 1
    return count, first, last


def run_demo(*arguments):
    with tempfile.TemporaryDirectory(prefix="sb-desk-recorded-") as folder:
        answer = subprocess.run([DEMO, "--build-dir", os.environ["SB_BINARY_DIR"], "--json", *arguments], text=True,
                                capture_output=True, check=False, env=dict(os.environ, TMPDIR=folder))
    assert answer.returncode == 0, f"exit code {answer.returncode}\n{answer.stdout}\n{answer.stderr}"
    return json.loads(answer.stdout)


def check_rows(summary, count):
    rows = summary["rows"]
    assert rows["read"] == count, f"{rows['read']} of {count} rows were read"
    accounted = rows["published"] + rows["unchanged"] + sum(rows["rejected"].values()) + sum(rows["refused"].values())
    assert accounted == count and rows["pending"] == 0, rows
    assert rows["published"] > 0.9 * count, rows
    assert not rows["refused"] and not summary["broker"]["refusals"], "nobody asked for a refusal"


def check_agents(summary):
    assert [agent["agent_id"] for agent in summary["agents"]] == DESK
    for agent in summary["agents"]:
        assert agent["is_healthy"] and agent["breaker"] == "CLOSED" and agent["failures"] == 0, agent
        assert agent["refused"] == 0 and agent["failed"] == 0 and agent["backlog"] in (0, None), agent


def check_desk(summary):
    trades = summary["trading"]["trades"]
    assert trades > 0, "the trader has not traded"
    assert summary["latency"]["reactions"] > 0 and summary["risk"]["executions"] == trades, "risk has not reacted"
    weights = summary["training"]["weights"]
    assert len(weights) >= 3 and min(weights.values()) > 0 and abs(sum(weights.values()) - 1) < 1e-6, weights
    assert summary["training"]["closings"] > 0
    assert summary["ok"] and not summary["problems"], summary["problems"]


def check(summary, count):
    check_rows(summary, count)
    check_agents(summary)
    check_desk(summary)
    print(f"{count} rows in {summary['seconds']} s, {summary['trading']['trades']} trades, categories "
          f"{summary['broker']['categories']}")


def equity():
    path = data("us_equity_201310", "trades_BAC.csv.gz")
    count, _, _ = rows_of(path)
    assert count == EQUITY_ROWS, f"another file: {count} rows"
    check(run_demo("--pace", "flat", path), count)


def crypto():
    path, context = data("crypto_binance_20240808_09", "trades.csv.gz"), data("context")
    count, first, last = rows_of(path)
    summary = run_demo("--pace", str(PACE), "--context", context, path)
    check(summary, count)
    span_s = (int(last["local_ts_ns"]) - int(first["local_ts_ns"])) / 1e9
    assert summary["seconds"] + 1 >= span_s / PACE, f"{span_s} s in {summary['seconds']} s is faster than {PACE} times"
    categories = summary["broker"]["categories"]
    assert all(categories.get(name, 0) > 0 for name in CATEGORIZED), categories


if __name__ == "__main__":
    {"equity": equity, "crypto": crypto}[sys.argv[1]]()
