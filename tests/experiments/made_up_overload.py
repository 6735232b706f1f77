"""Made-up rows of overload: M/D/1 below the limit, a queue that grows evenly above it, C/mu closed."""

MU_RPS, LENGTH_S = 9000.0, 0.7


def open_us(share):
    service_us, part = 1e6 / MU_RPS, share / 100
    if part < 1:
        return service_us * (1 + part / (2 * (1 - part)))
    return service_us + 1e6 * max(part - 1, 0.02) * LENGTH_S / 2


def overload(add):
    for repeat in (1, 2, 3):
        off = 1 + 0.02 * (repeat - 2)
        for model in ("thread", "epoll"):
            add(model=model, verdict="valid", load="capacity", repeat=repeat, duration_s=0.3,
                throughput_rps=MU_RPS * off)
            for share in (50, 70, 80, 90, 100, 110, 120):
                mean_us, over = open_us(share) * off, max(share / 100 - 1, 0.0) * MU_RPS
                add(model=model, verdict="valid", load="open", share_pct=share, mu_rps=MU_RPS,
                    repeat=repeat, duration_s=LENGTH_S, rate_asked_rps=share / 100 * MU_RPS,
                    throughput_rps=share / 100 * MU_RPS - over,
                    latency_intended_us_mean=mean_us, latency_intended_us_p99=2.2 * mean_us,
                    latency_us_mean=mean_us, latency_us_p99=mean_us, errors_total=0,
                    unsent_at_end=0, in_flight_at_end=over * LENGTH_S + 1)
                clients = share // 10
                mean_us = 1e6 * clients / MU_RPS * off
                add(model=model, verdict="valid", load="closed", share_pct=share, mu_rps=MU_RPS,
                    repeat=repeat, duration_s=0.12, throughput_rps=MU_RPS * off, latency_us_mean=mean_us,
                    latency_us_p99=1.3 * mean_us, errors_total=0, in_flight_at_end=clients)
