# SPDX-License-Identifier: MPL-2.0
"""From rounds to what is reported: medians with their spread, and ratios made within a round.

rounds: a list with one dict for each round, label of the case -> its figures; a case that failed is missing there.
"""
import statistics

from model import FULL_COUNTS, is_reached


def spread(values):
    """Median, least and most of some numbers; None without any."""
    if not values:
        return None
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "count": len(values)}


def of_case(rounds, label, key):
    return spread([figures[label][key] for figures in rounds if key in figures.get(label, {})])


def of_ratio(rounds, key, label, base):
    """The ratio of two cases' figure in each round that has both."""
    return spread([figures[label][key] / figures[base][key] for figures in rounds
                   if label in figures and base in figures and figures[base].get(key)])


def why_not_judged(rounds, bar, measured, mode, failures):
    """Why a bar is neither reached nor missed; None when it is judged."""
    if bar.needs == FULL_COUNTS and mode != "full":
        return bar.needs.otherwise
    has_failed = any(failure["case"] in (bar.case, bar.base) for failure in failures)
    if not measured and not has_failed:
        return "not measured"
    lacking = len(rounds) - (measured["count"] if measured else 0)
    if lacking:  # what is left may be the luckier half
        return "%d of %d rounds did not add up" % (lacking, len(rounds))
    if bar.needs and not all(figures[bar.case].get(bar.needs.figure, 1) for figures in rounds):
        return bar.needs.otherwise
    return None


def judge(rounds, bar, mode="full", failures=()):
    """What a bar measured, None when a case is missing, and whether it is reached: None when it is not judged, and then
    `otherwise` says why."""
    measured = of_case(rounds, bar.case, bar.figure) if bar.base is None else \
        of_ratio(rounds, bar.figure, bar.case, bar.base)
    otherwise = why_not_judged(rounds, bar, measured, mode, failures)
    return {"figure": bar.figure, "case": bar.case, "base": bar.base, "relation": bar.relation, "bound": bar.bound,
            "measured": measured, "is_reached": None if otherwise else is_reached(bar, measured["median"]),
            "otherwise": otherwise}


def of_workload(workload, rounds, failures, mode="full"):
    """Everything that the report and the JSON file say of a workload."""
    labels = [case.label for case in workload.cases if any(case.label in figures for figures in rounds)]
    return {"name": workload.name, "title": workload.title, "text": workload.text,
            "figures": [figure._asdict() for figure in workload.figures], "charts": list(workload.charts),
            "axis": workload.axis._asdict() if workload.axis else None,
            "cases": {label: {figure.key: of_case(rounds, label, figure.key) for figure in workload.figures}
                      for label in labels},
            "bars": [judge(rounds, bar, mode, failures) for bar in workload.bars],
            "rounds": rounds, "failures": failures}
