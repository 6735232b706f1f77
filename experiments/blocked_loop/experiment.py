"""blocked_loop: what one blocking call does to everybody else on an event loop.

A row is either a run (part "run": the figures of the 99 %, with rare_ms, the median of the 1 %) or a point of its
percentile curve (part "curve": one request in `one_in` waited longer than latency_us). Latencies of the 99 %
count from the moment a request was due, so that those that could not leave while the loop stood still count.
"""

import os
import tempfile

from lib import models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.processes import Broken
from lib.report import Findings, Prediction, Table
from lib.rows import flatten

ORDER = 90
QUESTION = "What does one blocking call do to an event loop?"
RATE_RPS, RARE_RPS, BLOCK_MS = 1000, 10, 50
STILL = RARE_RPS * BLOCK_MS / 1000  # the part of the time for which a loop that blocks stands still
SETUP = f"""{RATE_RPS:,} requests a second for /, which needs no waiting, and beside them {RARE_RPS} a second, 1 %, for
/db?ms={BLOCK_MS}. Both at constant rates (open loop), from two generators. Three servers with the same event loop: epoll
notes the time at which the database answers and goes on; epoll_blocking sleeps for it inside the loop (time.sleep in
an async def); epoll_offload has one of 10 threads sleep for it (run_in_executor)."""
PREDICTION = f"""epoll_blocking stands still for {RARE_RPS} x {BLOCK_MS} ms = {1000 * STILL:.0f} ms of each second. A request
arrives within such a pause with a probability of {STILL:.0%}, and then waits for what is left of it, evenly from 0 to
{BLOCK_MS} ms: so half of all wait, although only one in a hundred asked for anything slow, and the 99th percentile is
{0.99 * BLOCK_MS:.0f} to {BLOCK_MS} ms. In epoll and epoll_offload nobody waits for anybody: below a tenth of that."""
HOW_TO_READ = """A point of a curve says: so many requests of / had waited no longer than this. The axis stretches the
rare ones, so that "99 %" (one in a hundred waits longer) and "99.9 %" have a place. The two good servers stay flat up to
what the machine itself adds. epoll_blocking leaves them as soon as the pauses begin to count, and follows the dotted
line that the prediction draws. Mind that nothing is overloaded here: the CPU of epoll_blocking sleeps most of the
time, as the table shows."""
SECONDS = {"quick": 8, "default": 30, "full": 160}
DESCRIPTORS = {"quick": 300, "default": 300, "full": 300}
NEEDS = ["loadgen"]
MODELS = ["epoll"]
VARIANTS = {mode: ["epoll_blocking", "epoll_offload"] for mode in ("quick", "default", "full")}
LENGTH_S = {"quick": 0.9, "default": 2.7, "full": 10.0}
WARMUP_S = 0.2


# Measuring.

def measure(lab):
    lab.plan(lab.repeats * len(lab.models))
    for repeat in range(1, lab.repeats + 1):
        for model in lab.in_turn(repeat - 1):
            lab.step(f"{model}, repeat {repeat} of {lab.repeats}")
            with lab.server(model, repeat=repeat) as server:
                if server:
                    one_run(lab, server, repeat)


def one_run(lab, server, repeat):
    seconds = LENGTH_S[lab.mode]
    with tempfile.TemporaryDirectory() as directory:
        curve = os.path.join(directory, "curve")
        try:
            with lab.generating(server, f"/db?ms={BLOCK_MS}", "-c", 10, "-R", RARE_RPS, "-d",
                                seconds + WARMUP_S) as rare:
                with lab.generating(server, "/", "-c", 100, "-R", RATE_RPS, "-d", seconds, "--warmup",
                                    WARMUP_S, "--hdr", curve) as common:
                    figures, slow = flatten(common()), rare()
            points = read_curve(curve)
        except (Broken, OSError, ValueError) as reason:
            lab.failed(server.model, f"loadgen: {reason}", repeat=repeat)
            return
    figures.pop("model", None)
    verdict = figures.pop("verdict")
    lab.row(server.model, verdict, part="run", repeat=repeat, rare_requests=slow["requests"],
            rare_ms=slow["latency_intended_us"]["p50"] / 1000, **figures)
    for one_in, latency_us in points:
        lab.row(server.model, verdict, part="curve", repeat=repeat, one_in=one_in, latency_us=latency_us)


def read_curve(path):
    """[(1/(1-percentile), latency in us)] of a file in HdrHistogram's text format, without its end, where
    the percentile is 1."""
    points = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if len(words) == 4 and words[0][0].isdigit() and words[3] != "inf":
                points.append((float(words[3]), 1000 * float(words[0])))
    if not points:
        raise ValueError("no percentiles in its file")
    return points


# Computing.

def foreseen_ms(percentile):
    """What epoll_blocking makes a request wait, by the prediction; 0 where it does not wait."""
    return BLOCK_MS * max(0.0, (percentile - (1 - STILL)) / STILL)


def runs(rows):
    return [row for row in rows if row.get("part") == "run" or "part" not in row]


def cell_of(rows, model, column):
    return stats.cell([row for row in runs(rows) if row["model"] == model], column)


def p99_ms(rows, model):
    cell = cell_of(rows, model, "latency_intended_us_p99")
    return cell.median / 1000 if cell else None


def predictions(rows):
    blocked, good = p99_ms(rows, "epoll_blocking"), [p99_ms(rows, m) for m in ("epoll", "epoll_offload")]
    half = cell_of(rows, "epoll_blocking", "latency_intended_us_p75")
    half = half.median / 1000 if half else None
    want = foreseen_ms(0.75)
    return [
        Prediction(f"In epoll_blocking the 99th percentile of / is the blocking call, about {BLOCK_MS} ms.",
                   f"{text.milliseconds(1000 * blocked)}." if blocked else "",
                   f"Holds from {0.8 * BLOCK_MS:.0f} to {1.5 * BLOCK_MS:.0f} ms.",
                   0.8 * BLOCK_MS <= blocked <= 1.5 * BLOCK_MS if blocked else None),
        Prediction(f"One in four requests for / waits longer than {want:.0f} ms, although one in a hundred blocks.",
                   f"75th percentile: {text.milliseconds(1000 * half)}." if half else "",
                   f"Holds within 30 % of {want:.0f} ms.", abs(half / want - 1) <= 0.3 if half else None),
        Prediction("epoll and epoll_offload do not notice.",
                   f"99th percentile: {text.milliseconds(1000 * good[0])} and "
                   f"{text.milliseconds(1000 * good[1])}." if None not in good else "",
                   f"Holds when both stay below a tenth of the blocking call, {BLOCK_MS / 10:.0f} ms.",
                   max(good) < BLOCK_MS / 10 if None not in good else None)]


def answer(rows):
    found = {model: p99_ms(rows, model) for model in models.in_order(row["model"] for row in rows)}
    found = [f"{model} {text.milliseconds(1000 * ms)}" for model, ms in found.items() if ms]
    return text.sentence(f"with one request in a hundred that waits {BLOCK_MS} ms, the 99th percentile of all the "
                         f"others is: {'; '.join(found)}") if found else "Nothing was measured."


def findings(rows, _facts):
    lines = []
    for model in models.in_order(row["model"] for row in rows):
        cells = [cell_of(rows, model, f"latency_intended_us_{q}") for q in ("p50", "p75", "p90", "p99", "max")]
        rare, cpu = cell_of(rows, model, "rare_ms"), cell_of(rows, model, "server_cpu_pct")
        lines.append([model, *(text.milliseconds(cell.median) + ("" if cell.valid else " (h)") if cell else
                               stats.why_not([row for row in rows if row["model"] == model]) or "-"
                               for cell in cells),
                      text.milliseconds(1000 * rare.median) if rare else "-",
                      f"{cpu.median:.1f} %" if cpu else "-"])
    table = Table("What the 99 % wait, and the 1 % (median of the repeats); (h): hollow",
                  ["model", "median", "75 %", "90 %", "99 %", "longest", "the 1 %: median",
                   "the server's CPU"], lines)
    return Findings(answer(rows), predictions(rows), [table] if lines else [])


# Drawing.

def percentile(one_in):
    return f"{100 * (1 - 1 / one_in):.6g} %"


def thinned(points, apart=1.3):
    """Of points over a logarithmic axis, those that have room for their marks, and the last."""
    kept = []
    for x, cell in points:
        if not kept or x >= apart * kept[-1][0]:
            kept.append((x, cell))
    return kept if not points or kept[-1] == points[-1] else kept + points[-1:]


def curves(rows, facts):
    some = [row for row in rows if row.get("part") == "curve"]
    if not some:
        return None
    total = RATE_RPS * LENGTH_S.get(facts.get("mode"), LENGTH_S["default"])
    least = min(stats.number(row, "latency_us") for row in some) / 1000
    panel = Panel("x", (0.095, 0.835, 0.24, 0.83), (1, total), (min(0.02, 0.7 * least), 300))
    expected = [1 - 10 ** (-step / 20) for step in range(0, 81) if 10 ** (step / 20) <= total]
    expected = [(1 / (1 - part), foreseen_ms(part)) for part in expected if foreseen_ms(part) > 0.02]
    panel.reference(expected, f"dotted: what is left of a {BLOCK_MS} ms pause", (2.6, 90))
    for model in models.in_order(row["model"] for row in some):
        own = stats.series([row for row in some if row["model"] == model], "one_in", "latency_us")
        most = max(cell.runs for _, cell in own)
        own = thinned([(x, cell) for x, cell in own if cell.runs == most and x <= total])
        panel.line(model, [(x, cell._replace(median=cell.median / 1000, least=cell.least / 1000,
                                             greatest=cell.greatest / 1000))
                           for x, cell in own],
                   unit=lambda ms: text.milliseconds(1000 * ms), at=percentile)
    absent = [(model, why) for (model,), why in
              ((key, stats.why_not(own)) for key, own in stats.group(rows, "model").items()
               if not any(stats.was_run(row) for row in own))]
    for model, why in absent:
        panel.write(f"{model}: {why[:60]}", (1.2, 0.03), models.COLOUR[model])
    return Drawing(f"{RATE_RPS:,} requests/s for /, {RARE_RPS}/s for /db?ms={BLOCK_MS}", [panel])


CHARTS = [
    Chart("blocked_loop", "curves.gp", "What does one blocking call do to an event loop?",
          "A point: so many of the requests for / waited no longer than this (bar: spread of the repeats). One request in a "
          f"hundred, not shown, waits {BLOCK_MS} ms for the database. Look where the lines part: on a loop that blocks, "
          "half of the others wait, too.", curves),
]
