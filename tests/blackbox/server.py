"""Starts one server process, watches it, and ends it; nothing stays behind.

Used by the cases through Context.server(). What always holds at the end of a `with` block: the
process has been ended by its pid, it exited with the expected status, it printed exactly the
readiness line on stdout and nothing on stderr. A sanitizer's report therefore fails the case that
caused it.
"""

import os
import re
import select
import signal
import subprocess
import tempfile
import threading
import time

from client import Client
from harness import SLOW, Failure, Skip, check, equal, shorten

READY = re.compile(rb"([a-z_]+): listening on http://([0-9.]+):([0-9]+) \(pid ([0-9]+)\)\n")
EXIT_UNSUPPORTED = 77

_living = set()
_living_lock = threading.Lock()


def kill_all():
    """The runner's last resort when it is interrupted."""
    with _living_lock:
        for server in list(_living):
            server.kill_group()


def run_briefly(binary, *options, seconds=10.0, nofile=None):
    """Runs a server that is expected to end by itself: (exit status, stdout, stderr)."""
    command = limited([binary, *options], nofile)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds * SLOW, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(options)!r}: still running after {seconds * SLOW:g} s, an exit was expected") from None
    return done.returncode, done.stdout, done.stderr


def parent_of(pid):
    """The parent's pid; None for a process that has ended (proc(5): stat)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(parent)


def limited(command, nofile):
    if nofile is None:
        return command
    return ["/bin/sh", "-c", f'ulimit -n {nofile} && exec "$@"', "sh", *command]


class Server:
    def __init__(self, binary, model, options, nofile=None, port=0, host="127.0.0.1", stderr_expected=False):
        self.model = model
        self.host = host
        self.port = port
        self.stderr_expected = stderr_expected
        self.command = limited(
            [binary, "--host", host, "--port", str(port), *[str(option) for option in options]], nofile
        )
        self.process = None
        self.stderr_file = tempfile.TemporaryFile()
        self.stdout_rest = b""

    # -- beginning -------------------------------------------------------------------------------

    def start(self):
        # A session of its own, so that a last resort can reach the workers, too, and nobody else.
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.stderr_file,
            start_new_session=True,
        )
        with _living_lock:
            _living.add(self)
        try:
            self._wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _wait_ready(self):
        line = self._first_line(10 * SLOW)
        if not line.endswith(b"\n"):
            status = self.process.wait(timeout=10)
            if status == EXIT_UNSUPPORTED:
                raise Skip(self.stderr().strip() or "exit 77 without a reason")
            raise Failure(f"no readiness line but {line!r}, exit status {status}, stderr: {shorten(self.stderr(), 4000)}")
        match = READY.fullmatch(line)
        check(match, f"readiness line {line!r} is not 'MODEL: listening on http://ADDR:PORT (pid PID)'")
        model, host, port, pid = match.groups()
        equal(model.decode(), self.model, "model in the readiness line")
        equal(host.decode(), self.host, "address in the readiness line")
        equal(int(pid), self.process.pid, "pid in the readiness line")
        check(self.port in (0, int(port)), f"asked for port {self.port}, the readiness line says {int(port)}")
        self.port = int(port)

    def _first_line(self, seconds):
        line, fd = b"", self.process.stdout.fileno()
        give_up = time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = give_up - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise Failure(f"no readiness line within {seconds:g} s, only {line!r}")
            byte = os.read(fd, 1)
            if not byte:
                break
            line += byte
        return line

    # -- ending ----------------------------------------------------------------------------------

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()

    @property
    def pid(self):
        return self.process.pid

    def tell(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=10.0):
        """Waits for the exit and takes what was printed. Returns the exit status (negative: a signal)."""
        try:
            status = self.process.wait(timeout=seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"still running {seconds * SLOW:g} s after it was asked to end") from None
        self._ended()
        return status

    def stop(self, number=signal.SIGTERM, seconds=10.0):
        """Asks the server to end and checks how it does. Does nothing when it was ended before."""
        if self.process.stdout.closed:
            return
        try:
            if self.process.poll() is None:
                self.tell(number)
            self.check_end(self.wait(seconds))
        finally:
            self.kill()

    def check_end(self, status, expected=0):
        complaint = self.stderr()
        if status != expected or (complaint and not self.stderr_expected):
            raise Failure(f"exit status {status} (expected {expected}), stderr: {shorten(complaint, 6000)}")
        equal(self.stdout_rest, b"", "stdout after the readiness line")

    def kill(self):
        """SIGKILL to it and its workers, and reaped. Safe to call at any time, also again."""
        self.kill_group()
        if self.process is not None:
            self.process.wait()
            self._ended()

    def kill_group(self):
        if self.process is not None and self.process.returncode is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _ended(self):
        with _living_lock:
            _living.discard(self)
        if not self.process.stdout.closed:
            # Not read to its end: an orphaned worker could still hold the pipe open.
            if select.select([self.process.stdout], [], [], 0)[0]:
                self.stdout_rest = os.read(self.process.stdout.fileno(), 65536)
            self.process.stdout.close()

    def stderr(self):
        self.stderr_file.seek(0)
        return self.stderr_file.read().decode("utf-8", "replace")

    def report(self):
        """For the diagnostics of a failed case: how the server did, if that explains anything."""
        lines = []
        if self.process is not None and self.process.returncode not in (None, 0, -signal.SIGKILL):
            lines.append(f"server (pid {self.pid}) ended with status {self.process.returncode}")
        if not self.stderr_file.closed and self.stderr():
            lines.append("server's stderr: " + shorten(self.stderr(), 6000))
        return lines

    # -- looking at it ---------------------------------------------------------------------------

    def client(self, **how):
        return Client(self.host, self.port, **how)

    def stats(self):
        """/stats on a connection of its own. Sequential servers: only when no other one is open."""
        with self.client() as client:
            return client.stats(close=True)

    def hello(self):
        """One whole exchange, to see that the server still serves."""
        with self.client() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            equal(client.response().body, b"Hello, World!", "body of GET /")
            client.expect_end()

    def workers(self):
        """Pids of its child processes."""
        return sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent_of(entry) == self.pid)

    def cpu_ns(self):
        """CPU time of all its threads so far, in nanoseconds (proc(5): schedstat)."""
        total = 0
        for pid in [self.pid, *self.workers()]:
            for task in os.listdir(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                        total += int(file.read().split()[0])
                except FileNotFoundError:
                    continue  # that thread has just ended
        return total

    def cpu_ms_over(self, seconds):
        """CPU milliseconds it uses while the caller does nothing for so long."""
        before = self.cpu_ns()
        time.sleep(seconds)
        return (self.cpu_ns() - before) / 1e6

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def status_field(self, name):
        """A number from /proc/PID/status: VmRSS in kB, Threads."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(name + ":"):
                    return int(line.split()[1])
        raise Failure(f"/proc/{self.pid}/status has no {name}")
