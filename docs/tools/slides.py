#!/usr/bin/env python3
"""slides.py - docs/slides.md as one HTML file that needs nothing else: `make slides`.

usage: docs/tools/slides.py [--out FILE]

pandoc turns the Markdown into slides and embeds the charts; the look and the keys are docs/tools/slides.html. The charts and
figures are those of results/reference/, or of the run that SIX_REFERENCE names (such as results/latest).
Exit: 0 written; 1 pandoc or a chart is missing; 2 bad usage.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE, TEMPLATE = ROOT / "docs" / "slides.md", HERE / "slides.html"
# Attributes that make a browser fetch something. Namespaces and text may hold addresses.
FETCHED = re.compile(r"""(?:<(?:script|img|link|iframe|source|video|audio|object|embed)\b[^>]*?\s(?:src|href|data)\s*=\s*["']?"""
                     r"""|url\(\s*["']?|@import\s+["']?)(?!data:|#)([^"'\s>)]+)""", re.I)


class Failure(Exception):
    """No slides; the text is one line saying why and what to do."""


def fetched(html):
    """Everything that a browser would fetch from elsewhere to show this page."""
    return [match[1] for match in FETCHED.finditer(html)]


def text_with_charts(reference):
    """The slides' text with figures of that run, its charts by absolute path."""
    import sync
    text, fresh, _ = sync.brought_up_to_date(SOURCE)
    charts = sorted(set(re.findall(r"\]\((\.\./results/reference/[^)]+)\)", text)))
    missing = [name for name in charts if not (reference / pathlib.Path(name).name).exists()]
    if missing:
        raise Failure(f"{reference} has no {', '.join(pathlib.Path(name).name for name in missing)}; run ./run_all.sh "
                      "and then SIX_REFERENCE=results/latest make slides")
    if not os.environ.get("SIX_REFERENCE"):
        fresh = text  # the reference's figures are in it, and checked by the tests of the docs
    for name in charts:
        fresh = fresh.replace(f"({name})", f"(<{reference / pathlib.Path(name).name}>)")
    return re.sub(r"<!-- .*? -->", "", re.sub(r"^<!-- [^\n]*? -->\n(?=```)", "", fresh, flags=re.M))


def build(out):
    if not shutil.which("pandoc"):
        raise Failure("pandoc is not installed, and it makes the slides: run `make deps`")
    reference = pathlib.Path(os.environ.get("SIX_REFERENCE") or ROOT / "results" / "reference").resolve()
    known = subprocess.run(["pandoc", "--help"], stdout=subprocess.PIPE, text=True).stdout
    embed = "--embed-resources" if "--embed-resources" in known else "--self-contained"  # its name before pandoc 2.19
    with tempfile.NamedTemporaryFile("w", suffix=".md", encoding="utf-8") as source:
        source.write(text_with_charts(reference))
        source.flush()
        done = subprocess.run(
            ["pandoc", "--from", "markdown-implicit_figures", "--to", "dzslides", "--standalone", embed,
             "--slide-level", "1", "--highlight-style", "pygments", "--fail-if-warnings", "--template", str(TEMPLATE),
             "--output", str(out), source.name], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f"pandoc failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
    outside = fetched(out.read_text(encoding="utf-8"))
    if outside:
        raise Failure(f"{out} would fetch {outside[0]}: it must not need anything else")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"slides.py: {message} (try --help)", file=sys.stderr)
        sys.exit(2)


def main(argv):
    parser = Parser(prog="slides.py", allow_abbrev=False, description="Makes one offline HTML file of docs/slides.md.")
    parser.add_argument("--out", metavar="FILE", type=pathlib.Path, default=ROOT / "build" / "slides.html")
    out = parser.parse_args(argv).out
    sys.path.insert(0, str(HERE))
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        build(part)
        part.replace(out)
    except (Failure, OSError) as reason:
        part.unlink(missing_ok=True)
        print(f"slides.py: {reason}", file=sys.stderr)
        return 1
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; arrows turn, n shows the notes, f fills the screen")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
