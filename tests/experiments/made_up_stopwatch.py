"""Made-up rows of stopwatch: 60,000 requests of 100 us and more, and one stop of exactly 1.4 s in 30 s."""

STOP_S, LENGTH_S = 1.4, 30.0
NAMED = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)


def calm_us(fraction):
    return 100.0 / (1 - fraction) ** 0.4


def intended_us(fraction):
    return max(calm_us(fraction), 1e6 * (STOP_S - (1 - fraction) * LENGTH_S))


def sent_us(fraction):
    """100 of 60,000 were under way."""
    return 1.4e6 if 1 - fraction < 100 / 60000 else calm_us(fraction)


def stopwatch(add):
    for run, intended, sent in (("quiet", calm_us, calm_us), ("stopped", intended_us, sent_us)):
        columns = {}
        for head, latency in (("latency_intended_us", intended), ("latency_us", sent)):
            for fraction in NAMED:
                digits = f"{100 * fraction:.10g}".replace(".", "")
                columns[f"{head}_p{digits}"] = latency(fraction)
        add(model="epoll", verdict="valid", run=run, repeat=1, connections_asked=100,
            stop_s=STOP_S if run == "stopped" else None, duration_s=LENGTH_S, **columns)
        for curve, latency in (("intended", intended), ("sent", sent)):
            for step in range(75):
                fraction = 1 - 0.5 * 10 ** (-step / 20)
                add(model="epoll", verdict="valid", run=run, repeat=1, curve=curve, fraction=fraction,
                    latency_us=latency(fraction))
