"""--workers N: several processes on one listener, supervised."""

import os
import signal
import time

from harness import SLOW, case, check, equal, eventually
from server import parent_of

CPU = b"GET /cpu?us=20000 HTTP/1.1\r\nHost: a\r\n\r\n"


def answering_pids(server, count=16):
    """Who answers when everybody is kept busy: /cpu on many connections, then /stats on each.

    One after the other, so that no worker can take all of them in one burst of accepting before it
    begins to compute: while it computes, only another one can take the next.
    """
    clients = []
    try:
        for _ in range(count):
            clients.append(server.client())
            clients[-1].send(CPU + b"GET /stats HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.005)
        pids, workers = set(), server.workers()
        for client in clients:
            equal(client.response().status, 200, "status of /cpu")
            pids.add(worker_of(client.response().json()["pid"], workers))
            client.close()
        return pids
    finally:
        for client in clients:
            client.close()


def worker_of(pid, workers):
    """The worker itself; of a process that serves one connection, the worker that made it."""
    return pid if pid in workers else parent_of(pid)


def both_answer(server):
    """True once exactly two processes answer, and they are its workers."""
    pids, workers = answering_pids(server), set(server.workers())
    return (len(pids) == 2 and pids == workers) or f"answers from {pids}, workers are {workers}"


@case("--workers 2: both answer", seconds=1)
def both(context):
    with context.server("--workers", 2) as server:
        eventually(lambda: both_answer(server), "both workers answer", 10)


@case("--workers 2: a worker that dies is replaced", seconds=1.5)
def replaced(context):
    with context.server("--workers", 2, stderr_expected=True) as server:
        eventually(lambda: len(server.workers()) == 2, "two workers")
        for number in (signal.SIGKILL, signal.SIGSEGV):
            victim = server.workers()[0]
            os.kill(victim, number)
            eventually(lambda: len(server.workers()) == 2 and victim not in server.workers(), "a new worker")
            eventually(lambda: both_answer(server), "the new worker answers, too", 10)


@case("--workers 2: SIGTERM to the parent answers what is in flight and stops all", seconds=1)
def stops_all(context):
    for number in (signal.SIGTERM, signal.SIGINT):
        with context.server("--workers", 2) as server:
            eventually(lambda: len(server.workers()) == 2, "two workers")
            workers = server.workers()
            with server.client() as client:
                client.send(b"GET /db?ms=400 HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.1 * SLOW)
                server.tell(number)
                client.response().json()
            server.check_end(server.wait())
            check(not any(os.path.exists(f"/proc/{pid}") for pid in workers), f"of {workers} some are still there")


@case("--workers 2: no worker outlives a parent that was killed", seconds=1)
def orphans(context):
    with context.server("--workers", 2, stderr_expected=True) as server:
        eventually(lambda: len(server.workers()) == 2, "two workers")
        workers, port = server.workers(), server.port
        os.kill(server.pid, signal.SIGKILL)
        server.wait()

        def running(pid):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    return file.read().rpartition(")")[2].split()[0] != "Z"
            except OSError:
                return False

        try:
            eventually(lambda: not any(running(pid) for pid in workers), "the workers end, too")
            again = context.server(port=port)
            again.hello()
            again.stop()
        finally:
            for pid in workers:
                if running(pid):
                    os.kill(pid, signal.SIGKILL)


@case("--workers 2: neither the parent nor the workers spin", needs="quiet", seconds=1.3)
def workers_idle(context):
    with context.server("--workers", 2) as server:
        server.hello()
        time.sleep(0.2)
        busy_ms = server.cpu_ms_over(1.0)
        check(busy_ms < 20 * SLOW, f"{busy_ms:.1f} ms of CPU time in a second of silence")


@case("--workers 2: the whole port serves 300 connections in a row", seconds=1)
def workers_many(context):
    with context.server("--workers", 2) as server:
        for _ in range(300):
            server.hello()


@case("--workers 2: the port can be taken again at once", seconds=1)
def workers_port_again(context):
    server = context.server("--workers", 2)
    for _ in range(3):
        server.hello()
        port = server.port
        server.stop()
        server = context.server("--workers", 2, port=port)
    server.stop()


@case("--workers 2: SIGTERM right after the start, 20 times", seconds=1)
def workers_stop_at_once(context):
    """Ready means ready to be stopped, too."""
    for number in (signal.SIGTERM, signal.SIGINT) * 10:
        context.server("--workers", 2).stop(number)
