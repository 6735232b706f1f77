"""concurrency: throughput, latency and who is answered at all, as clients grow from 1 to 10,000.

A row is one run of the load generator: a model, a number of clients (each asks, waits for the answer,
asks again: a closed loop), and a policy: "kept" keeps each connection, "close" opens one a request.
"""

from lib import models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.report import Findings, Prediction, Table

ORDER = 20
QUESTION = "How do throughput and tail grow with clients?"
DELAY_S = 0.010
POOL = 100
SETUP = f"""The server's database takes D = {DELAY_S * 1000:.0f} ms a request. C clients each send a
request, wait for the answer and at once send the next. Twice: with connections kept alive, all of them
open before the first request, and with a new connection for each request, closed by the client first.
The server has one core, the generator another. Models take turns within each repeat, each run with a
fresh server."""
PREDICTION = """Whoever waits for one request at a time answers 1/D = 100 a second, however many ask.
Whoever waits for all of them answers C/D (Little's law: each client comes round once every D) until the
CPU has no time left, at mu requests a second. From there on the wait is C/mu: with mu = 40,000 and C =
10,000 that is 250 ms, for every model. An event loop does not abolish queueing, it only moves its
beginning to C = mu x D."""
HOW_TO_READ = """Both axes are logarithmic, so C/D is a straight line and all who follow it are equally
good: the wait is free. Where a model leaves the line, its CPU is used up: the height is mu. In the
latency charts the same point is where the flat line (everyone waits D and no more) turns into a slope
(everyone waits for everyone). Throughput alone can hide the worst: with kept connections blocking
answers its one client at full speed, and nobody else ever. The chart of who is answered shows that. It
also shows that the scheduler does not go round in order: of ten thousand threads that all want to run it
leaves some waiting for seconds, while others have been answered many times. How many differs from run to
run.

A hollow mark is a run that broke a rule of measurement (connections that could not be opened, errors, a
generator at its own limit, or figures that miss Little's law C = X W by over 2 %): it was measured, but
it does not mean what the axis says."""
SECONDS = {"quick": 22, "default": 150, "full": 4500}
DESCRIPTORS = {"quick": 10200, "default": 10200, "full": 15200}
NEEDS = ["loadgen"]
VARIANTS = {"quick": [], "default": ["thread_pool"], "full": ["thread_pool"]}
OPTIONS = {"thread_pool": ["--threads", str(POOL)]}

EVERY = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000]
CLIENTS = {"quick": {"kept": [1, 100, 1000, 10000], "close": [1, 100, 1000]},
           "default": {"kept": [1, 10, 100, 1000, 10000], "close": [1, 10, 100, 1000, 10000]},
           "full": {"kept": EVERY, "close": EVERY}}


def lengths(mode, clients, model=""):
    """Seconds measured and seconds of warming up: enough for each client to be answered several times
    even where the CPU is the limit. Ten thousand threads that all want to run need the longest."""
    if mode == "full":
        return 2.0, 2.0
    if clients >= 5000:
        return (1.5, 2.0) if model == "thread" else (0.6, 0.4)
    if clients >= 1000:
        return (0.15, 0.1) if mode == "quick" else (0.25, 0.15)
    return (0.1, 0.04) if mode == "quick" else (0.15, 0.06)


# Connections a second that are opened at the start. Kept ones need no ramp: they are opened before the first
# request, as fast as the server accepts them, else a server whose threads already work would be seen to accept and not
# to serve. New ones come with their requests: all at once would overrun the listen queue, and who is turned away
# there asks again only after a second.
OPEN_RATE = {"kept": 20000, "close": 10000}
DRAIN_S = 0.2  # twenty times D: who is unanswered then will not be answered
POLICIES = {"kept": lambda clients: [],
            "close": lambda clients: ["--close", "--ramp", clients / OPEN_RATE["close"]]}
WORDS = {"kept": "connections kept alive", "close": "a new connection for each request"}
CROWDED_OUT = ("blocking", "thread", "select", "thread_pool")
LIMITS = {"select": (1024, "select: 1,024 descriptors")}


# Measuring.

def measure(lab):
    runs = list(plan(lab))
    lab.plan(sum(weight(lab.mode, *run) for run in runs))
    for run in runs:
        repeat, policy, clients, model = run
        lab.step(f"{model}, C = {text.count(clients)}, {WORDS[policy]}, "
                 f"repeat {repeat} of {lab.repeats}", weight(lab.mode, *run))
        one_run(lab, model, policy, clients, repeat)


def plan(lab):
    """(repeat, policy, clients, model) of each run. But in full runs, what differs little from time to time is
    repeated less: blocking, whose figures are a 10 ms wait's, as are those of a few clients, and the largest crowds,
    which take long. A quick run leaves those to the models that can serve them (c10k shows what becomes of the
    others)."""
    for repeat in range(1, lab.repeats + 1):
        for policy in POLICIES:
            for clients in CLIENTS[lab.mode][policy]:
                for model in lab.in_turn(repeat - 1):
                    enough = 1 if model == "blocking" else 2 if clients >= 5000 or clients <= 10 else repeat
                    if lab.mode == "quick" and clients >= 5000 and model in CROWDED_OUT:
                        continue
                    if lab.mode == "full" or repeat <= enough:
                        yield repeat, policy, clients, model


def weight(mode, _repeat, policy, clients, model):
    """About how many seconds a run takes, for the estimate of the time left. The generator waits a
    moment for what is still unanswered at the end."""
    starved = model == "blocking" and clients >= 100 or (
        model == "thread_pool" and policy == "kept" and clients > POOL)
    return sum(lengths(mode, clients, model)) + 0.08 + clients / OPEN_RATE[policy] \
        + clients / 30000 + (DRAIN_S if starved else 0)


def one_run(lab, model, policy, clients, repeat):
    labels = {"policy": policy, "clients": clients, "repeat": repeat}
    seconds, warmup = lengths(lab.mode, clients, model)
    with lab.server(model, "--db-delay", DELAY_S * 1000, *OPTIONS.get(model, []), **labels) as server:
        if server:
            lab.generate(server, "/db", "-c", clients, "-d", seconds, "--warmup", warmup,
                         "--drain", DRAIN_S, *POLICIES[policy](clients),
                         limit=60 + 10 * seconds, **labels)


# Computing.

def of(rows, model, policy):
    return [row for row in rows if row["model"] == model and row.get("policy") == policy]


def capacity(rows, model, policy):
    """mu: the greatest median throughput of its valid points; None without one."""
    valid = [cell.median for _, cell in
             stats.series(of(rows, model, policy), "clients", "throughput_rps") if cell.valid]
    return max(valid, default=None)


def foreseen_rps(model, clients, mu):
    """What the prediction says of a model whose CPU limit is mu."""
    if model == "blocking":
        return 1 / DELAY_S
    at_once = min(clients, POOL) if model == "thread_pool" else clients
    return min(at_once / DELAY_S, mu)


def answered_share(rows):
    """Copies of the rows with the share of connections that were ever answered, in percent."""
    shares = []
    for row in rows:
        asked = stats.number(row, "connections_asked")
        never = stats.number(row, "connections_never_answered")
        if asked and never is not None:
            shares.append(dict(row, answered_pct=str(100 * (asked - never) / asked)))
    return shares


def straying(rows, policy):
    """(ratio, model, clients) of the valid point that is farthest below or above its prediction."""
    worst = None
    for model in models.in_order(row["model"] for row in rows):
        mu = capacity(rows, model, policy)
        for clients, cell in stats.series(of(rows, model, policy), "clients", "throughput_rps"):
            if cell.valid and mu:
                ratio = cell.median / foreseen_rps(model, clients, mu)
                if worst is None or abs(ratio - 1) > abs(worst[0] - 1):
                    worst = ratio, model, clients
    return worst


def predictions(rows):
    found = []
    for policy, words in WORDS.items():
        worst = straying(rows, policy)
        found.append(Prediction(
            f"X = min(C/D, mu), and 1/D for blocking, with {words}.",
            f"The point farthest from it: {worst[1]} at C = {text.count(worst[2])} has "
            f"{worst[0]:.0%} of it." if worst else "",
            "Holds when every valid point lies within 20 %; mu is each model's own best.",
            abs(worst[0] - 1) <= 0.2 if worst else None))
    asked, answered = crowd(rows, "blocking")
    found.append(Prediction(
        "Blocking answers one client of all those who keep their connections.",
        f"{text.count(answered)} of {text.count(asked)} connections were ever answered."
        if asked else "", "Holds when it is exactly one.", answered == 1 if asked else None))
    return found


def crowd(rows, model):
    """(connections asked, connections ever answered) at the most kept-alive clients; zeros without."""
    runs = [row for row in of(rows, model, "kept") if stats.was_run(row)
            and stats.number(row, "connections_never_answered") is not None]
    if not runs:
        return 0, 0
    most = max(stats.number(row, "clients") for row in runs)
    last = [row for row in runs if stats.number(row, "clients") == most]
    never = stats.median([stats.number(row, "connections_never_answered") for row in last])
    return int(most), int(most - never)


def answer(rows):
    here = models.in_order(row["model"] for row in rows if stats.was_run(row))
    parts = []
    for model in here:
        asked, answered = crowd(rows, model)
        if asked and answered < asked:
            parts.append(f"{model} answered {text.count(answered)} of {text.count(asked)} kept-alive clients")
    limits = [(capacity(rows, model, "kept"), model) for model in here
              if model not in ("blocking", "thread_pool")]
    limits = [f"{model} {text.figure(mu)}" for mu, model in limits if mu]
    if limits:
        parts.append("the others follow C/D until their CPU is used up, at (requests/s): "
                     + ", ".join(limits))
    return text.sentence("; ".join(parts)) if parts else "Nothing was measured."


def findings(rows, _facts):
    tables = []
    for policy, words in WORDS.items():
        columns = sorted({int(row["clients"]) for row in rows if row.get("policy") == policy})
        if not columns:
            continue
        some = [row for row in rows if row.get("policy") == policy or "policy" not in row]
        for column, what, unit in (
                ("throughput_rps", "Requests a second", text.figure),
                ("latency_us_p50", "Median latency", text.milliseconds),
                ("latency_us_p99", "99th percentile of latency", text.milliseconds)):
            tables.append(Table(
                f"{what}, {words}: median of the repeats; (h): hollow, not a valid run",
                ["model", *(f"C = {text.count(c)}" for c in columns)],
                [[model, *figures(some, model, column, unit, columns)]
                 for model in models.in_order(row["model"] for row in some)]))
    return Findings(answer(rows), predictions(rows), tables)


def figures(rows, model, column, unit, clients):
    own = [row for row in rows if row["model"] == model]
    by_clients = dict(stats.series(own, "clients", column))
    for count in clients:
        cell = by_clients.get(count)
        at = [row for row in own if row.get("clients") == str(count)] or own
        yield unit(cell.median) + ("" if cell.valid else " (h)") if cell else (
            stats.why_not(at).partition(":")[0] or "-")


# Drawing.

def clients_axis(rows):
    return 0.8, 1.25 * max([10, *(stats.number(row, "clients") or 1 for row in rows)])


def setup(facts, policy):
    repeats = {"quick": 1, "default": 3, "full": 5}.get(facts.get("mode"), "the")
    return f"D = {DELAY_S * 1000:.0f} ms; {WORDS[policy]}; median and spread of {repeats} runs"


def measured(rows, policy):
    return [row for row in rows if row.get("policy") == policy and stats.was_run(row)]


def throughput(policy):
    def prepare(rows, facts):
        some = measured(rows, policy)
        if not some:
            return None
        most = clients_axis(some)[1]
        panel = Panel("x", (0.095, 0.865, 0.24, 0.835), clients_axis(some), (30, 200000))
        top = min(most, 200000 * DELAY_S)
        panel.reference([(0.8, 0.8 / DELAY_S), (top, top / DELAY_S)], "C/D: all wait at once",
                        (600, 80000), "right")
        panel.reference([(0.8, 1 / DELAY_S), (most, 1 / DELAY_S)], "1/D: one waits after another",
                        (1.6, 66))
        for model in models.in_order(row["model"] for row in some):
            points = stats.series(of(some, model, policy), "clients", "throughput_rps")
            panel.line(model, points, unit=lambda rps: f"{text.figure(rps)} requests/s")
            mark_limit(panel, model, points, most)
        absent(panel, rows, (1.1, 40000))
        return Drawing(setup(facts, policy), [panel])
    return prepare


def mark_limit(panel, model, points, most):
    """A cross and a word where a model can hold no more clients."""
    if model not in LIMITS or LIMITS[model][0] > most:
        return
    at, words = LIMITS[model]
    below = [(x, cell.median) for x, cell in points if x <= at]
    if below:
        panel.limit(model, at, below[-1][1], words, (1150, 2500))


def absent(panel, rows, at):
    """Words for the models that this machine could not run."""
    for model, some in stats.group(rows, "model").items():
        if not any(stats.was_run(row) for row in some):
            panel.write(f"{model[0]}: {stats.why_not(some)[:60]}", at, models.COLOUR[model[0]])


def latency(policy):
    def prepare(rows, facts):
        some = measured(rows, policy)
        if not some:
            return None
        xs = clients_axis(some)
        panels = []
        for name, column, box in (("p50", "latency_us_p50", (0.085, 0.4, 0.24, 0.835)),
                                  ("p99", "latency_us_p99", (0.575, 0.89, 0.24, 0.835))):
            panel = Panel(name, box, xs, (5, 2 * highest(some)))
            mu = max((capacity(rows, model, policy) or 0 for model in models.SIX), default=0)
            panel.reference([(xs[0], 1000 * DELAY_S), (xs[1], 1000 * DELAY_S)], "D", (1, 8), "left")
            if mu:
                knee = mu * DELAY_S
                panel.reference([(knee, 1000 * DELAY_S), (xs[1], 1000 * xs[1] / mu)],
                                "", (knee, 1000 * DELAY_S))
            if name == "p99":
                panel.published([(1, 22.0), (32, 23.8), (128, 51.1), (256, 307.3)],
                                "rings: Python threads, D = 20 ms", (8, 6.4))
            for model in models.in_order(row["model"] for row in some):
                points = [(x, in_ms(cell)) for x, cell in
                          stats.series(of(some, model, policy), "clients", column)]
                panel.line(model, points, unit=lambda ms: text.milliseconds(1000 * ms))
            panels.append(panel)
        return Drawing(setup(facts, policy), panels)
    return prepare


def highest(rows):
    """The top of both latency panels, in ms: what the worst point needs, and a second at least."""
    return max([500.0, *((stats.number(row, "latency_us_p99") or 0) / 1000 for row in rows)])


def in_ms(cell):
    return cell._replace(median=cell.median / 1000, least=cell.least / 1000,
                         greatest=cell.greatest / 1000)


def answered(rows, facts):
    shares = answered_share(rows)
    if not shares:
        return None
    panels = []
    for policy, box in (("kept", (0.085, 0.4, 0.24, 0.835)), ("close", (0.575, 0.89, 0.24, 0.835))):
        some = measured(shares, policy)
        panel = Panel(policy, box, clients_axis(shares), (0, 105), linear="y")
        for model in models.in_order(row["model"] for row in some):
            panel.line(model, stats.series(of(some, model, policy), "clients", "answered_pct"),
                       unit=lambda share: f"{share:.3g} % answered")
        panels.append(panel)
    return Drawing(f"D = {DELAY_S * 1000:.0f} ms; runs of "
                   f"{sum(lengths(facts.get('mode'), 10000)):g} s and more", panels)


HOLLOW = "Hollow: not a valid run."
CHARTS = [
    Chart(f"concurrency-throughput-{policy}", "throughput.gp", f"{QUESTION} {title}",
          "A point is the median of the repeats, its bar their spread. Look for who stays on the line "
          "C/D (the wait is free) and where each leaves it: there its one core is used up. " + HOLLOW,
          throughput(policy))
    for policy, title in (("kept", "(kept alive)"), ("close", "(new connections)"))
] + [
    Chart(f"concurrency-latency-{policy}", "latency.gp", f"What do clients wait? ({words})",
          "A point is the median of the repeats, its bar their spread. Flat: nobody waits but for the "
          "database. Rising along C/mu (dotted): everyone waits for everyone, in every model. "
          + HOLLOW + extra,
          latency(policy))
    for policy, words, extra in (
        ("kept", "kept alive", " Grey rings: others' figures (Rathour 2026)."),
        ("close", "new connections", " Grey rings: others' figures (Rathour 2026)."))
] + [
    Chart("concurrency-answered", "answered.gp", "Who is ever answered?",
          "A point is the share of connections that had at least one answer during the run. Throughput "
          "hides this: a server can be busy with one client and let all others wait for ever. " + HOLLOW,
          answered),
]
