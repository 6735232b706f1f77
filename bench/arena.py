"""One run of the benchmark: a server on one core, a generator on another, and what both cost.

Called by bench.py and profiling.py. Every process here is a child that dies with us (experiments/lib/processes.py)
and is pinned by us, all in the same way. A run is a row of figures, the same columns whichever generator made it.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time

from lib import processes
from lib.processes import Broken, Unavailable

OURS = ("blocking", "thread", "select", "poll", "epoll", "io_uring")
HELLO = b"Hello, World!"
# Nothing here closes a connection for being old or silent while it is measured.
PATIENCE_S = 600
WARM_UP_S = 0.2
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

# What anybody would write who wants nginx to answer this one thing fast. A single process: the same worker
# loop without a master, which would be left with nothing to do.
NGINX_CONF = """
daemon off; master_process off; worker_processes 1;
error_log stderr crit; pid nginx.pid;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000; keepalive_timeout {patience}s;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ default_type text/plain; return 200 "Hello, World!"; }}
    }}
}}
"""


def cpu_s(pid):
    """CPU time of a process, in seconds: its CPU clock, as clock_getcpuclockid(3) would name it."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError as error:
        raise Broken(f"the server (pid {pid}) is gone") from error


def children_cpu_s():
    """CPU time of all children that have been waited for, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def core_busy_s(core):
    """Seconds that a core has not been idle, whoever used it (proc(5): /proc/stat)."""
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] == f"cpu{core}":
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[1:9])
                return (user + nice + system + irq + softirq + steal) / TICKS_A_SECOND
    return 0.0


def version(program, option):
    """The first line in which a peer names itself, or "not installed"."""
    if not program:
        return "not installed"
    done = subprocess.run([program, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, timeout=20, check=False)
    return " ".join(done.stdout.strip().partition("\n")[0].split())


@contextlib.contextmanager
def on_core(core):
    """Children started within are pinned to the core. (They inherit it; we take it off again.)"""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Nginx(processes.Server):
    """nginx says nothing when it is ready: it is when it answers."""

    def _await_ready(self, patience):
        until = time.monotonic() + patience
        while True:
            if self.process.poll() is not None:
                reason = processes.last_line(self._errors) or f"exit status {self.process.returncode}"
                raise Broken(f"nginx did not start: {reason}")
            with contextlib.suppress(OSError):
                ask(self.port).close()
                return
            if time.monotonic() > until:
                raise Broken(f"nginx did not answer within {patience:.0f} s")
            time.sleep(0.02)


def ask(port):
    """A connection that has been served once; the caller closes it. Raises OSError."""
    connection = connect(port)
    try:
        served(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(port):
    """A connection on which GET / has been sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
    except BaseException:
        connection.close()
        raise
    return connection


def served(connection):
    """Reads the one answer to the end. Raises ConnectionError if it is another one, or cut off."""
    said = b""
    while not said.endswith(HELLO):
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("the server closed the connection")
        said += piece
        if not b"HTTP/1.1 200".startswith(said[:12]):
            raise ConnectionError(f"the server answered {said[:40]!r}")


class Arena:
    """`cores`: the server's and the generator's."""

    def __init__(self, build, ports, cores):
        self.build, self.ports = build, ports
        self.server_core, self.generator_core = cores

    def missing(self, who):
        """Why a contestant cannot take part, or None."""
        if who in ("nginx", "wrk"):
            return None if self.program(who) else f"{who} is not installed (make deps-bench)"
        if not os.access(self.program(who), os.X_OK):
            return f"{self.program(who)} is not built (make all)"
        return None

    def program(self, who):
        if who in ("nginx", "wrk", "valgrind", "vgdb"):
            return shutil.which(who, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        return os.path.join(self.build, who)

    def argv(self, who, port, *options):
        """The command line of a server other than nginx."""
        if who == "floor":
            return [self.program(who), str(port)]
        if who in OURS:
            return [self.program(who), "--port", str(port), "--idle-timeout", str(PATIENCE_S),
                    "--request-timeout", str(PATIENCE_S), *options]
        raise ValueError(who)

    @contextlib.contextmanager
    def serve(self, who):
        """A fresh server for the length of a with statement; gone when that ends. Raises Broken, Unavailable."""
        port = self.ports.take()
        with contextlib.ExitStack() as stack:
            if who == "nginx":
                prefix = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-nginx-"))
                conf = os.path.join(prefix, "nginx.conf")
                with open(conf, "w", encoding="ascii") as file:
                    file.write(NGINX_CONF.format(port=port, patience=PATIENCE_S))
                kind, argv = Nginx, [self.program(who), "-p", prefix, "-c", conf, "-e", "stderr"]
            else:
                kind, argv = processes.Server, self.argv(who, port)
            with on_core(self.server_core):
                server = kind(who, argv, port)
            try:
                yield server
            except BaseException:
                processes.end(server.process, 1.0)
                raise
            server.stop()

    def output(self, argv, limit):
        """What a generator prints, run on its core to its end. Raises Broken."""
        with tempfile.TemporaryFile() as errors:
            with on_core(self.generator_core):
                child = processes.start(argv, stdout=subprocess.PIPE, stderr=errors,
                                        stdin=subprocess.DEVNULL)
            try:
                said, _ = child.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                raise Broken(f"{os.path.basename(argv[0])} was not done after {limit:.0f} s") from None
            finally:
                processes.end(child, 1.0)
            if child.returncode != 0:
                raise Broken(f"{os.path.basename(argv[0])}: "
                             f"{processes.last_line(errors) or f'exit status {child.returncode}'}")
            return said.decode()

    def run(self, generator, server, connections, seconds, *options):
        """One run; returns its row.

        requests_per_s   as the generator reports it
        server_share     of the server's core, by its CPU clock over the generator's window
        generator_cpu_us CPU of the whole generator, from its start to its end, a request it ever
                         made; the same for both generators
        server_others    the part of the server's core that neither of the two used: what else
        generator_others ran on this machine then
        """
        begun, own = time.monotonic(), (cpu_s(server.pid), children_cpu_s())
        busy = core_busy_s(self.server_core), core_busy_s(self.generator_core)
        one_run = {"loadgen": self._loadgen, "wrk": self._wrk}[generator]
        row, requests = one_run(server, connections, seconds, options)
        took = time.monotonic() - begun
        used = cpu_s(server.pid) - own[0], children_cpu_s() - own[1]
        row["generator_cpu_us"] = 1e6 * used[1] / requests
        row["server_others"] = others(core_busy_s(self.server_core) - busy[0], used[0], took)
        row["generator_others"] = others(core_busy_s(self.generator_core) - busy[1], used[1], took)
        row.setdefault("server_share", used[0] / row["window_s"])
        row.setdefault("server_cpu_us", 1e6 * used[0] / requests)
        row.setdefault("generator_share", min(1.0, used[1] / row["window_s"]))
        return row

    def _loadgen(self, server, connections, seconds, options):
        said = self.output([self.program("loadgen"), "-c", str(connections), "-d", str(seconds),
                            "--warmup", str(WARM_UP_S), "--server-pid", str(server.pid), "--no-live",
                            "--json", "-", *map(str, options), server.url + "/"], seconds + 60)
        try:
            run = json.loads(said)
        except ValueError as error:
            raise Broken(f"loadgen's JSON: {error}") from error
        if not run["server"]:
            raise Broken("loadgen could not read the server's figures from /proc")
        if run["connections"]["open"] < connections or run["errors"]["total"] or not run["requests"]:
            raise Broken(f"{run['connections']['open']} of {connections} connections open, "
                         f"{run['errors']['total']} errors, {run['requests']} requests")
        return {"requests": run["requests"], "window_s": run["duration_s"],
                "requests_per_s": run["throughput_rps"],
                "server_cpu_us": run["server"]["cpu_us_per_request"],
                "server_user_us": run["server"]["user_us_per_request"],
                "server_sys_us": run["server"]["sys_us_per_request"],
                "server_share": run["server"]["cpu_pct"] / 100,
                "generator_share": run["generator"]["busiest_cpu_pct"] / 100,
                "p50_us": run["latency_us"]["p50"], "p99_us": run["latency_us"]["p99"],
                "little": run["little"], "loadgen_verdict": run["verdict"],
                }, run["whole_run"]["answered"]

    def _wrk(self, server, connections, seconds, _options):
        said = self.output([self.program("wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s",
                            server.url + "/"], seconds + 60)
        whole = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b", said)
        rate = re.search(r"Requests/sec:\s*([\d.]+)", said)
        wrong = re.search(r"Socket errors:.*|Non-2xx.*", said)
        if not whole or not rate or int(whole[1]) == 0:
            raise Broken(f"wrk printed something else: {' '.join(said.split())[:200]}")
        if wrong:
            raise Broken(f"wrk: {wrong[0]}")
        unit_s = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}[whole[3]]
        return {"requests": int(whole[1]), "window_s": float(whole[2]) * unit_s,
                "requests_per_s": float(rate[1])}, int(whole[1])


def others(busy_s, own_s, took_s):
    """The share of a core that others had. /proc/stat counts in ticks of 10 ms, so a little is noise."""
    return max(0.0, busy_s - own_s) / took_s


__all__ = ["Arena", "Broken", "Unavailable", "OURS", "ask", "connect", "served", "cpu_s"]
