"""`bench.py --profile`: where the time goes when a target is missed. Three tables:

  1. user and system time a request, of servers and generators, at each number of connections
  2. system calls a request, as our servers count them themselves (/stats)
  3. instructions in user space a request, from callgrind, by function; with calls of what matters

A request's cost is what the kernel takes for its system calls, which no server can go below with the same calls, and
what the program adds. The floor shows the first; the tables show how much of the second there is, and where.
"""

import json
import urllib.request

import callgrind
import table
from lib.processes import Broken, Unavailable

SERVERS = ("floor", "epoll", "io_uring", "nginx")
COUNTS = (64, 256, 1000)
SECONDS = 2
FUNCTIONS = 24
LIBRARY_CALLS = ("recv", "send", "epoll_wait", "epoll_pwait2", "clock_gettime", "malloc", "free")


def stats_of(server):
    with urllib.request.urlopen(server.url + "/stats", timeout=10) as answer:
        return json.load(answer)


def syscalls_between(before, after):
    """{kind: calls a request}, of the kinds there were; "requests", "wakeups" and the rest that /stats has."""
    requests = after["requests"]["total"] - before["requests"]["total"]
    found = {kind: (count - before["syscalls"][kind]) / requests for kind, count in after["syscalls"].items()}
    found = {kind: each for kind, each in found.items() if each >= 0.0005}
    found["all"] = sum(found.values())
    for key in ("wakeups", "slots_scanned"):
        found[key] = (after[key] - before[key]) / requests
    return found


def times(here, say):
    """Tables 1 and 2."""
    split = [("server", "C", "requests/s", "CPU us", "user us", "system us", "server's core", "generator's core",
              "generator's us")]
    calls = []
    for who in SERVERS:
        if here.missing(who):
            say(f"{who}: left out: {here.missing(who)}")
            continue
        for count in COUNTS:
            say(f"{who}, {count:,} connections, {SECONDS} s")
            try:
                with here.serve(who) as server:
                    before = stats_of(server) if who not in ("floor", "nginx") else None
                    row = here.run("loadgen", server, count, SECONDS)
                    if before:
                        calls.append((who, count, syscalls_between(before, stats_of(server))))
            except (Broken, Unavailable) as reason:
                say(f"{who}: {reason}")
                continue
            split.append((who, table.rate(count), table.rate(row["requests_per_s"]),
                          *(f"{row[key]:.2f}" for key in ("server_cpu_us", "server_user_us", "server_sys_us")),
                          f"{row['server_share']:.0%}", f"{row['generator_share']:.0%}",
                          f"{row['generator_cpu_us']:.2f}"))
    print("CPU time a request (user and system: as the kernel's clock ticks sample them)")
    print("\n".join(table.aligned(split)) + "\n")
    kinds = list(dict.fromkeys(kind for _, _, found in calls for kind in found))
    cells = [("server", "C", *kinds)]
    cells += [(who, table.rate(count), *(f"{found.get(kind, 0):.3f}" for kind in kinds))
              for who, count, found in calls]
    print("System calls a request, as the server counts them")
    print("\n".join(table.aligned(cells)) + "\n")


def by_function(who, profile):
    total = sum(profile.instructions.values())
    print(f"{who}: {total:,.0f} instructions a request")
    for name, each in profile.instructions.most_common(FUNCTIONS):
        if each >= 0.5:
            print(f"  {each:8,.1f}  {each / total:4.0%}  {name}")
    calls = [f"{name} {profile.calls[name]:.2f}" for name in LIBRARY_CALLS if profile.calls[name] >= 0.005]
    print(f"  calls a request: {', '.join(calls) or 'none of ' + ', '.join(LIBRARY_CALLS)}\n")


def instructions(here, say):
    """Table 3."""
    if not here.program("valgrind") or not here.program("vgdb"):
        print("Instructions a request: not measured, valgrind is not installed")
        return
    print("Instructions in user space a request (callgrind, 64 connections, kept alive)")
    with callgrind.Callgrind(here) as counter:
        for who in ("floor", "epoll", "io_uring"):
            say(f"{who} under callgrind")
            try:
                by_function(who, counter.server(who))
            except (Broken, Unavailable) as reason:
                print(f"{who}: not measured: {reason}\n")
        say("loadgen under callgrind")
        try:
            with here.serve("floor") as server:
                by_function("loadgen", counter.generator(server.port))
        except Broken as reason:
            print(f"loadgen: not measured: {reason}\n")


def run(here, say):
    times(here, say)
    instructions(here, say)
    return 0
