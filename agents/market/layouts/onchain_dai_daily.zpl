#   SPDX-License-Identifier: MPL-2.0
description = "Decentralisation index of the Dai token with its means, daily"
kind = series
files = "onchain_*"
columns = val, date, n, SMA30, SMA60, SMA90, SMA180, EMA, EMA0.3
optional = SMA30, SMA60, SMA90, SMA180, EMA, EMA0.3
market = context
symbol_from_file = "onchain_%.*"
time_format = date
lag = 24h
roles
    time = date
numbers
    onchain_%_decentralisation = val
    onchain_%_sma_30 = SMA30
    onchain_%_sma_60 = SMA60
    onchain_%_sma_90 = SMA90
    onchain_%_sma_180 = SMA180
    onchain_%_ema = EMA
