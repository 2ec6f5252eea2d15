# SPDX-License-Identifier: MPL-2.0
"""All workloads, in the order of the report."""
import load_workloads

WORKLOADS = list(load_workloads.WORKLOADS)
