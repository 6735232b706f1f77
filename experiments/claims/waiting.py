"""Rules on claims about waiting: one after another or at once, threads or loops, and who stands still."""

from lib import models, stats, text

from .judge import FAILS, HOLDS, Outcome, holds_if, only_when, within

NEAR = 0.2  # of a sum of waits, or of the longest
AT_ONCE = models.SIX[1:]
LOOPS = models.SIX[2:]
MANY = 10000
IDLE_CPU_PCT, DOZENS = 10, 24
POOL_GAIN = (8, 12)  # what counts as "ten times"


def timeline(run):
    """(module, {(model, batch): milliseconds to the last answer}); None where it was not run."""
    module = run.module("timeline")
    cells = module.cells(run.rows("timeline")) if module else {}
    return (module, {key: cell.median for key, cell in cells.items()}) if cells else None


def one_after_another(run):
    found = timeline(run)
    if not found or ("blocking", "requests") not in found[1]:
        return None
    module, took = found
    words, good = [], []
    for batch, delays in module.BATCHES.items():
        if ("blocking", batch) in took:
            words.append(f"waits of {sum(delays):,} ms in all took blocking "
                         f"{text.figure(took['blocking', batch], 4)} ms")
            good.append(within(took["blocking", batch], sum(delays), NEAR))
    return Outcome(text.sentence("; ".join(words)), holds_if(all(good)))


def the_longest_not_the_sum(run):
    found = timeline(run)
    if not found:
        return None
    module, took = found
    delays = module.BATCHES["tasks"]
    here = {model: took[model, "tasks"] for model in AT_ONCE if (model, "tasks") in took}
    if not here:
        return None
    low, high = (text.figure(ms) for ms in (min(here.values()), max(here.values())))
    span = low if low == high else f"{low} to {high}"
    return Outcome(f"{span} ms instead of {sum(delays)} ms ({text.names(here)}).",
                   holds_if(all(within(ms, max(delays), NEAR) for ms in here.values())))


def ten_times_a_pool(run):
    took = {model: run.median("ledger", "total_ms", part="hundred", model=model)
            for model in ("thread_pool", "thread", "epoll")}
    if not took["thread_pool"] or not took["epoll"]:
        return None
    gain = took["thread_pool"] / took["epoll"]
    words = f"{text.figure(took['thread_pool'], 4)} ms on a pool of ten, {text.figure(took['epoll'])} ms with epoll: " \
            f"{text.figure(gain)} times"
    if took["thread"]:
        words += f"; a thread for each request takes {text.figure(took['thread'])} ms"
    if not POOL_GAIN[0] <= gain <= POOL_GAIN[1]:
        return Outcome(words + ".", FAILS)
    alike = took["thread"] and took["thread"] <= 1.5 * took["epoll"]
    return Outcome(words + ".", only_when("there are ten threads: a thread for each request is as fast as async")
                   if alike else HOLDS)


def carried(run, model):
    """(clients answered, clients) of the greatest kept-alive crowd that this run had for a model, of c10k or of
    concurrency; (0, 0) without one."""
    best = 0, 0
    for name in ("c10k", "concurrency"):
        own = [row for row in run.rows(name) if row["model"] == model and stats.was_run(row)
               and row.get("policy", "kept") == "kept" and "connections_never_answered" in row]
        sizes = {stats.number(row, "connections_asked") for row in own}
        most = max((size for size in sizes if size), default=0)
        if most > best[1]:
            never = stats.median([stats.number(row, "connections_never_answered") for row in own
                                  if stats.number(row, "connections_asked") == most])
            best = round(most - never), round(most)
    return best


def threads_of(run, model):
    """The most threads that a model had with its greatest crowd."""
    counts = [stats.number(row, "server_threads") for name in ("c10k", "concurrency")
              for row in run.rows(name) if row["model"] == model]
    return max((count for count in counts if count), default=None)


def one_loop_carries(run):
    crowds = {model: carried(run, model) for model in LOOPS}
    crowds = {model: crowd for model, crowd in crowds.items() if crowd[1] >= MANY}
    if not crowds:
        return None
    able = [model for model, (answered, asked) in crowds.items()
            if answered == asked and threads_of(run, model) == 1]
    words = "; ".join(f"{model} answered {text.count(answered)} of {text.count(asked)} clients with "
                      f"{text.count(threads_of(run, model) or 0)} thread"
                      for model, (answered, asked) in crowds.items())
    verdict = HOLDS if len(able) == len(crowds) else FAILS if not able else \
        only_when(f"the loop waits with {text.names(able).replace(' and ', ' or ')}")
    return Outcome(f"{words}.", verdict)


def p99s(run):
    """(p99 of / in ms by model, the blocking call in ms) of blocked_loop; None where it was not run."""
    module = run.module("blocked_loop")
    if not module:
        return None
    found = {model: module.p99_ms(run.rows("blocked_loop"), model)
             for model in ("epoll", "epoll_blocking", "epoll_offload")}
    return {model: ms for model, ms in found.items() if ms is not None}, module.BLOCK_MS


def one_call_stops_all(run):
    found = p99s(run)
    if not found or not {"epoll", "epoll_blocking"} <= set(found[0]):
        return None
    p99, block_ms = found
    return Outcome(f"While 1 % block for {block_ms} ms, the 99th percentile of all others is "
                   f"{text.milliseconds(1000 * p99['epoll_blocking'])}; without blocking it is "
                   f"{text.milliseconds(1000 * p99['epoll'])}.",
                   holds_if(p99["epoll_blocking"] >= 0.8 * block_ms and p99["epoll"] < 0.2 * block_ms))


def a_pool_frees_the_loop(run):
    found = p99s(run)
    if not found or "epoll_offload" not in found[0]:
        return None
    p99, block_ms = found
    return Outcome(f"The same with a pool: {text.milliseconds(1000 * p99['epoll_offload'])}.",
                   holds_if(p99["epoll_offload"] < 0.2 * block_ms))


def dozens_of_times(run):
    module = run.module("concurrency")
    if not module:
        return None
    rows = run.rows("concurrency")
    slow, fast = (module.capacity(rows, model, "close") for model in ("blocking", "epoll"))
    idle = run.median("concurrency", "server_cpu_pct", model="blocking", policy="close", clients=100)
    if not slow or not fast or idle is None:
        return None
    gain = fast / slow
    return Outcome(f"blocking uses {text.figure(idle, 2)} % of its core and answers {text.figure(slow)} requests/s; "
                   f"on the same core epoll answers {text.figure(fast)}, {text.figure(gain, 2)} times as many.",
                   holds_if(idle < IDLE_CPU_PCT and gain >= DOZENS))


def the_benchmark(run):
    module = run.module("ledger")
    rows = module.of(run.rows("ledger"), "scenario") if module else []
    if not rows:
        return None
    words, good = [], True
    for name, model, cells in module.benchmark(rows):
        if model == "epoll":
            words.append(f"{name}: {text.figure(cells['throughput_rps'].median)} RPS, mean "
                         f"{text.milliseconds(cells['latency_us_mean'].median)}, median "
                         f"{text.milliseconds(cells['latency_us_p50'].median)}, p95 "
                         f"{text.milliseconds(cells['latency_us_p95'].median)}, p99 "
                         f"{text.milliseconds(cells['latency_us_p99'].median)}")
    for row in rows:
        asked = module.SCENARIOS.get(row.get("scenario"), (0, 0, 0))[1]
        little = stats.number(row, "little")
        good = good and stats.number(row, "requests") == asked and stats.number(row, "errors_total") == 0 \
            and little is not None and abs(little - 1) <= 0.02
    missing = set(module.SCENARIOS) - {row.get("scenario") for row in rows}
    return Outcome(f"epoll: {'; '.join(words)}.", holds_if(good)) if words and not missing else None


def streams_without_threads(run):
    module = run.module("ledger")
    own = module.of(run.rows("ledger"), "stream", "epoll") if module else []
    own = [row for row in own if stats.was_run(row)]
    if not own:
        return None
    get = {key: stats.number(own[0], key) for key in ("streams", "pieces", "pause_ms", "completed", "threads",
                                                      "stream_ms", "beside_p99_us")}
    if None in get.values():
        return None
    want = get["pieces"] * get["pause_ms"]
    return Outcome(f"epoll sent {text.count(get['completed'])} of {text.count(get['streams'])} streams of "
                   f"{text.count(get['pieces'])} pieces at once, one each {text.count(get['pause_ms'])} ms, in "
                   f"{text.figure(get['stream_ms'] / 1000)} s with {text.count(get['threads'])} thread; others waited "
                   f"{text.milliseconds(get['beside_p99_us'])} beside it (p99).",
                   holds_if(get["completed"] == get["streams"] and get["threads"] == 1
                            and within(get["stream_ms"], want, 0.15)))
