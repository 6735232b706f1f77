"""What the user sees during a run: which experiment, which run of how many, and the time left.

The estimate begins with what is known of each experiment (the seconds of its last run of this mode, or
what its author wrote) and is corrected by how long the runs so far took.
"""

import os
import sys
import time

from . import text


class Progress:
    def __init__(self, names, estimates, stream=None):
        self.names, self.estimates = list(names), dict(estimates)
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.finished = {}  # name -> seconds it took
        self.current, self.began = None, time.monotonic()
        self.total = self.done = 0.0
        self.last_shown = 0.0

    def begin(self, name):
        self.current, self.began = name, time.monotonic()
        self.total = self.done = 0.0
        self._show("starting", force=True)

    def plan(self, total):
        self.total = total

    def step(self, what, weight=1.0):
        """A run of this weight begins."""
        self._show(what)
        self.done += weight

    def finish(self, note="done"):
        took = time.monotonic() - self.began
        self.finished[self.current] = took
        self._clear()
        print(f"{self._place()} {self.current}: {note} in {took:.0f} s, "
              f"about {text.clock(self.left())} left", file=self.stream, flush=True)
        self.current = None

    def left(self):
        """Seconds to the end of the whole run, as far as can be known now."""
        spent = sum(self.finished.values())
        foreseen = sum(self.estimates[name] for name in self.finished)
        left = 0.0
        if self.current and self.current not in self.finished:
            elapsed, guess = time.monotonic() - self.began, self.estimates[self.current]
            share = min(self.done / self.total, 1.0) if self.total else 0.0
            pace = elapsed / share if share else guess
            expected = share * pace + (1 - share) * guess  # trust the pace as it becomes known
            left = max(0.0, expected - elapsed)
            spent, foreseen = spent + elapsed, foreseen + guess * elapsed / max(expected, 0.1)
        correction = min(max(spent / foreseen, 0.3), 3.0) if foreseen > 1 else 1.0
        waiting = [name for name in self.names
                   if name not in self.finished and name != self.current]
        return left + correction * sum(self.estimates[name] for name in waiting)

    def _place(self):
        return f"[{self.names.index(self.current) + 1}/{len(self.names)}]"

    def _show(self, what, force=False):
        now = time.monotonic()
        if not self.live and not force and now - self.last_shown < 5.0:
            return
        self.last_shown = now
        share = f" {100 * min(self.done / self.total, 1):.0f} %" if self.total else ""
        line = f"{self._place()} {self.current}{share}: {what}, about {text.clock(self.left())} left"
        if self.live:
            width = os.get_terminal_size(self.stream.fileno()).columns
            print(f"\r\x1b[K{line[:max(20, width - 1)]}", end="", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)

    def _clear(self):
        if self.live:
            print("\r\x1b[K", end="", file=self.stream)
