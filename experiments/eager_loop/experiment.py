"""eager_loop: how many waits that are over an event loop may answer before it looks for new input again.

A row is one run of the load generator: a model and its turn, the most that it answers in one turn. epoll answers
all that are due, so its turn is the number of clients. The server is stopped (SIGSTOP) for a moment before anything
is measured; "stop_s" is for how long it really was.
"""

import os
import re
import time

from lib import models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.processes import Broken, hold_still
from lib.report import Findings, Prediction, Table
from lib.rows import flatten

ORDER = 95
QUESTION = "How much may a loop do before it looks up?"
CLIENTS, DELAY_S = 10000, 0.100
POSSIBLE_RPS = CLIENTS / DELAY_S
FEW, ALL = 20, CLIENTS
ANSWER_US = 6  # about what it costs a server to answer one request: for the prediction only
ROUND_S = DELAY_S + CLIENTS * ANSWER_US * 1e-6
STOP_S = 0.12
SETUP = f"""{CLIENTS:,} clients keep their connections. Each asks, is answered after D = {1000 * DELAY_S:.0f} ms (the
database) and at once asks again: C/D = {POSSIBLE_RPS:,.0f} answers a second are possible, about as many as one core can
give. An event loop goes round: it takes in what has come, it answers those whose wait is over, and it looks again.
The switch --timers-a-turn says how many of them io_uring answers before it looks at its ring again, from 1 to
{ALL:,}, which is everyone. epoll has no such switch: in each turn it answers all whose wait is over, and one wait hands
it up to 512 clients who have asked.

Every server stumbles now and then: other work takes its core for a moment. Here it is stopped once (SIGSTOP) for
{1000 * STOP_S:.0f} ms, as soon as all have come, so that everyone is waiting when it goes on. What is measured begins
at least two rounds after that. Without it the same happens, but not in every run. The server has one core, the
generator another. Models take turns within each repeat, each run with a fresh server."""
PREDICTION = f"""A few at a time ({FEW}): at least 95 % of C/D, as if nothing had been. To look up costs one system call for
{FEW} answers, next to nothing. If less comes out, one of the two cores must be full: then it is the limit, and not the
loop.

Everyone at once: one answer takes the server some {ANSWER_US} microseconds, {CLIENTS:,} of them
{1000 * (ROUND_S - DELAY_S):.0f} ms. Those who are answered ask again at once, but nobody reads it: the loop is busy
answering. Since Linux 6.13 one look at the ring brings no more than some {FEW} requests, too: so many of the receives
that were put off until the program asks for them are done in one call (IO_LOCAL_TW_DEFAULT_MAX; they are put off
because of DEFER_TASKRUN). So thousands are read only when all are answered, then one right after another, and all wait
for the same {1000 * DELAY_S:.0f} ms: a crowd. In the next round the same happens to the same clients, so the crowd never
dissolves. A round takes D and the time to answer everyone, {1000 * ROUND_S:.0f} ms and not {1000 * DELAY_S:.0f}:
{CLIENTS:,} / {ROUND_S:.2f} s = {CLIENTS / ROUND_S:,.0f} a second. In each round the server sleeps while all wait, and the
generator while it has no answers: below 85 % of C/D, and neither core above 85 %. An older kernel hands over all that
has come in one call: this is not expected there, and not judged.

epoll also answers everyone whose wait is over, but then takes in 512 at a time: its crowd dissolves, and it reaches at
least a tenth more than io_uring with everyone at once."""
HOW_TO_READ = """Go from left to right in both panels at once. As long as the left line lies on the dotted one, nothing
is missing. Where it lies below it and a line on the right is near 100 %, the machine is at its limit. The lesson is at the
right end: the left line falls, and both lines on the right fall with it. Answers are missing, and nobody is
busy: a profiler, which looks for who is, would show nothing.

The table says where the missing answers are: all clients are always waiting for one, so by Little's law the mean latency
is C/X. It is D alone with a few at a time, and D and the time to answer everyone with everyone at once.

The stumble is long over, and what it left behind stays: the same server, under the same load, has a good state and a bad
one, and does not find its way back by itself. Each of the steps of the loop is right: to answer whoever can be answered
sounds like diligence. But whoever does one kind of work until there is none left lets all the other kinds wait. epoll
does that, too, but takes in hundreds at a look, so that it catches up. Event loops limit what they do of each kind in a
turn. It costs little: even one answer a turn, with a system call for each, needs hardly more CPU."""
SECONDS = {"quick": 6, "default": 26, "full": 330}
DESCRIPTORS = {"quick": 10200, "default": 10200, "full": 10200}
NEEDS = ["loadgen"]
MODELS = ["epoll", "io_uring"]

TURNS = {"quick": [FEW, ALL], "default": [1, 5, FEW, 100, 1000, ALL],
         "full": [1, 2, 5, 10, FEW, 50, 100, 200, 500, 1000, 2000, 5000, ALL]}
REPEATS = {"quick": 1, "default": 2, "full": 5}
# Seconds in which the clients come; of warming up, and that where everyone is answered, so that there is time for the
# crowd to dissolve; and measured. A round of a crowd takes 150 to 180 ms, so what is measured is some whole rounds,
# about: part of one has too many answers or too few.
LENGTHS_S = {"quick": (0.1, 0.35, 0.85, 0.72), "default": (0.1, 0.35, 0.85, 0.6), "full": (0.1, 0.85, 2.0, 3.0)}
PATIENCE_S = 2.0  # for the next client to come
FULL_PCT = 90  # a core that is so busy may be the limit
SPARE_PCT = 85  # one below it is not


# Measuring.

def measure(lab):
    runs = [(repeat, turn, model) for repeat in range(1, REPEATS[lab.mode] + 1) for turn in TURNS[lab.mode]
            for model in lab.in_turn(repeat - 1) if model != "epoll" or turn == ALL]
    lab.plan(len(runs))
    for repeat, turn, model in runs:
        lab.step(f"{model}, {text.count(turn)} a turn, repeat {repeat} of {REPEATS[lab.mode]}")
        labels = {"turn": turn, "clients": CLIENTS, "repeat": repeat}
        switches = ["--timers-a-turn", turn] if model == "io_uring" else []
        with lab.server(model, "--db-delay", DELAY_S * 1000, *switches, **labels) as server:
            if server:
                one_run(lab, server, labels)


def one_run(lab, server, labels):
    ramp_s, warmup_s, longer_s, length_s = LENGTHS_S[lab.mode]
    crowded = descriptors(server.pid) + CLIENTS
    try:
        with lab.generating(server, "/db", "-c", CLIENTS, "-d", length_s, "--warmup",
                            longer_s if labels["turn"] == ALL else warmup_s, "--ramp", ramp_s) as figures:
            stop_s = hold_still(server.pid, STOP_S) if reaches(server.pid, crowded) else None
            row = flatten(figures())
        if stop_s is None:
            raise Broken(f"not all of {CLIENTS:,} clients could connect")
    except (Broken, OSError, ValueError) as reason:
        lab.failed(server.model, f"loadgen: {reason}", **labels)
        return
    row.pop("model", None)
    lab.row(server.model, row.pop("verdict"), **labels, stop_s=stop_s, **row)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def reaches(pid, count):
    """Waits until a process has so many descriptors, which is when the generator begins to warm up: were the server
    stopped before that, clients would be turned away and knock again only after a second. False if no more come."""
    most, until = 0, time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        now = descriptors(pid)
        if now >= count:
            return True
        if now > most:
            most, until = now, time.monotonic() + PATIENCE_S
        time.sleep(0.01)
    return False


# Computing.

def of(rows, model):
    """The runs of a model, with what is computed of one run: missing_pct, the part of C/D that is missing; core_pct, how
    busy the generator's core was with it and, while it had to wait, with others; busiest_pct, the busier of both
    cores; beyond_ms, the mean wait beyond D; work_ms, the server's CPU time for a request of every client."""
    found = []
    for row in rows:
        if row["model"] == model and stats.was_run(row):
            found.append(dict(row, **{key: str(value) for key, value in computed(row).items() if value is not None}))
    return found


def computed(row):
    rate, mean_us, server, work_us, generator = (stats.number(row, column) for column in (
        "throughput_rps", "latency_us_mean", "server_cpu_pct", "server_cpu_us_per_request", "generator_cpu_pct"))
    core = None if generator is None else min(100.0, generator + (stats.number(row, "generator_waited_pct") or 0))
    return {"missing_pct": None if rate is None else 100 * (1 - rate / POSSIBLE_RPS),
            "core_pct": core,
            "busiest_pct": None if None in (server, core) else max(server, core),
            "beyond_ms": None if mean_us is None else mean_us / 1000 - 1000 * DELAY_S,
            "work_ms": None if work_us is None else work_us * CLIENTS / 1000}


def at(rows, model, turn, column):
    """The median of a column at a turn; None where it was not measured."""
    cell = dict(stats.series(of(rows, model), "turn", column)).get(turn)
    return cell.median if cell else None


def unlimited(rows, turn):
    """The part of C/D in percent that io_uring misses although no core is full, over the repeats: 0 for a run in which
    one is. None where it was not measured."""
    missed = [0.0 if stats.number(row, "busiest_pct") >= FULL_PCT else stats.number(row, "missing_pct")
              for row in of(rows, "io_uring") if stats.number(row, "turn") == turn
              and None not in (stats.number(row, "busiest_pct"), stats.number(row, "missing_pct"))]
    return stats.median(missed) if missed else None


def limited_ring(facts):
    """Whether the kernel does only some receives in a call (Linux 6.13); None where the header does not name it."""
    version = re.match(r"Linux (\d+)\.(\d+)", facts.get("kernel", ""))
    return (int(version.group(1)), int(version.group(2))) >= (6, 13) if version else None


def described(rows, model, turn):
    """What came out at a turn, in words; "" where it was not measured."""
    rate, server, generator = (at(rows, model, turn, column) for column in (
        "throughput_rps", "server_cpu_pct", "core_pct"))
    if None in (rate, server, generator):
        return ""
    return (f"{text.count(rate)} a second, {100 * rate / POSSIBLE_RPS:.0f} % of C/D (server's core {server:.0f} % busy, "
            f"generator's {generator:.0f} %)")


def predictions(rows, facts):
    missed = unlimited(rows, FEW)
    yield Prediction(
        f"With {FEW} a turn at least 95 % of C/D.", ended(described(rows, "io_uring", FEW)),
        f"Holds from 95 %, or where a core is full ({FULL_PCT} % and more) and so the limit; the median of the runs.",
        missed <= 5 if missed is not None else None)
    why = {True: "", None: "Not judged: the kernel's version is not known. ",
           False: "Not judged: this kernel is older than 6.13. "}[limited_ring(facts)]
    missing, busiest = (at(rows, "io_uring", ALL, column) for column in ("missing_pct", "busiest_pct"))
    yield judged(why, "With everyone at once answers are missing although neither core is full.",
                 ended(described(rows, "io_uring", ALL)),
                 f"Holds below 85 % of C/D with both cores below {SPARE_PCT} %.",
                 missing > 15 and busiest < SPARE_PCT if None not in (missing, busiest) else None)
    beyond, work = (at(rows, "io_uring", ALL, column) for column in ("beyond_ms", "work_ms"))
    share = beyond / work if beyond is not None and work else None
    yield judged(why, "They wait in the crowd: each for D, and then while the server answers everyone.",
                 f"{text.figure(beyond)} ms beyond D, {share:.2f} of the {text.figure(work)} ms of CPU time that the "
                 "server needs to read and answer everyone." if share is not None else "",
                 "Holds from 0.4 (answering is most of it) to 1.1 (it cannot be more than all).",
                 0.4 <= share <= 1.1 if share is not None else None)
    loop, ring = (at(rows, model, ALL, "throughput_rps") for model in MODELS)
    yield judged(why, "epoll, which answers everyone but takes in 512 at a time, reaches a tenth more than that.",
                 f"{text.count(loop)} and {text.count(ring)} a second, {loop / ring:.2f} times." if loop and ring else "",
                 "Holds from 1.1 times.", loop / ring >= 1.1 if loop and ring else None)


def ended(words):
    return words + "." if words else ""


def judged(why, claim, measured, rule, holds):
    """A prediction that is made only where there is no reason `why` not to."""
    return Prediction(claim, why + measured if holds is not None else measured, rule, None if why else holds)


def answer(rows):
    found = [(words, described(rows, model, turn)) for words, model, turn in (
        (f"with {FEW} a turn io_uring answers", "io_uring", FEW), ("with everyone at once", "io_uring", ALL),
        ("epoll", "epoll", ALL))]
    said = [f"{words} {result}" for words, result in found if result]
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


COLUMNS = (("throughput_rps", "answers a second", text.count),
           ("missing_pct", "missing of C/D", lambda value: f"{round(value)} %"),
           ("latency_us_mean", "mean latency", text.milliseconds),
           ("server_cpu_pct", "server's core", lambda value: f"{value:.0f} %"),
           ("core_pct", "generator's core", lambda value: f"{value:.0f} %"),
           ("server_cpu_us_per_request", "server's CPU a request", lambda value: f"{value:.1f} us"))


def findings(rows, facts):
    lines = []
    for model in MODELS:
        series = {column: dict(stats.series(of(rows, model), "turn", column)) for column, _, _ in COLUMNS}
        for turn in sorted(series["throughput_rps"]):
            name = "io_uring, everyone" if turn == ALL else f"io_uring, {text.count(turn)} a turn"
            cells = [(series[column].get(turn), unit) for column, _, unit in COLUMNS]
            lines.append([name if model == "io_uring" else "epoll, everyone",
                          *(unit(cell.median) + ("" if cell.valid else " (h)") if cell else "-"
                            for cell, unit in cells)])
        some = [row for row in rows if row["model"] == model]
        if some and not of(rows, model):
            lines.append([model, stats.why_not(some).partition(":")[0], *["-"] * (len(COLUMNS) - 1)])
    tables = [Table("Median of the repeats; (h): hollow, not a valid run; the ends of a short run are a percent or two",
                    ["", *(words for _, words, _ in COLUMNS)], lines)] if lines else []
    return Findings(answer(rows), list(predictions(rows, facts)), tables)


# Drawing.

GENERATOR = "#5A6270"  # the script's colour_generator


def rates(rows, facts):
    if not any(of(rows, model) for model in MODELS):
        return None
    across = (0.8, 1.3 * ALL)
    answers = Panel("answers", (0.092, 0.425, 0.255, 0.81), across, (0, 120000), linear="y")
    answers.reference([(across[0], POSSIBLE_RPS), (across[1], POSSIBLE_RPS)], "C/D: all that is possible", (0.8, 108000))
    for model in MODELS:
        answers.line(model, stats.series(of(rows, model), "turn", "throughput_rps"),
                     unit=lambda rps: f"{text.count(rps)} answers a second", at=in_a_turn)
    cores = Panel("cores", (0.565, 0.885, 0.255, 0.81), across, (0, 108), linear="y")
    cores.reference([(across[0], 100), (across[1], 100)], "full", (across[1], 104), "right")
    for name, column, label, colour in (("io_uring", "server_cpu_pct", "server", models.COLOUR["io_uring"]),
                                        ("generator", "core_pct", "generator", GENERATOR)):
        points = stats.series(of(rows, "io_uring"), "turn", column)
        cores.line(name, points, "", lambda percent: f"{percent:.0f} % of a core", in_a_turn)
        if points:
            cores.ends.append((points[-1][0], points[-1][1].median, label, colour))
    for panel in (answers, cores):
        for model in MODELS:
            some = [row for row in rows if row["model"] == model]
            if some and not of(rows, model):
                panel.write(f"{model}: {stats.why_not(some)[:40]}", (1, panel.y[1] / 12 * (1 + MODELS.index(model))),
                            models.COLOUR[model])
    repeats = REPEATS.get(facts.get("mode"), "the")
    runs = "1 run" if repeats == 1 else f"median and spread of {repeats} runs"
    return Drawing(f"{CLIENTS:,} clients, D = {1000 * DELAY_S:.0f} ms; {runs}", [answers, cores])


def in_a_turn(turn):
    return f"{text.count(turn)} a turn"


CHARTS = [
    Chart("eager_loop", "eager_loop.gp", QUESTION,
          "A point: a loop that answers at most so many waits that are over, then looks for new input (epoll: all). Hollow: "
          f"not a valid run. Before, the server stood still for {1000 * STOP_S:.0f} ms, so all waited together. Look at the "
          "right ends: answers are missing, and neither core is full. io_uring keeps that crowd if it answers all at once.",
          rates),
]
