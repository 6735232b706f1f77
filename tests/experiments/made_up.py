"""Made-up rows of the experiments, for tests of what is computed and drawn from rows.

They follow the predictions exactly but for a little, known noise, so that a test knows the right answer.
Nothing here measures anything, and nothing of it is ever drawn for a reader.
"""

import glob
import importlib
import math
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "experiments"))

from lib import rows as tsv  # noqa: E402

SIX = ["blocking", "thread", "select", "poll", "epoll", "io_uring"]
FACTS = {"date": "2000-01-01 00:00:00 +0000", "mode": "quick", "command": "./run_all.sh --quick",
         "kernel": "Linux 6.0.0-made-up x86_64", "cpu": "Made-up CPU", "cores": "2",
         "memory_mib": "1024", "limit_nofile": "20000", "build": "epoll made-up",
         "git": "000000000000", "complete": "yes", "seconds": "1.0"}


def timeline(add):
    for model in SIX:
        for repeat in (1, 2, 3):
            for batch, delays in (("requests", [100] * 20), ("tasks", [200, 100, 300])):
                free = 0.0
                for number, delay in enumerate(delays):
                    noticed = (free if model == "blocking" else 0.05 * number) + 0.1 * repeat
                    free = noticed + delay
                    add(model=model, verdict="valid", batch=batch, repeat=repeat, request=number + 1,
                        delay_ms=delay, status=200, thread=number + 1 if model == "thread" else 1,
                        sent_us=20.0 * number, accepted_us=1000 * noticed,
                        parsed_us=1000 * noticed + 30, waited_us=1000 * free,
                        answered_us=1000 * free + 20, done_us=1000 * free + 50)


CAPACITY = {"blocking": 100, "thread": 22000, "select": 30000, "poll": 33000, "epoll": 60000,
            "io_uring": 70000}


def concurrency(add, delay_s=0.010):
    for policy in ("kept", "close"):
        for clients in (1, 10, 100, 1000, 10000):
            for model in SIX:
                for repeat in (1, 2, 3):
                    add(**one_load(model, policy, clients, repeat, delay_s))


def one_load(model, policy, clients, repeat, delay_s):
    mu = CAPACITY[model] * (0.5 if policy == "close" and model != "blocking" else 1)
    served = min(clients, {"blocking": 1 if policy == "kept" else clients, "select": 1018}.get(
        model, clients))
    rate = min(served / delay_s, mu) * (1 + 0.01 * (repeat - 2))
    wait_us = 1e6 * max(delay_s, served / mu) if model != "blocking" else 1e6 * delay_s
    never = clients - served
    return {"model": model, "repeat": repeat, "policy": policy, "clients": clients,
            "verdict": "valid" if not never else f"invalid: {never} connections never answered",
            "connections_asked": clients, "connections_open": served,
            "connections_never_answered": never, "throughput_rps": rate,
            "latency_us_p50": wait_us, "latency_us_p99": wait_us * (1 + math.log10(clients)),
            "errors_total": 0, "little": 1.0}


def memory(add):
    user = {"thread": 9400, "select": 180, "poll": 190, "epoll": 172, "io_uring": 165}
    for repeat in (1, 2, 3):
        for model in SIX:
            most = {"blocking": 1, "select": 1018}.get(model, 10000)
            for asked in (0, 250, 500, 1000, 2500, 5000, 10000):
                held = min(asked, most)
                threads = held if model == "thread" else 1
                sockets = 2 * held
                add(model=model, verdict="valid", repeat=repeat, asked=asked, held=held,
                    refused=asked - held if model == "select" else 0,
                    unanswered=asked - held if model == "blocking" else 0,
                    pss_b=1_500_000 + user.get(model, 0) * held + 4096 * repeat,
                    rss_b=2_500_000 + user.get(model, 0) * held, vsz_b=8_000_000 + 8_392_704 * threads,
                    page_tables_b=60_000 + 4096 * threads, threads=threads,
                    kernel_stacks_b=16384 * threads, slab_sockets_b=9_000_000 + 3700 * sockets,
                    slab_watch_b=150 * held if model == "epoll" else 0,
                    slab_tasks_b=7_000_000 + 6500 * threads, mem_available_b=2e10 - 9000 * held)
                if held < asked:
                    break


# The rows of an experiment NAME may also stand in a file made_up_NAME.py, as a function NAME.
NAMES = ["timeline", "concurrency", "memory"]
for _path in sorted(glob.glob(os.path.join(HERE, "made_up_*.py"))):
    _name = os.path.basename(_path)[len("made_up_"):-len(".py")]
    NAMES.append(_name)
    globals()[_name] = getattr(importlib.import_module(f"made_up_{_name}"), _name)


def write(directory, names=None, **facts):
    """Writes NAME.tsv for each name; without names, for all."""
    os.makedirs(directory, exist_ok=True)
    for name in names or NAMES:
        table = tsv.Rows(os.path.join(directory, f"{name}.tsv"),
                         {"experiment": name, **FACTS, **facts})
        table.save = lambda: None  # once, at the end
        globals()[name](lambda table=table, **row: table.add(row))
        del table.save
        table.save()


if __name__ == "__main__":
    write(sys.argv[1])
