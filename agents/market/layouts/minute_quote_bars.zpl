#   SPDX-License-Identifier: MPL-2.0
description = "Minute quote bars of several instruments with a price scale each (LEAN)"
kind = quote_bar
columns = ts_utc_ms, symbol, price_scale, time_ms_since_midnight, bid_open, bid_high, bid_low, bid_close, bid_size, ask_open, ask_high, ask_low, ask_close, ask_size
market = us_minute
time_format = unix_ms
session_zone = America/New_York
bar_length = 60s
bar_stamp = start
jump_percent = 20
roles
    time = ts_utc_ms
    symbol = symbol
    price_scale = price_scale
    bid = bid_close
    bid_size = bid_size
    ask = ask_close
    ask_size = ask_size
