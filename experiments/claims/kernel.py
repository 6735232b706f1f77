"""Rules on claims about what the kernel does: descriptors, scans, queues, polling, workers."""

from lib import text

from .judge import FAILS, HOLDS, Outcome, holds_if, only_when

FD_SETSIZE = 1024
SLOPE, FLAT = (0.8, 1.5), 2.5  # "in proportion", and "does not depend" up to 10,000 descriptors
TIMES_FASTER, FACTOR = 150, 2
BUSY_PCT, QUIET_PCT = 80, 5
LEAST_SHARE = 0.25


def select_ends_at_1024(run):
    module = run.module("memory")
    if not module:
        return None
    held = {model: module.most_held(run.rows("memory"), model) for model in ("select", "poll")}
    if not all(held.values()):
        return None
    return Outcome(f"select held {text.count(held['select'])} connections beside its other descriptors and refused "
                   f"the next; poll held {text.count(held['poll'])}.",
                   holds_if(FD_SETSIZE - 24 <= held["select"] <= FD_SETSIZE < held["poll"]))


def scans_everything(run):
    module, rows = run.module("wait_cost"), run.rows("wait_cost")
    if not module:
        return None
    slopes = {model: module.slope(rows, model) for model in ("select", "poll")}
    flat = module.growth(rows, "epoll", 10, 10000)
    if None in slopes.values() or flat is None:
        return None
    words = f"From 100 to 10,000 descriptors a wait grows with the power {slopes['select']:.2f} (select) and " \
            f"{slopes['poll']:.2f} (poll) of their number; epoll's from 10 to 10,000 by {text.figure(flat)} times"
    idle = run.module("idle_crowd")
    exact = [idle.slots_exact(run.rows("idle_crowd"), model) for model in ("select", "poll", "epoll")] \
        if idle else [None]
    if None not in exact:
        words += "; slots counted in the servers " + ("agree exactly" if all(exact) else "do not agree")
    good = all(SLOPE[0] <= slope <= SLOPE[1] for slope in slopes.values()) and flat <= FLAT
    return Outcome(words + ".", holds_if(good and False not in exact))


def hundred_and_fifty_times(run):
    module, rows = run.module("wait_cost"), run.rows("wait_cost")
    if not module:
        return None
    hundred, one = (module.ratio(rows, "select", "epoll", 10000, active) for active in (100, 1))
    if hundred is None:
        return None
    words = f"With 100 of 10,000 ready: {text.figure(hundred)} times"
    if one is not None:
        words += f"; with one ready: {text.figure(one)} times"
    if TIMES_FASTER / FACTOR <= hundred <= TIMES_FASTER * FACTOR:
        return Outcome(words + ".", HOLDS)
    if hundred < TIMES_FASTER and one is not None and one >= TIMES_FASTER / FACTOR:
        return Outcome(words + ".", only_when("far fewer than 100 are active at a time"))
    return Outcome(words + ".", FAILS)


def polling_burns(run):
    wants = {model: run.median("ledger", "demand_pct", part="idle", model=model) for model in ("spin", "epoll")}
    if None in wants.values():
        return None
    return Outcome(f"With 100 silent clients spin wants {wants['spin']:.0f} % of a core, epoll "
                   f"{text.figure(wants['epoll'], 2)} %.",
                   holds_if(wants["spin"] >= BUSY_PCT and wants["epoll"] <= QUIET_PCT))


def backlog_is_cut(run):
    found = {}
    for asked, limit, granted in zip(*(run.column("ledger", column, part="backlog")
                                       for column in ("asked", "limit", "granted"))):
        found[asked] = limit, granted
    if not found or max(found) <= found[max(found)][0]:
        return None
    limit, granted = found[max(found)]
    words = f"listen({text.count(max(found))}) was granted {text.count(granted)} (net.core.somaxconn is " \
            f"{text.count(limit)})"
    below = {asked: got for asked, (most, got) in found.items() if asked <= most}
    for asked, got in below.items():
        words += f"; listen({text.count(asked)}) was granted {text.count(got)}"
    return Outcome(words + ".", holds_if(granted == limit and all(a == g for a, g in below.items())))


def workers_share_and_return(run):
    share, replaced, after, took = (run.median("ledger", column, part="workers", model="epoll") for column in (
        "least_share", "replaced", "answered_after", "replaced_ms"))
    if share is None or replaced is None:
        return None
    words = f"Of two workers under load one had {share:.0%} of the CPU time, the other {1 - share:.0%}"
    words += f"; one that was killed was replaced after {text.figure(took)} ms, and {text.count(after or 0)} of 20 " \
             "requests were answered then" if replaced == 2 and took is not None else \
        "; one that was killed was not replaced"
    return Outcome(words + ".", holds_if(share >= LEAST_SHARE and replaced == 2 and after == 20))
