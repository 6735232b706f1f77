"""overhead: what a request costs when nobody waits for anything.

A row is one run of the load generator in a closed loop on kept-alive connections: a model, its form (a switch
such as --edge, or a step of io_uring's ablation; empty: as it is), and a number of clients. Beside it the
server's own count of its system calls is read while the generator is at work (lib/counters.py).
"""

from lib import counters, models, nginx, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.processes import Broken
from lib.report import Findings, Prediction, Table
from lib.rows import flatten

ORDER = 100
QUESTION = "What does a request cost when nobody waits?"
SETUP = """C clients keep their connections and ask for / (13 bytes) again and again; there is nothing
to wait for, so the server is busy all the time from a few clients on. The server has one core, the
generator another. Every model as it is, epoll also edge-triggered, nginx (one process, return 200, no
access log, on the same core) where it is installed; and io_uring step by step, from asking who is ready
to its full form, each step one switch. A ratio to epoll is of the requests answered in a second of the
server's CPU (its throughput, wherever it is the limit and not the generator), of two runs of the same
repeat and the same number of clients. System calls are counted by the servers themselves, between two
readings of /stats in the middle of a run; nginx does not count its own. blocking serves one client at
any C, so from C = 2 on it is run once."""
PREDICTION = """A server that is told who is ready needs a recv and a send for each request, and one
wait for all that are ready together: 2 + 1/batch system calls, from 3 at one client down to 2. A thread
needs no wait: 2. io_uring hands in many sends and takes many results with one call: at most 1.5 a
request with one client, below 0.2 with hundreds. What that is worth depends on what else a request
costs: for 13 bytes between two processes on two cores mostly the network stack, which is the same for
all. Published ratios to epoll lie between 0.9 and 1.7, and 1.0 is an honest result. Used like a
readiness interface, or one operation at a time, a ring gives nothing (0.85 to 1.10); telling the kernel
that one thread owns it (SINGLE_ISSUER and DEFER_TASKRUN) gives 5 to 25 %, multishot receive 3 to 10 %.
A kernel thread that polls the ring (SQPOLL) wants a core of its own and loses here."""
HOW_TO_READ = """Read the cost in CPU first: throughput is its reciprocal wherever the server is busy,
and at C = 1 it is not busy but waits for the only client's next request. Then the system calls: one
costs a few tenths of a microsecond, so a request that saves two of them saves a tenth or a fifth of its
cost, not half of it. That is the whole advantage of io_uring here, and why its ablation is a list of
small steps: each switch saves some entries to the kernel, none makes the network stack cheaper.
Published figures are from other machines and drawn as hollow marks: compare the shape.

Context switches tell a thread a client from a loop: every request wakes a thread of its own, while a
busy loop hardly ever sleeps. A mark of 0 is drawn at the bottom."""
SECONDS = {"quick": 8, "default": 45, "full": 800}
DESCRIPTORS = {"quick": 1200, "default": 1200, "full": 1200}
NEEDS = ["loadgen"]

CLIENTS = {"quick": [1, 100, 1000], "default": [1, 10, 100, 1000],
           "full": [1, 3, 10, 30, 100, 300, 1000]}
ABLATION_CLIENTS = {"quick": [100], "default": [100, 1000], "full": [1, 10, 100, 1000]}
REPEATS = {"quick": 1, "default": 3, "full": 5}
LENGTH_S = {"quick": 0.10, "default": 0.15, "full": 2.0}
WARMUP_S = {"quick": 0.04, "default": 0.06, "full": 1.0}

# The ablation: (form, model, switches, name in the chart). From the poorest form each step takes one handicap
# away, up to io_uring as it is; those that follow change the full form.
ONE_AT_A_TIME = ["--plain-ring", "--single-accept", "--single-recv"]
STEPS = (("edge", "epoll", ["--edge"], "epoll\nedge-\ntriggered"),
         ("readiness", "io_uring", ["--readiness", *ONE_AT_A_TIME], "only\nwho is\nready"),
         ("single", "io_uring", ONE_AT_A_TIME, "one op-\neration at\na time"),
         ("defer", "io_uring", ["--single-accept", "--single-recv"], "+ one\nissuer,\ndeferred"),
         ("accept", "io_uring", ["--single-recv"], "+ multi-\nshot\naccept"),
         ("", "io_uring", [], "+ multi-\nshot recv:\nall of it"),
         ("each", "io_uring", ["--submit-each"], "all, but\nsubmit\neach"),
         ("zero", "io_uring", ["--zero-copy"], "all, and\nzero copy"),
         ("sqpoll", "io_uring", ["--sqpoll"], "all, and\nSQPOLL"))
SWITCHES = {(model, form): switches for form, model, switches, _ in STEPS}
# Published ratios to epoll (form, ratio, of what): frevib's echo server at 1,000 clients of 128 B and, of
# the same table, at 50; pg-noop.
PUBLISHED_RATIOS = (("", 1.60), ("", 1.05), ("", 1.02))
# pg-noop, 32 clients: system calls a query, epoll and io_uring.
PUBLISHED_CALLS = ((32, 3.00), (32, 1.51))


# Measuring.

def contestants(lab, clients):
    """(model, form) of all that are run at so many clients, in turn."""
    found = [(model, "") for model in lab.models]
    for form, model, _, _ in STEPS:
        main = form == "edge" and lab.mode != "quick"
        if form and model in lab.models and (main or clients in ABLATION_CLIENTS[lab.mode]):
            found.append((model, form))
    return found + [("nginx", "")]


def measure(lab):
    plan = [(repeat, clients, *one) for repeat in range(1, REPEATS[lab.mode] + 1)
            for clients in CLIENTS[lab.mode] for one in turned(contestants(lab, clients), repeat - 1)
            if repeat == 1 or clients == 1 or one[0] != "blocking"]
    if nginx.program() is None:
        lab.row("nginx", "n/a: it is not installed")
        plan = [one for one in plan if one[2] != "nginx"]
    lab.plan(len(plan))
    for repeat, clients, model, form in plan:
        lab.step(f"{model}{' ' + form if form else ''}, C = {text.count(clients)}, "
                 f"repeat {repeat} of {REPEATS[lab.mode]}")
        labels = {"form": form, "clients": clients, "repeat": repeat}
        if model == "nginx":
            try:
                with nginx.running(lab, clients) as server:
                    one_run(lab, server, labels, "--no-stats")
            except Broken as reason:
                lab.failed(model, str(reason), **labels)
            continue
        with lab.server(model, *SWITCHES.get((model, form), []), **labels) as server:
            if server:
                one_run(lab, server, labels)


def turned(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def one_run(lab, server, labels, *more):
    clients, length_s, warmup_s = labels["clients"], LENGTH_S[lab.mode], WARMUP_S[lab.mode]
    options = ["-c", clients, "-d", length_s, "--warmup", warmup_s, *more]
    ours, alone = server.model != "nginx", server.model == "blocking"
    watch = counters.Watch(server.port, clients, 0.6 * (length_s + warmup_s)) if ours and not alone else None
    readings = None
    try:
        # blocking would serve the watch and nobody else: it is asked before and after, with one client.
        before = counters.read_once(server.port) if alone and clients == 1 else None
        with lab.generating(server, "/", *options, limit=60 + length_s) as figures:
            if watch:
                watch.start()
            try:
                row = flatten(figures())
            finally:
                readings = watch.stop() if watch else None
        if before:
            readings = before, counters.read_once(server.port)
    except (Broken, OSError, ValueError) as reason:
        lab.failed(server.model, f"loadgen: {reason}", **labels)
        return
    row.pop("model", None)
    lab.row(server.model, row.pop("verdict"), **labels, **row,
            **(counters.between(*readings) if readings else {}))


# Computing.

def of(rows, model, form=""):
    return [row for row in rows if row["model"] == model and row.get("form", "") == form
            and stats.was_run(row)]


def most_clients(rows, *forms):
    """The greatest number of clients that all of these (model, form) were run with; None without any."""
    sets = [{stats.number(row, "clients") for row in of(rows, *one)} for one in forms]
    both = set.intersection(*sets) if sets else set()
    return max(both, default=None)


def ratios(rows, model, form, base=("epoll", "")):
    """{clients: Cell} of the answers in a second of CPU, as a ratio to `base` in the same repeat. Where the
    server is the limit that is the ratio of throughputs; where the generator is, it still tells them apart."""
    column = "server_cpu_us_per_request"
    bases = {(row.get("clients"), row.get("repeat")): row for row in of(rows, *base)}
    made = []
    for row in of(rows, model, form):
        other = bases.get((row.get("clients"), row.get("repeat")))
        if other and stats.number(row, column) and stats.number(other, column):
            verdict = row["verdict"] if not stats.is_valid(row) else other["verdict"]
            made.append({"clients": row["clients"], "verdict": verdict,
                         "ratio": str(stats.number(other, column) / stats.number(row, column))})
    return dict(stats.series(made, "clients", "ratio"))


def at_most_clients(rows, model, form, base=("epoll", "")):
    """(clients, ratio) where both were run with the most clients; (None, None) without."""
    found = ratios(rows, model, form, base)
    clients = max(found, default=None)
    return (clients, found[clients].median) if found else (None, None)


def ratio_prediction(rows, claim, one, base, low, high):
    clients, ratio = at_most_clients(rows, *one, base)
    return Prediction(claim, f"{ratio:.2f} at C = {text.count(clients)}." if ratio else "",
                      f"Holds from {low:.2f} to {high:.2f}." if low else f"Holds below {high:.2f}.",
                      (low or 0) <= ratio <= high if ratio else None)


def predictions(rows):
    calls = {model: dict(stats.series(of(rows, model), "clients", "syscalls_per_request"))
             for model in models.SIX}
    epoll, ring = ([cell.median for cell in calls[model].values()] for model in ("epoll", "io_uring"))
    most, alone = max(calls["io_uring"], default=0), 1 in calls["io_uring"]
    return [
        Prediction("epoll needs 2 + 1/batch system calls a request.",
                   f"{text.figure(min(epoll))} to {text.figure(max(epoll))}." if epoll else "",
                   "Holds when all lie from 1.95 to 3.2.",
                   1.95 <= min(epoll) and max(epoll) <= 3.2 if epoll else None),
        Prediction("io_uring needs at most 1.5 with a single client.",
                   f"{text.figure(ring[0])}." if alone else "", "Holds up to 1.6.",
                   ring[0] <= 1.6 if alone else None),
        Prediction("io_uring needs less than 0.2 under load.",
                   f"{text.figure(ring[-1])} at C = {text.count(most)}." if most >= 100 else "",
                   "Holds below 0.2 with the most clients.", ring[-1] < 0.2 if most >= 100 else None),
        ratio_prediction(rows, "io_uring answers 0.9 to 1.7 times as many as epoll.",
                         ("io_uring", ""), ("epoll", ""), 0.9, 1.7),
        ratio_prediction(rows, "One operation at a time, a ring gives nothing: 0.85 to 1.10 of epoll.",
                         ("io_uring", "single"), ("epoll", ""), 0.85, 1.1),
        ratio_prediction(rows, "One issuer and deferred work give 5 to 25 %.",
                         ("io_uring", "defer"), ("io_uring", "single"), 1.05, 1.25),
        ratio_prediction(rows, "Multishot receive gives 3 to 10 %.",
                         ("io_uring", ""), ("io_uring", "accept"), 1.03, 1.1),
        ratio_prediction(rows, "SQPOLL loses where it has no core of its own.",
                         ("io_uring", "sqpoll"), ("io_uring", ""), None, 0.9)]


def answer(rows):
    said = []
    here = [model for model in (*models.SIX, "nginx") if of(rows, model)]
    most = most_clients(rows, *((model, "") for model in here if model != "blocking"))
    costs = {model: dict(stats.series(of(rows, model), "clients", "server_cpu_us_per_request")).get(most)
             for model in here}
    costs = {model: cell.median for model, cell in costs.items() if cell}
    if costs:
        said.append(f"with {text.count(most)} clients a request costs its server (microseconds of CPU) "
                    + ", ".join(f"{model} {text.figure(us)}" for model, us in costs.items()))
    clients, ratio = at_most_clients(rows, "io_uring", "")
    if ratio:
        words = "a tie" if 0.95 <= ratio <= 1.05 else "faster" if ratio > 1 else "slower"
        said.append(f"io_uring answers {ratio:.2f} times as many as epoll in the same CPU time ({words}) at "
                    f"C = {text.count(clients)}")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def name_of(model, form):
    return f"{model} {' '.join(SWITCHES.get((model, form), []))}".strip()


def findings(rows, _facts):
    some = [row for row in rows if stats.was_run(row)]
    columns = sorted({int(row["clients"]) for row in some})
    kinds = list(dict.fromkeys((row["model"], row.get("form", "")) for row in some))
    kinds.sort(key=lambda kind: (models.in_order([*models.SIX, kind[0]]).index(kind[0])))
    tables = []
    for column, what in (("throughput_rps", "Requests a second"),
                         ("server_cpu_us_per_request", "Microseconds of CPU a request"),
                         ("syscalls_per_request", "System calls a request"),
                         ("server_ctx_switches_per_request", "Context switches a request")):
        lines = []
        for model, form in kinds:
            cells = dict(stats.series(of(rows, model, form), "clients", column))
            if cells:
                lines.append([name_of(model, form), *(shown(cells.get(c)) for c in columns)])
        if lines:
            tables.append(Table(f"{what}: median of the repeats; (h): not a valid run",
                                ["model", *(f"C = {text.count(c)}" for c in columns)], lines))
    absent = [[row["model"], row["verdict"]] for row in rows if not stats.was_run(row)]
    if absent:
        tables.append(Table("Not run", ["model", "why"], absent))
    return Findings(answer(rows), predictions(rows), tables)


def shown(cell):
    return text.figure(cell.median) + ("" if cell.valid else " (h)") if cell else "-"


# Drawing. Two lines are no models of their own: epoll, edge-triggered, has epoll's colour and dashes;
# nginx is a guest, in grey.

GUEST = "#6B7280"


def setup(rows):
    runs = max((cell.runs for _, cell in stats.series(of(rows, "epoll"), "clients", "throughput_rps")),
               default=1)
    return "GET / kept alive; " + ("one run each" if runs == 1 else f"median and spread of {runs} runs")


def all_lines(panel, rows, column, unit, floor=0.0):
    for model in models.in_order(row["model"] for row in rows if row["model"] in models.SIX):
        panel.line(model, points(rows, model, "", column, floor), unit=unit)
    guest(panel, "epoll_edge", "epoll --edge", models.COLOUR["epoll"],
          points(rows, "epoll", "edge", column, floor), unit)
    guest(panel, "nginx", "nginx", GUEST, points(rows, "nginx", "", column, floor), unit)


def points(rows, model, form, column, floor):
    return [(x, cell._replace(median=max(cell.median, floor), least=max(cell.least, floor),
                              greatest=max(cell.greatest, floor)))
            for x, cell in stats.series(of(rows, model, form), "clients", column)]


def guest(panel, series, label, colour, some, unit):
    """A line whose colour style.gp does not know; the chart's script names it."""
    if len(some) > 1:
        panel.line(series, some, "", unit)
        panel.ends.append((some[-1][0], some[-1][1].median, label, colour))


def axis(rows):
    return 0.8, 1.25 * max([10, *(stats.number(row, "clients") or 1 for row in rows)])


def not_here(panel, rows, at):
    """Words for what could not be run."""
    words = [f"{model}: {stats.why_not(some)[:60]}" for (model,), some in stats.group(rows, "model").items()
             if not any(stats.was_run(row) for row in some)]
    if words:
        panel.write("\n".join(words), at, GUEST)


def spanned(rows, column, low, high):
    """An axis that holds all figures of a column, and at least from low to high."""
    values = [stats.number(row, column) for row in rows if stats.was_run(row)]
    values = [value for value in values if value]
    return min([low, *(0.8 * value for value in values)]), max([high, *(1.25 * value for value in values)])


def one_panel(column, unit, low, high):
    def prepare(rows, _facts):
        if not any(stats.was_run(row) for row in rows):
            return None
        own = [row for row in rows if row.get("form", "") in ("", "edge")]
        panel = Panel("x", (0.095, 0.865, 0.24, 0.835), axis(rows), spanned(own, column, low, high))
        all_lines(panel, own, column, unit)
        not_here(panel, rows, (1, panel.y[0] * 1.3))
        return Drawing(setup(rows), [panel])
    return prepare


FEW = 0.001  # where "none" is drawn on the logarithmic axis


def calls(rows, _facts):
    if not any(stats.was_run(row) for row in rows):
        return None
    panels = []
    for name, column, box in (("calls", "syscalls_per_request", (0.085, 0.385, 0.24, 0.835)),
                              ("switches", "server_ctx_switches_per_request", (0.575, 0.875, 0.24, 0.835))):
        panel = Panel(name, box, axis(rows), (0.8 * FEW, 8))
        all_lines(panel, rows, column, lambda each: f"{text.figure(each)} a request", FEW)
        if name == "calls":
            panel.published(PUBLISHED_CALLS, "", PUBLISHED_CALLS[0])
        panels.append(panel)
    return Drawing(setup(rows), panels)


def ablation(rows, facts):
    clients = [c for c in ABLATION_CLIENTS.get(facts.get("mode"), ABLATION_CLIENTS["default"]) if c > 1]
    clients = [c for c in clients if c in ratios(rows, "io_uring", "")][-2:]
    if not clients:
        return None
    bars, words, width, missing = [], [], 0.8 / len(clients), []
    for place, (form, model, _, name) in enumerate(STEPS, 1):
        cells = ratios(rows, model, form)
        if not any(count in cells for count in clients):
            missing.append((place, "not\\nmeasured"))
        for number, count in enumerate(clients):
            cell = cells.get(count)
            at = place - 0.4 + width * (number + 0.5)
            if cell:
                last = number == len(clients) - 1
                colour = models.COLOUR[model] if last else PALE[model]
                bars.append((at, cell.median, cell.least, cell.greatest, 0.46 * width, colour,
                             int(cell.valid)))
                words.append((at, f"{cell.median:.2f}", "#FFFFFF" if last and cell.valid else "#000000"))
    top = max([1.75, *(1.12 * bar[3] for bar in bars)])
    names = [(place, step[3].replace("\n", "\\n")) for place, step in enumerate(STEPS, 1)]
    full = [place for place, step in enumerate(STEPS, 1) if not step[0]][0]
    pale = "pale: " if len(clients) > 1 else ""
    return Drawing(f"{setup(rows)}; {pale}{', full: '.join(f'{c:,.0f}' for c in clients)} clients",
                   tables={"bars": bars, "words": words, "names": names, "missing": missing or [(-9, "")],
                           "published": [(full, ratio) for _, ratio in PUBLISHED_RATIOS]},
                   variables={"TOP": top, "STEPS": len(STEPS), "FULL": full})


PALE = {"epoll": "#8FA3DC", "io_uring": "#93DDBB"}

CHARTS = [
    Chart("overhead", "throughput.gp", "How many requests a second, when nobody waits?",
          "A point is the median of the repeats, its bar their spread. With one client the way to and fro is "
          "the limit, with many the server's one core. blocking has only ever one client. Hollow: not a "
          "valid run.",
          one_panel("throughput_rps", lambda rps: f"{text.figure(rps)} requests/s", 8000, 200000)),
    Chart("overhead-cpu", "cpu.gp", QUESTION,
          "A point is the CPU time that the server spent on a request, user and system (median and spread of "
          "the repeats). Look for how little lies between the loops: most of it is the network stack. Hollow: "
          "not a valid run.", one_panel("server_cpu_us_per_request", text.milliseconds, 3, 40)),
    Chart("overhead-syscalls", "syscalls.gp", "How often does a request enter the kernel?",
          "Left: the servers' own count. Look for 2 + 1/batch, and for the ring that takes many at once. "
          "Right: a thread sleeps between requests, a busy loop does not. Rings: pg-noop, 32 clients (epoll "
          "3.00, io_uring 1.51). Points at the bottom: 0.001 or none.", calls),
    Chart("overhead-ablation", "ablation.gp", "What is io_uring's speed made of?",
          "A bar: requests answered in a second of CPU, as a ratio to epoll in the same repeat; its line: the "
          "spread. Each step to the right takes a handicap away; the last three change the full form. Rings: "
          "published (frevib 1.60 and 1.05, pg-noop 1.02).", ablation),
]
