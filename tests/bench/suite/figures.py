# SPDX-License-Identifier: MPL-2.0
"""Figures that several workloads give, so that they have one name and one unit wherever they stand."""
from model import Figure

P50 = Figure("p50_us", "p50", "us", False)
P99 = Figure("p99_us", "p99", "us", False)
P999 = Figure("p999_us", "p99.9", "us", False)
SERVER_CPU = Figure("server_cpu_us", "server CPU an update", "us", False)


def rate(unit="updates/s"):
    return Figure("rate", "rate", unit, True)
