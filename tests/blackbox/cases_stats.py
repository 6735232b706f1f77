"""/stats counts truthfully: requests by status, connections, system calls."""

from harness import case, check, equal, eventually

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
DB = b"GET /db?ms=1 HTTP/1.1\r\nHost: a\r\n\r\n"


BY_STATUS = [
    (200, GET),
    (200, DB),
    (200, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, b"GET /bytes?n=100000 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, b"GET /stream?n=2&ms=1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (404, b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"nonsense\r\n\r\n"),
    (413, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n"),
    (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    (417, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    (505, b"GET / HTTP/2.0\r\n\r\n"),
]


@case("/stats: requests by status add up exactly")
def stats_requests(context):
    rounds = 3
    with context.server() as server:
        before = server.stats()["requests"]
        expected = {}
        for _ in range(rounds):
            for status, request in BY_STATUS:
                with server.client() as client:
                    client.send(request)
                    client.finish()
                    check(client.rest().startswith(b"HTTP/1.1 %d " % status), f"not answered with {status}: {request[:60]!r}")
                expected[str(status)] = expected.get(str(status), 0) + 1
        expected["200"] += 1  # one of the two /stats lies between them, whenever it counts itself

        def difference():
            after = server.stats()["requests"]
            got = {status: after[status] - before.get(status, 0) for status in after if status.isdigit()}
            got = {status: count for status, count in got.items() if count}
            if got == expected:
                return True
            expected["200"] += 1  # for the /stats that has just been asked
            return f"expected {expected}, got {got}"

        eventually(difference, "requests by status", 1)


@case("/stats: accepted, open and closed connections add up", needs="multiplex", seconds=0.3)
def stats_connections(context):
    with context.server() as server, server.client() as client:
        before = client.stats()["connections"]
        equal(before["open"], 1, "open, at the beginning")
        others = [server.client() for _ in range(10)]
        for other in others:
            other.get()
        now = client.stats()["connections"]
        equal((now["open"], now["accepted"] - before["accepted"], now["refused"]), (11, 10, 0), "open, accepted, refused")
        for other in others[:6]:
            other.close()
        eventually(lambda: client.stats()["connections"]["open"] == 5, "6 of them are closed")
        for other in others[6:]:
            other.reset()
        eventually(lambda: client.stats()["connections"]["open"] == 1, "all of them are closed")
        equal(client.stats()["connections"]["accepted"] - before["accepted"], 10, "accepted, at the end")


@case("/stats: connections in a row are counted", needs="sequential")
def stats_connections_sequential(context):
    with context.server() as server:
        before = server.stats()["connections"]
        for _ in range(10):
            server.hello()
        now = server.stats()["connections"]
        equal((now["open"], now["accepted"] - before["accepted"], now["refused"]), (1, 11, 0), "open, accepted, refused")


def spent(client, requests):
    """Syscalls by kind that so many kept-alive requests cost, by the server's own counters."""
    before = client.stats()
    for _ in range(requests):
        client.get()
    after = client.stats()
    return {
        kind: after["syscalls"][kind] - before["syscalls"].get(kind, 0) for kind in after["syscalls"]
    }


@case("/stats: a kept-alive request costs a recv and a send, and not many more calls", needs="recv_send")
def stats_syscalls(context):
    with context.server() as server, server.client() as client:
        client.get()
        calls = spent(client, 200)
        check(200 <= calls.get("recv", 0) <= 650, f"recv for 200 requests: {calls}")
        check(200 <= calls.get("send", 0) <= 450, f"send for 200 requests: {calls}")
        check(sum(calls.values()) <= 200 * 6, f"calls for 200 requests: {calls}")


@case("/stats: ring entries are counted, and no recv or send", needs="ring")
def stats_syscalls_ring(context):
    with context.server() as server, server.client() as client:
        client.get()
        calls = spent(client, 200)
        check(calls.get("io_uring_enter", 0) >= 100, f"io_uring_enter for 200 requests: {calls}")
        check(sum(calls.values()) <= 200 * 4, f"calls for 200 requests: {calls}")
