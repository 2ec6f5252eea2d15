#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""The examples printed in README.md are the tested files, to the letter. Says which are not, and exits 1.

With --write they are put in again from the files.
"""
import pathlib
import re
import sys

# In the order in which the blocks of a language stand.
EXAMPLES = {"c": ["publisher.c", "subscriber.c"], "python": ["subscriber.py"], "js": ["subscriber.js"]}


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    readme = root / "README.md"
    text = readme.read_text()
    stale = []
    for language, names in EXAMPLES.items():
        end = 0
        for name in names:
            wanted = f"```{language}\n{(root / 'agents/examples' / name).read_text()}```"
            found = re.compile(rf"^```{language}\n.*?^```$", re.M | re.S).search(text, end)
            if not found or found.group() != wanted:
                stale.append(name)
            if found:
                text = text[: found.start()] + wanted + text[found.end() :]
                end = found.start() + len(wanted)
    if "--write" in sys.argv[1:]:
        readme.write_text(text)
        return 0
    for name in stale:
        print(f"README.md does not print agents/examples/{name} as it is: run tests/interop/readme_check.py --write")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
