#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Ticks for bench_basic: bench_basic_ticks.py OUTPUT COUNT [FOLDER of the market data].

Writes a line a tick, `time_ns instrument field=value ...`, and prints where they come from: the first COUNT trades and
quotes of the crypto capture with its receive times, or, where there is none, of a simulated exchange of the same shape.
"""
import csv
import gzip
import heapq
import os
import random
import sys

CAPTURE = "crypto_binance_20240808_09"


def trades(path):
    count = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            instrument = f"{row['market']}:{row['symbol']}"
            count[instrument] = count.get(instrument, 0) + 1
            yield (int(row["local_ts_ns"]), instrument,
                   {"last_price": row["price"], "last_quantity": row["qty"], "trade_id": row["trade_id"],
                    "trade_ms": row["trade_ts_ms"], "aggressor_sold": int(row["buyer_is_maker"] == "true"),
                    "trades": count[instrument]})


def quotes(path):
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            bid, ask = float(row["bid_price"]), float(row["ask_price"])
            yield (int(row["local_ts_ns"]), f"{row['market']}:{row['symbol']}",
                   {"bid": row["bid_price"], "bid_quantity": row["bid_qty"], "ask": row["ask_price"],
                    "ask_quantity": row["ask_qty"], "middle": (bid + ask) / 2, "spread": ask - bid})


def simulated():
    """Six instruments, a quote four times as often as a trade, 630 a second on the whole."""
    source = random.Random(1)
    names = [f"{market}:{symbol}" for market in ("usdm", "cm", "spot") for symbol in ("BTC", "ETH")]
    price = {name: 60000.0 if name.endswith("BTC") else 2600.0 for name in names}
    time_ns, count = 10 ** 18, 0
    while True:
        time_ns += int(source.expovariate(630) * 1e9)
        name = source.choice(names)
        price[name] = round(price[name] * (1 + source.gauss(0, 1e-5)), 2)
        if source.random() < 0.2:
            count += 1
            yield (time_ns, name, {"last_price": price[name], "last_quantity": round(source.random(), 3),
                                   "trade_id": count, "trade_ms": time_ns // 10 ** 6,
                                   "aggressor_sold": int(source.random() < 0.5), "trades": count})
        else:
            yield (time_ns, name, {"bid": price[name], "bid_quantity": round(source.random() * 9, 3),
                                   "ask": price[name] + 0.1, "ask_quantity": round(source.random() * 9, 3),
                                   "middle": price[name] + 0.05, "spread": 0.1})


def main(output, count, folder=""):
    capture = os.path.join(folder, CAPTURE)
    is_recorded = os.path.isdir(capture)
    rows = simulated()
    if is_recorded:
        rows = heapq.merge(trades(os.path.join(capture, "trades.csv.gz")),
                           quotes(os.path.join(capture, "book_ticker_l1.csv.gz")), key=lambda row: row[0])
    with open(output, "w", encoding="ascii") as file:
        for _, (time_ns, instrument, fields) in zip(range(int(count)), rows):
            told = " ".join(f"{name}={value}" for name, value in fields.items())
            file.write(f"{time_ns} {instrument} {told}\n")
    print("recorded" if is_recorded else "simulated")


if __name__ == "__main__":
    main(*sys.argv[1:])
