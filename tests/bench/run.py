"""Tests of the benchmark: `tests/bench/run.py [WORD ...]`, only cases whose name has a WORD.

The arithmetic and the verdicts on made-up rows; then the program itself as its user meets it: a short run,
peers that are not installed, one core only, Ctrl-C. Prints TAP. It uses the binaries in $BUILD (default:
build). No case asserts a time or a speed: what a verdict says of this machine today is not tested.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "bench"), os.path.join(ROOT, "experiments")]

import bench  # noqa: E402
import callgrind  # noqa: E402
import memory  # noqa: E402
import table  # noqa: E402
import verdicts  # noqa: E402
from lib import rows as tsv  # noqa: E402

PROGRAM = os.path.join(ROOT, "bench", "bench.py")
CASES = []


def case(function):
    CASES.append(function)
    return function


def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what or 'got'}: {got!r}, not {expected!r}")


def true(claim, what):
    if not claim:
        raise AssertionError(what)


def row(section, turn, who, connections, rate, cpu, server=0.99, generator=0.80, others=0.0):
    return {"section": section, "round": turn, "who": who, "connections": connections, "status": "ok",
            "requests_per_s": rate, "server_cpu_us": cpu, "generator_cpu_us": cpu, "server_share": server,
            "generator_share": generator, "server_others": others, "generator_others": 0.0}


def line_of(lines, subject, peer, connections):
    return next(line for line in lines
                if (line.subject, line.peer, line.connections) == (subject, peer, connections))


# The arithmetic.

@case
def a_ratio_is_the_median_over_rounds_of_what_ran_in_the_same_round():
    rows = []
    for turn, (mine, theirs) in enumerate(((100, 100), (50, 100), (90, 100), (300, 400), (80, 100)), 1):
        rows += [row("servers", turn, "epoll", 64, mine, 4.0), row("servers", turn, "floor", 64, theirs, 4.0)]
    rows.append(row("servers", 6, "epoll", 64, 1e9, 4.0))  # its peer failed in this round
    found = line_of(verdicts.server_lines(rows, ("epoll",), (64,)), "epoll", "floor", 64)
    equal(found.figures["requests_per_s_ratio"], verdicts.Spread(0.80, 0.50, 1.0, 5))


@case
def servers_are_judged_by_requests_or_by_cpu_where_the_generator_is_the_limit():
    def verdict(rate, cpu, **limits):
        rows = [row("servers", 1, "epoll", 64, rate, cpu, **limits),
                row("servers", 1, "floor", 64, 100.0, 1.0, **limits)]
        return line_of(verdicts.server_lines(rows, ("epoll",), (64,)), "epoll", "floor", 64).verdict

    limited = {"server": 0.80, "generator": 0.99}
    equal(verdict(95, 1.20), "met (requests/s)")
    equal(verdict(94, 1.20), "missed")
    equal(verdict(94, 1.05), "missed (the generator is not the limit)")
    equal(verdict(94, 1.05, **limited), "met (CPU; the generator is the limit)")
    equal(verdict(94, 1.06, **limited), "missed")
    equal(verdict(100, 1.06, **limited), "met (requests/s; the generator is the limit)")
    equal(verdict(94, 1.00, others=0.2, **limited), "missed (the generator is not the limit); disturbed")
    equal(verdict(95, 1.20, others=0.2), "met (requests/s); disturbed")


@case
def nginx_has_to_be_beaten_not_reached():
    def verdict(rate, cpu):
        rows = [row("servers", 1, "epoll", 64, rate, cpu), row("servers", 1, "nginx", 64, 100.0, 1.0)]
        return line_of(verdicts.server_lines(rows, ("epoll",), (64,)), "epoll", "nginx", 64).verdict

    equal(verdict(109, 0.95), "missed")
    equal(verdict(110, 0.95), "met (requests/s)")


@case
def the_generator_needs_both_more_requests_and_less_cpu():
    def verdict(connections, rate, cpu, server=0.7):
        rows = [row("generator", 1, "loadgen", connections, rate, cpu, server),
                row("generator", 1, "wrk", connections, 100.0, 1.0)]
        return line_of(verdicts.generator_lines(rows), "loadgen", "wrk", connections).verdict

    equal(verdict(64, 125, 0.80), "met")
    equal(verdict(1000, 125, 0.80), "missed (requests/s)")
    equal(verdict(1000, 140, 0.81), "missed (CPU)")
    equal(verdict(64, 120, 0.90, server=0.99), "missed (requests/s; the floor is the limit, CPU)")


@case
def what_could_not_be_measured_says_why():
    rows = [row("servers", 1, "epoll", 64, 100.0, 1.0),
            {"section": "servers", "round": 1, "who": "nginx", "connections": 64, "status": "n/a: not installed"},
            {"section": "servers", "round": 1, "who": "floor", "connections": 64, "status": "failed: it broke"}]
    lines = verdicts.server_lines(rows, ("epoll",), (64,))
    equal(line_of(lines, "epoll", "nginx", 64).verdict, "not measured: nginx: not installed")
    equal(line_of(lines, "epoll", "floor", 64).verdict, "not measured: floor: it broke")
    true("not installed" in table.section("servers", lines), "the table does not say why")


@case
def the_limit_of_a_run_is_who_had_no_time_left():
    for shares, expected in (((0.99, 0.99), "both"), ((0.99, 0.5), "server"), ((0.5, 0.99), "generator"),
                             ((0.5, 0.5), "neither")):
        equal(verdicts.limit(row("x", 1, "x", 1, 1, 1, *shares)), expected)
    equal(verdicts.limit(row("x", 1, "x", 1, 1, 1, 0.92, 0.5, others=0.04)), "server", "with a little noise")
    equal(verdicts.limit(row("x", 1, "x", 1, 1, 1, 0.99, 0.5, others=0.4)), "others")


@case
def memory_is_judged_by_the_worst_of_its_four_figures():
    found = [(level, {"pss": 1e6 + 200 * level, "private": 5e5 + 240 * level + (1e5 if level else 0),
                      "page_tables": 0, "kernel_stacks": 16384}) for level in memory.LEVELS]
    summed_up = memory.summed_up(found)
    equal(round(summed_up["pss_slope"]), 200)
    equal(round(summed_up["private_difference"]), 250)
    equal(summed_up["worst"], max(summed_up["private_slope"], summed_up["private_difference"]))
    for worst, expected in ((250.0, "met"), (250.1, "missed")):
        rows = [{"section": "memory", "round": 1, "who": who, "connections": 10000, "status": "ok",
                 **summed_up, "worst": worst} for who in ("epoll", "thread")]
        lines = verdicts.memory_lines(rows, ("epoll", "thread", "nginx"))
        equal([line.verdict for line in lines], [expected, "no target", "not measured: not asked for"])


@case
def callgrinds_file_is_read_as_its_manual_says():
    text = """# callgrind format
positions: line
events: Ir
fl=(1) /x/main.c
fn=(1) main
10 5
+2 7
cfi=(2) /x/lib.c
cfn=(2) recv
calls=3 20
* 300
-1 1
fi=(3) /x/inline.h
4 9
fe=(1)
11 2
fn=(2)
20 33

totals: 57
"""
    with tempfile.NamedTemporaryFile("w", suffix=".out") as file:
        file.write(text)
        file.flush()
        profile = callgrind.read(file.name)
    equal(dict(profile.instructions), {"main.c:main": 15, "inline.h:main": 9, "main.c:recv": 33})
    equal(dict(profile.calls), {"recv": 3})
    twice = callgrind.Profile({key: 3 * value for key, value in profile.instructions.items()}, {"recv": 9})
    less = callgrind.difference(twice, callgrind.read(os.devnull), 3)
    equal(dict(less.instructions), {"main.c:main": 15.0, "inline.h:main": 9.0, "main.c:recv": 33.0})


# The program.

def descendants(pid):
    """The pids below a process, as /proc knows them now."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def run(*options, **more):
    return subprocess.run([sys.executable, PROGRAM, *options], capture_output=True, text=True, timeout=300,
                          check=False, stdin=subprocess.DEVNULL, **more)


@case
def a_short_run_measures_every_comparison_and_writes_it_down():
    with tempfile.TemporaryDirectory(prefix="six-test-") as path:
        out = os.path.join(path, "b.tsv")
        done = run("--rounds", "1", "--seconds", "1", "--only", "generator,memory,close", "--out", out)
        equal(done.returncode, 0, done.stderr)
        facts, lines = tsv.read(out)
        raw_facts, raw = tsv.read(os.path.join(path, "b-raw.tsv"))
        equal(facts, raw_facts)
        for key in ("kernel", "cpu", "git", "build", "server_core", "generator_core", "nginx", "wrk"):
            true(facts.get(key), f"the header lacks {key}")
        equal([one["subject"] for one in lines],
              ["loadgen", "loadgen", "epoll", "io_uring", "nginx", "thread", "floor", "floor", "epoll",
               "io_uring", "thread", "nginx"])
        for one in lines:
            true(re.match(r"met|missed|no target|not measured: ", one["verdict"]), one["verdict"])
        for one in raw:
            true(one["status"] == "ok" or one["status"].startswith("n/a: "), one["status"])
        epoll = [one for one in raw if one["who"] == "epoll" and one["section"] == "close"]
        true(float(epoll[0]["requests_per_s"]) > 0 and float(epoll[0]["server_cpu_us"]) > 0, "no figures")


@case
def peers_that_are_not_installed_are_left_out_with_a_line():
    with tempfile.TemporaryDirectory(prefix="six-test-") as path:
        stand_in = ("import sys; sys.path[:0] = sys.argv[1:3]; import bench, arena, shutil; "
                    "shutil.which = lambda *a, **k: None; sys.exit(bench.main(sys.argv[3:]))")
        done = subprocess.run([sys.executable, "-c", stand_in, os.path.join(ROOT, "bench"),
                               os.path.join(ROOT, "experiments"), "--rounds", "1", "--seconds", "1", "--only",
                               "generator", "--out", os.path.join(path, "b.tsv")], capture_output=True,
                              text=True, timeout=120, check=False)
        equal(done.returncode, 0, done.stderr)
        true("not measured: wrk: wrk is not installed (make deps-bench)" in done.stdout, done.stdout)


@case
def ctrl_c_ends_every_child_and_keeps_what_was_measured():
    with tempfile.TemporaryDirectory(prefix="six-test-") as path:
        out = os.path.join(path, "b.tsv")
        child = subprocess.Popen([sys.executable, PROGRAM, "--seconds", "2", "--only", "close", "--out", out],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            until = time.monotonic() + 60
            while not os.path.exists(os.path.join(path, "b-raw.tsv")) and time.monotonic() < until:
                time.sleep(0.05)  # a row is there: now it is at the second run
            while not descendants(child.pid) and time.monotonic() < until:
                time.sleep(0.01)
            below = descendants(child.pid)
            true(below, "nothing was running")
            child.send_signal(signal.SIGINT)
            said, _ = child.communicate(timeout=60)
        finally:
            child.kill()
        equal(child.returncode, 130, said)
        equal([pid for pid in below if not gone(pid)], [], "still running")
        true("interrupted" in said, said)
        _, rows = tsv.read(os.path.join(path, "b-raw.tsv"))
        true(rows and rows[0]["who"] == "floor" and rows[0]["status"] == "ok", rows)
        _, lines = tsv.read(out)
        equal(lines[0]["subject"], "floor")


@case
def mistakes_get_one_clear_line():
    for options, status, words in ((["--only", "speed"], 2, "there is servers, generator"),
                                   (["--rounds", "0"], 2, "at least 1"),
                                   (["--build", "/nonexistent"], 1, "is not built (make all)"),
                                   (["--server-core", "1", "--generator-core", "1"], 1, "two different ones")):
        done = run(*options)
        equal(done.returncode, status, f"{options}: {done.stderr}")
        true(words in done.stderr, done.stderr)
    one_core = {min(os.sched_getaffinity(0))}
    done = run(preexec_fn=lambda: os.sched_setaffinity(0, one_core))
    equal(done.returncode, 1)
    true("two cores are needed" in done.stderr, done.stderr)


@case
def every_second_round_runs_in_the_opposite_order_and_pairs_are_neighbours():
    for section in bench.SECTIONS:
        runs = bench.plan(section)
        equal(len(set(runs)), len(runs), section)
        counts = [connections for _, _, connections in runs]
        equal(counts, sorted(counts), f"{section}: what is compared must run one after the other")


def main(words):
    chosen = [one for one in CASES if not words or any(word in one.__name__ for word in words)]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, one in enumerate(chosen, 1):
        name = one.__name__.replace("_", " ")
        try:
            one()
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}")
            print("\n".join(f"# {line}" for line in traceback.format_exc().splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
