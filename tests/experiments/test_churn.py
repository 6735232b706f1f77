"""Cases of the experiment churn."""

import made_up_churn
from suite import EXPERIMENTS, case, equal, near, rows_of, verdicts

churn = EXPERIMENTS["churn"]
THREAD, PROCESS, CLONES, FEWEST = range(4)


@case
def churn_finds_the_prices_that_were_put_in():
    rows, cost = rows_of("churn"), made_up_churn.COST_US
    near(churn.dearer(rows, "thread"), cost["thread"] - cost["thread_pool"])
    near(churn.dearer(rows, "process"), cost["process"] - cost["thread_pool"])
    equal(verdicts(churn.findings(rows, {})), [True] * 4)
    assert "a new thread costs 15.0 us" in churn.findings(rows, {}).answer


def spoilt(column, value, **where):
    """The predictions that fail when this column of these rows is another."""
    rows = rows_of("churn")
    for row in rows:
        if column in row and all(row[key] == wanted for key, wanted in where.items()):
            row[column] = str(value)
    found = verdicts(churn.findings(rows, {}))
    assert None not in found, found
    return [index for index, holds in enumerate(found) if not holds]


@case
def churn_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("server_cpu_us_per_request", 31, model="thread"), [THREAD])
    equal(spoilt("server_cpu_us_per_request", 50, model="process"), [PROCESS])
    equal(spoilt("calls_clone", 2, model="process", kind="alone"), [CLONES])
    equal(spoilt("calls_clone", 0.02, model="epoll", kind="alone"), [CLONES])
    equal(spoilt("calls", 20, model="io_uring", kind="crowd"), [FEWEST])


@case
def churn_counts_calls_between_two_looks():
    before = {"connections": {"accepted": 10}, "syscalls": {"accept": 11, "recv": 20, "clone": 10}}
    after = {"connections": {"accepted": 61}, "syscalls": {"accept": 62, "recv": 122, "clone": 61}}
    equal(churn.per_connection(before, after), {"connections": 51, "calls": 4.0, "calls_accept": 1.0,
                                                "calls_recv": 2.0, "calls_clone": 1.0})


@case
def churn_takes_the_cost_where_only_the_generator_was_at_its_limit():
    rows = rows_of("churn")
    for row in rows:
        if row["kind"] == "load":
            row["verdict"] = "invalid: the generator was saturated (99 % of a core) and the server was not"
    near(churn.dearer(rows, "thread"), 15)
    drawing = churn.draw(rows, {})
    equal([[line[4] for line in drawing.tables[panel]] for panel in ("rate", "cost")], [[0] * 8, [1] * 8])


@case
def churn_says_what_was_not_measured():
    equal(verdicts(churn.findings(rows_of("churn", "thread", "epoll"), {})), [None, None, True, None])
    rows = rows_of("churn", "epoll") + [{"model": "io_uring", "verdict": "n/a: forbidden"}]
    equal(churn.draw(rows, {}).variables["ABSENT"], "io_uring: n/a: forbidden")
