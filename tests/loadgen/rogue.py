"""Servers that misbehave on purpose, for the load generator's tests.

Each is a listener in a thread of this process; every connection gets a thread that runs one function
with the connected socket. Nothing here knows more HTTP than it needs to be wrong in the intended way.
"""
import socket
import struct
import threading

FIRST_PORT, LAST_PORT = 22100, 22999
_next_port = [FIRST_PORT]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def free_listener(backlog=1024):
    """A listening socket on the next free port below the ephemeral range."""
    for _ in range(LAST_PORT - FIRST_PORT + 1):
        port = _next_port[0]
        _next_port[0] = port + 1 if port < LAST_PORT else FIRST_PORT
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        listener.listen(backlog)
        return listener
    raise RuntimeError("no free port")


def free_port():
    listener = free_listener()
    port = listener.getsockname()[1]
    listener.close()
    return port


class Server:
    """with Server(function) as s: ... s.url ... function(conn) runs for each connection."""

    def __init__(self, serve):
        self.serve = serve
        self.accepted = 0
        self.peers = []
        self.lock = threading.Lock()

    def __enter__(self):
        self.listener = free_listener()
        self.url = "http://127.0.0.1:%d/" % self.listener.getsockname()[1]
        self.stopping = False
        self.connections = set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while not self.stopping:
            try:
                conn, peer = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                self.peers.append(peer[0])
                self.connections.add(conn)
            threading.Thread(target=self._run, args=(conn,), daemon=True).start()

    def _run(self, conn):
        try:
            self.serve(conn)
        except OSError:
            pass  # the client is gone: its business
        with self.lock:
            self.connections.discard(conn)
        conn.close()

    def stop_listening(self):
        """From now on connections are refused."""
        self.stopping = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the accept()
        except OSError:
            pass
        self.listener.close()

    def __exit__(self, *_):
        self.stop_listening()
        with self.lock:
            for conn in self.connections:
                try:
                    conn.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def requests(conn):
    """Yields each request head that arrives; ends with the connection."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return
            data += more
        head, data = data.split(b"\r\n\r\n", 1)
        yield head


def answers(reply):
    """Answers every request with the same bytes."""

    def serve(conn):
        for _ in requests(conn):
            conn.sendall(reply)

    return serve


def answers_and_closes(reply):
    def serve(conn):
        for _ in requests(conn):
            conn.sendall(reply)
            return

    return serve


def answers_in_pieces(reply):
    """One byte a segment."""

    def serve(conn):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in requests(conn):
            for i in range(len(reply)):
                conn.sendall(reply[i : i + 1])

    return serve


def never_answers(conn):
    while conn.recv(65536):
        pass


def resets(reply=b""):
    """Sends the reply's bytes, if any, and then RST instead of FIN."""

    def serve(conn):
        for _ in requests(conn):
            conn.sendall(reply)
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return

    return serve


def refuses(conn):
    """503 and close before any request was read, as a full server does."""
    conn.sendall(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    conn.shutdown(socket.SHUT_WR)
    while conn.recv(65536):
        pass
