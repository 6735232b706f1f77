#!/usr/bin/env python3
"""The load generator against servers that are wrong in a known way, and against one that is right.

    run.py --bin build/loadgen --server build/epoll [--only WORD] [--long]

Prints TAP; exits 1 if a test failed. Counts, orders and ratios are asserted, never an absolute time:
the machine may be busy. --long adds the full-length run with a stopped server (30 s).
"""
import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rogue  # noqa: E402

TESTS = []
ARGS = None


def test(function):
    TESTS.append(function)
    return function


class Failed(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Failed(" ".join(str(w) for w in what))


def start(*args, **kwargs):
    return subprocess.Popen([ARGS.bin] + [str(a) for a in args], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **kwargs)


def run(*args, status=0, **kwargs):
    """Runs the generator to its end. Returns (stdout, stderr)."""
    process = start(*args, **kwargs)
    out, err = process.communicate(timeout=120)
    check(process.returncode == status, args, "ended with", process.returncode, "not", status, err)
    return out, err


def measure(*args, **kwargs):
    """Runs with --json - and returns the results. Whatever else was asked, its own counts must agree."""
    out, _ = run("--json", "-", "--no-live", *args, **kwargs)
    r = json.loads(out)
    e = r["errors"]
    check(e["total"] == sum(v for k, v in e.items() if k != "total"), "errors do not add up", e)
    whole = r["whole_run"]
    check(whole["begun"] == whole["answered"] + whole["failed"] + whole["unanswered"],
          "requests do not add up", whole)
    if r["little"] is not None:
        check(abs(r["little"] - 1) < 0.02, "Little's law is missed:", r["little"])
    latency = r["latency_us"]
    order = [latency[k] for k in ("min", "p50", "p75", "p90", "p95", "p99", "p999", "p9999", "max")]
    check(order == sorted(order), "quantiles out of order", order)
    check(abs(r["throughput_rps"] * r["duration_s"] - r["requests"]) <= 1 + r["requests"] * 1e-3,
          "throughput times duration is not the number of requests")
    return r


def only_error(r, kind, at_least=1):
    e = r["errors"]
    check(e[kind] >= at_least, "expected", at_least, kind, "errors, got", e)
    check(e["total"] == e[kind], "other errors than", kind, e)


class RealServer:
    """One of the lab's servers, on a free port: the one this suite was given, or another of the same build."""

    def __init__(self, *options, model=None):
        self.options = options
        self.program = os.path.join(os.path.dirname(ARGS.server), model) if model else ARGS.server

    def __enter__(self):
        self.process = subprocess.Popen([self.program, "--port", str(rogue.free_port()), *self.options],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        check(found, "the server did not start:", line)
        self.url = found.group(0)
        self.pid = self.process.pid
        return self

    def stats(self):
        with urllib.request.urlopen(self.url + "/stats", timeout=10) as answer:
            return json.load(answer)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()


# ---------------------------------------------------------------- the command line


@test
def bad_usage_is_one_line_and_status_2():
    url = "http://127.0.0.1:22001/"
    for args in ([], ["--nonsense", url], ["-c", "0", url], ["-c", "x", url], ["-c", "1e3", url],
                 ["-d", "-1", url], ["-d", "nan", url], ["-n", "1.5", url], ["-R", "0", url],
                 ["-c"], ["-t", "9", "-c", "2", url], ["-n", "5", "--warmup", "1", url],
                 ["--poisson", url], ["-H", "nocolon", url], ["-H", "a b: c", url],
                 ["-H", "x: y\r\nz: w", url], ["--method", "get", url],
                 ["--json", "-", "--hdr", "-", url], [url, url], ["127.0.0.1:22001"],
                 ["https://127.0.0.1/"], ["http://"], ["http://127.0.0.1:0/"],
                 ["http://127.0.0.1:99999/"], ["http://127.0.0.1:22001/a b"], ["http://127.0.0.1:22001/a\nb"], ["http://[::1/"],
                 ["http://u@127.0.0.1/"], ["--cpu", "-1", url], ["--close=yes", url]):
        out, err = run(*args, status=2)
        check(out == "" and err.count("\n") == 1 and err.startswith("loadgen: "), args, repr(err))


@test
def remote_targets_need_permission():
    for host in ("192.0.2.1", "example.com", "0.0.0.0", "[2001:db8::1]", "128.0.0.1"):
        _, err = run("http://%s/" % host, status=2)
        check("--allow-remote" in err and err.count("\n") == 1, host, err)


@test
def help_and_version_end_with_0():
    out, _ = run("--help")
    for option in ("-c", "-d", "-n", "-t", "-R", "--close", "--idle", "--ramp", "--warmup", "--timeout",
                   "--cpu", "--server-pid", "--json", "--hdr", "--allow-remote", "--poisson", "--slow"):
        check(option in out, option, "is not in --help")
    out, _ = run("--version")
    check(out.startswith("loadgen "), out)


@test
def run_time_failures_are_one_line_and_status_1():
    port = rogue.free_port()
    for args in (["http://127.0.0.1:%d/" % port], ["--no-stats", "http://127.0.0.1:%d/" % port]):
        _, err = run(*args, status=1)
        check("cannot reach" in err and err.count("\n") == 1, err)
    with rogue.Server(rogue.answers(rogue.OK)) as s:
        for args in (["--json", "/nonexistent/x.json"], ["--hdr", "/nonexistent/x"],
                     ["--server-pid", "999999999"], ["--cpu", "1023"]):
            _, err = run("-n", 1, *args, s.url, status=1)
            check(err.count("\n") == 1 and err.startswith("loadgen: "), args, err)


@test
def too_few_descriptors_is_said():
    with rogue.Server(rogue.answers(rogue.OK)) as s:
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (33, 33))
        _, err = run("-c", 1000, "-n", 1, s.url, status=1, preexec_fn=limit)
        check("RLIMIT_NOFILE" in err and err.count("\n") == 1, err)


# ---------------------------------------------------------------- right answers of every shape

PAGE = b"Hello, World!"
SHAPES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + PAGE,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, World!\r\n0\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + PAGE,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 13\r\n\r\n" + PAGE,
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@test
def good_answers_are_good_however_framed():
    for name, reply in SHAPES.items():
        for serve in (rogue.answers, rogue.answers_in_pieces):
            with rogue.Server(serve(reply)) as s:
                r = measure("-c", 5, "-n", 40, "--no-stats", s.url)
                check(r["requests"] == 40 and r["errors"]["total"] == 0, name, serve.__name__, r["errors"])
                check(r["connections"]["made"] == 5, name, "connections were made anew")


@test
def large_and_varying_bodies():
    size = 5000000
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with rogue.Server(rogue.answers(large)) as s:
        r = measure("-c", 3, "-n", 12, "--no-stats", s.url)
        check(r["requests"] == 12 and r["errors"]["total"] == 0, r["errors"])
        check(r["bytes_received"] == 12 * len(large), r["bytes_received"])

    def varying(conn):
        for i, _ in enumerate(rogue.requests(conn)):
            conn.sendall(b"HTTP/1.1 200 OK\r\nX-Count: %d\r\nContent-Length: %d\r\n\r\n" % (i, i * 37 % 301)
                         + b"y" * (i * 37 % 301))
    with rogue.Server(varying) as s:
        r = measure("-c", 4, "-n", 400, "--no-stats", s.url)
        check(r["requests"] == 400 and r["errors"]["total"] == 0, r["errors"])


@test
def a_server_may_close_in_good_order():
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\n" + PAGE
    old = b"HTTP/1.0 200 OK\r\n\r\n" + PAGE  # its body ends with the connection
    silent = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + PAGE  # closes without a word
    for reply in (closing, old, silent):
        with rogue.Server(rogue.answers_and_closes(reply)) as s:
            r = measure("-c", 4, "-n", 60, "--no-stats", s.url)
            check(r["requests"] == 60, r["requests"], reply[:30])
            if reply != silent:  # there the next request may cross the FIN: that one is lost
                check(r["errors"]["total"] == 0, r["errors"], reply[:30])
            check(r["connections"]["made"] >= 60 and r["connections"]["closed_by_server"] > 0,
                  r["connections"])


@test
def head_and_204_have_no_body():
    def head(conn):
        for request in rogue.requests(conn):
            check(request.startswith(b"HEAD / HTTP/1.1\r\n"), request)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with rogue.Server(head) as s:
        r = measure("-c", 2, "-n", 30, "--method", "HEAD", "--no-stats", s.url)
        check(r["requests"] == 30 and r["errors"]["total"] == 0, r["errors"])
    with rogue.Server(rogue.answers(b"HTTP/1.1 204 No Content\r\n\r\n")) as s:
        r = measure("-c", 2, "-n", 30, "--expect-status", 204, "--no-stats", s.url)
        check(r["requests"] == 30 and r["errors"]["total"] == 0, r["errors"])


@test
def request_is_what_was_asked_for():
    seen = []

    def record(conn):
        for request in rogue.requests(conn):
            seen.append(request)
            conn.sendall(rogue.OK)
    with rogue.Server(record) as s:
        run("-c", 1, "-n", 1, "-H", "X-One: 1", "-H", "Accept: text/html", s.url + "a/b?c=d")
        host = s.url[7:-1].encode()
    check(seen == [b"GET /stats HTTP/1.1\r\nHost: " + host,
                   b"GET /a/b?c=d HTTP/1.1\r\nHost: " + host + b"\r\nX-One: 1\r\nAccept: text/html"], seen)


# ---------------------------------------------------------------- wrong answers, each in its own count


@test
def wrong_status():
    with rogue.Server(rogue.answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")) as s:
        r = measure("-c", 5, "-n", 50, "--no-stats", s.url)
        only_error(r, "status", 50)
        check(r["requests"] == 0 and r["unexpected_statuses"] == {"404": r["errors"]["status"]}, r)
        check(r["connections"]["made"] == 5, "a kept connection was thrown away")
        check(r["connections"]["never_answered"] == 5, r["connections"])
        r = measure("-c", 5, "-n", 50, "--no-stats", "--expect-status", 404, s.url)
        check(r["requests"] == 50 and r["errors"]["total"] == 0, r["errors"])


@test
def refusal_before_the_request():
    with rogue.Server(rogue.refuses) as s:
        r = measure("-c", 10, "-d", 1, "--no-stats", s.url)
        check(r["requests"] == 0 and r["connections"]["never_answered"] == 10, r["connections"])
        check(r["errors"]["total"] == r["errors"]["status"], r["errors"])
        all_of_them = r["early_errors"]["status"] + r["errors"]["status"]
        check(all_of_them >= 10, r["early_errors"], r["errors"])
        check(r["verdict"].startswith("invalid"), r["verdict"])
        # It was not hammered: a client that does not rest manages thousands.
        check(s.accepted < 100, s.accepted, "connections in a second")


@test
def malformed_answers():
    bad = {
        "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "binary": bytes(range(256)),
        "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi",
        "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
        "bytes after": rogue.OK + b"surplus",
        "two answers": rogue.OK * 2,
    }
    for name, reply in bad.items():
        with rogue.Server(rogue.answers(reply)) as s:
            r = measure("-c", 4, "-n", 4, "--no-stats", s.url)
            check(r["errors"]["protocol"] >= 4 and r["requests"] == 0, name, r["errors"])
            only_error(r, "protocol", 4)


@test
def surplus_after_known_answers():
    """The fast path must see it, too: the head equals the known one, the length does not."""
    def serve(conn):
        for i, _ in enumerate(rogue.requests(conn)):
            conn.sendall(rogue.OK + (b"!" if i == 9 else b""))
    with rogue.Server(serve) as s:
        r = measure("-c", 1, "-n", 25, "--no-stats", s.url)
        only_error(r, "protocol")
        check(r["requests"] == 25, r["requests"])


@test
def cut_answers():
    cut = {"nothing": b"", "half a head": b"HTTP/1.1 200 OK\r\nConte", "half a body": rogue.OK[:-1],
           "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"}
    for name, reply in cut.items():
        for serve in (rogue.answers_and_closes(reply), rogue.resets(reply)):
            with rogue.Server(serve) as s:
                r = measure("-c", 4, "-n", 4, "--no-stats", s.url)
                check(r["requests"] == 0, name, r["requests"])
                only_error(r, "reset", 4)


@test
def silence_times_out_and_counts_as_latency():
    with rogue.Server(rogue.never_answers) as s:
        r = measure("-c", 6, "-n", 6, "--timeout", 0.4, "--no-stats", s.url)
        only_error(r, "timeout", 6)
        check(r["latency_us"]["count"] >= 6 and r["latency_us"]["min"] >= 400000, r["latency_us"])
        check(r["connections"]["never_answered"] == 6, r["connections"])


@test
def a_late_answer_is_not_dropped():
    """wrk leaves a request that takes longer than its time-out out of the histogram. One in 20 here."""
    def serve(conn):
        for i, _ in enumerate(rogue.requests(conn)):
            if i == 10:
                time.sleep(1)
            conn.sendall(rogue.OK)
    with rogue.Server(serve) as s:
        r = measure("-c", 1, "-n", 20, "--timeout", 5, "--no-stats", s.url)
        check(r["requests"] == 20 and r["latency_us"]["count"] == 20, r["latency_us"])
        check(r["latency_us"]["max"] >= 1e6 and r["latency_us"]["p50"] < 5e5, r["latency_us"])


@test
def server_that_goes_away():
    with rogue.Server(rogue.answers(rogue.OK)) as s:
        process = start("-c", 5, "-d", 4, "--json", "-", "--no-stats", s.url)
        time.sleep(1)
        s.__exit__()
        out, _ = process.communicate(timeout=60)
    r = json.loads(out)
    check(process.returncode == 0 and r["requests"] > 0, r["requests"])
    # A connection may have ended between two requests; then nothing was lost with it.
    ends = r["errors"]["reset"] + r["connections"]["closed_by_server"]
    check(ends >= 5 and r["errors"]["connect"] >= 1, r["errors"], r["connections"])
    check(r["errors"]["total"] == r["errors"]["reset"] + r["errors"]["connect"], r["errors"])
    check("connections were open" in r["verdict"], r["verdict"])


@test
def a_count_that_cannot_be_reached_ends():
    with rogue.Server(rogue.answers(rogue.OK)) as s:
        process = start("-c", 5, "-n", 1000000000, "--timeout", 0.2, "--json", "-", "--no-stats", s.url)
        time.sleep(1)
        s.__exit__()
        out, _ = process.communicate(timeout=60)
    r = json.loads(out)
    check(process.returncode == 0 and "given up" in r["verdict"] and r["requests"] > 0, r["verdict"])


# ---------------------------------------------------------------- counting


@test
def counts_agree_with_the_server_to_the_request():
    with RealServer() as s:
        for args in (["-c", 50], ["-c", 50, "-t", 3], ["-c", 20, "--close"], ["-c", 50, "-R", 20000],
                     ["-c", 50, "-R", 20000, "-t", 2, "--poisson"], ["-c", 7, "--close", "-R", 5000]):
            before = s.stats()["requests"]
            r = measure("-n", 6001, "--no-stats", *args, s.url)
            after = s.stats()["requests"]
            check(r["requests"] == 6001 and r["errors"]["total"] == 0, args, r["requests"], r["errors"])
            # One of them is our own asking for /stats.
            check(after["200"] - before["200"] == 6001 + 1, args, before["200"], after["200"])
            check(after["total"] - before["total"] == 6001 + 1, args)
            check(r["fairness"]["min"] <= 6001 / r["connections"]["asked"] <= r["fairness"]["max"],
                  r["fairness"])


@test
def timed_run_agrees_with_the_server():
    with RealServer() as s:
        for args in (["-c", 200], ["-c", 200, "--warmup", 0.3], ["-c", 30, "--close"],
                     ["-c", 100, "-R", 3000, "--warmup", 0.3]):
            before = s.stats()["requests"]["200"]
            r = measure("-d", 1, "--no-stats", *args, s.url + "/db?ms=2")
            after = s.stats()["requests"]["200"]
            check(after - before - 1 == r["whole_run"]["answered"], args, after - before - 1, r["whole_run"])
            check(r["errors"]["total"] == 0 and r["unanswered"] == 0, args, r["errors"])
            if "--warmup" in args:
                check(r["requests"] < r["whole_run"]["answered"], "the warm-up was counted")


@test
def json_keeps_its_contract():
    with RealServer() as s:
        for args, open_loop in ((["-c", 10], False), (["-c", 10, "-R", 500], True)):
            r = measure("-d", 0.5, "--server-pid", s.pid, *args, s.url + "/")
            want = {"connections": "asked open never_answered", "errors":
                    "connect timeout reset status protocol total", "latency_us": "mean p50 p90 p99 p999 max",
                    "fairness": "min max", "generator": "cpu_pct lag_p99_us", "server":
                    "cpu_us_per_request rss_kb pss_kb vsz_kb kernel_stack_kb page_tables_kb threads "
                    "ctx_switches_per_request"}
            if open_loop:
                want["latency_intended_us"] = want["latency_us"]
            else:
                check("latency_intended_us" not in r, "intended latency in a closed loop")
            for key, inner in want.items():
                for name in inner.split():
                    check(isinstance(r[key][name], (int, float)), key, name)
            check(r["model"] == os.path.basename(ARGS.server), r["model"])
            check(r["target"] == s.url + "/", r["target"])
            check(abs(r["duration_s"] - 0.5) < 0.01, r["duration_s"])
            check(r["verdict"].startswith(("valid", "invalid: ")), r["verdict"])
            check(sum(i["requests"] for i in r["intervals"]) == r["requests"], r["intervals"])


@test
def many_threads_switches_are_those_of_the_window():
    """A thread for each of 300 clients sleeps twice in each request. Their counters are read before the warm-up, which is
    three times as long as the window: counted as they are, they would say eight switches a request."""
    with RealServer(model="thread") as s:
        for warmup in (0, 1.5):
            r = measure("-c", 300, "--warmup", warmup, "-d", 0.5, "--server-pid", s.pid, s.url + "/db?ms=20")
            each = r["server"]["ctx_switches_per_request"]
            check(1.5 <= each <= 2.7, "two sleeps a request, for the database and the next request:", warmup, each)
            check(r["server"]["threads"] >= 300, r["server"]["threads"])


@test
def little_holds_when_most_are_never_answered():
    """A blocking server: one connection is served, the others wait with their requests in flight."""
    turn = threading.Lock()

    def one_only(conn):
        with turn:
            for _ in rogue.requests(conn):
                time.sleep(0.005)
                conn.sendall(rogue.OK)
    with rogue.Server(one_only) as s:
        for args in ([], ["--warmup", 0.5]):
            r = measure("-c", 20, "-d", 1, "--no-stats", *args, s.url)
            check(r["connections"] == {**r["connections"], "asked": 20, "open": 20, "never_answered": 19},
                  r["connections"])
            check(r["unanswered"] == 19 and r["fairness"]["min"] == 0, r["unanswered"])
            check(abs(r["in_flight_mean"] - 20) < 0.5, r["in_flight_mean"])
            check(r["latency_us"]["max"] >= 1e6, "the waiting ones are missing", r["latency_us"])
            check(r["verdict"] == "valid", r["verdict"])


@test
def throughput_is_clients_over_delay():
    with RealServer() as s:
        for args in ([], ["--close"], ["-t", 2], ["--warmup", 0.3], ["--ramp", 0.5]):
            r = measure("-c", 40, "-d", 1, *args, s.url + "/db?ms=20")
            # 40 / 20 ms = 2,000 a second, never more; less on a busy machine.
            check(r["requests"] <= 2000 * 1.03 + 40, args, r["requests"])
            check(r["latency_us"]["min"] >= 20000 * 0.99, args, r["latency_us"])
            check(r["in_flight_mean"] > 36, args, r["in_flight_mean"])


# ---------------------------------------------------------------- the open loop


@test
def open_loop_keeps_its_rate():
    with RealServer() as s:
        for args in ([], ["-t", 2], ["--poisson"], ["--close"]):
            r = measure("-c", 100, "-R", 800, "-d", 2, *args, s.url + "/db?ms=5")
            check(abs(r["rate"]["sent_rps"] / 800 - 1) < (0.15 if "--poisson" in args else 0.03),
                  args, r["rate"])
            check(r["latency_intended_us"]["count"] >= r["latency_us"]["count"], "intended ones are missing")
            check(r["latency_intended_us"]["mean"] >= r["latency_us"]["mean"] * 0.999, args)


def stopped_server(seconds, stop_s, rate):
    with RealServer() as s:
        quiet = measure("-c", 20, "-R", rate, "-d", max(2, seconds / 5), s.url + "/")
        process = start("-c", 20, "-R", rate, "-d", seconds, "--json", "-", s.url + "/")
        time.sleep(seconds / 4)
        os.kill(s.pid, signal.SIGSTOP)
        time.sleep(stop_s)
        os.kill(s.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=seconds + 60)
    return quiet, json.loads(out)


def check_stop(seconds, stop_s, rate, factor):
    """A stop of s in T seconds delays the share s/T of the intended requests by s down to 0, so the p99
    of the intended latency is s - T/100. The closed-loop view has a stopped request a connection: 20."""
    quiet, r = stopped_server(seconds, stop_s, rate)
    predicted = (stop_s - seconds / 100) * 1e6
    intended, sent = r["latency_intended_us"], r["latency_us"]
    check(0.8 * predicted < intended["p99"] < 1.25 * predicted + 1e5, "intended p99", intended["p99"],
          "predicted", predicted)
    check(intended["max"] > 0.9 * stop_s * 1e6, "intended max", intended["max"])
    check(sent["p99"] < max(factor * quiet["latency_us"]["p99"], intended["p99"] / 20), "p99 from sending",
          sent["p99"], "quiet", quiet["latency_us"]["p99"])
    check(r["errors"]["total"] == 0, r["errors"])


@test
def stopped_server_shows_in_the_intended_latency():
    check_stop(8, 0.8, 1000, 3)


@test
def stopped_server_for_1400_ms_of_30_s_at_2000_per_s():
    if not ARGS.long:
        return "SKIP only with --long"
    check_stop(30, 1.4, 2000, 3)
    return None


@test
def overload_is_counted_not_hidden():
    """10 connections of 50 ms each carry 200 a second. Asked for 1,000, the rest queues outside."""
    with RealServer() as s:
        r = measure("-c", 10, "-R", 1000, "-d", 2, s.url + "/db?ms=50")
        check(r["requests"] <= 420, r["requests"])
        check(r["unsent_at_end"] + r["whole_run"]["begun"] == 2000, r["unsent_at_end"], r["whole_run"])
        check(r["latency_intended_us"]["count"] == 2000, r["latency_intended_us"]["count"])
        check(r["latency_intended_us"]["p99"] > 10 * r["latency_us"]["p50"], "queueing is hidden")
        check("connections" in r["notes"], r["notes"])


# ---------------------------------------------------------------- connections


@test
def close_mode_uses_a_connection_once_and_closes_first():
    ends = []

    def serve(conn):
        for i, request in enumerate(rogue.requests(conn)):
            check(i == 0 and b"Connection" not in request, i, request)
            conn.sendall(rogue.OK)
        ends.append("FIN")  # requests() ended: recv() returned 0, not ECONNRESET
    with rogue.Server(serve) as s:
        r = measure("-c", 8, "-n", 300, "--close", "--no-stats", s.url)
        deadline = time.monotonic() + 10
        while len(ends) < 300 and time.monotonic() < deadline:
            time.sleep(0.01)
        check(r["requests"] == 300 and r["errors"]["total"] == 0, r["errors"])
        check(r["connections"]["made"] == 300, r["connections"])
        check(s.accepted == 301, s.accepted)  # and the first contact
        check(len(ends) >= 300, len(ends), "connections ended by the client's FIN")
        check(len(set(s.peers)) > 4, "source addresses do not rotate", set(s.peers))


@test
def source_addresses():
    with rogue.Server(rogue.answers(rogue.OK)) as s:
        for workers in (1, 2):
            s.peers.clear()
            run("-c", 12, "-n", 24, "-t", workers, "--source-addresses", 4, "--no-stats", s.url)
            each = {p: s.peers.count(p) for p in s.peers}
            # 127.0.0.1 is the first contact.
            check(each == {"127.0.0.1": 1, "127.0.0.2": 3, "127.0.0.3": 3, "127.0.0.4": 3,
                           "127.0.0.5": 3}, each)


@test
def idle_connections_ask_once_and_stay():
    with RealServer() as s:
        before = s.stats()
        process = start("-c", 5, "--idle", 40, "-d", 2, "--json", "-", "--no-stats", s.url + "/db?ms=5")
        time.sleep(1.2)
        during = s.stats()
        out, _ = process.communicate(timeout=30)
        r = json.loads(out)
        check(r["idle"] == {"asked": 40, "open": 40, "answered": 40}, r["idle"])
        check(during["connections"]["open"] == 46, during["connections"])  # 40, 5 and ourselves
        answered = s.stats()["requests"]["200"] - before["requests"]["200"] - 2
        check(answered == r["whole_run"]["answered"] + 40, answered, r["whole_run"])
        check(r["verdict"] == "valid", r["verdict"])


@test
def workers_go_beyond_the_descriptor_limit():
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    with RealServer() as s:
        r = measure("-c", 300, "-d", 0.5, s.url + "/db?ms=5", preexec_fn=limit)
        check(r["options"]["workers"] == 5, r["options"]["workers"])  # 68 each
        check(r["connections"]["open"] == 300 and r["connections"]["never_answered"] == 0, r["connections"])


@test
def slow_clients_send_byte_by_byte():
    pieces = []

    def serve(conn):
        data, count = b"", 0
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return
            data, count = data + more, count + 1
        pieces.append((count, len(data)))
        conn.sendall(rogue.OK)
    with rogue.Server(serve) as s:
        r = measure("-c", 3, "-n", 3, "--slow", 200, "--no-stats", s.url)
        check(r["requests"] == 3 and r["errors"]["total"] == 0, r["errors"])
        check(all(count > length / 2 for count, length in pieces), pieces)
        # 40-odd bytes at 200 a second
        check(r["latency_us"]["min"] > (min(length for _, length in pieces) - 1) / 200 * 1e6 * 0.9,
              r["latency_us"]["min"])


@test
def ramp_opens_evenly():
    times = []

    def serve(conn):
        times.append(time.monotonic())
        rogue.answers(rogue.OK)(conn)
    with rogue.Server(serve) as s:
        measure("-c", 20, "-d", 0.3, "--ramp", 1, "--no-stats", s.url)
    times = sorted(times)[1:]  # without the first contact
    span = times[-1] - times[0]
    check(len(times) == 20 and span > 0.8, span)
    middle = sum(1 for t in times if t - times[0] < span / 2)
    check(6 <= middle <= 14, middle, "of 20 in the first half of the ramp")


# ---------------------------------------------------------------- /proc, signals, output


@test
def proc_counts_the_whole_family():
    with RealServer("--workers", "2") as s:
        r = measure("-c", 20, "-d", 1, "--server-pid", s.pid, s.url + "/cpu?us=100")
        server = r["server"]
        check(server["processes"] == 3 and server["threads"] >= 3, server)
        # Each request burns 100 us of CPU, and hardly more than a few on top of it.
        check(100 <= server["cpu_us_per_request"] < 300, server)
        user = server["user_us_per_request"] + server["sys_us_per_request"]
        check(0.7 < user / server["cpu_us_per_request"] < 1.3, server)
        check(0 < server["pss_kb"] <= server["rss_kb"] <= server["vsz_kb"], server)
        check(server["kernel_stack_kb"] % server["threads"] == 0, server)
        check(server["page_tables_kb"] > 0, server)


@test
def interrupt_keeps_what_was_measured():
    with RealServer() as s:
        for number in (signal.SIGINT, signal.SIGTERM):
            process = start("-c", 10, "-t", 2, "-d", 60, "--json", "-", s.url + "/", start_new_session=True)
            time.sleep(1)
            os.killpg(process.pid, number)  # as a terminal does: to all of them
            out, err = process.communicate(timeout=10)
            r = json.loads(out)
            check(process.returncode == 0 and r["interrupted"] and r["requests"] > 0, r["interrupted"], err)
            check(0 < r["duration_s"] < 30 and "interrupted" in r["verdict"], r["verdict"])
            try:
                os.killpg(process.pid, 0)
                raise Failed("a child was left behind")
            except ProcessLookupError:
                pass


@test
def workers_die_with_their_parent():
    with RealServer() as s:
        process = start("-c", 10, "-t", 3, "-d", 60, s.url + "/", start_new_session=True)
        time.sleep(0.7)
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        raise Failed("workers outlive a killed parent")


@test
def hdr_file_is_a_percentile_table():
    with RealServer() as s, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.hdr")
        out, _ = run("-c", 10, "-R", 2000, "-d", 1, "--hdr", path, "--json", path + ".json", s.url + "/")
        check(out.rstrip().split("\n")[-1].startswith("verdict "), "the verdict is not the last line")
        r = json.load(open(path + ".json"))
        for name, key in ((path, "latency_intended_us"), (path + ".sent", "latency_us")):
            text = open(name).read()
            rows = [line.split() for line in text.splitlines() if re.match(r"\s+\d", line)]
            check(text.lstrip().startswith("Value"), text[:40])
            values, shares, counts = ([float(row[i]) for row in rows] for i in range(3))
            check(values == sorted(values) and shares == sorted(shares) and counts == sorted(counts), name)
            check(shares[-1] == 1 and rows[-1][3] == "inf" and counts[-1] == r[key]["count"], rows[-1])
            check(abs(values[-1] * 1000 - r[key]["max"]) < 1, values[-1], r[key]["max"])
            check(all(abs(float(row[3]) * (1 - float(row[1])) - 1) < 0.01 for row in rows[:20]), rows[:3])
            check(re.search(r"#\[Mean    = +[\d.]+, StdDeviation   = +[\d.]+\]", text), "no mean")


@test
def live_line_on_request_only():
    with RealServer() as s:
        _, err = run("-c", 5, "-d", 2.2, s.url + "/")
        check(err == "", "not a terminal, and yet:", err)
        _, err = run("-c", 5, "-d", 2.2, "--live", s.url + "/")
        check(2 <= err.count("requests/s") <= 3, err)


def main():
    global ARGS
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--only", default="", help="run the tests whose name contains this")
    parser.add_argument("--long", action="store_true")
    ARGS = parser.parse_args()
    chosen = [t for t in TESTS if ARGS.only in t.__name__]
    failed = 0
    print("1..%d" % len(chosen))
    for number, function in enumerate(chosen, 1):
        name, note = function.__name__.replace("_", " "), None
        try:
            note = function()
        except Exception as error:  # whatever it is, the other tests still run
            failed += 1
            print("not ok %d - %s" % (number, name))
            print("# %s: %s" % (type(error).__name__, str(error).replace("\n", "\n# ")[:1500]))
        else:
            print("ok %d - %s%s" % (number, name, " # " + note if note else ""))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
