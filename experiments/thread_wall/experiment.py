"""thread_wall: how many threads a process may have, what they cost, and what stops them.

Rows of five kinds, from build/thread_wall and build/thread_cost (bench/): "park", memory at so many sleeping
threads; "wall", where it ended and why; "start", starting and awaiting threads or processes; "switch",
two threads that take turns; "fork", the memory of a process just forked. All KiB and microseconds.
"""

import json
import os

from lib import models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.lab import SERVER_CPU
from lib.processes import Broken
from lib.report import Findings, Prediction, Table

ORDER = 70
QUESTION = "How many threads, and what stops them?"
SETUP = """A process starts threads with default attributes that do nothing but sleep, until it is refused one, and
writes down its memory on the way. At the refusal it compares each limit that can stand behind it (pid_max,
threads-max, RLIMIT_NPROC, the control group's pids.max; vm.max_map_count, RLIMIT_AS, the commit limit;
memory) with what is used of it, and lets go at once: nobody else on the machine can start a process
meanwhile, which is a few milliseconds. --quick stops at 10,000 threads, before any wall.

Beside it: 10, 100 and 1,000 threads and processes that end at once, started together and then awaited, and
one after another; two threads that hand a token to and fro, on one core and on any; and children forked by
a small process and by one with 50 MiB of memory in use."""
PREDICTION = """A thread takes 8 MiB of address space for its stack and 4 KiB for a guard page: 10,000 threads are 80 GB.
But address space is no memory: of the stack two pages are touched (8 KiB), and the kernel adds its own
stack (16 KiB), a page table (4 KiB) and some records (6 KiB). So 10,000 threads should need well under
1 GB. They end where the first limit is reached: pid_max (32,768, less what the others use) or the 65,530
mappings of a process at two a thread, 32,765.

To start and to await a thread takes 10 to 40 microseconds, to switch from one to the other 1 to 4 on one
core. A forked process shares its parent's memory until one of them writes: its own is far below 1 MB,
however much the parent has."""
HOW_TO_READ = """The gap between the upper line and the two lower ones is the lesson: what a thread reserves, and what it
and the kernel use for it. On a machine with 32-bit addresses the upper line was the one that counted: at
2 MB a stack, 512 threads filled 1 GB (Kegel, The C10K problem). With 64 bits the wall is a number in /proc
that an administrator can raise.

ps shows for each forked process all the memory it could touch, its parent's included: so a hundred processes
of 50 MB seem to need 5 GB. What each has for itself is the last bar."""
SECONDS = {"quick": 4, "default": 12, "full": 40}
DESCRIPTORS = {mode: 100 for mode in SECONDS}
NEEDS = ["thread_wall", "thread_cost"]
MODELS = ["thread"]

MOST = {"quick": ["--max", 10000], "default": [], "full": []}
STARTED = [10, 100, 1000]
BALLAST_MIB = [0, 50]
SWITCH_S = {"quick": 0.1, "default": 0.3, "full": 1.0}
KERNEL_STACK_KB = 16
MIB = 1024.0  # KiB
CLAIMED_SWITCH_US = 100  # the source documents' figure: 0.1 ms


# Measuring.

def measure(lab):
    if "thread" not in lab.models:
        return
    lab.plan(lab.repeats * (5 if not MOST[lab.mode] else 2) + lab.repeats * 3)
    for repeat in range(1, lab.repeats + 1):
        lab.step(f"threads up to {'10,000' if MOST[lab.mode] else 'the wall'}, repeat {repeat} of "
                 f"{lab.repeats}", 5 if not MOST[lab.mode] else 2)
        part(lab, "thread", park, repeat)
        lab.step(f"starting threads and processes, repeat {repeat} of {lab.repeats}")
        for model in ("thread", "process"):
            for count in STARTED:
                part(lab, model, start, repeat, model, count)
        lab.step(f"switching between threads, repeat {repeat} of {lab.repeats}")
        for how in ("futex", "pipe"):
            for pinned in (True, False):
                part(lab, "thread", switch, repeat, how, pinned)
        lab.step(f"memory of forked processes, repeat {repeat} of {lab.repeats}")
        for ballast in BALLAST_MIB:
            part(lab, "process", fork, repeat, ballast)


def part(lab, model, what, repeat, *more):
    try:
        what(lab, repeat, *more)
    except (Broken, ValueError) as reason:
        lab.failed(model, str(reason), kind=what.__name__, repeat=repeat)


def park(lab, repeat):
    foreseen = {}
    for line in lab.output("thread_wall", *MOST[lab.mode], limit=120).splitlines():
        figures = json.loads(line)
        kind = figures.pop("line")
        if kind == "foreseen":
            foreseen = {"foreseen_threads": figures["threads"], "foreseen_wall": figures["wall"]}
        elif kind == "sample":
            lab.row("thread", kind="park", repeat=repeat, **figures)
        else:
            figures["refused"] = int(figures["refused"])
            lab.row("thread", kind="wall", repeat=repeat, **figures, **foreseen)


def start(lab, repeat, model, count):
    figures = json.loads(lab.output("thread_cost", "start", "--count", count,
                                    *(["--processes"] if model == "process" else [])))
    del figures["kind"]
    lab.row(model, kind="start", repeat=repeat, **figures)


def switch(lab, repeat, how, pinned):
    core = ["--cpu", sorted(os.sched_getaffinity(0))[SERVER_CPU]] if pinned else []
    figures = json.loads(lab.output("thread_cost", "switch", "--seconds", SWITCH_S[lab.mode], *core,
                                    *(["--pipes"] if how == "pipe" else [])))
    figures["pinned"] = int(figures["pinned"])
    lab.row("thread", kind="switch", repeat=repeat, **figures)


def fork(lab, repeat, ballast):
    lab.row("process", kind="fork", repeat=repeat,
            **json.loads(lab.output("thread_cost", "fork", "--count", 20, "--ballast", ballast)))


# Computing.

def of(rows, kind, **columns):
    wanted = {"kind": kind, **{key: str(value) for key, value in columns.items()}}
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def with_sums(rows):
    """The rows of "park" with kernel_kb (kernel stacks, page tables, other kernel memory) and real_kb
    (that and what the process itself touches)."""
    found = []
    for row in of(rows, "park"):
        parts = [stats.number(row, column) for column in
                 ("kernel_stacks_kb", "page_tables_kb", "slab_kb", "resident_kb")]
        if None not in parts:
            found.append(dict(row, kernel_kb=str(sum(parts[:3])), real_kb=str(sum(parts))))
    return found


def slope(rows, column):
    """KiB a thread: the median over the repeats of the slope through all samples; None without."""
    slopes = []
    for _, some in stats.group(with_sums(rows), "repeat").items():
        fit = stats.least_squares([(stats.number(row, "threads"), stats.number(row, column)) for row in some])
        if fit:
            slopes.append(fit[0])
    return stats.median(slopes) if slopes else None


def at(rows, threads, column):
    """Median KiB at so many threads; None without."""
    cell = dict(stats.series(with_sums(rows), "threads", column)).get(threads)
    return cell.median if cell else None


def walls(rows):
    """[(threads, what refused)] of the repeats that came to a refusal."""
    return [(int(row["threads"]), row.get("wall", "")) for row in of(rows, "wall", refused=1)]


def figure_of(rows, kind, column, **columns):
    return stats.cell(of(rows, kind, **columns), column)


def own_kb(rows, ballast):
    """What a forked process has for itself, the kernel's part (stack and page tables) included."""
    some = [dict(row, own_kb=str(stats.number(row, "private_kb") + stats.number(row, "page_tables_kb")
                                 + KERNEL_STACK_KB)) for row in of(rows, "fork", ballast_mib=ballast)]
    return stats.cell(some, "own_kb")


def memory_predictions(rows):
    virtual, real = at(rows, 10000, "virtual_kb"), at(rows, 10000, "real_kb")
    reserved = [stats.number(row, "stack_kb") + stats.number(row, "guard_kb") for row in of(rows, "park")
                if stats.number(row, "stack_kb") is not None]
    each = slope(rows, "virtual_kb")
    yield Prediction("10,000 threads reserve 80 GB of address space: a stack and a guard page each.",
                     f"{kib(virtual)}; {text.figure(each, 5)} KiB a thread, stack and guard being "
                     f"{text.count(reserved[0])} KiB." if virtual and each else "",
                     "Holds when the slope is stack and guard within 0.2 %.",
                     abs(each / reserved[0] - 1) < 0.002 if virtual and each else None)
    yield Prediction("10,000 threads need well under 1 GB of memory, the kernel's included.",
                     f"{kib(real)}." if real else "", "Holds below 0.75 GiB.",
                     real < 0.75 * MIB * MIB if real else None)
    resident, stacks = slope(rows, "resident_kb"), slope(rows, "kernel_stacks_kb")
    yield Prediction("A sleeping thread touches two pages of its stack and a little more: 8 to 12 KiB.",
                     f"{text.figure(resident)} KiB." if resident else "", "Holds from 7.5 to 12 KiB.",
                     7.5 <= resident <= 12 if resident else None)
    yield Prediction("Its stack in the kernel is 16 KiB.", f"{text.figure(stacks)} KiB." if stacks else "",
                     "Holds within 2 %: it is counted for the whole machine.",
                     abs(stacks / KERNEL_STACK_KB - 1) < 0.02 if stacks else None)


def wall_prediction(rows):
    hit = [row for row in of(rows, "wall", refused=1) if stats.number(row, "foreseen_threads")]
    near = [abs(stats.number(row, "threads") / stats.number(row, "foreseen_threads") - 1) <= 0.02
            and row.get("wall") == row.get("foreseen_wall") for row in hit]
    words = "; ".join(sorted({f"foreseen {text.count(float(row['foreseen_threads']))} by {row['foreseen_wall']}, "
                              f"met {text.count(float(row['threads']))} by {row.get('wall')}" for row in hit}))
    return Prediction("The wall is where the nearest of this machine's limits is: near 32,000 where pid_max and "
                      "max_map_count are Linux's defaults.", f"{words}." if hit else "",
                      "Holds when it is that limit in each repeat, and within 2 % of what was left of it at the "
                      "start.", all(near) if hit else None)


def cost_predictions(rows):
    pinned = figure_of(rows, "switch", "switch_us", how="futex", pinned=1)
    free = figure_of(rows, "switch", "switch_us", how="futex", pinned=0)
    yield Prediction("A switch between two threads on one core takes 1 to 4 us.",
                     f"{text.figure(pinned.median)} us." if pinned else "", "Holds from 0.5 to 4 us (others: 1.2 "
                     "to 1.7).", 0.5 <= pinned.median <= 4 if pinned else None)
    both = pinned and free
    yield Prediction("Where the threads may run on any core it takes longer (others: 2.2 us).",
                     f"{text.figure(free.median)} us, on one core {text.figure(pinned.median)} us." if both else "",
                     "Holds when its median is greater.", free.median > pinned.median if both else None)
    one, many = (figure_of(rows, "start", "single_us", model=model, count=100) for model in ("thread", "process"))
    yield Prediction("To start and await a thread takes 10 to 40 us.",
                     f"{text.figure(one.median)} us." if one else "", "Holds from 5 to 40 us.",
                     5 <= one.median <= 40 if one else None)
    both = one and many
    yield Prediction("A process takes longer than a thread.",
                     f"{text.figure(many.median)} us, {text.figure(many.median / one.median, 2)} times as long."
                     if both else "", "Holds when its median is greater.",
                     many.median > one.median if both else None)
    own = own_kb(rows, 50)
    yield Prediction("A process forked by one of 50 MiB has less than 1 MiB of its own.",
                     f"{kib(own.median)}." if own else "", "Holds below 1 MiB, the kernel's part included.",
                     own.median < MIB if own else None)


def kib(value):
    return text.size(value * 1024)


def answer(rows):
    said = []
    found = walls(rows)
    if found:
        least, most = min(found)[0], max(found)[0]
        many = text.count(least) if least == most else f"{text.count(least)} to {text.count(most)}"
        said.append(f"{many} threads, then {text.names(sorted({name for _, name in found}))} refused")
    elif of(rows, "wall"):
        said.append(f"{text.count(max(float(row['threads']) for row in of(rows, 'wall')))} threads were all that "
                    "were asked for, and no limit refused one")
    virtual, real = at(rows, 10000, "virtual_kb"), at(rows, 10000, "real_kb")
    if virtual and real:
        said.append(f"10,000 threads reserve {kib(virtual)} of address space and use {kib(real)} of memory")
    cell = figure_of(rows, "switch", "switch_us", how="futex", pinned=1)
    if cell:
        said.append(f"a switch takes {text.figure(cell.median)} us")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def findings(rows, _facts):
    predictions = [*memory_predictions(rows), wall_prediction(rows), *cost_predictions(rows)]
    return Findings(answer(rows), predictions, [*memory_tables(rows), *cost_tables(rows)])


def memory_tables(rows):
    some = with_sums(rows)
    columns = ("virtual_kb", "resident_kb", "kernel_stacks_kb", "page_tables_kb", "slab_kb", "real_kb",
               "available_fell_kb")
    counts = sorted({int(row["threads"]) for row in some})
    if counts:
        lines = []
        for count in counts:
            cells = [stats.cell([row for row in some if row["threads"] == str(count)], column)
                     for column in columns]
            lines.append([text.count(count), *(kib(cell.median) if cell else "-" for cell in cells)])
        yield Table("Memory at so many sleeping threads: median of the repeats. What is the kernel's is the growth "
                    "for the whole machine", ["threads", "address space", "touched by the process",
                                              "kernel stacks", "page tables", "other kernel memory",
                                              "in use (all but address space)", "fall of MemAvailable"], lines)
    hit = of(rows, "wall")
    if hit:
        yield Table("Where it ended", ["repeat", "threads", "refused by", "how it was found",
                                       "limits then: used of allowed", "held, ms"],
                    [[row.get("repeat", "-"), text.count(float(row["threads"])),
                      row.get("wall", "nothing") or "nothing", row.get("how", "-"), row.get("limits", "-"),
                      row.get("held_ms", "-")] for row in hit])


def cost_tables(rows):
    lines = []
    for (model, count), some in stats.group(of(rows, "start"), "model", "count").items():
        cells = [stats.cell(some, column) for column in ("all_us", "launch_us", "together_us", "single_us")]
        if all(cells):
            lines.append([f"{text.count(float(count))} {dict(thread='threads', process='processes')[model]}",
                          text.milliseconds(cells[0].median),
                          *(f"{text.figure(cell.median)} us" for cell in cells[1:])])
    if lines:
        yield Table("Starting: median of the repeats", ["", "all, started together and awaited",
                                                        "to start one of them", "each, started and awaited",
                                                        "each, one after another"], lines)
    lines = [[how, "one core" if pinned == "1" else "any core",
              *(text.figure(cell.median) if cell else "-" for cell in
                (stats.cell(some, column) for column in ("switch_us", "cpu_us", "switches_per_hand_over")))]
             for (how, pinned), some in stats.group(of(rows, "switch"), "how", "pinned").items()]
    if lines:
        yield Table("Two threads taking turns: median of the repeats", ["by", "on", "us a switch", "CPU us a switch",
                                                                        "switches a hand-over"], lines)
    lines = [[f"{ballast} MiB", *(kib(stats.cell(some, column).median) for column in
                                  ("resident_kb", "pss_kb", "private_kb", "page_tables_kb"))]
             for (ballast,), some in stats.group(of(rows, "fork"), "ballast_mib").items()
             if stats.cell(some, "resident_kb")]
    if lines:
        yield Table("A forked process, of 20: mean of the children, median of the repeats",
                    ["parent's memory", "Rss (as ps shows it)", "Pss (its share)", "private", "page tables"], lines)


# Drawing.

COLOURS = {"virtual": "#0091B3", "resident": models.COLOUR["thread"], "kernel": "#4A4F57"}
LABELS = {"virtual": ("address space", "virtual_kb"), "resident": ("touched", "resident_kb"),
          "kernel": ("the kernel's", "kernel_kb")}


def repeats_of(facts):
    return {"quick": 2, "default": 3, "full": 5}.get(facts.get("mode"), "the")


def draw_wall(rows, facts):
    some = [dict(row, **{f"{name}_mib": str(stats.number(row, column) / MIB)
                         for name, (_, column) in LABELS.items()})
            for row in with_sums(rows) if stats.number(row, "threads")]
    if not some:
        return None
    most = max(stats.number(row, "threads") for row in some + of(rows, "wall"))
    top = max(stats.number(row, "virtual_mib") for row in some)
    panel = Panel("x", (0.095, 0.845, 0.24, 0.875), (80, max(1.6 * most, 20000)), (1, 8 * top))
    for name, (label, _) in LABELS.items():
        points = stats.series(some, "threads", f"{name}_mib")
        panel.line(name, points, "", unit=lambda mib: text.size(mib * 2**20))
        if points:
            panel.ends.append((points[-1][0], points[-1][1].median, label, COLOURS[name]))
    panel.reference([(512, panel.y[0]), (512, panel.y[1])], "", (512, 1))
    panel.published([(512, 1024)], "Kegel 1999: 512 threads\nof 2 MB fill 1 GB", (540, 800))
    memory = float(facts.get("memory_mib", 0) or 0)
    if memory:
        panel.reference([(panel.x[0], memory), (panel.x[1], memory)], f"this machine: {text.size(memory * 2**20)}",
                        (90, 1.7 * memory))
    found = walls(rows)
    if found:
        threads, name = sorted(found)[len(found) // 2]
        panel.reference([(threads, panel.y[0]), (threads, panel.y[1])], f"the wall: {text.count(threads)}\n{name}",
                        (0.97 * threads, 5), "right")
    else:
        panel.write(f"stopped at {text.count(most)}, before any wall", (most, 2), "#5A6270", "right")
    return Drawing(f"threads with default attributes, asleep; median and spread of {repeats_of(facts)} runs", [panel])


def bars(cells):
    """The tables of bars.gp of [(name, colour's model, Cell or None, value in words, others' figures)]."""
    shown = [one for one in cells if one[2]]
    if not shown:
        return None
    tables = {"bars": [], "words": [], "rings": [], "hover": []}
    for place, (name, model, cell, words, others) in enumerate(shown, 1):
        tables["bars"].append((place, cell.median, cell.least, cell.greatest, model))
        tables["words"].append((max(cell.greatest, *others, 0), place, words))
        tables["hover"].append((cell.median, place, f"{name}: {words}"))
        tables["rings"] += [(value, place) for value in others]
    tables["rings"] = tables["rings"] or [(-1, -1)]
    return tables, {"COUNT": len(shown), **{f"name_{n}": one[0] for n, one in enumerate(shown, 1)},
                    **{f"tint_{n}": models.COLOUR[one[1]] for n, one in enumerate(shown, 1)}}


def draw_costs(rows, facts):
    cells = []
    for pinned, where, others in ((1, "one core", [1.2, 1.7]), (0, "any core", [2.2])):
        for how in ("futex", "pipe"):
            cells.append((f"switch, {where}, {how}", "thread",
                          figure_of(rows, "switch", "switch_us", how=how, pinned=pinned),
                          others if how == "futex" else []))
    cells.append(("thread, alone", "thread", figure_of(rows, "start", "single_us", model="thread", count=100), [17]))
    for count in STARTED:
        cells.append((f"{text.count(count)} threads, each", "thread",
                      figure_of(rows, "start", "together_us", model="thread", count=count), []))
    cells.append(("process, alone", "process",
                  figure_of(rows, "start", "single_us", model="process", count=100), []))
    cells.append(("1,000 processes, each", "process",
                  figure_of(rows, "start", "together_us", model="process", count=1000), []))
    found = bars([(name, model, cell, f"{text.figure(cell.median)} us" if cell else "", others)
                  for name, model, cell, others in cells])
    if not found:
        return None
    tables, variables = found
    variables.update(LOW=0.5, HIGH=2000, CLAIM=f"{CLAIMED_SWITCH_US}", CLAIM_WORDS="claimed: 0.1 ms a switch",
                     AXIS="microseconds", TICS="0.5 1 10 100 1000")
    return Drawing(f"median and spread of {repeats_of(facts)} runs", tables=tables, variables=variables)


def draw_memory(rows, facts):
    def each(column):
        value = slope(rows, column)
        return stats.Cell(value, value, value, True, 1, 1) if value else None

    cells = [("a thread reserves", "thread", each("virtual_kb"), []),
             ("a thread uses", "thread", each("real_kb"), [20]),
             ("process, as ps shows", "process",
              figure_of(rows, "fork", "resident_kb", ballast_mib=50), []),
             ("process: its own", "process", own_kb(rows, 50), []),
             ("small process: its own", "process", own_kb(rows, 0), [])]
    found = bars([(name, model, cell, kib(cell.median) if cell else "", others)
                  for name, model, cell, others in cells])
    if not found:
        return None
    tables, variables = found
    variables.update(LOW=1, HIGH=1e6, CLAIM="8192 51200", CLAIM_WORDS="claimed: 8 MB a thread|50 MB a process",
                     AXIS="KiB", TICS="1 10 100 1000 10000 100000")
    return Drawing(f"slopes over all threads; processes forked by one with 50 MiB in use; {repeats_of(facts)} runs",
                   tables=tables, variables=variables)


CHARTS = [
    Chart("thread_wall", "wall.gp", QUESTION,
          "A point is what so many sleeping threads have reserved (address space), touched (their stacks) and cost "
          "the kernel. Look for the gap between reserved and used, and for the name of the wall: is it "
          "memory?", draw_wall),
    Chart("thread_wall-costs", "bars.gp", "What does it cost to start a thread, and to switch to another?",
          "A bar is the median, its line the spread of the repeats. Alone: one is started and awaited, then the "
          "next; each: so many are started together, then all are awaited. Rings: others' figures (Bendersky "
          "2018, Blandy).", draw_costs),
    Chart("thread_wall-memory", "bars.gp", "What memory does a thread take, and what a process?",
          "A bar is what one more takes; \"uses\" and \"its own\" have the kernel's part in them. Look for what is "
          "reserved, or shown by ps, and what is really taken. Ring: Blandy's threads. Dotted: what the "
          "documents claim.", draw_memory),
]
