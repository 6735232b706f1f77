"""stopwatch: the same run, timed from when requests were due and from when they were sent.

The server is stopped once (SIGSTOP) in the middle of an open-loop run of constant rate. A row is a run of
the generator ("run": stopped or quiet), or a point of one of its percentile curves ("curve": intended or
sent; "fraction" and "latency_us"), which has its run's verdict. The stop is this experiment's doing and
measured here ("stop_s"); everything else is the generator's.
"""

import contextlib
import os
import tempfile
import threading
import time

from lib import stats, text
from lib.draw import Chart, Drawing
from lib.processes import Broken, hold_still
from lib.report import Findings, Prediction, Table
from lib.rows import flatten

ORDER = 110
QUESTION = "Is your latency figure lying?"
RATE_RPS = 2000
STOP_S = 1.4
SETUP = f"""{RATE_RPS:,} requests a second at even intervals against epoll, for half a minute; in the
middle the server is stopped (SIGSTOP) for {STOP_S} seconds and then goes on (SIGCONT). Both latencies
of each request are kept: from the moment the timetable wanted it sent, and from the moment it was sent.
Beforehand a shorter run without the stop. A default run has 100 connections, a quick one lasts 5 s and
has 16, so that the same share of the requests, a sixth of a percent, is under way when the server
stops."""
PREDICTION = """A stop of s seconds within T delays s/T of all requests that were due, and the wait of
those falls evenly from s to 0. So a share p of them waits longer than s - p T: with s = 1.4 and T = 30
the 99th percentile is s - 0.01 T = 1.1 s. A stopwatch that starts when a request is sent sees nothing
of that: each connection has one request under way when the server stops and sends no other until it is
answered. At most as many requests as there are connections seem slow, too few for the 99th percentile,
which stays at a few ms."""
HOW_TO_READ = """Follow a curve from left to right: half of all requests were answered faster than at 50
%, all but one in a hundred faster than at 99 %. Both dark curves are of the same requests in the same
run. The dashed one asks "how long did the answer take once I had asked?", which is what a closed loop
measures; the solid one asks "how long did the user wait?". While the server stands still a closed loop
stands still with it and does not ask the 2,800 questions that users would have asked: coordinated
omission, after Gil Tene, whose tool wrk2 was the first to show it. The grey rings are what he printed
for his own run of this kind.

The dotted line is not fitted: it is s - p T, with the s and T of this run.

The dashed curve has a step in it, from 95 % on. When the server goes on, what is overdue is sent as fast as
answers come, by all connections at once. That is one request in twenty, and each of them waits for all the
other connections: C/mu, with 100 of them at some 200,000 a second half a millisecond. So this p99 does not
notice the stop, but it does notice the catching up, which the prediction forgot."""
SECONDS = {"quick": 8, "default": 39, "full": 340}
DESCRIPTORS = {"quick": 200, "default": 200, "full": 200}
NEEDS = ["loadgen"]
MODELS = ["epoll"]

LENGTH_S = {"quick": 5, "default": 30, "full": 60}
QUIET_S = {"quick": 1.5, "default": 6, "full": 60}
CONNECTIONS = {"quick": 16, "default": 100, "full": 100}
REPEATS = {"quick": 1, "default": 1, "full": 3}
WARMUP_S = 0.3
# wrk2's README, a stop of 1.4 s by hand: percentiles from the intended time, in ms.
WRK2 = ((0.5, 8.61), (0.9, 11.77), (0.99, 1270))
NAMED = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)


# Measuring.

def measure(lab):
    plan = [(repeat, run) for repeat in range(1, REPEATS[lab.mode] + 1) for run in ("quiet", "stopped")]
    lengths = {"quiet": QUIET_S[lab.mode], "stopped": LENGTH_S[lab.mode]}
    lab.plan(sum(lengths[run] for _, run in plan) * len(lab.models))
    for repeat, run in plan:
        for model in lab.in_turn(repeat - 1):
            lab.step(f"{model}, {run}, {lengths[run]} s", lengths[run])
            labels = {"run": run, "repeat": repeat}
            with lab.server(model, **labels) as server:
                if server:
                    one_run(lab, server, lengths[run], labels)


def one_run(lab, server, length_s, labels):
    with tempfile.TemporaryDirectory(prefix="six-stopwatch-") as directory:
        path = os.path.join(directory, "intended")
        options = ["-c", CONNECTIONS[lab.mode], "-R", RATE_RPS, "-d", length_s, "--warmup", WARMUP_S,
                   "--hdr", path]
        try:
            with lab.generating(server, "/", *options, limit=60 + length_s) as figures:
                stop_s = None
                if labels["run"] == "stopped":
                    time.sleep(WARMUP_S + (length_s - STOP_S) / 2)
                    stop_s = hold_still(server.pid, STOP_S)
                row = flatten(figures())
            curves = {"intended": read_hdr(path), "sent": read_hdr(path + ".sent")}
        except (Broken, OSError, ValueError) as reason:
            lab.failed(server.model, f"loadgen: {reason}", **labels)
            return
    row.pop("model", None)
    verdict = row.pop("verdict")
    lab.row(server.model, verdict, **labels, **({"stop_s": stop_s} if stop_s else {}), **row)
    for curve, points in curves.items():
        for fraction, latency_us in points:
            lab.row(server.model, verdict, **labels, curve=curve, fraction=fraction,
                    latency_us=latency_us)


def read_hdr(path):
    """[(fraction, microseconds)] of a file in HdrHistogram's text format, from 50 % on: the curve below
    says nothing here."""
    points = []
    with open(path, encoding="ascii") as file:
        for line in file:
            cells = line.split()
            if len(cells) == 4 and cells[0][0].isdigit():
                fraction = float(cells[1])
                if 0.5 <= fraction < 1:
                    points.append((fraction, 1000 * float(cells[0])))
    if not points:
        raise ValueError(f"{os.path.basename(path)} holds no percentiles")
    return points


# Computing.

def runs(rows, run):
    return [row for row in rows if row.get("run") == run and "curve" not in row and stats.was_run(row)
            and stats.number(row, "duration_s")]


def foreseen_us(stop_s, length_s, fraction):
    """What a stop of so many seconds must do to this percentile; None where it does not reach it."""
    wait_s = stop_s - (1 - fraction) * length_s
    return 1e6 * wait_s if wait_s > 0 else None


def key_of(clock, fraction=0.99):
    digits = f"{100 * fraction:.10g}".replace(".", "")
    return f"{'latency_intended_us' if clock == 'intended' else 'latency_us'}_p{digits}"


def percentile(rows, run, clock, fraction=0.99):
    """A percentile's cell in microseconds; None without such a run."""
    return stats.cell(runs(rows, run), key_of(clock, fraction))


class Figures:
    """What all else is computed from; `known` says whether there was a run with a stop at all."""

    def __init__(self, rows):
        stopped = runs(rows, "stopped")
        self.known = bool(stopped)
        if not self.known:
            return
        self.stop_s = stats.median([stats.number(row, "stop_s") for row in stopped])
        self.length_s = stats.median([stats.number(row, "duration_s") for row in stopped])
        self.foreseen = foreseen_us(self.stop_s, self.length_s, 0.99)
        self.intended, self.sent = (percentile(rows, "stopped", clock).median
                                    for clock in ("intended", "sent"))
        quiet = percentile(rows, "quiet", "sent")
        self.quiet_sent = quiet.median if quiet else None


def predictions(figures):
    known = figures.known
    return [
        Prediction("Timed from when requests were due, p99 is s - 0.01 T.",
                   f"s = {figures.stop_s:.2f} s and T = {figures.length_s:.0f} s make "
                   f"{text.milliseconds(figures.foreseen)}; measured {text.milliseconds(figures.intended)}."
                   if known else "", "Holds within 10 %.",
                   abs(figures.intended / figures.foreseen - 1) <= 0.1
                   if known and figures.foreseen else None),
        Prediction("Timed from when they were sent, p99 does not notice the stop.",
                   f"{text.milliseconds(figures.sent)}, and {text.milliseconds(figures.quiet_sent)} without "
                   "a stop." if known and figures.quiet_sent else "",
                   "Holds below three times that of the quiet run.",
                   figures.sent < 3 * figures.quiet_sent if known and figures.quiet_sent else None),
        Prediction("The two figures for the same run differ by two orders of magnitude.",
                   f"{text.figure(figures.intended / figures.sent)} times." if known else "",
                   "Holds from 100 times.", figures.intended >= 100 * figures.sent if known else None)]


def answer(figures):
    if not figures.known:
        return "Nothing was measured."
    return (f"If it was timed from when requests were sent, yes: the server stood still for "
            f"{figures.stop_s:.1f} s, users waited {text.milliseconds(figures.intended)} (p99), and that "
            f"stopwatch says {text.milliseconds(figures.sent)}, "
            f"{text.figure(figures.intended / figures.sent, 2)} times less.")


def findings(rows, _facts):
    figures = Figures(rows)
    lines = []
    for run, words in (("quiet", "not stopped"), ("stopped", "stopped once")):
        for clock, since in (("intended", "from when they were due"), ("sent", "from when they were sent")):
            cells = [percentile(rows, run, clock, fraction) for fraction in NAMED]
            if all(cells):
                lines.append([f"{words}, {since}", *(text.milliseconds(cell.median)
                                                     + ("" if cell.valid else " (h)") for cell in cells)])
    heads = [f"{100 * fraction:.10g} %" for fraction in NAMED]
    tables = [Table("Percentiles of latency; (h): not a valid run", ["run", *heads], lines)] if lines else []
    return Findings(answer(figures), predictions(figures), tables)


# Drawing.

RIGHT = 30000


def curve(rows, run, clock):
    """[(1/(1-p), ms)] of the first such run."""
    points = [row for row in rows if row.get("run") == run and row.get("curve") == clock]
    points = [row for row in points if row.get("repeat") == points[0].get("repeat")]
    pairs = [(1 / (1 - float(row["fraction"])), float(row["latency_us"]) / 1000) for row in points]
    return [(x, y) for x, y in pairs if x <= RIGHT]


def percentiles(rows, facts):
    figures = Figures(rows)
    if not figures.known:
        return None
    stopped = runs(rows, "stopped")[0]
    tables = {f"{run}_{clock}": curve(rows, run, clock) or [(1, 1e-9)]
              for run, clock in (("stopped", "intended"), ("stopped", "sent"), ("quiet", "sent"))}
    tables["foreseen"] = [(x, foreseen_us(figures.stop_s, figures.length_s, 1 - 1 / x) / 1000)
                          for x in steps(figures.length_s / figures.stop_s, RIGHT)]
    tables["wrk2"] = [(1 / (1 - fraction), ms) for fraction, ms in WRK2]
    tables["hover"] = [
        (1 / (1 - fraction), cell.median / 1000, f"{run}, {clock}: {100 * fraction:.10g} % within "
         f"{text.milliseconds(cell.median)}")
        for run, clock in (("stopped", "intended"), ("stopped", "sent"), ("quiet", "sent"))
        for fraction in NAMED for cell in [percentile(rows, run, clock, fraction)] if cell]
    lowest = min(y for name in ("stopped_intended", "stopped_sent", "quiet_sent")
                 for _, y in tables[name] if y > 1e-6)
    valid = stats.is_valid(stopped)
    return Drawing(
        f"{RATE_RPS:,}/s over {stats.number(stopped, 'connections_asked'):.0f} connections for "
        f"{figures.length_s:.0f} s, stopped once for {figures.stop_s:.1f} s",
        tables=tables,
        variables={"LOWEST": min(0.5 * lowest, 0.1), "RIGHT": RIGHT,
                   "INTENDED": figures.intended / 1000, "SENT": figures.sent / 1000,
                   "SAYS_INTENDED": text.milliseconds(figures.intended),
                   "SAYS_SENT": text.milliseconds(figures.sent),
                   "STOP": figures.stop_s,
                   "SAYS_FORESEEN": f"dotted: s - p T, {text.milliseconds(figures.foreseen)} at p = 1 %"
                   if figures.foreseen else "",
                   "TIMES": f"{text.figure(figures.intended / figures.sent, 2)} times",
                   "VALID": int(valid), "WHY": "" if valid else "not a valid run"})


def steps(first, last, count=60):
    """Places on a logarithmic axis, the first a little inside."""
    first *= 1.002
    return [first * (last / first) ** (step / (count - 1)) for step in range(count)]


CHARTS = [
    Chart("stopwatch", "stopwatch.gp", QUESTION,
          "Percentiles of one run, timed twice. Solid: from when a request was due. Dashed: from when it was "
          "sent. Read both at 99 %. Dotted: computed, for a share p that waits longer. Rings: the figures of "
          "wrk2's README for such a stop. Thin: a run without the stop.", percentiles),
]
