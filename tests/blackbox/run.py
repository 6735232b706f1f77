#!/usr/bin/env python3
"""The black-box suite: one set of cases, run against every server binary. Prints TAP.

    tests/blackbox/run.py --build build [--models blocking,epoll,switches] [--only PATTERN] [--jobs N] [--list]

"Same bytes, same rules, proven": no model is measured before it has passed here. Each case starts
its own server; after all, what the models answered to one fixed list of requests is compared byte
for byte. Exit 0: all passed (or were skipped with a reason); 1: something failed; 2: bad usage.
Environment: SIX_SLOW=1 doubles what the cases allow (sanitizer builds).

It runs --jobs models at a time, each in a process of its own, and several cases of a model at a
time, each with its own servers: most cases wait for most of their time.
"""

import argparse
import concurrent.futures
import fnmatch
import multiprocessing
import os
import queue
import resource
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402
import models  # noqa: E402
import server  # noqa: E402

import cases_basic  # noqa: E402,F401  (each import registers its cases)
import cases_body  # noqa: E402,F401
import cases_close  # noqa: E402,F401
import cases_lifecycle  # noqa: E402,F401
import cases_limits  # noqa: E402,F401
import cases_pipeline  # noqa: E402,F401
import cases_stats  # noqa: E402,F401
import cases_stop  # noqa: E402,F401
import cases_timeout  # noqa: E402,F401
import cases_transcript  # noqa: E402
import cases_waiting  # noqa: E402,F401
import cases_workers  # noqa: E402,F401


def parse_arguments():
    parser = argparse.ArgumentParser(description="Run the black-box cases against the server binaries.")
    parser.add_argument("--build", default="build", help="folder with the binaries (default: build)")
    parser.add_argument("--models", help="comma-separated names, or the groups six, variants, switches (default: six,variants)")
    parser.add_argument("--only", metavar="PATTERN", help="cases whose 'model: name' contains or matches this")
    parser.add_argument("--jobs", type=int, default=2, help="models at a time (default: 2)")
    parser.add_argument("--threads", type=int, default=6, help="cases of one model at a time (default: 6)")
    parser.add_argument("--list", action="store_true", help="print the cases and run nothing")
    parser.add_argument("--times", action="store_true", help="add each case's duration as a comment")
    parser.add_argument("--require-all", action="store_true", help="a model that this machine cannot run fails")
    arguments = parser.parse_args()
    if arguments.jobs < 1 or arguments.threads < 1:
        parser.error("--jobs and --threads must be at least 1")
    names = (arguments.models or "six,variants").split(",")
    for name in names:
        if name not in models.BY_NAME and name not in models.GROUPS:
            parser.error(f"unknown model {name!r} (there are {', '.join([*models.GROUPS, *models.BY_NAME])})")
    arguments.build = os.path.abspath(arguments.build)
    arguments.chosen = [
        model
        for model in models.MODELS
        # Of the group names, only "six" insists that all are there.
        if model.name in names or (model.group in names and (model.group == "six" or exists(arguments, model)))
    ]
    return arguments


def exists(arguments, model):
    """Whether the binary is built, and knows the switch."""
    if not os.path.exists(binary_of(arguments, model)):
        return False
    if not model.options:
        return True
    words = server.run_briefly(binary_of(arguments, model), "--help")[1].decode("utf-8", "replace").split()
    return all(option in words for option in model.options)


def binary_of(arguments, model):
    return os.path.join(arguments.build, model.program)


def cases_of(arguments, model):
    """Its cases, the long ones first, those that load the machine last."""
    pattern = arguments.only
    chosen = [
        case
        for case in harness.CASES
        if case.fits(model)
        and (not pattern or pattern in f"{model.name}: {case.name}" or fnmatch.fnmatch(f"{model.name}: {case.name}", pattern))
    ]
    return sorted(chosen, key=lambda case: (case.alone, -case.seconds))


# -- in the process of one model -------------------------------------------------------------------


def run_case(case, model, binary):
    """(verdict, diagnostic lines, seconds, payload); verdict: 'ok', 'not ok' or 'skip'."""
    context = harness.Context(model, binary, [])
    began = time.monotonic()
    verdict, lines = "ok", []
    try:
        case.run(context)
    except harness.Skip as reason:
        verdict, lines = "skip", [str(reason)]
    except harness.Failure as failure:
        verdict, lines = "not ok", [str(failure), where(failure)]
    except Exception:  # a bug in a case must not hide the other cases
        verdict, lines = "not ok", traceback.format_exc().splitlines()
    for process in context.servers:
        process.kill()
        if verdict == "not ok":
            lines += process.report()
        process.stderr_file.close()
    return verdict, lines, time.monotonic() - began, context.payload


def where(failure):
    """The lines of the case itself that led there."""
    frames = [
        f"{os.path.basename(frame.filename)}:{frame.lineno}"
        for frame in traceback.extract_tb(failure.__traceback__)
        if os.path.basename(frame.filename).startswith("cases_")
    ]
    return "at " + " > ".join(frames)


def run_model(model, arguments, results):
    """Body of a child process. Puts (model, case, verdict, lines, seconds, payload), at last None for a case."""

    def interrupted(_number, _frame):
        server.kill_all()
        os._exit(1)

    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 20000), hard))

    binary = binary_of(arguments, model)
    cases = cases_of(arguments, model)
    verdict, lines, seconds, _ = run_case(harness.Case("starts and stops", starts_and_stops, frozenset(), False, 0), model, binary)
    results.put((model.name, "starts and stops", verdict, lines, seconds, None))
    if verdict == "ok":
        with concurrent.futures.ThreadPoolExecutor(arguments.threads) as pool:
            running = {pool.submit(run_case, case, model, binary): case for case in cases if not case.alone}
            for future in concurrent.futures.as_completed(running):
                results.put((model.name, running[future].name, *future.result()))
        for case in (case for case in cases if case.alone):
            results.put((model.name, case.name, *run_case(case, model, binary)))
    results.put((model.name, None, None, [], 0, None))


def starts_and_stops(context):
    """The first case of every model; without it the others say nothing."""
    if not os.access(context.binary, os.X_OK):
        raise harness.Failure(f"{context.binary} is missing: build it with 'make all'")
    with context.server() as process:
        process.hello()


# -- in the parent ---------------------------------------------------------------------------------


class Tap:
    """Counts and prints the results."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.count = self.failed = self.skipped = 0

    def result(self, title, verdict, lines, seconds=None):
        self.count += 1
        if verdict == "skip":
            reason = " ".join(lines).replace("\n", " ")
            if self.arguments.require_all:
                verdict, lines = "not ok", [f"skipped, but --require-all was given: {reason}"]
            else:
                self.skipped += 1
                print(f"ok {self.count} - {title} # SKIP {reason}", flush=True)
                return
        self.failed += verdict != "ok"
        print(f"{verdict} {self.count} - {title}", flush=True)
        if seconds is not None and self.arguments.times:
            print(f"# {seconds:.2f} s", flush=True)
        if verdict != "ok":
            for line in "\n".join(lines).splitlines():
                print(f"# {line}", flush=True)


def compare_transcripts(tap, recorded):
    """Same bytes: each model against the first one that has a recording."""
    names = [model.name for model in models.MODELS if model.name in recorded]
    for name in names[1:]:
        problem = cases_transcript.first_difference(names[0], recorded[names[0]], name, recorded[name])
        tap.result(
            f"{name}: answers {len(recorded[name])} recorded requests with the same bytes as {names[0]}",
            "not ok" if problem else "ok",
            [problem] if problem else [],
        )


def run_all(arguments, tap):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    waiting = list(arguments.chosen)
    running, began, recorded = {}, {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < arguments.jobs:
                model = waiting.pop(0)
                running[model.name] = context.Process(target=run_model, args=(model, arguments, results))
                began[model.name] = time.monotonic()
                running[model.name].start()
            try:
                name, title, verdict, lines, seconds, payload = results.get(timeout=1)
            except queue.Empty:
                for name in [name for name, process in running.items() if process.exitcode not in (None, 0)]:
                    tap.result(f"{name}: runs to the end", "not ok", [f"the process running its cases ended with {running.pop(name).exitcode}"])
                continue
            if title is None:
                running.pop(name).join()
                print(f"# {name}: {time.monotonic() - began[name]:.1f} s", flush=True)
                continue
            tap.result(f"{name}: {title}", verdict, lines, seconds)
            if payload is not None:
                recorded[name] = payload
    finally:
        for process in running.values():
            process.terminate()
            process.join()
    compare_transcripts(tap, recorded)


def main():
    arguments = parse_arguments()
    if arguments.list:
        for model in arguments.chosen:
            for case in cases_of(arguments, model):
                print(f"{model.name}: {case.name}")
        return 0
    tap = Tap(arguments)
    print("TAP version 13", flush=True)

    def ended(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    try:
        run_all(arguments, tap)
    except KeyboardInterrupt:
        print("Bail out! interrupted", flush=True)
        return 1
    print(f"1..{tap.count}")
    print(f"# {tap.count - tap.failed - tap.skipped} passed, {tap.failed} failed, {tap.skipped} skipped", flush=True)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
