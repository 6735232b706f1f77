"""How the models wait: side by side or in line, and without burning CPU time."""

import selectors
import time

from harness import SLOW, case, check, equal

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def db(ms):
    return f"GET /db?ms={ms} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


@case("100 requests of 100 ms at once take about one wait", needs="unbounded", alone=True, seconds=0.5)
def waits_together(context):
    count, wait = 100, 0.1
    with context.server() as server:
        clients = [server.client() for _ in range(count)]
        try:
            began = time.monotonic()
            for client in clients:
                client.send(db(100))
            for client in clients:
                client.response().json()
            took = time.monotonic() - began
        finally:
            for client in clients:
                client.close()
        check(took >= wait, f"took {took:.3f} s, less than one wait")
        # In line they take 100 waits; side by side one, and the rest is the machine's noise.
        check(took < 5 * wait * SLOW, f"took {took:.3f} s, one wait is {wait} s")


def order_of_replies(clients):
    """Indexes of the clients in the order in which their replies come."""
    order = []
    with selectors.DefaultSelector() as selector:
        for index, client in enumerate(clients):
            selector.register(client.sock, selectors.EVENT_READ, index)
        while len(order) < len(clients):
            ready = selector.select(10 * SLOW)
            check(ready, f"only clients {order} were answered")
            # Those found ready together came in an order that nobody can tell any more.
            for index in sorted(key.data for key, _ in ready):
                clients[index].response().json()
                selector.unregister(clients[index].sock)
                order.append(index)
    return order


@case("a blocking server takes the sum of the waits, and serves in order of arrival", needs="sequential", seconds=1)
def waits_in_line(context):
    count, wait = 10, 0.05
    with context.server() as server:
        clients = [server.client() for _ in range(count)]
        try:
            for client in reversed(clients):
                client.send(f"GET /db?ms={wait * 1000:.0f} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            began = time.monotonic()
            order = order_of_replies(clients)
            took = time.monotonic() - began
        finally:
            for client in clients:
                client.close()
        equal(order, list(range(count)), "order of the replies")
        check(took >= (count - 1) * wait, f"took {took:.3f} s, the sum of the waits is {count * wait} s")


def time_of(server, count, wait_ms):
    """Seconds until so many connections have each had one wait.

    They all send while the server computes for somebody else, so that it finds them ready together.
    """
    clients = [server.client(timeout=30) for _ in range(count + 1)]
    try:
        clients[0].send(b"GET /cpu?us=50000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(0.01)
        for client in clients[1:]:
            client.send(f"GET /db?ms={wait_ms} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        clients[0].response().json()
        clients[0].close()
        began = time.monotonic()
        for client in clients[1:]:
            client.response().json()
            client.close()
        return time.monotonic() - began
    finally:
        for client in clients:
            client.close()


@case("where one request waits at a time, 12 waits take their sum", needs="one_wait", seconds=1)
def waits_sum(context):
    with context.server() as server:
        took = time_of(server, 12, 50)
        check(took >= 11 * 0.050, f"12 waits of 50 ms took {took:.3f} s")


@case("a pool of ten takes 60 requests in six waits", needs="pool_of_ten", seconds=1)
def waits_by_pool(context):
    with context.server() as server:
        took = time_of(server, 60, 100)
        check(took >= 0.52, f"60 waits of 100 ms took {took:.3f} s: that were more than ten at a time")
        check(took < 3 * SLOW, f"60 waits of 100 ms took {took:.3f} s, in line they take 6 s")


@case("a pool of 30 takes 60 requests in two waits", needs="pool_of_ten", seconds=0.5)
def waits_by_larger_pool(context):
    with context.server("--threads", 30) as server:
        took = time_of(server, 60, 300)
        check(took >= 0.52, f"60 waits of 300 ms took {took:.3f} s: that were more than 30 at a time")
        check(took < 6 * SLOW, f"60 waits of 300 ms took {took:.3f} s, ten at a time take 1.8 s")


@case("shorter waits overtake longer ones", needs="concurrent", seconds=0.7)
def shortest_first(context):
    with context.server() as server:
        slow, fast = server.client(), server.client()
        with slow, fast:
            slow.send(db(600))
            time.sleep(0.02)
            for _ in range(5):
                fast.send(db(5))
                fast.response().json()
                slow.expect_silence(0.001)
            slow.response().json()


@case("200 different waits end in the order of their deadlines", needs="unbounded", seconds=0.8)
def deadlines_in_order(context):
    """Deadlines 30 ms apart may not be answered in the wrong order, however they were put in."""
    with context.server() as server:
        waits_ms = [(index * 7 % 20) * 30 + 100 for index in range(20)]
        clients = [server.client() for _ in waits_ms]
        crowd = [server.client() for _ in range(180)]
        try:
            for index, client in enumerate(crowd):
                client.send(db(150 + index * 2))
            began = time.monotonic()
            for client, wait_ms in zip(clients, waits_ms):
                client.send(db(wait_ms))
            for wait_ms, client in sorted(zip(waits_ms, clients), key=lambda pair: pair[0]):
                client.response().json()
                check(time.monotonic() - began >= wait_ms / 1000, f"a wait of {wait_ms} ms ended too early")
            for client in crowd:
                client.response().json()
        finally:
            for client in clients + crowd:
                client.close()


@case("connections that are silent or wait hold up nobody", needs="unbounded", seconds=1.5)
def idle_beside(context):
    with context.server() as server:
        others = [server.client() for _ in range(50)]
        try:
            for index, client in enumerate(others):
                if index % 3 == 1:
                    client.get()
                elif index % 3 == 2:
                    client.send(db(1200))
            with server.client() as client:
                began = time.monotonic()
                answered = 0
                while answered < 100:
                    equal(client.get().body, b"Hello, World!", "reply beside idle connections")
                    answered += 1
                took = time.monotonic() - began
            for client in others[2::3]:
                client.response().json()
            check(took < time.monotonic() - began, "the busy client was answered only after the waiting ones")
        finally:
            for client in others:
                client.close()


# -- no spinning: each situation that a level-triggered loop is known to spin in --------------------------


def quiet(context, name, prepare, finish=None, options=()):
    """Measures the server's CPU time over a second in a situation that prepare(server) sets up."""
    with context.server(*options) as server:
        clients = prepare(server)
        try:
            time.sleep(0.2)
            busy_ms = server.cpu_ms_over(1.0)
            check(busy_ms < 20 * SLOW, f"{busy_ms:.1f} ms of CPU time in a second: {name}")
            if finish:
                finish(*clients)
        finally:
            for client in clients:
                client.close()


def connections(server, *writes):
    clients = [server.client() for _ in writes]
    for client, data in zip(clients, writes):
        client.send(data)
    return clients


@case("no spin: nothing but a listener", needs="quiet", seconds=1.3)
def quiet_alone(context):
    quiet(context, "no connection at all", lambda server: [])


@case("no spin: idle connections, silent from the start or kept alive", needs="quiet", seconds=1.3)
def quiet_idle(context):
    quiet(context, "20 idle connections", lambda server: connections(server, *([b""] * 10 + [GET] * 10)))


@case("no spin: requests that are half there", needs="quiet", seconds=1.3)
def quiet_half(context):
    parts = [GET[:15], GET[:-2], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhe"]
    quiet(context, "unfinished requests", lambda server: connections(server, *parts))


@case("no spin: a database wait whose client has pipelined more", needs="quiet", seconds=1.8)
def quiet_pipelined(context):
    def finish(client):
        client.response().json()
        for _ in range(500):
            equal(client.response().body, b"Hello, World!", "pipelined reply")

    quiet(context, "a wait with input behind it", lambda server: connections(server, db(1500) + GET * 500), finish)


@case("no spin: a database wait during which more arrives", needs="quiet", seconds=1.8)
def quiet_arriving(context):
    def prepare(server):
        clients = connections(server, db(1500))
        time.sleep(0.05)
        clients[0].send(GET)
        return clients

    def finish(client):
        client.response().json()
        equal(client.response().body, b"Hello, World!", "second reply")

    quiet(context, "a wait with input arriving", prepare, finish)


@case("no spin: a database wait whose client has half-closed", needs="quiet", seconds=1.8)
def quiet_half_closed(context):
    def prepare(server):
        clients = connections(server, db(1500))
        time.sleep(0.05)
        clients[0].finish()
        return clients

    def finish(client):
        client.response().json()
        client.expect_end()

    quiet(context, "a wait with the client's FIN there", prepare, finish)


@case("no spin: a database wait whose client has gone", needs="quiet", seconds=1.8)
def quiet_gone(context):
    """A reset socket is reported as ready for ever, whatever is asked for (poll(2), POLLHUP)."""

    def prepare(server):
        clients = connections(server, db(1500))
        time.sleep(0.05)
        clients[0].reset()
        return clients

    quiet(context, "a wait with the client's RST there", prepare)


@case("no spin: a closed client during a database wait", needs="quiet", seconds=1.8)
def quiet_closed(context):
    def prepare(server):
        clients = connections(server, db(1500) + GET)
        time.sleep(0.05)
        clients[0].close()
        return clients

    quiet(context, "a wait with a closed client", prepare)


@case("no spin: the pauses of a stream", needs="quiet", seconds=1.8)
def quiet_stream(context):
    def finish(client):
        equal(len(client.response().chunks), 2, "pieces")
        equal(client.response().body, b"Hello, World!", "pipelined reply")
        client.expect_end()

    def prepare(server):
        clients = connections(server, b"GET /stream?n=2&ms=700 HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        clients[0].finish()
        return clients

    quiet(context, "a stream's pause with input and FIN there", prepare, finish)


@case("no spin: a reply that is not fetched, with input and FIN behind it", needs="quiet", seconds=1.3)
def quiet_unread(context):
    def prepare(server):
        client = server.client(receive_buffer=4096)
        client.send(b"GET /bytes?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        client.finish()
        return [client]

    quiet(context, "an unread reply", prepare)


@case("no spin: a client that stays after an error reply", needs="quiet", seconds=1.3)
def quiet_lingering(context):
    def prepare(server):
        clients = connections(server, b"bad\r\n\r\n")
        equal(clients[0].response().status, 400, "status")
        return clients

    quiet(context, "a lingering connection", prepare)


@case("no spin: at --max-conns with more clients coming", needs="quiet refuses", seconds=1.4)
def quiet_full(context):
    def prepare(server):
        clients = connections(server, GET, GET)
        for client in clients:
            client.response()
        return clients + [server.client() for _ in range(20)]

    quiet(context, "a full server", prepare, options=("--max-conns", 2))
