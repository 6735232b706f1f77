"""The sources as the checks of the structure test look at them: the tree's files and includes, the
functions of a C file, and in how many lines two of them differ. It reads C that is formatted as this
project's is: a function's braces stand at the start of a line."""

import os
import re
import subprocess
from pathlib import Path

OUTSIDE = "outside"  # where parts() puts what is in no function


class Broken(Exception):
    """The sources do not have the shape that a check needs to look at them."""


# ---- reading C ----------------------------------------------------------------------------------

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def without_comments(text):
    """The same lines with blanks where comments were; strings stay."""

    def blank(match):
        token = match.group()
        return re.sub(r"[^\n]", " ", token) if token.startswith("/") else token

    return TOKEN.sub(blank, text)


def without_strings(code):
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', code)


class Tree:
    def __init__(self, root):
        self.root = Path(root)

    def text(self, name):
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except OSError as error:
            raise Broken(f"cannot read {name}: {error.strerror}") from error

    def code(self, name):
        return without_comments(self.text(name))

    def names(self, folder, *suffixes):
        found = (p for p in (self.root / folder).rglob("*") if p.suffix in suffixes and p.is_file())
        return sorted(str(p.relative_to(self.root)) for p in found)

    def models(self):
        return self.names("models", ".c", ".h")

    def includes(self, name, quoted_only=False):
        marks = '"' if quoted_only else '<"'
        return re.findall(rf'^[ \t]*#[ \t]*include[ \t]*[{marks}]([^>"]+)[>"]', self.code(name), re.MULTILINE)


def places(code, pattern):
    """(line number, the line) of each match."""
    lines = code.split("\n")
    for match in re.finditer(pattern, code):
        number = code.count("\n", 0, match.start())
        yield number + 1, lines[number].strip()


def function_lines(tree, name, function):
    """First and last line (counted from 0) of a static function, without the comment above it."""
    lines = tree.code(name).split("\n")
    start = re.compile(rf"static\b[^;={{]*\b{function}\([^;]*$")
    for first, line in enumerate(lines):
        if start.match(line):
            for last in range(first, len(lines)):
                if lines[last] == "}":
                    return first, last
    raise Broken(f"{name} has no static function {function}()")


def function_ends(tree, name):
    """(function, first line, last line) of each function, static or not, without the comment above it."""
    code = tree.code(name)
    lines = code.split("\n")
    for match in re.finditer(r"^\w[\w \t*]*?[ *](\w+)\([^;{}]*\)\n\{", code, re.MULTILINE):
        first = code.count("\n", 0, match.start())
        if "}" not in lines[first:]:
            raise Broken(f"{name}: the end of {match.group(1)}() is not found")
        yield match.group(1), first, lines.index("}", first)


def with_comment(tree, name, first):
    """The line where the comment above line `first` begins; `first` where there is none."""
    lines, code = tree.text(name).split("\n"), tree.code(name).split("\n")
    while first > 0 and lines[first - 1].strip() and not code[first - 1].strip():
        first -= 1
    return first


def function_text(tree, name, function):
    """The lines of a static function and of the comment above it."""
    first, last = function_lines(tree, name, function)
    return tree.text(name).split("\n")[with_comment(tree, name, first) : last + 1]


def parts(tree, name):
    """The lines of each function and of the comment above it, by its name; under OUTSIDE all other
    lines below the opening comment that are not empty."""
    lines = tree.text(name).split("\n")
    found = {OUTSIDE: []}
    at = next((number + 1 for number, line in enumerate(lines) if "*/" in line), 0)
    for function, first, last in function_ends(tree, name):
        begin = with_comment(tree, name, first)
        found[OUTSIDE] += lines[at:begin]
        found[function] = found.get(function, []) + lines[begin : last + 1]
        at = last + 1
    found[OUTSIDE] = [line for line in found[OUTSIDE] + lines[at:] if line]
    return found


def base_of(tree, name):
    """The model that a variant is but for one idea, as its opening comment says."""
    own = re.escape(os.path.basename(name))
    said = re.match(rf"/\*\n \* {own} - (\w+)\.c with ONE idea changed: \S", tree.text(name))
    if not said:
        raise Broken(f"{name} does not begin with: /* {os.path.basename(name)} - BASE.c with ONE idea changed: ...")
    base = f"models/{said.group(1)}.c"
    if not (tree.root / base).is_file():
        raise Broken(f"{name} names {said.group(1)}.c as its base, and there is no {base}")
    return base


# ---- comparing ----------------------------------------------------------------------------------


def changed_lines(tree, one, two):
    for name in (one, two):
        tree.text(name)
    run = subprocess.run(["diff", one, two], cwd=tree.root, stdout=subprocess.PIPE, check=False)
    if run.returncode > 1:
        raise Broken(f"diff {one} {two} failed")
    return sum(1 for line in run.stdout.splitlines() if line[:1] in b"<>" and line)


def differing(one, two):
    """How many lines are in only one of the two, when as many as possible are taken for the same: what
    diff --minimal counts. So a line that is added to one of them always shows."""
    common = [0] * (len(two) + 1)
    for line in one:
        above, common = common, [0]
        for at, other in enumerate(two):
            common.append(above[at] + 1 if line == other else max(above[at + 1], common[at]))
    return len(one) + len(two) - 2 * common[-1]


def first_difference(one, two):
    for line, other in zip(one, two):
        if line != other:
            yield f"{line.strip()} | {other.strip()}"
            return
    if len(one) != len(two):
        yield f"{len(one)} lines | {len(two)} lines"
