"""The checks of the structure test: each promise about the sources is a function that yields what is
wrong, a line each. Its docstring is its name in the report."""

import os
import re
import subprocess
from pathlib import Path

MODELS = ("blocking", "thread", "select", "poll", "epoll", "io_uring")
READINESS = ("select", "poll", "epoll")
THE_FOUR = ("watch", "forget", "wait_ready", "next_ready")
MOST_CHANGED_LINES = 60
LONG_FILE_LINES = 400
SOURCE_FOLDERS = ("common", "models", "loadgen", "bench", "tests")


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


def with_comment(tree, name, first):
    """The line where the comment above line `first` begins; `first` where there is none."""
    lines, code = tree.text(name).split("\n"), tree.code(name).split("\n")
    while first > 0 and lines[first - 1].strip() and not code[first - 1].strip():
        first -= 1
    return first


# ---- checks: each gives what is wrong, a line each -----------------------------------------------


def the_four_functions(tree):
    """select.c, poll.c and epoll.c: watch, forget, wait_ready, next_ready, in this order, nothing between"""
    for model in READINESS:
        name = f"models/{model}.c"
        code = tree.code(name).split("\n")
        spans = [function_lines(tree, name, function) for function in THE_FOUR]
        for (_, end), (begin, _), one, two in zip(spans, spans[1:], THE_FOUR, THE_FOUR[1:]):
            if end >= begin:
                yield f"{name}: {two}() stands before {one}()"
            for number in range(end + 1, begin):
                if code[number].strip():
                    yield f"{name}:{number + 1}: between {one}() and {two}(): {code[number].strip()}"


def before_the_four(tree):
    """select.c, poll.c and epoll.c: above watch() only the opening comment, #include lines and state"""
    for model in READINESS:
        name = f"models/{model}.c"
        first, _ = function_lines(tree, name, THE_FOUR[0])
        above = "\n".join(tree.code(name).split("\n")[:first])
        above = re.sub(r"\\\n", " ", above)
        above = re.sub(r"^#include\b.*$", "", above, flags=re.MULTILINE)
        for statement in filter(None, map(str.strip, above.split(";"))):
            if not statement.startswith("static ") or re.search(r"\)\s*\{", statement):
                yield f"{name}: above watch(), and neither an #include nor state: {statement.splitlines()[0]}"


def after_the_four(tree):
    """select.c, poll.c and epoll.c are the same below next_ready(), line for line"""
    rest = {}
    for model in READINESS:
        name = f"models/{model}.c"
        _, last = function_lines(tree, name, THE_FOUR[-1])
        rest[name] = (last + 1, tree.text(name).split("\n")[last + 1 :])
    (reference, (at, lines)), *others = rest.items()
    if sum(1 for line in lines if line.strip()) < 50:
        yield f"{reference}: hardly anything is left below next_ready() to be the same"
    for name, (other_at, other_lines) in others:
        for i in range(max(len(lines), len(other_lines))):
            one = lines[i] if i < len(lines) else "(the end)"
            two = other_lines[i] if i < len(other_lines) else "(the end)"
            if one != two:
                yield f"{reference}:{at + i + 1}: {one.strip()} | {name}:{other_at + i + 1}: {two.strip()}"
                break


def changed_lines(tree, one, two):
    for name in (one, two):
        tree.text(name)
    run = subprocess.run(["diff", one, two], cwd=tree.root, stdout=subprocess.PIPE, check=False)
    if run.returncode > 1:
        raise Broken(f"diff {one} {two} failed")
    return sum(1 for line in run.stdout.splitlines() if line[:1] in b"<>" and line)


def small_diffs(tree):
    """diff between neighbours (select and poll, poll and epoll) changes at most 60 lines"""
    for one, two in zip(READINESS, READINESS[1:]):
        count = changed_lines(tree, f"models/{one}.c", f"models/{two}.c")
        if not 0 < count <= MOST_CHANGED_LINES:
            yield f"diff models/{one}.c models/{two}.c | grep -c '^[<>]' counts {count}"


def same_serve(tree):
    """blocking.c and thread.c have the identical serve(), comment and all"""
    bodies = []
    for name in ("models/blocking.c", "models/thread.c"):
        first, last = function_lines(tree, name, "serve")
        bodies.append(tree.text(name).split("\n")[with_comment(tree, name, first) : last + 1])
    for one, two in zip(*bodies):
        if one != two:
            yield f"{one.strip()} | {two.strip()}"
            return
    if len(bodies[0]) != len(bodies[1]):
        yield f"{len(bodies[0])} lines | {len(bodies[1])} lines"


def models_know_no_http(tree):
    """no model includes http.h or app.h, or uses a name of theirs"""
    for name in tree.models():
        for include in tree.includes(name):
            if os.path.basename(include) in ("http.h", "app.h", "http_text.h"):
                yield f"{name} includes {include}"
        for number, line in places(without_strings(tree.code(name)), r"\b(http|app)_\w+"):
            yield f"{name}:{number}: {line}"


def common_knows_no_model(tree):
    """no file in common/ names a model in its code, or includes something of models/ or loadgen/"""
    own = {os.path.basename(name) for name in tree.names("common", ".h")}
    for name in tree.names("common", ".c", ".h"):
        for number, line in places(tree.code(name), rf"\b({'|'.join(MODELS)})\b"):
            yield f"{name}:{number}: {line}"
        for include in tree.includes(name, quoted_only=True):
            if include not in own:
                yield f"{name} includes {include}, which is not of common/"


def loadgen_stands_alone(tree):
    """loadgen/ includes nothing of common/ but clock.h, and nothing of models/"""
    own = {os.path.basename(name) for name in tree.names("loadgen", ".h")} | {"clock.h"}
    for name in tree.names("loadgen", ".c", ".h"):
        for include in tree.includes(name, quoted_only=True):
            if include not in own:
                yield f"{name} includes {include}"


def models_print_nothing(tree):
    """no model prints: no printf of any kind, but for io_uring's reason why it cannot run"""
    printing = r"\b(v?(f|s|sn|d|as)?printf|f?puts|f?putc|putchar|f?puts_unlocked|perror|fwrite|vwarnx?|warnx?)\s*\("
    for name in tree.models():
        allowed = 1 if os.path.basename(name).startswith("io_uring") else 0
        for number, line in places(without_strings(tree.code(name)), printing):
            if allowed and line.startswith("snprintf(reason, sizeof reason,"):
                allowed -= 1
            else:
                yield f"{name}:{number}: {line}"


def no_function_tables(tree):
    """select.c, poll.c and epoll.c hold no function pointers, except in struct model"""
    for model in READINESS:
        name = f"models/{model}.c"
        code = without_strings(tree.code(name))
        for number, line in places(code, r"\(\s*\*\s*(const\s+)?\w*\s*(\[[^\]]*\])?\s*\)\s*\("):
            yield f"{name}:{number}: {line}"
        code = re.sub(r"\bstruct model model\s*=\s*\{[^}]*\}", lambda m: re.sub(r"[^\n]", " ", m.group()), code)
        functions = re.findall(r"^(?:static )?\w[\w \t]*?[ *](\w+)\([^;{}]*\)\n\{", code, re.MULTILINE)
        if not set(THE_FOUR) <= set(functions):
            raise Broken(f"{name}: its functions are not found")
        for number, line in places(code, rf"(?<![\w.>])({'|'.join(functions)})\b(?!\s*\()"):
            yield f"{name}:{number}: the name of a function that is not called there: {line}"


def files_name_themselves(tree):
    """every .c and .h file opens with a block comment that begins with its own name"""
    names = [name for folder in SOURCE_FOLDERS for name in tree.names(folder, ".c", ".h")]
    if len(names) < 20:
        yield f"only {len(names)} files were found"
    for name in names:
        base = re.escape(os.path.basename(name))
        if not re.match(rf"/\*\n \* {base} - \S", tree.text(name)):
            yield f"{name} does not begin with: /* {os.path.basename(name)} - ..."


def makefile_finds_models(tree):
    """every model and every variant is found by the Makefile"""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MODELS")}
    build = "/nonexistent/structure-test"
    run = subprocess.run(
        ["make", "-n", "-C", str(tree.root), f"BUILD={build}", "servers"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False,
    )
    if run.returncode != 0:
        raise Broken(f"make -n servers failed: {run.stdout.strip().splitlines()[-1:]}")
    linked = set(re.findall(rf"-o {build}/(\w+)(?=\s|$)", run.stdout))
    models = {os.path.basename(name)[:-2] for name in tree.names("models", ".c")}
    for missing in sorted(models - linked):
        yield f"{missing} is not built by make servers"
    for missing in sorted(set(MODELS) - models):
        yield f"there is no models/{missing}.c"


CHECKS = (
    the_four_functions,
    before_the_four,
    after_the_four,
    small_diffs,
    same_serve,
    models_know_no_http,
    common_knows_no_model,
    loadgen_stands_alone,
    models_print_nothing,
    no_function_tables,
    files_name_themselves,
    makefile_finds_models,
)


def findings(check, tree):
    try:
        return list(check(tree))
    except Broken as error:
        return [str(error)]
