"""c10k: Kegel's own load, ten thousand clients that each want 4 KB once a second.

A row is one run of the load generator in an open loop: a model, so many kept-alive connections, and a
timetable that has each of them ask once a second. The connections are open before the first request.
"""

from lib import models, stats, text
from lib.draw import Chart, Drawing
from lib.report import Findings, Prediction, Table

ORDER = 30
QUESTION = "Can it hold ten thousand clients?"
CROWD = 10000
REPLY_B = 4096
POOL = 100
SETUP = f"""{CROWD:,} clients keep a connection each and ask for {REPLY_B:,} bytes once a second,
whether answers come or not (an open loop: {CROWD:,} requests a second on one timetable). All
connections are open before the first request. The server has one core, the generator another; each run
has a fresh server. What blocking and the thread pool (of {POOL} threads) do with such a crowd is a
matter of counting, so they are run once and not in each repeat; in a quick run blocking has 4,000
clients instead, which is what its listen queue holds. Memory is the server's own (Pss), its kernel
stacks and its page tables; not the sockets, which cost everyone the same (see memory)."""
PREDICTION = f"""Kegel asked in 1999 for a server that sends 4 KB to each of 10,000 clients once a
second: 41 MB a second. A loop that asks the kernel who is ready needs some 20 microseconds of CPU for
each answer, so {CROWD:,} a second take a fifth of a core: epoll and io_uring do it with every client
answered and a 99th percentile under 100 ms. select stops at its 1,024th descriptor. blocking answers
one client. A thread a client was out of the question in 1999, for 512 stacks of 2 MB filled the 32-bit
address space; today {CROWD:,} stacks of 8 MB are 78 GiB of addresses, and under half a GB of memory: it
works."""
HOW_TO_READ = """Each line is a model, each figure what a client or the operator of the server would ask
for first. A latency is from the moment the timetable wanted the request sent, so a client that waits
for its turn counts as waiting; "never" stands where more clients than the percentile leaves out were
not answered at all. Where a model refuses clients, those who are left get their turns: so the requests
a second would look the same as everyone's, and are not in the table.

Thread per client works. What it costs stands on the right; what it would cost at ten times the clients
is what memory and thread_wall are about."""
SECONDS = {"quick": 12, "default": 40, "full": 1100}
DESCRIPTORS = {"quick": 10200, "default": 10200, "full": 19200}
NEEDS = ["loadgen"]
VARIANTS = {"quick": [], "default": ["thread_pool"], "full": ["thread_pool"]}
OPTIONS = {"thread_pool": ["--threads", str(POOL)]}

CLIENTS = {"quick": [CROWD], "default": [CROWD], "full": [CROWD, 19000]}
# A little over a second: in the first one everyone asks once, and the rest lets the last ones finish.
LENGTH_S = {"quick": 1.1, "default": 1.1, "full": 30.0}
REPEATS = {"quick": 1, "default": 3, "full": 5}
# Those who cannot do it: a count that no repeat will change.
HOPELESS = ("blocking", "thread_pool")
QUEUE = 4000  # fits the listen queue (4,096): nobody waits seconds for a connection that will not come
RAMP_RATE = 20000  # connections a second that are opened at the start
KEGEL = "Kegel's machine of 1999: 10,000 clients, 4 KB a second each, 500 MHz, 1 GB of memory"
MOST_P99_MS = 100


# Measuring.

def measure(lab):
    plan = [(repeat, clients, model) for repeat in range(1, REPEATS[lab.mode] + 1)
            for clients in CLIENTS[lab.mode] for model in lab.in_turn(repeat - 1)
            if repeat == 1 or model not in HOPELESS]
    lab.plan(len(plan))
    for repeat, clients, model in plan:
        if lab.mode == "quick" and model == "blocking":
            clients = min(clients, QUEUE)
        labels = {"clients": clients, "reply_b": REPLY_B, "repeat": repeat}
        lab.step(f"{model}, {text.count(clients)} clients, repeat {repeat} of {REPEATS[lab.mode]}")
        with lab.server(model, *OPTIONS.get(model, []), **labels) as server:
            if server:
                lab.generate(server, f"/bytes?n={REPLY_B}", "-c", clients, "-R", clients,
                             "-d", LENGTH_S[lab.mode], "--ramp", clients / RAMP_RATE,
                             limit=60 + LENGTH_S[lab.mode], **labels)


# Computing.

def own(rows, model, clients=None):
    """The runs of one model with its most clients, or with so many."""
    runs = [row for row in rows if row["model"] == model and stats.was_run(row)
            and stats.number(row, "connections_asked")]
    most = clients or max((stats.number(row, "connections_asked") for row in runs
                           if stats.number(row, "connections_asked") <= CROWD), default=0)
    return [row for row in runs if stats.number(row, "connections_asked") == most]


def sums(rows):
    """Copies of the rows with what is computed of one run: clients answered, errors a second, memory."""
    found = []
    for row in rows:
        get = {key: stats.number(row, key) or 0.0 for key in (
            "connections_asked", "connections_never_answered", "errors_total", "duration_s",
            "server_pss_kb", "server_kernel_stack_kb", "server_page_tables_kb")}
        found.append(dict(
            row, answered=str(get["connections_asked"] - get["connections_never_answered"]),
            errors_rps=str(get["errors_total"] / (get["duration_s"] or 1)),
            memory_kb=str(get["server_pss_kb"] + get["server_kernel_stack_kb"]
                          + get["server_page_tables_kb"])))
    return found


def figure(rows, column):
    """The cell of a column over runs of one model."""
    return stats.cell(sums(rows), column)


def asked(rows):
    return int(stats.number(rows[0], "connections_asked"))


def share(rows):
    """The part of the clients that was ever answered: 0 ... 1."""
    return figure(rows, "answered").median / asked(rows)


def quantile(rows, part, column):
    """A latency's cell, or None where more clients than it leaves out were never answered."""
    return None if 1 - share(rows) > 1 - part else figure(rows, column)


def bears(rows):
    """Whether this model answers the crowd as Kegel wanted: everyone, soon, and without errors."""
    p99 = quantile(rows, 0.99, "latency_intended_us_p99")
    return bool(p99 and p99.median < 1000 * MOST_P99_MS and share(rows) >= 0.9995
                and figure(rows, "errors_rps").median == 0)


def said(rows, model):
    """What one model did, in a few words."""
    some = own(rows, model)
    p99 = quantile(some, 0.99, "latency_intended_us_p99")
    words = f"{model} answered {text.count(figure(some, 'answered').median)} of {text.count(asked(some))}"
    return words + (f" (p99 {text.milliseconds(p99.median)})" if p99 else "")


def predictions(rows):
    here = {model: own(rows, model) for model in models.SIX + ["thread_pool"]}
    here = {model: some for model, some in here.items() if some}
    loops = [model for model in ("epoll", "io_uring") if model in here]
    thread = here.get("thread")
    size = {column: figure(thread, column).median if thread else 0
            for column in ("server_threads", "server_vsz_kb", "memory_kb")}
    return [
        Prediction(f"epoll and io_uring answer all {text.count(CROWD)} clients, without an error.",
                   "; ".join(said(rows, model) for model in loops),
                   f"Holds when every client was answered, no error counted, and p99 is below "
                   f"{MOST_P99_MS} ms.", all(bears(here[model]) for model in loops) if loops else None),
        Prediction("A thread a client carries them too.", said(rows, "thread") if thread else "",
                   "Holds when 99.95 % of the clients were answered.",
                   share(thread) >= 0.9995 if thread else None),
        Prediction("Their stacks are 8 MiB of addresses each, and far less memory.",
                   f"{text.count(size['server_threads'])} threads: {text.size(1024 * size['server_vsz_kb'])} "
                   f"of addresses, {text.size(1024 * size['memory_kb'])} of memory." if thread else "",
                   "Holds when the addresses are 7.5 to 8.6 MiB a thread and the memory is below "
                   "100 KiB a thread.",
                   7.5 < size["server_vsz_kb"] / 1024 / size["server_threads"] < 8.6
                   and size["memory_kb"] / size["server_threads"] < 100 if thread else None),
        Prediction("select stops at its 1,024th descriptor.",
                   said(rows, "select") if "select" in here else "",
                   "Holds when 1,000 to 1,024 clients were answered.",
                   1000 <= figure(here["select"], "answered").median <= 1024
                   if "select" in here else None),
        Prediction("blocking answers one.", said(rows, "blocking") if "blocking" in here else "",
                   "Holds when it is exactly one.",
                   figure(here["blocking"], "answered").median == 1 if "blocking" in here else None)]


def answer(rows):
    here = [model for model in models.in_order(row["model"] for row in rows) if own(rows, model)]
    if not here:
        return "Nothing was measured."
    can = [model for model in here if share(own(rows, model)) >= 0.9995]
    parts = [f"{text.names(can)} answered every one of {text.count(CROWD)} clients"] if can else []
    for model in can:
        some = own(rows, model)
        parts.append(f"{model} with a p99 of "
                     f"{text.milliseconds(quantile(some, 0.99, 'latency_intended_us_p99').median)} in "
                     f"{text.size(1024 * figure(some, 'memory_kb').median)}")
    return text.sentence("; ".join(parts + [said(rows, model) for model in here if model not in can]))


def in_ms(us):
    return text.figure(us / 1000, 2 if us < 100000 else 3)


def in_mib(kb):
    return text.figure(kb / 1024, 2 if kb < 1024 else 3)


# Column, heading, how a figure reads, whether its spread is shown.
COLUMNS = (("answered", "clients answered", text.count, False),
           ("latency_intended_us_p50", "median, ms", in_ms, True),
           ("latency_intended_us_p99", "p99, ms", in_ms, True),
           ("errors_rps", "errors/s", text.count, False),
           ("server_cpu_pct", "CPU, %", lambda pct: text.figure(pct, 2), False),
           ("memory_kb", "memory, MiB", in_mib, False))
QUANTILES = {"latency_intended_us_p50": 0.5, "latency_intended_us_p99": 0.99}


def cell_of(rows, column):
    """(the cell or None, why there is none)."""
    if column in QUANTILES:
        cell = quantile(rows, QUANTILES[column], column)
        return cell, "" if cell else "never"
    cell = figure(rows, column)
    return cell, "" if cell else "-"


def findings(rows, _facts):
    tables = []
    for clients in sorted({int(stats.number(row, "connections_asked") or 0) for row in rows} - {0}):
        lines = []
        for model in models.in_order(row["model"] for row in rows):
            some = own(rows, model, clients)
            if not some:
                continue
            line = [model]
            for column, _, unit, _ in COLUMNS:
                cell, why = cell_of(some, column)
                line.append(why or unit(cell.median) + ("" if cell.valid else " (h)"))
            parts = (figure(some, column).median for column in (
                "server_pss_kb", "server_kernel_stack_kb", "server_page_tables_kb", "server_vsz_kb"))
            lines.append([*line, *(text.size(1024 * kb) for kb in parts),
                          text.count(figure(some, "server_threads").median)])
        tables.append(Table(
            f"{text.count(clients)} clients: median of the repeats; (h): not a valid run",
            ["model", *(head for _, head, _, _ in COLUMNS), "own (Pss)", "kernel stacks", "page tables",
             "addresses", "threads"], lines))
    absent = [[model, stats.why_not(some)] for (model,), some in stats.group(rows, "model").items()
              if not any(stats.was_run(row) for row in some)]
    if absent:
        tables.append(Table("Not run", ["model", "why"], absent))
    return Findings(answer(rows), predictions(rows), tables)


# Drawing: a table of big figures. Places are parts of the panel: x from 0 to 1, a line a model.

PLACES = (0.385, 0.535, 0.68, 0.79, 0.87, 0.997)


def word_on(rows, model):
    """A few words under a model's name: how it does it, or what stops it."""
    some = own(rows, model)
    if not some:
        return ""
    if model == "blocking":
        return "one until it leaves"
    if model == "select":
        return "1,024 descriptors"
    threads = figure(some, "server_threads").median
    words = f"{text.count(threads)} threads" if threads > 1 else "one thread"
    return words + ("" if figure(some, "answered").valid else ", run not valid")


def stacks(rows):
    """Of the memory, the part that is threads' stacks in the kernel, where it is worth a word."""
    kb = figure(rows, "server_kernel_stack_kb").median
    return f"{text.figure(kb / 1024)} kernel stacks" if kb > 0.1 * figure(rows, "memory_kb").median else ""


def spread(cell, unit):
    if cell.runs < 2 or unit(cell.least) == unit(cell.greatest):
        return ""
    return f"{unit(cell.least)} to {unit(cell.greatest)}"


def table(rows, facts):
    shown = models.in_order(row["model"] for row in rows)
    if not any(own(rows, model) for model in shown):
        return None
    big, small = [], []
    for line, model in enumerate(shown, 1):
        some, colour = own(rows, model), models.COLOUR[model]
        if not some:
            small.append((PLACES[-1], line, stats.why_not(
                [row for row in rows if row["model"] == model])[:90], colour))
            continue
        for place, (column, _, unit, spread_too) in zip(PLACES, COLUMNS):
            cell, why = cell_of(some, column)
            big.append((place, line, why or unit(cell.median), colour))
            under = spread(cell, unit) if cell and spread_too else ""
            if column == "answered":
                under = f"of {text.count(asked(some))}"
            elif column == "memory_kb":
                under = stacks(some)
            small.append((place, line, under, "#5A6270"))
    names = [(line, model, word_on(rows, model), models.COLOUR[model])
             for line, model in enumerate(shown, 1)]
    heads = [(place, head) for place, (_, head, *_) in zip(PLACES, COLUMNS)]
    runs = max(figure(own(rows, model), "answered").runs for model in shown if own(rows, model))
    return Drawing(f"4 KB to each client once a second; {'one run' if runs == 1 else f'median of {runs} runs'}"
                   f" of {LENGTH_S.get(facts.get('mode'), LENGTH_S['default']):g} s",
                   tables={"big": big, "small": small, "names": names, "heads": heads},
                   variables={"LINES": len(shown), "KEGEL": KEGEL})


CHARTS = [
    Chart("c10k", "table.gp", QUESTION,
          "A line is a model; small figures: least and greatest of the runs. Latency counts from when a "
          "request was due. Never: more clients than the percentile leaves out had no answer. Look for who "
          "answers all 10,000, and what it pays in memory.", table),
]
