"""Child processes that never outlive the run: servers, generators, and whatever an experiment starts.

Each child leads a session of its own, so that Ctrl-C reaches only us and we end them in order (first the
generator, then the server). Should we die ourselves, the kernel kills them (PR_SET_PDEATHSIG).
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import tempfile
import time

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_EXIT_UNAVAILABLE = 77


class Unavailable(Exception):
    """This machine cannot run this server; the text is the reason it gave."""


class Broken(Exception):
    """A server or generator did not do what it should; the text is one line saying what."""


def start(argv, **options):
    """subprocess.Popen of a child that dies with us."""
    parent = os.getpid()

    def die_with_parent():
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)

    try:
        return subprocess.Popen(argv, start_new_session=True, preexec_fn=die_with_parent, **options)
    except OSError as error:
        raise Broken(f"cannot start {argv[0]}: {error.strerror}") from error


def end(process, patience=7.0):
    """SIGTERM, and SIGKILL to its whole session when that does not help. True if it went by itself."""
    willing = True
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(patience)
    except subprocess.TimeoutExpired:
        willing = False
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its workers, too
        except ProcessLookupError:
            pass
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
    return willing


def hold_still(pid, seconds):
    """Stops a process (SIGSTOP) for so long and lets it go on, whatever happens. Returns for how long it really was."""
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    return time.monotonic() - began


def last_line(file):
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


class Ports:
    """Free ports, one after another: no server gets the port of the one before, so its client ports
    in TIME_WAIT are no hindrance. They lie below the range that clients take theirs from."""

    def __init__(self, text):
        first, _, last = text.partition("-")
        self.all = range(int(first), int(last or first) + 1)
        self.next = os.getpid() % len(self.all)

    def take(self):
        for _ in self.all:
            port = self.all[self.next]
            self.next = (self.next + 1) % len(self.all)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue
        raise Broken(f"no free port in {self.all[0]}-{self.all[-1]}; set SIX_PORTS=FIRST-LAST")


class Server:
    """A running server, ready to be asked."""

    def __init__(self, model, argv, port, patience=15.0):
        self.model, self.port = model, port
        self.url = f"http://127.0.0.1:{port}"
        self._errors = tempfile.TemporaryFile()
        self.process = start(argv, stdout=subprocess.PIPE, stderr=self._errors,
                             stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        try:
            self._await_ready(patience)
        except BaseException:
            end(self.process, 1.0)
            self._errors.close()
            raise

    def _await_ready(self, patience):
        until, said = time.monotonic() + patience, b""
        while not said.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0:
                raise Broken(f"{self.model} did not say that it listens within {patience:.0f} s")
            if not select.select([self.process.stdout], [], [], left)[0]:
                continue
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                status = self.process.wait()
                reason = last_line(self._errors) or f"exit status {status}"
                reason = reason.removeprefix(f"{self.model}: ")
                if status == _EXIT_UNAVAILABLE:
                    raise Unavailable(reason)
                raise Broken(f"{self.model} did not start: {reason}")
            said += piece

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it and waits until it is gone. Raises Broken if it had crashed or would not go."""
        status = self.process.poll()
        willing = end(self.process)
        said = last_line(self._errors)
        self._errors.close()
        if status is not None:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            raise Broken(f"{self.model} ended by itself with {how}: {said or 'without a word'}")
        if not willing:
            raise Broken(f"{self.model} did not stop within 7 s of SIGTERM")
