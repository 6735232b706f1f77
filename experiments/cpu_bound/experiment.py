"""cpu_bound: whether asynchronous waiting helps when the work is computing, and who suffers beside it.

A row is a run of the generator. `part` says which: "speed" (only /cpu, in three set-ups of processes and
cores), "beside" (requests for /, measured while eight clients keep the server computing) and "waiting" (/db
under the same lock). The column `lock` is "gil" where one lock is held around all computing.
"""

from lib import models, stats, text
from lib.draw import Chart, Drawing
from lib.processes import Broken
from lib.report import Findings, Prediction, Table
from lib.rows import flatten

ORDER = 80
QUESTION = "Does async help when the work is computing?"
COST_US, CLIENTS, CHEAP_RPS, DELAY_MS, WAITERS = 2000, 8, 250, 10, 50
TURN_MS = CLIENTS * COST_US / 1000  # one turn of a loop that computes for all of them
SETUP = f"""{CLIENTS} clients ask for /cpu?us={COST_US} (the server burns {COST_US / 1000:.0f} ms of CPU time), one request a
connection, so that every model serves them all. Three set-ups: one process on one core; one process that may use
both cores; two worker processes (--workers 2) on both. Without a core of its own for the generator the last two are
still fair: the generator needs a few percent of a core for 1,000 requests a second. "thread, lock" is
thread --gil: one lock around all computing, released while waiting, as CPython has one. epoll_offload hands the
computing to a pool of 10 threads.

Then, on one core again, {CHEAP_RPS} requests a second for / (open loop, latency from the intended moment) beside
the same {CLIENTS} clients who keep the server computing. And {WAITERS} clients who ask for /db?ms={DELAY_MS}, with
the lock and without."""
PREDICTION = f"""A core can do one second of computing a second: 1/cost = {1e6 / COST_US:.0f} requests a second for each core
that is used, whatever the model. Of one process, a second core is used by threads that may compute at the same time:
thread and epoll_offload, but not thread with the lock, and not an event loop. Two workers use both, whatever the model.

Beside it, a loop that computes does nothing else. One turn of it takes up to {CLIENTS} x {COST_US / 1000:.0f} ms =
{TURN_MS:.0f} ms, and a request on a new connection needs two: in the first it is accepted, in the next it is read. So its
99th percentile comes near {2 * TURN_MS:.0f} ms. A loop that hands the computing to a pool is woken at once: the scheduler
prefers who has slept to who has computed. Where the work is waiting, the lock is free, and thread answers C/D =
{WAITERS / DELAY_MS * 1000:,.0f} a second with it and without."""
HOW_TO_READ = """In the first chart, each model has three bars: one process on one core, the same on both cores, two
processes on both. Compare the first bars: waiting cleverly makes no computing faster. Compare the second ones:
only threads without a lock gain. Compare the third: processes gain always; that is why servers in Python run several.

In the second chart, a bar begins at the median and ends at the 99th percentile of what a request for / waits that
needs next to no CPU itself. The dotted lines are one turn and two turns of a loop that computes for all others. A thread
for each client does not queue behind them, but it is one of nine who share the core in slices: its median is
small and its tail need not be."""
SECONDS = {"quick": 10, "default": 40, "full": 180}
DESCRIPTORS = {"quick": 200, "default": 200, "full": 200}
NEEDS = ["loadgen"]
VARIANTS = {mode: ["epoll_offload"] for mode in ("quick", "default", "full")}

# Set-ups: (workers, cores), in the order of the bars.
SETUPS = {(1, 1): "one process on one core", (1, 2): "one process on both cores",
          (2, 2): "two worker processes on both cores"}
THREADED = ("thread", "epoll_offload")
LOOPS = ("select", "poll", "epoll", "io_uring")
# Seconds measured and of warming up.
SPEED_S = {"quick": (0.1, 0.02), "default": (0.2, 0.03), "full": (1.5, 0.3)}
BESIDE_S = {"quick": (0.3, 0.1), "default": (0.5, 0.05), "full": (3.0, 0.3)}
TOLERANCE = 0.15


# Measuring.

def forms(names):
    """(model, lock) of each way to compute: thread comes with and without its lock."""
    for model in names:
        yield model, ""
        if model == "thread":
            yield model, "gil"


def runs(lab, repeat):
    """(part, model, lock, workers, cores) of one repeat, in the order in which they are run."""
    for model, lock in forms(lab.in_turn(repeat)):
        for workers, cores in SETUPS:
            yield "speed", model, lock, workers, cores
        yield "beside", model, lock, 1, 1
        if model == "epoll":
            yield "beside", model, lock, 2, 2
        if model == "thread":
            yield "waiting", model, lock, 1, 1


def measure(lab):
    repeats = 1 if lab.mode == "quick" else lab.repeats
    plan = [(repeat, *run) for repeat in range(1, repeats + 1) for run in runs(lab, repeat - 1)]
    lab.plan(len(plan))
    for repeat, part, model, lock, workers, cores in plan:
        lab.step(f"{title(model, lock)}, {part}, {workers} worker{'s' * (workers > 1)} on {cores} "
                 f"core{'s' * (cores > 1)}, repeat {repeat} of {repeats}")
        one_run(lab, part, model, lock, workers, cores, repeat)


def one_run(lab, part, model, lock, workers, cores, repeat):
    labels = {"part": part, "lock": lock, "workers": workers, "cores": cores, "repeat": repeat}
    options = ["--workers", workers, *(["--gil"] if lock else [])]
    with lab.server(model, *options, pinned=cores == 1, **labels) as server:
        if server is None:
            return
        seconds, warmup = (BESIDE_S if part == "beside" else SPEED_S)[lab.mode]
        if part == "speed":
            lab.generate(server, f"/cpu?us={COST_US}", "-c", CLIENTS, "--close", "-d", seconds, "--warmup",
                         warmup, **labels)
        elif part == "waiting":
            lab.generate(server, f"/db?ms={DELAY_MS}", "-c", WAITERS, "-d", seconds, "--warmup", warmup,
                         **labels)
        else:
            beside(lab, server, seconds, warmup, labels)


def beside(lab, server, seconds, warmup, labels):
    """Requests for / while others have the server compute; what these got is a column, too."""
    try:
        with lab.generating(server, f"/cpu?us={COST_US}", "-c", CLIENTS, "--close", "-d",
                            seconds + warmup + 0.1) as crowd:
            with lab.generating(server, "/", "-c", 50, "-R", CHEAP_RPS, "--close", "-d", seconds,
                                "--warmup", warmup) as cheap:
                figures, load = flatten(cheap()), crowd()
    except (Broken, ValueError) as reason:
        lab.failed(server.model, f"loadgen: {reason}", **labels)
        return
    figures.pop("model", None)
    lab.row(server.model, figures.pop("verdict"), **labels, beside_rps=load["throughput_rps"], **figures)


# Computing.

def title(model, lock):
    return f"{model}, lock" if lock else model


def cores_used(model, lock, workers, cores):
    """By the prediction: how many cores compute at the same time."""
    return cores if workers > 1 or (model in THREADED and not lock) else 1


def cells(rows, part, column):
    """{(model, lock, workers, cores): Cell}, models in their order."""
    found = {}
    for model in models.in_order(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model and row.get("part") == part]
        for (lock, workers, cores), some in stats.group(own, "lock", "workers", "cores").items():
            cell = stats.cell(some, column)
            if cell:
                found[model, lock, int(workers), int(cores)] = cell
    return found


def speed_prediction(speed, setup):
    """How near to 1/cost for each core used the runs of one set-up come."""
    ratios = {title(*key[:2]): cell.median * COST_US / 1e6 / cores_used(*key)
              for key, cell in speed.items() if key[2:] == setup}
    worst = max(ratios, key=lambda name: abs(ratios[name] - 1), default=None)
    expected = {(1, 1): "1/cost for every model", (2, 2): "2/cost for every model",
                (1, 2): "2/cost for thread and epoll_offload, 1/cost for all others and with the lock"}[setup]
    return Prediction(f"{SETUPS[setup].capitalize()}: {expected}.",
                      f"Farthest from it: {worst} with {ratios[worst]:.0%}." if ratios else "",
                      f"Holds when every model lies within {TOLERANCE:.0%} of it.",
                      abs(ratios[worst] - 1) <= TOLERANCE if ratios else None)


def stalls(p99, names):
    """{name: p99 in ms} of the one-core runs of these models without a lock."""
    return {model: p99[model, "", 1, 1].median / 1000 for model in names if (model, "", 1, 1) in p99}


def listed(found):
    return "; ".join(f"{name} {text.milliseconds(1000 * ms)}" for name, ms in found.items())


def lock_ratios(rows):
    """(computing on both cores, waiting): throughput with the lock, as part of that without; None: not run."""
    found = []
    for part, cores in (("speed", 2), ("waiting", 1)):
        own = cells(rows, part, "throughput_rps")
        pair = [own.get(("thread", lock, 1, cores)) for lock in ("gil", "")]
        found.append(pair[0].median / pair[1].median if None not in pair and pair[1].median else None)
    return found


def predictions(rows):
    speed = cells(rows, "speed", "throughput_rps")
    p99 = cells(rows, "beside", "latency_intended_us_p99")
    loops, free = stalls(p99, LOOPS), stalls(p99, ["epoll_offload"])
    computing, waiting = lock_ratios(rows)
    both = computing is not None and waiting is not None
    return [*(speed_prediction(speed, setup) for setup in SETUPS),
            Prediction(f"A loop that computes stalls the cheap requests: p99 near {2 * TURN_MS:.0f} ms.",
                       listed(loops), f"Holds from {TURN_MS:.0f} to {3 * TURN_MS:.0f} ms (one to three turns), "
                       "for all four.", all(TURN_MS <= ms <= 3 * TURN_MS for ms in loops.values())
                       if loops else None),
            Prediction("A pool frees the cheap requests, even on the same core.", listed(free),
                       "Holds when epoll_offload's p99 is less than half that of the quickest of the four loops.",
                       free["epoll_offload"] < min(loops.values()) / 2
                       if "epoll_offload" in free and loops else None),
            Prediction("One lock halves the computing of two cores, and leaves the waiting as it is.",
                       f"With the lock: {computing:.0%} of the computing on both cores, {waiting:.0%} of the "
                       "waiting." if both else "",
                       "Holds when the first lies from 40 to 60 % and the second from 90 to 110 %.",
                       0.4 <= computing <= 0.6 and 0.9 <= waiting <= 1.1 if both else None)]


def answer(rows):
    speed = cells(rows, "speed", "throughput_rps")
    said = []
    for setup, words in SETUPS.items():
        here = [cell.median for key, cell in speed.items() if key[2:] == setup and key[0] in models.SIX]
        if here:
            low, high = text.figure(min(here)), text.figure(max(here))
            said.append(f"{words}: {low if low == high else f'{low} to {high}'} requests/s")
    p99 = cells(rows, "beside", "latency_intended_us_p99")
    both = {**stalls(p99, ("epoll",)), **stalls(p99, ("epoll_offload", "thread"))}
    if both:
        said.append(f"beside it a request for / waits (p99) {listed(both)}")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def findings(rows, _facts):
    speed = cells(rows, "speed", "throughput_rps")
    lines = []
    for model, lock in shown(rows):
        line = [title(model, lock)]
        for workers, cores in SETUPS:
            cell = speed.get((model, lock, workers, cores))
            line.append(mark(text.count(cell.median), cell) if cell else why(rows, model))
        lines.append(line)
    tables = [Table(f"Requests a second of {COST_US / 1000:.0f} ms of computing each (median); (h): hollow",
                    ["model", *SETUPS.values()], lines)]
    quick, slow, load = (cells(rows, "beside", column) for column in (
        "latency_intended_us_p50", "latency_intended_us_p99", "beside_rps"))
    lines = [[beside_title(key), *(mark(unit(table[key].median), table[key]) if key in table else "-"
                                   for table, unit in ((quick, text.milliseconds),
                                                       (slow, text.milliseconds), (load, text.figure)))]
             for key in slow]
    tables.append(Table("What a request for / waits while others have the server compute",
                        ["model", "median", "99th percentile", "computed beside it, requests/s"], lines))
    waiting = cells(rows, "waiting", "throughput_rps")
    tables.append(Table(f"{WAITERS} clients of /db?ms={DELAY_MS}, with the lock and without",
                        ["model", "requests/s"], [[title(*key[:2]), text.figure(cell.median)]
                                                  for key, cell in waiting.items()]))
    return Findings(answer(rows), predictions(rows), [table for table in tables if table.rows])


def mark(figure, cell):
    return figure + ("" if cell.valid else " (h)")


def why(rows, model):
    return stats.why_not([row for row in rows if row["model"] == model]).partition(":")[0] or "-"


def beside_title(key):
    model, lock, workers, _ = key
    return title(model, lock) + (f", {workers} workers" if workers > 1 else "")


# Drawing.

def shown(rows):
    return list(forms(models.in_order(row["model"] for row in rows)))


def spread_words(unit, cell):
    return f"{unit(cell.median)} ({unit(cell.least)} to {unit(cell.greatest)})" if cell.runs > 1 else \
        unit(cell.median)


def repeats_of(rows):
    return max((int(row.get("repeat", 1)) for row in rows), default=1)


def speed_chart(rows, _facts):
    speed = cells(rows, "speed", "throughput_rps")
    if not speed:
        return None
    bars, words, hover, groups = [], [], [], []
    for group, (model, lock) in enumerate(shown(rows), 1):
        groups.append((group, title(model, lock).replace(", ", "\n"), models.COLOUR[model]))
        for place, (setup, what) in enumerate(SETUPS.items(), 1):
            cell = speed.get((model, lock, *setup))
            if cell is None:
                continue
            x = group + 0.3 * (place - 2)
            bars.append((x, cell.median, cell.least, cell.greatest, place, int(cell.valid), model))
            words.append((x, cell.greatest, f"{cell.median:.0f}"))
            hover.append((x, cell.median,
                          f"{title(model, lock)}, {what}: {spread_words(text.figure, cell)} requests/s"))
        if not any(key[:2] == (model, lock) for key in speed):
            words.append((group, 0.0, why(rows, model)))
    return Drawing(f"{CLIENTS} clients, {COST_US / 1000:.0f} ms of CPU a request; {of_runs(rows)}",
                   tables={"bars": bars, "words": words, "hover": hover},
                   variables={"GROUPS": len(groups), "UNIT": 1e6 / COST_US,
                              **{f"name_{group}": name for group, name, _ in groups},
                              **{f"tint_{group}": colour for group, _, colour in groups},
                              **{f"setup_{place}": what for place, what in enumerate(SETUPS.values(), 1)}})


def of_runs(rows):
    count = repeats_of(rows)
    return "one run" if count == 1 else f"median and spread of {count} runs"


def beside_chart(rows, _facts):
    quick, slow = (cells(rows, "beside", f"latency_intended_us_{q}") for q in ("p50", "p99"))
    if not slow:
        return None
    bars, names = [], []
    for place, (key, cell) in enumerate(slow.items(), 1):
        names.append((place, beside_title(key), key[0]))
        bars.append((place, quick[key].median / 1000, cell.median / 1000, cell.least / 1000,
                     cell.greatest / 1000, int(cell.valid), key[0],
                     f"p99 {text.milliseconds(cell.median)}",
                     f"{beside_title(key)}: median {text.milliseconds(quick[key].median)}, p99 "
                     f"{spread_words(text.milliseconds, cell)}"))
    return Drawing(f"{CHEAP_RPS} requests/s for / beside {CLIENTS} clients of /cpu; {of_runs(rows)}",
                   tables={"bars": bars},
                   variables={"PLACES": len(names), "TURN": TURN_MS,
                              "WORDS": f"{CLIENTS} x {COST_US / 1000:.0f} ms, one turn of a loop",
                              "LOW": min(0.05, 0.7 * min(bar[1] for bar in bars)),
                              "HIGH": 10 * max(2 * TURN_MS, *(bar[4] for bar in bars)),
                              **{f"name_{place}": name for place, name, _ in names},
                              **{f"tint_{place}": models.COLOUR[model] for place, _, model in names}})


CHARTS = [
    Chart("cpu_bound", "speed.gp", QUESTION,
          "A bar is requests a second, its line the spread. Pale: one process on one core; middle: one process on "
          "both cores; full: two worker processes. Look for who doubles in the middle: threads do, a lock or an event "
          "loop prevents it. Processes always do.", speed_chart),
    Chart("cpu_bound-beside", "beside.gp", "What does a cheap request wait while the server computes?",
          "A bar begins at the median and ends at the 99th percentile of what requests for / wait (logarithmic; the thin "
          "line is the p99's spread). Left is good. Dotted: one and two turns of a loop that "
          "computes for eight others. Look for who lets them pass.", beside_chart),
]
