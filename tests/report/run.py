#!/usr/bin/env python3
"""The report in a real browser: nothing loaded from anywhere, no error, every chart drawn, the controls work.

usage: tests/report/run.py [RESULTS]     (default: results/reference, where it exists)

Draws a copy of the results' report, adds a script that does what a reader would (presses buttons and keys) and writes
down what it finds, and opens it in headless Chromium. TAP; all cases are skipped where Chromium is missing.
"""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BROWSER = next((found for found in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if found), None)
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr")

# What a reader does. Its findings end up in the page, where --dump-dom shows them.
READER = """
const found = {};
const press = (figure, key) => figure.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const bubble = document.getElementById("bubble");
found.charts = [...document.querySelectorAll("figure > svg")].map((svg) => {
	const box = svg.getBoundingClientRect();
	return {width: box.width, height: box.height, shapes: svg.querySelectorAll("path, use, polygon, rect, text").length};
});
found.sections = document.querySelectorAll("main > section").length;
found.toolbar = !document.getElementById("models").hidden;
const button = document.querySelector('button[data-toggle="epoll"]');
const marks = () => [...document.querySelectorAll('figure [data-model="epoll"]')].filter((mark) => mark.getClientRects().length);
found.before = marks().length;
button.click();
found.hidden = marks().length;
found.pressed = button.getAttribute("aria-pressed");
document.getElementById("show-all").click();
found.after = marks().length;
const figure = [...document.querySelectorAll("figure")].find((one) => one.tabIndex === 0);
figure.focus();
press(figure, "ArrowRight");
found.first = bubble.hidden ? "" : bubble.textContent;
press(figure, "ArrowRight");
found.second = bubble.hidden ? "" : bubble.textContent;
found.spoken = document.querySelector('[role="status"]').textContent;
press(figure, "Escape");
found.closed = bubble.hidden;
const value = document.querySelector("figure g.value");
value.dispatchEvent(new PointerEvent("pointerenter"));
found.hovered = bubble.hidden ? "" : bubble.textContent;
found.unnamed = [...document.querySelectorAll("svg[role=img]")].filter((svg) => !svg.querySelector("title")).length;
found.headings = [...document.querySelectorAll("h1")].length;
const note = document.createElement("pre");
note.id = "found";
note.textContent = JSON.stringify(found);
document.body.append(note);
"""

count = failures = 0


def case(name, good, why=""):
    global count, failures
    count += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {count} - report: {name}")
    if not good:
        print(f"# {why}")


def browse(page, *options):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run([BROWSER, *QUIET, f"--user-data-dir={profile}", *options, f"file://{page}"],
                              capture_output=True, text=True, timeout=180, check=False)


def main(arguments):
    results = os.path.abspath(arguments[0] if arguments else os.path.join(ROOT, "results", "reference"))
    if not BROWSER:
        print("ok 1 - report in a browser # SKIP no Chromium here (make deps)\n1..1")
        return 0
    with tempfile.TemporaryDirectory(prefix="six-report-") as work:
        copy = os.path.join(work, "results")
        shutil.copytree(results, copy)
        drawn = subprocess.run([os.path.join(ROOT, "run_all.sh"), "--plot-only", "--out", copy],
                               capture_output=True, text=True, check=False)
        case("drawn from the rows", drawn.returncode == 0, drawn.stderr)
        with open(os.path.join(copy, "index.html"), encoding="utf-8") as file:
            page = file.read()
        outside = re.findall(r"""(?:src|href|srcset)=["']?(?:https?:)?//[^"'> ]+|url\(["']?https?:[^)]+|@import[^;]+""", page)
        case("names nothing outside itself", not outside, outside[:3])
        case("forbids the browser to load anything", "default-src 'none'" in page, "no Content-Security-Policy")
        tried = os.path.join(copy, "tried.html")
        with open(tried, "w", encoding="utf-8") as file:
            file.write(page.replace("</body>", f"<script>{READER}</script></body>"))
        seen = browse(tried, "--dump-dom", "--window-size=1280,900", "--virtual-time-budget=5000")
        note = re.search(r'<pre id="found">(.*?)</pre>', seen.stdout, re.S)
        noise = [line for line in seen.stderr.splitlines() if "CONSOLE" in line]
        case("no error and no warning on the console", not noise, noise[:3])
        if not note:
            case("the controls answer", False, "the page's script did not get to its end: " + seen.stderr[-300:])
            print(f"1..{count}")
            return 1
        found = json.loads(html.unescape(note.group(1)))
        charts = found["charts"]
        svgs = [name for name in os.listdir(copy) if name.endswith(".svg")]
        case("every chart is in it", len(charts) == len(svgs), f"{len(charts)} of {len(svgs)}")
        empty = [chart for chart in charts if chart["width"] < 300 or chart["height"] < 150 or chart["shapes"] < 20]
        case("every chart is drawn", charts and not empty, empty)
        case("the buttons are there", found["toolbar"], found)
        case("a button hides a model", found["before"] > 0 and found["hidden"] == 0 and found["pressed"] == "false", found)
        case("and another shows all again", found["after"] == found["before"], found)
        case("arrow keys read a chart's values", found["first"] and found["second"] and found["first"] != found["second"], found)
        case("aloud, too", found["spoken"] == found["second"], found)
        case("Escape ends it", found["closed"], found)
        case("pointing at a mark shows its value", found["hovered"], found)
        case("every picture has a name", found["unnamed"] == 0 and found["headings"] == 1, found)
        pdf = os.path.join(work, "report.pdf")
        browse(os.path.join(copy, "index.html"), f"--print-to-pdf={pdf}")
        case("it prints", os.path.exists(pdf) and os.path.getsize(pdf) > 10000, "no PDF came of it")
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
