#   SPDX-License-Identifier: MPL-2.0
description = "VIX, daily, index points"
kind = series
files = "risk_vix*"
columns = DATE, OPEN, HIGH, LOW, CLOSE
market = context
symbol = vix
time_format = date
time_zone = America/New_York
#   The index is final a quarter of an hour after the close of 16:00.
lag = 16h30m
roles
    time = DATE
    open = OPEN
    high = HIGH
    low = LOW
    price = CLOSE
numbers
    risk_vix_open = OPEN
    risk_vix_high = HIGH
    risk_vix_low = LOW
    risk_vix_close = CLOSE
