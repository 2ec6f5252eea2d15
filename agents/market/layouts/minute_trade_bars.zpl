#   SPDX-License-Identifier: MPL-2.0
description = "Minute trade bars of several instruments with a price scale each (LEAN)"
kind = trade_bar
columns = ts_utc_ms, symbol, price_scale, time_ms_since_midnight, open, high, low, close, volume
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
    open = open
    high = high
    low = low
    price = close
    size = volume
