"""Cases of cpu_bound, blocked_loop, slow_clients and ledger: what they compute from made-up rows."""

import os
import socket
import time

from suite import EXPERIMENTS, case, directory, equal, near, raises, rows_of, tsv, verdicts


def changed(rows, columns, **where):
    """The rows, with other values in some columns of those that `where` describes."""
    return [dict(row, **columns) if all(row.get(key) == value for key, value in where.items()) else row
            for row in rows]


@case
def cpu_bound_judges_cores_locks_and_stalls():
    module, rows = EXPERIMENTS["cpu_bound"], rows_of("cpu_bound")
    equal([module.cores_used(*form) for form in (
        ("blocking", "", 1, 1), ("thread", "", 1, 2), ("thread", "gil", 1, 2), ("epoll", "", 1, 2),
        ("epoll_offload", "", 1, 2), ("thread", "gil", 2, 2))], [1, 2, 1, 1, 2, 2])
    equal(verdicts(module.findings(rows, {})), [True] * 6)
    equal([round(ratio, 2) for ratio in module.lock_ratios(rows)], [0.5, 1.0])

    def after(columns, **where):
        return verdicts(module.findings(changed(rows, columns, **where), {}))
    slow = {"throughput_rps": "300"}
    equal(after(slow, part="speed", model="poll", cores="1"), [False] + [True] * 5, "a slow model")
    equal(after({"throughput_rps": "1000"}, part="speed", model="epoll", workers="1", cores="2"),
          [True, False, True, True, True, True], "a loop on two cores")
    equal(after(slow, part="speed", model="epoll", workers="2"), [True, True, False, True, True, True])
    equal(after({"latency_intended_us_p99": "900"}, part="beside", model="select"),
          [True, True, True, False, False, True], "a loop that does not stall is quicker than the pool")
    equal(after({"latency_intended_us_p99": "30000"}, part="beside", model="epoll_offload")[4], False)
    equal(after({"throughput_rps": "2000"}, part="waiting", lock="gil")[5], False, "a lock held while waiting")


@case
def cpu_bound_says_what_was_not_run():
    module = EXPERIMENTS["cpu_bound"]
    equal(verdicts(module.findings(rows_of("cpu_bound", "epoll"), {})),
          [True, True, True, True, None, None])
    rows = rows_of("cpu_bound", "epoll") + [{"model": "io_uring", "verdict": "n/a: forbidden"}]
    lines = {row[0]: row[1:] for row in module.findings(rows, {}).tables[0].rows}
    equal(lines["io_uring"], ["n/a"] * 3)
    assert module.speed_chart(rows, {}) and module.beside_chart(rows, {})


@case
def blocked_loop_foresees_what_is_left_of_a_pause():
    module = EXPERIMENTS["blocked_loop"]
    equal([module.foreseen_ms(part) for part in (0.25, 0.5, 0.75, 1.0)], [0.0, 0.0, 25.0, 50.0])
    rows = rows_of("blocked_loop")
    equal(verdicts(module.findings(rows, {})), [True, True, True])
    calm = changed(rows, {"latency_intended_us_p99": "80", "latency_intended_us_p75": "70"},
                   model="epoll_blocking")
    equal(verdicts(module.findings(calm, {})), [False, False, True])
    stalled = changed(rows, {"latency_intended_us_p99": "49000"}, model="epoll_offload")
    equal(verdicts(module.findings(stalled, {})), [True, True, False])
    equal(verdicts(module.findings(rows_of("blocked_loop", "epoll"), {})), [None, None, None])


@case
def blocked_loop_reads_hdr_files_up_to_their_end():
    module = EXPERIMENTS["blocked_loop"]
    head = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
    with directory() as path:
        file = os.path.join(path, "curve")
        tsv.write_whole(file, head + "    0.050000 0.000000000000          1           1.00\n"
                        "    0.070000 0.500000000000         50           2.00\n"
                        "    9.000000 1.000000000000        100            inf\n#[Mean    = 1, StdDeviation = 2]\n")
        equal(module.read_curve(file), [(1.0, 50.0), (2.0, 70.0)])
        tsv.write_whole(file, head)
        raises(ValueError, module.read_curve, file)


@case
def blocked_loop_thins_marks_but_keeps_both_ends():
    thinned = EXPERIMENTS["blocked_loop"].thinned
    equal([x for x, _ in thinned([(x, None) for x in (1, 1.1, 1.2, 1.4, 2, 2.1)])], [1, 1.4, 2, 2.1])
    equal(thinned([]), [])


@case
def slow_clients_tells_the_starved_from_the_unhurt():
    module, rows = EXPERIMENTS["slow_clients"], rows_of("slow_clients")
    equal(verdicts(module.findings(rows, {})), [True, True, True])
    near(module.shares(rows)["blocking"].median, 0.01)
    near(module.first_cut_s(rows), 3.12)
    equal(verdicts(module.findings(changed(rows, {"good_answered": "700"}, model="poll", part="run"), {})),
          [True, False, True])
    equal(verdicts(module.findings(changed(rows, {"good_answered": "700"}, model="thread_pool", part="run"), {})),
          [False, True, True])
    equal(verdicts(module.findings(changed(rows, {"slow_cut": "499"}, model="epoll", part="run"), {})),
          [True, True, False])
    drawing = module.over_time(rows, {})
    equal([len(panel.series) for panel in drawing.panels], [7, 7])
    equal(len(drawing.panels[1].limits), 2, "blocking and the pool end early, with a mark")


@case
def slow_clients_come_trickle_and_notice_their_end():
    module = EXPERIMENTS["slow_clients"]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        crowd = module.Crowd(listener.getsockname()[1], time.monotonic())
        crowd.arrive()
        equal((len(crowd.open), crowd.refused), (module.SLOW, 0))
        first, _ = listener.accept()
        for _ in range(3 * 4):
            crowd.trickle(4)
        equal(first.recv(100), b"GET", "a byte each time round")
        first.close()
        until = time.monotonic() + 10
        while not crowd.cut_s and time.monotonic() < until:
            crowd.look()
        equal((len(crowd.cut_s), len(crowd.open)), (1, module.SLOW - 1))
        crowd.leave()
        equal(len(crowd.open), 0)


@case
def ledger_measures_what_it_says():
    module, rows = EXPERIMENTS["ledger"], rows_of("ledger")
    equal(verdicts(module.findings(rows, {})), [True, True, True])
    equal([module.foreseen_rps(name) for name in module.SCENARIOS], [None, 10000, 3000])
    equal(verdicts(module.findings(changed(rows, {"total_ms": "400"}, part="hundred", model="epoll"), {})),
          [False, True, True])
    equal(verdicts(module.findings(changed(rows, {"throughput_rps": "4000"}, scenario="services"), {})),
          [True, False, True])
    equal(verdicts(module.findings(changed(rows, {"stream_ms": "20000"}, part="stream", model="thread"), {})),
          [True, True, False])
    equal(len(module.benchmark(rows)), 9)


@case
def the_listen_queue_is_what_the_kernel_says():
    granted = EXPERIMENTS["ledger"].granted
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
        limit = int(file.read())
    equal((granted(1), granted(limit), granted(2 * limit)), (1, limit, limit))
