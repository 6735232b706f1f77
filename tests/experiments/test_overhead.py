"""Cases of the experiment overhead, and of the two parts of the lab that only it uses."""

import contextlib
import os

import made_up_overhead
from lib import client, counters, processes
from suite import BUILD, EXPERIMENTS, case, equal, near, rows_of, verdicts

overhead = EXPERIMENTS["overhead"]
CALLS, ALONE, LOADED, SPEED, SINGLE, DEFER, MULTISHOT, SQPOLL = range(8)


@case
def overhead_finds_the_ratios_that_were_put_in():
    rows = rows_of("overhead")
    for (model, form), ratio in made_up_overhead.RATIO.items():
        near(overhead.ratios(rows, model, form)[1000].median, ratio)
    near(overhead.ratios(rows, "io_uring", "defer", ("io_uring", "single"))[100].median, 1.1 / 0.98)


@case
def overhead_compares_within_a_repeat():
    rows = rows_of("overhead")
    for row in rows:  # the whole machine at half speed during one repeat
        if row["repeat"] == "2":
            row["server_cpu_us_per_request"] = str(2 * float(row["server_cpu_us_per_request"]))
    cell = overhead.ratios(rows, "io_uring", "")[1000]
    near(cell.median, made_up_overhead.RATIO["io_uring", ""], 0.05)
    assert cell.least > 0.9 * cell.greatest, cell


def spoilt(model, form, column, value):
    """The predictions that fail when this column of these rows is another."""
    rows = rows_of("overhead")
    for row in rows:
        if row["model"] == model and row.get("form", "") == form:
            row[column] = str(value(float(row[column])))
    found = verdicts(overhead.findings(rows, {}))
    assert None not in found
    return [index for index, holds in enumerate(found) if not holds]


@case
def overhead_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("epoll", "", "syscalls_per_request", lambda calls: calls), [])
    equal(spoilt("epoll", "", "syscalls_per_request", lambda calls: calls + 1), [CALLS])
    equal(spoilt("io_uring", "", "syscalls_per_request", lambda calls: calls + 0.3), [ALONE, LOADED])
    equal(spoilt("io_uring", "", "server_cpu_us_per_request", lambda us: us / 2), [SPEED, MULTISHOT])
    equal(spoilt("io_uring", "single", "server_cpu_us_per_request", lambda us: us / 0.7), [SINGLE, DEFER])
    equal(spoilt("io_uring", "accept", "server_cpu_us_per_request", lambda us: us / 1.1), [MULTISHOT])
    equal(spoilt("io_uring", "sqpoll", "server_cpu_us_per_request", lambda us: us / 3), [SQPOLL])
    equal(verdicts(overhead.findings(rows_of("overhead", "nginx"), {})), [None] * 8, "what was not run")


@case
def overhead_names_ties_winners_and_the_absent():
    def said(ratio):
        rows = rows_of("overhead", "epoll", "io_uring")
        for row in rows:
            if row["model"] == "io_uring":
                row["server_cpu_us_per_request"] = str(
                    float(row["server_cpu_us_per_request"]) / ratio
                    * made_up_overhead.RATIO["io_uring", row.get("form", "")])
        return overhead.findings(rows, {}).answer

    assert "(a tie)" in said(0.97) and "(faster)" in said(1.2) and "(slower)" in said(0.8)
    rows = rows_of("overhead") + [{"model": "nginx", "verdict": "n/a: it is not installed"}]
    equal(overhead.findings(rows, {}).tables[-1].rows, [["nginx", "n/a: it is not installed"]])


@case
def overhead_takes_turns_and_walks_from_the_poorest_form_up():
    equal(overhead.turned([1, 2, 3], 1), [2, 3, 1])
    forms = [switches for form, model, switches, _ in overhead.STEPS if model == "io_uring"]
    full = forms.index([])
    for before, after in zip(forms[:full], forms[1:full + 1]):
        assert set(after) < set(before), (before, after)
    assert all(len(switches) == 1 for switches in forms[full + 1:]), "each side branch changes one thing"


def reading(requests, opened, **calls):
    return {"requests": {"total": requests}, "connections": {"open": opened}, "wakeups": calls["wait"],
            "syscalls": calls}


@case
def counters_count_between_two_readings():
    first, last = reading(100, 5, recv=100, send=100, wait=80), reading(300, 5, recv=300, send=300, wait=130)
    row = counters.between(first, last)
    equal((row["counted_requests"], row["counted_recv"], row["counted_wait"]), (200, 200, 50))
    near(row["syscalls_per_request"], 450 / 200)
    near(row["wakeups_per_request"], 0.25)
    equal(counters.between(first, first), {}, "no request between them")


@case
def counters_watch_a_server_while_its_clients_are_there():
    port = processes.Ports(os.environ.get("SIX_PORTS", "24000-24999")).take()
    server = processes.Server("poll", [os.path.join(BUILD, "poll"), "--port", str(port)], port)
    try:
        watch = counters.Watch(port, 3, 0.3)
        watch.start()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client.Kept(port)) for _ in range(3)]
            while watch.is_alive():
                for one in clients:
                    one.ask("/")
            readings = watch.stop()
        row = counters.between(*readings)
        assert row["counted_requests"] > 3 and 2 <= row["syscalls_per_request"] < 4, row
        assert "counted_accept" not in row and "counted_close" not in row, row
        lonely = counters.Watch(port, 3, 0.01)
        lonely.start()
        equal(lonely.stop(), None, "the clients never came")
    finally:
        server.stop()
