#!/usr/bin/env python3
"""The race of `make demo`, run small, on a terminal and off one.

    run.py --build build

Prints TAP; exits 1 if a test failed. Orders, counts and ratios are asserted, never an absolute time.
"""

import argparse
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEMO = os.path.join(ROOT, "demo", "demo.py")
SMALL = ["--requests", "10", "--delay", "50"]
SIX = ["blocking", "thread", "select", "poll", "epoll", "io_uring"]
BUILD = "build"
TESTS = []


class Failed(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def check(condition, *what):
    if not condition:
        raise Failed(" ".join(map(str, what)))


def run(*options, build=None):
    """(exit status, stdout, stderr) without a terminal."""
    done = subprocess.run([sys.executable, DEMO, "--build", build or BUILD, *options], text=True, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr


class Terminal:
    """The demo on a terminal of so many columns."""

    def __init__(self, columns, *options, **environment):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update({"TERM": "xterm", "COLUMNS": str(columns), "LINES": "24",
                               "PYTHONIOENCODING": "utf-8", **environment})
            os.execv(sys.executable, [sys.executable, DEMO, "--build", BUILD, *options])
        self.pid, self.text = pid, ""

    def read(self, until=None, patience=30.0):
        """All it shows until `until` (a regular expression) matches, or to its end."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if not select.select([self.fd], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(self.fd, 65536)
            except OSError:  # how a terminal says that the other side is gone
                piece = b""
            if not piece:
                return
            self.text += piece.decode(errors="replace")
            if until and re.search(until, self.text):
                return
        raise Failed("nothing more came; so far:", repr(self.text[-300:]))

    def status(self):
        self.read()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def shown_lines(text):
    """Every line ever drawn, without colours and movements, with the columns it takes."""
    for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)):
        yield line, sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@test
def off_a_terminal_each_model_is_a_line_and_blocking_takes_the_sum():
    status, out, err = run(*SMALL)
    check(status == 0, "exit status", status, err)
    if re.search(r"^io_uring +n/a", out, re.M):
        wanted = SIX[:-1]
    else:
        wanted = SIX
    times = {name: float(s) for name, s in re.findall(r"^(\w+) +10 answers in +([\d.]+) s", out, re.M)}
    check(sorted(times) == sorted(wanted), "lines of", sorted(times))
    for name in wanted[1:]:
        check(times["blocking"] > 2 * times[name], "blocking", times["blocking"], "is not long beside", name, times[name])
    check(times["blocking"] >= 10 * 0.050, "blocking was faster than the sum of its waits:", times["blocking"])
    check(re.search(r"blocking: .*the sum of all 10 waits", " ".join(out.split())), "no such closing line:", out)


@test
def off_a_terminal_there_is_no_escape_and_no_line_over_80_columns():
    _, out, _ = run(*SMALL, "--model", "blocking,epoll_blocking,epoll")
    check("\x1b" not in out, "an escape sequence")
    check(max(map(len, out.splitlines())) < 80, "a line of", max(map(len, out.splitlines())))


@test
def a_pool_of_ten_needs_two_rounds_for_twenty():
    _, out, _ = run("--delay", "100", "--model", "thread_pool,epoll")
    times = {name: float(s) for name, s in re.findall(r"^(\w+) +20 answers in +([\d.]+) s", out, re.M)}
    check(len(times) == 2, out)
    check(times["thread_pool"] >= 0.2, "faster than two rounds:", times)


@test
def the_bars_fill_step_by_step_within_80_columns():
    terminal = Terminal(80, *SMALL)
    check(terminal.status() == 0, "it failed:", terminal.text[-300:])
    widest, line = max((width, line) for line, width in shown_lines(terminal.text))
    check(widest < 80, "a line of", widest, "columns:", line)
    counts = [int(n) for n in re.findall(r"blocking .*? (\d+)/10", re.sub(r"\x1b\[[0-9;]*m", "", terminal.text))]
    check(counts == sorted(counts) and counts[-1] == 10, "the count of blocking went", counts)
    check(len(set(counts)) >= 4, "it jumped:", counts)
    check(terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h") == 1, "the cursor was not given back")
    check("\x1b[2J" not in terminal.text and "\x1b[H" not in terminal.text, "the whole screen is cleared: it flickers")


@test
def a_narrow_terminal_and_many_requests_fit_too():
    for columns, requests in ((40, "20"), (80, "200"), (200, "7")):
        terminal = Terminal(columns, "--model", "epoll,epoll_offload", "--requests", requests, "--delay", "5")
        check(terminal.status() == 0, terminal.text[-300:])
        widest = max(width for _, width in shown_lines(terminal.text))
        check(widest < columns, f"{columns} columns, and a line of", widest)


@test
def no_color_is_honoured_and_a_dumb_terminal_gets_lines():
    terminal = Terminal(80, *SMALL, "--model", "epoll", NO_COLOR="1")
    check(terminal.status() == 0, terminal.text)
    check(not re.search(r"\x1b\[(1|2|3\d)m", terminal.text), "a colour")
    dumb = Terminal(80, *SMALL, "--model", "epoll", TERM="dumb")
    check(dumb.status() == 0, dumb.text)
    check("\x1b" not in dumb.text and re.search(r"epoll +10 answers", dumb.text), repr(dumb.text))


def end_with(number, wanted):
    terminal = Terminal(80, "--requests", "100", "--delay", "100", "--model", "blocking,thread,epoll")
    terminal.read(r"epoll.*100/100")
    servers = children_of(terminal.pid)
    check(len(servers) == 3, "there should be three servers:", servers)
    os.kill(terminal.pid, number)
    status = terminal.status()
    check(status == wanted, "exit status", status)
    check(not [pid for pid in servers if is_running(pid)], "a server lives on")
    check("\x1b[?25h" in terminal.text, "the cursor was not given back")
    check("Traceback" not in terminal.text, terminal.text[-500:])


@test
def ctrl_c_leaves_nothing_behind():
    end_with(signal.SIGINT, 130)


@test
def sigterm_leaves_nothing_behind():
    end_with(signal.SIGTERM, 130)


@test
def even_sigkill_leaves_no_server():
    terminal = Terminal(80, "--requests", "100", "--delay", "100", "--model", "blocking,epoll")
    terminal.read(r"epoll.*100/100")
    servers = children_of(terminal.pid)
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.status()
    end = time.monotonic() + 10
    while [pid for pid in servers if is_running(pid)] and time.monotonic() < end:
        time.sleep(0.05)
    check(len(servers) == 2 and not [pid for pid in servers if is_running(pid)], "a server lives on")


@test
def bad_usage_is_one_line_and_exit_status_2():
    for options in (["--model", "apache"], ["--model", ""], ["--requests", "0"], ["--requests", "many"],
                    ["--delay", "-1"], ["--delay", "1e3"], ["--delay"], ["--what"], ["more"]):
        status, out, err = run(*options)
        check(status == 2, options, "ended with", status)
        check(out == "" and len(err.splitlines()) == 1 and err.startswith("demo.py: "), options, "said", repr(err))


@test
def without_the_servers_it_says_what_to_do():
    status, _, err = run(build="/nonexistent")
    check(status == 1 and "make all" in err and len(err.splitlines()) == 1, status, repr(err))


def main():
    global BUILD
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    BUILD = os.path.abspath(parser.parse_args().build)
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except (Failed, subprocess.TimeoutExpired) as reason:
            failed += 1
            print(f"not ok {number} - {name}\n#   {reason}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
