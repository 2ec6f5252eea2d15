#   SPDX-License-Identifier: MPL-2.0
description = "S&P 500 with dividend, earnings and price ratio, monthly (Shiller)"
kind = series
files = "fundamental_*shiller*"
columns = Date, SP500, Dividend, Earnings, Consumer Price Index, Long Interest Rate, Real Price, Real Dividend, Real Earnings, PE10
market = context
symbol = sp500
time_format = date
time_zone = America/New_York
#   A quarter's earnings are out about a quarter later.
lag = 120d
zero_is_missing = Dividend, Earnings, Consumer Price Index, Long Interest Rate, Real Price, Real Dividend, Real Earnings, PE10
roles
    time = Date
    price = SP500
numbers
    fundamental_sp500 = SP500
    fundamental_sp500_dividend = Dividend
    fundamental_sp500_earnings = Earnings
    fundamental_sp500_pe10 = PE10
    macro_consumer_price_index = Consumer Price Index
    macro_long_interest_rate = Long Interest Rate
