#   SPDX-License-Identifier: MPL-2.0
description = "Decentralisation index of an Ethereum token, daily"
kind = series
files = "onchain_*"
columns = val, date
market = context
symbol_from_file = "onchain_%_*"
time_format = date
#   Computed from whole UTC days.
lag = 24h
roles
    time = date
numbers
    onchain_%_decentralisation = val
