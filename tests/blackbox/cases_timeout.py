"""Clients that are too slow, and those that only look like it.

A time-out is never tested from above only: something that must happen is waited for with patience,
and what must not happen early is checked against the client's own clock.
"""

import socket
import time

from harness import SLOW, Failure, case, check, equal

T = 0.5  # seconds: the time-out under test
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

UNFINISHED = {
    "a request line": b"GET / HT",
    "a head": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "a body": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
    "a chunked body": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    "one empty line": b"\r\n",
}


def expect_408(client, began):
    response = client.response()
    equal((response.status, response.reason), (408, "Request Timeout"), "status line")
    equal(response.fields.get("connection"), "close", "Connection")
    check(time.monotonic() - began >= T, f"408 after {time.monotonic() - began:.3f} s of {T} s")
    client.expect_end()


for _what, _part in UNFINISHED.items():
    if _what == "one empty line":
        continue

    def _register(what, part):
        @case(f"--request-timeout: {what} that does not end gets 408 and the close", seconds=T)
        def unfinished(context):
            with context.server("--request-timeout", T, "--idle-timeout", 30) as server, server.client() as client:
                began = time.monotonic()
                client.send(part)
                expect_408(client, began)

    _register(_what, _part)


@case("--request-timeout: the second request on a connection gets 408, too", seconds=T)
def unfinished_second(context):
    with context.server("--request-timeout", T, "--idle-timeout", 30) as server, server.client() as client:
        client.get()
        began = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\nHo")
        expect_408(client, began)


@case("--request-timeout: an unfinished request pipelined behind a whole one gets 408", seconds=T)
def unfinished_pipelined(context):
    with context.server("--request-timeout", T, "--idle-timeout", 30) as server, server.client() as client:
        began = time.monotonic()
        client.send(GET + b"GET / HTTP/1.1\r\nHo")
        equal(client.response().body, b"Hello, World!", "first reply")
        expect_408(client, began)


@case("--request-timeout: a byte now and then does not move the deadline", seconds=1.5)
def slowloris(context):
    with context.server("--request-timeout", T, "--idle-timeout", 30) as server, server.client() as client:
        began = time.monotonic()
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1000
        client.sock.settimeout(0.05)
        for index in range(len(head)):
            try:
                client.sock.send(head[index : index + 1])
                client.buffer += client.sock.recv(65536)
                break
            except socket.timeout:
                pass
        took = time.monotonic() - began
        check(client.buffer, f"no reply after {took:.1f} s of one byte each 50 ms")
        client.sock.settimeout(10)
        expect_408(client, began)
        check(took < 12 * T * SLOW, f"408 only after {took:.1f} s")


@case("--request-timeout: a connection that sends nothing is closed without a byte", seconds=T)
def silent_from_the_start(context):
    with context.server("--request-timeout", T, "--idle-timeout", 30) as server, server.client() as client:
        began = time.monotonic()
        client.expect_end()
        check(time.monotonic() - began >= T * 0.99, f"closed after {time.monotonic() - began:.3f} s of {T} s")


@case("--idle-timeout: a silent kept-alive connection is closed without a byte", seconds=T)
def idle_closed(context):
    with context.server("--request-timeout", 30, "--idle-timeout", T) as server, server.client() as client:
        client.get()
        client.get()
        began = time.monotonic()
        client.expect_end()
        check(time.monotonic() - began >= T * 0.95, f"closed after {time.monotonic() - began:.3f} s of {T} s")


@case("--idle-timeout: each request begins it anew", seconds=3 * T)
def idle_renewed(context):
    with context.server("--request-timeout", 30, "--idle-timeout", 1) as server, server.client() as client:
        for _ in range(4):
            equal(client.get().status, 200, "status")
            time.sleep(0.4)


@case("time-outs do not strike a client that waits for the database", seconds=4 * T)
def waiting_is_not_slow(context):
    with context.server("--request-timeout", 0.3, "--idle-timeout", 0.3) as server, server.client() as client:
        for target in ("/db?ms=800", "/stream?n=2&ms=600"):
            equal(client.get(target).status, 200, f"status of {target}")


@case("--request-timeout: the next request's time does not run during a database wait", seconds=3 * T)
def pipelined_waits_its_turn(context):
    """Half a request is pipelined behind /db: its client could not have been answered earlier."""
    with context.server("--request-timeout", 1, "--idle-timeout", 30) as server, server.client() as client:
        client.send(b"GET /db?ms=1300 HTTP/1.1\r\nHost: a\r\n\r\n" + GET[:10])
        client.response().json()
        client.send(GET[10:])
        equal(client.response().body, b"Hello, World!", "second reply")


@case("--request-timeout: a client that does not fetch its reply is dropped", seconds=2.6)
def reader_without_progress(context):
    with context.server("--request-timeout", T) as server, server.client(receive_buffer=4096) as client:
        client.send(b"GET /bytes?n=1073741824 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(5 * T)  # a blocking send may take up to two time-outs to notice
        client.sock.settimeout(10 * SLOW)
        received = 0
        try:
            while True:
                data = client.sock.recv(1 << 20)
                if not data:
                    break
                received += len(data)
                check(received < 1 << 29, "the reply went on as if the client had been reading")
        except ConnectionResetError:
            pass
        except socket.timeout:
            raise Failure("neither more of the reply nor a close") from None
        client.close()
        server.hello()


@case("--request-timeout: a slow reader that makes progress is not dropped", seconds=3)
def reader_with_progress(context):
    """The whole reply takes several times the time-out; each step far less."""
    with context.server("--request-timeout", 1) as server, server.client(receive_buffer=65536) as client:
        size = 24 * 1024 * 1024
        client.send(f"GET /bytes?n={size} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while client.line("in a head"):
            pass
        steps = 24
        for _ in range(steps):
            client.exactly(size // steps, "in the body of a slow reader")
            client.taken.clear()
            time.sleep(0.1)
        equal(client.get().body, b"Hello, World!", "the next reply")


@case("a slow client holds up nobody", needs="multiplex", seconds=T)
def slow_clients_beside(context):
    with context.server("--request-timeout", 30) as server:
        slow = [server.client() for _ in range(20)]
        for index, client in enumerate(slow):
            client.send((b"", b"G", GET[:-2], b"GET /bytes?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")[index % 4])
        with server.client() as client:
            for _ in range(50):
                equal(client.get().body, b"Hello, World!", "reply beside slow clients")
        for client in slow:
            client.close()


@case("many connections time out together, each in its own way", needs="multiplex", seconds=2 * T)
def many_time_out(context):
    with context.server("--request-timeout", T, "--idle-timeout", T) as server:
        clients = [server.client() for _ in range(60)]
        try:
            for index, client in enumerate(clients):
                if index % 3 == 0:
                    client.send(b"GET / HT")
                elif index % 3 == 1:
                    client.get()
            for index, client in enumerate(clients):
                if index % 3 == 0:
                    equal(client.response().status, 408, "status of an unfinished request")
                client.expect_end()
        finally:
            for client in clients:
                client.close()
        server.hello()
