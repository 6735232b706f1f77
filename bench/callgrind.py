"""User-space instructions a request, counted by valgrind's callgrind: unlike times they are the same on a busy
machine. Called by profiling.py.

What callgrind counts does not depend on how fast it runs, but how many events a wait returns does; so figures are
a request's, of a full crowd of connections, and small differences in the loop's own share mean nothing.

Valgrind 3.19 (Debian 12) does not know epoll_pwait2: a preloaded function of that name calls epoll_pwait instead.
"""

import glob
import json
import os
import re
import subprocess
import tempfile
from collections import Counter, namedtuple

from lib import processes
from lib.processes import Broken

# By function, "file:function": instructions of its own. By function called, "function": calls.
Profile = namedtuple("Profile", "instructions calls")

SHIM = """
#define _GNU_SOURCE
#include <sys/epoll.h>
int epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *t, const sigset_t *mask)
{
	return epoll_pwait(fd, events, n, t ? (int)(t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000) : -1, mask);
}
"""


def read(path):
    """The Profile in a file of callgrind's (format: valgrind's manual, "Callgrind Format Specification").

    Names are given once and numbered: "fn=(3) main", later "fn=(3)". A line of numbers is a position and its own
    cost, unless it follows "calls=": then it is the cost of what was called, counted there.
    """
    names, instructions, calls = {"fn": {}, "fl": {}}, Counter(), Counter()
    file = function = called = ""
    inclusive = False
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = re.match(r"(c?)(fn|fl|fi|fe|ob)=\((\d+)\)(?: (.*))?$", line)
            if match:
                kind = {"fi": "fl", "fe": "fl"}.get(match[2], match[2])
                table = names.setdefault(kind, {})
                name = table.setdefault(match[3], (match[4] or "").strip())
                if match[1]:
                    called = name if kind == "fn" else called
                elif kind == "fn":
                    function = name
                elif kind == "fl":
                    file = name
            elif line.startswith("calls="):
                calls[called] += int(line[6:].split()[0])
                inclusive = True
            elif re.match(r"[+*\-\d]", line):
                if not inclusive:
                    instructions[f"{os.path.basename(file)}:{function}"] += int(line.split()[-1])
                inclusive = False
    return Profile(instructions, calls)


def difference(after, before, requests):
    """What `requests` further requests cost, a request."""
    def each(a, b):
        return Counter({key: (a[key] - b[key]) / requests for key in a if a[key] > b[key]})
    return Profile(each(after.instructions, before.instructions), each(after.calls, before.calls))


def shim(directory):
    """Builds the preloaded function; returns its path."""
    path = os.path.join(directory, "epoll_pwait2.so")
    done = subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                          input=SHIM, text=True, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Broken(f"cannot compile the stand-in for epoll_pwait2: {done.stderr.strip()[-200:]}")
    return path


class Callgrind:
    """Runs our programs under callgrind. A context manager: its files are in a directory that goes with it."""

    def __init__(self, here):
        self.arena, self.runs = here, 0

    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-callgrind-")
        self.directory = self._temporary.name
        self.preload = f"LD_PRELOAD={shim(self.directory)}"
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()

    def _argv(self, argv):
        """(command line, the beginning of the names of the files it writes)."""
        self.runs += 1
        stem = os.path.join(self.directory, f"run{self.runs}.")
        return ["env", self.preload, self.arena.program("valgrind"), "-q", "--tool=callgrind",
                f"--callgrind-out-file={stem}%p", *argv], stem

    def server(self, who, few=2000, many=22000):
        """The Profile of a request to a server: of `many` requests less that of `few`."""
        profiles = [self._server(who, requests) for requests in (few, many)]
        return difference(profiles[1], profiles[0], many - few)

    def _server(self, who, requests):
        port = self.arena.ports.take()
        argv, stem = self._argv(self.arena.argv(who, port))
        server = processes.Server(who, argv, port, patience=60)
        try:
            self.arena.output([self.arena.program("loadgen"), "-c", "64", "-n", str(requests), "--no-live",
                               "--no-stats", "--json", "-", server.url + "/"], 300)
            self._dump(server.pid)
            return self._heaviest(stem)
        finally:
            processes.end(server.process, 1.0)

    def _dump(self, pid):
        """Has the counts written now. Not every server can be told to stop: valgrind does not pass on the signal
        mask of io_uring_enter, so the signal would never come."""
        done = subprocess.run([self.arena.program("vgdb"), f"--pid={pid}", "dump"], capture_output=True,
                              text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Broken(f"vgdb: {' '.join(done.stderr.split())[-200:]}")

    def generator(self, port, short_s=1, long_s=4):
        """The Profile of a request of loadgen's in a closed loop for a time: its fast path."""
        runs = [self._generator(port, seconds) for seconds in (short_s, long_s)]
        return difference(runs[1][0], runs[0][0], runs[1][1] - runs[0][1])

    def _generator(self, port, seconds):
        argv, stem = self._argv([self.arena.program("loadgen"), "-c", "64", "-d", str(seconds), "--no-live",
                                 "--no-stats", "--json", "-", f"http://127.0.0.1:{port}/"])
        run = json.loads(self.arena.output(argv, 300))
        return self._heaviest(stem), run["whole_run"]["answered"]

    def _heaviest(self, stem):
        """Of the files that one run wrote (loadgen's parent and worker; before and after a dump), the one that
        did the work."""
        written = [path for path in glob.glob(stem + "*") if os.path.getsize(path)]
        if not written:
            raise Broken("callgrind wrote no counts")
        return max(map(read, written), key=lambda profile: sum(profile.instructions.values()))
