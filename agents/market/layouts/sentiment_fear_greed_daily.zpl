#   SPDX-License-Identifier: MPL-2.0
description = "CNN Fear and Greed index, daily, 0 to 100"
kind = series
files = "sentiment_*fear_greed*"
columns = Date, Fear Greed, Rating
market = context
symbol = fear_greed
time_format = date
time_zone = America/New_York
#   It moves all day: known when the day is over.
lag = 24h
roles
    time = Date
numbers
    sentiment_fear_greed = Fear Greed
texts
    sentiment_fear_greed_rating = Rating
