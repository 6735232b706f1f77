"""Cases of the claims ledger: each rule on made-up rows, both ways, and what it says when there are none."""

import html
import os

from suite import EXPERIMENTS, case, directory, equal, report, rows_of

from claims import judge, section, sources

RULES = {claim.number: claim.judge for claim in sources.CLAIMS}
HOLDS, FAILS, ONLY = judge.HOLDS, judge.FAILS, "holds only when"


def run_of(**rows):
    """A run that has these rows, by the experiment's name."""
    return judge.Run([report.Result(EXPERIMENTS[name], {}, some, None, []) for name, some in rows.items()])


def changed(rows, columns, **where):
    return [dict(row, **columns) if all(row.get(key) == value for key, value in where.items()) else row
            for row in rows]


def verdict(number, **rows):
    """The verdict on a claim, without its condition; and each verdict but "not measured" has its figures."""
    outcome = RULES[number](run_of(**rows))
    if outcome is None:
        return None
    assert any(letter.isdigit() for letter in outcome.measured), (number, outcome.measured)
    assert outcome.measured.endswith("."), (number, outcome.measured)
    return ONLY if outcome.verdict.startswith(ONLY) else outcome.verdict


def both_ways(number, name, *changes):
    """The claim on the made-up rows of an experiment, then on changed ones: each change is (columns, where,
    the verdict it must lead to)."""
    rows = rows_of(name)
    found = [verdict(number, **{name: rows})]
    for columns, where, _ in changes:
        assert changed(rows, columns, **where) != rows, (number, where)
        found.append(verdict(number, **{name: changed(rows, columns, **where)}))
    return found


@case
def claims_are_all_there_and_none_is_judged_without_rows():
    equal([claim.number for claim in sources.CLAIMS], list(range(1, 24)))
    for claim in sources.CLAIMS:
        equal(claim.judge(run_of()), None, claim.english)
        for words in (claim.source, claim.korean, claim.english, claim.claimed, claim.rule):
            assert words and "\t" not in words, claim.number
        assert any("\uac00" <= letter <= "\ud7a3" for letter in claim.korean), claim.number
        half = run_of(**{name: [{"model": "epoll", "verdict": "n/a: not here"}] for name in EXPERIMENTS})
        equal(claim.judge(half), None, f"claim {claim.number} without a figure")


@case
def claims_1_and_2_sum_or_longest():
    late = {"done_us": "450000"}
    equal(both_ways(1, "timeline", (late, {"model": "blocking", "batch": "tasks", "request": "3"}, FAILS)),
          [HOLDS, FAILS])
    equal(both_ways(2, "timeline", (late, {"model": "poll", "batch": "tasks", "request": "3"}, FAILS),
                    (late, {"model": "blocking", "batch": "tasks", "request": "3"}, HOLDS)),
          [HOLDS, FAILS, HOLDS])


@case
def claim_3_ten_times_only_for_so_few_threads():
    equal(both_ways(3, "ledger", ({"total_ms": "500"}, {"part": "hundred", "model": "thread"}, HOLDS),
                    ({"total_ms": "300"}, {"part": "hundred", "model": "thread_pool"}, FAILS)),
          [ONLY, HOLDS, FAILS])


def parked(virtual_kb=8200, resident_kb=10):
    return [{"model": "thread", "verdict": "valid", "kind": "park", "repeat": "1", "threads": str(n),
             "virtual_kb": str(n * virtual_kb), "resident_kb": str(n * resident_kb), "page_tables_kb": str(4 * n),
             "kernel_stacks_kb": str(16 * n), "slab_kb": str(6 * n)} for n in (0, 1000, 10000)]


@case
def claim_4_threads_cost_addresses():
    equal(verdict(4, thread_wall=parked()), ONLY)
    equal(verdict(4, thread_wall=parked(resident_kb=8200)), HOLDS, "a stack that is all in use")
    equal(verdict(4, thread_wall=parked(virtual_kb=1000)), FAILS, "small stacks")
    equal(both_ways(4, "memory", ({"vsz_b": "8000000"}, {"model": "thread"}, FAILS)), [ONLY, FAILS])
    row = {"model": "thread", "verdict": "valid", "server_threads": "10000", "server_vsz_kb": "82000000",
           "server_pss_kb": "100000", "server_kernel_stack_kb": "160000", "server_page_tables_kb": "40000"}
    equal(verdict(4, c10k=[row]), ONLY)
    equal(verdict(4, c10k=[dict(row, server_pss_kb="82000000")]), HOLDS)


@case
def claim_5_processes_share():
    size = {"rss_kb": "50000", "pss_kb": "50000"}
    equal(both_ways(5, "ledger", (size, {"part": "process", "what": "a bare Python interpreter"}, ONLY),
                    (size, {"part": "process"}, HOLDS)), [FAILS, ONLY, HOLDS])
    fork = [{"model": "process", "verdict": "valid", "kind": "fork", "ballast_mib": "50", "private_kb": "100",
             "page_tables_kb": "140", "resident_kb": "52000", "pss_kb": "2500"}]
    equal(verdict(5, ledger=rows_of("ledger"), thread_wall=fork), ONLY)
    equal(verdict(5, thread_wall=[dict(fork[0], private_kb="52000")]), HOLDS, "nothing shared")
    equal(verdict(5, thread_wall=[dict(fork[0], resident_kb="900")]), FAILS)


def switches(pinned_us, free_us):
    return [{"model": "thread", "verdict": "valid", "kind": "switch", "repeat": "1", "how": "futex",
             "pinned": str(pinned), "switch_us": str(us)} for pinned, us in ((1, pinned_us), (0, free_us))]


@case
def claim_6_a_switch_takes_microseconds():
    equal([verdict(6, thread_wall=switches(*us)) for us in ((1.5, 2.5), (90, 120), (90, 3))],
          [FAILS, HOLDS, FAILS])


@case
def claim_7_select_ends_poll_does_not():
    equal(both_ways(7, "memory", ({"held": "900"}, {"model": "poll"}, FAILS),
                    ({"held": "3000"}, {"model": "select"}, FAILS)), [HOLDS, FAILS, FAILS])


def waits(costs, active=1):
    """costs: {model: microseconds as a function of N}."""
    return [{"model": model, "verdict": "valid", "repeat": "1", "active": str(active), "watched": str(n),
             "cpu_us": str(cost(n))} for model, cost in costs.items() for n in (10, 100, 1000, 10000)]


LINEAR = {"select": lambda n: 0.1 * n, "poll": lambda n: 0.09 * n, "epoll": lambda n: 0.3}


@case
def claim_8_scans_grow_and_lists_do_not():
    equal(verdict(8, wait_cost=waits(LINEAR)), HOLDS)
    equal(verdict(8, wait_cost=waits({**LINEAR, "poll": lambda n: 2.0})), FAILS)
    equal(verdict(8, wait_cost=waits({**LINEAR, "epoll": lambda n: 0.1 * n})), FAILS)
    slots = [{"model": model, "verdict": "valid", "kind": "alone", "repeat": "1", "idle": str(idle),
              "slots_per_request": str(3.0 + (idle if model != "epoll" else 0))}
             for model in ("select", "poll", "epoll") for idle in (0, 1000)]
    equal(verdict(8, wait_cost=waits(LINEAR), idle_crowd=slots), HOLDS)
    wrong = changed(slots, {"slots_per_request": "900.0"}, model="epoll", idle="1000")
    equal(verdict(8, wait_cost=waits(LINEAR), idle_crowd=wrong), FAILS)


@case
def claim_9_a_hundred_and_fifty_times():
    def with_ratio(hundred, one):
        return waits({"select": lambda n: hundred, "epoll": lambda n: 1.0}, 100) + waits(
            {"select": lambda n: one, "epoll": lambda n: 1.0})
    equal([verdict(9, wait_cost=with_ratio(*ratios)) for ratios in ((150, 3000), (20, 3000), (20, 30), (900, 9000))],
          [HOLDS, ONLY, FAILS, FAILS])


@case
def claim_10_threads_carry_ten_thousand():
    equal(both_ways(10, "concurrency", ({"connections_never_answered": "5000"}, {"model": "thread"}, HOLDS)),
          [FAILS, HOLDS])
    few = [row for row in rows_of("concurrency") if row["clients"] != "10000"]
    equal(verdict(10, concurrency=few), None, "a small crowd says nothing")


@case
def claim_11_which_loops_carry_ten_thousand():
    rows = [dict(row, server_threads="1") for row in rows_of("concurrency")]
    equal(verdict(11, concurrency=rows), ONLY, "select cannot")
    able = [row for row in rows if row["model"] != "select"]
    equal(verdict(11, concurrency=able), HOLDS)
    equal(verdict(11, concurrency=[dict(row, server_threads="64") for row in able]), FAILS, "not with one thread")


@case
def claims_12_and_13_one_blocking_call():
    def with_p99(model, us):
        return {"latency_intended_us_p99": us}, {"model": model, "part": "run"}, None
    equal(both_ways(12, "blocked_loop", with_p99("epoll_blocking", "300"), with_p99("epoll", "49000")),
          [HOLDS, FAILS, FAILS])
    equal(both_ways(13, "blocked_loop", with_p99("epoll_offload", "49000")), [HOLDS, FAILS])


@case
def claims_14_and_15_computing():
    rate = {"throughput_rps": "1000"}
    equal(both_ways(14, "cpu_bound", (rate, {"model": "epoll", "cores": "1", "part": "speed"}, FAILS),
                    ({"throughput_rps": "510"}, {"model": "epoll", "workers": "2", "part": "speed"}, FAILS)),
          [HOLDS, FAILS, FAILS])
    equal(both_ways(15, "cpu_bound", (rate, {"lock": "gil", "workers": "1", "cores": "2"}, FAILS),
                    ({"throughput_rps": "100"}, {"lock": "gil", "part": "waiting"}, FAILS)),
          [HOLDS, FAILS, FAILS])


@case
def claim_16_polling_burns():
    equal(both_ways(16, "ledger", ({"demand_pct": "30"}, {"part": "idle", "model": "spin"}, FAILS),
                    ({"demand_pct": "30"}, {"part": "idle", "model": "epoll"}, FAILS)), [HOLDS, FAILS, FAILS])


@case
def claim_17_dozens_of_times():
    rows = [dict(row, server_cpu_pct="2") for row in rows_of("concurrency")]
    equal(verdict(17, concurrency=rows), HOLDS)
    equal(verdict(17, concurrency=changed(rows, {"server_cpu_pct": "60"}, model="blocking")), FAILS)
    slow = [dict(row, throughput_rps="2000") if row["model"] == "epoll" else row for row in rows]
    equal(verdict(17, concurrency=slow), FAILS, "twenty times is not dozens")


@case
def claim_18_a_thread_or_a_request():
    starts = [{"model": "thread", "verdict": "valid", "kind": "start", "count": str(count),
               "all_us": str(30 * count)} for count in (10, 100, 1000)]
    cheap = [dict(row, server_cpu_us_per_request="12") for row in rows_of("ledger")]
    equal(verdict(18, thread_wall=starts, ledger=cheap), HOLDS)
    dear = [dict(row, server_cpu_us_per_request="200") for row in cheap]
    equal(verdict(18, thread_wall=starts, ledger=dear), FAILS)
    equal(verdict(18, thread_wall=starts), None, "nothing to compare with")


@case
def claims_19_and_20_queue_and_workers():
    equal(both_ways(19, "ledger", ({"granted": "40960"}, {"part": "backlog", "asked": "40960"}, FAILS),
                    ({"granted": "128"}, {"part": "backlog", "asked": "2048"}, FAILS)), [HOLDS, FAILS, FAILS])
    equal(both_ways(20, "ledger", ({"least_share": "0.02"}, {"part": "workers"}, FAILS),
                    ({"replaced": "0"}, {"part": "workers"}, FAILS),
                    ({"answered_after": "10"}, {"part": "workers"}, FAILS)), [HOLDS, FAILS, FAILS, FAILS])


@case
def claim_21_loops_use_less():
    rows = rows_of("memory")
    equal(verdict(21, memory=rows), HOLDS)
    frugal = [dict(row, pss_b=row["page_tables_b"], kernel_stacks_b="0", slab_tasks_b="0", page_tables_b="0")
              if row["model"] == "thread" else row for row in rows]
    equal(verdict(21, memory=frugal), FAILS)


@case
def claims_22_and_23_benchmark_and_streams():
    equal(both_ways(22, "ledger", ({"requests": "9999"}, {"scenario": "JSON"}, FAILS),
                    ({"errors_total": "1"}, {"scenario": "database"}, FAILS),
                    ({"little": "1.1"}, {"scenario": "services"}, FAILS)), [HOLDS, FAILS, FAILS, FAILS])
    missing = [row for row in rows_of("ledger") if row.get("scenario") != "services"]
    equal(verdict(22, ledger=missing), None, "only two of three")
    equal(both_ways(23, "ledger", ({"threads": "101"}, {"part": "stream", "model": "epoll"}, FAILS),
                    ({"completed": "50"}, {"part": "stream", "model": "epoll"}, FAILS),
                    ({"stream_ms": "20000"}, {"part": "stream", "model": "epoll"}, FAILS)),
          [HOLDS, FAILS, FAILS, FAILS])


@case
def the_ledger_is_a_table_in_the_report_and_a_file():
    results = [report.Result(EXPERIMENTS[name], {}, rows_of(name), None, [])
               for name in ("timeline", "memory", "ledger", "cpu_bound", "blocked_loop")]
    with directory() as out:
        page = section.section(results, out)
        with open(os.path.join(out, "claims.tsv"), encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
    equal(lines[0], list(section.COLUMNS))
    equal([len(line) for line in lines], [len(section.COLUMNS)] * 24)
    verdicts = {line[0]: line[6] for line in lines[1:]}
    equal((verdicts["1"], verdicts["6"]), (HOLDS, judge.UNMEASURED))
    for claim in sources.CLAIMS:
        assert f'id="claim-{claim.number}"' in page and html.escape(claim.english) in page, claim.number
    counts = section.counts(section.judged(results))
    equal(sum(counts), 23)
    equal(counts[3], list(verdicts.values()).count(judge.UNMEASURED))
    assert str(counts[0]) in section.closing(results)[0]
