"""Cases of the experiment eager_loop."""

import contextlib
import os
import subprocess
import types

from suite import EXPERIMENTS, case, equal, near, rows_of, verdicts

eager_loop = EXPERIMENTS["eager_loop"]
NEW, OLD = {"kernel": "Linux 6.13.0-made-up x86_64"}, {"kernel": "Linux 6.12.90-made-up x86_64"}


def spoilt(model, turn, facts=None, **columns):
    """The verdicts when all runs of a model at a turn have these figures instead."""
    rows = rows_of("eager_loop")
    for row in rows:
        if row["model"] == model and row["turn"] == turn:
            row.update(columns)
    return verdicts(eager_loop.findings(rows, facts or NEW))


@case
def eager_loop_judges_what_was_measured():
    found = eager_loop.findings(rows_of("eager_loop"), NEW)
    equal(verdicts(found), [True] * 4)
    assert "With 20 a turn io_uring answers 99,010 a second, 99 % of C/D" in found.answer, found.answer
    assert "with everyone at once 60,606 a second, 61 % of C/D" in found.answer, found.answer
    assert "65.0 ms beyond D, 0.81 of the 80.0 ms" in found.predictions[2].measured, found.predictions[2]


@case
def eager_loop_computes_what_a_run_misses():
    row = eager_loop.of(rows_of("eager_loop"), "io_uring")[-1]
    equal((row["turn"], row["repeat"]), ("10000", "2"))
    near(float(row["missing_pct"]), 100 * (1 - 1.005 / 1.65), 1e-4)
    near(float(row["work_ms"]), 80)
    near(float(row["beyond_ms"]), 165 / 1.005 - 100, 1e-4)
    near(float(row["busiest_pct"]), 1.005 * 8 / 0.165, 1e-4)
    equal(eager_loop.computed({"model": "io_uring"}), dict.fromkeys(
        ("missing_pct", "core_pct", "busiest_pct", "beyond_ms", "work_ms")), "no figures")


@case
def eager_loop_turns_a_verdict_for_each_wrong_row():
    equal(spoilt("io_uring", "20", throughput_rps="94000"), [False, True, True, True], "missing, and no core is full")
    equal(spoilt("io_uring", "20", throughput_rps="96000"), [True] * 4)
    equal(spoilt("io_uring", "10000", throughput_rps="86000"), [True, False, True, True], "nothing missing to speak of")
    equal(spoilt("io_uring", "10000", server_cpu_pct="86"), [True, False, True, True], "the server is at its limit")
    equal(spoilt("io_uring", "10000", generator_cpu_pct="86"), [True, False, True, True], "the generator is")
    equal(spoilt("io_uring", "10000", latency_us_mean="110000"), [True, True, False, True], "they do not wait")
    equal(spoilt("io_uring", "10000", latency_us_mean="300000"), [True, True, False, True], "they wait for more")
    equal(spoilt("epoll", "10000", throughput_rps="65000"), [True, True, True, False], "hardly more than the ring's")


@case
def eager_loop_does_not_blame_the_loop_for_a_full_core():
    for column in ("server_cpu_pct", "generator_cpu_pct"):
        equal(spoilt("io_uring", "20", throughput_rps="80000", **{column: "96"})[0], True, column)
    equal(spoilt("io_uring", "20", throughput_rps="80000", generator_waited_pct="30")[0], True, "it had to share its core")
    rows = [row for row in rows_of("eager_loop") if row["turn"] == "20"]
    rows[0].update(throughput_rps="80000", server_cpu_pct="96")
    equal(eager_loop.unlimited(rows[:1], 20), 0.0)
    rows[0].update(server_cpu_pct="89")
    near(eager_loop.unlimited(rows[:1], 20), 20)


@case
def eager_loop_expects_the_crowd_only_of_newer_kernels():
    rows = rows_of("eager_loop")
    for facts, word in ((OLD, "older than 6.13"), ({}, "not known"), ({"kernel": "Darwin 23"}, "not known")):
        found = eager_loop.findings(rows, facts)
        equal(verdicts(found), [True, None, None, None], word)
        for prediction in found.predictions[1:]:
            assert word in prediction.measured, prediction
    versions = {"5.15.0": False, "6.2.0": False, "6.13": True, "6.18.4-x": True, "7.0.1": True}
    equal({version: eager_loop.limited_ring({"kernel": f"Linux {version} x86_64"}) for version in versions}, versions)


@case
def eager_loop_says_what_was_not_measured():
    found = eager_loop.findings(rows_of("eager_loop", "epoll"), NEW)
    equal(verdicts(found), [None] * 4)
    assert found.answer.startswith("Epoll 99,010 a second"), found.answer
    equal(verdicts(eager_loop.findings(rows_of("eager_loop", "io_uring"), NEW)), [True, True, True, None])
    rows = rows_of("eager_loop", "epoll") + [{"model": "io_uring", "verdict": "n/a: no io_uring here"}]
    equal(eager_loop.findings(rows, NEW).tables[0].rows[-1][:3], ["io_uring", "n/a", "-"])


@case
def eager_loop_gives_the_switch_to_the_ring_only_and_asks_epoll_once_a_repeat():
    asked = []

    class Server:
        def __init__(self, model, *options, **labels):
            asked.append((model, labels["turn"], labels["repeat"], options[2:]))

        def __enter__(self):
            return None

        def __exit__(self, *_):
            return False

    for mode in ("quick", "default", "full"):
        del asked[:]
        eager_loop.measure(types.SimpleNamespace(
            mode=mode, in_turn=lambda repeat: ["epoll", "io_uring"], plan=lambda total: asked.append(total),
            step=lambda what: None, server=Server))
        equal(asked.pop(0), len(asked), f"{mode}: runs planned")
        equal({(turn, options) for model, turn, _, options in asked if model == "epoll"}, {(10000, ())})
        equal({(turn, options) for model, turn, _, options in asked if model == "io_uring"},
              {(turn, ("--timers-a-turn", turn)) for turn in eager_loop.TURNS[mode]})
        equal(len(asked), (len(eager_loop.TURNS[mode]) + 1) * eager_loop.REPEATS[mode], mode)


def went_on(pid):
    """Whether a child was stopped and goes on since (wait(2): WCONTINUED)."""
    found, status = os.waitpid(pid, os.WCONTINUED | os.WNOHANG)
    return found == pid and os.WIFCONTINUED(status)


def one_run_with(held):
    """(rows, failures, whether the server had been stopped and went on when the generator's end was waited for): a run
    against a "server" that holds so many descriptors."""
    rows, failures, stopped = [], [], []
    child = subprocess.Popen(["sleep", "60"])

    @contextlib.contextmanager
    def generating(*_arguments):
        def figures():
            stopped.append(went_on(child.pid))
            return {"model": "io_uring", "verdict": "valid", "server": {"cpu_pct": 50.0}}
        yield figures

    lab = types.SimpleNamespace(mode="quick", generating=generating, row=lambda *row, **columns: rows.append((row, columns)),
                                failed=lambda *row, **columns: failures.append((row, columns)))
    counts = iter([3, 3, 3 + held // 2, *[3 + held] * 100000])
    real = eager_loop.descriptors, eager_loop.PATIENCE_S
    eager_loop.descriptors, eager_loop.PATIENCE_S = (lambda pid: next(counts)), 0.3
    try:
        eager_loop.one_run(lab, types.SimpleNamespace(model="io_uring", pid=child.pid), {"turn": 20})
    finally:
        eager_loop.descriptors, eager_loop.PATIENCE_S = real
        child.kill()
        child.wait()
    return rows, failures, stopped


@case
def eager_loop_stops_the_server_once_all_have_come_and_lets_it_go_on():
    rows, failures, stopped = one_run_with(eager_loop.CLIENTS)
    equal((stopped, failures), ([True], []))
    (row, columns), = rows
    stop_s = columns.pop("stop_s")
    assert stop_s >= eager_loop.STOP_S, stop_s
    equal((row, columns), (("io_uring", "valid"), {"turn": 20, "server_cpu_pct": 50.0}))


@case
def eager_loop_makes_no_figure_of_a_run_without_the_stop():
    rows, failures, stopped = one_run_with(eager_loop.CLIENTS - 1)
    equal((rows, stopped), ([], [False]))
    (row, columns), = failures
    equal((row[0], columns), ("io_uring", {"turn": 20}))
    assert "not all of 10,000 clients" in row[1], row


@case
def eager_loop_counts_the_descriptors_of_a_process():
    before = eager_loop.descriptors(os.getpid())
    ends = os.pipe()
    equal(eager_loop.descriptors(os.getpid()), before + 2)
    for end in ends:
        os.close(end)
