#!/usr/bin/env python3
"""Where io_uring is forbidden: one clear line, exit 77, and experiments that go on without it. TAP.

usage: tests/forbidden/run.py [--build build]
"""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
FORBID = [sys.executable, os.path.join(HERE, "forbid.py")]

count = failures = 0


def case(name, good, why):
    global count, failures
    count += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {count} - io_uring forbidden: {name}")
    if not good:
        print("# " + str(why).replace("\n", "\n# "))


def run(*command):
    return subprocess.run([*FORBID, *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def main(arguments):
    build = os.path.abspath(arguments[1] if arguments[:1] == ["--build"] else os.path.join(ROOT, "build"))
    done = run(os.path.join(build, "io_uring"), "--port", "0")
    case("the server exits with 77", done.returncode == 77, f"exit {done.returncode}: {done.stderr}")
    case("and says why and what to look at in one line, on stderr alone",
         done.stdout == "" and done.stderr.count("\n") == 1 and "Operation not permitted" in done.stderr
         and "kernel.io_uring_disabled" in done.stderr, done.stdout + done.stderr)
    done = run(os.path.join(build, "epoll"), "--version")
    case("nobody else minds", done.returncode == 0, done.stderr)
    with tempfile.TemporaryDirectory(prefix="six-forbidden-") as out:
        done = run("./run_all.sh", "--quick", "--only", "timeline", "--models", "epoll,io_uring", "--out", out)
        case("an experiment goes on without it", done.returncode == 0, f"exit {done.returncode}: {done.stderr}")
        table = os.path.join(out, "timeline.tsv")
        rows = []
        if os.path.exists(table):
            with open(table, encoding="utf-8") as file:
                lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
            rows = [dict(zip(lines[0], line)) for line in lines[1:]]
        absent = [row for row in rows if row["model"] == "io_uring"]
        case("its row says n/a and the reason", absent and all(
            row["verdict"].startswith("n/a") and "not permitted" in row["verdict"] for row in absent), absent[:2])
        case("the other model was measured", any(
            row["model"] == "epoll" and row["verdict"] == "valid" for row in rows), rows[:2])
        charts = [name for name in os.listdir(out) if name.endswith(".svg")]
        said = [name for name in charts if "io_uring" in open(os.path.join(out, name), encoding="utf-8").read()]
        case("and the charts say so, none left out in silence", charts and said, charts)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
