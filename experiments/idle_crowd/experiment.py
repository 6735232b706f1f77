"""idle_crowd: 200 busy clients beside 0 to 10,000 silent ones. Who pays for those who say nothing?

One server holds more and more silent connections, opened by us before the busy ones come. At each level there
are three rows, told apart by `kind`: "alone" is one client that asks one request after another, and what the
server counted meanwhile (exact); "load" is a run of the generator with 200 busy connections; "crowd" is what
the server counted during that run, opening included.
"""

import re
import socket

from lib import client, models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.report import Findings, Prediction, Table

ORDER = 50
QUESTION = "Who pays for the silent ones?"
BUSY = 200
SETUP = f"""A crowd of kept-alive connections has each asked for / once and then says nothing: none of them, 100,
1,000, 5,000, 10,000. Beside them {BUSY} busy connections ask for / again and again, as fast as they are
answered; no database wait. Besides, one single client asks 50 times, one request after another, and the
server's own counts (/stats) before and after are compared. The server has one core, the generator another.
The crowd of a level is the one before and some more, on the same server; select's ends at 800, since
1,024 descriptors are all it can watch."""
PREDICTION = """At each wait select and poll look at every connection, so each silent one costs a slot more, every
time: 10,000 of them cost a lone client's request 10,000 slots, and, at 50 to 100 ns a slot, near a millisecond. Under
load a wait finds many who are ready, and they share its cost. Even so poll should lose more than half of
its throughput to a crowd of 10,000. epoll and io_uring look at those who are ready and at nobody else, and
a thread waits for one client only: none of the three should lose more than 15 %.

Without a crowd there is nothing to choose: select and poll are as fast as epoll, within 10 % (Gammo and
others 2004; Banga and Mogul 1998 found that real servers have the crowd, and laboratory ones did not)."""
HOW_TO_READ = """The leftmost points are without a crowd. A line that stays level does not pay for the silent. Under
load poll's fall looks gentler than its slots: while one wait scans 10,000 slots, requests gather, and the next wait
serves them all. That is the same cost, shared by more. It comes back as latency (see the table), and in full
when few are busy: look at the chart of slots, which is counted and not timed, and the same on every
machine and on each run.

select has no points beyond 1,024 descriptors. That is not the kernel's limit but that of the fd_set that it
is called with: the server refuses further clients with 503."""
SECONDS = {"quick": 9, "default": 40, "full": 300}
LEVELS = {"quick": [0, 1000, 10000], "default": [0, 100, 1000, 5000, 10000],
          "full": [0, 100, 300, 1000, 3000, 5000, 10000, 15000, 19000]}
SELECT_MOST = 800
DESCRIPTORS = {mode: max(levels) + 300 for mode, levels in LEVELS.items()}
NEEDS = ["loadgen"]
MODELS = ["thread", "select", "poll", "epoll", "io_uring"]
SCANNING = ("select", "poll")

LENGTHS = {"quick": (0.12, 0.04), "default": (0.25, 0.08), "full": (3.0, 1.0)}
REQUESTS = 50
BATCH = 250
AT_NONE = 10  # where the logarithmic axis has its 0
COST = "server_cpu_us_per_request"
GENERATOR_LIMIT = re.compile(r"invalid: the generator was saturated[^;]*")


# Measuring.

def levels(mode, model, repeat=1):
    own = LEVELS[mode]
    if mode == "quick" and repeat > 1:  # the largest crowd takes longest to gather
        own = own[:-1]
    return own if model != "select" else sorted({n for n in own if n < SELECT_MOST} | {SELECT_MOST})


def measure(lab):
    lab.plan(sum(len(levels(lab.mode, model, repeat)) for model in lab.models
                 for repeat in range(1, lab.repeats + 1)))
    for repeat in range(1, lab.repeats + 1):
        for model in lab.in_turn(repeat - 1):
            with lab.server(model, "--idle-timeout", 600, "--request-timeout", 600,
                            repeat=repeat) as server:
                for_levels(lab, model, server, repeat)


def for_levels(lab, model, server, repeat):
    crowd = []
    try:
        for idle in levels(lab.mode, model, repeat):
            lab.step(f"{model}, {text.count(idle)} silent, repeat {repeat} of {lab.repeats}")
            if server:
                join(server.port, crowd, idle)
                one_level(lab, server, {"idle": idle, "repeat": repeat})
    except OSError as reason:
        lab.failed(model, f"with {len(crowd)} silent connections: {reason}", idle=len(crowd), repeat=repeat)
    finally:
        for one in crowd:
            one.close()


def join(port, crowd, count):
    """Fills the crowd up to `count`: connections that ask once, have their answer, and then are silent."""
    while len(crowd) < count:
        new = []
        for _ in range(min(BATCH, count - len(crowd))):
            new.append(socket.create_connection(("127.0.0.1", port), 10))
            crowd.append(new[-1])
            new[-1].sendall(client.request("/", False))
        for one in new:
            if not one.recv(4096).startswith(b"HTTP/1.1 200 "):
                raise ConnectionError("the server refused one of them")


def one_level(lab, server, labels):
    with client.Kept(server.port) as asking:
        before = asking.stats()
        for _ in range(REQUESTS):
            asking.ask("/")
        lab.row(server.model, kind="alone", **labels, **counts(before, asking.stats()))
    with client.Kept(server.port) as asking:
        before = asking.stats()
        seconds, warmup = LENGTHS[lab.mode]
        lab.generate(server, "/", "-c", BUSY, "-d", seconds, "--warmup", warmup, limit=60 + 10 * seconds,
                     kind="load", **labels)
        after = asking.stats()
    silent = after["connections"]["open"] - 1
    verdict = "valid" if silent >= labels["idle"] else f"invalid: only {silent} were still open"
    lab.row(server.model, verdict, kind="crowd", **labels, **counts(before, after))


def counts(before, after):
    """What the server did between two /stats, a request; the second /stats is one of them."""
    requests = after["requests"]["total"] - before["requests"]["total"]
    return {f"{name}_per_request": (after[key] - before[key]) / requests
            for name, key in (("slots", "slots_scanned"), ("waits", "wakeups"))}


# Computing.

def of(rows, model, kind):
    return [row for row in rows if row["model"] == model and row.get("kind") == kind]


def cost_rows(rows):
    """The rows, valid also where only the generator was at its limit: what a request cost the server is its
    own CPU time and no matter of how many it was asked."""
    return [dict(row, verdict="valid") if GENERATOR_LIMIT.fullmatch(row.get("verdict", "")) else row
            for row in rows]


def line(rows, model, kind, column):
    return stats.series(of(cost_rows(rows) if column == COST else rows, model, kind), "idle", column)


def shares(rows, model):
    """[(idle, Cell)]: throughput in percent of that without a crowd, each repeat by its own."""
    alone = {row["repeat"]: stats.number(row, "throughput_rps") for row in of(rows, model, "load")
             if row["idle"] == "0" and stats.was_run(row)}
    some = []
    for row in of(rows, model, "load"):
        rate, base = stats.number(row, "throughput_rps"), alone.get(row["repeat"])
        if rate is not None and base:
            some.append(dict(row, share_pct=str(100 * rate / base)))
    return stats.series(some, "idle", "share_pct")


def share(rows, model, idle=10000):
    cell = dict(shares(rows, model)).get(idle)
    return cell.median if cell else None


def growth(rows, model, idle=10000):
    """How many times the CPU time of a request without a crowd it is beside one."""
    cells = dict(line(rows, model, "load", COST))
    return cells[idle].median / cells[0].median if idle in cells and 0 in cells and cells[0].median else None


def slots_exact(rows, model):
    """Whether a lone client's request costs what it must, at each level: True, False, None where not
    measured."""
    found = [(stats.number(row, "idle"), stats.number(row, "slots_per_request"))
             for row in of(rows, model, "alone") if stats.is_valid(row)]
    base = [slots for idle, slots in found if idle == 0]
    if not base or len({idle for idle, _ in found}) < 2:
        return None
    return all(slots == base[0] + (idle if model in SCANNING else 0) for idle, slots in found)


def slots_predictions(rows):
    for group, claim in ((SCANNING, "select and poll: each silent connection costs each lone request exactly one "
                                    "slot more."),
                         (("epoll", "io_uring"), "epoll and io_uring: a lone request costs the same slots, "
                                                 "however many are silent.")):
        seen = {model: slots_exact(rows, model) for model in group}
        seen = {model: exact for model, exact in seen.items() if exact is not None}
        words = []
        for model in seen:
            points = line(rows, model, "alone", "slots_per_request")
            words.append(f"{model} {text.count(points[0][1].median)} with none and "
                         f"{text.count(points[-1][1].median)} with {text.count(points[-1][0])}")
        yield Prediction(claim, f"{'; '.join(words)}." if words else "",
                         "Holds when it is so to the slot at every level of every repeat.",
                         all(seen.values()) if seen else None)


def load_predictions(rows):
    for model in ("epoll", "io_uring", "thread"):
        left = share(rows, model)
        yield Prediction(f"{model} keeps its throughput beside 10,000 silent connections.",
                         f"{left:.0f} % of what it is without." if left else "",
                         "Holds when it loses less than 15 %.", left > 85 if left else None)
    left = share(rows, "poll")
    yield Prediction("poll loses at least half of its throughput to 10,000 silent connections.",
                     f"{left:.0f} % of what it is without." if left else "", "Holds at 50 % or less.",
                     left <= 50 if left else None)
    dearer = {model: growth(rows, model) for model in ("poll", "epoll", "io_uring", "thread")}
    yield Prediction("In CPU time a request, too, only poll pays for them.",
                     "; ".join(f"{model} {text.figure(times)} times" for model, times in dearer.items() if times)
                     + " what it is without." if any(dearer.values()) else "",
                     "Holds when it is at least twice for poll, and at most 1.25 times for the others.",
                     all((times >= 2) == (model == "poll") and (model == "poll" or times <= 1.25)
                         for model, times in dearer.items()) if all(dearer.values()) else None)
    rates = {model: dict(line(rows, model, "load", "throughput_rps")).get(0)
             for model in ("select", "poll", "epoll")}
    ready = all(rates.values())
    yield Prediction("Without a crowd select and poll are as fast as epoll.",
                     "; ".join(f"{model} {rates[model].median / rates['epoll'].median:.0%}"
                               for model in SCANNING) + " of epoll's rate." if ready else "",
                     "Holds when both are within 10 % of epoll, or the spreads of the repeats overlap.",
                     all(alike(rates[model], rates["epoll"]) for model in SCANNING) if ready else None)


def alike(one, other):
    near = abs(one.median / other.median - 1) <= 0.1
    return near or (one.least <= other.greatest and other.least <= one.greatest)


def answer(rows):
    said = []
    left = [f"{model} {share(rows, model):.0f} %" for model in MODELS if share(rows, model)]
    if left:
        said.append("beside 10,000 silent connections throughput is, of what it is without them, "
                    + ", ".join(left))
    slots = []
    for model in ("poll", "epoll", "io_uring"):
        points = line(rows, model, "alone", "slots_per_request")
        if points:
            slots.append(f"{model} {text.count(points[-1][1].median)}")
            most = points[-1][0]
    if slots:
        said.append(f"slots looked at for one request beside {text.count(most)}: " + ", ".join(slots))
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def findings(rows, _facts):
    predictions = [*slots_predictions(rows), *load_predictions(rows)]
    every = sorted({int(row["idle"]) for row in rows if "idle" in row})
    tables = [Table(f"{what}: median of the repeats; (h): hollow, not a valid run",
                    ["model", *(f"{text.count(idle)} silent" for idle in every)],
                    [[model, *figures(rows, model, kind, column, unit, every)]
                     for model in models.in_order(row["model"] for row in rows)])
              for what, kind, column, unit in (
                  (f"Requests a second of {BUSY} busy connections", "load", "throughput_rps", text.figure),
                  ("CPU microseconds a request", "load", COST, text.figure),
                  ("99th percentile of latency", "load", "latency_us_p99", text.milliseconds),
                  ("Slots looked at a request, one client alone", "alone", "slots_per_request", text.count),
                  (f"Slots looked at a request, {BUSY} busy", "crowd", "slots_per_request", text.figure),
                  (f"Waits a request, {BUSY} busy", "crowd", "waits_per_request", text.figure))
              ] if every else []
    return Findings(answer(rows), predictions, tables)


def figures(rows, model, kind, column, unit, every):
    cells = dict(line(rows, model, kind, column))
    for idle in every:
        if idle in cells:
            yield unit(cells[idle].median) + ("" if cells[idle].valid else " (h)")
        elif any(stats.was_run(row) for row in of(rows, model, kind)):
            yield "-"
        else:
            yield stats.why_not([row for row in rows if row["model"] == model]).partition(":")[0] or "-"


# Drawing.

def on_axis(points):
    return [(idle or AT_NONE, cell) for idle, cell in points]


def idle_words(x):
    return "none silent" if x == AT_NONE else f"{text.count(x)} silent"


def axis(rows):
    return 0.8 * AT_NONE, 1.25 * max(1000, *(stats.number(row, "idle") or 0 for row in rows))


def setup(facts):
    repeats = {"quick": 2, "default": 3, "full": 5}.get(facts.get("mode"), "the")
    return f"{BUSY} busy connections; no database wait; median and spread of {repeats} runs"


def measured(rows, kind):
    return [row for row in rows if row.get("kind") == kind and stats.was_run(row)]


def draw_line(panel, model, points, unit, where):
    """A model's line; select's ends in a cross, where the crowd goes beyond it, with a word at `where`."""
    ends = model == "select" and points and points[-1][0] < panel.x[1] / 1.5
    panel.line(model, points, "" if ends else model, unit=unit, at=idle_words)
    if ends:
        panel.limit("select", 1024 - BUSY, points[-1][1].median, "select: 1,024 descriptors", *where)


def panel_of(rows, name, box, column, y, unit):
    panel = Panel(name, box, axis(rows), y, linear="y")
    for model in models.in_order(row["model"] for row in rows):
        draw_line(panel, model, on_axis(line(rows, model, "load", column)), unit,
                  ((1024 - BUSY, 0.07 * y[1]), "right"))
    return panel


def draw_load(rows, facts):
    some = measured(rows, "load")
    if not some:
        return None
    rate = max(stats.number(row, "throughput_rps") or 0 for row in some)
    cost = max(stats.number(row, COST) or 0 for row in some)
    left = panel_of(some, "rate", (0.085, 0.4, 0.24, 0.835), "throughput_rps", (0, 1.1 * rate),
                    lambda rps: f"{text.figure(rps)} requests/s")
    right = panel_of(some, "cost", (0.575, 0.89, 0.24, 0.835), COST, (0, 1.1 * cost),
                     lambda us: f"{text.figure(us)} us of CPU a request")
    absent(left, rows, (12, 0.16 * rate))
    return Drawing(setup(facts), [left, right])


def absent(panel, rows, where):
    for (model,), own in stats.group(rows, "model").items():
        if not any(stats.was_run(row) for row in own):
            panel.write(f"{model}: {stats.why_not(own)[:60]}", where, models.COLOUR[model])


def draw_share(rows, facts):
    some = measured(rows, "load")
    if not any(shares(some, model) for model in MODELS):
        return None
    most = max(cell.greatest for model in MODELS for _, cell in shares(some, model))
    panel = Panel("x", (0.095, 0.865, 0.24, 0.875), axis(some), (0, max(112, 1.05 * most)), linear="y")
    panel.reference([(panel.x[0], 100), (panel.x[1], 100)], "", (AT_NONE, 104))
    for model in models.in_order(row["model"] for row in some):
        draw_line(panel, model, on_axis(shares(some, model)), lambda pct: f"{pct:.0f} %",
                  ((1024 - BUSY, 10), "right"))
    return Drawing(setup(facts), [panel])


def draw_slots(rows, _facts):
    some = [row for row in measured(rows, "alone") if stats.number(row, "slots_per_request")]
    if not some:
        return None
    panel = Panel("x", (0.095, 0.865, 0.24, 0.875), axis(some), (0.5, 1.6 * axis(some)[1]))
    for model in models.in_order(row["model"] for row in some):
        draw_line(panel, model, on_axis(line(some, model, "alone", "slots_per_request")),
                  lambda slots: f"{text.count(slots)} slots a request", ((1200, 300),))
    return Drawing("one client asks, one request after another; counted by the servers", [panel])


CHARTS = [
    Chart("idle_crowd", "load.gp", QUESTION,
          f"A point is a run of {BUSY} busy clients beside so many silent ones, median and spread of the repeats. "
          "Look for who stays level: to have silent clients costs it nothing. Hollow: not a valid run.",
          draw_load),
    Chart("idle_crowd-relative", "relative.gp", "What is left of the throughput beside silent connections?",
          f"A point is the throughput of {BUSY} busy clients, in percent of the same without a crowd, each repeat "
          "by its own; median and spread. Look for the crowd at which a line begins to fall.", draw_share),
    Chart("idle_crowd-slots", "slots.gp", "How many slots are looked at for one request?",
          "A point is a count and not a time: the slots that kernel and server look at to find the one client who "
          "asked. It is exact, and the same on every machine. thread has no slots: each thread waits for its own "
          "client.", draw_slots),
]
