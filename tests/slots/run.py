"""Slots looked at for each wait, counted on real servers: `tests/slots/run.py [--build DIR]`. Prints TAP.

The lab's best evidence, because it has no noise: how many places kernel and server look at to find the one
client that asked, with 0, 100, 400 and 900 silent ones beside it. The figures must be exact:

  select, poll   one wait a request, and it looks at every slot: the highest descriptor and one. So
                 n silent connections more cost exactly n slots more at each wait
  epoll          one wait a request, one slot: the one that is ready
  io_uring       two completions a request, its recv and its send, however many are silent

One client asks, one request after another, on a connection made after the silent ones. Nothing here depends
on time or load: the servers' own counts (GET /stats) are compared, before and after. (`epoll --edge` is
not here: it looks again before it waits, so how often it waits is a matter of time.)
"""

import argparse
import os
import resource
import sys
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "experiments"))

from lib import client, processes  # noqa: E402

SILENT = (0, 100, 400, 900)
REQUESTS = 50
SCANNING = ("select", "poll")
CONSTANT = {"epoll": 1, "io_uring": 2}


def require(truth, complaint):
    if not truth:
        raise AssertionError(complaint)


def silence(port, count, held):
    """Opens connections that ask once and then say nothing, until `count` are held."""
    new = client.at_once(port, ["/"] * (count - len(held)), close=False)
    held += new
    require(all(one.status == 200 and not one.ended for one in new),
            f"only {sum(one.status == 200 for one in new)} of {len(new)} connections were answered")


def counts_of(port):
    """(slots, waits, requests) that REQUESTS requests and the second /stats cost, one after another."""
    with client.Kept(port) as asking:
        before = asking.stats()
        for _ in range(REQUESTS):
            require(asking.ask("/")[0] == 200, "a request was not answered with 200")
        after = asking.stats()
    return tuple(after[key] - before[key] for key in ("slots_scanned", "wakeups")) + (
        after["requests"]["total"] - before["requests"]["total"],)


def measured(server):
    """{silent connections: (slots, waits, requests)} on one server, more and more of them."""
    held, found = [], {}
    try:
        for count in SILENT:
            silence(server.port, count, held)
            found[count] = counts_of(server.port)
    finally:
        for one in held:
            one.close()
    return found


def check(model, found):
    for silent, (slots, waits, requests) in found.items():
        where = f"{silent} silent: {slots} slots in {waits} waits for {requests} requests"
        require(requests == REQUESTS + 1, where)
        if model in CONSTANT:
            require(slots == CONSTANT[model] * requests, f"{where}, not {CONSTANT[model]} each")
            continue
        require(waits == requests, f"{where}, not one wait each")
        require(slots % waits == 0, f"{where}, which is no whole number a wait")
        more = slots // waits - found[0][0] // found[0][1]
        require(more == silent, f"{where}: {more} more a wait than with none, not {silent}")


def one_model(build, ports, model):
    port = ports.take()
    server = processes.Server(model, [os.path.join(build, model), "--port", str(port), "--idle-timeout",
                                      "600", "--request-timeout", "600"], port)
    try:
        found = measured(server)
    finally:
        server.stop()
    print("# " + "; ".join(f"{silent} silent: {slots / requests:g} slots a request"
                           for silent, (slots, _, requests) in found.items()))
    check(model, found)


def can_fail():
    """The check itself, on counts that are wrong by one."""
    right = {silent: ((silent + 6) * 51, 51, 51) for silent in SILENT}
    check("poll", right)
    check("epoll", {silent: (51, 51, 51) for silent in SILENT})
    wrong = (("poll", {**right, 400: (406 * 51 + 1, 51, 51)}), ("poll", {**right, 400: (407 * 51, 51, 51)}),
             ("select", {**right, 900: (906 * 52, 52, 51)}), ("epoll", {0: (51, 51, 51), 900: (52, 51, 51)}),
             ("io_uring", {0: (102, 102, 51), 900: (101, 102, 51)}), ("poll", {0: (0, 0, 0)}))
    for model, counts in wrong:
        try:
            check(model, counts)
        except AssertionError:
            continue
        raise AssertionError(f"{model} passed with {counts}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default=os.path.join(ROOT, os.environ.get("BUILD", "build")))
    build = parser.parse_args().build
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = processes.Ports(os.environ.get("SIX_PORTS", "24000-24999"))
    cases = [("wrong counts are found", can_fail)]
    for model in (*SCANNING, *CONSTANT):
        what = "a slot more a wait for each silent connection" if model in SCANNING else \
            f"{CONSTANT[model]} a request, however many are silent"
        cases.append((f"{model}: {what}", lambda model=model: one_model(build, ports, model)))
    print(f"1..{len(cases)}")
    failed = 0
    for number, (name, one) in enumerate(cases, 1):
        try:
            one()
            print(f"ok {number} - {name}", flush=True)
        except processes.Unavailable as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}")
            print("\n".join(f"# {line}" for line in traceback.format_exc().splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
