"""Made-up rows of c10k: everyone as foreseen, with a little noise that a test knows."""

import made_up


def c10k(add):
    answered = {"blocking": 1, "select": 1018}
    for repeat in (1, 2, 3):
        for model in made_up.SIX:
            if repeat > 1 and model == "blocking":
                continue
            served = answered.get(model, 10000)
            threads = 10001 if model == "thread" else 1
            add(model=model, verdict="valid" if served == 10000 else
                f"invalid: {served} of 10000 connections were open", clients=10000, repeat=repeat,
                connections_asked=10000, connections_open=served,
                connections_never_answered=10000 - served, errors_total=9000 if served == 1018 else 0,
                duration_s=1.0, latency_intended_us_p50=180.0 + 10 * repeat,
                latency_intended_us_p99=2000.0 + 100 * repeat, server_cpu_pct=20.0 + repeat,
                server_pss_kb=2000 if threads == 1 else 126000, server_kernel_stack_kb=16 * threads,
                server_page_tables_kb=48 if threads == 1 else 40800, server_threads=threads,
                server_vsz_kb=4000 + 8196 * (threads - 1))
