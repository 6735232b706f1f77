#!/usr/bin/env python3
"""The structure test: the lab's promises about its own sources. Prints TAP.

    tests/structure/run.py [--self-test] [ROOT]

"The diff is the lecture" only as long as it is true, so it is tested: outside of four functions
select.c, poll.c and epoll.c are the same, line for line; a variant is its base, but for its one
idea; nothing in common/ knows which model runs it; no model knows HTTP. ROOT is the tree to look at
(default: the one this file is part of).

--self-test breaks each of these promises in a copy of the tree, once or more, and expects the
check to notice: a check that cannot fail is none. Exit 0: all passed; 1: something failed; 2: bad
usage.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from checks import CHECKS, LONG_FILE_LINES, READINESS, findings  # noqa: E402
from mutations import self_test  # noqa: E402
from sources import Broken, Tree, base_of, changed_lines  # noqa: E402


def diagnostics(tree):
    pairs = [(f"models/{one}.c", f"models/{two}.c") for one, two in zip(READINESS, READINESS[1:])]
    for name in tree.names("models/variants", ".c"):
        try:
            pairs.append((base_of(tree, name), name))
        except Broken:
            pass
    for one, two in pairs:
        try:
            yield f"diff {one} {two}: {changed_lines(tree, one, two)} lines"
        except Broken:
            pass
    names = tree.names(".", ".c", ".h", ".py", ".sh")
    for name in names:
        if name.startswith(("build", ".git/", "results")):
            continue
        count = tree.text(name).count("\n")
        if count > LONG_FILE_LINES:
            yield f"over {LONG_FILE_LINES} lines: {name} ({count})"


def main():
    parser = argparse.ArgumentParser(description="Check the lab's promises about its own sources. Prints TAP.")
    parser.add_argument("--self-test", action="store_true", help="also break each promise in a copy, and expect it to be noticed")
    parser.add_argument("root", nargs="?", default=Path(__file__).resolve().parents[2], help="the tree to look at")
    arguments = parser.parse_args()
    if not (Path(arguments.root) / "models").is_dir():
        parser.error(f"{arguments.root} has no folder models/")
    tree = Tree(arguments.root)
    results = [(" ".join(check.__doc__.split()), findings(check, tree)) for check in CHECKS]
    if arguments.self_test:
        results += self_test(arguments.root)
    print(f"1..{len(results)}")
    for number, (name, wrong) in enumerate(results, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        for line in wrong[:20]:
            print(f"#   {line}")
    for line in diagnostics(tree):
        print(f"# {line}")
    sys.exit(1 if any(wrong for _, wrong in results) else 0)


if __name__ == "__main__":
    main()
