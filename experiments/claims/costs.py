"""Rules on claims about what threads, processes and their switches cost."""

from lib import stats, text

from .judge import FAILS, HOLDS, Outcome, holds_if, only_when
from .waiting import MANY, carried

STACK_MIB = 8
PROCESS_MB, SWITCH_US = 50, 100
FACTOR = 2  # a claimed round figure is met within this factor
LOOPS = ("poll", "epoll", "io_uring")


def about(value, claimed):
    return claimed / FACTOR <= value <= claimed * FACTOR


def per_thread(run):
    """(threads, KiB of addresses, KiB of memory, the kernel's included, of one): of thread_wall with 10,000 threads;
    else of c10k, where each also serves a client; else the slopes of memory. None without any."""
    wall, rows = run.module("thread_wall"), run.rows("thread_wall")
    if wall:
        virtual, real = (wall.at(rows, MANY, column) for column in ("virtual_kb", "real_kb"))
        if virtual and real:
            return MANY, virtual / MANY, real / MANY
    sums = []
    for row in run.rows("c10k"):
        get = [stats.number(row, f"server_{key}") for key in ("threads", "vsz_kb", "pss_kb", "kernel_stack_kb",
                                                              "page_tables_kb")]
        if row["model"] == "thread" and stats.was_run(row) and None not in get and get[0] >= 1000:
            sums.append((get[0], get[1] / get[0], sum(get[2:]) / get[0]))
    if sums:
        return max(sums)
    module = run.module("memory")
    costs = module.costs(run.rows("memory")).get("thread") if module else None
    if not costs:
        return None
    parts = [costs[key].median for key in ("user", "page_tables", "stacks") if key in costs]
    return module.most_held(run.rows("memory"), "thread"), costs["vsz"].median / 1024, sum(parts) / 1024


def eight_megabytes_a_thread(run):
    found = per_thread(run)
    if not found:
        return None
    threads, addresses_kb, memory_kb = found
    words = f"{text.count(threads)} threads: {text.size(1024 * addresses_kb)} of address space each " \
            f"({text.size(1024 * addresses_kb * MANY)} for 10,000), but {text.size(1024 * memory_kb)} of memory " \
            f"({text.size(1024 * memory_kb * MANY)})."
    if about(memory_kb / 1024, STACK_MIB):
        return Outcome(words, HOLDS)
    return Outcome(words, only_when("address space is counted, which costs nothing; not of memory")
                   if about(addresses_kb / 1024, STACK_MIB) else FAILS)


def processes(run):
    """{what: KiB that one process takes}. One on its own is charged all that it has resident; a forked one its
    share of what it has in common with the others, which is nearly nothing of what it inherited."""
    kinds = {}
    for row in run.rows("ledger"):
        if row.get("part") == "process" and stats.is_valid(row) and stats.number(row, "pss_kb"):
            kinds.setdefault(row["what"], []).append(row)
    sizes = {what: stats.median([stats.number(row, "pss_kb" if "fork" in what else "rss_kb")
                                 + (stats.number(row, "page_tables_kb") or 0) for row in rows])
             for what, rows in kinds.items()}
    wall = run.module("thread_wall")
    own = wall.own_kb(run.rows("thread_wall"), PROCESS_MB) if wall else None
    if own:
        sizes[f"a child forked by a process of {PROCESS_MB} MiB"] = own.median
    return sizes


def fifty_megabytes_a_process(run):
    sizes = processes(run)
    if not sizes:
        return None
    words = "; ".join(f"{what}: {text.size(1024 * kb)}" for what, kb in sizes.items())
    shown = run.median("thread_wall", "resident_kb", kind="fork", ballast_mib=PROCESS_MB)
    if shown:
        words += f" of its own, although ps shows {text.size(1024 * shown)}"
    good = [what for what, kb in sizes.items() if about(kb / 1024, PROCESS_MB)]
    if good:
        verdict = HOLDS if len(good) == len(sizes) else only_when(f"the process is {text.names(good)}")
    else:
        verdict = only_when("memory that processes share is counted for each of them again") \
            if shown and about(shown / 1024, PROCESS_MB) else FAILS
    return Outcome(text.sentence(words), verdict)


def switch_takes_a_tenth_of_a_millisecond(run):
    wall, rows = run.module("thread_wall"), run.rows("thread_wall")
    cells = [wall.figure_of(rows, "switch", "switch_us", how="futex", pinned=pinned) for pinned in (1, 0)] \
        if wall else [None]
    if cells[0] is None:
        return None
    words = f"{text.figure(cells[0].median)} microseconds on one core"
    if cells[1]:
        words += f", {text.figure(cells[1].median)} where the threads may change cores"
    return Outcome(words + ".", holds_if(all(about(cell.median, SWITCH_US) for cell in cells if cell)))


def creation_is_expensive(run):
    found = {}
    for row in run.rows("thread_wall"):
        count, all_us = stats.number(row, "count"), stats.number(row, "all_us")
        if stats.is_valid(row) and row["model"] == "thread" and count and all_us:
            found.setdefault(int(count), []).append(all_us)
    request_us = run.median("ledger", "server_cpu_us_per_request", part="scenario", model="epoll",
                            scenario="JSON")
    if not found or not request_us:
        return None
    took = {count: stats.median(values) for count, values in sorted(found.items())}
    most = max(took)
    each = took[most] / most
    words = "; ".join(f"{text.count(count)} threads {text.milliseconds(us)}" for count, us in took.items())
    return Outcome(f"{words}: {text.figure(each)} us each; a whole request costs epoll {text.figure(request_us)} us "
                   "of CPU.", holds_if(each >= request_us))


def threads_cannot_carry(run):
    answered, asked = carried(run, "thread")
    if asked < MANY:
        return None
    return Outcome(f"thread answered {text.count(answered)} of {text.count(asked)} clients.",
                   FAILS if answered >= 0.9995 * asked else HOLDS)


def loops_use_less(run):
    module = run.module("memory")
    costs = module.costs(run.rows("memory")) if module else {}
    totals = {model: costs[model]["total"].median for model in ("thread", *LOOPS) if model in costs}
    if "thread" not in totals or len(totals) < 2:
        return None
    thread = totals.pop("thread")
    words = "; ".join(f"{model} {text.size(size)}" for model, size in totals.items())
    ratio = thread / max(totals.values())
    return Outcome(f"A connection costs thread {text.size(thread)}, {words}: {text.figure(ratio, 2)} times as much "
                   "or more (sockets included).", holds_if(ratio >= FACTOR))


