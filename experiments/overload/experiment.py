"""overload: the same offered load from people who do not wait for each other, and from a few who do.

A row is one run of the load generator. "load": capacity (a closed loop that measures mu), open (a timetable
of random arrivals at a share of mu), closed (as many clients as correspond to that share). The load is
computing, so that the capacity is the same for every model and far from the generator's own.
"""

from lib import models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.report import Findings, Prediction, Table

ORDER = 120
QUESTION = "What happens past the limit?"
BURN_US = 100
FULL_CLIENTS = 10
SETUP = f"""/cpu?us={BURN_US} burns {BURN_US} microseconds of CPU, so one core answers a little under
{1000000 // BURN_US:,} a second, whatever the model. That limit, mu, is measured first, and again before
each load near it (400 clients in a closed loop), for a machine's speed changes by the second. Then 50
to 120 % of it are offered in two ways. Open: requests leave at random moments (Poisson) at that rate,
answered or not. Closed: a closed loop offers what it is answered and nothing else, so "offered" can
only mean how many ask: 100 % are {FULL_CLIENTS} clients, 120 % are {FULL_CLIENTS * 12 // 10}, each
asking again as soon as it is answered, as most load generators do."""
PREDICTION = """Open, below mu: the wait of a queue with random arrivals and a constant service time s =
1/mu (M/D/1), s + s r / (2 (1 - r)) at a share r: 1.5 s at half of mu, 5.5 s at 90 %. Open, above mu:
the queue grows by r - 1 seconds in every second and never ends: after T seconds of 110 % the last one
waits 0.1 T, the mean is 0.05 T, and 10 % of mu are left over each second. Closed: C/mu, half of it at
50 % and a fifth more at 120 %: nothing happens at the limit, because the clients who wait do not ask."""
HOW_TO_READ = """Go from left to right through 100 %. The solid lines are what users feel: below the
limit a millisecond, above it as long as the overload has lasted, and with every further second more.
The dashed lines are the same server measured by clients who wait for each other: they rise gently and
nothing marks the limit. To the left they lie higher, for a closed loop without pauses always keeps the
server full, even with half the clients: its latency says how many ask, and not what is offered.

Below, what is left over: requests that were due and not answered when the run ended, a second. In a
closed loop there is none, by construction: at most one for each client is under way at the end.

Neither an event loop nor threads change any of this. Past the limit only refusing helps, or a second
core."""
SECONDS = {"quick": 9, "default": 44, "full": 420}
DESCRIPTORS = {"quick": 4000, "default": 4000, "full": 12000}
NEEDS = ["loadgen"]
MODELS = ["thread", "epoll"]

SHARES = {"quick": [50, 80, 110, 120], "default": [50, 70, 80, 90, 100, 110, 120],
          "full": [50, 60, 70, 80, 90, 95, 100, 105, 110, 120]}
CLOSED_SHARES = {"quick": [50, 80, 120], "default": [50, 80, 100, 120], "full": SHARES["full"]}
REPEATS = {"quick": 1, "default": 3, "full": 5}
# Seconds of an open-loop run: below the limit enough for a p99, near and above it enough for the
# queue to show how fast it grows; of a closed-loop run; of measuring mu.
LENGTHS_S = {"quick": (0.25, 0.6, 0.1, 0.15), "default": (0.3, 0.7, 0.12, 0.15),
             "full": (3.0, 3.0, 1.0, 1.0)}
NEAR = 90
CLOSED_WARMUP_S = 0.05
JUDGED = 110
WORDS = {"capacity": "what it can at most", "open": "open loop at {} %", "closed": "closed loop at {} %"}
LEAST_CONNECTIONS = 400


# Measuring.

def measure(lab):
    plan = [(share, load) for share in SHARES[lab.mode] for load in ("capacity", "open", "closed")
            if load == "open" or load == "closed" and share in CLOSED_SHARES[lab.mode]
            or load == "capacity" and (share >= NEAR or share == SHARES[lab.mode][0])]
    lab.plan(REPEATS[lab.mode] * len(lab.models) * len(plan))
    for repeat in range(1, REPEATS[lab.mode] + 1):
        limits = {}
        for share, load in plan:
            for model in lab.in_turn(repeat - 1):
                lab.step(f"{model}, {WORDS[load].format(share)}, repeat {repeat} of {REPEATS[lab.mode]}")
                if load == "capacity":
                    limits[model] = capacity_run(lab, model, repeat) or limits.get(model)
                elif limits.get(model):
                    one_run(lab, model, load, share, limits[model], repeat)


def capacity_run(lab, model, repeat):
    """mu, in requests a second; None where it could not be measured."""
    row = run(lab, model, ["-c", LEAST_CONNECTIONS, "-d", LENGTHS_S[lab.mode][3], "--warmup", 0.1],
              load="capacity", repeat=repeat)
    return (row["throughput_rps"] or None) if row else None


def one_run(lab, model, loop, share, mu_rps, repeat):
    calm_s, near_s, closed_s, _ = LENGTHS_S[lab.mode]
    labels = {"load": loop, "share_pct": share, "mu_rps": mu_rps, "repeat": repeat}
    if loop == "closed":
        clients = max(1, round(FULL_CLIENTS * share / 100))
        run(lab, model, ["-c", clients, "-d", closed_s, "--warmup", CLOSED_WARMUP_S], **labels)
        return
    length_s = near_s if share >= NEAR else calm_s
    # Enough that all who have to wait do so on a connection, and half as many again.
    surplus = max(0.0, share / 100 - 1) * mu_rps * length_s
    run(lab, model, ["-c", round(LEAST_CONNECTIONS + 1.5 * surplus), "-R", f"{share / 100 * mu_rps:.1f}",
                     "--poisson", "--seed", repeat, "-d", length_s], **labels)


def run(lab, model, options, **labels):
    with lab.server(model, **labels) as server:
        return lab.generate(server, f"/cpu?us={BURN_US}", *options, **labels) if server else None


# Computing.

def of(rows, model, loop):
    """The runs of a model in a loop, with what is computed of one run: latency from when a request was due
    (in a closed loop it is due when it is sent), and what is left over a second."""
    found = []
    for row in rows:
        if row["model"] != model or row.get("load") != loop or not stats.was_run(row):
            continue
        head = "latency_intended_us" if loop == "open" else "latency_us"
        length_s = stats.number(row, "duration_s") or 1.0
        left = [stats.number(row, column) or 0.0 for column in (
            "errors_total", *(("unsent_at_end", "in_flight_at_end") if loop == "open" else ()))]
        found.append(dict(row, mean_us=row.get(f"{head}_mean", ""), p99_us=row.get(f"{head}_p99", ""),
                          left_rps=str(sum(left) / length_s), **excess(row)))
    return found


def excess(row):
    """By what part of the answers more was due."""
    due, answered = stats.number(row, "rate_asked_rps"), stats.number(row, "throughput_rps")
    return {"excess": str(due / answered - 1)} if due and answered else {}


def capacity(rows, model):
    """mu's cell; None where it was not measured."""
    return stats.cell(of(rows, model, "capacity"), "throughput_rps")


def foreseen_open_us(share, mu_rps, length_s):
    """The mean wait of random arrivals: below the limit the queue's, above it half of its growth."""
    service_us, part = 1e6 / mu_rps, share / 100
    if part < 1:
        return service_us * (1 + part / (2 * (1 - part)))
    return service_us + 1e6 * (part - 1) * length_s / 2 if part > 1 else None


def foreseen_closed_us(share, mu_rps):
    return 1e6 * max(1, round(FULL_CLIENTS * share / 100)) / mu_rps


def growth(rows, model, share=JUDGED):
    """Seconds of waiting gained in a second of this load, a cell over the repeats: a wait that grows evenly
    from the service time has its mean half-way."""
    grown = []
    for row in of(rows, model, "open"):
        mu, mean, length = (stats.number(row, key) for key in ("mu_rps", "mean_us", "duration_s"))
        if stats.number(row, "share_pct") == share and mu and mean and length:
            grown.append({"verdict": row["verdict"], "growth": str(2 * (mean / 1e6 - 1 / mu) / length)})
    return stats.cell(grown, "growth")


def conservation(rows):
    """(miss, growth, foreseen, model, share) of the load past the limit whose wait differs most from
    what its own rates foresee: what was due beyond what was answered, as a part of what was answered."""
    worst = None
    for model in MODELS:
        for share, cell in stats.series(of(rows, model, "open"), "share_pct", "excess"):
            grown = growth(rows, model, share)
            if share >= JUDGED and grown and cell.median > 0:
                miss = abs(grown.median / cell.median - 1)
                if worst is None or miss > worst[0]:
                    worst = miss, grown.median, cell.median, model, share
    return worst


def closed_misses(rows):
    """(ratio, model, share) of the closed loop's mean that is farthest from C/mu."""
    worst = None
    for model in MODELS:
        mu = capacity(rows, model)
        for share, cell in stats.series(of(rows, model, "closed"), "share_pct", "mean_us"):
            if mu:
                ratio = cell.median / foreseen_closed_us(share, mu.median)
                if worst is None or abs(ratio - 1) > abs(worst[0] - 1):
                    worst = ratio, model, share
    return worst


def mean_at(rows, model, loop, share):
    return dict(stats.series(of(rows, model, loop), "share_pct", "mean_us")).get(share)


def predictions(rows):
    slopes = {model: growth(rows, model) for model in MODELS}
    slopes = {model: cell.median for model, cell in slopes.items() if cell}
    worst, kept = closed_misses(rows), conservation(rows)
    halves = {model: mean_at(rows, model, "open", 50) for model in MODELS}
    halves = {model: cell.median * capacity(rows, model).median / 1e6 for model, cell in halves.items()
              if cell and capacity(rows, model)}
    found = [
        Prediction(f"Open, at {JUDGED} %, the wait grows by 0.1 s a second.",
                   "; ".join(f"{model} {slope:.3f}" for model, slope in slopes.items()),
                   "Holds from 0.07 to 0.12 for each model.",
                   all(0.07 <= slope <= 0.12 for slope in slopes.values()) if slopes else None),
        Prediction("Past the limit the wait grows by exactly what is due beyond what is answered.",
                   f"Farthest: {kept[3]} at {kept[4]:.0f} %, {kept[1]:.3f} s a second, and "
                   f"{kept[2]:.3f} by the same run's rates." if kept else "",
                   "Holds within 25 %: no figure of another run is in it.",
                   kept[0] <= 0.25 if kept else None),
        Prediction("Closed, the mean stays C/mu whatever is offered.",
                   f"Farthest: {worst[1]} at {worst[2]:.0f} %, {worst[0]:.0%} of it." if worst else "",
                   "Holds within 15 %.", abs(worst[0] - 1) <= 0.15 if worst else None)]
    ratios = {}
    for model in MODELS:
        both = [mean_at(rows, model, loop, 120) for loop in ("open", "closed")]
        if all(both):
            ratios[model] = both[0].median / both[1].median
    found.append(Prediction(
        "At 120 % the open loop waits many times as long as the closed loop, though the server is the same.",
        "; ".join(f"{model} {text.figure(ratio)} times" for model, ratio in ratios.items()),
        "Holds from ten times.", all(ratio >= 10 for ratio in ratios.values()) if ratios else None))
    found.append(Prediction(
        "Open, at half of mu, the mean is 1.5 service times (M/D/1).",
        "; ".join(f"{model} {part:.2f}" for model, part in halves.items()),
        "Holds from 1.2 to 2.5: the way to and fro is in it, too.",
        all(1.2 <= part <= 2.5 for part in halves.values()) if halves else None))
    return found


def answer(rows):
    said = []
    for model in MODELS:
        slope, mu = growth(rows, model), capacity(rows, model)
        both = [mean_at(rows, model, loop, 120) for loop in ("open", "closed")]
        if slope and mu and all(both):
            said.append(f"{model} (mu = {text.figure(mu.median)}/s): at {JUDGED} % users wait "
                        f"{slope.median:.2f} s longer each second; at 120 % the mean is "
                        f"{text.milliseconds(both[0].median)} for them, and "
                        f"{text.milliseconds(both[1].median)} for a closed loop")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def findings(rows, _facts):
    tables = []
    columns = sorted({int(row["share_pct"]) for row in rows if row.get("share_pct")})
    for column, what, unit in (("mean_us", "Mean latency", text.milliseconds),
                               ("p99_us", "99th percentile of latency", text.milliseconds),
                               ("throughput_rps", "Answers a second", text.figure),
                               ("left_rps", "Errors, and requests left over, a second", text.figure)):
        lines = []
        for model in MODELS:
            for loop in ("open", "closed"):
                cells = dict(stats.series(of(rows, model, loop), "share_pct", column))
                if cells:
                    lines.append([f"{model}, {loop}", *(shown(cells.get(c), unit) for c in columns)])
        if lines:
            tables.append(Table(f"{what}: median of the repeats; (h): not a valid run",
                                ["", *(f"{c} %" for c in columns)], lines))
    limits = [[model, text.count(cell.median), text.count(cell.least), text.count(cell.greatest)]
              for model in MODELS for cell in [capacity(rows, model)] if cell]
    if limits:
        tables.append(Table("mu, requests a second", ["model", "median", "least", "greatest"], limits))
    return Findings(answer(rows), predictions(rows), tables)


def shown(cell, unit):
    return unit(cell.median) + ("" if cell.valid else " (h)") if cell else "-"


# Drawing. A closed loop has its model's colour and mark, and dashes; the chart's script names it.

def in_ms(points):
    return [(x, cell._replace(median=cell.median / 1000, least=cell.least / 1000,
                              greatest=cell.greatest / 1000)) for x, cell in points]


def lines(panel, rows, column, unit, change=lambda points: points, names=True):
    for model in MODELS:
        for loop in ("open", "closed"):
            points = change(stats.series(of(rows, model, loop), "share_pct", column))
            if not points:
                continue
            name = model if loop == "open" else f"{model}_closed"
            panel.line(name, points, "", unit, at=lambda share: f"{share:.0f} %")
            if names and name in panel.series:
                panel.ends.append((points[-1][0], points[-1][1].median, f"{model}, {loop}",
                                   models.COLOUR[model]))


def rates(rows, _facts):
    some = [row for row in rows if row.get("share_pct") and stats.was_run(row)]
    mus = [cell.median for cell in (capacity(rows, model) for model in MODELS) if cell]
    if not some or not mus:
        return None
    mu = stats.median(mus)
    shares = sorted({stats.number(row, "share_pct") for row in some})
    length_s = max((stats.number(row, "duration_s") for row in some if row["load"] == "open"), default=1.0)
    ends = (shares[0] - 3, shares[-1] + 2)
    tops = [(stats.number(row, "p99_us") or 0) / 1000 for model in MODELS
            for loop in ("open", "closed") for row in of(rows, model, loop)]
    most = {column: max(stats.number(row, column) or 0 for model in MODELS for loop in ("open", "closed")
                        for row in of(rows, model, loop)) for column in ("left_rps", "throughput_rps")}
    most = {"left_rps": max(0.25 * mu, 1.1 * most["left_rps"]),
            "throughput_rps": 1.1 * max(mu, most["throughput_rps"])}
    panels = []
    for name, column, box in (("mean", "mean_us", (0.075, 0.385, 0.455, 0.835)),
                              ("p99", "p99_us", (0.575, 0.865, 0.455, 0.835))):
        panel = Panel(name, box, ends, (0.08, max(1000.0, 2 * max(tops))), linear="x")
        if name == "mean":
            dense = [ends[0] + step * (99.5 - ends[0]) / 60 for step in range(61)]
            panel.reference([(share, foreseen_open_us(share, mu, length_s) / 1000) for share in dense],
                            "M/D/1", (71, foreseen_open_us(71, mu, length_s) / 1000 * 0.6))
            above = [100.5 + step * (ends[1] - 100.5) / 20 for step in range(21)]
            panel.reference([(share, foreseen_open_us(share, mu, length_s) / 1000) for share in above],
                            f"(r - 1) T/2,\nT = {length_s:.1f} s", (99, 250.0), "right")
        lines(panel, rows, column, lambda ms: text.milliseconds(1000 * ms), in_ms)
        panels.append(panel)
    for name, column, box in (("left", "left_rps", (0.075, 0.385, 0.24, 0.375)),
                              ("answered", "throughput_rps", (0.575, 0.865, 0.24, 0.375))):
        panel = Panel(name, box, ends, (0, most[column]), linear="xy")
        if name == "left":
            panel.reference([(100, 0), (ends[1], (ends[1] / 100 - 1) * mu)], "", (100, 0))
        lines(panel, rows, column, lambda rps: f"{text.figure(rps)} a second", names=False)
        panels.append(panel)
    return Drawing(f"mu = {text.figure(mu)}/s ({BURN_US} us of CPU each); open runs near it last "
                   f"{length_s:.1f} s", panels,
                   variables={"LEFT_TICS": tics(most["left_rps"]),
                              "ANSWERED_TICS": tics(most["throughput_rps"])})


def tics(top):
    """A gnuplot command for at most four plain tics from 0 up to `top`."""
    step = next(size * 10 ** power for power in range(9) for size in (1, 2, 5)
                if size * 10 ** power * 4 > top)
    return "set ytics (" + ", ".join(f'"{tic:,}" {tic}' for tic in range(0, int(top) + 1, step)) + ")"


CHARTS = [
    Chart("overload", "overload.gp", QUESTION,
          "A point: one load. Solid: random arrivals at a share of mu, timed from when they were due. Dashed: "
          f"a closed loop, whose offered load can only be its number of clients (100 % is {FULL_CLIENTS}). "
          "Dotted: computed. Look at 100 %: one loop shows the limit, the other hides it.", rates),
]
