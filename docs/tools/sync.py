#!/usr/bin/env python3
"""sync.py - keeps the lecture true: code in the docs is the code, figures in the docs are the reference run's.

usage: docs/tools/sync.py [--check | --write] [FILE.md ...]

The chapters say in HTML comments (which no reader sees) where an excerpt or a figure comes from:

    <!-- code models/epoll.c wait_ready -->       a function (or "struct client") with its comment
    <!-- diff models/select.c models/poll.c wait_ready -->   how two files differ in it (no name: altogether)
    <!-- strace epoll -->                          the system calls of that server for one request
        each followed by a fenced block, which is replaced; and in running text
    <!-- fig NAME COLUMN key=value ... | FORMAT -->text<!-- /fig -->
        the median of COLUMN over the valid rows of results/reference/NAME.tsv with those values
        (of other rows, too, where a condition says verdict=...; of claims.tsv best with "| text")
    <!-- claims [NUMBER ...] -->table<!-- /claims -->   the claims of the sources and what became of them

--write brings them up to date, --check (the default) fails where one is not. A FORMAT is Python's, and may divide
first: "/1000 .1f ms" prints a thousandth with one decimal and " ms". Links to files of this repository are
checked, too. SIX_REFERENCE=DIR takes the figures from another run. Exit: 0 in order, 1 not, 2 bad usage.
"""

import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCED = re.compile(r"<!-- (code|diff|strace) ([^\n]*?) -->\n```(\w*)\n(.*?)```\n", re.S)
FIGURE = re.compile(r"<!-- fig ([^>|]*?)(?:\| ?([^>]*?) )?-->(.*?)<!-- /fig -->", re.S)
CLAIMS = re.compile(r"<!-- claims([\d ]*) -->\n(.*?)<!-- /claims -->", re.S)
STRACE_TRIES = 3  # on a busy machine a client may come in pieces, which takes other calls
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


class Wrong(Exception):
    pass


def part(path, name):
    """A function or struct of a C file with the comment above it, as lines."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    is_type = name.startswith(("struct ", "enum "))
    head = re.compile(rf"^(static )?{re.escape(name)}( \w+)? {{$" if is_type else rf"^\w[\w\s*]*\b{re.escape(name)}\(")
    for start, line in enumerate(lines):
        if not head.match(line) or line.rstrip().endswith(";"):
            continue
        end = next(i for i in range(start, len(lines)) if lines[i].startswith("}"))
        while start and (lines[start - 1].startswith((" *", "/*")) or lines[start - 1].startswith("\t ")):
            start -= 1
        return lines[start:end + 1]
    raise Wrong(f"{path} has no {name}")


def code(words):
    path, names = words[0], " ".join(words[1:])
    pieces = ["\n".join(part(path, name.strip())) for name in names.split(",")]
    return "\n\n".join(pieces).replace("\t", "    ")


def diff(words):
    texts = []
    for path in words[:2]:
        lines = part(path, " ".join(words[2:])) if words[2:] else (ROOT / path).read_text(encoding="utf-8").splitlines()
        texts.append([line.replace("\t", "    ") for line in lines])
    import difflib
    changed = difflib.unified_diff(*texts, words[0], words[1], lineterm="", n=1 if not words[2:] else 30)
    return "\n".join(line for line in changed if not line.startswith("@@"))


def strace(words):
    import trace_calls
    return trace_calls.excerpt(words[0], words[1:])


def rows(name):
    path = pathlib.Path(os.environ.get("SIX_REFERENCE") or ROOT / "results" / "reference") / f"{name}.tsv"
    if not path.exists():
        raise Wrong(f"{path.parent} has no {name}.tsv")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"))) for line in lines[1:]]


def figure(source, layout):
    words = source.split()
    name, column, conditions = words[0], words[1], [word.split("=", 1) for word in words[2:]]
    found, conditional = [], dict(conditions)
    for row in rows(name):
        if name != "claims" and "verdict" not in conditional and row.get("verdict", "valid") != "valid":
            continue
        for key, _ in conditions:
            if key not in row:
                raise Wrong(f"{name}.tsv has no column {key}")
        if all(row[key] == value for key, value in conditions) and row.get(column):
            found.append(row[column])
    if not found:
        raise Wrong(f"{name}.tsv has no value of {column} where {' '.join(words[2:])}")
    layout = layout or ",.0f"
    if layout == "text":
        return found[0]
    value = statistics.median(float(cell) for cell in found)
    divided = re.match(r"([/*])([\d.]+) (.*)", layout)
    if divided:
        value = value / float(divided[2]) if divided[1] == "/" else value * float(divided[2])
        layout = divided[3]
    specification, _, unit = layout.partition(" ")
    return format(value, specification) + (f" {unit}" if unit else "")


def claims(numbers):
    """The table of these claims (of all, without any): what was said, what was measured, the verdict."""
    table = ["| | The sources say | This lab measured | Verdict |", "|---|---|---|---|"]
    found = {row["claim"]: row for row in rows("claims")}
    for number in numbers or found:
        if number not in found:
            raise Wrong(f"claims.tsv has no claim {number}")
        row = {key: value.replace("|", "\\|") for key, value in found[number].items()}
        said = row["english"] + (f" ({row['claimed']})" if row["claimed"] and row["claimed"] not in row["english"] else "")
        table.append(f"| {number} | {said}<br>*{row['source']}* | {row['measured'] or '-'} | **{row['verdict']}** |")
    return "\n".join(table)


def brought_up_to_date(path):
    """The file's text with every excerpt and figure as it should be, and what is wrong with it otherwise."""
    text, wrong = path.read_text(encoding="utf-8"), []
    place = path.relative_to(ROOT)

    def fenced(match):
        kind, words, language, old = match[1], match[2].split(), match[3], match[4]
        try:
            new = {"code": code, "diff": diff, "strace": strace}[kind](words) + "\n"
        except (Wrong, OSError, subprocess.SubprocessError) as problem:
            wrong.append(f"{place}: {kind} {match[2]}: {problem}")
            return match[0]
        if kind == "strace":
            import trace_calls
            for again in reversed(range(STRACE_TRIES)):
                if trace_calls.same_calls(old, new):
                    return match[0]  # other addresses and numbers, but the same calls in the same order
                if again:
                    new = strace(words) + "\n"
        return f"<!-- {kind} {match[2]} -->\n```{language}\n{new}```\n"

    def fig(match):
        try:
            new = figure(match[1].strip(), (match[2] or "").strip())
        except (Wrong, ValueError, IndexError) as problem:
            wrong.append(f"{place}: fig {match[1].strip()}: {problem}")
            return match[0]
        layout = f"| {match[2].strip()} " if match[2] else ""
        return f"<!-- fig {match[1].strip()} {layout}-->{new}<!-- /fig -->"

    def table(match):
        try:
            new = claims(match[1].split())
        except (Wrong, KeyError) as problem:
            wrong.append(f"{place}: claims {match[1].strip()}: {problem}")
            return match[0]
        return f"<!-- claims{match[1].rstrip()} -->\n{new}\n<!-- /claims -->"

    for link in LINK.findall(text):
        if "://" not in link and not link.startswith("mailto:") and not (path.parent / link).exists():
            wrong.append(f"{place}: link to {link}, which is not there")
    for opened in re.findall(r"<!-- (?:code|diff|strace) [^\n]*? -->\n(?!```)", text):
        wrong.append(f"{place}: no fenced block after {opened.strip()}")
    return text, CLAIMS.sub(table, FIGURE.sub(fig, FENCED.sub(fenced, text))), wrong


def main(arguments):
    write = "--write" in arguments
    names = [word for word in arguments if not word.startswith("--")]
    unknown = [word for word in arguments if word.startswith("--") and word not in ("--check", "--write")]
    if unknown:
        print(f"sync.py: {unknown[0]} is not an option; see the top of this file", file=sys.stderr)
        return 2
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    failed = False
    for path in [pathlib.Path(name).resolve() for name in names] or sorted(DOCS.rglob("*.md")):
        old, new, wrong = brought_up_to_date(path)
        for line in wrong:
            print(f"not ok - {line}")
        if write and new != old:
            path.write_text(new, encoding="utf-8")
            print(f"# {path.relative_to(ROOT)}: brought up to date")
        elif new != old:
            before, after = old.splitlines(), new.splitlines()
            first = next((i for i, pair in enumerate(zip(before, after)) if pair[0] != pair[1]), min(len(before), len(after)))
            print(f"not ok - {path.relative_to(ROOT)}:{first + 1} is out of date; run docs/tools/sync.py --write")
        if wrong or (new != old and not write):
            failed = True
        else:
            print(f"ok - {path.relative_to(ROOT)}: excerpts, figures and links are what they say")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
