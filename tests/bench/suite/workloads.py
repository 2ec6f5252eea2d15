# SPDX-License-Identifier: MPL-2.0
"""All workloads, in the order of the report."""
import core_workloads
import load_workloads
import scale

WORKLOADS = load_workloads.WORKLOADS + scale.WORKLOADS + core_workloads.WORKLOADS
# Left out of --quick and --tiny unless named by --only.
FULL_ONLY = scale.FULL_ONLY | {workload.name for workload in core_workloads.WORKLOADS}
# The cases that --tiny runs of some workloads.
TINY_CASES = scale.TINY_CASES
