# SPDX-License-Identifier: MPL-2.0
"""All workloads, in the order of the report."""
import load_workloads
import scale

WORKLOADS = load_workloads.WORKLOADS + scale.WORKLOADS
FULL_ONLY = scale.FULL_ONLY  # left out of --quick and --tiny unless named by --only
