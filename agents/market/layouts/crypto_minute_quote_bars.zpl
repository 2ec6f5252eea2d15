#   SPDX-License-Identifier: MPL-2.0
description = "Minute quote bars of several crypto markets (LEAN)"
kind = quote_bar
columns = ts_utc_ms, market, symbol, time_ms_since_midnight_utc, bid_open, bid_high, bid_low, bid_close, bid_size, ask_open, ask_high, ask_low, ask_close, ask_size
time_format = unix_ms
bar_length = 60s
bar_stamp = start
jump_percent = 20
roles
    time = ts_utc_ms
    market = market
    symbol = symbol
    bid = bid_close
    bid_size = bid_size
    ask = ask_close
    ask_size = ask_size
