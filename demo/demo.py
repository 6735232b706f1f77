#!/usr/bin/env python3
"""demo.py - a race for the opening minute of the lecture: the same requests, at the same moment, for each model.

usage: demo/demo.py [--model LIST] [--requests N] [--delay MS] [--build DIR]     (make demo, once all is built)

Every model gets N requests at once, each on a connection of its own, and each request waits MS for its "database".
A bar fills as the answers arrive, for all models side by side; then come the totals, the CPU time that each server
really used, and a line computed from what happened. On a terminal the rows are drawn over in place with plain
ANSI; elsewhere each model prints one line when it is done. NO_COLOR is honoured.

Exit: 0 shown; 1 a server could not be started or did not answer; 2 bad usage; 130 interrupted. A model that this
machine cannot run is a row that says so. No server outlives this program, however it ends.
"""

import argparse
import contextlib
import os
import re
import resource
import selectors
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "experiments"))

from lib import models, processes  # noqa: E402
from lib.client import Exchange, now_us  # noqa: E402

FRAME_S = 1 / 30
PATIENCE_S = 10  # beyond the sum of all waits: then something is wrong
MOST_REQUESTS, MOST_DELAY_MS = 1000, 60000
WIDEST = 110  # columns: beyond, a bar is harder to read and no prettier
CPU_CLOCK = 2  # of clock_getcpuclockid(3): the scheduler's count of a whole process
FORKS = ("process",)  # that clock leaves out their children, who do the work


class Failure(Exception):
    """The race cannot be run; the text is one line saying why and what to do."""


class Lane:
    """One model in the race: its server, its requests, and what became of them."""

    def __init__(self, model, requests, delay_ms):
        self.model, self.delay_ms = model, delay_ms
        self.exchanges = [Exchange(f"/db?ms={delay_ms:g}", True) for _ in range(requests)]
        self.server = None
        self.trouble = ""  # why there is no (further) answer
        self.answered = self.left = 0
        self.start_us = self.total_s = self.cpu_s = None
        self._cpu_before_s = 0.0

    def start(self, build, ports):
        path = os.path.join(build, self.model)
        if not os.access(path, os.X_OK):
            raise Failure(f"{path} is not there; run `make all`")
        port = ports.take()
        try:
            self.server = processes.Server(self.model, [path, "--port", str(port)], port)
        except processes.Unavailable as reason:
            self.trouble = f"n/a: {reason}"

    def _cpu_used_s(self):
        return time.clock_gettime((~self.server.pid << 3) | CPU_CLOCK)

    def ask(self, selector):
        self._cpu_before_s = self._cpu_used_s()
        self.start_us = now_us()
        for exchange in self.exchanges:
            exchange.begin(self.server.port)
            selector.register(exchange.sock, selectors.EVENT_READ, (self, exchange))
            self.left += 1

    def read(self, exchange, selector):
        """Takes what has come for one request."""
        if not exchange.read():
            return
        selector.unregister(exchange.sock)
        exchange.close()
        self.left -= 1
        if exchange.status == 200:
            self.answered += 1
        if self.left == 0:
            self._finish()

    def _finish(self):
        self.total_s = (now_us() - self.start_us) / 1e6
        with contextlib.suppress(OSError):  # the server may be gone
            if self.model not in FORKS:
                self.cpu_s = self._cpu_used_s() - self._cpu_before_s
        if self.answered < len(self.exchanges):
            self.trouble = f"only {self.answered} of {len(self.exchanges)} answered"

    def give_up(self):
        if self.left:
            self.left = 0
            self._finish()

    def elapsed_s(self):
        if self.total_s is not None:
            return self.total_s
        return (now_us() - self.start_us) / 1e6 if self.start_us else 0.0

    def close(self):
        for exchange in self.exchanges:
            exchange.close()
        if self.server:
            # Who still sleeps for a client need not finish: nobody waits for the answer any more.
            processes.end(self.server.process, 7.0 if self.total_s is not None else 0.2)


# What is seen.

class Screen:
    """The rows, drawn over in place."""

    def __init__(self, lanes):
        self.lanes = lanes
        self.colour = not os.environ.get("NO_COLOR")
        self.full, self.empty = "█", "░"
        try:
            (self.full + self.empty).encode(sys.stdout.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            self.full, self.empty = "#", "."
        self.drawn = False

    def paint(self, text, code):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def row(self, lane, width):
        total, done = len(lane.exchanges), lane.total_s is not None
        name = max(len(other.model) for other in self.lanes)
        count = f"{lane.answered:>{len(str(total))}}/{total}"
        head, room = f" {lane.model:<{name}} ", width - 1
        if lane.trouble and not lane.answered:
            return (head + lane.trouble)[:room]
        tail = f" {count} {lane.elapsed_s():5.2f} s"
        if room - len(head) - len(tail) > 34:  # else the bar needs it
            tail += f", CPU {1000 * lane.cpu_s:4.1f} ms" if lane.cpu_s is not None else " " * 13
        space = max(4, room - len(head) - len(tail))
        cells = max(1, space // total) * total if total <= space else space
        filled = lane.answered * cells // total
        bar = self.paint(self.full * filled, "32" if done else "33") + self.paint(
            self.empty * (cells - filled), "2")
        tail = tail[:room - len(head) - cells]
        return head + bar + (self.paint(tail, "1") if done else tail)

    def draw(self):
        width = min(shutil.get_terminal_size().columns, WIDEST)
        up = f"\x1b[{len(self.lanes)}A" if self.drawn else ""
        # One write a frame, and each row is cleared only behind its end: nothing flickers.
        sys.stdout.write(up + "".join(f"\r{self.row(lane, width)}\x1b[K\n" for lane in self.lanes))
        sys.stdout.flush()
        self.drawn = True

    def __enter__(self):
        sys.stdout.write("\x1b[?25l")  # no cursor
        return self

    def __exit__(self, *_):
        sys.stdout.write("\x1b[0m\x1b[?25h")
        sys.stdout.flush()


class Lines:
    """For whatever is no terminal: a line a model, when it is done."""

    def __init__(self, lanes):
        self.lanes, self.said = lanes, set()

    def draw(self):
        for lane in self.lanes:
            over = lane.trouble if not lane.answered else lane.total_s is not None
            if over and lane.model not in self.said:
                self.said.add(lane.model)
                print(self.line(lane)[:79], flush=True)

    @staticmethod
    def line(lane):
        if lane.trouble:
            return f"{lane.model:<14} {lane.trouble}"
        cpu = f", CPU {1000 * lane.cpu_s:6.1f} ms" if lane.cpu_s is not None else ""
        return f"{lane.model:<14} {lane.answered:>4} answers in {lane.total_s:7.3f} s{cpu}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


# What happened, in words.

def wrapped(text, width):
    import textwrap
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))


def kind(lane):
    """How the total compares with the waits: "sum", "longest" or something between."""
    wait_s, waits = lane.delay_ms / 1000, len(lane.exchanges)
    if wait_s and waits > 1:
        if 0.9 * waits <= lane.total_s / wait_s:
            return "sum"
        if lane.total_s / wait_s <= 1.5:
            return "longest"
    return "between"


def seconds(lanes):
    totals = [lane.total_s for lane in lanes]
    digits = 2 if max(totals) >= 0.1 else 3
    least, most = (f"{total:.{digits}f}" for total in (min(totals), max(totals)))
    return f"{most} s" if least == most else f"{least} to {most} s"


def names(lanes):
    every = [lane.model for lane in lanes]
    return every[0] if len(every) == 1 else ", ".join(every[:-1]) + " and " + every[-1]


def closing(lanes):
    """One sentence or two, from the totals alone."""
    done = [lane for lane in lanes if lane.total_s is not None and not lane.trouble]
    if not done:
        return "Nobody answered."
    groups = {what: [lane for lane in done if kind(lane) == what] for what in ("sum", "between", "longest")}
    waits, sum_s = len(done[0].exchanges), len(done[0].exchanges) * done[0].delay_ms / 1000
    said = []
    if groups["sum"]:
        said.append(f"{names(groups['sum'])}: {seconds(groups['sum'])}, the sum of all {waits} waits ({sum_s:.2f} s)")
    if groups["between"]:
        said.append(f"{names(groups['between'])}: {seconds(groups['between'])}")
    if groups["longest"]:
        said.append(f"{names(groups['longest'])}: {seconds(groups['longest'])}, the longest single wait")
    slowest, fastest = (pick(done, key=lambda lane: lane.total_s) for pick in (max, min))
    text = "; ".join(said) + "."
    if slowest.total_s >= 1.5 * fastest.total_s:
        alike = sum(lane.total_s < 1.1 * fastest.total_s for lane in done)
        whom = fastest.model if alike == 1 else "the others" if alike == len(done) - 1 else "the fastest"
        text += f" {slowest.model} took {slowest.total_s / fastest.total_s:.0f} times as long as {whom}"
        text += "" if slowest.cpu_s is None else f", and used its CPU for {1000 * slowest.cpu_s:.1f} ms of that"
        text += ": the rest was waiting." if (slowest.cpu_s or 1) < slowest.total_s / 10 else "."
    return text


# The race.

def race(lanes, view):
    with selectors.DefaultSelector() as selector:
        for lane in lanes:
            if lane.server:
                lane.ask(selector)
        until = time.monotonic() + PATIENCE_S + sum(lanes[0].delay_ms / 1000 for _ in lanes[0].exchanges)
        view.draw()
        next_frame = time.monotonic() + FRAME_S
        while selector.get_map() and time.monotonic() < until:
            for key, _ in selector.select(max(0.0, next_frame - time.monotonic())):
                lane, exchange = key.data
                lane.read(exchange, selector)
            if time.monotonic() >= next_frame:
                view.draw()
                next_frame = time.monotonic() + FRAME_S
    for lane in lanes:
        lane.give_up()
    view.draw()


def run(args):
    ports = processes.Ports(os.environ.get("SIX_PORTS", "24000-24999"))
    lanes = [Lane(model, args.requests, args.delay) for model in args.model]
    on_screen = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    width = min(shutil.get_terminal_size().columns, WIDEST) - 1 if on_screen else 79
    with contextlib.ExitStack() as stack:
        for lane in lanes:
            stack.callback(lane.close)
            lane.start(args.build, ports)
        many = f"{args.requests} requests" if args.requests != 1 else "1 request"
        print(wrapped(f"{many} at the same moment, each waits {args.delay:g} ms for its database", width) + "\n")
        with (Screen if on_screen else Lines)(lanes) as view:
            race(lanes, view)
        print("\n" + wrapped(closing(lanes), width), flush=True)
    failed = [lane for lane in lanes if lane.trouble and not lane.trouble.startswith("n/a")]
    for lane in failed:
        print(f"demo.py: {lane.model}: {lane.trouble}; try it by hand: {args.build}/{lane.model} --port 8080",
              file=sys.stderr)
    return 1 if failed else 0


# What the user wants.

def known_models():
    """All there is in models/, in the order of every chart."""
    found = []
    for directory in ("models", "models/variants"):
        found += [name[:-2] for name in os.listdir(os.path.join(ROOT, directory)) if name.endswith(".c")]
    return models.in_order(found)


def model_list(text):
    every, wanted = known_models(), [name for name in text.split(",") if name]
    unknown = [name for name in wanted if name not in every]
    if unknown or not wanted:
        raise argparse.ArgumentTypeError(f"unknown model {', '.join(unknown) or repr(text)}; "
                                         f"there are {', '.join(every)}")
    return list(dict.fromkeys(wanted))


def request_count(text):
    if not re.fullmatch(r"\d{1,6}", text) or not 1 <= int(text) <= MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_REQUESTS}")
    return int(text)


def delay_ms(text):
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) or not 0 <= float(text) <= MOST_DELAY_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in milliseconds from 0 to {MOST_DELAY_MS}")
    return float(text)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"demo.py: {message} (try --help)", file=sys.stderr)
        sys.exit(2)


def parse(argv):
    parser = Parser(prog="demo.py", allow_abbrev=False, description=(
        "A race: the same requests at the same moment for each model; bars fill as the answers arrive."))
    parser.add_argument("--model", metavar="LIST", type=model_list, default=models.SIX,
                        help="which, such as blocking,thread_pool,epoll (default: the six)")
    parser.add_argument("--requests", metavar="N", type=request_count, default=20, help="for each model (20)")
    parser.add_argument("--delay", metavar="MS", type=delay_ms, default=100.0,
                        help="what each request waits for its database (100)")
    parser.add_argument("--build", metavar="DIR", default=os.path.join(ROOT, "build"),
                        help="where the servers are (build)")
    return parser.parse_args(argv)


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def main(argv):
    args = parse(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also where a shell's "&" had SIGINT ignored
        signal.signal(number, interrupted)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        return run(args)
    except (Failure, processes.Broken) as reason:
        print(f"demo.py: {reason}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at exit
        return 1
    except OSError as error:
        print(f"demo.py: cannot ask the servers: {error.strerror or error}; are there enough descriptors "
              "(ulimit -n)?", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo.py: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
