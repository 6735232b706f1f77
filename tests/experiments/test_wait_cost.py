"""Cases of the experiment wait_cost, and of its program build/wait_cost on this machine."""

import json
import os
import subprocess

import made_up_wait_cost
from suite import BUILD, EXPERIMENTS, case, equal, near, rows_of, verdicts

wait_cost = EXPERIMENTS["wait_cost"]
(SELECT_SLOPE, POLL_SLOPE, EPOLL_FLAT, URING_FLAT, AT_100, AT_1000, AT_10000, ALIKE_AT_10, SLOTS, STRAIGHT,
 ACTIVE_FLAT, ALL_BUSY) = range(12)


@case
def wait_cost_finds_slope_and_ratios_that_were_put_in():
    rows = rows_of("wait_cost")
    cost = made_up_wait_cost.cost_us
    near(wait_cost.at(rows, "poll", 10000), cost("poll", 10000, 1))
    near(wait_cost.ratio(rows, "poll", "epoll", 1000), cost("poll", 1000, 1) / cost("epoll", 1000, 1))
    near(wait_cost.ratio(rows, "select", "epoll", 10000, 100), cost("select", 10000, 100) / cost("epoll", 1, 100))
    near(wait_cost.growth(rows, "epoll", 10, 10000), 1)
    assert 0.9 < wait_cost.slope(rows, "select") < 1, wait_cost.slope(rows, "select")
    power = [dict(row, cpu_us=str(0.01 * float(row["watched"]) ** 1.3)) for row in rows]
    near(wait_cost.slope(power, "poll"), 1.3)
    equal(verdicts(wait_cost.findings(rows, {})), [True] * 12)


def spoilt(column, value, **where):
    """The predictions that fail when this column of these rows is another."""
    rows = rows_of("wait_cost")
    for row in rows:
        if all(row[key] == wanted for key, wanted in where.items()):
            row[column] = f"{value(float(row[column])):.9g}"
    found = verdicts(wait_cost.findings(rows, {}))
    assert None not in found, found
    return [index for index, holds in enumerate(found) if not holds]


@case
def wait_cost_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("cpu_us", lambda us: 0.2, model="poll", watched="10000", active="1"), [POLL_SLOPE, AT_10000])
    equal(spoilt("cpu_us", lambda us: 60 * us, model="select", watched="10000", active="1"), [SELECT_SLOPE])
    equal(spoilt("cpu_us", lambda us: 4 * us, model="io_uring", watched="10000", active="1"), [URING_FLAT])
    equal(spoilt("cpu_us", lambda us: 4 * us, model="epoll", watched="10000", active="1"), [EPOLL_FLAT, AT_10000])
    equal(spoilt("cpu_us", lambda us: 3, model="poll", watched="100", active="1"), [AT_100])
    equal(spoilt("cpu_us", lambda us: 30, model="poll", watched="1000", active="1"), [AT_1000])
    equal(spoilt("cpu_us", lambda us: 3 * us, model="select", watched="10", active="1"), [ALIKE_AT_10])
    equal(spoilt("cpu_us", lambda us: 5 * us, model="poll", watched="500", active="100"), [STRAIGHT])
    equal(spoilt("cpu_us", lambda us: 3 * us, model="epoll", watched="10000", active="100"), [ACTIVE_FLAT])
    equal(spoilt("cpu_us", lambda us: 3 * us, model="select", watched="100", active="100"), [ALL_BUSY])


@case
def wait_cost_allows_no_slot_more_or_less():
    for model, change in (("poll", 1), ("poll", -1), ("select", -6), ("select", 100), ("epoll", 1), ("io_uring", 1)):
        equal(spoilt("slots", lambda slots, change=change: slots + change, model=model, watched="1000", repeat="2"),
              [SLOTS], f"{model} {change:+}")


@case
def wait_cost_says_what_was_not_measured():
    equal(verdicts(wait_cost.findings(rows_of("wait_cost", "epoll"), {})),
          [None, None, True, None, None, None, None, None, None, None, True, None])
    rows = rows_of("wait_cost", "select", "poll", "epoll")
    rows.append({"model": "io_uring", "verdict": "n/a: no io_uring here", "active": "1", "watched": "10"})
    found = wait_cost.findings(rows, {})
    equal(found.predictions[URING_FLAT].holds, None)
    equal(found.tables[0].rows[-1], ["io_uring"] + ["n/a"] * 5)


def run(*options):
    return subprocess.run([os.path.join(BUILD, "wait_cost"), *map(str, options)], capture_output=True, text=True,
                          timeout=120, check=False)


@case
def wait_cost_counts_every_slot_on_this_machine():
    for watched, active in ((1, 1), (50, 1), (1200, 1), (300, 100), (700, 700)):
        for model in made_up_wait_cost.MECHANISMS:
            done = run("--mechanism", model, "--descriptors", watched, "--active", active, "--seconds", 0.02)
            if done.returncode == 77:
                assert json.loads(done.stdout)["verdict"].startswith("n/a: no io_uring"), done
                continue
            equal((done.returncode, done.stderr), (0, ""), f"{model} {watched}")
            figures = json.loads(done.stdout)
            row = {key: str(figures[key]) for key in ("slots", "waits")}
            row.update(model=model, watched=str(watched), active=str(active))
            assert wait_cost.exact_slots(row), (figures, model)
            assert figures["operations"] > 0 and figures["cpu_us"] > 0, figures


@case
def wait_cost_refuses_what_makes_no_sense():
    for options in (("--mechanism", "kqueue"), ("--active", 101), ("--descriptors", 0), ("--seconds", "x"), ("stray",),
                    ("--nonsense",)):
        done = run(*options)
        equal((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), options)
    done = run("--descriptors", 1000000)
    equal(done.returncode, 1)
    assert "ulimit -Hn" in done.stderr, done.stderr
