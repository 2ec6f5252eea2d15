# SPDX-License-Identifier: MPL-2.0
"""Bar charts as SVG, written by hand: a bar for each case, as long as its median, with a line from least to most.

Colours are legible on light and dark ground alike, text takes the reader's colour scheme; every bar has its number
beside it, so that nothing rests on colour alone. A case's colour is that of its system, in batches or not.
"""
import math
from xml.sax.saxutils import escape

LABEL_WIDTH, BAR_WIDTH, NUMBER_WIDTH = 170, 430, 150
ROW_HEIGHT, BAR_HEIGHT, TOP, BOTTOM = 26, 16, 46, 26
COLOURS = {"bare": "#8a8f98", "codec": "#b08a3e", "syncbus": "#2f7ed8", "library": "#5aa9e6", "nats": "#3f9b6a",
           "nats_state": "#3f9b6a", "redis": "#c8553d", "redis_state": "#c8553d", "mosquitto": "#8e6bbf"}
OTHER = "#6f7f8f"
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 14px; font-weight: 600; }
  .quiet { fill: #6a737d; }
  .line { stroke: #6a737d; stroke-width: 1; }
  .spread { stroke: #24292f; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .spread { stroke: #e6edf3; }
  }
"""


def number(value):
    """A number short enough to read: three digits that matter, thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return "{:,.0f}".format(value)
    return "%.3g" % value


def ticks(most):
    """Three to six round numbers from 0 up to `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(part * power for part in (0.2, 0.25, 0.5, 1, 2) if most / (part * power) < 6)
    return [step * i for i in range(int(most / step) + 1)]


def bar(row, label, value, scale, colour):
    middle = TOP + row * ROW_HEIGHT + ROW_HEIGHT / 2
    top = middle - BAR_HEIGHT / 2
    left = LABEL_WIDTH
    yield '<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (left - 8, middle + 4, escape(label))
    yield '<rect x="%d" y="%.1f" width="%.1f" height="%d" rx="2" fill="%s"/>' % (
        left, top, max(1, value["median"] * scale), BAR_HEIGHT, colour)
    yield '<path class="spread" d="M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6"/>' % (
        left + value["low"] * scale, middle, left + value["high"] * scale,
        left + value["low"] * scale, middle - 3, left + value["high"] * scale, middle - 3)
    yield '<text x="%.1f" y="%.1f">%s</text>' % (left + value["high"] * scale + 8, middle + 4, number(value["median"]))


def draw(title, unit, values, systems):
    """The chart of one figure. values: label -> median, low, high; systems: label -> system."""
    most = max(value["high"] for value in values.values()) or 1
    scale = BAR_WIDTH / most
    width = LABEL_WIDTH + BAR_WIDTH + NUMBER_WIDTH
    bottom = TOP + len(values) * ROW_HEIGHT
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">' %
             (width, bottom + BOTTOM, width, bottom + BOTTOM),
             "<title>%s</title>" % escape(title), "<style>%s</style>" % STYLE,
             '<text class="title" x="8" y="20">%s</text>' % escape(title),
             '<text class="quiet" x="8" y="37">%s; bar: median, line: least to most of the rounds</text>' % escape(unit)]
    for tick in ticks(most):
        x = LABEL_WIDTH + tick * scale
        lines.append('<path class="line" stroke-opacity="0.35" d="M%.1f %dV%d"/>' % (x, TOP, bottom))
        lines.append('<text class="quiet" x="%.1f" y="%d" text-anchor="middle">%s</text>' %
                     (x, bottom + 16, number(tick)))
    for row, (label, value) in enumerate(values.items()):
        lines += bar(row, label, value, scale, COLOURS.get(systems.get(label), OTHER))
    return "\n".join(lines + ["</svg>", ""])
