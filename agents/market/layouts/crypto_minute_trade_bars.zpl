#   SPDX-License-Identifier: MPL-2.0
description = "Minute trade bars of several crypto markets (LEAN)"
kind = trade_bar
columns = ts_utc_ms, market, symbol, time_ms_since_midnight_utc, open, high, low, close, volume
time_format = unix_ms
bar_length = 60s
bar_stamp = start
jump_percent = 20
roles
    time = ts_utc_ms
    market = market
    symbol = symbol
    open = open
    high = high
    low = low
    price = close
    size = volume
