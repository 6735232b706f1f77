"""The checks of the structure test: each promise about the sources is a function that yields what is
wrong, a line each. Its docstring is its name in the report."""

import os
import re
import subprocess
from collections import namedtuple

from sources import (
    OUTSIDE,
    Broken,
    base_of,
    changed_lines,
    differing,
    first_difference,
    function_lines,
    function_text,
    parts,
    places,
    without_strings,
)

MODELS = ("blocking", "thread", "select", "poll", "epoll", "io_uring")
READINESS = ("select", "poll", "epoll")
THE_FOUR = ("watch", "forget", "wait_ready", "next_ready")
MOST_CHANGED_LINES = 60
LONG_FILE_LINES = 400
SOURCE_FOLDERS = ("common", "models", "loadgen", "bench", "tests")

# What the one idea of each variant costs. most_lines: of the diff to its base, opening comments and
# all. differs: in how many lines each function that both files have differs from the base's, and
# what is outside of functions; what is not named here is the same. own: functions that only one of
# the two files has. Where a number is off, look first whether a fix went into only one of them.
Idea = namedtuple("Idea", "most_lines differs own")
IDEAS = {
    "epoll_blocking": Idea(20, {OUTSIDE: 2, "advance": 5, "run": 1}, ()),
    "epoll_offload": Idea(
        150,
        {OUTSIDE: 23, "wait_for": 4, "advance": 4, "ready": 13, "run": 3, "main": 2},
        ("work", "offload", "collect", "start_pool"),
    ),
    "process": Idea(
        115,
        {OUTSIDE: 16, "compute": 5, "run": 28, "main": 2},
        ("serve_in_thread", "serve_in_child", "reap", "end_children"),
    ),
    "spin": Idea(70, {OUTSIDE: 10, "watch": 13, "forget": 2, "wait_ready": 15, "next_ready": 13, "run": 2}, ()),
    "thread_pool": Idea(
        95,
        {OUTSIDE: 16, "compute": 5, "run": 22},
        ("serve_in_thread", "serve_for_ever", "put", "take"),
    ),
}


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


def small_diffs(tree):
    """diff between neighbours (select and poll, poll and epoll) changes at most 60 lines"""
    for one, two in zip(READINESS, READINESS[1:]):
        count = changed_lines(tree, f"models/{one}.c", f"models/{two}.c")
        if not 0 < count <= MOST_CHANGED_LINES:
            yield f"diff models/{one}.c models/{two}.c | grep -c '^[<>]' counts {count}"


def same_serve(tree):
    """blocking.c and thread.c have the identical serve(), comment and all"""
    yield from first_difference(*(function_text(tree, f"models/{model}.c", "serve") for model in ("blocking", "thread")))


def same_serve_in_variants(tree):
    """process.c and thread_pool.c have blocking.c's serve() and compute(), comment and all but compute()'s"""
    for function in ("serve", "compute"):
        expected = function_text(tree, "models/blocking.c", function)
        for variant in ("process", "thread_pool"):
            name = f"models/variants/{variant}.c"
            found = function_text(tree, name, function)
            if function == "compute":
                found = [line for line in found if not line.startswith("/*")]
            for difference in first_difference(expected, found):
                yield f"{name}: {difference}"


def variants_name_their_base(tree):
    """each variant's opening comment begins with: NAME.c - BASE.c with ONE idea changed, and models/BASE.c is there"""
    names = tree.names("models/variants", ".c")
    if not names:
        yield "there is no variant"
    for name in names:
        try:
            base_of(tree, name)
        except Broken as error:
            yield str(error)


def variants_are_their_base(tree):
    """each variant is its base, letter for letter, but for the functions and lines of its idea (the table IDEAS)"""
    variants = {os.path.basename(name)[:-2]: name for name in tree.names("models/variants", ".c")}
    for gone in sorted(set(IDEAS) - set(variants)):
        yield f"there is no models/variants/{gone}.c"
    for variant, name in variants.items():
        if variant not in IDEAS:
            yield f"{name}: what its idea changes is not in the table IDEAS of tests/structure/checks.py"
            continue
        base = base_of(tree, name)
        one, two, idea = parts(tree, base), parts(tree, name), IDEAS[variant]
        for function in sorted(set(idea.own) - (set(one) ^ set(two))):
            yield f"{base} and {name}: IDEAS says that only one of them has {function}(): both do, or none"
        for function in sorted((set(one) ^ set(two)) - set(idea.own)):
            yield f"{base} and {name}: only {name if function in two else base} has {function}()"
        for part in sorted((set(one) & set(two)) | set(idea.differs)):
            count, expected = differing(one.get(part, []), two.get(part, [])), idea.differs.get(part, 0)
            if count != expected:
                where = "outside of functions" if part == OUTSIDE else f"in {part}()"
                yield f"{base} and {name}: lines that differ {where}: {count}, not {expected}"
        if [part for part in one if part in two] != [part for part in two if part in one]:
            yield f"{base} and {name}: their functions stand in another order"


def small_variant_diffs(tree):
    """diff between a variant and its base is no longer than its idea needs (the table IDEAS)"""
    for variant, idea in IDEAS.items():
        name = f"models/variants/{variant}.c"
        count = changed_lines(tree, base_of(tree, name), name)
        if not 0 < count <= idea.most_lines:
            yield f"diff {base_of(tree, name)} {name} | grep -c '^[<>]' counts {count}, and {idea.most_lines} is the limit"


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
    same_serve_in_variants,
    variants_name_their_base,
    variants_are_their_base,
    small_variant_diffs,
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
