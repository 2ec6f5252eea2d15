# SPDX-License-Identifier: MPL-2.0
"""Charts as SVG, by matplotlib: bars for cases, curves for what grows.

A bar is as long as the median of the rounds, with a line from least to most and its number beside it, so that nothing
rests on colour alone. A case's colour is that of its system, in batches or not. A curve has a logarithmic x axis, and a
band from least to most; its y axis is logarithmic too where values are far apart. Texts stay texts, and the same
figures give the same file, so that a committed chart changes when its figures do.
"""
import importlib.util

WIDTH, ROW_HEIGHT, MARGIN, CURVE_HEIGHT = 8.2, 0.31, 1.15, 3.6  # inches
COLOURS = {"bare": "#8a8f98", "codec": "#b08a3e", "syncbus": "#2f7ed8", "library": "#5aa9e6", "nats": "#3f9b6a",
           "nats_state": "#3f9b6a", "redis": "#c8553d", "redis_state": "#c8553d", "mosquitto": "#8e6bbf"}
OTHER = "#6f7f8f"
LINES = (("#2f7ed8", "o"), ("#c8553d", "s"), ("#3f9b6a", "^"))
FAR_APART = 50  # the greatest median as a multiple of the least
STYLE = {"svg.hashsalt": "syncbus", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
         "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.spines.top": False,
         "axes.spines.right": False, "axes.edgecolor": "#6a737d", "axes.axisbelow": True, "axes.grid": True,
         "grid.color": "#d9dde2", "grid.linewidth": 0.7, "legend.frameon": False}


def can_draw():
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def number(value):
    """A number short enough to read: three digits that matter, thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return "{:,.0f}".format(value)
    return "%.3g" % value


def plain_axis(axis):
    from matplotlib import ticker
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: number(value)))


def save(draw, height, path):
    import matplotlib
    from matplotlib.figure import Figure
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(path, format="svg", metadata={"Date": None})


def bars(path, title, axis_title, values, systems):
    """values: label -> median, low, high; systems: label -> system."""
    def draw(axes):
        medians = [value["median"] for value in values.values()]
        most = max(value["high"] for value in values.values()) or 1
        axes.barh(range(len(values)), medians, 0.66,
                  color=[COLOURS.get(systems.get(label), OTHER) for label in values])
        axes.errorbar(medians, range(len(values)), fmt="none", ecolor="#24292f", elinewidth=1, capsize=2.5,
                      xerr=[[value["median"] - value["low"] for value in values.values()],
                            [value["high"] - value["median"] for value in values.values()]])
        for row, value in enumerate(values.values()):
            axes.annotate(number(value["median"]), (value["high"], row), (5, 0), textcoords="offset points",
                          va="center")
        axes.set(title=title, xlabel=axis_title + "; bar: median, line: least to most of the rounds",
                 xlim=(0, most * 1.13), yticks=range(len(values)), yticklabels=list(values))
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        plain_axis(axes.xaxis)
    save(draw, MARGIN + ROW_HEIGHT * len(values), path)


def curves(path, title, x_title, y_title, lines):
    """lines: name -> list of (x, value), value: median, low, high. An x of 0 stands left of 1."""
    def draw(axes):
        places = sorted({x for points in lines.values() for x, _ in points})
        for (name, points), (colour, marker) in zip(lines.items(), LINES):
            x = [place for place, _ in points]
            axes.plot(x, [value["median"] for _, value in points], color=colour, marker=marker, markersize=4,
                      label=name)
            axes.fill_between(x, [value["low"] for _, value in points], [value["high"] for _, value in points],
                              color=colour, alpha=0.18, linewidth=0)
        medians = [value["median"] for points in lines.values() for _, value in points]
        axes.set_title(title)
        axes.set(xlabel=x_title, ylabel=y_title)
        axes.set_xscale("symlog", linthresh=1) if places[0] == 0 else axes.set_xscale("log")
        axes.set_xticks(places)
        axes.minorticks_off()
        if min(medians) > 0 and max(medians) > FAR_APART * min(medians):
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0, top=1.12 * max(value["high"] for points in lines.values() for _, value in points))
        for axis in (axes.xaxis, axes.yaxis):
            plain_axis(axis)
        if len(lines) > 1:
            axes.legend(title="median; band: least to most of the rounds", alignment="left", loc="upper left")
        else:
            axes.set_xlabel(x_title + "; line: median, band: least to most of the rounds")
    save(draw, CURVE_HEIGHT, path)
