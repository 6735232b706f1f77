"""Request bodies are read and thrown away, and error replies can be read to their end even by a
client that is still sending (RFC 9112 section 9.6).
"""

import threading

from harness import Failure, case, check, equal, eventually

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@case("bodies of all sizes are skipped, and the next request is answered")
def body_sizes(context):
    with context.server() as server, server.client() as client:
        for size in (1, 100, 8191, 16384, 16385, 65536, 1000000, 1048576):
            client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode() + b"G" * size + GET)
            equal(client.response().status, 405, f"status of a POST with {size} bytes")
            equal(client.response().body, b"Hello, World!", f"reply after a body of {size} bytes")


@case("chunked bodies of all sizes are skipped, and the next request is answered")
def chunked_sizes(context):
    with context.server() as server, server.client() as client:
        for chunk, count in ((1, 1), (1, 3000), (10, 100), (1000, 1000), (65536, 16), (1048576, 1)):
            data = b"%x;n=v\r\n%s\r\n" % (chunk, b"G" * chunk)
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data * count)
            client.send(b"0\r\nX: y\r\n\r\n" + GET)
            for which in ("first", "second"):
                equal(client.response().body, b"Hello, World!", f"{which} reply, {count} chunks of {chunk} bytes")


@case("300 clients that send their bodies at the same time", needs="crowds", alone=True, seconds=0.8)
def bodies_at_once(context):
    """More input at once than any server has buffers for: it may take its time, but loses nobody."""
    body = b"x" * 60000
    with context.server() as server:
        clients = [server.client() for _ in range(300)]
        try:
            for client in clients:
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 180000\r\n\r\n")
            for _ in range(3):
                for client in clients:
                    client.send(body)
            for client in clients:
                client.send(GET)
            for client in clients:
                equal(client.response().status, 405, "status of the POST")
                equal(client.response().body, b"Hello, World!", "reply behind the body")
        finally:
            for client in clients:
                client.close()


@case("the reply comes only when the body is there")
def reply_after_body(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        client.expect_silence(0.1)
        client.send(b"hello")
        equal(client.response().body, b"Hello, World!", "reply")


@case("endless chunk extensions and trailers are refused")
def endless_noise(context):
    """They count towards no body limit, so they need one of their own."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for what, start, repeated in (
        ("one endless extension", head + b"1;", b"a" * 1000),
        ("one endless trailer", head + b"0\r\nX: ", b"a" * 1000),
        ("endless trailers", head + b"0\r\n", b"X: y\r\n" * 200),
        ("endless leading zeros", head, b"0" * 1000),
        ("many chunks of one byte, each with a long extension", head, (b"1;" + b"a" * 4000 + b"\r\nx\r\n")),
    ):
        with context.server() as server, server.client() as client:
            status = refused_while_sending(client, start, repeated, 400)
            check(status in (400, 413, 431), f"{what}: status {status}")
            client.close()
            server.hello()


def refused_while_sending(client, start, repeated, times):
    """Sends on and on from a thread of its own while the reply is read. Returns its status."""

    def keep_sending():
        try:
            client.sock.sendall(start)
            for _ in range(times):
                client.sock.sendall(repeated)
        except OSError:
            pass  # closed by the server after its reply, as it may

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        response = client.response()
        equal(response.fields.get("connection"), "close", "Connection")
        client.expect_end()
        return response.status
    finally:
        sender.join()


BIG_REQUESTS = {
    413: b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 300000,
    414: b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    431: b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"a" * 300000 + b"\r\n\r\n",
    400: b"GET / HTTP/1.1\nHost: a\n\n" + b"x" * 300000,
    501: b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + b"x" * 300000,
    505: b"GET / HTTP/2.0\r\n\r\n" + b"x" * 300000,
}


@case("an error reply reaches a client that sent 300 KB before it looked")
def error_reply_is_readable(context):
    with context.server() as server:
        for status, request in BIG_REQUESTS.items():
            with server.client() as client:
                client.send(request)
                response = client.response()
                equal(response.status, status, "status")
                equal(response.fields.get("connection"), "close", "Connection")
                client.expect_end()
        server.hello()


@case("an error reply is followed by the server's FIN while the client's side is still open")
def error_half_close(context):
    with context.server() as server, server.client() as client:
        client.send(b"GET / HTTP/1.1\nHost: a\n\n")
        equal(client.response().status, 400, "status")
        client.expect_end()


@case("a client that never closes after an error reply is dropped", seconds=3)
def lingering_ends(context):
    with context.server() as server:
        server.hello()
        baseline = server.descriptors()
        with server.client() as client:
            client.send(b"bad\r\n\r\n")
            equal(client.response().status, 400, "status")
            client.expect_end()
            eventually(lambda: server.descriptors() <= baseline, "the refused connection's descriptor is closed", 8)
            server.hello()


@case("a client that sends for ever after an error reply is dropped", seconds=3)
def drain_has_an_end(context):
    with context.server() as server, server.client() as client:
        client.send(b"bad\r\n\r\n")
        equal(client.response().status, 400, "status")
        client.sock.settimeout(10)
        try:
            # Some GB at full speed: no drain may last that long.
            for _ in range(100000):
                client.sock.sendall(b"x" * 65536)
        except OSError:
            return
        raise Failure("the server drained 6 GB after an error reply")
