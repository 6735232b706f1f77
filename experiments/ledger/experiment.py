"""ledger: small measurements for those claims of the source documents that no other experiment settles.

A row is one measurement; `part` says which: "hundred" (100 requests of 100 ms at once), "process" (memory of one
process), "idle" (CPU of a server that has nothing to do), "backlog" (what the kernel makes of listen's argument),
"workers" (two workers' shares, and the replacement of one that was killed), "scenario" (the sources' benchmark)
and "stream" (100 streams at once). The verdicts on the claims are given in experiments/claims.
"""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time

from lib import client, models, processes, procfs, stats, text
from lib.draw import Chart, Drawing
from lib.processes import Broken
from lib.report import Findings, Prediction, Table

ORDER = 990
QUESTION = "What else do the sources claim?"
POOL, HUNDRED, HUNDRED_MS = 10, 100, 100
CHILDREN, IDLE, STREAMS, PIECES = 50, 100, 100, 100
PIECE_MS = {"quick": 10, "default": 100, "full": 100}
# The benchmark of 000, section 9.1: users, requests, and the wait that stands for what the route does, in ms.
SCENARIOS = {"JSON": (100, 10000, 0), "database": (50, 5000, 5), "services": (30, 3000, 10)}
SETUP = f"""Seven small measurements. {HUNDRED} requests of {HUNDRED_MS} ms at the same moment, of a pool of {POOL} threads and of others.
The memory of one process: a forked child of the model process, of {CHILDREN} that hold a connection each, and a bare Python
interpreter. The CPU time that spin and epoll want for {IDLE} silent connections. The listen queue that the kernel grants for
more and for less than its limit (net.core.somaxconn). Two workers of epoll: their shares of the CPU time under load, and
what happens when one is killed. The benchmark of the sources, closed loop: 100 users and 10,000 requests for a JSON answer,
50 and 5,000 with a database (5 ms), 30 and 3,000 with services behind it (10 ms). And {STREAMS} streams at once of
{PIECES} pieces each, one every {PIECE_MS["default"]} ms ({PIECE_MS["quick"]} ms in a quick run), with a request for / now and then beside them."""
PREDICTION = f"""A pool of {POOL} needs {HUNDRED // POOL} rounds of {HUNDRED_MS} ms, whoever waits for all at once needs one. Users and
requests are tied by Little's law: with C users and a wait of W, X = C/W: at most 10,000 a second with 50 users and 5 ms,
3,000 with 30 and 10 ms. A stream of {PIECES} pieces takes {PIECES} pauses, however many streams there are; an event loop has one
thread for all of them."""
HOW_TO_READ = """These figures belong to the claims at the end of the report, each of which says by what rule it is judged.
The table is the benchmark of the sources with their columns: requests a second, mean, median, 95th and 99th
percentile. It is a closed loop of few users, so it says how long a request takes and not how many the server could
bear; concurrency and overload say that."""
SECONDS = {"quick": 10, "default": 40, "full": 60}
DESCRIPTORS = {"quick": 400, "default": 400, "full": 400}
NEEDS = ["loadgen"]
MODELS = ["thread", "epoll", "io_uring"]
VARIANTS = {mode: ["thread_pool", "process", "spin"] for mode in ("quick", "default", "full")}
OPTIONS = {"thread_pool": ["--threads", str(POOL)]}
SHOWN = ("thread", "epoll", "io_uring")  # of the benchmark
CHEAP_RPS = 50  # requests for / beside the streams


# Measuring.

def measure(lab):
    repeats = 1 if lab.mode == "quick" else lab.repeats
    parts = [(hundred, ("thread_pool", *SHOWN)), (process_memory, ("process",)), (idle, ("spin", "epoll")),
             (workers, ("epoll",)), (scenarios, SHOWN[:2] if lab.mode == "quick" else SHOWN)]
    plan = [(repeat, part, model) for repeat in range(1, repeats + 1) for part, wanted in parts
            for model in lab.in_turn(repeat - 1) if model in wanted]
    lab.plan(len(plan) + 2 + 3)
    lab.step("listen queue and a bare interpreter")
    backlogs(lab)
    interpreter(lab)
    for repeat, part, model in plan:
        lab.step(f"{model}, {part.__name__.replace('_', ' ')}, repeat {repeat} of {repeats}")
        try:
            part(lab, model, repeat)
        except (Broken, OSError) as reason:
            lab.failed(model, str(reason), repeat=repeat)
    lab.step("streams", 4)
    streams(lab, [model for model in ("thread", "epoll", "io_uring") if model in lab.models])


def hundred(lab, model, repeat):
    labels = {"part": "hundred", "repeat": repeat}
    with lab.server(model, *OPTIONS.get(model, []), **labels) as server:
        if server is None:
            return
        exchanges = client.at_once(server.port, [f"/db?ms={HUNDRED_MS}"] * HUNDRED)
        done = [exchange.done_us for exchange in exchanges if exchange.status == 200]
        start = min(exchange.sent_us for exchange in exchanges)
        lab.row(model, "valid" if len(done) == HUNDRED else f"invalid: {len(done)} of {HUNDRED} answered",
                **labels, answered=len(done), total_ms=(max(done) - start) / 1000 if done else None)


def process_memory(lab, model, repeat):
    """What a child costs: its own pages and its share of what is shared, its page tables, its kernel stack."""
    labels = {"part": "process", "repeat": repeat}
    with lab.server(model, **labels) as server, contextlib.ExitStack() as stack:
        if server is None:
            return
        for exchange in client.at_once(server.port, ["/"] * CHILDREN, close=False):
            stack.callback(exchange.close)
        record_memory(lab, model, procfs.children(server.pid), "a forked child in C", **labels)


def record_memory(lab, model, pids, what, **labels):
    found = [procfs.memory_kb(pid) for pid in pids]
    found = [kb for kb in found if kb["rss"]]
    lab.row(model, "valid" if found else "invalid: no process to look at", **labels, what=what,
            processes=len(found), **{f"{key}_kb": sum(kb[key] for kb in found) / len(found)
                                     for key in ("rss", "pss", "private", "page_tables") if found})


def interpreter(lab):
    """A bare Python, as one of the sources' worker processes is before it has imported anything."""
    try:
        child = processes.start([sys.executable, "-S", "-c", "import sys; print(); sys.stdout.flush(); sys.stdin.read()"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except Broken as reason:
        lab.failed("process", str(reason), part="process")
        return
    try:
        child.stdout.readline()  # it runs
        record_memory(lab, "process", [child.pid], "a bare Python interpreter", part="process", repeat=1)
    finally:
        child.stdin.close()
        processes.end(child, 1.0)


def idle(lab, model, repeat):
    """CPU time of a server whose clients are all silent, and how much it would have taken of a free core."""
    labels = {"part": "idle", "repeat": repeat}
    with lab.server(model, **labels) as server, contextlib.ExitStack() as stack:
        if server is None:
            return
        for exchange in client.at_once(server.port, ["/"] * IDLE, close=False):
            stack.callback(exchange.close)
        before, began = (procfs.cpu_s(server.pid), procfs.demand_s(server.pid)), time.monotonic()
        time.sleep(0.5)
        after, passed = (procfs.cpu_s(server.pid), procfs.demand_s(server.pid)), time.monotonic() - began
        lab.row(model, **labels, connections=IDLE, cpu_pct=100 * (after[0] - before[0]) / passed,
                demand_pct=100 * (after[1] - before[1]) / passed)


def granted(backlog):
    """The listen queue that the kernel grants: tcpi_sacked of a listening socket (linux/tcp.h)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        return struct.unpack_from("=I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 28)[0]


def backlogs(lab):
    try:
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
            limit = int(file.read())
        for asked in (limit // 2, 10 * limit):
            lab.row("listen", part="backlog", repeat=1, asked=asked, limit=limit, granted=granted(asked))
    except (OSError, ValueError, struct.error) as reason:
        lab.row("listen", f"n/a: {reason}", part="backlog", repeat=1)


def workers(lab, model, repeat):
    """Two workers under load; then one of them is killed."""
    labels = {"part": "workers", "repeat": repeat}
    with lab.server(model, "--workers", 2, pinned=False, **labels) as server:
        if server is None:
            return
        before = {pid: procfs.cpu_s(pid) for pid in two_children(server.pid)}
        if not before:
            raise Broken("two workers were asked for, and there are none")
        with lab.generating(server, "/cpu?us=1000", "-c", 16, "--close", "-d", 0.5) as load:
            figures = load()
        spent = [procfs.cpu_s(pid) - cpu for pid, cpu in before.items()]
        victim, killed = min(before), time.monotonic()
        os.kill(victim, signal.SIGKILL)  # a child of our own server
        new = two_children(server.pid, without=victim)
        passed = 1000 * (time.monotonic() - killed)
        after = client.at_once(server.port, ["/"] * 20, patience=3.0)
        lab.row(model, figures["verdict"], **labels, workers=len(before), requests=figures["requests"],
                least_share=min(spent) / (sum(spent) or 1), replaced=len(new),
                replaced_ms=passed if new else None, answered_after=sum(e.status == 200 for e in after))


def two_children(supervisor, without=None, patience_s=5.0):
    """The two workers of a supervisor, once there are two and one of them that was killed is not among
    them; none if that does not happen."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        now = procfs.children(supervisor)
        if len(now) == 2 and without not in now:
            return now
        time.sleep(0.01)
    return []


def scenarios(lab, model, repeat):
    for name, (users, requests, delay_ms) in SCENARIOS.items():
        labels = {"part": "scenario", "repeat": repeat, "scenario": name}
        with lab.server(model, **labels) as server:
            if server:
                lab.generate(server, f"/db?ms={delay_ms}", "-c", users, "-n", requests, **labels)


def streams(lab, names):
    """All servers at once: a stream is nearly all waiting, and it takes its time."""
    pause_ms = PIECE_MS[lab.mode]
    length_s = PIECES * pause_ms / 1000
    with contextlib.ExitStack() as stack:
        begun = []
        for model in names:
            server = stack.enter_context(lab.server(model, part="stream", repeat=1))
            if server is None:
                continue
            long = stack.enter_context(lab.generating(
                server, f"/stream?n={PIECES}&ms={pause_ms}", "-c", STREAMS, "-n", STREAMS))
            cheap = stack.enter_context(lab.generating(server, "/", "-c", 5, "-R", CHEAP_RPS, "-d",
                                                       0.8 * length_s))
            begun.append((server, long, cheap))
        time.sleep(length_s / 2)
        counts = [procfs.threads(server.pid) for server, _, _ in begun]
        for (server, long, cheap), threads in zip(begun, counts):
            record_streams(lab, server, long, cheap, threads, pause_ms)


def record_streams(lab, server, long, cheap, threads, pause_ms):
    labels = {"part": "stream", "repeat": 1}
    try:
        done, beside = long(), cheap()
    except (Broken, ValueError) as reason:
        lab.failed(server.model, f"loadgen: {reason}", **labels)
        return
    lab.row(server.model, done["verdict"], **labels, streams=STREAMS, pieces=PIECES, pause_ms=pause_ms,
            completed=done["requests"], errors_total=done["errors"]["total"], threads=threads,
            stream_ms=done["latency_us"]["p50"] / 1000, stream_max_ms=done["latency_us"]["max"] / 1000,
            beside_p99_us=beside["latency_us"]["p99"])


# Computing.

def of(rows, part, model=None, **labels):
    return [row for row in rows if row.get("part") == part and model in (None, row["model"])
            and all(row.get(key) == value for key, value in labels.items())]


def median(rows, part, column, model=None, **labels):
    cell = stats.cell(of(rows, part, model, **labels), column)
    return cell.median if cell else None


def foreseen_rps(name):
    users, _, delay_ms = SCENARIOS[name]
    return users / delay_ms * 1000 if delay_ms else None


def below_foreseen(rows):
    """{(scenario, model): part of C/W that it reached}, of the scenarios that wait."""
    found = {}
    for (name, model), some in stats.group(of(rows, "scenario"), "scenario", "model").items():
        cell = stats.cell(some, "throughput_rps")
        if cell and name in SCENARIOS and foreseen_rps(name):
            found[name, model] = cell.median / foreseen_rps(name)
    return found


def predictions(rows):
    times = {model: median(rows, "hundred", "total_ms", model) for model in ("thread_pool", *SHOWN)}
    times = {model: ms for model, ms in times.items() if ms}
    rounds = HUNDRED / POOL * HUNDRED_MS
    most = max(below_foreseen(rows).values(), default=None)
    lasted = {model: median(rows, "stream", "stream_ms", model) for model in SHOWN}
    part = {model: ms / (PIECES * median(rows, "stream", "pause_ms", model)) for model, ms in lasted.items() if ms}
    return [
        Prediction(f"{HUNDRED} x {HUNDRED_MS} ms: {rounds:,.0f} ms on a pool of {POOL}, {HUNDRED_MS} ms for all others.",
                   "; ".join(f"{model} {text.figure(ms)} ms" for model, ms in times.items()),
                   "Holds when the pool is within 15 % and the others within 50 % of it.",
                   all(abs(ms / (rounds if model == "thread_pool" else HUNDRED_MS) - 1)
                       <= (0.15 if model == "thread_pool" else 0.5) for model, ms in times.items())
                   if times else None),
        Prediction("No server answers more than C/W.", f"The most: {most:.0%} of it." if most else "",
                   "Holds up to 102 %.", most <= 1.02 if most else None),
        Prediction(f"{STREAMS} streams take as long as one: {PIECES} pauses.",
                   "; ".join(f"{model} {ratio:.1%} of it" for model, ratio in part.items()),
                   "Holds from 98 to 115 %.", all(0.98 <= ratio <= 1.15 for ratio in part.values())
                   if part else None)]


def answer(rows):
    said = []
    pool, loop = (median(rows, "hundred", "total_ms", model) for model in ("thread_pool", "epoll"))
    if pool and loop:
        said.append(f"{HUNDRED} requests of {HUNDRED_MS} ms take {text.figure(pool)} ms on {POOL} threads and "
                    f"{text.figure(loop)} ms on an event loop")
    busy = median(rows, "idle", "demand_pct", "spin")
    if busy is not None:
        said.append(f"asking again and again wants {busy:.0f} % of a core when nobody wants anything")
    threads = median(rows, "stream", "threads", "epoll")
    if threads:
        said.append(f"{STREAMS} streams at once need {text.count(threads)} thread with epoll")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


FIGURES = (("throughput_rps", "requests/s", text.figure), ("latency_us_mean", "mean", text.milliseconds),
           ("latency_us_p50", "median", text.milliseconds), ("latency_us_p95", "95 %", text.milliseconds),
           ("latency_us_p99", "99 %", text.milliseconds))


def scenario_words(name):
    users, requests, delay_ms = SCENARIOS[name]
    return f"{name}: {users} users, {text.count(requests)} requests" + (f", {delay_ms} ms" if delay_ms else "")


def benchmark(rows):
    """[(scenario, model, {column: Cell})] in the order of the table."""
    found = []
    for name in SCENARIOS:
        for model in models.in_order(row["model"] for row in of(rows, "scenario", scenario=name)):
            some = of(rows, "scenario", model, scenario=name)
            found.append((name, model, {column: stats.cell(some, column) for column, _, _ in FIGURES}))
    return [one for one in found if all(one[2].values())]


def findings(rows, _facts):
    lines = [[scenario_words(name), model, *(unit(cells[column].median) for column, _, unit in FIGURES)]
             for name, model, cells in benchmark(rows)]
    tables = [Table("The benchmark of the sources (000, section 9.1): median of the repeats",
                    ["scenario", "model", *(head for _, head, _ in FIGURES)], lines)]
    lines = [[f"{row['model']}: {row['what']}", *(text.size(1024 * (stats.number(row, f"{key}_kb") or 0))
                                                 for key in ("rss", "pss", "private", "page_tables"))]
             for row in of(rows, "process") if "rss_kb" in row]
    tables.append(Table("Memory of one process", ["process", "resident", "shared pages in parts (Pss)", "its own",
                                                  "page tables"], lines))
    lines = [[model, text.count(median(some, "stream", "completed") or 0),
              f"{text.figure((median(some, 'stream', 'stream_ms') or 0) / 1000)} s",
              text.count(median(some, "stream", "threads") or 0),
              text.milliseconds(median(some, "stream", "beside_p99_us"))]
             for (model,), some in stats.group(of(rows, "stream"), "model").items()]
    tables.append(Table(f"{STREAMS} streams of {PIECES} pieces at once",
                        ["model", "complete", "a stream took (median)", "threads", "p99 of / beside them"], lines))
    return Findings(answer(rows), predictions(rows), [table for table in tables if table.rows])


# Drawing.

def table(rows, _facts):
    lines = benchmark(rows)
    if not lines:
        return None
    cells, names, groups = [], [], []
    for place, (name, model, figures) in enumerate(lines, 1):
        first = not names or lines[place - 2][0] != name
        names.append((place, model, models.COLOUR[model]))
        if first:
            users, requests, delay_ms = SCENARIOS[name]
            groups.append((place, name, f"{users} users, {text.count(requests)}",
                           f"requests of {delay_ms} ms" if delay_ms else "requests, no wait"))
        for column, (key, _, unit) in enumerate(FIGURES, 1):
            cell = figures[key]
            cells.append((column, place, unit(cell.median) + ("" if cell.valid else "*"), models.COLOUR[model]))
    runs = max(figures["throughput_rps"].runs for _, _, figures in lines)
    return Drawing("closed loop; " + ("one run" if runs == 1 else f"median of {runs} runs"),
                   tables={"cells": cells, "names": names, "groups": groups},
                   variables={"LINES": len(lines), "COLUMNS": len(FIGURES),
                              **{f"head_{n}": head for n, (_, head, _) in enumerate(FIGURES, 1)}})


CHARTS = [
    Chart("ledger-benchmark", "table.gp", "The benchmark of the sources, run",
          "A line is a scenario of the sources on one model (*: not a valid run). With waiting, all models give the same: "
          "users divided by the wait. Without, the figures say what a request costs, and a few dozen users say "
          "nothing about thousands.", table),
]
