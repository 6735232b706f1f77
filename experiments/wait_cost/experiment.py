"""wait_cost: what one wait costs with select, poll, epoll and io_uring on 10 to 19,000 descriptors.

A row is one run of build/wait_cost (bench/wait_cost.c): a mechanism, N descriptors watched, A of them made
ready for each wait. Its figures are microseconds an operation, which is: make A ready, wait until they
are found, drain them. `without_wait_us` is what the operation costs without the wait, of the same process.
"""

import json
import math
import os

from lib import models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.lab import GENERATOR_CPU
from lib.processes import Broken
from lib.report import Findings, Prediction, Table

ORDER = 40
QUESTION = "What does one wait cost?"
SETUP = """No server here, only the wait itself: N eventfds are watched, one of them is made ready at random,
the program waits, finds it, drains it, and so on (M. Kerrisk's measurement, with eventfds for his pipes).
What counts is CPU time, the kernel's and the program's, for the whole of it, on one core. The same with
100 ready at once, as in libevent's benchmark. select is given bitmaps of our own where descriptors go
beyond 1,023: the kernel takes any length, the C library's fd_set ends there. io_uring has one multishot
poll request on each descriptor."""
PREDICTION = """select and poll hand the kernel all N slots at each wait, and it looks at each: the cost grows
in proportion to N, a slope of 1 on logarithmic axes, and somewhat more where N slots no longer fit
into the cache. epoll and io_uring told the kernel once what to watch, and are handed what is ready: the
cost stays what it is. At 10 descriptors there is nothing to save and all are alike; at 10,000 poll costs
over 300 times as much as epoll (Kerrisk: 1,500 times).

With 100 ready of 10,000 the scan is shared by 100, so the ratio falls by about as much: an event loop in
which everybody is busy has little to gain from epoll."""
HOW_TO_READ = """Both axes are logarithmic. A straight line that rises one decade in a decade is "in proportion
to N"; a flat one is "whatever N". The dotted line is what making ready and draining cost without a wait:
epoll's and io_uring's own part is what lies above it. Grey rings are others' figures, from older and
slower machines: look at their slope, not at their height.

The lesson is in the gap, and in where it begins: below about 100 descriptors nobody would notice it. The
slots are not the servers' business either: a server that asks once for 10,000 idle clients pays for them
at each and every wait (idle_crowd)."""
SECONDS = {"quick": 6, "default": 36, "full": 540}
MOST = {"quick": 10000, "default": 19000, "full": 19000}
DESCRIPTORS = {mode: most + 16 for mode, most in MOST.items()}
NEEDS = ["wait_cost"]
MODELS = ["select", "poll", "epoll", "io_uring"]

WATCHED = {"quick": {1: [10, 100, 1000, 10000], 100: [1000, 10000]},
           "default": {1: [10, 30, 100, 300, 1000, 3000, 10000, 19000], 100: [100, 500, 2500, 5000, 10000]},
           "full": {1: [10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10000, 15000, 19000],
                    100: [100, 250, 500, 1000, 2500, 5000, 7500, 10000, 15000, 19000]}}
LENGTH_S = {"quick": 0.11, "default": 0.2, "full": 1.0}
FD_SETSIZE = 1024

# Kerrisk's figures in seconds for 100,000 operations, {N: (poll, select, epoll)}: tens of microseconds each.
TLPI = {10: (0.61, 0.73, 0.41), 100: (2.9, 3.0, 0.42), 1000: (35, 35, 0.53), 10000: (990, 930, 0.66)}
LCA_2006 = {10: (1.12, 1.28, 0.65), 100: (6.8, 7.1, 0.68), 1000: (157, 151, 0.89),
            10000: (1750, 1087, 0.97)}
# libevent's benchmark, read off its graph by others: microseconds to serve 100 active of N.
LIBEVENT_SCANS = [(2500, 20000), (5000, 40000), (10000, 80000)]
LIBEVENT_EPOLL = [(2500, 4000), (5000, 4000), (10000, 4000)]


# Measuring.

def measure(lab):
    plan = [(repeat, active, watched) for repeat in range(1, lab.repeats + 1)
            for active, counts in WATCHED[lab.mode].items() for watched in counts]
    lab.plan(len(plan) * len(lab.models))
    for repeat, active, watched in plan:
        for model in lab.in_turn(repeat - 1):
            lab.step(f"{model}, {active} ready of {text.count(watched)}, repeat {repeat} of {lab.repeats}")
            one_run(lab, model, repeat, active, watched)


def one_run(lab, model, repeat, active, watched):
    labels = {"repeat": repeat, "active": active, "watched": watched}
    cores = sorted(os.sched_getaffinity(0))
    try:
        figures = json.loads(lab.output(
            "wait_cost", "--mechanism", model, "--descriptors", watched, "--active", active, "--seconds",
            LENGTH_S[lab.mode], "--cpu", cores[min(GENERATOR_CPU, len(cores) - 1)]))
    except (Broken, ValueError) as reason:
        lab.failed(model, str(reason), **labels)
        return
    lab.row(model, figures["verdict"], **labels, **{
        key: figures.get(key) for key in ("operations", "cpu_us", "user_us", "sys_us", "wall_us",
                                          "without_wait_us", "slots", "waits", "rearmed")})


# Computing.

def of(rows, model, active):
    return [row for row in rows if row["model"] == model and row.get("active") == str(active)]


def line(rows, model, active=1, column="cpu_us"):
    return stats.series(of(rows, model, active), "watched", column)


def at(rows, model, watched, active=1):
    """The median CPU time of an operation in us; None where it was not measured."""
    cell = dict(line(rows, model, active)).get(watched)
    return cell.median if cell else None


def slope(rows, model, least=100, most=10000):
    """The exponent of N in the cost, by least squares on logarithms between the two N."""
    fit = stats.least_squares([(math.log(n), math.log(cell.median)) for n, cell in line(rows, model)
                               if least <= n <= most])
    return fit[0] if fit else None


def ratio(rows, model, other, watched, active=1):
    one, two = at(rows, model, watched, active), at(rows, other, watched, active)
    return one / two if one and two else None


def growth(rows, model, least, most, active=1):
    few, many = at(rows, model, least, active), at(rows, model, most, active)
    return many / few if few and many else None


def times(value, digits=3):
    return f"{text.figure(value, digits)} times"


def slope_predictions(rows):
    for model in ("select", "poll"):
        found = slope(rows, model)
        yield Prediction(f"{model} costs in proportion to the number of descriptors: slope about 1.",
                         f"Slope {found:.2f}." if found else "",
                         "Holds from 0.8 to 1.5 on logarithmic axes, from 100 to 10,000 descriptors "
                         "(Kerrisk: 1.0, then 1.45).", 0.8 <= found <= 1.5 if found else None)
    for model in ("epoll", "io_uring"):
        found = growth(rows, model, 10, 10000)
        yield Prediction(f"{model} costs the same at 10,000 descriptors as at 10.",
                         f"{times(found)} as much." if found else "",
                         "Holds up to 2.5 times (Kerrisk's epoll: 1.6).", found <= 2.5 if found else None)


def ratio_predictions(rows):
    for watched, least, kerrisk in ((100, 5, 6.9), (1000, 50, 66), (10000, 300, 1500)):
        found = ratio(rows, "poll", "epoll", watched)
        yield Prediction(f"At {text.count(watched)} descriptors poll costs at least {least} times as much as "
                         "epoll.", f"{times(found)} as much." if found else "",
                         f"Holds from {least} times on (Kerrisk: {kerrisk:,}).",
                         found >= least if found else None)
    few = [at(rows, model, 10) for model in ("select", "poll", "epoll")]
    few = max(few) / min(few) if all(few) else None
    yield Prediction("At 10 descriptors select, poll and epoll cost the same.",
                     f"The dearest costs {text.figure(few)} times the cheapest." if few else "",
                     "Holds up to twice.", few <= 2 if few else None)


def slots_prediction(rows):
    """Slots are counted, not timed: they must be exact."""
    runs = [row for row in rows if stats.is_valid(row) and stats.number(row, "slots") is not None]
    wrong = [row for row in runs if not exact_slots(row)]
    scans = sum(row["model"] in ("select", "poll") for row in runs)
    return Prediction("Slots looked at: all N at each wait of select and poll, only those that are ready with "
                      "epoll and io_uring.", f"{len(runs) - len(wrong)} of {len(runs)} runs." if runs else "",
                      "Holds when it is exactly so in every run; select's N is its highest descriptor and 1.",
                      not wrong if 0 < scans < len(runs) else None)


def exact_slots(row):
    slots, waits, watched, active = (stats.number(row, column)
                                     for column in ("slots", "waits", "watched", "active"))
    if row["model"] == "poll":
        return slots == watched * waits
    if row["model"] == "select":
        return watched <= slots / waits <= watched + 16
    return slots == active


def active_predictions(rows):
    points = [(n, cell.median) for n, cell in line(rows, "poll", 100) if n >= 500]
    fit = stats.least_squares(points) if len(points) > 2 else None
    yield Prediction("With 100 ready, poll grows by the same amount with each further descriptor (a straight "
                     "line).", f"r squared {fit[2]:.4f} from 500 to {text.count(points[-1][0])} descriptors."
                     if fit else "", "Holds above 0.98.", fit[2] > 0.98 if fit else None)
    found = growth(rows, "epoll", 500, 10000, 100)
    yield Prediction("With 100 ready, epoll stays as it is from 500 to 10,000 descriptors.",
                     f"{times(found)} as much." if found else "", "Holds up to twice.",
                     found <= 2 if found else None)
    all_busy = [at(rows, model, 100, 100) for model in ("select", "poll", "epoll")]
    spread = max(all_busy) / min(all_busy) if all(all_busy) else None
    yield Prediction("Where all 100 of 100 are ready, select, poll and epoll cost the same.",
                     f"The dearest costs {text.figure(spread)} times the cheapest." if spread else "",
                     "Holds up to twice.", spread <= 2 if spread else None)


def answer(rows):
    said = []
    for model, other in (("select", "epoll"), ("poll", "epoll")):
        found = ratio(rows, model, other, 10000)
        if found:
            said.append(f"on 10,000 descriptors a wait costs {text.figure(at(rows, model, 10000))} us of CPU "
                        f"with {model}, {times(found)} as much as with {other}"
                        if not said else f"{model}: {times(found)}")
    busy = ratio(rows, "select", "epoll", 10000, 100)
    if busy:
        said.append(f"with 100 of them ready at once select costs {times(busy)} as much as epoll")
    few = ratio(rows, "poll", "epoll", 10)
    if few:
        said.append(f"on 10 descriptors poll costs {times(few)} as much")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def findings(rows, _facts):
    predictions = [*slope_predictions(rows), *ratio_predictions(rows), slots_prediction(rows),
                   *active_predictions(rows)]
    return Findings(answer(rows), predictions, [one for active in (1, 100) for one in tables(rows, active)])


def tables(rows, active):
    some = [row for row in rows if row.get("active") == str(active)]
    counts = sorted({int(row["watched"]) for row in some})
    if not counts:
        return
    ready = "one ready" if active == 1 else f"{active} ready"
    for column, what in (("cpu_us", "CPU microseconds an operation"),
                         ("slots", "Slots looked at in an operation")):
        yield Table(f"{what}, {ready}: median of the repeats", ["mechanism", *map(text.count, counts)],
                    [[model, *figures(some, model, active, column, counts)]
                     for model in models.in_order(row["model"] for row in some)])


def figures(rows, model, active, column, counts):
    cells = dict(line(rows, model, active, column))
    for count in counts:
        if count in cells:
            yield text.figure(cells[count].median)
        else:
            yield stats.why_not(of(rows, model, active)).partition(":")[0] or "-"


# Drawing.

def us(value):
    return f"{text.figure(value)} us"


def lines(panel, rows, active):
    """A line a mechanism; select's beyond FD_SETSIZE, with bitmaps of our own, is another."""
    for model in models.in_order(row["model"] for row in rows):
        points = line(rows, model, active)
        if model != "select" or not points or points[-1][0] < FD_SETSIZE:
            panel.line(model, points, unit=us)
            continue
        within = [point for point in points if point[0] < FD_SETSIZE]
        panel.line("select", within, "", unit=us)
        beyond = within[-1:] + [point for point in points if point[0] >= FD_SETSIZE]
        panel.series.append("select_own_bitmaps")
        panel.tables["select_own_bitmaps"] = [(n, cell.median, cell.least, cell.greatest, int(cell.valid))
                                              for n, cell in beyond]
        panel.hover += [(n, cell.median, f"select with bitmaps of our own at {text.count(n)}: "
                         f"{us(cell.median)}") for n, cell in beyond[1:]]
        panel.ends.append((beyond[-1][0], beyond[-1][1].median, "select", models.COLOUR["select"]))


def absent(panel, rows, where):
    """A word for each mechanism that this machine does not have."""
    for (model,), some in stats.group(rows, "model").items():
        if not any(stats.was_run(row) for row in some):
            panel.write(f"{model}: {stats.why_not(some)[:70]}", where, models.COLOUR[model])


def bare(rows, active):
    """What an operation costs without a wait: [(N, us)]."""
    every = [dict(row, model="any") for row in rows if row.get("active") == str(active)]
    return [(n, cell.median) for n, cell in stats.series(every, "watched", "without_wait_us")]


def setup(facts, active):
    repeats = {"quick": 2, "default": 3, "full": 5}.get(facts.get("mode"), "the")
    ready = "one ready" if active == 1 else f"{active} ready at once"
    return f"{ready}; CPU time; median and spread of {repeats} runs"


def draw_one(rows, facts):
    some = [row for row in rows if row.get("active") == "1" and stats.was_run(row)]
    if not some:
        return None
    most = max(stats.number(row, "watched") for row in some)
    panel = Panel("x", (0.095, 0.865, 0.24, 0.875), (8, 1.3 * most), (0.2, 40000))
    panel.published([(n, 10 * values[i]) for n, values in TLPI.items() for i in (0, 1)],
                    "Kerrisk 2008: select, poll", (900, 350), "right")
    panel.published([(n, 10 * values[i]) for n, values in LCA_2006.items() for i in (0, 1)],
                    "Kerrisk 2006: select, poll", (900, 1540), "right")
    panel.published([(n, 10 * values[2]) for table in (TLPI, LCA_2006) for n, values in table.items()],
                    "Kerrisk: epoll", (110, 5.2), "left")
    without = bare(rows, 1)
    if len(without) > 1:
        panel.reference(without, "no wait: make ready and drain only", (12, 0.29))
    lines(panel, some, 1)
    absent(panel, rows, (10, 10000))
    cell = dict(line(rows, "select")).get(1000)
    if cell and most > FD_SETSIZE:
        panel.limit("select", FD_SETSIZE, cell.median,
                    "select: fd_set ends at 1,024;\nbeyond, bitmaps of our own", (1150, 50))
    return Drawing(setup(facts, 1), [panel])


def draw_active(rows, facts):
    some = [row for row in rows if row.get("active") == "100" and stats.was_run(row)]
    if not some:
        return None
    least, most = (end(stats.number(row, "watched") for row in some) for end in (min, max))
    panel = Panel("x", (0.095, 0.865, 0.24, 0.875), (0.8 * least, 1.25 * most), (20, 200000))
    panel.published(LIBEVENT_SCANS, "libevent's graph: select, poll", (2200, 20000), "right")
    panel.published(LIBEVENT_EPOLL, "libevent's graph: epoll", (2200, 4000), "right")
    without = bare(rows, 100)
    if len(without) > 1:
        panel.reference(without, "no wait: make ready and drain only", (1.05 * least, 30))
    lines(panel, some, 100)
    absent(panel, rows, (1.05 * least, 60000))
    return Drawing(setup(facts, 100), [panel])


CHARTS = [
    Chart("wait_cost", "wait_cost.gp", "What does one wait cost, when one of N descriptors is ready?",
          "A point is the CPU time to make one descriptor ready, wait, find it and drain it. Look for who pays "
          "for descriptors on which nothing happens, and how the price grows with them. Grey rings: Kerrisk's "
          "figures, of machines of 2006 and 2008.", draw_one),
    Chart("wait_cost-active", "wait_cost.gp", "What does one wait cost, when 100 of N are ready at once?",
          "A point is the CPU time to make 100 of N descriptors ready, wait, find and drain them. Look left, where "
          "all are busy, and right, where most are idle: what does epoll save? Grey rings: libevent's benchmark, "
          "read off its graph.", draw_active),
]
