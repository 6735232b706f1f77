"""What an experiment is given to measure with: servers, the generator, rows, progress.

The runner makes one Lab for each experiment and calls its measure(lab). A server that this machine cannot
run, and a run that went wrong, become rows that say so; the experiment goes on with the next.
"""

import contextlib
import json
import os
import subprocess
import tempfile

from . import processes
from .processes import Broken, Unavailable
from .rows import flatten

SERVER_CPU, GENERATOR_CPU = 0, 1
REPEATS = {"quick": 1, "default": 3, "full": 5}


class Lab:
    """`mode` is "quick", "default" or "full"; `models` those to measure, in the fixed order."""

    def __init__(self, mode, models, build, ports, rows, progress, say):
        self.mode, self.models, self.build = mode, models, build
        self.repeats = REPEATS[mode]
        self.rows = rows
        self.failures = 0
        self._ports, self._progress, self._say = ports, progress, say
        self._missing = set()
        # With one core only there is nothing to choose; the header tells the reader.
        self._cores = sorted(os.sched_getaffinity(0))

    # Progress.

    def plan(self, total):
        """How many runs there will be (or the sum of their weights)."""
        self._progress.plan(total)

    def step(self, what, weight=1.0):
        """The next run begins; `what` tells the user which: "epoll, C = 100"."""
        self._progress.step(what, weight)

    def in_turn(self, repeat):
        """The models in the order of this repeat: each time another goes first."""
        first = repeat % max(1, len(self.models))
        return self.models[first:] + self.models[:first]

    # Rows.

    def row(self, model, verdict="valid", **columns):
        """A row of figures. The verdict is "valid", or "invalid: ", "n/a: ", "failed: " and why."""
        self.rows.add({"model": model, "verdict": verdict, **columns})

    def failed(self, model, reason, **labels):
        self.failures += 1
        self._say(f"{model}: {reason}")
        self.row(model, f"failed: {reason}", **labels)

    # Processes.

    @contextlib.contextmanager
    def server(self, model, *options, pinned=True, **labels):
        """A fresh server on its own core (on all of them unless `pinned`) for the length of a with statement;
        gone when that ends.

        Yields None, with a row that says why (and has the labels), when it could not be started.
        """
        server = None
        if model not in self._missing:
            try:
                server = self._start(model, options, pinned)
            except Unavailable as reason:
                self._missing.add(model)
                self._say(f"{model}: n/a: {reason}")
                self.row(model, f"n/a: {reason}")
            except Broken as reason:
                self.failed(model, str(reason), **labels)
        try:
            yield server
        except BaseException:
            if server:
                processes.end(server.process, 1.0)
            raise
        if server:
            try:
                server.stop()
            except Broken as reason:
                self.failed(model, str(reason), **labels)

    def _start(self, model, options, pinned):
        port = self._ports.take()
        core = self._pinned(SERVER_CPU) if pinned else []
        argv = [os.path.join(self.build, model), "--port", str(port), *core, *map(str, options)]
        return processes.Server(model, argv, port)

    def place(self):
        """(port, core) for a server that is not one of ours, such as nginx; the core is None where there
        is only one."""
        return self._ports.take(), self._cores[SERVER_CPU] if len(self._cores) > SERVER_CPU + 1 else None

    def _pinned(self, core):
        return ["--cpu", str(self._cores[core])] if len(self._cores) > core else []

    def generate(self, server, path, *options, limit=60.0, **labels):
        """One run of the generator against a server; adds its row and returns it, or None if it failed.

        The row has the labels and every figure of the generator's JSON, nested keys joined by "_".
        `limit`: seconds after which something must be wrong.
        """
        try:
            with self.generating(server, path, *options, limit=limit) as figures:
                figures = flatten(figures())
        except (Broken, ValueError) as reason:
            self.failed(server.model, f"loadgen: {reason}", **labels)
            return None
        figures.pop("model", None)
        row = {"model": server.model, "verdict": figures.pop("verdict"), **labels, **figures}
        self.rows.add(row)
        return row

    @contextlib.contextmanager
    def generating(self, server, path, *options, limit=60.0):
        """A generator that runs beside whatever the with statement does, such as another one.

        Yields a function that waits for its end and returns its JSON as it is, lists and all, without adding
        a row. It raises Broken; ValueError where that is no JSON.
        """
        with tempfile.TemporaryFile() as errors:
            argv = self._generator(server, path, options)
            child = processes.start(argv, stdout=subprocess.PIPE, stderr=errors,
                                    stdin=subprocess.DEVNULL)
            try:
                yield lambda: json.loads(self._said(child, argv, errors, limit))
            finally:
                processes.end(child, 1.0)

    def _generator(self, server, path, options):
        return [os.path.join(self.build, "loadgen"), *self._pinned(GENERATOR_CPU),
                "--server-pid", str(server.pid), "--json", "-", *map(str, options),
                server.url + path]

    def output(self, *argv, limit=60.0):
        """What a program of the build directory prints, such as a micro-benchmark. Raises Broken."""
        return self._output([os.path.join(self.build, argv[0]), *map(str, argv[1:])], limit)

    def _output(self, argv, limit):
        with tempfile.TemporaryFile() as errors:
            child = processes.start(argv, stdout=subprocess.PIPE, stderr=errors,
                                    stdin=subprocess.DEVNULL)
            try:
                return self._said(child, argv, errors, limit)
            finally:
                processes.end(child, 1.0)

    @staticmethod
    def _said(child, argv, errors, limit):
        """All that a child prints, once it has ended. Raises Broken."""
        try:
            said, _ = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise Broken(f"{os.path.basename(argv[0])} was not done after {limit:.0f} s") from None
        if not said:
            raise Broken(processes.last_line(errors) or f"exit status {child.returncode}")
        return said.decode()
