"""Cases of the experiment overload."""

from suite import EXPERIMENTS, case, equal, near, rows_of, verdicts

overload = EXPERIMENTS["overload"]


def spoilt(load, share, **columns):
    rows = rows_of("overload")
    for row in rows:
        if row["model"] == "epoll" and row["load"] == load and row.get("share_pct") in (share, None):
            row.update(columns)
    return verdicts(overload.findings(rows, {}))


@case
def overload_foresees_the_queue():
    near(overload.foreseen_open_us(50, 10000, 1), 150)
    near(overload.foreseen_open_us(90, 10000, 1), 550)
    near(overload.foreseen_open_us(110, 10000, 30), 1.5e6 + 100)
    equal(overload.foreseen_open_us(100, 10000, 1), None, "neither formula holds there")
    near(overload.foreseen_closed_us(120, 10000), 1200)


@case
def overload_reads_the_slope_off_the_mean():
    near(overload.growth(rows_of("overload"), "epoll").median, 0.1, 0.01)
    near(overload.growth(rows_of("overload"), "epoll", 120).median, 0.2, 0.01)
    equal(overload.growth(rows_of("overload", "epoll"), "thread"), None)


@case
def overload_judges_open_and_closed():
    found = overload.findings(rows_of("overload"), {})
    equal(verdicts(found), [True] * 5)
    assert "mu = 9,000/s" in found.answer and "0.10 s longer each second" in found.answer, found.answer
    equal(verdicts(overload.findings(rows_of("overload", "poll"), {})), [None] * 5, "what was not run")


@case
def overload_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("open", "110", latency_intended_us_mean="20000"), [False, False, True, True, True])
    equal(spoilt("closed", "70", latency_us_mean="2000"), [True, True, False, True, True])
    equal(spoilt("open", "120", latency_intended_us_mean="2000"), [True, False, True, False, True])
    equal(spoilt("open", "50", latency_intended_us_mean="900"), [True, True, True, True, False])


@case
def overload_counts_what_is_left_over():
    rows = overload.of(rows_of("overload"), "epoll", "open")
    left = {row["share_pct"]: float(row["left_rps"]) for row in rows}
    near(left["120"], 1800 + 1 / 0.7)
    near(left["50"], 1 / 0.7)
    closed = overload.of(rows_of("overload"), "epoll", "closed")
    equal({float(row["left_rps"]) for row in closed}, {0.0}, "under way is not left over")


@case
def overload_chooses_plain_tics():
    equal(overload.tics(2250), 'set ytics ("0" 0, "1,000" 1000, "2,000" 2000)')
    equal(overload.tics(11250), 'set ytics ("0" 0, "5,000" 5000, "10,000" 10000)')
