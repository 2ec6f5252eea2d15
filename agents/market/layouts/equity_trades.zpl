#   SPDX-License-Identifier: MPL-2.0
description = "Equity trades, tick by tick, times in UTC, prices in ten-thousandths (LEAN)"
kind = trade
columns = ts_utc_ms, time_ms_since_midnight_et, price_x10000, size, exchange, sale_condition, suspicious
optional = sale_condition
market = us_equity
symbol_from_file = "trades_%.*"
time_format = unix_ms
session_zone = America/New_York
price_divisor = 10000
jump_percent = 10
roles
    time = ts_utc_ms
    price = price_x10000
    size = size
    suspicious = suspicious
texts
    exchange = exchange
    sale_condition = sale_condition
booleans
    suspicious = suspicious
