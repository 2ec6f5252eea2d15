#   SPDX-License-Identifier: MPL-2.0
description = "Binance best bid and offer of several markets, with the time of receipt"
kind = quote
columns = local_ts_ns, market, symbol, event_ts_ms, transaction_ts_ms, update_id, bid_price, bid_qty, ask_price, ask_qty
#   Spot has no times of the exchange.
optional = event_ts_ms, transaction_ts_ms
time_format = unix_ns
jump_percent = 10
roles
    time = local_ts_ns
    market = market
    symbol = symbol
    bid = bid_price
    bid_size = bid_qty
    ask = ask_price
    ask_size = ask_qty
