"""Command line, ports, exit codes, pinning and the trace."""

import os
import re
import signal
import socket
import tempfile
import threading
import time

from harness import SLOW, Failure, case, check, equal, eventually
from server import run_briefly

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def one_line(text, what):
    check(text.endswith(b"\n") and text.count(b"\n") == 1 and len(text) > 10, f"{what} is not one clear line: {text!r}")


BAD_USAGE = [
    ("--bogus",),
    ("-Z",),
    ("extra",),
    ("--port",),
    ("--port", "x"),
    ("--port", ""),
    ("--port", "-1"),
    ("--port", "65536"),
    ("--port", "80x"),
    ("--workers", "0"),
    ("--workers", "-1"),
    ("--workers", "two"),
    ("--max-conns", "0"),
    ("--max-conns", "1e3"),
    ("--db-delay", "-1"),
    ("--db-delay", "abc"),
    ("--db-delay", "10ms"),
    ("--db-delay", "nan"),
    ("--request-timeout", "-1"),
    ("--request-timeout", "x"),
    ("--idle-timeout", "inf"),
    ("--idle-timeout", ""),
    ("--backlog", "0"),
    ("--backlog", "x"),
    ("--cpu", "-1"),
    ("--cpu", "x"),
    ("--host", ""),
    ("--workers", "99999999999999999999"),
]


@case("bad usage: one line on stderr, nothing on stdout, exit 2")
def bad_usage(context):
    problems = []
    for options in BAD_USAGE:
        try:
            status, out, err = run_briefly(context.binary, *options, seconds=3)
            equal(status, 2, f"exit status (stdout {out!r}, stderr {err!r})")
            equal(out, b"", "stdout")
            one_line(err, "stderr")
        except Failure as failure:
            problems.append(f"{' '.join(options)}: {failure}")
    if problems:
        raise Failure("\n".join(problems))


@case("what this machine cannot do: one line on stderr, exit 1 or 2")
def impossible(context):
    for options in (
        ("--cpu", "9999"),
        ("--trace", "/nonexistent/trace.tsv"),
        ("--host", "192.0.2.1"),  # TEST-NET-1, RFC 5737: nobody's address
        ("--host", "not-an-address"),
    ):
        status, out, err = run_briefly(context.binary, "--port", "0", *options)
        check(status in (1, 2), f"{options}: exit status {status}, stdout {out!r}, stderr {err!r}")
        equal(out, b"", f"stdout of {options}")
        one_line(err, f"stderr of {options}")


@case("--help and --version print on stdout and exit 0")
def help_and_version(context):
    status, out, err = run_briefly(context.binary, "--help")
    equal((status, err), (0, b""), "exit status and stderr of --help")
    for option in ("host", "port", "db-delay", "workers", "max-conns", "request-timeout", "idle-timeout", "backlog", "cpu", "trace", "help", "version"):
        check(b"--" + option.encode() in out, f"--help does not mention --{option}")
    status, out, err = run_briefly(context.binary, "--version")
    equal((status, err), (0, b""), "exit status and stderr of --version")
    check(re.search(rb"[0-9]", out) and out.endswith(b"\n"), f"--version prints {out!r}")


@case("--host and --port are where it listens")
def listens_where_told(context):
    with context.server(host="127.0.0.7") as server:
        server.hello()
        with socket.socket() as probe:
            check(probe.connect_ex(("127.0.0.1", server.port)) != 0, "it listens on other addresses, too")


@case("the port can be taken again at once after an exit", seconds=2)
def port_again(context):
    """With connections that the server closed (TIME_WAIT is on its side) and some still open."""
    server = context.server()
    port = server.port
    for round_number in range(4):
        for _ in range(3):
            server.hello()
        with server.client() as client:
            client.get()
            server.stop()
        began = time.monotonic()
        server = context.server(port=port)
        check(time.monotonic() - began < 5 * SLOW, f"round {round_number}: took {time.monotonic() - began:.1f} s")
    server.stop()


@case("the port can be taken again at once after kill -9", seconds=2)
def port_again_after_kill(context):
    server = context.server()
    port = server.port
    for _ in range(3):
        server.hello()
        with server.client() as client:
            client.get()
            client.send(b"GET /db?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.02)
            server.tell(signal.SIGKILL)
            equal(server.wait(), -signal.SIGKILL, "exit status")
            server = context.server(port=port)
    server.hello()
    server.stop()


@case("a port in use: one line that names it, exit 1, and a second of patience before", seconds=1.5)
def port_in_use(context):
    with context.server() as server:
        began = time.monotonic()
        status, out, err = run_briefly(context.binary, "--port", str(server.port))
        took = time.monotonic() - began
        equal((status, out), (1, b""), f"exit status and stdout (stderr {err!r})")
        one_line(err, "stderr")
        check(f"127.0.0.1:{server.port}".encode() in err, f"stderr does not name the address and port: {err!r}")
        check(took >= 0.5, f"gave up after {took:.3f} s: a port that becomes free a moment later is not taken")
        server.hello()


@case("a port that becomes free within a second is taken", seconds=1)
def port_becomes_free(context):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        timer = threading.Timer(0.3, holder.close)
        timer.start()
        try:
            with context.server(port=port) as server:
                server.hello()
        finally:
            timer.join()


@case("SIGSTOP and SIGCONT interrupt calls, and nothing else", seconds=0.8)
def stop_and_continue(context):
    """System calls return EINTR after a stop (signal(7)); a wait must go on where it was."""
    with context.server() as server, server.client() as client:
        for target in ("/db?ms=200", "/stream?n=3&ms=60"):
            began = time.monotonic()
            client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            for _ in range(2):
                time.sleep(0.03)
                server.tell(signal.SIGSTOP)
                time.sleep(0.03)
                server.tell(signal.SIGCONT)
            equal(client.response().status, 200, f"status of {target}")
            check(time.monotonic() - began >= 0.18, f"{target} was answered after {time.monotonic() - began:.3f} s")


@case("--cpu pins it")
def pinned(context):
    core = max(os.sched_getaffinity(0))
    with context.server("--cpu", core) as server:
        server.hello()
        equal(os.sched_getaffinity(server.pid), {core}, "CPUs it may run on")


@case("stdout and stderr that are closed do not stop it")
def no_reader_of_stdout(context):
    with context.server() as server:
        os.close(os.dup(server.process.stdout.fileno()))
        for _ in range(5):
            server.hello()


def trace_lines(path):
    with open(path, encoding="ascii") as file:
        return [line for line in file.read().splitlines() if line and not line.startswith("#")]


@case("--trace writes one line a request", seconds=0.3)
def trace(context):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.tsv")
        with context.server("--trace", path) as server:
            with server.client() as client:
                for target in ("/", "/db?ms=5", "/bytes?n=100000", "/stream?n=3&ms=1", "/nope"):
                    client.get(target)
                client.send(GET * 3)
                for _ in range(3):
                    client.response()
            server.hello()
        lines = trace_lines(path)
        if lines and not re.search(r"[0-9]", lines[0].split("\t")[0]):
            lines = lines[1:]  # names of the columns
        equal(len(lines), 9, f"lines, which are {lines}")
        equal(len({line.count("\t") for line in lines}), 1, f"numbers of columns, in {lines}")


@case("the trace of an interrupted run is complete", seconds=0.3)
def trace_sigint(context):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.tsv")
        server = context.server("--trace", path)
        with server.client() as client:
            for _ in range(10):
                client.get()
            server.stop(signal.SIGINT)
        eventually(lambda: len(trace_lines(path)) in (10, 11), "10 lines and perhaps the columns' names", 1)
