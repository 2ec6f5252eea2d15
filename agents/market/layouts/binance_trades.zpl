#   SPDX-License-Identifier: MPL-2.0
description = "Binance trades of several markets, with the time of receipt"
kind = trade
columns = local_ts_ns, market, symbol, event_ts_ms, trade_ts_ms, trade_id, price, qty, buyer_is_maker, order_type_x
optional = order_type_x
#   The recorder's clock orders the streams; the exchange's own times are passed on.
time_format = unix_ns
jump_percent = 10
roles
    time = local_ts_ns
    market = market
    symbol = symbol
    trade_id = trade_id
    price = price
    size = qty
integers
    trade_id = trade_id
    exchange_time_ms = trade_ts_ms
booleans
    buyer_is_maker = buyer_is_maker
