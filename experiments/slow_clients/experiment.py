"""slow_clients: who goes on serving good clients while hundreds of others trickle.

All servers of a repeat run at the same time, each with its own good clients and its own crowd of slow ones: what is
looked at are seconds and lost requests, and the whole load is light. A row is either a run (part "run") or one
second of it (part "second", as the generator saw it).

The slow clients are our own and not loadgen's: each connects once, sends a byte of a request now and then, and
notes when the server gave it up.
"""

import contextlib
import select
import socket
import time

from lib import models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.processes import Broken
from lib.report import Findings, Prediction, Table
from lib.rows import flatten

ORDER = 130
QUESTION = "Who survives clients that trickle?"
SLOW, GOOD, RATE_RPS, BYTE_GAP_S, POOL = 500, 100, 200, 0.5, 10
QUIET_S, ARRIVE_S = 1, 1.1  # the first second is quiet; the crowd comes a moment after it
TIMEOUT_S = {"quick": 1, "default": 2, "full": 4}
AFTER_S = {"quick": 0, "default": 2, "full": 8}  # seconds measured beyond the one of the time-outs
PATIENCE_S = 1.0
STAGGER_S = 0.12  # between the servers' clocks, so that none is measured while another gets or loses its crowd
SETUP = f"""{GOOD} good clients ask for / {RATE_RPS} times a second (constant rate, a new connection for each request, {PATIENCE_S:.0f} s
of patience). After a quiet second {SLOW} others connect and send one byte of a request every {BYTE_GAP_S * 1000:.0f} ms. Each
server gives an unfinished request up after 1, 2 or 4 s (quick, default, full run; --request-timeout). Who was given up does
not come back. thread_pool has {POOL} threads. All servers run at the same time on core 0, the load on core 1, each
a moment after the one before: together they use a few percent of the cores."""
PREDICTION = f"""A server that reads from one client at a time is given away to the first who trickles: blocking serves
nobody until the time-out, then the next slow one is in front. A pool of {POOL} threads is used up by the first {POOL} of {SLOW}.
The share of good requests answered is 0 for both; and each time-out frees only as many as are being served: 1, {POOL}. It would
take blocking {SLOW} time-outs, the pool {SLOW // POOL}. A thread for each client, or an event loop, has room for the slow
beside the good: 100 % answered, and all {SLOW} are given up at once."""
HOW_TO_READ = """Left: of the good requests due in each second, how many were answered. Right: how long the slowest in a hundred
of those waited. The first dotted line is the moment at which the slow ones come, the second when the first of them
are given up. What kills is not load (bytes that trickle cost nothing) but waiting for one client at a time. thread
survives because it has a stack for everybody; give it 50,000 slow clients, and that is its limit, while
an event loop needs a few hundred bytes for each. A time-out is necessary for all, but it saves only those who do not depend
on it."""
SECONDS = {"quick": 8, "default": 21, "full": 75}
DESCRIPTORS = {"quick": 4500, "default": 4500, "full": 4500}
NEEDS = ["loadgen"]
VARIANTS = {mode: ["thread_pool"] for mode in ("quick", "default", "full")}
OPTIONS = {"thread_pool": ["--threads", str(POOL)]}
ONE_AT_A_TIME = ("blocking", "thread_pool")
STARVED, UNHURT = 0.1, 0.99


# Measuring.

class Crowd:
    """Slow clients of one server. Times are seconds since `began`, on the monotonic clock."""
    _REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 1000

    def __init__(self, port, began):
        self.port, self.began = port, began
        self.open, self.cut_s, self.refused = {}, [], 0
        self._poll = select.poll()
        self._turn = 0

    def since(self):
        return time.monotonic() - self.began

    def arrive(self):
        """They connect. The servers' listen queues have room for all, so none of them waits here."""
        for _ in range(SLOW):
            one = socket.socket()
            one.setblocking(False)
            try:
                if one.connect_ex(("127.0.0.1", self.port)) not in (0, 115):  # EINPROGRESS
                    raise OSError
            except OSError:
                self.refused += 1
                one.close()
                continue
            self.open[one.fileno()] = [one, 0]
            self._poll.register(one, select.POLLIN)

    def trickle(self, parts):
        """One of `parts` parts of them sends a byte each. Called so many times each BYTE_GAP_S."""
        self._turn = (self._turn + 1) % parts
        for number, client in list(self.open.items()):
            if number % parts == self._turn:
                with contextlib.suppress(OSError):  # who was given up is noticed by look()
                    client[0].send(self._REQUEST[client[1]:client[1] + 1])
                    client[1] += 1

    def look(self):
        """Notes who was given up since the last look: an answer (408) or an end."""
        for number, _ in self._poll.poll(0):
            self.cut_s.append(self.since())
            self._poll.unregister(number)
            self.open.pop(number)[0].close()

    def leave(self):
        for one, _ in self.open.values():
            one.close()
        self.open.clear()


def length_s(mode):
    return QUIET_S + TIMEOUT_S[mode] + 1 + AFTER_S[mode]


def measure(lab):
    lab.plan(lab.repeats)
    for repeat in range(1, lab.repeats + 1):
        lab.step(f"all {len(lab.models)} at once, repeat {repeat} of {lab.repeats}")
        with contextlib.ExitStack() as stack:
            pairs = []
            for model in lab.in_turn(repeat - 1):
                pairs.append(begin(lab, stack, model, repeat))
                time.sleep(STAGGER_S)
            pairs = [pair for pair in pairs if pair]
            trickle(lab, [crowd for _, crowd, _ in pairs])
            for server, crowd, result in pairs:
                record(lab, server.model, crowd, result, repeat)


def begin(lab, stack, model, repeat):
    """(server, crowd, the generator's result), all running; None without a server."""
    server = stack.enter_context(lab.server(model, "--request-timeout", TIMEOUT_S[lab.mode],
                                            *OPTIONS.get(model, []), repeat=repeat))
    if server is None:
        return None
    good = stack.enter_context(lab.generating(
        server, "/", "-c", GOOD, "-R", RATE_RPS, "--close", "--timeout", PATIENCE_S, "-d",
        length_s(lab.mode)))
    crowd = Crowd(server.port, time.monotonic())
    stack.callback(crowd.leave)
    return server, crowd, good


def trickle(lab, crowds, tick_s=0.05):
    """Has each crowd come at its time and send its bytes, until the end of the run."""
    parts = round(BYTE_GAP_S / tick_s)
    due = time.monotonic()
    while any(crowd.since() < length_s(lab.mode) for crowd in crowds):
        for crowd in crowds:
            if crowd.since() >= ARRIVE_S and not crowd.open and not crowd.cut_s:
                crowd.arrive()
            crowd.trickle(parts)
            crowd.look()
        due += tick_s
        time.sleep(max(0.0, due - time.monotonic()))


def record(lab, model, crowd, result, repeat):
    try:
        figures = result()
    except (Broken, ValueError) as reason:
        lab.failed(model, f"loadgen: {reason}", repeat=repeat)
        return
    flat = flatten(figures)
    flat.pop("model", None)
    verdict = flat.pop("verdict")
    here = [second for second in figures["intervals"] if second["from_s"] >= ARRIVE_S]
    due = RATE_RPS * sum(second["to_s"] - second["from_s"] for second in here)
    lab.row(model, verdict, part="run", repeat=repeat, timeout_s=TIMEOUT_S[lab.mode], slow=SLOW,
            slow_refused=crowd.refused, slow_cut=len(crowd.cut_s), first_cut_s=min(crowd.cut_s, default=None),
            last_cut_s=max(crowd.cut_s, default=None), good_due=due,
            good_answered=sum(second["requests"] for second in here), **flat)
    for number, second in enumerate(figures["intervals"], 1):
        span = second["to_s"] - second["from_s"]
        if span > 0.5:  # a remainder of a second says nothing
            lab.row(model, verdict, part="second", repeat=repeat, second=number,
                    answered_pct=100 * second["requests"] / (RATE_RPS * span),
                    second_p99_us=second["p99_us"] if second["requests"] else None,
                    second_errors=second["errors"])


# Computing.

def of(rows, model, part):
    return [row for row in rows if row["model"] == model and row.get("part") == part]


def shares(rows):
    """{model: Cell}: the part of the good requests that were answered since the crowd came, 0 ... 1."""
    found = {}
    for model in models.in_order(row["model"] for row in rows):
        some = [dict(row, share=str(stats.number(row, "good_answered") / stats.number(row, "good_due")))
                for row in of(rows, model, "run") if stats.number(row, "good_due")]
        cell = stats.cell(some, "share")
        if cell:
            found[model] = cell
    return found


def cut(rows):
    """{model: Cell}: how many slow clients were given up before the end."""
    found = {model: stats.cell(of(rows, model, "run"), "slow_cut")
             for model in models.in_order(row["model"] for row in rows)}
    return {model: cell for model, cell in found.items() if cell}


def first_cut_s(rows):
    """When the first slow client was given up, of any server (median of the runs); None: never."""
    times = [stats.number(row, "first_cut_s") for row in rows if row.get("part") == "run"]
    times = [when for when in times if when is not None]
    return stats.median(times) if times else None


def percent(found, names):
    return "; ".join(f"{name} {found[name].median:.0%}" for name in names if name in found)


def predictions(rows):
    found, given_up = shares(rows), cut(rows)
    starved = [model for model in ONE_AT_A_TIME if model in found]
    alive = [model for model in found if model not in ONE_AT_A_TIME]
    return [
        Prediction("Who serves one client, or ten, at a time serves nobody.", percent(found, starved) + "."
                   if starved else "", f"Holds when they answer less than {STARVED:.0%} of what is due after the "
                   "slow ones came.", all(found[m].median < STARVED for m in starved) if starved else None),
        Prediction("Who has room for all does not notice.", percent(found, alive) + "." if alive else "",
                   f"Holds when all of them answer at least {UNHURT:.0%}.",
                   all(found[m].median >= UNHURT for m in alive) if alive else None),
        Prediction(f"Time-outs give all {SLOW} up at once, but of blocking and the pool only those in front.",
                   "; ".join(f"{model} {text.count(cell.median)}" for model, cell in given_up.items()),
                   f"Holds when less than a tenth of the {SLOW} are given up by blocking and thread_pool, and "
                   "all of them by all others.",
                   all((cell.median < SLOW / 10) if model in ONE_AT_A_TIME else cell.median == SLOW
                       for model, cell in given_up.items()) if given_up else None)]


def answer(rows):
    found = shares(rows)
    return text.sentence(f"of the good requests, beside {SLOW} clients that trickle, were answered: "
                         + percent(found, found)) if found else "Nothing was measured."


def findings(rows, _facts):
    found, given_up = shares(rows), cut(rows)
    lines = []
    for model in models.in_order(row["model"] for row in rows):
        own = of(rows, model, "run")
        if model not in found:
            why = stats.why_not([row for row in rows if row["model"] == model])
            lines.append([model, why or "-", "-", "-", "-", "-"])
            continue
        p99, last = stats.cell(own, "latency_intended_us_p99"), stats.cell(own, "last_cut_s")
        threads = stats.cell(own, "server_threads")
        lines.append([model, f"{found[model].median:.1%}", text.milliseconds(p99.median) if p99 else "-",
                      text.count(given_up[model].median), f"{text.figure(last.median)} s" if last else "-",
                      text.count(threads.median) if threads else "-"])
    table = Table(f"Good requests since the {SLOW} slow clients came, and what became of those (median of repeats)",
                  ["model", "answered", "p99 of all answered", "slow ones given up", "the last of them at",
                   "threads at the end"], lines)
    return Findings(answer(rows), predictions(rows), [table] if lines else [])


# Drawing.

def over_time(rows, _facts):
    some = [row for row in rows if row.get("part") == "second"]
    if not some:
        return None
    last = max(stats.number(row, "second") for row in some)
    shown = [dict(row, middle=str(stats.number(row, "second") - 0.5)) for row in some]
    slowest = [stats.number(row, "second_p99_us") for row in some]
    slowest = [us / 1000 for us in slowest if us]
    low, high = min(slowest, default=0.1) / 6, max(1000 * PATIENCE_S, *slowest) * 1.5
    panels = [Panel("answered", (0.085, 0.395, 0.24, 0.825), (0, last), (0, 108), linear="xy"),
              Panel("p99", (0.575, 0.885, 0.24, 0.825), (0, last), (low, high), linear="x")]
    strike, silent = first_cut_s(rows), []
    for panel in panels:
        bottom, top = panel.y
        for when, words in ((ARRIVE_S, f"{SLOW} come"), (strike, "time-out")):
            if when is not None:
                panel.reference([(when, bottom), (when, top)], "", (when, top))
                if panel.name == "answered":
                    panel.write(words, (when, 52 if when == strike else 62), "#5A6270")
    for model in models.in_order(row["model"] for row in shown):
        own = [row for row in shown if row["model"] == model]
        panels[0].line(model, stats.series(own, "middle", "answered_pct"), at=which_second,
                       unit=lambda share: f"{share:.0f} % answered")
        waits = stats.series(own, "middle", "second_p99_us")
        ends = bool(waits) and waits[-1][0] < last - 1
        panels[1].line(model, [(x, cell._replace(median=cell.median / 1000, least=cell.least / 1000,
                                                 greatest=cell.greatest / 1000))
                               for x, cell in waits], "" if ends else model,
                       at=which_second, unit=lambda ms: text.milliseconds(1000 * ms))
        if ends:
            panels[1].limit(model, waits[-1][0], waits[-1][1].median / 1000,
                            f"{model}: nobody is answered", (waits[-1][0] + 0.04 * last, low * 1.8 * 2.1 ** len(silent)))
            silent.append(model)
    absent = [f"{model}: {stats.why_not(own)[:50]}" for (model,), own in stats.group(rows, "model").items()
              if not any(stats.was_run(row) for row in own)]
    for line, words in enumerate(absent):
        panels[0].write(words, (0.1 * last, 40 - 8 * line), "#5A6270")
    return Drawing(f"{SLOW} send a byte every {BYTE_GAP_S} s beside {RATE_RPS} good requests/s", panels)


def which_second(middle):
    return f"second {middle + 0.5:.0f}"


CHARTS = [
    Chart("slow_clients", "over_time.gp", QUESTION,
          f"A point is one second of the good clients (median and spread of the repeats). Dotted: the {SLOW} slow ones come; "
          "the first are given up. Look for who falls to 0, and whether the time-out brings them back. A cross: nobody "
          "is answered any more.", over_time),
]
