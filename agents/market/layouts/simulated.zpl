#   SPDX-License-Identifier: MPL-2.0
description = "What the simulated exchange writes: trades and quotes in one stream"
kind = mixed
columns = ts_ns, market, symbol, trade_id, price, size, bid, bid_size, ask, ask_size
optional = trade_id, price, size, bid, bid_size, ask, ask_size
time_format = unix_ns
jump_percent = 10
roles
    time = ts_ns
    market = market
    symbol = symbol
    trade_id = trade_id
    price = price
    size = size
    bid = bid
    bid_size = bid_size
    ask = ask
    ask_size = ask_size
