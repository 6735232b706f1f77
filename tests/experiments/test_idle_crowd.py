"""Cases of the experiment idle_crowd."""

import made_up_idle_crowd
from suite import EXPERIMENTS, case, equal, near, rows_of, verdicts

idle_crowd = EXPERIMENTS["idle_crowd"]
SCANS, CONSTANT, EPOLL, IO_URING, THREAD, POLL, CPU, ALIKE = range(8)


@case
def idle_crowd_finds_shares_and_growth_that_were_put_in():
    rows, cost = rows_of("idle_crowd"), made_up_idle_crowd.cost_us
    near(idle_crowd.share(rows, "poll"), 100 * cost("poll", 0) / cost("poll", 10000))
    near(idle_crowd.share(rows, "epoll"), 100)
    near(idle_crowd.growth(rows, "poll"), cost("poll", 10000) / cost("poll", 0))
    equal(idle_crowd.share(rows, "select"), None, "it has no 10,000")
    equal(verdicts(idle_crowd.findings(rows, {})), [True] * 8)
    assert "poll 10,006, epoll 1, io_uring 2" in idle_crowd.findings(rows, {}).answer


@case
def idle_crowd_compares_within_a_repeat():
    rows = rows_of("idle_crowd")
    for row in rows:  # the whole machine at half speed during one repeat
        if row["repeat"] == "2" and "throughput_rps" in row:
            row["throughput_rps"] = str(float(row["throughput_rps"]) / 2)
    near(idle_crowd.share(rows, "epoll"), 100)


def spoilt(column, value, **where):
    """The predictions that fail when this column of these rows is another."""
    rows = rows_of("idle_crowd")
    for row in rows:
        if column in row and all(row[key] == wanted for key, wanted in where.items()):
            row[column] = f"{value(float(row[column])):.9g}"
    found = verdicts(idle_crowd.findings(rows, {}))
    assert None not in found, found
    return [index for index, holds in enumerate(found) if not holds]


@case
def idle_crowd_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("slots_per_request", lambda n: n + 1, model="poll", kind="alone", idle="100", repeat="3"), [SCANS])
    equal(spoilt("slots_per_request", lambda n: n - 1, model="select", kind="alone", idle="800"), [SCANS])
    equal(spoilt("slots_per_request", lambda n: n + 0.02, model="epoll", kind="alone", idle="10000"), [CONSTANT])
    for model, index in (("epoll", EPOLL), ("io_uring", IO_URING), ("thread", THREAD)):
        equal(spoilt("throughput_rps", lambda rps: 0.8 * rps, model=model, idle="10000"), [index])
        equal(spoilt("server_cpu_us_per_request", lambda us: 1.5 * us, model=model, idle="10000"), [CPU])
    equal(spoilt("throughput_rps", lambda rps: 3 * rps, model="poll", idle="10000"), [POLL])
    equal(spoilt("server_cpu_us_per_request", lambda us: us / 4, model="poll", idle="10000"), [CPU])
    equal(spoilt("throughput_rps", lambda rps: 0.7 * rps, model="select"), [ALIKE])


@case
def idle_crowd_takes_the_cost_where_only_the_generator_was_at_its_limit():
    rows = rows_of("idle_crowd", "epoll")
    for row in rows:
        if row["kind"] == "load":
            row["verdict"] = "invalid: the generator was saturated (99 % of a core) and the server was not"
    cells = {column: dict(idle_crowd.line(rows, "epoll", "load", column))[0]
             for column in (idle_crowd.COST, "throughput_rps")}
    equal([cells[idle_crowd.COST].valid, cells["throughput_rps"].valid], [True, False])
    for row in rows:
        row["verdict"] += "; 3 of 200 connections were open"
    equal(dict(idle_crowd.line(rows, "epoll", "load", idle_crowd.COST))[0].valid, False, "another reason")


@case
def idle_crowd_says_what_was_not_measured():
    equal(verdicts(idle_crowd.findings(rows_of("idle_crowd", "select"), {})), [True] + [None] * 7)
    equal(verdicts(idle_crowd.findings(rows_of("idle_crowd", "epoll"), {})),
          [None, True, True, None, None, None, None, None])
    rows = [row for row in rows_of("idle_crowd", "poll") if row["idle"] != "0"]
    equal(verdicts(idle_crowd.findings(rows, {})), [None] * 8, "nothing to compare with")


@case
def idle_crowd_leaves_select_within_its_1024():
    for mode in ("quick", "default", "full"):
        levels = idle_crowd.levels(mode, "select")
        equal(levels, sorted(set(levels)), mode)
        assert levels[0] == 0 and levels[-1] + idle_crowd.BUSY + 10 <= 1024, levels
