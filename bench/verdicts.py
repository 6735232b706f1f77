"""From raw rows to ratios, and from ratios to verdicts. Pure arithmetic on dicts; tested on made-up rows.

A row: section, round, who, connections, status ("ok", or "failed: " / "n/a: " and why), and figures. Two
contestants are compared within a round, where they ran one after the other: so what the machine does over
minutes is in both. A ratio is the median over the rounds, given with the least and the greatest.

When is a target met? The issue of a comparison of servers is requests/s; but where the generator is the limit,
requests/s say nothing about the server, and then its CPU a request counts instead. The verdict says which of
them it rests on.
"""

from collections import namedtuple

from lib import stats

SATURATED = 0.95  # of a core
DISTURBED = 0.10  # of either core, taken by others: then nobody knows what the limit was

Spread = namedtuple("Spread", "median least greatest rounds")

# A line of the table. `subject` is measured, `peer` is what it is measured against (or ""). `figures` are
# {name: Spread}. `target` is words, `verdict` begins with "met", "missed", "no target" or "not measured".
Line = namedtuple("Line", "section subject peer connections figures target limit verdict")

# (subject, peer): (least ratio of requests/s, greatest ratio of the server's CPU a request)
SERVER_TARGETS = {"floor": (0.95, 1.05), "nginx": (1.10, 0.90)}
# connections: (least ratio of requests/s, greatest ratio of the generator's CPU a request), against wrk
GENERATOR_TARGETS = {64: (1.25, 0.80), 1000: (1.40, 0.80)}
MEMORY_TARGET_B = 250
MEMORY_JUDGED = ("epoll", "io_uring")


def spread(values):
    values = list(values)
    return Spread(stats.median(values), min(values), max(values), len(values)) if values else None


def of(rows, section, who, connections=None):
    """{round: row} of the good rows of one contestant."""
    return {row["round"]: row for row in rows
            if row["section"] == section and row["who"] == who and row["status"] == "ok"
            and (connections is None or row["connections"] == connections)}


def why_not(rows, section, *contestants):
    """Why there is no figure: the first reason that a row gives."""
    for row in rows:
        if row["section"] == section and row["who"] in contestants and row["status"] != "ok":
            return f"{row['who']}: {row['status'].partition(': ')[2]}"
    return "not asked for"


def ratios(mine, theirs, column):
    """The Spread of mine / theirs over the rounds that both have."""
    return spread(mine[i][column] / theirs[i][column] for i in sorted(mine)
                  if i in theirs and mine[i].get(column) and theirs[i].get(column))


def limit(row):
    """What kept this run from more requests/s: "server", "generator", "both", "neither" (they waited for each
    other), or "others" (something else ran on their cores)."""
    if max(row["server_others"], row["generator_others"]) > DISTURBED:
        return "others"
    server = row["server_share"] + row["server_others"] >= SATURATED
    generator = row["generator_share"] + row["generator_others"] >= SATURATED
    return {(1, 1): "both", (1, 0): "server", (0, 1): "generator", (0, 0): "neither"}[server, generator]


def usual_limit(rows):
    """Of most of the rows; of two that are as frequent, the first."""
    seen = [limit(row) for row in rows]
    return max(dict.fromkeys(seen), key=seen.count)


def qualified(verdict, limits):
    return verdict + ("; disturbed" if "others" in limits else "")


def judge_servers(requests_per_s, cpu_us, generator_limits, target):
    """The verdict on a server's two ratios to a peer."""
    least, most = target
    fast, cheap = requests_per_s.median >= least, cpu_us.median <= most
    if fast:
        doubt = "; the generator is the limit" if generator_limits and not cheap else ""
        return f"met (requests/s{' and CPU' if cheap else ''}{doubt})"
    if cheap and generator_limits:
        return "met (CPU; the generator is the limit)"
    return "missed" + (" (the generator is not the limit)" if cheap else "")


def judge_generator(requests_per_s, cpu_us, limits, target):
    least, most = target
    wrong = []
    if requests_per_s.median < least:
        wrong.append("requests/s" + ("; the floor is the limit" if limits[0] in ("server", "both") else ""))
    if cpu_us.median > most:
        wrong.append("CPU")
    return f"missed ({', '.join(wrong)})" if wrong else "met"


def absolute(rows, *columns):
    """{column: Spread} of the columns that the rows have."""
    found = {column: spread(row[column] for row in rows if column in row) for column in columns}
    return {column: value for column, value in found.items() if value}


def against(rows, section, subject, peer, connections, cpu):
    """(figures, usual limits) of a comparison, or None where there is no round that has both."""
    mine, theirs = (of(rows, section, who, connections) for who in (subject, peer))
    fast, cheap = ratios(mine, theirs, "requests_per_s"), ratios(mine, theirs, cpu)
    if not fast or not cheap:
        return None
    both = [i for i in mine if i in theirs]
    mine, theirs = [mine[i] for i in both], [theirs[i] for i in both]
    figures = {"requests_per_s_ratio": fast, "cpu_ratio": cheap,
               "requests_per_s": absolute(mine, "requests_per_s")["requests_per_s"],
               "peer_requests_per_s": absolute(theirs, "requests_per_s")["requests_per_s"],
               "cpu_us": absolute(mine, cpu)[cpu], "peer_cpu_us": absolute(theirs, cpu)[cpu]}
    return figures, (usual_limit(mine), usual_limit(theirs))


def server_lines(rows, subjects, counts):
    lines = []
    for peer, target in SERVER_TARGETS.items():
        words = (f">= {target[0]} x requests/s, or <= {target[1]} x CPU a request where the "
                 "generator is the limit")
        for subject in subjects:
            for connections in counts:
                found = against(rows, "servers", subject, peer, connections, "server_cpu_us")
                if not found:
                    verdict = f"not measured: {why_not(rows, 'servers', subject, peer)}"
                    lines.append(Line("servers", subject, peer, connections, {}, words, "", verdict))
                    continue
                figures, limits = found
                verdict = judge_servers(figures["requests_per_s_ratio"], figures["cpu_ratio"],
                                        "generator" in limits, target)
                lines.append(Line("servers", subject, peer, connections, figures, words,
                                  "/".join(limits), qualified(verdict, limits)))
    return lines


def generator_lines(rows):
    lines = []
    for connections, target in GENERATOR_TARGETS.items():
        words = f">= {target[0]} x requests/s and <= {target[1]} x CPU a request"
        found = against(rows, "generator", "loadgen", "wrk", connections, "generator_cpu_us")
        if found:
            figures, limits = found
            verdict = judge_generator(figures["requests_per_s_ratio"], figures["cpu_ratio"], limits,
                                      target)
            lines.append(Line("generator", "loadgen", "wrk", connections, figures, words,
                              "/".join(limits), qualified(verdict, limits)))
        else:
            verdict = f"not measured: {why_not(rows, 'generator', 'loadgen', 'wrk')}"
            lines.append(Line("generator", "loadgen", "wrk", connections, {}, words, "", verdict))
    return lines


def memory_lines(rows, contestants):
    lines = []
    columns = [f"{kind}_{how}" for kind in ("pss", "private", "page_tables", "kernel_stacks")
               for how in ("slope", "difference")]
    for who in contestants:
        found = list(of(rows, "memory", who).values())
        target = f"<= {MEMORY_TARGET_B} B each" if who in MEMORY_JUDGED else ""
        if not found:
            verdict = f"not measured: {why_not(rows, 'memory', who)}"
            lines.append(Line("memory", who, "", 0, {}, target, "", verdict))
            continue
        figures = absolute(found, "worst", *columns)
        verdict = "no target"
        if target:
            verdict = "met" if figures["worst"].median <= MEMORY_TARGET_B else "missed"
        lines.append(Line("memory", who, "", found[0]["connections"], figures, target, "", verdict))
    return lines


def close_lines(rows, contestants):
    lines = []
    for who in contestants:
        found = list(of(rows, "close", who).values())
        if not found:
            verdict = f"not measured: {why_not(rows, 'close', who)}"
            lines.append(Line("close", who, "", 0, {}, "", "", verdict))
            continue
        figures = absolute(found, "requests_per_s", "server_cpu_us", "generator_cpu_us")
        lines.append(Line("close", who, "", found[0]["connections"], figures, "",
                          usual_limit(found), "no target"))
    return lines


def disturbed(rows):
    """(runs that others disturbed, runs)."""
    limits = [limit(row) for row in rows if row["status"] == "ok" and "server_others" in row]
    return limits.count("others"), len(limits)
