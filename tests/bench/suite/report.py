# SPDX-License-Identifier: MPL-2.0
"""The report: Markdown with tables, and charts as SVG files beside it. It is made from the JSON document alone."""
import os

import charts
from charts import number

RELATIONS = {">=": "at least", "<=": "at most", "<": "below"}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" if i == 0 else "---:" for i in range(len(head))) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def with_spread(value):
    if value is None:
        return "-"
    if value["low"] == value["high"]:
        return number(value["median"])
    return "%s (%s - %s)" % (number(value["median"]), number(value["low"]), number(value["high"]))


def bar_text(bar, figures):
    """What a bar asks for, in words."""
    title = figures[bar["figure"]]["title"]
    what = "%s of %s" % (title, bar["case"])
    against = " that of %s" % bar["base"] if bar["base"] else " " + figures[bar["figure"]]["unit"]
    times = "x" if bar["base"] else ""
    return "%s %s %s%s%s" % (what, RELATIONS[bar["relation"]], number(bar["bound"]), times, against)


def bar_row(bar, figures):
    if bar["bound"] == 0 and bar["relation"] == ">=":  # no bar, only reported
        text = "%s of %s, as a multiple of %s (no bar)" % (figures[bar["figure"]]["title"], bar["case"], bar["base"])
        return [text, with_spread(bar["measured"]), "-"]
    verdict = {True: "reached", False: "**missed**", None: "not measured"}[bar["is_reached"]]
    return [bar_text(bar, figures), with_spread(bar["measured"]), verdict]


def machine_lines(document):
    machine = document["machine"]
    lines = ["%s, %s cores, %s GiB; %s, Linux %s; libzmq %s." %
             (machine["cpu"], machine["cores"], machine["memory_gib"], machine["system"], machine["kernel"],
              machine["libzmq"]),
             "Load before the first run: %s, %d %% of the cores busy." %
             (" ".join(str(load) for load in machine["load"]), round(100 * machine["busy_before"]))]
    if document["peers"]:
        lines.append("Peers: " + ", ".join("%s %s" % item for item in sorted(document["peers"].items())) + ".")
    lines.append("SyncBus %s. Mode: %s, %d %s, %d s in all. Each number is the median of the rounds, with the "
                 "least and the most; each ratio is made within a round." %
                 (document["version"], document["mode"], document["round_count"],
                  "round" if document["round_count"] == 1 else "rounds", document["seconds"]))
    return lines + ["", "**Warning: %s.**" % document["warning"]] if document["warning"] else lines


def chart_lines(workload, folder, systems):
    figures = {figure["key"]: figure for figure in workload["figures"]}
    for key in workload["charts"]:
        values = {label: case[key] for label, case in workload["cases"].items() if case.get(key)}
        if not values:
            continue
        name = "%s-%s.svg" % (workload["name"], key.replace("_", "-"))
        title = "%s: %s" % (workload["title"], figures[key]["title"])
        better = "more is better" if figures[key]["more_is_better"] else "less is better"
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(charts.draw(title, "%s, %s" % (figures[key]["unit"], better), values, systems))
        yield "![%s](%s)" % (title, name)
        yield ""


def workload_lines(workload, folder, systems):
    figures = {figure["key"]: figure for figure in workload["figures"]}
    yield from ["", "## " + workload["title"], "", workload["text"], ""]
    if workload["bars"]:
        yield from table(["Bar", "measured", ""], [bar_row(bar, figures) for bar in workload["bars"]])
        yield ""
    if workload["cases"]:
        yield from table([""] + [", ".join(filter(None, (figure["title"], figure["unit"]))) for figure in workload["figures"]],
                         [[label] + [with_spread(case[figure["key"]]) for figure in workload["figures"]]
                          for label, case in workload["cases"].items()])
        yield ""
    yield from chart_lines(workload, folder, systems)
    for failure in workload["failures"]:
        yield "- **No figure**: %s, round %d: %s" % (failure["case"], failure["round"], failure["problem"])


def write(document, path):
    """Writes the report to `path`, and its charts into the same folder."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    lines = ["# SyncBus, measured", ""] + machine_lines(document)
    if document["left_out"]:
        lines += ["", "Left out, since not installed or not built: " + ", ".join(document["left_out"]) + "."]
    for workload in document["workloads"]:
        lines += workload_lines(workload, folder, document["systems"])
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
