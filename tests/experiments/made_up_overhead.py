"""Made-up rows of overhead: each model as foreseen, io_uring's steps with ratios that a test knows."""

import made_up

COST_US = {"blocking": 11.0, "thread": 12.0, "select": 7.4, "poll": 7.3, "epoll": 7.0, "nginx": 8.5}
# Of epoll's throughput.
RATIO = {("epoll", "edge"): 0.96, ("io_uring", "readiness"): 0.8, ("io_uring", "single"): 0.98,
         ("io_uring", "defer"): 1.1, ("io_uring", "accept"): 1.1, ("io_uring", ""): 1.16,
         ("io_uring", "each"): 0.9, ("io_uring", "zero"): 1.05, ("io_uring", "sqpoll"): 0.5}


def cost_us(model, form, clients):
    us = COST_US.get(model) or COST_US["epoll"]
    us /= RATIO.get((model, form), 1.0)
    return us * (2.5 if clients == 1 else 1.2 if clients == 10 else 1.0)


def calls(model, form, clients):
    if model == "nginx":
        return None
    if model in ("blocking", "thread"):
        return 2.0
    if model == "io_uring" and form in ("", "single", "defer", "accept", "zero"):
        return {1: 1.5, 10: 0.3, 100: 0.05, 1000: 0.02}[clients]
    return 2.0 + 1.0 / clients + (1.0 if form == "edge" else 0.0)


def overhead(add):
    for repeat in (1, 2, 3):
        for clients in (1, 10, 100, 1000):
            for model, form in [*((model, "") for model in COST_US), *RATIO]:
                if model == "blocking" and clients > 1 and repeat > 1:
                    continue
                # Another noise for the forms, so that ratios spread, too.
                us = cost_us(model, form, clients) * (1 + (0.05 if form else 0.02) * (repeat - 2))
                busy = 0.4 if clients == 1 or model == "blocking" else 1.0
                add(model=model, verdict="valid", form=form, clients=clients, repeat=repeat,
                    throughput_rps=busy * 1e6 / us, server_cpu_us_per_request=us,
                    syscalls_per_request=calls(model, form, clients),
                    server_ctx_switches_per_request=1.0 if model in ("blocking", "thread") or clients == 1
                    else 0.0)
    assert set(COST_US) | {"io_uring"} == {*made_up.SIX, "nginx"}
