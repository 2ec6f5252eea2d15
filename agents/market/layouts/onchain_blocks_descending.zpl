#   SPDX-License-Identifier: MPL-2.0
description = "Arrival of Bitcoin blocks at one node, newest first"
kind = series
header = no
files = "onchain_btc_block_arrivals_darosior*"
order = descending
columns = height, hash, arrival_ms
market = context
symbol_from_file = "onchain_btc_block_arrivals_%*"
time_format = unix_ms
#   A node that went silent says nothing of today.
max_age = 1d
roles
    time = arrival_ms
integers
    onchain_block_height_% = height
