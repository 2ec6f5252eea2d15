#   SPDX-License-Identifier: MPL-2.0
description = "WTI crude oil, daily spot price, USD a barrel"
kind = series
files = "macro_wti*"
columns = Date, Price
market = context
symbol = wti
time_format = date
time_zone = America/New_York
#   Released once a week.
lag = 7d
#   It was -36.98 on 2020-04-20.
allow_non_positive = yes
roles
    time = Date
    price = Price
numbers
    macro_wti = Price
