"""Rules on claims about computing: what async, processes and threads under a lock do for it."""

from lib import text

from .judge import Outcome, holds_if

GAIN, NO_GAIN = 1.6, 1.15  # two processes must bring this much; what cannot help brings less than that
PART = 0.8  # of C/D, for the waiting of C threads


def speeds(run):
    """{(model, lock, workers, cores): requests/s} of cpu_bound; empty where it was not run."""
    module = run.module("cpu_bound")
    cells = module.cells(run.rows("cpu_bound"), "speed", "throughput_rps") if module else {}
    return {key: cell.median for key, cell in cells.items()}


def async_does_not_compute_faster(run):
    rate = speeds(run)
    blocking, loop, two = (rate.get(key) for key in (
        ("blocking", "", 1, 1), ("epoll", "", 1, 1), ("epoll", "", 2, 2)))
    if not blocking or not loop or not two:
        return None
    return Outcome(f"{text.figure(blocking)} requests/s blocking, {text.figure(loop)} with epoll: "
                   f"{text.figure(loop / blocking)} times; {text.figure(two)} with two processes: "
                   f"{text.figure(two / loop)} times.",
                   holds_if(loop / blocking <= NO_GAIN and two / loop >= GAIN))


def a_lock_stops_computing_not_waiting(run):
    module, rate = run.module("cpu_bound"), speeds(run)
    one, both = rate.get(("thread", "gil", 1, 1)), rate.get(("thread", "gil", 1, 2))
    waiting = run.median("cpu_bound", "throughput_rps", part="waiting", lock="gil")
    if not one or not both or not waiting:
        return None
    gain, alone = both / one, 1000 / module.DELAY_MS
    return Outcome(f"With the lock, a second core brings {text.figure(gain)} times the computing; "
                   f"{module.WAITERS} threads bring {text.figure(waiting / alone)} times the waiting of one.",
                   holds_if(gain <= NO_GAIN and waiting / alone >= PART * module.WAITERS))
