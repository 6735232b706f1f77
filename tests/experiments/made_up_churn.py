"""Made-up rows of churn; see made_up.py."""

COST_US = {"blocking": 30, "thread": 45, "select": 22, "poll": 22, "epoll": 23, "io_uring": 20, "thread_pool": 30,
           "process": 180}
KINDS = ("accept", "recv", "send", "wait", "epoll_ctl", "io_uring_enter", "nanosleep", "shutdown", "close",
         "setsockopt", "clone")


def calls(model, kind):
    """System calls a connection: alone each wait serves one, in a crowd ten."""
    if model == "io_uring":
        return {"io_uring_enter": 4 if kind == "alone" else 0.4, "close": 1}
    found = {"accept": 1, "recv": 2, "send": 1, "close": 1}
    if model in ("select", "poll", "epoll"):
        found.update(accept=2 if kind == "alone" else 1.1, wait=3 if kind == "alone" else 0.3)
    if model == "epoll":
        found["epoll_ctl"] = 1
    if model in ("thread", "process"):
        found["clone"] = 1
    return found


def churn(add):
    for repeat in (1, 2, 3):
        for model, cost in COST_US.items():
            labels = {"model": model, "verdict": "valid", "repeat": repeat}
            for kind in ("alone", "crowd"):
                counts = {f"calls_{name}": calls(model, kind).get(name, 0) for name in KINDS}
                add(**labels, kind=kind, connections=51, calls=sum(counts.values()), **counts)
            add(**labels, kind="load", throughput_rps=1e6 / cost, server_cpu_us_per_request=cost,
                latency_us_p50=100 * cost, latency_us_p99=300 * cost, server_ctx_switches_per_request=0.1)
