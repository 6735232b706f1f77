"""timeline: where the time goes while a server waits. Twenty requests at once, and three unequal ones.

A row is one request: when the client sent it and had its answer, and, from the server's own trace, when it
was accepted, understood, through with the database, and answered. All times are microseconds since the
first request was sent, on one clock (CLOCK_MONOTONIC).
"""

import os
import tempfile

from lib import client, models, stats, text
from lib.draw import Chart, Drawing
from lib.report import Findings, Prediction, Table

ORDER = 10
QUESTION = "Where does the time go while a server waits?"
POOL = 10
SETUP = """20 clients connect and ask for /db?ms=100 at the same moment, each on a connection of its
own; then 3 clients ask for 200, 100 and 300 ms. Each repeat has a fresh server. The servers write down
what they did (--trace), the clients when they sent and when they had the answer."""
PREDICTION = f"""The database takes 100 ms whatever the server does. A server that waits for one client
at a time needs the sum of the waits: 20 x 100 ms = 2.0 s, and 200 + 100 + 300 = 600 ms. A server that
waits for all of them at once needs the longest: 100 ms, and 300 ms. A pool of {POOL} threads takes the
20 in two rounds: 200 ms."""
HOW_TO_READ = """Each thin bar is one request, from the moment its client sent it. Grey: nobody has
noticed it yet; it lies in the listen queue. Colour: the server has understood it and waits for the
database. The CPU does next to nothing in either: the whole difference between a staircase and a wall is
who may wait at the same time. The number of threads tells how the wall was bought: thread has one for
each client, the last four models have one for all."""
SECONDS = {"quick": 8, "default": 12, "full": 20}
DESCRIPTORS = {"quick": 100, "default": 100, "full": 100}
NEEDS = []
VARIANTS = {mode: ["thread_pool"] for mode in SECONDS}
OPTIONS = {"thread_pool": ["--threads", str(POOL)]}

BATCHES = {"requests": [100] * 20, "tasks": [200, 100, 300]}
TOLERANCE = 0.2


# Measuring.

def read_trace(path):
    """The trace's lines as dicts, times on the monotonic clock (us), in the order of acceptance."""
    with open(path, encoding="utf-8") as file:
        key, _, value = file.readline().lstrip("# ").partition(": ")
        if key != "start_monotonic_us":
            raise ValueError(f"the trace begins with {key!r}, not with the server's start")
        columns = file.readline().split()
        requests = [dict(zip(columns, line.split("\t"))) for line in file]
    for request in requests:
        for column in ("accepted_us", "parsed_us", "waited_us", "answered_us"):
            request[column] = float(request[column]) + float(value)
    return sorted(requests, key=lambda request: (request["accepted_us"], int(request["conn"])))


def record(lab, model, batch, repeat, exchanges, trace):
    """A row a request. The listen queue is first come, first served: so the n-th connection accepted
    is the n-th that connected, and trace and client need no other name for it."""
    start = min(exchange.sent_us for exchange in exchanges)
    threads = sorted({request["tid"] for request in trace})
    whole = len(trace) == len(exchanges) and all(e.status == 200 for e in exchanges)
    verdict = "valid" if whole else (f"invalid: {len(trace)} of {len(exchanges)} requests traced, "
                                     f"{sum(e.status == 200 for e in exchanges)} answered with 200")

    def since(us):
        return None if us is None else round(us - start, 1)
    for number, exchange in enumerate(exchanges):
        seen = trace[number] if number < len(trace) else {}
        lab.row(model, verdict, batch=batch, repeat=repeat, request=number + 1,
                delay_ms=BATCHES[batch][number], status=exchange.status,
                thread=threads.index(seen["tid"]) + 1 if seen else None,
                sent_us=since(exchange.sent_us),
                **{key: since(seen.get(key)) for key in
                   ("accepted_us", "parsed_us", "waited_us", "answered_us")},
                done_us=since(exchange.done_us))


def measure(lab):
    lab.plan(lab.repeats * len(BATCHES) * len(lab.models))
    for repeat in range(1, lab.repeats + 1):
        for batch, delays in BATCHES.items():
            for model in lab.in_turn(repeat - 1):
                lab.step(f"{model}, {len(delays)} at once, repeat {repeat} of {lab.repeats}")
                one_batch(lab, model, batch, repeat)


def one_batch(lab, model, batch, repeat):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "trace")
        with lab.server(model, "--trace", path, *OPTIONS.get(model, []), batch=batch,
                        repeat=repeat) as server:
            if server is None:
                return
            exchanges = client.at_once(server.port, [f"/db?ms={ms}" for ms in BATCHES[batch]])
        try:
            trace = read_trace(path)
        except (OSError, ValueError, KeyError) as reason:
            lab.failed(model, f"no trace to read: {reason}", batch=batch, repeat=repeat)
            return
        record(lab, model, batch, repeat, exchanges, trace)


# Computing.

def expected_ms(model, batch):
    """The time to the last answer, by the prediction."""
    delays = BATCHES[batch]
    if model == "blocking":
        return sum(delays)
    if model == "thread_pool":
        return sum(max(delays[i:i + POOL]) for i in range(0, len(delays), POOL))
    return max(delays)


def makespans(rows):
    """A row a repeat: model, batch, repeat, verdict, total_ms (first request sent to last answered),
    threads that served, and how long the unluckiest request went unnoticed."""
    totals = []
    for (model, batch, repeat), some in stats.group(rows, "model", "batch", "repeat").items():
        done = [stats.number(row, "done_us") for row in some]
        if not stats.was_run(some[0]) or None in done:
            continue
        unnoticed = [stats.number(row, "accepted_us") - stats.number(row, "sent_us")
                     for row in some if stats.number(row, "accepted_us") is not None]
        totals.append({"model": model, "batch": batch, "repeat": repeat,
                       "verdict": some[0]["verdict"], "total_ms": str(max(done) / 1000),
                       "threads": str(len({row.get("thread") for row in some})),
                       "unnoticed_ms": str(max(unnoticed, default=0) / 1000)})
    return totals


def cells(rows, column="total_ms"):
    """{(model, batch): Cell}"""
    return {key: stats.cell(some, column)
            for key, some in stats.group(makespans(rows), "model", "batch").items()}


def spread_ms(cell):
    """"101 ms (101 to 102)" """
    least, greatest = text.figure(cell.least), text.figure(cell.greatest)
    return f"{text.figure(cell.median)} ms" + (f" ({least} to {greatest})" if least != greatest else "")


def predictions(totals):
    found = []
    for batch, delays in BATCHES.items():
        for kind, members in (("one after another: the sum", ["blocking"]),
                              (f"{POOL} at a time", ["thread_pool"]),
                              ("all at once: the longest", models.SIX[1:])):
            here = [model for model in members if (model, batch) in totals]
            if kind.startswith(str(POOL)) and not here:
                continue
            want = expected_ms(members[0], batch)
            off = [abs(totals[model, batch].median / want - 1) for model in here]
            found.append(Prediction(
                f"{len(delays)} requests {kind}, {want} ms.",
                "; ".join(f"{model} {spread_ms(totals[model, batch])}" for model in here),
                f"Holds when each median is within {TOLERANCE:.0%} of it.",
                max(off) <= TOLERANCE if here else None))
    return found


def answer(totals):
    parts = []
    if ("blocking", "requests") in totals:
        parts.append("blocking had answered the last of 20 requests after "
                     f"{spread_ms(totals['blocking', 'requests'])}")
    others = [model for model in models.SIX[1:] if (model, "requests") in totals]
    if others:
        medians = [totals[model, "requests"].median for model in others]
        low, high = text.figure(min(medians)), text.figure(max(medians))
        parts.append(f"{text.names(others)} after {low if low == high else f'{low} to {high}'} ms")
    return text.sentence("; ".join(parts)) if parts else "Nothing was measured."


def findings(rows, _facts):
    totals, threads = cells(rows), cells(rows, "threads")
    unnoticed = cells(rows, "unnoticed_ms")
    lines = []
    for model in models.in_order(row["model"] for row in rows):
        line = [model]
        for batch in BATCHES:
            cell = totals.get((model, batch))
            line += [spread_ms(cell), f"{expected_ms(model, batch)} ms"] if cell else [
                stats.why_not([row for row in rows if row["model"] == model]) or "-", "-"]
        served = threads.get((model, "requests"))
        line += [text.count(served.median) if served else "-",
                 f"{text.figure(unnoticed[model, 'requests'].median)} ms" if served else "-"]
        lines.append(line)
    table = Table("Time from the first request sent to the last answer (median, least to greatest)",
                  ["model", "20 x 100 ms", "predicted", "200, 100, 300 ms", "predicted",
                   "threads that served the 20", "longest unnoticed"], lines)
    return Findings(answer(totals), predictions(totals), [table])


# Drawing.

def prepare(batch):
    def draw(rows, _facts):
        rows = [row for row in rows if row.get("batch") == batch or "batch" not in row]
        if not any(stats.was_run(row) for row in rows):
            return None
        totals = {key[0]: cell for key, cell in cells(rows).items()}
        shown = models.in_order(row["model"] for row in rows)
        tables = {model: bars(rows, model) for model in shown}
        last = max(cell.greatest for cell in totals.values()) if totals else max(BATCHES[batch])
        words = {f"words_{model}": remark(rows, model, totals.get(model)) for model in shown}
        return Drawing("all sent at once; server on core 0",
                       tables={model: table for model, table in tables.items() if table},
                       variables=dict(words, SHOWN=" ".join(shown), COUNT=len(BATCHES[batch]),
                                      EMPTY=" ".join(m for m in shown if not tables[m]),
                                      LAST=last, TASKS=int(batch == "tasks")))
    return draw


def remark(rows, model, cell):
    if cell is None:
        return stats.why_not([row for row in rows if row["model"] == model])
    threads = cells(rows, "threads")
    count = int(max(found.median for (name, _), found in threads.items() if name == model))
    return f"{spread_ms(cell)}, {count} thread{'' if count == 1 else 's'}"


def bars(rows, model):
    """The bars of the repeat with the median total, in ms: number sent accepted parsed waited answered."""
    runs = [run for run in makespans(rows) if run["model"] == model]
    if not runs:
        return []
    middle = sorted(runs, key=lambda run: float(run["total_ms"]))[(len(runs) - 1) // 2]["repeat"]
    columns = ("request", "sent_us", "accepted_us", "parsed_us", "waited_us", "answered_us", "delay_ms")
    table = []
    for row in rows:
        if row["model"] == model and row.get("repeat") == middle:
            figures = [stats.number(row, column) for column in columns]
            if None not in figures:
                table.append([figures[0], *(us / 1000 for us in figures[1:6]), figures[6]])
    return table


CHARTS = [
    Chart("timeline", "timeline.gp", "Where does the time go while a server waits? 20 requests at once",
          "A bar is a request, from the moment its client sent it. Grey: nobody has noticed it yet. "
          "Colour: the server waits 100 ms for the database. Look for the staircase: one waits after "
          "another; the wall: all wait at once. Figures: the last answer (median, least to greatest).",
          prepare("requests")),
    Chart("timeline-tasks", "timeline.gp", "Three tasks of 200, 100 and 300 ms: the sum, or the longest?",
          "A bar is a task, from the moment its client sent it. Grey: nobody has noticed it yet. "
          "Colour: the server waits for the database. One after another takes 200 + 100 + 300 = 600 ms, "
          "all at once takes the longest, 300 ms. Figures: the last answer (median, least to greatest).",
          prepare("tasks")),
]
