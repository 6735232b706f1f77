"""Too many connections, too few descriptors: refused with 503 and counted, no spin, and recovery."""

import os
import resource
import socket
import time

from client import read_all
from harness import SLOW, Failure, Skip, case, check, equal, eventually

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CROWD = 1100


def refused(client, send_first):
    """Whether this new connection was refused with a whole 503; it answers a request otherwise."""
    if send_first:
        client.send(GET)
    else:
        # A refusal does not wait for a request; a client that is served says nothing before one.
        client.sock.settimeout(0.3 * SLOW)
        try:
            client.buffer += client.sock.recv(65536)
        except socket.timeout:
            pass
        except ConnectionError as error:
            raise Failure(f"connection broken ({error}) instead of a 503") from None
        client.sock.settimeout(10 * SLOW)
        if not client.buffer:
            client.send(GET)
    response = client.response()
    if response.status == 503:
        equal(response.fields.get("connection"), "close", "Connection of the 503")
        client.expect_end()
        return True
    equal(response.status, 200, "status")
    return False


def check_quiet(context, server, allowed_ms, situation):
    """No spin: next to no CPU time while nothing moves."""
    if context.has("quiet"):
        busy_ms = server.cpu_ms_over(1.0)
        check(busy_ms < allowed_ms * SLOW, f"{busy_ms:.1f} ms of CPU time in a second {situation}")


def close_all(clients):
    for client in clients:
        client.close()


def refused_count(client):
    return client.stats()["connections"]["refused"]


def max_conns(context, send_first):
    with context.server("--max-conns", 5) as server:
        inside = [server.client() for _ in range(5)]
        outside = []
        try:
            for client in inside:
                equal(client.get().status, 200, "status below the limit")
            before = refused_count(inside[0])
            for _ in range(7):
                outside.append(server.client())
                check(refused(outside[-1], send_first), "a connection above --max-conns was served")
            for client in inside:
                equal(client.get().status, 200, "status of those inside, after refusals")
            equal(refused_count(inside[0]) - before, 7, "connections.refused")
            inside.pop().close()
            eventually(lambda: serves(server), "a place that became free is given away again")
        finally:
            close_all(inside + outside)


def serves(server):
    with server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return client.response().status == 200


@case("--max-conns: above it 503 and close, to clients that wait", needs="refuses", seconds=3)
def max_conns_silent(context):
    max_conns(context, send_first=False)


@case("--max-conns: above it 503 and close, to clients that have sent a request", needs="refuses")
def max_conns_sending(context):
    max_conns(context, send_first=True)


@case("--max-conns: every way of leaving gives the place back", needs="refuses", seconds=1)
def max_conns_one(context):
    with context.server("--max-conns", 1) as server:
        for index in range(120):
            eventually(lambda: serves(server), f"the only place, after {index} clients")
            client = server.client()
            client.send((GET, b"", GET[:9], b"bad\r\n\r\n", b"GET /bytes?n=3000000 HTTP/1.1\r\nHost: a\r\n\r\n")[index % 5])
            client.reset() if index % 2 else client.close()


@case("--max-conns: refused clients that do not leave use up nothing", needs="refuses", seconds=2)
def max_conns_crowd(context):
    """300 clients that stay although they were refused: those inside are still served."""
    with context.server("--max-conns", 3) as server:
        inside = [server.client() for _ in range(3)]
        for client in inside:
            client.get()
        before = server.descriptors()
        outside = [server.client() for _ in range(300)]
        try:
            for client in outside:
                equal(client.response().status, 503, "status above the limit")
            eventually(lambda: server.descriptors() <= before + 3, "the refused ones' descriptors are closed", 8)
            for client in inside:
                equal(client.get().status, 200, "status of those inside")
        finally:
            close_all(inside + outside)


def few_descriptors(context, send_first):
    limit, asked = 32, 80
    with context.server(nofile=limit) as server:
        with server.client() as first:
            equal(first.get().status, 200, "status of the first")
        clients, served, refusals = [], 0, 0
        try:
            for _ in range(asked):
                clients.append(server.client())
                if refused(clients[-1], send_first):
                    refusals += 1
                else:
                    served += 1
            check(served >= limit // 4, f"only {served} connections served with {limit} descriptors")
            check(served < limit, f"{served} connections served with {limit} descriptors")
            equal(served + refusals, asked, "connections answered")
            check_quiet(context, server, 50, "with all descriptors in use")
            equal(clients[0].get().status, 200, "status of the first one, in the crowd")
            equal(refused_count(clients[0]), refusals, "connections.refused")
        finally:
            close_all(clients)
        eventually(lambda: serves(server), "a client is served when the crowd has left")


@case("ulimit -n 32: serves what fits, refuses the others, does not spin, recovers", needs="refuses", seconds=6)
def few_descriptors_sending(context):
    few_descriptors(context, send_first=True)


@case("ulimit -n 32: clients that connect and wait are refused, too", needs="refuses", seconds=20)
def few_descriptors_silent(context):
    few_descriptors(context, send_first=False)


@case("ulimit -n 32: 80 clients at once", needs="refuses", seconds=3)
def few_descriptors_at_once(context):
    """All in the queue before the first is answered, and they stay: every one gets an answer."""
    with context.server(nofile=32) as server:
        clients = [server.client() for _ in range(80)]
        try:
            for client in clients:
                client.send(GET)
            statuses = [client.response().status for client in clients]
            equal(sorted(set(statuses)), [200, 503], "statuses")
            check_quiet(context, server, 50, "afterwards")
        finally:
            close_all(clients)
        eventually(lambda: serves(server), "a client is served when the crowd has left")


def out_of_descriptors(context, room):
    """A limit that is lowered while it runs: accept itself fails with EMFILE (accept(2)), unforeseen.

    Not for io_uring: its kernel side keeps the limit that held when the accept was armed.
    """
    with context.server() as server:
        server.hello()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = max(int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")) + 1
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (lowest_free + room, hard))
        clients = [server.client() for _ in range(60)]
        try:
            for client in clients:
                client.send(GET)
            statuses = [client.response().status for client in clients]
            served, refusals = statuses.count(200), statuses.count(503)
            equal(served + refusals, 60, f"200 ({served}) and 503 ({refusals})")
            check(served and refusals, f"{served} served and {refusals} refused with about {room} free descriptors")
            equal(clients[0].get().status, 200, "status of one that was served, afterwards")
            equal(refused_count(clients[0]), refusals, "connections.refused")
            check_quiet(context, server, 50, "without descriptors")
        finally:
            close_all(clients)
        eventually(lambda: serves(server), "a client is served when the crowd has left")


@case("EMFILE from accept: refused with 503, no spin, recovers", needs="refuses one_process recv_send", seconds=2)
def out_of_descriptors_some(context):
    out_of_descriptors(context, room=10)


@case("EMFILE from accept, then clients that come and go in the crowd", needs="refuses", seconds=2)
def out_of_descriptors_churn(context):
    with context.server() as server:
        server.hello()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = max(int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")) + 1
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (lowest_free + 6, hard))
        clients = []
        try:
            for _ in range(6):
                clients.append(server.client())
                clients[-1].send(GET)
            equal(clients[0].response().status, 200, "status of the first")
            for _ in range(40):
                with server.client() as passing:
                    passing.send(GET)
                    check(passing.response().status in (200, 503), "neither served nor refused")
            for _ in range(40):
                server.client().reset()
            equal(clients[0].get().status, 200, "status of the first, afterwards")
        finally:
            close_all(clients)
        eventually(lambda: serves(server), "a client is served when the crowd has left")


@case("ulimit -n 32: one after another, 80 clients that came at once", needs="sequential", seconds=2)
def few_descriptors_sequential(context):
    with context.server(nofile=32) as server:
        clients = [server.client() for _ in range(80)]
        try:
            for client in clients:
                client.send(GET)
            equal(clients[0].response().status, 200, "status of the first")
            check_quiet(context, server, 20, "with 79 clients waiting")
            for client in clients:
                if client is not clients[0]:
                    equal(client.response().status, 200, "status")
                client.close()
        finally:
            close_all(clients)
        server.hello()


def need_descriptors(count):
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        raise Skip(f"needs {count} descriptors, the limit is {soft}")
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
        backlog = int(file.read())
    if backlog < CROWD:
        raise Skip(f"needs a backlog of {CROWD}, net.core.somaxconn is {backlog}")


@case(f"{CROWD} connections open at once, each answered twice", needs="crowds", alone=True, seconds=3)
def crowd(context):
    need_descriptors(CROWD + 200)
    with context.server() as server:
        clients = []
        try:
            for _ in range(CROWD):
                clients.append(server.client(timeout=20))
            for _ in range(2):
                for client in clients:
                    client.send(GET)
                for client in clients:
                    equal(client.response().body, b"Hello, World!", "reply in the crowd")
            stats = clients[0].stats()["connections"]
            equal((stats["open"], stats["refused"]), (CROWD, 0), "open and refused")
        finally:
            close_all(clients)
        server.hello()


@case(f"{CROWD} connections at once: those it can watch are served, the others get 503", needs="fd_setsize", alone=True, seconds=3)
def crowd_fd_setsize(context):
    need_descriptors(CROWD + 200)
    with context.server() as server:
        clients = []
        try:
            for _ in range(CROWD):
                clients.append(server.client(timeout=20))
            for client in clients:
                client.send(GET)
            statuses = [client.response().status for client in clients]
            served, refusals = statuses.count(200), statuses.count(503)
            equal(served + refusals, CROWD, f"200 ({served}) and 503 ({refusals})")
            check(1000 <= served < 1024, f"{served} of {CROWD} served; select can watch descriptors below 1024")
            # The line is drawn by descriptor: everybody before it is served, nobody behind it.
            equal(statuses, [200] * served + [503] * refusals, "statuses in the order of arrival")
            kept = clients[:served]
            for client in clients[served:]:
                client.expect_end()
            for client in kept:
                equal(client.get().body, b"Hello, World!", "second reply")
            stats = kept[0].stats()["connections"]
            equal((stats["open"], stats["refused"]), (served, refusals), "open and refused")
            check_quiet(context, server, 20, "of silence")
        finally:
            close_all(clients)
        eventually(lambda: serves(server), "a client is served when the crowd has left")


@case(f"{CROWD} connections at once are served one after another", needs="sequential", alone=True, seconds=2)
def crowd_sequential(context):
    need_descriptors(CROWD + 200)
    with context.server() as server:
        clients = []
        try:
            for _ in range(CROWD):
                clients.append(server.client(timeout=30))
            for client in clients:
                client.send(GET)
            for client in clients:
                equal(client.response().body, b"Hello, World!", "reply in the crowd")
                client.close()
        finally:
            close_all(clients)
        server.hello()


@case("--backlog 1 still serves everybody who waits their turn")
def small_backlog(context):
    with context.server("--backlog", 1) as server:
        for _ in range(20):
            server.hello()


@case("the 503 is the same bytes from every kind of refusal", needs="refuses")
def same_503(context):
    seen = set()
    for options, how in ((("--max-conns", 2), {}), ((), {"nofile": 32})):
        with context.server(*options, **how) as server:
            clients = []
            try:
                for _ in range(40):
                    clients.append(server.client())
                    clients[-1].send(GET)
                    if clients[-1].response().status == 503:
                        clients[-1].close()
                        break
                else:
                    raise Failure("40 connections and no 503")
                clients.append(server.client())
                clients[-1].send(GET)
                data = clients[-1].rest()
                read_all(data)
                seen.add(data)
            finally:
                close_all(clients)
    equal(len(seen), 1, f"different replies: {seen}")


@case("too few descriptors to start is one line and exit 1")
def too_few_to_start(context):
    if SLOW != 1:
        raise Skip("a sanitizer needs descriptors of its own to start")
    from server import run_briefly

    status, out, err = run_briefly(context.binary, "--port", "0", nofile=4)
    equal(status, 1, f"exit status (stdout {out!r}, stderr {err!r})")
    equal(out, b"", "stdout")
    check(err.endswith(b"\n") and err.count(b"\n") == 1, f"stderr is not one line: {err!r}")


@case("a limit that leaves no room for one client is not a crash", seconds=0.5)
def hardly_any_descriptors(context):
    """From 'cannot start' to 'serves': at each limit either one line and exit 1, or it serves."""
    if SLOW != 1:
        raise Skip("a sanitizer needs descriptors of its own to start")
    from server import Server

    for limit in range(5, 14):
        server = Server(context.binary, context.model.name, (), nofile=limit)
        context.servers.append(server)
        try:
            server.start()
        except Failure as failure:
            status = server.process.returncode
            check(status == 1, f"ulimit -n {limit}: {failure}")
            check(server.stderr().count("\n") == 1, f"ulimit -n {limit}: stderr is {server.stderr()!r}")
            continue
        with server:
            for _ in range(3):
                client = server.client()
                client.send(GET)
                check(client.response().status in (200, 503), f"ulimit -n {limit}: neither 200 nor 503")
                client.close()
                time.sleep(0.01)
