"""Cases of the experiment thread_wall, and of its programs build/thread_wall and build/thread_cost."""

import json
import os
import resource
import shutil
import subprocess

import made_up_thread_wall
from suite import BUILD, EXPERIMENTS, case, directory, equal, near, rows_of, verdicts

thread_wall = EXPERIMENTS["thread_wall"]
RESERVED, IN_USE, TOUCHED, KERNEL_STACK, WALL, SWITCH, ANY_CORE, START, PROCESS, FORKED = range(10)


@case
def thread_wall_finds_the_slopes_that_were_put_in():
    rows, each = rows_of("thread_wall"), made_up_thread_wall.EACH_KB
    for column in ("virtual_kb", "resident_kb", "kernel_stacks_kb"):
        near(thread_wall.slope(rows, column), each[column])
    near(thread_wall.slope(rows, "kernel_kb"), 4 + 16 + 7)
    near(thread_wall.at(rows, 10000, "real_kb"), 1550 + 10000 * (8.2 + 4 + 16 + 7))
    near(thread_wall.own_kb(rows, 50).median, 36 + 144 + 16)
    equal(thread_wall.walls(rows), [(32400, "kernel.pid_max")] * 3)
    equal(verdicts(thread_wall.findings(rows, {})), [True] * 10)
    assert "32,400 threads, then kernel.pid_max refused" in thread_wall.findings(rows, {}).answer


def spoilt(column, value, **where):
    """The predictions that fail when this column of these rows is another."""
    rows = rows_of("thread_wall")
    for row in rows:
        if all(row.get(key) == wanted for key, wanted in where.items()):
            row[column] = f"{value(float(row[column])):.9g}"
    found = verdicts(thread_wall.findings(rows, {}))
    assert None not in found, found
    return [index for index, holds in enumerate(found) if not holds]


@case
def thread_wall_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("virtual_kb", lambda kb: kb / 4, kind="park"), [RESERVED])
    equal(spoilt("resident_kb", lambda kb: 200 * kb, kind="park"), [IN_USE, TOUCHED])
    equal(spoilt("kernel_stacks_kb", lambda kb: kb / 2, kind="park"), [KERNEL_STACK])
    equal(spoilt("threads", lambda n: n - 1000, kind="wall", repeat="2"), [WALL])
    equal(spoilt("switch_us", lambda us: 100, kind="switch", how="futex", pinned="1"), [SWITCH, ANY_CORE])
    equal(spoilt("switch_us", lambda us: 1, kind="switch", how="futex", pinned="0"), [ANY_CORE])
    equal(spoilt("single_us", lambda us: 80, kind="start", model="thread"), [START])
    equal(spoilt("single_us", lambda us: 10, kind="start", model="process"), [PROCESS])
    equal(spoilt("private_kb", lambda kb: 50000, kind="fork", ballast_mib="50"), [FORKED])
    rows = rows_of("thread_wall")
    [row.update(wall="memory") for row in rows if row["kind"] == "wall" and row["repeat"] == "3"]
    equal(thread_wall.findings(rows, {}).predictions[WALL].holds, False, "another limit than foreseen")


@case
def thread_wall_that_was_not_reached_is_no_verdict():
    rows = [row for row in rows_of("thread_wall") if row.get("threads", "0") not in ("20000", "30000")]
    for row in rows:
        if row["kind"] == "wall":
            row.update(refused="0", wall="", how="as many as were asked for", threads="10000")
    found = thread_wall.findings(rows, {})
    equal(found.predictions[WALL].holds, None)
    assert "no limit refused one" in found.answer, found.answer


def run(name, *options, **more):
    return subprocess.run([os.path.join(BUILD, name), *map(str, options)], capture_output=True, text=True, timeout=120,
                          check=False, **more)


def lines(done):
    equal((done.returncode, done.stderr), (0, ""))
    return [json.loads(line) for line in done.stdout.splitlines()]


@case
def thread_wall_counts_what_it_parks():
    found = lines(run("thread_wall", "--max", 500))
    equal([line["line"] for line in found], ["foreseen"] + ["sample"] * 4 + ["wall"])
    equal([line["threads"] for line in found[1:]], [0, 100, 200, 500, 500])
    equal((found[-1]["refused"], found[-1]["wall"]), (False, ""))
    first, last = found[1], found[4]
    each = last["stack_kb"] + last["guard_kb"]
    near((last["virtual_kb"] - first["virtual_kb"]) / 500, each, 0.01)


def limited(**limits):
    def set_limits():
        for name, value in limits.items():
            if name != "uid":
                resource.setrlimit(getattr(resource, name), (value, value))
        if "uid" in limits:
            os.setuid(limits["uid"])
    return set_limits


@case
def thread_wall_names_the_limit_that_refused():
    wall = lines(run("thread_wall", preexec_fn=limited(RLIMIT_AS=600 << 20)))[-1]
    equal((wall["refused"], wall["wall"]), (True, "RLIMIT_AS (ulimit -v), KiB"))
    assert 20 < wall["threads"] < 75 and "no further stack can be mapped" in wall["how"], wall
    if os.getuid() != 0:
        return  # what follows needs a user that has no other processes
    with directory() as box:
        os.chmod(box, 0o755)
        shutil.copy(os.path.join(BUILD, "thread_wall"), box)
        done = subprocess.run([os.path.join(box, "thread_wall")], capture_output=True, text=True, timeout=60,
                              check=False, cwd="/", preexec_fn=limited(RLIMIT_NPROC=40, uid=65533))
    wall = lines(done)[-1]
    equal((wall["wall"], wall["threads"]), ("RLIMIT_NPROC (ulimit -u)", 38), "its own two tasks and 38 more")


@case
def thread_cost_counts_a_switch_for_each_hand_over():
    for more in ((), ("--pipes",)):
        figures = lines(run("thread_cost", "switch", "--seconds", 0.1, "--cpu", min(os.sched_getaffinity(0)), *more))[0]
        assert figures["rounds"] > 0 and 0.9 < figures["switches_per_hand_over"] < 1.3, figures


@case
def thread_cost_sees_that_a_fork_shares():
    for ballast in (0, 32):
        figures = lines(run("thread_cost", "fork", "--count", 3, "--ballast", ballast))[0]
        assert figures["resident_kb"] >= 1024 * ballast and figures["private_kb"] < 1024, figures
    for more, kind in (((), "thread"), (("--processes",), "process")):
        figures = lines(run("thread_cost", "start", "--count", 20, *more))[0]
        equal((figures["kind"], figures["count"]), (kind, 20))
        near(figures["together_us"] * 20, figures["all_us"], 0.01)
        assert 0 < figures["launch_us"] <= figures["together_us"], figures


@case
def thread_programs_refuse_what_makes_no_sense():
    for name, options in (("thread_wall", ("--max", 0)), ("thread_wall", ("--max", "x")), ("thread_wall", ("stray",)),
                          ("thread_cost", ()), ("thread_cost", ("dance",)), ("thread_cost", ("start", "--count", -1)),
                          ("thread_cost", ("start", "stop"))):
        done = run(name, *options)
        equal((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), (name, options))
