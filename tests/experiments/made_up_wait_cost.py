"""Made-up rows of wait_cost; see made_up.py."""

MECHANISMS = ("select", "poll", "epoll", "io_uring")
BARE_US = 0.4


def cost_us(model, watched, active):
    """Straight lines: a slot costs 0.08 us, select's bits a tenth more; 0.5 us for each that is ready."""
    scan = {"select": 0.088, "poll": 0.08}.get(model, 0)
    return 0.6 + active * (BARE_US + 0.1) + scan * watched


def wait_cost(add):
    for repeat in (1, 2, 3):
        for active, counts in ((1, (10, 100, 1000, 10000, 19000)), (100, (100, 500, 2500, 10000))):
            for watched in counts:
                for model in MECHANISMS:
                    slots = {"select": watched + 5, "poll": watched}.get(model, active)
                    add(model=model, verdict="valid", repeat=repeat, active=active, watched=watched,
                        operations=1000, cpu_us=cost_us(model, watched, active) * (1 + 0.01 * (repeat - 2)),
                        user_us=0.1, sys_us=1.0, wall_us=2.0, without_wait_us=BARE_US * active, slots=slots,
                        waits=1, rearmed=0)
