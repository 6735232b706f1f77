"""What one idle kept-alive connection costs a server in user memory.

Called by bench.py. The client is our own: the levels are measured on one server while its connections stay open.
Each connection asks for / once, has its answer, and is silent from then on. They come in crowds, so that the
server at times holds a crowd's buffers at once and has to give them back.

The level of 0 connections is taken after a first crowd has been served and has gone: what a server sets up
once (pages of code, the allocator's first heap) is no connection's cost.
"""

import time

import arena
from lib import stats

LEVELS = (0, 2500, 5000, 7500, 10000)
CROWD = 250
SETTLE_S = 0.2
KERNEL_STACK_B = 16384  # THREAD_SIZE of x86-64 and arm64
MEASURES = ("pss", "private")


def colon_file(path):
    """{key: bytes, or a plain count} of a /proc file of "Key:  123 kB" lines."""
    figures = {}
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            words = value.split()
            if words and words[0].isdigit():
                figures[key] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return figures


def sample(pid):
    """Bytes of one process: user memory in two counts, and what the kernel keeps for its threads."""
    rollup, status = colon_file(f"/proc/{pid}/smaps_rollup"), colon_file(f"/proc/{pid}/status")
    return {"pss": rollup["Pss"], "private": rollup["Private_Clean"] + rollup["Private_Dirty"],
            "page_tables": status["VmPTE"], "kernel_stacks": status["Threads"] * KERNEL_STACK_B}


def crowd(port, count):
    """So many connections that have all been served once."""
    held = []
    try:
        for _ in range(count):
            held.append(arena.connect(port))
        for connection in held:
            arena.served(connection)
    except OSError as error:
        leave(held)
        raise arena.Broken(f"after {len(held)} connections of a crowd: {error}") from error
    return held


def leave(held):
    for connection in held:
        connection.close()


def fill(server, levels=LEVELS):
    """[(connections, {kind: bytes})], level after level. Raises Broken."""
    leave(crowd(server.port, CROWD))
    held, found = [], []
    try:
        for level in levels:
            while len(held) < level:
                try:
                    held += crowd(server.port, min(CROWD, level - len(held)))
                except arena.Broken as reason:
                    raise arena.Broken(f"it holds {len(held)} connections: {reason}") from reason
            time.sleep(SETTLE_S)
            found.append((level, sample(server.pid)))
    finally:
        leave(held)
    return found


def summed_up(found):
    """Bytes a connection, of each kind: KIND_slope (least squares over all levels) and KIND_difference (last
    level less first). "worst" is the greatest of the four figures of user memory: the one to judge by."""
    row = {}
    first, last = found[0], found[-1]
    for kind in first[1]:
        points = [(level, sizes[kind]) for level, sizes in found]
        row[f"{kind}_slope"] = stats.least_squares(points)[0]
        row[f"{kind}_difference"] = (last[1][kind] - first[1][kind]) / (last[0] - first[0])
    row["worst"] = max(row[f"{kind}_{how}"] for kind in MEASURES for how in ("slope", "difference"))
    return row
