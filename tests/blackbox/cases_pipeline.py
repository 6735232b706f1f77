"""Requests cut at every byte, and many requests in one write."""

import random
import socket
import time

from harness import SLOW, case, check, equal

SIMPLE = b"GET /bytes?n=5 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
CHUNKED = (
    b"POST /nope HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nT: u\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
)

# Every kind of request that leaves the connection usable, and the status of its reply (HEAD: negative).
MIXED = [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET /bytes?n=70000 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET /db?ms=3 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", -200),
    (b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405),
    (b"GET /stream?n=3&ms=1 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nT: u\r\n\r\n", 200),
    (b"GET /cpu?us=50 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET /bytes?n=0 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
]


def split_everywhere(context, request, replies):
    """Each cut on a connection that is kept: the halves must be put together, and nothing be left over."""
    with context.server() as server, server.client() as client:
        client.send(request)
        whole = [client.response().raw for _ in range(replies)]
        for cut in range(1, len(request)):
            client.send(request[:cut])
            # Long enough for the server to have read the first half: the cut is what is tested.
            time.sleep(0.002)
            client.send(request[cut:])
            equal([client.response().raw for _ in range(replies)], whole, f"replies when cut at byte {cut}")


@case("a request split at every byte")
def split_simple(context):
    split_everywhere(context, SIMPLE, 1)


@case("a chunked body and the next request, split at every byte")
def split_chunked(context):
    split_everywhere(context, CHUNKED, 2)


@case("a request one byte at a time")
def trickled(context):
    with context.server() as server, server.client() as client:
        for _ in range(3):
            client.send_slowly(SIMPLE, pause=0.001)
            equal(client.response().status, 200, "status")


@case("the longest head, one byte at a time", seconds=1)
def trickled_long(context):
    from exchanges import head_of

    with context.server("--request-timeout", 60) as server, server.client() as client:
        client.send_slowly(head_of(16384))
        equal(client.response().body, b"Hello, World!", "reply")


def check_mixed(client, requests):
    """Replies in order, each of the kind that its request asks for."""
    for request, status in requests:
        response = client.response(head=status < 0)
        equal(response.status, abs(status), f"status of {request[:40]}")
        if request.startswith(b"GET /bytes?n="):
            equal(len(response.body), int(request[13:].split(b" ")[0]), f"length of {request[:40]}")
        if request.startswith(b"GET / "):
            equal(response.body, b"Hello, World!", "greeting")
        if request.startswith(b"GET /stream"):
            equal(len(response.chunks), 3, "pieces")


@case("20 pipelined requests in one write are answered in order")
def pipelined_twenty(context):
    requests = MIXED * 2
    with context.server() as server, server.client() as client:
        client.send(b"".join(request for request, _ in requests))
        check_mixed(client, requests)
        equal(client.get().body, b"Hello, World!", "the next reply")


@case("pipelined requests cut at random places")
def pipelined_random_cuts(context):
    seed = 4711  # the same cuts each time
    choose = random.Random(seed)
    with context.server() as server, server.client() as client:
        for _ in range(15):
            requests = choose.sample(MIXED, 5)
            data = b"".join(request for request, _ in requests)
            cuts = sorted(choose.sample(range(1, len(data)), 6))
            for begin, end in zip([0, *cuts], [*cuts, len(data)]):
                client.send(data[begin:end])
                time.sleep(choose.choice((0, 0.001)))
            check_mixed(client, requests)


@case("1000 pipelined requests in one write", seconds=0.3)
def pipelined_thousand(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        client.finish()
        first = client.response().raw
        check(client.rest() == first * 999, "the other 999 replies are not the same as the first")


@case("a pipelined request behind a database wait", seconds=0.4)
def pipelined_behind_wait(context):
    with context.server() as server, server.client() as client:
        began = time.monotonic()
        client.send(b"GET /db?ms=200 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.expect_silence(0.1)
        client.response().json()
        check(time.monotonic() - began >= 0.2, "answered before the database was")
        equal(client.response().body, b"Hello, World!", "second reply")


@case("a request that arrives during a database wait", seconds=0.4)
def arrives_during_wait(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET /db?ms=200 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.05)
        client.send(b"GET / HTTP/1.1\r\nHo")
        time.sleep(0.05)
        client.send(b"st: a\r\n\r\n")
        client.response().json()
        equal(client.response().body, b"Hello, World!", "second reply")


@case("pipelined behind a 'Connection: close' nothing is answered")
def pipelined_behind_close(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        equal(client.response().fields.get("connection"), "close", "Connection")
        client.expect_end()


@case("replies that are not fetched hold the client back, not the memory", seconds=2)
def back_pressure(context):
    """A client that pipelines without reading: the server must stop reading, not store."""
    request = b"GET /bytes?n=20000 HTTP/1.1\r\nHost: a\r\n\r\n"
    block = request * 1000
    with context.server("--request-timeout", "60") as server, server.client() as client:
        client.get("/bytes?n=20000")
        before_kb = server.status_field("VmRSS")
        sent = 0
        client.sock.settimeout(0.3 * SLOW)
        try:
            while sent < 64 * 1024 * 1024:
                sent += client.sock.send(block[sent % len(request) :])
        except socket.timeout:
            pass
        client.sock.settimeout(10 * SLOW)
        grown_kb = server.status_field("VmRSS") - before_kb
        check(sent < 64 * 1024 * 1024, "the server took 64 MiB of requests whose replies nobody read")
        if SLOW == 1:  # a sanitizer's own memory hides the server's
            check(grown_kb < 4096, f"resident memory grew by {grown_kb} kB after {sent} bytes of requests")
        client.sock.settimeout(30 * SLOW)
        first = client.response().raw
        for number in range(1, min(sent // len(request), 4000)):
            check(client.exactly(len(first), "in a reply") == first, f"reply {number} differs from the first")
            client.taken.clear()


@case("one client that pipelines without end does not hold up another", needs="multiplex", seconds=1)
def pipelining_is_fair(context):
    with context.server() as server, server.client() as greedy, server.client() as other:
        greedy.sock.settimeout(0.01)
        block = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 500
        offset = rounds = 0
        for _ in range(20):
            other.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in range(10):  # keeps the other one's replies and requests flowing
                try:
                    offset = (offset + greedy.sock.send(block[offset:])) % len(block)
                    rounds += 1
                    greedy.sock.recv(262144)
                except socket.timeout:
                    pass
            equal(other.response().body, b"Hello, World!", "reply beside the greedy client")
        check(rounds > 0, "the greedy client could not send anything")
