"""plan.py - holds the lecture plans of docs/README.md to what they print. Called by run.py for each file.

A plan is a table with the columns minute, show, run and ask. Of each row:

    show    every slide "TITLE" is in docs/slides.md, every chart `NAME` in results/reference, every file `FOLDER/NAME` there;
            what is in the slides comes in their order, within a plan
    run     every `command` works as printed. "1: `command`" starts a server in the first terminal, "1: Ctrl-C" ends it;
            "2: `command`", or a command without a number, is for the second terminal and must end with 0
    both    no row leaves its server running, and the minutes go up
"""

import os
import pathlib
import re
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = re.compile(r"^\| *minute *\| *show *\| *run *\| *ask *\|$")
STEP = re.compile(r"(?:(\d): )?(?:`([^`]+)`|(Ctrl-C))")
ON_A_SCREEN = ("top", "q")  # it runs until that key is pressed
PATIENCE_S, STOP_S = 60, 8


def plans(text):
    """The plans of a text: lists of (line number, cells)."""
    found, rows = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if HEAD.match(line):
            found.append(rows := [])
        elif rows is not None and line.startswith("|"):
            if not line.startswith("|--"):
                rows.append((number, [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]))
        else:
            rows = None
    return found


def deck():
    """{title: places of the slides with it} and {chart: its place}, in the order of docs/slides.md."""
    titles, charts, place = {}, {}, 0
    for line in (ROOT / "docs" / "slides.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            place += 1
            titles.setdefault(re.sub(r" *\{.*\}$", "", line[2:]).strip('"'), []).append(place)
        elif chart := re.search(r"reference/([\w-]+)\.svg", line):
            charts[chart[1]] = place
    return titles, charts


def wrong_to_show(cell, reached):
    """(what is wrong, the last slide that was named)."""
    titles, charts = deck()
    wrong, named = [], []
    if "slide" in cell:
        for title in re.findall(r'"([^"]+)"', cell):
            if title not in titles:
                wrong.append(f"there is no slide {title!r}")
            elif later := [place for place in titles[title] if place >= reached]:
                named.append(later[0])
            elif "once more" not in cell:
                wrong.append(f"slide {title!r} comes before one that was shown already")
    for names in re.findall(r"[Cc]harts? ((?:`[\w-]+`(?:, | and )?)+)", cell):
        for name in re.findall(r"`([\w-]+)`", names):
            if not (ROOT / "results" / "reference" / f"{name}.svg").exists():
                wrong.append(f"there is no chart {name}")
            elif name in charts:
                named.append(charts[name])
    for name in re.findall(r"`(\w+/[\w/.]+)`", cell):
        if not (ROOT / name).exists():
            wrong.append(f"there is no file {name}")
    if named and min(named) < reached:
        wrong.append("a chart comes before a slide that was shown already")
    return wrong, max([reached, *named])


class Terminal:
    """The first terminal: a server in the foreground, until Ctrl-C."""

    def __init__(self, mark):
        self.mark, self.server = mark, None

    def start(self, command):
        """What is wrong with the start, or None."""
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ, **self.mark),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        line = self.server.stdout.readline().decode("utf-8", "replace")
        return None if "listening on" in line else f"`{command}` did not say that it listens: {line!r}"

    def interrupt(self):
        if self.server is None:
            return "Ctrl-C, and nothing runs"
        server, self.server = self.server, None
        try:
            os.killpg(server.pid, signal.SIGINT)  # as a terminal does: to all of its foreground
            server.communicate(timeout=STOP_S)
        except ProcessLookupError:
            return "the server has ended before Ctrl-C"
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.communicate()
            return f"the server did not end within {STOP_S} s of Ctrl-C"
        return None


def wrong_to_run(cell, mark, unable):
    """What goes wrong when the row is run, or None."""
    terminal = Terminal(mark)
    try:
        for number, command, interrupt in STEP.findall(cell):
            if command and (model := re.search(r"build/(io_uring)\b", command)) and unable(model[1]):
                return None
            if interrupt:
                problem = terminal.interrupt()
            elif command in ON_A_SCREEN:
                problem = None
            elif number == "1":
                problem = "its server is still running" if terminal.server else terminal.start(command)
            else:
                problem = in_second_terminal(command, mark)
            if problem:
                return problem
        return "its server is left running: Ctrl-C is missing" if terminal.server else None
    finally:
        terminal.interrupt()


def in_second_terminal(command, mark):
    began = time.monotonic()
    compared = command.startswith("diff ")
    if compared:
        command = command.removesuffix(" | less")  # which would hide how diff ended
    try:
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False, env=dict(os.environ, **mark))
    except subprocess.TimeoutExpired:
        return f"`{command}` did not end within {time.monotonic() - began:.0f} s"
    # diff says with 1 that there is a difference: that is what it is asked for.
    if done.returncode != (1 if compared else 0):
        return f"`{command}` ended with {done.returncode}:\n{done.stdout.decode('utf-8', 'replace')}"
    return None


def check(tap, path, name, mark, unable):
    """A case for each row of each plan in the file."""
    for rows in plans(path.read_text(encoding="utf-8")):
        reached, minute = 0, -1
        for number, cells in rows:
            wrong = []
            if len(cells) != 4 or not cells[0].isdigit() or int(cells[0]) <= minute:
                wrong.append("not four cells that begin with a later minute")
            else:
                minute = int(cells[0])
                wrong, reached = wrong_to_show(cells[1], reached)
                if problem := wrong_to_run(cells[2], mark, unable):
                    wrong.append(problem)
            tap.result(not wrong, f"{name}:{number} the plan's minute {cells[0]}", "\n".join(wrong))
