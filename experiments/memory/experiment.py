"""memory: what one idle connection costs, in the server's own memory and in the kernel's.

A row is one level of one repeat: so many connections, each of which asked for / once, had its answer, and
then stays silent. One server holds more and more of them, so that each level is the one before and some more.
The client is our own (lib/client.py) and not loadgen, because all levels are then measured on the same
server while its connections stay open, and because a server that cannot hold them all is taken to its limit.
"""

import os
import time

from lib import client, models, stats, text
from lib.draw import Chart, Drawing, Panel
from lib.report import Findings, Prediction, Table

ORDER = 60
QUESTION = "What does one connection cost?"
SETUP = """A client opens connections, asks for / once on each, and keeps them open in silence: 250,
500, 1,000, 2,500, 5,000 and 10,000 of them on the same server. At each level, after a pause, the lab
reads the server's proportional set size (Pss), page tables (VmPTE) and threads from /proc, and the
kernel's slab caches of sockets (TCP, sock_inode_cache, filp, dentry) from /proc/slabinfo. Client and
server are on one machine, so each connection has two ends there, and the sockets' slope is halved.
Where /proc/slabinfo cannot be read (it needs root), the fall of MemAvailable takes its place, less what
is counted otherwise."""
PREDICTION = """The kernel needs about 3.6 KB for a TCP socket, whoever holds it (the objects' sizes:
2,368 for the socket, 832 for its inode, 192 each for the file and its name: 3,584 B, and what is lost
between objects). An event loop needs a struct beside it and no buffer: at most 250 B, nginx's published
line (10,000 idle connections in 2.5 MB). A thread needs a stack: 8 to 16 KB of it touched, 16 KB in the
kernel, and the page tables to find them."""
HOW_TO_READ = """The bars are slopes: the cost of one more connection, from a straight line through all
levels by least squares, so that what the server needs anyway does not count. User memory is what a
program can save by design; the socket is what it cannot. nginx's line counts user memory alone, which
flatters everyone: count the kernel, and an event loop's connection costs about as much as its socket, a
thread's several times that. But note what it does not cost: a thread's stack is 8 MB of address space,
not of memory."""
SECONDS = {"quick": 15, "default": 40, "full": 120}
DESCRIPTORS = {"quick": 10200, "default": 10200, "full": 15200}
NEEDS = []

LEVELS = {"quick": [0, 250, 500, 1000, 4000, 10000],
          "default": [0, 250, 500, 1000, 2500, 5000, 10000],
          "full": [0, 250, 500, 1000, 2500, 5000, 7500, 10000, 12500, 15000]}
SETTLE_S = {"quick": 0.05, "default": 0.2, "full": 2.0}
BATCH = 250
PATIENCE_S = 0.6  # without any answer: nobody will be answered any more
KERNEL_STACK = 16384
NGINX_B = 250
SOCKET_CACHES = ("TCP", "sock_inode_cache", "filp", "dentry")
WATCH_CACHES = ("eventpoll_epi", "eventpoll_pwq", "io_kiocb")
TASK_CACHES = ("task_struct", "signal_cache", "pid", "vm_area_struct", "vma_lock", "maple_node", "cred_jar")


# Measuring.

def slabs():
    """{cache: bytes in use} with each object's share of its page; None where it may not be read."""
    sizes = {}
    try:
        with open("/proc/slabinfo", encoding="ascii") as file:
            for line in file:
                cells = line.split()
                if len(cells) > 5 and cells[1].isdigit():
                    sizes[cells[0]] = int(cells[1]) * int(cells[5]) * 4096 / int(cells[4])
    except PermissionError:
        return None
    return sizes


def colon_file(path):
    """{key: bytes or count} of a /proc file of "Key:  123 kB" lines."""
    figures = {}
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            words = value.split()
            if words and words[0].isdigit():
                figures[key] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return figures


def sample(pid):
    """The memory figures of a row, in bytes."""
    rollup, status = colon_file(f"/proc/{pid}/smaps_rollup"), colon_file(f"/proc/{pid}/status")
    whole, caches = colon_file("/proc/meminfo"), slabs()
    own = colon_file("/proc/self/smaps_rollup")
    row = {"pss_b": rollup["Pss"], "rss_b": status["VmRSS"], "vsz_b": status["VmSize"],
           "page_tables_b": status["VmPTE"], "threads": status["Threads"],
           "kernel_stacks_b": status["Threads"] * KERNEL_STACK,
           "mem_available_b": whole["MemAvailable"], "client_pss_b": own["Pss"]}
    if caches is not None:
        for name, kinds in (("sockets", SOCKET_CACHES), ("watch", WATCH_CACHES), ("tasks", TASK_CACHES)):
            row[f"slab_{name}_b"] = round(sum(caches.get(kind, 0) for kind in kinds))
    return row


def measure(lab):
    levels = LEVELS[lab.mode]
    lab.plan(lab.repeats * len(lab.models))
    for repeat in range(1, lab.repeats + 1):
        for model in lab.in_turn(repeat - 1):
            lab.step(f"{model}, up to {text.count(levels[-1])} idle connections, "
                     f"repeat {repeat} of {lab.repeats}")
            with lab.server(model, "--idle-timeout", 600, "--request-timeout", 600,
                            repeat=repeat) as server:
                if server:
                    fill(lab, server, levels, repeat)


def fill(lab, server, levels, repeat):
    """Opens level after level, until the last or until the server holds no more."""
    held, refused, silent = [], 0, []
    try:
        for level in levels:
            while len(held) + refused < level and not silent:
                some = client.at_once(server.port, ["/"] * min(BATCH, level - len(held) - refused),
                                      close=False, patience=PATIENCE_S)
                for exchange in some:
                    if exchange.status == 200 and not exchange.ended:
                        held.append(exchange)
                    elif exchange.done_us is None and not exchange.ended:
                        silent.append(exchange)
                    else:
                        refused += 1
                        exchange.close()
            time.sleep(SETTLE_S[lab.mode])
            lab.row(server.model, repeat=repeat, asked=level, held=len(held), refused=refused,
                    unanswered=len(silent), **sample(server.pid))
            if refused or silent:
                return
    except OSError as reason:
        lab.failed(server.model, f"after {len(held)} connections: {os.strerror(reason.errno)}",
                   repeat=repeat, held=len(held))
    finally:
        for exchange in held + silent:
            exchange.close()


# Computing.

def slope(rows, column, least=0):
    """Bytes a connection, from the levels of at least so many connections, of one repeat."""
    points = [(stats.number(row, "held"), stats.number(row, column)) for row in rows]
    points = [(x, y) for x, y in points if x is not None and y is not None and x >= least]
    fit = stats.least_squares(points)
    return fit[0] if fit else None


PARTS = (("user", "user memory"), ("page_tables", "page tables"), ("stacks", "kernel stacks"),
         ("tasks", "the kernel's records of threads"), ("sockets", "socket, and the watch on it"))


def parts(rows):
    """The slopes of one server's rows in bytes a connection, or None where it held too few to tell."""
    held = [stats.number(row, "held") or 0 for row in rows]
    if max(held, default=0) < 500:
        return None
    least = 1000 if max(held) > 1000 and sum(count >= 1000 for count in held) > 2 else 0
    found = {"user": slope(rows, "pss_b", least), "page_tables": slope(rows, "page_tables_b", least),
             "stacks": slope(rows, "kernel_stacks_b", least)}
    sockets = slope(rows, "slab_sockets_b", least)
    if sockets is not None:
        found["sockets"] = sockets / 2 + (slope(rows, "slab_watch_b", least) or 0)
        found["tasks"] = slope(rows, "slab_tasks_b", least) if found["stacks"] > 100 else 0.0
    else:
        whole, theirs = slope(rows, "mem_available_b", least), slope(rows, "client_pss_b", least)
        if whole is not None:
            counted = found["user"] + found["page_tables"] + found["stacks"] + (theirs or 0)
            found["sockets"] = (-whole - counted) / 2
            found["tasks"] = 0.0
    # A slope is never negative but by noise of less than a page a hundred connections.
    return {key: max(0.0, value) for key, value in found.items() if value is not None}


def costs(rows):
    """{model: {part: Cell over the repeats}}, with "total" and "vsz"; no entry where nothing is known."""
    found = {}
    for (model,), own in stats.group(rows, "model").items():
        slopes = []
        for (_,), run in stats.group([row for row in own if stats.was_run(row)], "repeat").items():
            one = parts(run)
            if one:
                one["total"] = sum(one.values())
                one["vsz"] = max(0.0, slope(run, "vsz_b"))
                slopes.append(one)
        if slopes:
            found[model] = {key: stats.cell([{"verdict": "valid", key: str(one[key])} for one in slopes
                                             if key in one], key) for key in slopes[0]}
    return found


def most_held(rows, model):
    counts = [stats.number(row, "held") for row in rows if row["model"] == model]
    return int(max((count for count in counts if count is not None), default=0))


def why_few(rows, model):
    """A word on a model that did not hold all that were asked for; "" for the others."""
    own = [row for row in rows if row["model"] == model]
    if not any(stats.was_run(row) for row in own):
        return stats.why_not(own)
    held = most_held(rows, model)
    if any(stats.number(row, "unanswered") for row in own):
        return f"holds {text.count(held)}: the others are never answered"
    if any(stats.number(row, "refused") for row in own):
        return f"holds {text.count(held)}: refuses the others"
    return ""


def predictions(rows, found):
    loops = [model for model in ("poll", "epoll", "io_uring") if model in found]
    ends = [cost["sockets"].median for cost in found.values() if "sockets" in cost]
    thread = found.get("thread")
    return [
        Prediction("A socket costs the kernel about 3.6 KB an end, whoever holds it.",
                   f"{text.figure(min(ends))} to {text.figure(max(ends))} B." if ends else "",
                   "Holds from 3,000 to 4,300 B for every model (the watch on it included).",
                   3000 <= min(ends) and max(ends) <= 4300 if ends else None),
        Prediction(f"An event loop needs at most {NGINX_B} B of user memory a connection.",
                   "; ".join(f"{m} {text.figure(found[m]['user'].median)} B" for m in loops),
                   f"Holds when poll, epoll and io_uring all stay at or below {NGINX_B} B.",
                   all(found[m]["user"].median <= NGINX_B for m in loops) if loops else None),
        Prediction("A thread touches 8 to 16 KB of its stack.",
                   f"{text.figure(thread['user'].median)} B." if thread else "",
                   "Holds from 7,000 to 17,000 B of user memory a connection.",
                   7000 <= thread["user"].median <= 17000 if thread else None)]


def answer(rows, found):
    said = []
    if "thread" in found and "epoll" in found:
        thread, epoll = (found[model]["total"].median for model in ("thread", "epoll"))
        said.append(f"an idle connection costs {text.size(epoll)} with epoll, of which "
                    f"{text.figure(found['epoll']['user'].median)} B are the server's own, and "
                    f"{text.size(thread)} with a thread, {text.figure(thread / epoll, 2)} times as much")
    for model in models.in_order(row["model"] for row in rows):
        if why_few(rows, model) and not why_few(rows, model).startswith("n/a"):
            said.append(f"{model} {why_few(rows, model)}")
    return text.sentence("; ".join(said)) if said else "Nothing was measured."


def findings(rows, facts):
    found = costs(rows)
    heads = [words for _, words in PARTS]
    lines = []
    for model in models.in_order(row["model"] for row in rows):
        cost = found.get(model)
        cell = [text.figure(cost[key].median) if key in cost else "-" for key, _ in PARTS] if cost \
            else ["-"] * len(PARTS)
        lines.append([model, *cell, text.figure(cost["total"].median) if cost else "-",
                      text.size(cost["vsz"].median) if cost else "-",
                      text.count(most_held(rows, model)), why_few(rows, model)])
    table = Table(f"Bytes a connection: median of the repeats' slopes; {how_sockets(rows)}",
                  ["model", *heads, "all", "address space", "held", "limit"], lines)
    return Findings(answer(rows, found), predictions(rows, found), [table])


def how_sockets(rows):
    slabs_read = any("slab_sockets_b" in row for row in rows)
    return "sockets from /proc/slabinfo, halved for the two ends" if slabs_read else \
        "sockets from MemAvailable, halved for the two ends"


# Drawing.

def shown_models(rows):
    return models.in_order(row["model"] for row in rows)


def stacked(rows, _facts):
    found, shown = costs(rows), shown_models(rows)
    if not found:
        return None
    table, words = [], []
    for place, model in enumerate(shown, 1):
        cost = found.get(model)
        if not cost:
            words.append((0, place, f"{why_few(rows, model)}"))
            continue
        edges = [0.0]
        for key, _ in PARTS:
            edges.append(edges[-1] + (cost[key].median / 1024 if key in cost else 0))
        total = cost["total"]
        table.append((place, *edges, total.least / 1024, total.greatest / 1024))
        few = why_few(rows, model)
        words.append((total.greatest / 1024, place, f"{text.figure(total.median / 1024)} KiB"
                      + (f"  ({few})" if few else "")))
    return Drawing(f"slopes over 1,000 to {text.count(max(most_held(rows, m) for m in shown))} idle "
                   "connections",
                   tables={"bars": table, "words": words},
                   variables={"SHOWN": " ".join(shown),
                              "WIDEST": max(cost["total"].greatest for cost in found.values()) / 1024})


def user(rows, facts):
    found, shown = costs(rows), shown_models(rows)
    if not found:
        return None
    bars, figures, words = [], [], []
    for place, model in enumerate(shown, 1):
        cost = found.get(model)
        few = why_few(rows, model)
        if not cost:
            words.append((1.1 * NGINX_B, place, few))
            continue
        cell = cost["user"]
        bars.append((place, max(cell.median, 10), max(cell.least, 10), max(cell.greatest, 10), model))
        figures.append((max(cell.median, 25), place, f"{text.count(cell.median)} B"))
        if few:
            words.append((1.1 * max(cell.greatest, NGINX_B), place, few))
    return Drawing("user memory (Pss) only",
                   tables={"bars": bars, "figures": figures, "words": words or [(12, -9, "")]},
                   variables={"SHOWN": " ".join(shown), "NGINX": NGINX_B})


def growth(rows, _facts):
    some = [dict(row, pss_mib=str(stats.number(row, "pss_b") / 2**20)) for row in rows
            if stats.number(row, "pss_b") is not None and stats.number(row, "held")]
    if not some:
        return None
    sizes = [float(row["pss_mib"]) for row in some]
    most = max(stats.number(row, "held") for row in some)
    panel = Panel("x", (0.095, 0.865, 0.24, 0.835), (0.8, 1.25 * most), (min(sizes) / 3, 2 * max(sizes)))
    for model in shown_models(some):
        points = stats.series([row for row in some if row["model"] == model], "held", "pss_mib")
        few = why_few(rows, model)
        panel.line(model, points, "" if few else model, unit=lambda mib: text.size(mib * 2**20))
        if points and few:
            panel.limit(model, points[-1][0], points[-1][1].median,
                        f"{model} {few}", *((1, 3 * min(sizes)), "left") if model == "blocking"
                        else ((points[-1][0], min(sizes) / 1.9), "right"))
    panel.published([(10000, 2.5e6 / 2**20)], "nginx: 2.5 MB", (9000, 2.6), "right")
    return Drawing("the server's own memory (Pss), not the kernel's", [panel])


CHARTS = [
    Chart("memory", "stacked.gp", "What does one idle connection cost?",
          "A bar is what one more idle connection costs (slope by least squares, median of the repeats; "
          "the line at its end is their spread). Look for what a program can save (user memory, stacks) "
          "and what it cannot (the socket).", stacked),
    Chart("memory-user", "user.gp", "How much of it is the server's own?",
          "A bar is the server's own memory for one more idle connection, on a logarithmic axis; its "
          "line is the spread. The dotted line is nginx's published figure, 2.5 MB for 10,000 "
          "connections. No kernel memory is in it.", user),
    Chart("memory-growth", "growth.gp", "How does a server's memory grow with idle connections?",
          "A point is the server's own memory with so many idle connections (median and spread of the "
          "repeats). A cross: it can hold no more. Look for the slope, and for who ends early.", growth),
]
