#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The vectors of the state hash in PROTOCOL.md are what Python and Node make of the page's text.

tests/unit/wire/state_hash_test.c holds the C library to the same rows.
"""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

from node_folder import HERE, skip
from state_hash import KINDS, MASK, parse_value, read_vectors, term


def node_terms(rows):
    lines = "".join(json.dumps([*row[:5], str(row[5])]) + "\n" for row in rows)
    done = subprocess.run(["node", os.path.join(HERE, "state_hash.js")], input=lines, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def main():
    with open(os.path.join(os.environ["SB_SOURCE_DIR"], "schemas", "PROTOCOL.md"), encoding="utf-8") as file:
        rows, stated_sum = read_vectors(file.read())
    assert {row[2] for row in rows} == set(KINDS), "every kind has a vector"
    terms = [term(topic, name, kind, parse_value(kind, text), quality, sequence)
             for topic, name, kind, text, quality, sequence, _ in rows]
    for row, made in zip(rows, terms):
        assert row[6] == "%016x" % made, "%s: Python makes %016x" % (row, made)
    assert "%016x" % (sum(terms) & MASK) == stated_sum
    if not shutil.which("node"):
        skip("there is no node on this machine; Python makes the terms of the page")
    for row, in_node in zip(rows, node_terms(rows), strict=True):
        assert row[6] == in_node, "%s: Node makes %s" % (row, in_node)
    print("Python and Node make the %d terms of the page, and their sum" % len(rows))


if __name__ == "__main__":
    main()
