# SPDX-License-Identifier: MPL-2.0
"""The report: Markdown with tables, and charts as SVG files beside it. It is made from the JSON document alone."""
import os
import re

import charts
from charts import number

RELATIONS = {">=": "at least", "<=": "at most", "<": "below"}


MARKET_DATA = {True: "recorded", None: "not used",
               False: "none here: a simulated exchange takes its place, and bars on recorded ticks are not judged"}


def table(head, rows, numbers=False):
    """`numbers`: all columns but the first are."""
    lines = ["| " + " | ".join(head) + " |",
             "|" + "|".join("---:" if numbers and i else "---" for i in range(len(head))) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def unit(figure):
    return {"us": "\u00b5s"}.get(figure["unit"], figure["unit"])


def with_spread(value):
    if value is None:
        return "-"
    if value["low"] == value["high"]:
        return number(value["median"])
    return "%s (%s - %s)" % (number(value["median"]), number(value["low"]), number(value["high"]))


def bar_text(bar, figures):
    """What a bar asks for, in words."""
    title = figures[bar["figure"]]["title"]
    against = "x that of %s" % bar["base"] if bar["base"] else " " + unit(figures[bar["figure"]])
    return ("%s, %s: %s %s%s" % (title, bar["case"], RELATIONS[bar["relation"]], number(bar["bound"]), against)).strip()


def is_note(bar):
    """A ratio that is only reported."""
    return bar["bound"] == 0 and bar["relation"] == ">="


def bar_row(bar, figures):
    if is_note(bar):
        against = ", as a multiple of %s" % bar["base"] if bar["base"] else ", %s" % unit(figures[bar["figure"]])
        text = "%s, %s%s (no bar)" % (figures[bar["figure"]]["title"], bar["case"], against)
        return [text, with_spread(bar["measured"]), bar.get("otherwise") or "-"]
    verdict = {True: "reached", False: "**missed**", None: bar["otherwise"]}[bar["is_reached"]]
    return [bar_text(bar, figures), with_spread(bar["measured"]), verdict]


def machine_lines(document):
    machine = document["machine"]
    peers = ["%s %s" % item for item in sorted(document["peers"].items())]
    rows = [("Date", document["date"]),
            ("Machine", "%(cpu)s, %(cores)s cores, %(memory_gib)s GiB; %(system)s, Linux %(kernel)s" % machine),
            ("Load before the first run", "%s; %d %% of the cores busy" %
             (" ".join(str(load) for load in machine["load"]), round(100 * machine["busy_before"]))),
            ("SyncBus", document["version"]),
            ("Libraries", "libzmq %(libzmq)s, protobuf-c %(protobuf_c)s" % machine),
            ("Peers", ", ".join(peers) or "none"),
            ("Left out, since not installed, not built or not asked for", ", ".join(document["left_out"]) or "nothing"),
            ("Market data", MARKET_DATA[document.get("is_recorded")]),
            ("Not run", ", ".join(document.get("not_run") or []) or "none"),
            ("Mode", "%s, %d %s of each workload" % (document["mode"], document["round_count"],
                                                     "round" if document["round_count"] == 1 else "rounds")),
            ("Took", "%d min %02d s" % divmod(document["seconds"], 60))]
    yield from table(["", ""], rows)
    if document["warning"]:
        yield from ["", "**Warning: %s.**" % document["warning"]]
    yield from ["", "Each number is the median of the rounds, with the least and the most of them in brackets. Each "
                "ratio is made within a round, of two runs of the same round; a bar is held to the median ratio."]


def overview_lines(document):
    """All bars in one table, and beside them what else is reported of the same cases."""
    rows = [(workload, bar) for workload in document["workloads"] for bar in workload["bars"]]
    bars = [bar for _, bar in rows if not is_note(bar)]
    if not bars:
        return
    compared = {(workload["name"], bar["case"], bar["base"]) for workload, bar in rows if not is_note(bar)}
    reached, missed = (sum(bar["is_reached"] is verdict for bar in bars) for verdict in (True, False))
    not_judged = len(bars) - reached - missed
    yield from ["", "## Bars", "", "%d of %d reached%s." %
                (reached, reached + missed, "; %d not judged, for the reason beside %s" %
                 (not_judged, "it" if not_judged == 1 else "them") if not_judged else ""), ""]
    yield from table(["Workload", "Bar", "measured", ""],
                     [[workload["name"]] + bar_row(bar, {figure["key"]: figure for figure in workload["figures"]})
                      for workload, bar in rows if (workload["name"], bar["case"], bar["base"]) in compared])


def better(figure):
    return "more is better" if figure["more_is_better"] else "less is better"


def single_chart(workload, folder, systems):
    """The chart of a workload with one case: its figures beside one another, which have one unit."""
    ((label, case),) = workload["cases"].items()
    figures = [figure for figure in workload["figures"] if figure["key"] in workload["charts"] and case[figure["key"]]]
    if not figures:
        return
    name = "%s-%s.svg" % (workload["name"], figures[0]["key"].replace("_", "-"))
    charts.bars(os.path.join(folder, name), workload["title"], "%s (%s)" % (unit(figures[0]), better(figures[0])),
                {figure["title"]: case[figure["key"]] for figure in figures},
                {figure["title"]: "bare" if figure["key"].startswith("bare") else systems.get(label)
                 for figure in figures})
    yield "%s: %s" % (workload["title"], ", ".join(figure["title"] for figure in figures)), name


def bar_charts(workload, folder, systems):
    """Draws the charts of a workload; yields their titles and files."""
    for figure in workload["figures"]:
        values = {label: case[figure["key"]] for label, case in workload["cases"].items() if case.get(figure["key"])}
        if figure["key"] not in workload["charts"] or not values:
            continue
        name = "%s-%s.svg" % (workload["name"], figure["key"].replace("_", "-"))
        charts.bars(os.path.join(folder, name), workload["title"],
                    "%s, %s (%s)" % (figure["title"], unit(figure), better(figure)), values, systems)
        yield "%s: %s" % (workload["title"], figure["title"]), name


def curve_charts(workload, folder):
    """The same where cases stand on an axis: a chart for each unit."""
    drawn = [figure for figure in workload["figures"] if figure["key"] in workload["charts"]]
    for common in dict.fromkeys(unit(figure) for figure in drawn):
        figures = [figure for figure in drawn if unit(figure) == common]
        lines = {figure["title"]: [(place, workload["cases"][label][figure["key"]])
                                   for label, place in workload["axis"]["places"].items()
                                   if workload["cases"].get(label, {}).get(figure["key"])] for figure in figures}
        lines = {title: points for title, points in lines.items() if points}
        if not lines:
            continue
        name = "%s-%s.svg" % (workload["name"], figures[0]["key"].replace("_", "-"))
        y_title = common if len(lines) > 1 else "%s, %s" % (next(iter(lines)), common)
        charts.curves(os.path.join(folder, name), workload["title"], workload["axis"]["title"], y_title, lines)
        yield "%s: %s" % (workload["title"], ", ".join(lines)), name


def chart_lines(workload, folder, systems):
    if workload.get("axis"):
        drawn = curve_charts(workload, folder)
    elif len(workload["cases"]) == 1:
        drawn = single_chart(workload, folder, systems)
    else:
        drawn = bar_charts(workload, folder, systems)
    for title, name in drawn:
        yield "![%s](%s)" % (title, name)
        yield ""


def workload_lines(workload, folder, systems):
    figures = {figure["key"]: figure for figure in workload["figures"]}
    yield from ["", "## " + workload["title"], "", workload["text"],
                "`%s`, %.0f s." % (workload["name"], workload.get("seconds", 0)), ""]
    if workload["bars"]:
        yield from table(["Bar", "measured", ""], [bar_row(bar, figures) for bar in workload["bars"]])
        yield ""
    if workload["cases"]:
        yield from table([""] + [", ".join(filter(None, (figure["title"], unit(figure))))
                                 for figure in workload["figures"]],
                         [[label] + [with_spread(case[figure["key"]]) for figure in workload["figures"]]
                          for label, case in workload["cases"].items()], numbers=True)
        yield ""
    yield from chart_lines(workload, folder, systems)
    for failure in workload["failures"]:
        yield "- **No figure**: %s, round %d: %s" % (failure["case"], failure["round"], failure["problem"])


def charts_shown(path):
    """The SVG files beside a report that it shows; none when there is no report."""
    try:
        with open(path, encoding="utf-8") as file:
            return set(re.findall(r"\]\(([^/()]+\.svg)\)", file.read()))
    except FileNotFoundError:
        return set()


def write(document, path):
    """Writes the report to `path`, and its charts into the same folder. Charts that a report before it shows there and
    this one does not are removed: they would stand beside it with other figures."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    lines = ["# SyncBus, measured", "", *machine_lines(document), *overview_lines(document)]
    for workload in document["workloads"]:
        lines += workload_lines(workload, folder, document["systems"])
    before = charts_shown(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
    for name in before - charts_shown(path):
        if os.path.isfile(os.path.join(folder, name)):
            os.unlink(os.path.join(folder, name))
