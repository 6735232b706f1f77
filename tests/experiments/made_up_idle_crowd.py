"""Made-up rows of idle_crowd; see made_up.py."""

MODELS = ("thread", "select", "poll", "epoll", "io_uring")
BASE_US = {"thread": 11.0, "select": 5.0, "poll": 5.1, "epoll": 5.0, "io_uring": 4.6}


def cost_us(model, idle):
    """CPU a request: a silent connection costs poll and select 2 ns of each, since many share a scan."""
    return BASE_US[model] + (0.002 * idle if model in ("select", "poll") else 0)


def idle_crowd(add):
    for repeat in (1, 2, 3):
        for model in MODELS:
            for idle in (0, 100, 800) if model == "select" else (0, 100, 1000, 10000):
                slots = {"thread": 0, "epoll": 1, "io_uring": 2}.get(model, idle + 6)
                labels = {"model": model, "verdict": "valid", "idle": idle, "repeat": repeat}
                add(**labels, kind="alone", slots_per_request=slots, waits_per_request=1)
                add(**labels, kind="load", latency_us_p99=2000, server_cpu_us_per_request=cost_us(model, idle),
                    throughput_rps=1e6 / cost_us(model, idle) * (1 + 0.01 * repeat))
                add(**labels, kind="crowd", slots_per_request=slots / 100, waits_per_request=0.01)
