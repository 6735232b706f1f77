"""What the routes answer, and what the answers' heads promise."""

import hashlib
import time

from harness import case, check, equal


def exchange(client, request, **how):
    client.send(request.encode())
    return client.response(**how)


@case("50 requests on one connection")
def fifty_requests(context):
    with context.server() as server, server.client() as client:
        for _ in range(50):
            response = client.get()
            equal((response.status, response.body), (200, b"Hello, World!"), "reply")
            check("connection" not in response.fields, f"a kept-alive reply has {response.fields}")
        client.finish()
        client.expect_end()


@case("HEAD has the head of GET, and no body")
def head_as_get(context):
    with context.server() as server, server.client() as client:
        for target in ("/", "/db?ms=1", "/cpu?us=10", "/bytes?n=100000", "/stream?n=3&ms=1", "/nope", "/bytes?n=0"):
            body_of_get = client.get(target)
            head_of_get = body_of_get.raw[: body_of_get.raw.index(b"\r\n\r\n") + 4]
            head = exchange(client, f"HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n", head=True)
            equal(head.raw, head_of_get, f"HEAD {target}")
        head = exchange(client, "HEAD /stats HTTP/1.1\r\nHost: a\r\n\r\n", head=True)
        equal(head.status, 200, "HEAD /stats")
        equal(client.get().body, b"Hello, World!", "the reply after all those HEADs")


@case("HEAD of a stream does not wait for its pieces")
def head_of_stream(context):
    with context.server() as server, server.client() as client:
        began = time.monotonic()
        exchange(client, "HEAD /stream?n=1000&ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n", head=True)
        check(time.monotonic() - began < 100, "HEAD /stream waited")


@case("content types")
def content_types(context):
    with context.server() as server, server.client() as client:
        equal(client.get("/").fields["content-type"], "text/plain", "of /")
        for target in ("/db?ms=1", "/cpu?us=1", "/stats"):
            response = client.get(target)
            check(isinstance(response.json(), dict), f"{target} is {response.body}")
            check(len(response.body) < 4096, f"{target} answers {len(response.body)} bytes")


@case("/db waits at least as long as it is told, to fractions of a millisecond", seconds=0.8)
def db_waits(context):
    """The shortest of several waits: overhead must not hide that a wait was cut to whole milliseconds."""
    with context.server("--db-delay", "2.9") as server, server.client() as client:
        client.get()
        for target, at_least, times in (("/db", 0.0029, 40), ("/db?ms=1", 0.001, 40), ("/db?ms=90", 0.090, 3)):
            shortest = 1e9
            for _ in range(times):
                began = time.monotonic()
                equal(client.get(target).status, 200, target)
                shortest = min(shortest, time.monotonic() - began)
            check(shortest >= at_least, f"{target} was answered after {shortest * 1000:.3f} ms")


@case("--db-delay is the wait of /db without ?ms=", seconds=0.8)
def db_delay_option(context):
    with context.server("--db-delay", "250") as server, server.client() as client:
        waits = []
        for target in ("/db", "/db?ms=0"):
            began = time.monotonic()
            client.get(target)
            waits.append(time.monotonic() - began)
        check(waits[0] >= 0.25, f"/db was answered after {waits[0]:.3f} s")
        check(waits[1] < waits[0], f"/db?ms=0 took {waits[1]:.3f} s, /db {waits[0]:.3f} s")


@case("/cpu burns at least the CPU time it is told")
def cpu_burns(context):
    with context.server() as server, server.client() as client:
        client.get("/")
        before = server.cpu_ns()
        equal(client.get("/cpu?us=50000").status, 200, "/cpu")
        burnt_ms = (server.cpu_ns() - before) / 1e6
        # A few percent less: schedstat is brought up to date at scheduler ticks only.
        check(burnt_ms >= 40, f"/cpu?us=50000 used {burnt_ms:.1f} ms of CPU time")


@case("/bytes has the length it is told and the same content each time")
def bytes_lengths(context):
    with context.server() as server, server.client() as client:
        longest = client.get("/bytes?n=1048576").body
        for count in (0, 1, 4095, 4096, 4097, 16383, 16384, 65535, 65536, 65537, 131072, 1048575, 1048576):
            response = client.get(f"/bytes?n={count}")
            equal(response.fields["content-length"], str(count), "Content-Length")
            check(response.body == longest[:count], f"/bytes?n={count} is no prefix of /bytes?n=1048576")


@case("/bytes of 64 MiB comes whole and is never held whole", seconds=1)
def bytes_large(context):
    size = 64 * 1024 * 1024
    with context.server() as server, server.client() as client:
        block = client.get("/bytes?n=1048576").body
        before_kb = server.status_field("VmRSS")
        client.send(f"GET /bytes?n={size} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while client.line("in a head"):
            pass
        received, expected, most_kb = hashlib.sha256(), hashlib.sha256(), 0
        for _ in range(64):
            expected.update(block)
            received.update(client.exactly(len(block), "in the body"))
            client.taken.clear()
            most_kb = max(most_kb, server.status_field("VmRSS"))
        equal(client.get().body, b"Hello, World!", "the next reply")
        equal(received.hexdigest(), expected.hexdigest(), "digest of the body: it repeats every MiB")
        check(most_kb - before_kb < 16 * 1024, f"resident memory grew by {most_kb - before_kb} kB")


@case("/stream sends its pieces one by one", seconds=1)
def stream_pieces(context):
    with context.server() as server, server.client() as client:
        for count in (0, 1, 7):
            response = client.get(f"/stream?n={count}&ms=0")
            equal(len(response.chunks), count, "pieces")
        pieces, pause = 5, 0.1
        began = time.monotonic()
        client.send(f"GET /stream?n={pieces}&ms={pause * 1000:.0f} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while client.line("in a head"):
            pass
        arrivals = []
        while client.chunk():
            arrivals.append(time.monotonic() - began)
        equal(len(arrivals), pieces, "pieces")
        for index, arrival in enumerate(arrivals):
            check(arrival >= pause * (index + 1), f"piece {index + 1} came after {arrival:.3f} s: {arrivals}")
        # In one lump at the end, the first would come with the last.
        check(arrivals[0] < arrivals[-1] - pause, f"pieces came at {arrivals}")
        equal(client.get().body, b"Hello, World!", "the next reply")


@case("/stream to HTTP/1.0 is not chunked and ends by the close")
def stream_http10(context):
    with context.server() as server:
        with server.client() as client:
            chunked = client.get("/stream?n=5&ms=1").body
        for fields in ("", "Connection: keep-alive\r\n"):
            with server.client() as client:
                response = exchange(client, f"GET /stream?n=5&ms=1 HTTP/1.0\r\n{fields}\r\n", until_end=True)
                equal(response.fields.get("connection"), "close", "Connection")
                equal(response.body, chunked, "body")


@case("/stats says who it is")
def stats_identity(context):
    with context.server() as server, server.client() as client:
        stats = client.stats()
        equal(stats.get("model"), context.model.program, "model")
        pids = [server.pid] if context.has("one_process") else server.workers()
        check(stats.get("pid") in pids, f"pid {stats.get('pid')} is none of {pids}")
        for key in ("open", "accepted", "refused"):
            check(isinstance(stats.get("connections", {}).get(key), int), f"connections.{key} in {stats}")
        for key in ("requests", "syscalls"):
            check(isinstance(stats.get(key), dict), f"{key} in {stats}")


@case("the first reply of HTTP/1.0 and of 'Connection: close' is followed by the close")
def closes(context):
    with context.server() as server:
        for request in (
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /db?ms=5 HTTP/1.0\r\n\r\n",
            "GET /nope HTTP/1.0\r\n\r\n",
        ):
            with server.client() as client:
                equal(exchange(client, request).fields.get("connection"), "close", f"Connection after {request!r}")
                client.expect_end()


@case("HTTP/1.0 with keep-alive goes on for as long as it is asked to")
def http10_keep_alive(context):
    with context.server() as server, server.client() as client:
        for _ in range(5):
            response = exchange(client, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            equal(response.fields.get("connection"), "keep-alive", "Connection")
        equal(exchange(client, "GET / HTTP/1.0\r\n\r\n").fields.get("connection"), "close", "Connection at last")
        client.expect_end()
