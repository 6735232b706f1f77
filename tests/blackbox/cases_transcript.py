"""Sends the list of exchanges.py and judges the answers; what came back is kept for run.py, which
compares the models byte for byte.
"""

import socket
import time

from client import CONTINUE, read_all
from exchanges import EXCHANGES, GET, get
from harness import Failure, case, check, equal, shorten

GROUPS = list(dict.fromkeys(exchange.group for exchange in EXCHANGES))

# Statuses after which the server does not know where the next request would begin.
CLOSING = {408, 413, 414, 417, 431, 501, 503, 505}


def pieces(request):
    """One byte at a time; the filling of long requests in small pieces, to save time."""
    edge = len(request) if len(request) <= 2000 else 150
    for index in range(edge):
        yield request[index : index + 1]
    if edge < len(request):
        middle = len(request) - edge
        for index in range(edge, middle, 61):
            yield request[index : min(index + 61, middle)]
        for index in range(middle, len(request)):
            yield request[index : index + 1]


def exchange_bytes(server, exchange, slowly):
    """Sends the request, half-closes, and returns every byte until the server's FIN."""
    with server.client() as client:
        try:
            if slowly:
                for piece in pieces(exchange.request):
                    client.sock.sendall(piece)
                    time.sleep(0)
            else:
                client.sock.sendall(exchange.request)
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed by the server after its last reply, which must have come whole
        return client.rest()


def judge(exchange, reply):
    """Checks one recorded reply against the entry. Raises Failure."""
    heads = {index for index, status in enumerate(exchange.allowed[0]) if status < 0}
    allowed = [tuple(abs(status) for status in statuses) for statuses in exchange.allowed]
    responses = read_all(reply, heads)
    statuses = tuple(response.status for response in responses)
    check(statuses in allowed, f"statuses {statuses}, allowed are {allowed}")
    for response in responses:
        if response.status in CLOSING:
            equal(response.fields.get("connection"), "close", f"Connection of a {response.status}")
        if response.status == 200 and response.fields["content-type"] == "application/json" and response.body:
            response.json()
    closing = [index for index, response in enumerate(responses) if response.fields.get("connection") == "close"]
    check(closing in ([], [len(responses) - 1]), f"'Connection: close' in responses {closing} of {len(responses)}")
    if exchange.request.endswith(GET) and statuses and statuses[-1] >= 400 and exchange.group != "cut short":
        check(closing, "the next request was not answered, but no 'Connection: close' said so")


def run_group(context, group, slowly):
    problems, recorded = [], {}
    chosen = [e for e in EXCHANGES if e.group == group and (e.any_pace or not slowly)]
    with context.server() as server:
        for exchange in chosen:
            try:
                recorded[exchange] = exchange_bytes(server, exchange, slowly=False)
                if slowly:
                    whole = recorded[exchange]
                    recorded[exchange] = exchange_bytes(server, exchange, slowly=True)
                    problem = first_difference("sent whole", {"answer": whole}, "bytewise", {"answer": recorded[exchange]})
                    check(problem is None, problem)
                judge(exchange, recorded[exchange])
            except Failure as failure:
                problems.append(
                    f"{exchange.name}: {failure}\n    sent {shorten(exchange.request, 300)}"
                    f"\n    got  {shorten(recorded.get(exchange, b''), 300)}"
                )
        server.hello()
        if problems:
            raise Failure(f"{len(problems)} of {len(chosen)} exchanges are wrong:\n" + "\n".join(problems))


def register(group):
    @case(f"exchanges, {group}: sent whole", seconds=0.3)
    def whole(context):
        run_group(context, group, slowly=False)

    @case(f"exchanges, {group}: sent one byte at a time, with the same answers", seconds=0.5)
    def bytewise(context):
        run_group(context, group, slowly=True)


for _group in GROUPS:
    register(_group)


@case("the transcript, which the runner compares with those of the other models")
def transcript(context):
    with context.server() as server:
        context.payload = {
            f"{exchange.group}: {exchange.name}": exchange_bytes(server, exchange, slowly=False) for exchange in EXCHANGES
        }


def first_difference(name_a, a, name_b, b):
    """Where two recordings first differ, in words; None if they do not."""
    for title in a.keys() & b.keys():
        x, y = a[title], b[title]
        if x != y:
            at = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
            return (
                f"{title}: {name_a} sends {len(x)} bytes, {name_b} {len(y)}, first difference at byte {at}\n"
                f"{name_a}: {shorten(x[max(0, at - 60):at + 60])}\n{name_b}: {shorten(y[max(0, at - 60):at + 60])}"
            )
    missing = a.keys() ^ b.keys()
    return f"not recorded by both: {sorted(missing)}" if missing else None


# -- and once in full, so that all six cannot be wrong alike ---------------------------------------------

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
HELLO_CLOSE = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
HELLO_KEEP = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
KEEP10 = get(fields="Connection: keep-alive\r\n", version="HTTP/1.0")

LITERAL = {
    "GET /": (GET, HELLO),
    "GET / twice": (GET + GET, HELLO + HELLO),
    "GET / and close": (get(fields="Host: a\r\nConnection: close\r\n"), HELLO_CLOSE),
    "GET / in HTTP/1.0": (get(fields="", version="HTTP/1.0"), HELLO_CLOSE),
    "GET / in HTTP/1.0 with keep-alive": (KEEP10 + KEEP10, HELLO_KEEP + HELLO_KEEP),
    "HEAD /": (get(method="HEAD") + GET, HELLO[: -len(b"Hello, World!")] + HELLO),
}


@case("the greeting, byte for byte")
def literal(context):
    with context.server() as server:
        for name, (request, expected) in LITERAL.items():
            with server.client() as client:
                client.send(request)
                client.finish()
                equal(client.rest(), expected, name)


@case("100 Continue, byte for byte, and only when the body is not there yet")
def expect_continue(context):
    body = b"hello"
    head = b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    chunked = b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with context.server() as server, server.client() as client:
        for request, rest in ((head, body), (chunked, b"5\r\nhello\r\n0\r\n\r\n")) * 2:
            client.send(request)
            equal(client.exactly(len(CONTINUE), "before 100 Continue"), CONTINUE, "interim response")
            client.expect_silence(0.05)
            client.send(rest[:2])
            client.expect_silence(0.05)
            client.send(rest[2:])
            equal(client.response().raw, HELLO, "response after the body")
        equal(client.get().raw, HELLO, "response to the next request")
