"""The server's own count of its system calls, read from /stats while a generator is at work.

Two readings with all clients connected: so neither the beginning nor the end of connections is in their
difference, and what is left is what requests cost.
"""

import threading

from . import client

KINDS = ("recv", "send", "wait", "io_uring_enter", "nanosleep", "epoll_ctl", "accept", "setsockopt",
         "shutdown", "close", "clone")
_PATIENCE_S = 5.0
_LOOK_S = 0.01


def read_once(port):
    """A reading on a connection of its own, which is closed again. Raises OSError or ValueError."""
    with client.Kept(port, _PATIENCE_S) as connection:
        return connection.stats()


class Watch(threading.Thread):
    """Takes the two readings `seconds` apart, once so many clients are connected besides itself."""

    def __init__(self, port, clients, seconds):
        super().__init__(daemon=True)
        self._port, self._clients, self._seconds = port, clients, seconds
        self._enough = threading.Event()
        self._first = self._last = None

    def run(self):
        try:
            with client.Kept(self._port, _PATIENCE_S) as connection:
                self._read(connection)
        except (OSError, ValueError, KeyError):
            self._last = None  # then the row has no count

    def _read(self, connection):
        while not self._enough.wait(_LOOK_S):
            now = connection.stats()
            full = now["connections"]["open"] > self._clients
            if self._first is None and full:
                self._first = now
                self._enough.wait(self._seconds)
            elif self._first is not None:
                self._last = now if full else None
                return

    def stop(self):
        """Ends it; returns (first, last), or None where there were no two readings."""
        self._enough.set()
        self.join()
        return (self._first, self._last) if self._last else None


def between(first, last):
    """Columns of a row: requests between two readings, and the system calls by kind; {} without any."""
    requests = last["requests"]["total"] - first["requests"]["total"]
    if requests <= 0:
        return {}
    calls = {kind: last["syscalls"].get(kind, 0) - first["syscalls"].get(kind, 0) for kind in KINDS}
    return {"counted_requests": requests,
            **{f"counted_{kind}": count for kind, count in calls.items() if count},
            "syscalls_per_request": sum(calls.values()) / requests,
            "wakeups_per_request": (last["wakeups"] - first["wakeups"]) / requests}
