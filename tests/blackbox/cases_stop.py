"""SIGTERM and SIGINT: what is in flight is answered, nothing else is waited for, and the exit is 0."""

import signal
import socket
import threading
import time

from harness import SLOW, Failure, case, check, equal

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@case("SIGTERM and SIGINT right after the start, 40 times", seconds=0.7)
def stop_at_once(context):
    for number in (signal.SIGTERM, signal.SIGINT) * 20:
        server = context.server()
        server.stop(number)


@case("SIGTERM: a request that waits for the database is answered first", seconds=0.8)
def term_answers_in_flight(context):
    for number in (signal.SIGTERM, signal.SIGINT):
        with context.server() as server, server.client() as client:
            client.send(b"GET /db?ms=500 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.15 * SLOW)
            server.tell(number)
            client.response().json()
            client.expect_end()
            server.check_end(server.wait())


@case("SIGTERM: everything in flight is answered", needs="unbounded", seconds=1)
def term_answers_all(context):
    with context.server() as server:
        clients = [server.client() for _ in range(30)]
        idle = [server.client() for _ in range(10)]
        size = 20000000  # more than the sockets' buffers hold: the server has to go on sending
        targets = ["/db?ms=500", "/stream?n=5&ms=100"] * 14 + [f"/bytes?n={size}"] * 2
        try:
            for client in idle[5:]:
                client.get()
            for client, target in zip(clients, targets):
                client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            time.sleep(0.2 * SLOW)
            server.tell()
            for client in idle:
                client.expect_end()
            for client, target in zip(clients, targets):
                response = client.response()
                equal(response.status, 200, f"status of {target}")
                check("bytes" not in target or len(response.body) == size, f"{len(response.body)} bytes of {target}")
                client.expect_end()
            server.check_end(server.wait())
        finally:
            for client in clients + idle:
                client.close()


@case("SIGTERM: no new connection is served while the last requests are answered", seconds=1)
def term_stops_accepting(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET /db?ms=700 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1 * SLOW)
        server.tell()
        time.sleep(0.2)
        with socket.socket() as late:
            late.settimeout(5 * SLOW)
            try:
                late.connect((server.host, server.port))
                late.sendall(GET)
                answer = late.recv(100)
            except OSError:
                answer = b""
            check(not answer.startswith(b"HTTP/1.1 200"), f"a connection made after SIGTERM was served: {answer!r}")
        client.response().json()
        server.check_end(server.wait())


@case("SIGTERM: idle connections do not hold up the exit", seconds=0.5)
def term_idle(context):
    """Sequential servers hold one connection and leave the others in the queue."""
    for prepare in (b"", GET[:10], GET):
        with context.server() as server:
            clients = [server.client() for _ in range(5)]
            try:
                for client in clients:
                    client.send(prepare)
                if prepare == GET:
                    clients[0].response()
                time.sleep(0.05)
                began = time.monotonic()
                server.tell()
                server.check_end(server.wait())
                # Nothing is in flight, so there is nothing to give the five seconds of grace to.
                check(time.monotonic() - began < 4 * SLOW, f"took {time.monotonic() - began:.1f} s")
            finally:
                for client in clients:
                    client.close()


@case("SIGTERM: connections that were made a moment ago do not hold up the exit, 30 times", seconds=0.7)
def term_fresh(context):
    """Whatever a server prepares for a new connection, a signal may come in the middle of it."""
    for index in range(30):
        server = context.server()
        clients = [server.client() for _ in range(3)]
        try:
            time.sleep(0.001 * (index % 5))
            began = time.monotonic()
            server.tell()
            server.check_end(server.wait())
            check(time.monotonic() - began < 4 * SLOW, f"took {time.monotonic() - began:.1f} s")
        finally:
            for client in clients:
                client.close()


@case("SIGTERM: a request that would take a minute is given up after about 5 s", seconds=5.2)
def term_gives_up(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET /db?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1 * SLOW)
        began = time.monotonic()
        server.tell()
        server.check_end(server.wait(20))
        check(time.monotonic() - began >= 3, f"gave up after {time.monotonic() - began:.1f} s already")


@case("SIGTERM: a reader that does not read is given up after about 5 s", seconds=5.2)
def term_gives_up_reader(context):
    with context.server() as server, server.client(receive_buffer=4096) as client:
        client.send(b"GET /bytes?n=1073741824 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1 * SLOW)
        server.tell()
        server.check_end(server.wait(20))


@case("SIGTERM under load: no reply is cut off", seconds=0.6)
def term_under_load(context):
    """Each client reads a reply before it sends the next request, so a reply is whole or not begun."""
    problems, replies = [], [0]

    def hammer(server):
        try:
            client = server.client()
        except OSError:
            return  # already stopped
        with client:
            while True:
                try:
                    client.sock.sendall(b"GET /bytes?n=3000 HTTP/1.1\r\nHost: a\r\n\r\n")
                    data = client.sock.recv(1)
                except OSError:
                    return
                if not data:
                    return
                client.buffer += data
                try:
                    equal(len(client.response().body), 3000, "length")
                    replies[0] += 1
                except Failure as failure:
                    problems.append(str(failure))
                    return

    with context.server() as server:
        threads = [threading.Thread(target=hammer, args=(server,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        server.tell()
        try:
            server.check_end(server.wait())
        finally:
            server.kill()
            for thread in threads:
                thread.join()
    check(not problems, f"{len(problems)} replies cut off, the first: {problems[:1]}")
    check(replies[0] > 0, "nothing was served before the signal")


@case("a second signal during the grace period does no harm", seconds=1)
def second_signal(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET /db?ms=600 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1 * SLOW)
        for _ in range(3):
            server.tell()
            time.sleep(0.05)
        status = server.wait()
        check(status == 0, f"exit status {status}, stderr {server.stderr()!r}")
