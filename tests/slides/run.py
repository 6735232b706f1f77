#!/usr/bin/env python3
"""The slides of `make slides`: made, whole, offline, and in a browser without a fault.

    run.py

Prints TAP; exits 1 if a test failed. Where chromium is not installed, or results/reference/ is not there yet, what needs it is
skipped and says so. SIX_REFERENCE=DIR takes another run's charts.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "docs" / "tools" / "slides.py"
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOOL.parent))
import slides  # noqa: E402

LEAST_SLIDES = 25
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TESTS = []


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def check(condition, *what):
    if not condition:
        raise Failed(" ".join(map(str, what)))


def run(*argv, **environment):
    return subprocess.run(argv, text=True, timeout=180, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, **environment})


class Deck:
    """The slides, made once."""

    made = None

    @classmethod
    def path(cls):
        if cls.made is None:
            reference = pathlib.Path(os.environ.get("SIX_REFERENCE") or ROOT / "results" / "reference")
            if not list(reference.glob("*.svg")):
                raise Skipped(f"there are no charts in {reference}")
            cls.made = pathlib.Path(tempfile.mkdtemp(prefix="six-slides-")) / "slides.html"
            done = run(sys.executable, str(TOOL), "--out", str(cls.made))
            check(done.returncode == 0, "slides.py:", done.stderr.strip())
        check(cls.made.exists(), "there is no deck")
        return cls.made

    @classmethod
    def source(cls):
        return (ROOT / "docs" / "slides.md").read_text(encoding="utf-8")


def in_browser(path):
    """(the document after loading, what the console said)"""
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if not browser:
        raise Skipped("no chromium here")
    with tempfile.TemporaryDirectory(prefix="six-browser-") as home:
        done = run(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={home}",
                   "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000",
                   "--dump-dom", path.as_uri(), HOME=home)
    check("<html" in done.stdout, "the browser showed nothing:", done.stderr[-300:])
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def fact(document, name):
    found = re.search(rf'<html[^>]* data-{name}="([^"]*)"', document)
    check(found, "the page did not say", name, "(did its script run?)")
    return found[1]


@test
def pandoc_is_there():
    check(shutil.which("pandoc"), "pandoc is not installed (make deps)")


@test
def the_deck_is_made_with_every_slide_and_every_chart():
    html, source = Deck.path().read_text(encoding="utf-8"), Deck.source()
    wanted = len(re.findall(r"^# ", re.sub(r"^```.*?^```", "", source, flags=re.S | re.M), re.M)) + 1
    check(wanted >= LEAST_SLIDES, "only", wanted, "slides in slides.md")
    found = len(re.findall(r'<section[^>]*class="[^"]*\bslide\b', html))
    check(found == wanted, found, "slides, expected", wanted)
    charts = source.count("](../results/reference/")
    check(html.count("data:image/svg+xml") == charts, html.count("data:image/svg+xml"), "charts, expected", charts)


@test
def it_needs_nothing_from_anywhere():
    outside = slides.fetched(Deck.path().read_text(encoding="utf-8"))
    check(not outside, "it would fetch", outside[:3])


@test
def what_would_be_fetched_is_noticed():
    for html in ('<img src="https://x/a.png">', '<link rel="stylesheet" href="a.css">', "<script src=a.js></script>",
                 "<style>@import 'x.css'</style>", "<style>a{background:url(x.png)}</style>", '<iframe src="//x/"></iframe>'):
        check(slides.fetched(html), "not noticed:", html)
    for html in ('<img src="data:image/png;base64,AA">', '<a href="https://x/">x</a>', '<svg xmlns="http://www.w3.org/2000/svg">'):
        check(not slides.fetched(html), "wrongly noticed:", html)


@test
def no_comment_and_no_unfilled_figure_is_left():
    html = Deck.path().read_text(encoding="utf-8")
    check("<!-- fig" not in html and "&lt;!--" not in html and ":::" not in html, "a directive is left")
    check(not re.search(r"<strong></strong>|Measured:\s*</p>", html), "a figure is empty")


@test
def in_a_browser_nothing_is_cut_off_and_every_picture_loads():
    document, _ = in_browser(Deck.path())
    check(int(fact(document, "slides")) >= LEAST_SLIDES, fact(document, "slides"), "slides")
    check(fact(document, "full") == "", "too full: slides", fact(document, "full"))
    check(fact(document, "broken") == "", "pictures missing on slides", fact(document, "broken"))


@test
def in_a_browser_the_console_is_silent():
    _, console = in_browser(Deck.path())
    check(not console, console[:2])


@test
def a_slide_that_is_too_full_is_noticed():
    deck = Deck.path()
    spoilt = deck.with_name("spoilt.html")
    html = deck.read_text(encoding="utf-8")
    spoilt.write_text(html.replace('<div id="where"', '<section class="slide">' + "<p>x</p>" * 60 + "</section>"
                                   '<section class="slide"><img src="data:image/png;base64,AA"></section><div id="where"', 1),
                      encoding="utf-8")
    document, _ = in_browser(spoilt)
    check(fact(document, "full") != "", "a slide of 60 lines was not noticed")
    check(fact(document, "broken") != "", "a broken picture was not noticed")


@test
def without_charts_it_says_what_to_do_and_leaves_no_half_deck():
    with tempfile.TemporaryDirectory() as empty:
        out = pathlib.Path(empty) / "slides.html"
        done = run(sys.executable, str(TOOL), "--out", str(out), SIX_REFERENCE=empty)
        check(done.returncode == 1 and "run_all.sh" in done.stderr and len(done.stderr.splitlines()) == 1, repr(done.stderr))
        check(not list(pathlib.Path(empty).iterdir()), "something half-written is left")


@test
def bad_usage_is_exit_status_2():
    done = run(sys.executable, str(TOOL), "--what")
    check(done.returncode == 2 and done.stderr.startswith("slides.py: "), done.returncode, repr(done.stderr))


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except Skipped as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except (Failed, subprocess.TimeoutExpired, OSError) as reason:
            failed += 1
            print(f"not ok {number} - {name}\n#   {reason}", flush=True)
    if Deck.made:
        shutil.rmtree(Deck.made.parent, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
