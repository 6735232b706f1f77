#!/usr/bin/env python3
"""run.py - holds the lecture to what it prints: excerpts, figures and links are in order, and its commands work.

usage: tests/docs/run.py [FILE.md ...]      without names: all chapters, docs/*.md
       tests/docs/run.py --self-test        are faults noticed?

Prints TAP. Called by tests/run.sh after `make all`; the commands are run as they are printed, so build/ must be there.

Each file is checked by docs/tools/sync.py. Then its blocks that begin with ```console are run, from the root of the
repository, all blocks of a file in one bash:

    $ command          what is typed; lines right under it that begin with "> " go on with it, as bash shows it
    what appears       "..." stands for any text; a line that is nothing but "..." for any lines, also none

A command must end with 0 and print what stands under it. Of one that ends in & the output may come later, but must come.
Whatever a chapter started is ended with it: every process that carries the chapter's mark in its environment, by its id.
A block after <!-- needs MODEL --> is passed over where build/MODEL says that this machine cannot run it (exit 77).
Plans of a lecture are gone through by plan.py.
"""

import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import uuid

import plan

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:<!-- needs (\w+) -->\n)?```console\n(.*?)^```$", re.S | re.M)
# A command takes less than three seconds on an idle machine; this is for the busiest.
PATIENCE_S = 60
LATER_S = 10  # for what a server in the background says
MARK = "SIX_DOCS_CHAPTER"


class Command:
    """A command of a chapter and what must appear under it."""

    def __init__(self, text, line, needs):
        self.text, self.line, self.needs, self.expected = text, line, needs, []

    def pattern(self):
        """The expected lines as a regular expression for the whole output."""
        pieces = []
        for line in self.expected:
            if line.strip() == "...":
                pieces.append(r"(?:[^\n]*\n)*")
            else:
                pieces.append("[^\n]*".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ \t]*\n")
        return re.compile("".join(pieces))

    def matches(self, output):
        return self.pattern().fullmatch(output if output.endswith("\n") or not output else output + "\n") is not None


def commands_of(text):
    """The commands of a chapter's text, in order. Raises ValueError where a block does not begin with one."""
    found = []
    for block in BLOCK.finditer(text):
        number = text.count("\n", 0, block.start(2)) + 1
        current = None
        for offset, line in enumerate(block[2].splitlines()):
            if line.startswith("$ "):
                current = Command(line[2:], number + offset, block[1])
                found.append(current)
            elif current is None:
                raise ValueError(f"line {number + offset}: a console block begins with '$ ', not with '{line}'")
            elif line.startswith("> ") and not current.expected:
                current.text += "\n" + line[2:]
            else:
                current.expected.append(line)
    return found


class Bash:
    """One bash for one chapter. end() ends it and everything that was started from it."""

    def __init__(self):
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, env=dict(os.environ, LC_ALL="C.UTF-8", **{MARK: self.mark}))
        self.pieces = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self.pieces.put(piece.decode("utf-8", "replace"))
        self.pieces.put(None)

    def run(self, command):
        """What is wrong with what the command did; None: nothing."""
        end = uuid.uuid4().hex
        script = f"{command.text}\nprintf '%s%s.' {end} $?\n"
        try:
            self.process.stdin.write(script.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return "the shell has ended before it"
        output, status, until = "", None, time.monotonic() + PATIENCE_S
        while True:
            if status is None and (ended := re.search(rf"{end}(\d+)\.", output)):
                status = int(ended[1])
                output = output[:ended.start()] + output[ended.end():]
                until = time.monotonic() + LATER_S
                if status != 0:
                    return f"exit status {status}, expected 0; it printed:\n{output}"
            if status is not None:
                if command.matches(output):
                    return None
                if not command.text.rstrip().endswith("&"):
                    return wrong_output(command, output)
            try:
                piece = self.pieces.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                if status is None:
                    return f"did not end within {PATIENCE_S} s; so far it printed:\n{output}"
                return wrong_output(command, output)
            if piece is None:
                return f"the shell ended in it; it printed:\n{output}"
            output += piece

    def descendants(self):
        """Ids of the living processes that carry the mark."""
        mark, found = f"{MARK}={self.mark}".encode(), []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/environ", "rb") as file:
                        if mark in file.read().split(b"\0"):
                            found.append(int(entry))
                except OSError:
                    pass  # ended meanwhile, or another user's
        return found

    def end(self):
        """Asks first, and kills what does not listen. Returns what could not be ended."""
        left = []
        for number, patience_s in ((signal.SIGTERM, 6), (signal.SIGKILL, 3)):
            for pid in self.descendants():
                try:
                    os.kill(pid, signal.SIGCONT)  # one that is stopped would not hear
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            until = time.monotonic() + patience_s
            while (left := self.descendants()) and time.monotonic() < until:
                self.process.poll()
                time.sleep(0.02)
            if not left:
                break
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        return left


def wrong_output(command, output):
    expected = "\n".join(command.expected)
    return f"expected\n{expected}\nbut it printed\n{output}"


def unable(model):
    """Whether build/MODEL says that this machine cannot run it."""
    server = subprocess.Popen([ROOT / "build" / model, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ready = server.stdout.readline()
        server.terminate()
        return not ready and server.wait(10) == 77
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


class Tap:
    def __init__(self):
        self.number, self.failed = 0, 0

    def result(self, good, name, details=""):
        self.number += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}")
        for line in details.splitlines():
            print(f"#   {line}")
        sys.stdout.flush()


def place(path):
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def check_excerpts(tap, path):
    """One case: the file's excerpts, figures and links, by sync.py."""
    done = subprocess.run([sys.executable, ROOT / "docs" / "tools" / "sync.py", "--check", path],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    complaints = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
    tap.result(done.returncode == 0, f"{place(path)}: excerpts, figures and links", "\n".join(complaints))


def run_commands(tap, path):
    """A case for each command, and one for what they leave behind."""
    try:
        commands = commands_of(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        tap.result(False, f"{place(path)}: console blocks", str(problem))
        return
    if not commands:
        return
    cannot = {model: unable(model) for model in {command.needs for command in commands if command.needs}}
    bash, broken = Bash(), False
    try:
        for command in commands:
            name = f"{place(path)}:{command.line} $ {command.text.splitlines()[0]}"
            if broken:
                tap.result(False, name, "not run: the command before it did not end")
            elif cannot.get(command.needs):
                tap.result(True, f"{name} # SKIP this machine cannot run {command.needs}")
            else:
                problem = bash.run(command)
                broken = bool(problem) and problem.startswith(("did not end", "the shell"))
                tap.result(problem is None, name, problem or "")
    finally:
        left = bash.end()
    tap.result(not left, f"{place(path)}: leaves no process behind", f"still there: {left}" if left else "")


# ---- the self-test: chapters with a fault each ----

CODE = """<!-- code models/blocking.c compute -->
```c
static void compute(struct conn *c)
{
    block_compute(c);
}
```
"""


def console(*lines):
    return "```console\n" + "\n".join(lines) + "\n```\n"


def plan_of(*rows):
    return "| minute | show | run | ask |\n|---|---|---|---|\n" + "".join(f"| {row} | |\n" for row in rows)


# name, text, how many cases must fail
FAULTS = [
    ("nothing wrong", CODE + console("$ echo one; echo two; echo 3 four", "one", "...", "... four",
                                     "$ x=5", "$ echo $x \\", "> six", "5 six", "$ for i in 1 2", "> do echo $i", "> done", "1", "2", "$ sleep 0.2; true",
                                     "$ (sleep 0.3; echo later) &", "later", "$ echo a; echo b", "a", "...", "b"), 0),
    ("wrong output", console("$ echo one", "two"), 1),
    ("output that is missing", console("$ true", "one"), 1),
    ("output that is not printed in the chapter", console("$ echo one"), 1),
    ("a line too many", console("$ echo one; echo two", "one"), 1),
    ("only the beginning of a line", console("$ echo one two", "one"), 1),
    ("wrong exit status", console("$ echo one; false", "one", "$ true"), 1),
    ("a command that does not exist", console("$ no-such-command-here", "..."), 1),
    ("a server that does not start", console("$ build/epoll --port 99999999 &", "epoll: listening on ..."), 1),
    ("a shell that is left", console("$ exit 0", "$ true"), 2),
    ("output before any command", console("one", "$ true"), 1),
    ("an excerpt that is out of date", CODE.replace("block_compute", "compute_block"), 1),
    ("an excerpt of what is not there", CODE.replace("compute -->", "no_such_function -->"), 1),
    ("a link to nothing", "See [this](no-such-file.md).\n", 1),
    ("a plan with nothing wrong", plan_of('0 | slide "Predict" | `true`, 1: `build/epoll --port 18999`, 2: `sleep 0.1`, 1: Ctrl-C',
                                          "2 | chart `timeline`, `models/epoll.c` | `top`"), 0),
    ("a slide that is not there", plan_of('0 | slide "No such slide" | '), 1),
    ("a chart that is not there", plan_of("0 | charts `timeline` and `no_such_chart` | "), 1),
    ("a file that is not there", plan_of("0 | `models/no_such.c` | "), 1),
    ("slides in another order", plan_of('0 | slide "What to take home" | ', '1 | slide "The sentence" | ', "2 | chart `timeline` | "), 2),
    ("minutes in another order", plan_of("5 | | ", "4 | | "), 1),
    ("a plan's command that fails", plan_of("0 | | `false`"), 1),
    ("files that do not differ", plan_of("0 | | `diff README.md README.md`"), 1),
    ("a plan's server that does not start", plan_of("0 | | 1: `build/epoll --port 99999999`, 1: Ctrl-C"), 1),
    ("a plan's server that is left", plan_of("0 | | 1: `build/epoll --port 18999`"), 1),
    ("two servers in one terminal", plan_of("0 | | 1: `build/epoll --port 18999`, 1: `build/poll --port 18998`, 1: Ctrl-C"), 1),
    ("Ctrl-C and nothing runs", plan_of("0 | | 1: Ctrl-C"), 1),
    ("a figure of nothing", "<!-- fig no_such_experiment throughput_rps -->5<!-- /fig -->\n", 1),
]


def self_test(tap):
    directory = ROOT / "build" / f"docs-self-test-{os.getpid()}"
    directory.mkdir(parents=True)
    path = directory / "chapter.md"
    try:
        for name, text, faults in FAULTS:
            path.write_text(text, encoding="utf-8")
            found, output = count_failures(path)
            tap.result(found == faults, f"self-test: {name}: {faults} of its cases fail",
                       "" if found == faults else f"{found} failed:\n{output}")
        path.write_text(console("$ sleep 1000 &", "$ setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &"),
                        encoding="utf-8")
        bash = Bash()
        for command in commands_of(path.read_text(encoding="utf-8")):
            bash.run(command)
        started = len(bash.descendants())
        left = bash.end()
        tap.result(started >= 3 and not left, "self-test: what a chapter started is ended, deaf or in a session of its own",
                   f"{started} before, {left} after")
    finally:
        path.unlink(missing_ok=True)
        directory.rmdir()


def count_failures(path):
    done = subprocess.run([sys.executable, __file__, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    failures = sum(line.startswith("not ok") for line in done.stdout.splitlines())
    return (failures if done.returncode == (1 if failures else 0) else -1), done.stdout


def main(arguments):
    names = [word for word in arguments if not word.startswith("--")]
    if unknown := [word for word in arguments if word.startswith("--") and word != "--self-test"]:
        print(f"run.py: {unknown[0]} is not an option; see the top of this file", file=sys.stderr)
        return 2
    tap = Tap()
    if "--self-test" in arguments:
        self_test(tap)
    else:
        paths = [pathlib.Path(name).resolve() for name in names] or sorted((ROOT / "docs").glob("*.md"))
        for path in paths:
            check_excerpts(tap, path)
            run_commands(tap, path)
            plan.check(tap, path, place(path), {MARK: uuid.uuid4().hex}, unable)
    print(f"1..{tap.number}")
    return 1 if tap.failed or not tap.number else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
