"""Made-up rows of thread_wall; see made_up.py."""

STACK_KB, GUARD_KB = 8192, 4
EACH_KB = {"virtual_kb": STACK_KB + GUARD_KB, "resident_kb": 8.2, "page_tables_kb": 4.0, "kernel_stacks_kb": 16.0,
           "slab_kb": 7.0, "available_fell_kb": 35.0}
BASE_KB = {"virtual_kb": 2500, "resident_kb": 1500, "page_tables_kb": 50}
WALL = 32400


def thread_wall(add):
    for repeat in (1, 2, 3):
        for threads in (0, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, WALL):
            figures = {key: BASE_KB.get(key, 0) + each * threads for key, each in EACH_KB.items()}
            common = {"model": "thread", "verdict": "valid", "repeat": repeat, "threads": threads,
                      "stack_kb": STACK_KB, "guard_kb": GUARD_KB, **figures}
            if threads < WALL:
                add(kind="park", elapsed_us=20 * threads, **common)
            else:
                add(kind="wall", refused=1, wall="kernel.pid_max", how="counted", held_ms=5,
                    limits="kernel.pid_max 32468 of 32468", foreseen_threads=WALL + 10 * repeat,
                    foreseen_wall="kernel.pid_max", **common)
        for model, single, together in (("thread", 20, 15), ("process", 120, 90)):
            for count in (10, 100, 1000):
                add(model=model, verdict="valid", kind="start", repeat=repeat, count=count,
                    all_us=together * count, launch_us=together / 2, together_us=together, single_us=single)
        for how, pinned, us in (("futex", 1, 1.5), ("pipe", 1, 1.8), ("futex", 0, 2.5), ("pipe", 0, 3)):
            add(model="thread", verdict="valid", kind="switch", repeat=repeat, how=how, pinned=pinned,
                rounds=1000, switch_us=us + 0.01 * repeat, cpu_us=us, switches_per_hand_over=1)
        for ballast in (0, 50):
            add(model="process", verdict="valid", kind="fork", repeat=repeat, count=20, ballast_mib=ballast,
                resident_kb=560 + 1024 * ballast, pss_kb=50 + 50 * ballast, private_kb=36,
                page_tables_kb=44 + 2 * ballast)
