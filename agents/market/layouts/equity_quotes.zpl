#   SPDX-License-Identifier: MPL-2.0
description = "Equity quotes, one side of one venue a row; the best bid and offer is rebuilt (LEAN)"
kind = sided_quote
columns = ts_utc_ms, time_ms_since_midnight_et, bid_price_x10000, bid_size, ask_price_x10000, ask_size, exchange, quote_condition, suspicious
optional = quote_condition
market = us_equity
symbol_from_file = "quotes_%*"
time_format = unix_ms
session_zone = America/New_York
price_divisor = 10000
book_reset = 4h
quote_stale = 1s
jump_percent = 25
roles
    time = ts_utc_ms
    bid = bid_price_x10000
    bid_size = bid_size
    ask = ask_price_x10000
    ask_size = ask_size
    venue = exchange
    suspicious = suspicious
