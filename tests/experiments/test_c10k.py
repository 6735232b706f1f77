"""Cases of the experiment c10k."""

from suite import EXPERIMENTS, case, equal, near, rows_of, verdicts

c10k = EXPERIMENTS["c10k"]


@case
def c10k_judges_the_crowd_as_it_was_served():
    rows = rows_of("c10k")
    found = c10k.findings(rows, {})
    equal(verdicts(found), [True] * 5)
    assert "blocking answered 1 of 10,000" in found.answer and "323" not in found.answer, found.answer
    near(c10k.figure(c10k.own(rows, "thread"), "memory_kb").median, 126000 + 16 * 10001 + 40800)


@case
def c10k_says_never_where_clients_were_not_answered():
    rows = rows_of("c10k")
    equal(c10k.cell_of(c10k.own(rows, "select"), "latency_intended_us_p50"), (None, "never"))
    equal(c10k.cell_of(c10k.own(rows, "epoll"), "latency_intended_us_p99")[0].median, 2200)
    for row in rows:
        if row["model"] == "epoll":  # 2 % are never answered: the median stands, the p99 does not
            row["connections_never_answered"] = "200"
    equal(c10k.cell_of(c10k.own(rows, "epoll"), "latency_intended_us_p50")[0].median, 200)
    equal(c10k.cell_of(c10k.own(rows, "epoll"), "latency_intended_us_p99"), (None, "never"))
    equal(verdicts(c10k.findings(rows, {})), [False, True, True, True, True])


@case
def c10k_turns_a_verdict_for_each_wrong_row():
    def spoilt(model, **columns):
        rows = rows_of("c10k")
        for row in rows:
            if row["model"] == model:
                row.update(columns)
        return verdicts(c10k.findings(rows, {}))

    equal(spoilt("io_uring", latency_intended_us_p99="150000"), [False, True, True, True, True])
    equal(spoilt("epoll", errors_total="7"), [False, True, True, True, True])
    equal(spoilt("thread", connections_never_answered="4000"), [True, False, True, True, True])
    equal(spoilt("thread", server_pss_kb="2000000"), [True, True, False, True, True])
    equal(spoilt("select", connections_never_answered="0"), [True, True, True, False, True])
    equal(spoilt("blocking", connections_never_answered="9998"), [True, True, True, True, False])
    equal(verdicts(c10k.findings(rows_of("c10k", "poll"), {})), [None] * 5, "what was not run")


@case
def c10k_judges_the_ten_thousand_and_lists_the_rest():
    rows = rows_of("c10k")
    rows += [dict(row, connections_asked="19000", connections_never_answered="19000") for row in rows]
    found = c10k.findings(rows, {})
    equal(verdicts(found), [True] * 5)
    equal([table.caption.split(":")[0] for table in found.tables], ["10,000 clients", "19,000 clients"])


@case
def c10k_gives_a_reason_for_who_was_not_run():
    rows = rows_of("c10k", "epoll") + [{"model": "io_uring", "verdict": "n/a: forbidden here"}]
    drawing = c10k.table(rows, {"mode": "quick"})
    assert any("n/a: forbidden here" in line for line in drawing.tables["small"])
    equal(c10k.findings(rows, {}).tables[-1].rows, [["io_uring", "n/a: forbidden here"]])
