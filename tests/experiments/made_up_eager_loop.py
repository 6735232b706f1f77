"""Made-up rows of eager_loop: C/D with few a turn; from 1,000 on a round of D and the time to answer everyone."""

CLIENTS, DELAY_S = 10000, 0.100
CPU_US = {"epoll": 8.5, "io_uring": 8.0}
ANSWERING = 0.8  # the part of a request's CPU time that its answer takes
TURNS = (1, 5, 20, 100, 1000, 10000)


def one_run(model, turn, repeat):
    crowd = model == "io_uring" and turn >= 1000
    round_s = DELAY_S * 1.01 + (ANSWERING * CPU_US[model] * 1e-6 * CLIENTS if crowd else 0)
    rate = CLIENTS / round_s * (1 + 0.01 * (repeat - 1.5))
    return {"model": model, "verdict": "valid", "turn": turn, "clients": CLIENTS, "repeat": repeat,
            "throughput_rps": rate, "latency_us_mean": 1e6 * CLIENTS / rate,
            "server_cpu_us_per_request": CPU_US[model], "server_cpu_pct": rate * CPU_US[model] * 1e-4,
            "generator_cpu_pct": rate * 7e-4, "generator_waited_pct": 0.5}


def eager_loop(add):
    for repeat in (1, 2):
        for turn in TURNS:
            for model in ("epoll", "io_uring"):
                if model == "io_uring" or turn == CLIENTS:
                    add(**one_run(model, turn, repeat))
