"""Made-up rows of slow_clients: who serves one or ten at a time answers nobody once the crowd is there."""

MODELS = ["blocking", "thread", "select", "poll", "epoll", "io_uring", "thread_pool"]


def slow_clients(add, seconds=6):
    for repeat in (1, 2, 3):
        for model in MODELS:
            alive = model not in ("blocking", "thread_pool")
            cut = 500 if alive else {"blocking": 1, "thread_pool": 20}[model]
            labels = {"model": model, "verdict": "valid", "repeat": repeat}
            add(part="run", timeout_s=2, slow=500, slow_refused=0, slow_cut=cut, first_cut_s=3.1 + 0.01 * repeat,
                last_cut_s=3.6, good_due=800, good_answered=800 if alive else 8, server_threads=1,
                latency_intended_us_p99=2000 if alive else 1000000, errors_total=0 if alive else 700, **labels)
            for second in range(1, seconds + 1):
                answered = 100 if alive or second == 1 else 12 if second == 2 else 0
                add(part="second", second=second, answered_pct=answered,
                    second_p99_us=1000 + 100 * second if answered else None, second_errors=0, **labels)
