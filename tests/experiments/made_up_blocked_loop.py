"""Made-up rows of blocked_loop: epoll_blocking stands still for half of the time, 50 ms at once."""


def waited_us(model, part):
    """What the request at this part of the order (0 ... 1) waited."""
    rest = max(0.0, 100000 * (part - 0.5)) if model == "epoll_blocking" else 0.0
    return 60 + 10 * part + rest


def blocked_loop(add):
    for repeat in (1, 2, 3):
        for model in ("epoll", "epoll_blocking", "epoll_offload"):
            labels = {"model": model, "verdict": "valid", "repeat": repeat}
            add(part="run", rare_requests=30, rare_ms=50.2, requests=2700, server_cpu_pct=4.0,
                latency_intended_us_p50=waited_us(model, 0.5), latency_intended_us_p75=waited_us(model, 0.75),
                latency_intended_us_p90=waited_us(model, 0.9), latency_intended_us_p99=waited_us(model, 0.99),
                latency_intended_us_max=waited_us(model, 1), **labels)
            for one_in in (1, 1.25, 1.67, 2, 2.5, 4, 5, 10, 20, 50, 100, 200, 500, 1000):
                add(part="curve", one_in=one_in, latency_us=waited_us(model, 1 - 1 / one_in) + repeat, **labels)
