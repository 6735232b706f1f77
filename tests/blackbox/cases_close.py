"""Clients that end a connection in every wrong moment cost one connection, never the server."""

import time

from harness import SLOW, case, check, equal, eventually

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@case("half-close after a request: the reply comes, then the close")
def half_close_after_request(context):
    with context.server() as server:
        for target in ("/", "/db?ms=50", "/bytes?n=1000000", "/stream?n=5&ms=10", "/cpu?us=1000"):
            with server.client() as client:
                client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                client.finish()
                equal(client.response().status, 200, f"status of {target}")
                client.expect_end()


@case("half-close during a database wait: the reply comes, then the close", seconds=0.4)
def half_close_during_wait(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET /db?ms=200 HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        time.sleep(0.1)
        client.finish()
        client.response().json()
        equal(client.response().body, b"Hello, World!", "the pipelined reply")
        client.expect_end()


@case("half-close in the middle of a request: no 200, and the close")
def half_close_mid_request(context):
    with context.server() as server:
        for part in (b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"):
            with server.client() as client:
                client.send(part)
                time.sleep(0.01)
                client.finish()
                reply = client.rest()
                check(reply == b"" or reply.startswith(b"HTTP/1.1 400 "), f"{part!r} then FIN was answered with {reply!r}")
        server.hello()


@case("half-close of a connection that is idle: the close, and nothing else")
def half_close_idle(context):
    with context.server() as server:
        for requests in (0, 1, 3):
            with server.client() as client:
                for _ in range(requests):
                    client.get()
                client.finish()
                client.expect_end()


@case("200 clients that connect and close at once", seconds=0.3)
def connect_and_close(context):
    with context.server() as server:
        for index in range(200):
            client = server.client()
            client.reset() if index % 2 else client.close()
        server.hello()


@case("RST in the middle of a request")
def reset_mid_request(context):
    with context.server() as server:
        for part in (b"G", GET[:-2], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc", GET + b"GE"):
            for pause in (0, 0.005):
                client = server.client()
                client.send(part)
                time.sleep(pause)
                client.reset()
        server.hello()


@case("RST in the middle of a big reply")
def reset_mid_reply(context):
    with context.server() as server:
        for target in ("/bytes?n=1073741824", "/stream?n=1000000&ms=0", "/stream?n=1000&ms=5"):
            for wanted in (1, 100000):
                client = server.client(receive_buffer=4096)
                client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                client.exactly(min(wanted, 2000), "in the reply")
                time.sleep(0.01)
                client.reset()
        server.hello()


@case("a close in the middle of a big reply", seconds=0.3)
def close_mid_reply(context):
    with context.server() as server:
        for _ in range(5):
            with server.client() as client:
                client.send(b"GET /bytes?n=1073741824 HTTP/1.1\r\nHost: a\r\n\r\n")
                client.exactly(100000, "in the reply")
        server.hello()


@case("clients that leave during their database wait", seconds=0.5)
def leave_during_wait(context):
    with context.server() as server:
        server.hello()
        baseline = server.descriptors()
        for leave in ("close", "reset", "finish"):
            client = server.client()
            client.send(b"GET /db?ms=60 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.02)
            getattr(client, leave)()
            if leave == "finish":
                client.response().json()
                client.expect_end()
                client.close()
        server.hello()
        eventually(lambda: server.descriptors() <= baseline, "the descriptors of those that left are closed")


@case("clients that leave during the pauses of a stream", seconds=0.5)
def leave_during_stream(context):
    with context.server() as server:
        server.hello()
        baseline = server.descriptors()
        for leave in ("close", "reset"):
            client = server.client()
            client.send(b"GET /stream?n=5&ms=40 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.line("at the stream's head")
            getattr(client, leave)()
        server.hello()
        eventually(lambda: server.descriptors() <= baseline, "the descriptors of those that left are closed")


@case("a slow reader of 1 MB gets exactly its bytes", seconds=1.5)
def slow_reader(context):
    size = 1000000
    with context.server() as server:
        with server.client() as client:
            expected = client.get(f"/bytes?n={size}").body
        with server.client(receive_buffer=2048) as client:
            client.send(f"GET /bytes?n={size} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            time.sleep(0.2)  # the server's and the client's buffers are full now
            while client.line("in a head"):
                pass
            received = bytearray()
            while len(received) < size:
                data = client.exactly(min(4000, size - len(received)), "in the body")
                client.taken.clear()
                received += data
                if len(received) < 200000:
                    time.sleep(0.002)
            check(received == expected, "a slow reader's bytes are not those of a fast one")
            client.finish()
            client.expect_end()


@case("a slow reader of a pipelined series gets every reply", seconds=1)
def slow_reader_pipelined(context):
    with context.server() as server, server.client(receive_buffer=2048) as client:
        client.send(b"GET /bytes?n=30000 HTTP/1.1\r\nHost: a\r\n\r\n" * 30 + GET)
        client.finish()
        time.sleep(0.2)
        for number in range(30):
            response = client.response()
            equal((response.status, len(response.body)), (200, 30000), f"reply {number}")
        equal(client.response().body, b"Hello, World!", "last reply")
        client.expect_end()


@case("bytes that come behind the last request do not destroy its reply", seconds=0.5)
def stray_bytes(context):
    """Old clients send a CRLF too many (RFC 9112 section 2.2); a close over unread bytes is a reset (section 9.6)."""
    for fields in ("HTTP/1.0", "HTTP/1.1\r\nHost: a\r\nConnection: close"):
        with context.server() as server, server.client(receive_buffer=4096) as client:
            client.send(f"GET /bytes?n=300000 {fields}\r\n\r\n".encode())
            first = client.exactly(1, "at the first byte")
            client.buffer[:0] = first
            client.taken.clear()
            client.send(b"\r\n")
            time.sleep(0.2)  # by now all of the reply that fits is in the sockets' buffers
            equal(len(client.response().body), 300000, "length")
            client.expect_end()


@case("who takes the place of a client that left gets nothing of what was meant for it", needs="multiplex", seconds=0.5)
def no_cross_talk(context):
    """The kernel gives a descriptor's number out again at once; late events must not reach the new owner."""
    leaving = (db_request(3), b"GET /bytes?n=900000 HTTP/1.1\r\nHost: a\r\n\r\n", GET[:9], GET, b"GET /stream?n=9&ms=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    with context.server() as server:
        size = 0
        for _ in range(8):
            first = [server.client() for _ in range(40)]
            for index, client in enumerate(first):
                client.send(leaving[index % len(leaving)])
            for index, client in enumerate(first):
                client.reset() if index % 2 else client.close()
            second = [server.client() for _ in range(40)]
            try:
                sizes = range(size, size + len(second))
                size += len(second)
                for client, length in zip(second, sizes):
                    client.send(f"GET /bytes?n={length} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                for client, length in zip(second, sizes):
                    equal(len(client.response().body), length, "length of the reply")
                    client.finish()
                    client.expect_end()
            finally:
                for client in second:
                    client.close()


def db_request(wait_ms):
    return f"GET /db?ms={wait_ms} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def storm(server, rounds):
    """Every way of ending a connection, many times over. One connection at a time."""
    endings = [
        (GET, "close"),
        (GET[:20], "close"),
        (GET[:20], "reset"),
        (b"", "close"),
        (b"", "reset"),
        (b"nonsense\r\n\r\n", "close"),
        (b"nonsense\r\n\r\n", "reset"),
        (b"GET /bytes?n=5000000 HTTP/1.1\r\nHost: a\r\n\r\n", "reset"),
        (b"GET /bytes?n=5000000 HTTP/1.1\r\nHost: a\r\n\r\n", "close"),
        (b"GET /db?ms=3 HTTP/1.1\r\nHost: a\r\n\r\n", "reset"),
        (b"GET /db?ms=3 HTTP/1.1\r\nHost: a\r\n\r\n" + GET, "close"),
        (b"GET /stream?n=3&ms=1 HTTP/1.1\r\nHost: a\r\n\r\n", "close"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", "close"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\nhello", "close"),
        (b"GET / HTTP/1.0\r\n\r\n", "close"),
    ]
    for _ in range(rounds):
        for data, ending in endings:
            client = server.client()
            client.send(data)
            time.sleep(0.0005)
            getattr(client, ending)()


@case("no descriptor, thread or memory is lost in a storm of bad endings", alone=True, seconds=3)
def no_leak(context):
    with context.server() as server:
        server.hello()
        baseline, threads = server.descriptors(), server.status_field("Threads")

        def settled():
            now = server.descriptors(), server.status_field("Threads")
            return now[0] <= baseline and now[1] <= threads or f"descriptors and threads {now}, before {(baseline, threads)}"

        sizes_kb = []
        for _ in range(3):
            storm(server, 20)
            server.hello()
            eventually(settled, "all connections of the storm are given back", 10)
            sizes_kb.append(server.status_field("VmRSS"))

        def counted():
            now = server.stats()["connections"]["open"]
            return now == 1 or f"connections.open is {now}"

        eventually(counted, "only the connection that asks is open")
        if SLOW == 1:  # a sanitizer keeps freed memory on purpose
            check(sizes_kb[2] - sizes_kb[0] < 2048, f"resident memory after each storm: {sizes_kb} kB")
