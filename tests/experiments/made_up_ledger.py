"""Made-up rows of ledger: what its seven small measurements find when all is as the lab expects."""

SHOWN = ("thread", "epoll", "io_uring")


def ledger(add):
    for asked in (2048, 40960):
        add(model="listen", verdict="valid", part="backlog", repeat=1, asked=asked, limit=4096,
            granted=min(asked, 4096))
    add(model="process", verdict="valid", part="process", repeat=1, what="a bare Python interpreter",
        processes=1, rss_kb=9000, pss_kb=8000, private_kb=7000, page_tables_kb=60)
    for repeat in (1, 2, 3):
        for model in ("thread_pool", *SHOWN):
            add(model=model, verdict="valid", part="hundred", repeat=repeat, answered=100,
                total_ms=(1000 if model == "thread_pool" else 100) + repeat)
        add(model="process", verdict="valid", part="process", repeat=repeat, what="a forked child in C",
            processes=50, rss_kb=1200, pss_kb=70, private_kb=55, page_tables_kb=40)
        for model, pct in (("spin", 99.5), ("epoll", 0.0)):
            add(model=model, verdict="valid", part="idle", repeat=repeat, connections=100, cpu_pct=pct,
                demand_pct=pct)
        add(model="epoll", verdict="valid", part="workers", repeat=repeat, workers=2, requests=800,
            least_share=0.47, replaced=2, replaced_ms=30, answered_after=20)
        for model in SHOWN:
            for name, rate, wait_ms in (("JSON", 30000, 3.3), ("database", 9800, 5.1), ("services", 2950, 10.2)):
                add(model=model, verdict="valid", part="scenario", repeat=repeat, scenario=name,
                    throughput_rps=rate + repeat, latency_us_mean=1000 * wait_ms, latency_us_p50=1000 * wait_ms,
                    latency_us_p95=1100 * wait_ms, latency_us_p99=1300 * wait_ms, errors_total=0, little=1.0,
                    requests={"JSON": 10000, "database": 5000, "services": 3000}[name])
    for model in SHOWN:
        add(model=model, verdict="valid", part="stream", repeat=1, streams=100, pieces=100, pause_ms=100,
            completed=100, errors_total=0, threads=101 if model == "thread" else 1, stream_ms=10010,
            stream_max_ms=10030, beside_p99_us=300)
