"""churn: one request a connection, no delay. What does a new connection cost in each model?

Rows of three kinds, told apart by `kind`: "load" is a run of the generator with 100 clients that connect anew for
each request; "alone" is one client that does so 50 times, one connection after another, and what the
server itself counted meanwhile: system calls by kind. "crowd" is what it counted during that run.
"""

import re
import socket

from lib import client, models, stats, text
from lib.draw import Chart, Drawing
from lib.report import Findings, Prediction, Table

ORDER = 140
QUESTION = "What does a new connection cost?"
CLIENTS = 100
POOL = 100
SETUP = f"""{CLIENTS} clients each connect, ask for /, read the answer and close, and at once connect again (the
client closes first, so that no port of the server is left waiting); no database wait. The server has one core, the
generator another. thread_pool has {POOL} threads. Then one single client does the same, one connection after
another, and the server's own counts (/stats) before and after are compared."""
PREDICTION = """Every model must accept, receive, send, notice the end and close: the kernel's handshake and these
calls are most of the cost, and the same for all. Beyond that, thread starts a thread for each connection (5 to
40 us by what thread_wall measures and others publish), process forks (more, by several times), and
the pool does neither: its threads are there already. epoll tells the kernel about each new descriptor,
one call more than select and poll; io_uring hands over everything in one call and gets many answers back in
one, so it needs the fewest."""
HOW_TO_READ = """Requests a second tell here how many connections a second one core can take; the middle panel is the same
seen from the CPU: what one connection costs. What thread and process cost more than thread_pool is the
price of a thread and of a process. A hollow bar on the left: the generator had reached its own limit, and
the server could do more; what a connection costs it is known all the same. The right panel is counted, not timed, and the same on every machine:
system calls for one connection of a lone client. (An accept that sleeps has been called when it is
counted, so models that sleep in it may show 49 or 51 for 50; process is woken from it by each child's end.)
Under load the loops need fewer, because one wait and one accept serve many (see the tables)."""
SECONDS = {"quick": 5, "default": 19, "full": 210}
DESCRIPTORS = {mode: 1000 for mode in SECONDS}
NEEDS = ["loadgen"]
VARIANTS = {mode: ["thread_pool", "process"] for mode in SECONDS}
OPTIONS = {"thread_pool": ["--threads", POOL]}

LENGTHS = {"quick": (0.15, 0.05), "default": (0.5, 0.2), "full": (4.0, 1.0)}
ALONE = 50
SOURCES = 4  # addresses the clients come from: each has 28,000 ports, and a used one rests a while
# As /stats names them, in the order of a connection's life; what is not here is shown as "other".
CALLS = ["accept", "clone", "epoll_ctl", "wait", "io_uring_enter", "recv", "send", "close"]


# Measuring.

def measure(lab):
    lab.plan(lab.repeats * len(lab.models))
    for repeat in range(1, lab.repeats + 1):
        for model in lab.in_turn(repeat - 1):
            lab.step(f"{model}, repeat {repeat} of {lab.repeats}")
            with lab.server(model, *OPTIONS.get(model, []), repeat=repeat) as server:
                if server:
                    one_server(lab, server, repeat)


def one_server(lab, server, repeat):
    seconds, warmup = LENGTHS[lab.mode]
    try:
        before = counts(server.port)
        for _ in range(ALONE):
            one_connection(server.port)
        after = counts(server.port)
    except OSError as reason:
        lab.failed(server.model, f"alone: {reason}", kind="alone", repeat=repeat)
        return
    lab.row(server.model, kind="alone", repeat=repeat, **per_connection(before, after))
    before = after
    lab.generate(server, "/", "-c", CLIENTS, "-d", seconds, "--warmup", warmup, "--close",
                 "--source-addresses", SOURCES, kind="load", repeat=repeat)
    lab.row(server.model, kind="crowd", repeat=repeat, **per_connection(before, counts(server.port)))


def one_connection(port):
    """Connects, asks, reads the answer to its end, closes; and waits until the server has closed, too."""
    with client.Kept(port) as asking:
        if asking.ask("/")[0] != 200:
            raise ConnectionError("a request was not answered with 200")
        asking.sock.shutdown(socket.SHUT_WR)
        while asking.sock.recv(4096):
            pass


def counts(port):
    """The server's counts, on a connection that ends as the others do. (What it costs itself falls
    between two of them, once.)"""
    with client.Kept(port) as asking:
        found = asking.stats()
        asking.sock.shutdown(socket.SHUT_WR)
        while asking.sock.recv(4096):
            pass
    return found


def per_connection(before, after):
    """System calls for one connection, by kind; from one /stats to the next is one connection each, and
    those between."""
    made = after["connections"]["accepted"] - before["connections"]["accepted"]
    calls = {kind: (count - before["syscalls"][kind]) / made for kind, count in after["syscalls"].items()}
    return {"connections": made, "calls": sum(calls.values()),
            **{f"calls_{kind}": count for kind, count in calls.items()}}


# Computing.

def of(rows, model, kind):
    return [row for row in rows if row["model"] == model and row.get("kind") == kind]


def cell(rows, model, column, kind="load"):
    return stats.cell(of(rows, model, kind), column)


def median(rows, model, column, kind="load"):
    found = cell(rows, model, column, kind)
    return found.median if found else None


COST = "server_cpu_us_per_request"
GENERATOR_LIMIT = re.compile(r"invalid: the generator was saturated[^;]*")


def cost_rows(rows):
    """The rows, valid also where only the generator was at its limit: what a request cost the server is its
    own CPU time and no matter of how many it was asked."""
    return [dict(row, verdict="valid") if GENERATOR_LIMIT.fullmatch(row.get("verdict", "")) else row
            for row in rows]


def dearer(rows, model, than="thread_pool"):
    """Microseconds of CPU that a connection costs more; None where not measured."""
    one, other = (median(cost_rows(rows), name, COST) for name in (model, than))
    return one - other if one is not None and other is not None else None


def shown(rows):
    return models.in_order(row["model"] for row in rows)


def predictions(rows):
    thread, process = dearer(rows, "thread"), dearer(rows, "process")
    clones = {model: median(rows, model, "calls_clone", "alone") for model in shown(rows)}
    clones = {model: count for model, count in clones.items() if count is not None}
    calls = {model: median(rows, model, "calls", "crowd") for model in ("select", "poll", "epoll", "io_uring")}
    calls = {model: count for model, count in calls.items() if count is not None}
    return [
        Prediction("A new thread a connection costs 5 to 40 us of CPU more than a pool's.",
                   f"{text.figure(thread)} us." if thread is not None else "", "Holds from 3 to 40 us.",
                   3 <= thread <= 40 if thread is not None else None),
        Prediction("A new process costs several times that.",
                   f"{text.figure(process)} us, {text.figure(process / thread, 2)} times the thread's."
                   if process and thread else "", "Holds from twice on.",
                   process >= 2 * thread if process and thread else None),
        Prediction("thread and process start one of them a connection, nobody else any.",
                   "; ".join(f"{model} {text.figure(count)}" for model, count in clones.items()) + "."
                   if clones else "", "Holds when the server's count is exactly so.",
                   all(count == (model in ("thread", "process")) for model, count in clones.items())
                   if {"thread", "epoll"} <= set(clones) else None),
        Prediction("io_uring needs the fewest system calls of the event loops, under load.",
                   "; ".join(f"{model} {text.figure(count)}" for model, count in calls.items())
                   + " a connection." if calls else "", "Holds when its median is the least.",
                   min(calls, key=calls.get) == "io_uring" if len(calls) == 4 else None)]


def answer(rows):
    rates = [f"{model} {text.figure(median(rows, model, 'throughput_rps'))}" for model in shown(rows)
             if median(rows, model, "throughput_rps") is not None]
    said = ["connections a second on one core: " + ", ".join(rates)] if rates else []
    thread, process = dearer(rows, "thread"), dearer(rows, "process")
    if thread is not None and process is not None:
        said.append(f"a new thread costs {text.figure(thread)} us of CPU more than one of a pool, a new process "
                    f"{text.figure(process)} us")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def findings(rows, _facts):
    if not rows:
        return Findings(answer(rows), predictions(rows), [])
    load = [[model, *(unit(cell(cost_rows(rows) if column == COST else rows, model, column)) for column, unit in
                      (("throughput_rps", plain), (COST, plain), ("latency_us_p50", duration),
                       ("latency_us_p99", duration), ("server_ctx_switches_per_request", plain)))]
            for model in shown(rows)]
    calls = [Table(f"System calls a connection, {words}: counted by the server, median of the repeats",
                   ["model", "all", *CALLS, "other"],
                   [[model, *call_cells(rows, model, kind)] for model in shown(rows)])
             for kind, words in (("alone", "one client alone"), ("crowd", f"{CLIENTS} clients"))]
    return Findings(answer(rows), predictions(rows), [
        Table(f"{CLIENTS} clients, a connection for each request: median of the repeats; (h): hollow, not a valid run",
              ["model", "connections a second", "CPU us a connection", "p50", "p99",
               "context switches a connection"], load), *calls])


def plain(one):
    return "-" if one is None else text.figure(one.median) + ("" if one.valid else " (h)")


def duration(one):
    return "-" if one is None else text.milliseconds(one.median)


def call_cells(rows, model, kind):
    whole = median(rows, model, "calls", kind)
    parts = [median(rows, model, f"calls_{call}", kind) for call in CALLS]
    if whole is None or None in parts:
        return ["-"] * (len(CALLS) + 2)
    return [text.figure(part) for part in (whole, *parts, max(0.0, whole - sum(parts)))]


# Drawing.

def draw(rows, facts):
    names = [model for model in shown(rows) if cell(rows, model, "throughput_rps")]
    if not names:
        return None
    tables = {"rate": [], "cost": [], "calls": []}
    for place, model in enumerate(names, 1):
        for panel, column in (("rate", "throughput_rps"), ("cost", COST)):
            one = cell(cost_rows(rows) if column == COST else rows, model, column)
            if one:
                tables[panel].append((place, one.median, one.least, one.greatest, int(one.valid), model,
                                      text.figure(one.median)))
        parts = [median(rows, model, f"calls_{call}", "alone") for call in CALLS]
        whole = median(rows, model, "calls", "alone")
        if whole is not None and None not in parts:
            edges = [0.0]
            for part in (*parts, max(0.0, whole - sum(parts))):
                edges.append(edges[-1] + part)
            tables["calls"].append((place, *edges, text.figure(whole, 2)))
    absent = [model for model in shown(rows) if model not in names]
    words = "; ".join(f"{model}: {stats.why_not([row for row in rows if row['model'] == model])[:50]}"
                      for model in absent)
    most = {"RATE_MAX": max(one[3] for one in tables["rate"]),
            "COST_MAX": max((one[3] for one in tables["cost"]), default=1),
            "CALLS_MAX": max((one[-2] for one in tables["calls"]), default=1)}
    tables = {name: table or [(-9, *[0] * 12)] for name, table in tables.items()}
    repeats = {"quick": 2, "default": 3, "full": 5}.get(facts.get("mode"), "the")
    return Drawing(f"one request a connection, {CLIENTS} clients; median and spread of {repeats} runs", tables=tables,
                   variables={"SHOWN": " ".join(names), "KINDS": " ".join([*CALLS, "other"]), "ABSENT": words,
                              **most})


CHARTS = [
    Chart("churn", "churn.gp", QUESTION,
          "A bar is the median of the repeats, its line their spread; hollow: not a valid run. Right: system calls "
          "that the server itself counted for one connection of a lone client. Look for what clone, a new thread or "
          "process for each, costs.", draw),
]
