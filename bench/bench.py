#!/usr/bin/env python3
"""`make bench`: our servers and generator against their peers, as ratios.

Five sections, each a list of runs that is repeated round by round, so that what is compared runs one after
the other (and every second round in the opposite order):

  servers    epoll and io_uring against the floor (bench/floor.c parses nothing: what a server costs above it
             is what being a server costs) and against nginx, kept alive
  generator  loadgen against wrk, both driving the floor
  memory     user memory of 10,000 idle connections
  close      connections a second, one request each

The server has one core to itself and the generator another. Peers that are not installed are left out, with a
line that says so. Raw rows and the table go to files as they come, so an interruption loses nothing.

Exit status: 0 done, whatever the verdicts; 1 something is missing or a run failed; 2 bad usage; 130 interrupted.
"""

import argparse
import os
import shlex
import signal
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(ROOT, "experiments")]

import arena  # noqa: E402
import memory  # noqa: E402
import profiling  # noqa: E402
import table  # noqa: E402
import verdicts  # noqa: E402
from lib import machine, processes  # noqa: E402
from lib import rows as tsv  # noqa: E402
from lib.progress import Progress  # noqa: E402

SECTIONS = ("servers", "generator", "memory", "close")
JUDGED = ("epoll", "io_uring")
COUNTS = (64, 256, 1000)
CLOSE_COUNT, CLOSE_SOURCES = 64, 16
BUSY_LOAD = 0.7


def say(line):
    live = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{live}bench: {line}", file=sys.stderr, flush=True)


class Missing(Exception):
    """Something that is needed is not there: exit status 1."""


# What to run.

def plan(section):
    """[(server, generator, connections)] of one round."""
    if section == "servers":
        return [(who, "loadgen", count) for count in COUNTS
                for who in ("epoll", "floor", "io_uring", "nginx")]
    if section == "generator":
        return [("floor", who, count) for count in verdicts.GENERATOR_TARGETS for who in ("loadgen", "wrk")]
    if section == "memory":
        return [(who, None, memory.LEVELS[-1]) for who in ("epoll", "io_uring", "nginx", "thread", "floor")]
    return [(who, "loadgen", CLOSE_COUNT) for who in ("floor", "epoll", "io_uring", "thread", "nginx")]


def estimate_s(section, rounds, seconds):
    each = {"memory": 3.0, "close": seconds + 0.8}.get(section, seconds + 0.8)
    return each * rounds * len(plan(section))


class Bench:
    def __init__(self, here, options, raw, progress):
        self.arena, self.options, self.raw, self.progress = here, options, raw, progress
        self.rows, self.absent, self.failures = [], {}, 0

    def add(self, row):
        self.rows.append(row)
        self.raw.add(row)

    def leave_out(self, who, reason):
        self.absent[who] = reason
        say(f"{who}: left out: {reason}")

    def section(self, name):
        runs, rounds = plan(name), self.options.rounds
        self.progress.begin(name)
        self.progress.plan(len(runs) * rounds)
        for who in dict.fromkeys(one for server, generator, _ in runs for one in (server, generator) if one):
            reason = None if who in self.absent else self.arena.missing(who)
            if reason:
                self.leave_out(who, reason)
        for turn in range(1, rounds + 1):
            for server, generator, connections in (runs if turn % 2 else runs[::-1]):
                subject = generator if name == "generator" else server
                self.progress.step(f"{subject}, C = {connections:,}, round {turn} of {rounds}")
                self.one(name, turn, subject, server, generator, connections)
        self.progress.finish()

    def one(self, section, turn, subject, server, generator, connections):
        row = {"section": section, "round": turn, "who": subject, "connections": connections}
        absent = next((who for who in (server, generator) if who in self.absent), None)
        if absent:
            if turn == 1:
                self.add({**row, "status": f"n/a: {self.absent[absent]}"})
            return
        try:
            with self.arena.serve(server) as running:
                figures = self.measure(section, running, generator, connections)
            self.add({**row, "status": "ok", **figures})
        except processes.Unavailable as reason:
            self.leave_out(server, str(reason))
            self.add({**row, "status": f"n/a: {reason}"})
        except processes.Broken as reason:
            self.failures += 1
            say(f"{section}, {subject}, {connections} connections: {reason}")
            self.add({**row, "status": f"failed: {reason}"})

    def measure(self, section, server, generator, connections):
        if section == "memory":
            return memory.summed_up(memory.fill(server))
        close = ("--close", "--source-addresses", CLOSE_SOURCES) if section == "close" else ()
        return self.arena.run(generator, server, connections, self.options.seconds, *close)


# What came of it.

def lines_of(section, rows):
    if section == "servers":
        return verdicts.server_lines(rows, JUDGED, COUNTS)
    if section == "generator":
        return verdicts.generator_lines(rows)
    contestants = [server for server, _, _ in plan(section)]
    if section == "memory":
        return verdicts.memory_lines(rows, contestants)
    return verdicts.close_lines(rows, contestants)


def as_row(line):
    row = {"section": line.section, "subject": line.subject, "peer": line.peer,
           "connections": line.connections, "target": line.target, "verdict": line.verdict,
           "limit": line.limit}
    for name, value in line.figures.items():
        row.update({name: value.median, f"{name}_min": value.least, f"{name}_max": value.greatest})
        row["rounds"] = value.rounds
    return row


def report(rows, sections, facts, out):
    """Prints the table of what has been measured, and writes it."""
    ratios = tsv.Rows(out, facts)
    for section in sections:
        if not any(row["section"] == section for row in rows):
            continue
        lines = lines_of(section, rows)
        print(table.section(section, lines))
        for line in lines:
            ratios.add(as_row(line))
    noisy, runs = verdicts.disturbed(rows)
    if noisy:
        print(f"Other programs took over {verdicts.DISTURBED:.0%} of a core in {noisy} of {runs} runs: stop them and "
              "measure again.")
    for key in ("cpu", "kernel", "build", "nginx", "wrk"):
        print(f"{key}: {facts[key]}")


# The command line.

def options_of(argv):
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Measures the servers and the generator against their peers, as ratios.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each comparison (default 5)")
    parser.add_argument("--seconds", type=int, default=4, metavar="S", help="of a run (default 4)")
    parser.add_argument("--only", default=",".join(SECTIONS), metavar="LIST",
                        help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--out", metavar="FILE", default=os.path.join(ROOT, "results", "latest", "bench.tsv"),
                        help="where the table goes, the raw rows beside it (default results/latest/bench.tsv)")
    parser.add_argument("--build", default=os.path.join(ROOT, os.environ.get("BUILD", "build")),
                        metavar="DIR", help="where the binaries are (default $BUILD, or build)")
    parser.add_argument("--server-core", type=int, metavar="N", help="(default: the first)")
    parser.add_argument("--generator-core", type=int, metavar="N", help="(default: the second)")
    parser.add_argument("--profile", action="store_true",
                        help="instead: system calls, user and system time, and instructions a request")
    options = parser.parse_args(argv)
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    options.sections = [name.strip() for name in options.only.split(",")]
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"--only {unknown[0]}: there is {', '.join(SECTIONS)}")
    options.out = os.path.abspath(options.out)
    return options


def cores_of(options):
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Missing("two cores are needed, one for the server and one for the generator; this process may "
                      f"use {len(allowed)}")
    cores = [allowed[i] if asked is None else asked
             for i, asked in enumerate((options.server_core, options.generator_core))]
    if cores[0] == cores[1] or not set(cores) <= set(allowed):
        raise Missing(f"cores {cores[0]} and {cores[1]}: two different ones of {allowed} are needed")
    return cores


def facts_of(options, here):
    command = " ".join(["bench/bench.py", *map(shlex.quote, sys.argv[1:])])
    facts = machine.facts(options.build, "bench", command)
    facts.pop("gnuplot", None)
    facts.update(rounds=options.rounds, seconds=options.seconds, server_core=here.server_core,
                 generator_core=here.generator_core, nginx=arena.version(here.program("nginx"), "-v"),
                 wrk=arena.version(here.program("wrk"), "-v"))
    return facts


def measure(options, here):
    os.makedirs(os.path.dirname(options.out), exist_ok=True)
    facts = facts_of(options, here)
    stem, ending = os.path.splitext(options.out)
    raw = tsv.Rows(f"{stem}-raw{ending or '.tsv'}", facts)
    bench = Bench(here, options, raw, Progress(options.sections, {
        name: estimate_s(name, options.rounds, options.seconds) for name in options.sections}))
    if options.rounds < 5:
        say("fewer than 5 rounds: good for trying it out, not for a verdict")
    if machine.load() > BUSY_LOAD:
        say(f"the machine is busy (load {machine.load():.1f}): stop what else runs for trustworthy figures")
    status = 0
    try:
        for section in options.sections:
            bench.section(section)
    except KeyboardInterrupt:
        say("interrupted; this was measured so far:")
        status = 130
    report(bench.rows, options.sections, facts, options.out)
    print(f"table: {os.path.relpath(options.out)}   raw rows: {os.path.relpath(raw.path)}")
    return status or (1 if bench.failures else 0)


def main(argv):
    options = options_of(argv)
    for number in (signal.SIGINT, signal.SIGTERM):  # alike, also where a shell's "&" had SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        here = arena.Arena(options.build, processes.Ports(os.environ.get("SIX_PORTS", "24000-24999")),
                           cores_of(options))
        for program in ("floor", "loadgen", *JUDGED):
            if here.missing(program):
                raise Missing(here.missing(program))
        machine.raise_descriptors()
        return profiling.run(here, say) if options.profile else measure(options, here)
    except (Missing, processes.Broken, OSError) as reason:
        say(reason)
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
