"""Made-up rows of cpu_bound: as predicted, with one percent of noise over the repeats."""

FORMS = [("blocking", ""), ("thread", ""), ("thread", "gil"), ("select", ""), ("poll", ""), ("epoll", ""),
         ("io_uring", ""), ("epoll_offload", "")]


def cpu_bound(add, unit_rps=500):
    for repeat in (1, 2, 3):
        noise = 1 + 0.01 * (repeat - 2)
        for model, lock in FORMS:
            labels = {"model": model, "verdict": "valid", "lock": lock, "repeat": repeat}
            for workers, cores in ((1, 1), (1, 2), (2, 2)):
                used = cores if workers == 2 or (model in ("thread", "epoll_offload") and not lock) else 1
                add(part="speed", workers=workers, cores=cores, throughput_rps=used * unit_rps * noise, **labels)
            p50, p99 = (300, 2500) if model == "epoll_offload" else (900, 20000) if model == "thread" else \
                (16000, 31000)
            for workers in (1, 2) if model == "epoll" else (1,):
                add(part="beside", workers=workers, cores=workers, beside_rps=unit_rps * noise,
                    latency_intended_us_p50=p50 * noise / workers, latency_intended_us_p99=p99 * noise / workers,
                    **labels)
            if model == "thread":
                add(part="waiting", workers=1, cores=1, throughput_rps=4900 * noise, **labels)
