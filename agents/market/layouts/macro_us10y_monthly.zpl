#   SPDX-License-Identifier: MPL-2.0
description = "Yield of the 10-year US treasury note, monthly mean, per cent"
kind = series
files = "macro_us10y*"
columns = Date, Rate
market = context
symbol = us10y
time_format = date
time_zone = America/New_York
#   Dated the first of the month whose mean it is.
lag = 32d
roles
    time = Date
numbers
    macro_us10y = Rate
