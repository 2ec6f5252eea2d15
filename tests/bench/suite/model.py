# SPDX-License-Identifier: MPL-2.0
"""What a workload is: cases that run in turn, figures that each run gives, bars that ratios of them are held to.

A Workload has a function `run (case, context)` that makes one run of one case and returns its figures, a dict of
numbers by the names of `figures`. It raises AccountingError when what was measured does not add up: then there is no
figure. Cases run A B A B, so that a machine that gets slower or faster meanwhile does so for all; ratios are made
within a round, and their median counts.
"""
import collections

# One way to do the workload. system: key of servers.SERVERS, or whatever the workload's run understands; options: for
# run; a value may be Sizes.
Case = collections.namedtuple("Case", "label system options")

# A number for each mode: the whole benchmark, --quick, --tiny.
Sizes = collections.namedtuple("Sizes", "full quick tiny")

# A figure of each run: its key, its name and unit for people, and whether more is better.
Figure = collections.namedtuple("Figure", "key title unit more_is_better")

# The ratio of `figure` of two cases, or the figure of `case` itself when base is None, and what it is held to:
# relation is ">=" or "<=" or "<". needs: a Condition without which it is not judged. Nor is it when a round of its
# cases did not add up.
Bar = collections.namedtuple("Bar", "figure case base relation bound needs", defaults=[None])

# A figure that must not be 0 in any round, and what is said where it is.
Condition = collections.namedtuple("Condition", "figure otherwise")

# That of bars on a size: --quick and --tiny measure less, which would reach them by smaller work.
FULL_COUNTS = Condition(None, "not judged at this size")

# What the cases of a workload differ in, for curves: its name, and where each case stands, label -> number.
Axis = collections.namedtuple("Axis", "title places")

# charts: keys of the figures that the report draws. axis: an Axis where the charts are curves. rounds: how many, where
# more would say nothing new.
Workload = collections.namedtuple("Workload", "name title text run cases figures charts bars axis rounds",
                                  defaults=[None, None])


class AccountingError(Exception):
    """A run whose numbers do not add up, or that could not be made."""


class Context:
    """What a run may need to know of the whole benchmark."""

    def __init__(self, mode, build, source, verbose=False, market_data=""):
        self.mode = mode  # "full", "quick" or "tiny"
        self.build = build  # folder of the build
        self.source = source  # folder of the sources
        self.verbose = verbose
        self.market_data = market_data  # folder of the recorded market data; need not exist

    def size(self, value):
        """The number that this mode takes."""
        return getattr(value, self.mode) if isinstance(value, Sizes) else value

    def options(self, case):
        """A case's options with the numbers of this mode."""
        return {name: self.size(value) for name, value in case.options.items()}


def is_reached(bar, measured):
    """Whether a bar holds for that ratio or figure."""
    return {">=": measured >= bar.bound, "<=": measured <= bar.bound, "<": measured < bar.bound}[bar.relation]
