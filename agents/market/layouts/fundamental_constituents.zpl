#   SPDX-License-Identifier: MPL-2.0
#   Eight fields of some 490 companies: an agent has at most 4096 fields in a category by default.
description = "S&P 500 companies with their ratios; a snapshot, joined to subjects of the same symbol"
kind = series
files = "fundamental_*constituents*"
columns = Symbol, Name, Sector, Price, Price/Earnings, Dividend Yield, Earnings/Share, 52 Week Low, 52 Week High, Market Cap, EBITDA, Price/Sales, Price/Book, SEC Filings
optional = Sector, Price/Earnings, Dividend Yield, Earnings/Share, 52 Week Low, 52 Week High, Market Cap, EBITDA, Price/Sales, Price/Book
market = company
symbol_keys_context = yes
#   The file has no times: nobody knew it before the day it was made.
fixed_time = 2026-08-22
roles
    symbol = Symbol
    price = Price
texts
    fundamental_sector = Sector
numbers
    fundamental_price = Price
    fundamental_price_earnings = Price/Earnings
    fundamental_dividend_yield = Dividend Yield
    fundamental_earnings_share = Earnings/Share
    fundamental_market_cap = Market Cap
    fundamental_price_sales = Price/Sales
    fundamental_price_book = Price/Book
