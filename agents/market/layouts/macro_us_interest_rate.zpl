#   SPDX-License-Identifier: MPL-2.0
description = "US primary credit rate, at each change, per cent"
kind = series
files = "macro_us_interest_rate*"
columns = DATE, PCREDIT8
market = context
symbol = us_interest_rate
#   Dated the day it takes effect; it is announced before.
time_format = date
time_zone = America/New_York
roles
    time = DATE
numbers
    macro_interest_rate = PCREDIT8
