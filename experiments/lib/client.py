"""A small raw client, for experiments that look at single connections; loadgen is the one for load.

It writes a request on each connection and notes when, on the clock that the servers use
(CLOCK_MONOTONIC). It reads no more of HTTP than "the head has come, and the body of its length".
"""

import json
import re
import selectors
import socket
import time

_CHUNK = 65536


def now_us():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) / 1000


def request(path, close):
    return (f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
            f"{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n").encode()


class Kept:
    """One kept-alive connection that asks, waits for the answer, and asks again. For use in a with statement."""

    def __init__(self, port, patience=10.0):
        self.sock = socket.create_connection(("127.0.0.1", port), patience)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, path):
        """(status, body). Raises OSError when the connection ends or nothing comes."""
        self.sock.sendall(request(path, False))
        got = b""
        while True:
            head, end, body = got.partition(b"\r\n\r\n")
            length = re.search(rb"(?im)^content-length: *(\d+)", head)
            if end and length and len(body) >= int(length.group(1)):
                return int(head.split(b" ", 2)[1]), body
            piece = self.sock.recv(_CHUNK)
            if not piece:
                raise ConnectionError("the server closed the connection")
            got += piece

    def stats(self):
        """The server's own counts: GET /stats as it is, nested."""
        return json.loads(self.ask("/stats")[1])


class Exchange:
    """One request on a connection of its own, and when what happened (microseconds, None: never)."""

    def __init__(self, path, close):
        self.path, self._request, self._got = path, request(path, close), b""
        self.sent_us = self.first_us = self.done_us = self.status = None
        self.ended = False  # the server closed
        self.sock = None

    def begin(self, port):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(5.0)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.sent_us = now_us()
        self.sock.sendall(self._request)  # far smaller than an empty socket buffer

    def read(self):
        """Takes what has come. True when the reply is complete or there will be none."""
        try:
            piece = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        if not piece:
            self.ended = True
            return True
        self.first_us = self.first_us or now_us()
        self._got += piece
        head, end, body = self._got.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        if not end or len(body) < int(length.group(1) if length else 0):
            return False
        self.done_us, self.status = now_us(), int(head.split(b" ", 2)[1])
        return True

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None


def at_once(port, paths, close=True, patience=10.0):
    """Asks for all paths at the same time, each on a connection of its own. Returns the Exchanges, their
    connections still open where `close` is False: the caller closes them.

    Waits until all are answered, or until nothing has come for `patience` seconds.
    """
    exchanges = [Exchange(path, close) for path in paths]
    with selectors.DefaultSelector() as selector:
        try:
            for exchange in exchanges:
                exchange.begin(port)
                selector.register(exchange.sock, selectors.EVENT_READ, exchange)
            while selector.get_map():
                ready = selector.select(patience)
                if not ready:
                    break
                for key, _ in ready:
                    if key.data.read():
                        selector.unregister(key.fileobj)
                        if close:
                            key.data.close()
        except BaseException:
            for exchange in exchanges:
                exchange.close()
            raise
    if close:
        for exchange in exchanges:
            exchange.close()
    return exchanges
