"""The structure test's test: every promise is broken once or more in a copy of the tree, and the check
that guards it must notice."""

import shutil
import tempfile
from pathlib import Path

from checks import (
    SOURCE_FOLDERS,
    CHECKS,
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
    findings,
)
from sources import Broken, Tree


def after(anchor, addition):
    return lambda text: text.replace(anchor, anchor + addition, 1)


def instead(old, new):
    return lambda text: text.replace(old, new, 1)


def at_start(addition):
    return lambda text: addition + text


def at_end(addition):
    return lambda text: text + addition


def swapped(text):
    """forget() and wait_ready() change places."""
    forget, wait, following = (text.index(mark) for mark in ("/* Stops watching", "/* Sleeps until", "/* The next ready"))
    return text[:forget] + text[wait:following] + text[forget:wait] + text[following:]


def renamed(old, new):
    return lambda text: text.replace(f"{old}(", f"{new}(")


def new_file(content):
    return lambda text: content


# What is broken, the check that must notice, the file, and how.
MUTATIONS = (
    ("a function missing", the_four_functions, "models/poll.c", lambda text: text.replace("next_ready(", "next_one(")),
    ("two functions swapped", the_four_functions, "models/epoll.c", swapped),
    ("a helper between", the_four_functions, "models/select.c",
     instead("/* Sleeps until", "static int helper(void)\n{\n\treturn 0;\n}\n\n/* Sleeps until")),
    ("a variable between", the_four_functions, "models/epoll.c",
     instead("/* Sleeps until", "static int more;\n\n/* Sleeps until")),
    ("a helper above", before_the_four, "models/poll.c",
     instead("/* Watches", "static int helper(void)\n{\n\treturn 0;\n}\n\n/* Watches")),
    ("a macro above", before_the_four, "models/epoll.c", instead("static int looked_at;", "#define FAST 1\nstatic int looked_at;")),
    ("a definition above", before_the_four, "models/select.c", instead("static int ready_left;", "int ready_left;")),
    ("a type above", before_the_four, "models/epoll.c", instead("/* Watches", "struct more {\n\tint x;\n};\n\n/* Watches")),
    ("a line changed below", after_the_four, "models/poll.c", instead("ACCEPT_BURST = 64", "ACCEPT_BURST = 65")),
    ("a comment changed below", after_the_four, "models/select.c", instead("/* Goes on with", "/* Proceeds with")),
    ("a line more at the end", after_the_four, "models/epoll.c", at_end("\n")),
    ("a blank changed below", after_the_four, "models/epoll.c", instead("\nstatic void run(", "\nstatic  void run(")),
    ("a diff that grew", small_diffs, "models/poll.c", after("#include <unistd.h>\n", "/* and\n" + " *\n" * 60 + " */\n")),
    ("a diff that vanished", small_diffs, "models/poll.c", None),  # becomes a copy of select.c
    ("serve() differs", same_serve, "models/thread.c", instead("block_shut(&s, &c);", "block_shut(&s,  &c);")),
    ("serve()'s comment differs", same_serve, "models/thread.c", instead("first request to its last", "first to its last")),
    ("a line more in serve()", same_serve, "models/blocking.c", instead("\tnet_close(fd);", "\tnet_close(fd);\n\treturn;")),
    ("no serve()", same_serve, "models/blocking.c", instead("serve(int fd)", "serves(int fd)")),
    ("serve() of a variant differs", same_serve_in_variants, "models/variants/process.c",
     instead("block_shut(&s, &c);", "block_shut(&s,  &c);")),
    ("its comment differs", same_serve_in_variants, "models/variants/thread_pool.c",
     instead("first request to its last", "first to its last")),
    ("a line less in it", same_serve_in_variants, "models/variants/thread_pool.c", instead("\tconn_close(&c);\n", "")),
    ("a fix of serve() that only blocking.c has", same_serve_in_variants, "models/blocking.c",
     instead("if (c.want == WANT_SHUT)", "while (c.want == WANT_SHUT)")),
    ("a line more at its end", same_serve_in_variants, "models/blocking.c",
     instead("\tnet_close(fd);", "\tnet_close(fd);\n\treturn;")),
    ("another compute()", same_serve_in_variants, "models/blocking.c",
     instead("\tblock_compute(c);", "\tconn_compute(c);")),
    ("a longer compute()", same_serve_in_variants, "models/blocking.c",
     instead("\tblock_compute(c);", "\tblock_compute(c);\n\treturn;")),
    ("a compute() that is not called", same_serve_in_variants, "models/variants/process.c",
     instead("\t\t\tcompute(&c);", "\t\t\tblock_compute(&c);")),
    ("no serve() in a variant", same_serve_in_variants, "models/variants/process.c",
     instead("serve(int fd)", "serves(int fd)")),
    ("a variant without a base", variants_name_their_base, "models/variants/spin.c",
     instead("select.c with ONE idea changed: it", "it")),
    ("two ideas", variants_name_their_base, "models/variants/spin.c",
     instead("with ONE idea changed", "with TWO ideas changed")),
    ("another's opening comment", variants_name_their_base, "models/variants/spin.c", instead("* spin.c -", "* twist.c -")),
    ("no idea", variants_name_their_base, "models/variants/process.c",
     instead("changed: a process for each client instead of a thread.", "changed:")),
    ("a base that is not there", variants_name_their_base, "models/variants/thread_pool.c",
     instead("- thread.c with", "- threads.c with")),
    ("a base that is gone", variants_name_their_base, "models/select.c", lambda text: None),
    ("a variant more without a base", variants_name_their_base, "models/variants/new.c",
     new_file("/*\n * new.c - something new.\n */\n")),
    ("another base", variants_are_their_base, "models/variants/epoll_blocking.c",
     instead("- epoll.c with", "- poll.c with")),
    ("a fix that only epoll.c has", variants_are_their_base, "models/epoll.c",
     instead("\tconn_close(&k->conn);\n", "\tconn_lost(&k->conn);\n\tconn_close(&k->conn);\n")),
    ("a fix where the idea is", variants_are_their_base, "models/epoll.c",
     instead("sends++ == SEND_BURST", "++sends == SEND_BURST")),
    ("a fix outside of functions", variants_are_their_base, "models/epoll.c",
     instead("ACCEPT_BURST = 64", "ACCEPT_BURST = 65")),
    ("a comment that only select.c has", variants_are_their_base, "models/select.c",
     instead("/* Goes on with", "/* Proceeds with")),
    ("a line less in thread.c", variants_are_their_base, "models/thread.c", instead("\t\tcount(SYS_CLONE, 1);\n", "")),
    ("a function changed in a variant", variants_are_their_base, "models/variants/epoll_offload.c",
     instead("\tconn_open(&k->conn, &buffer, now);\n", "")),
    ("a blank changed in a variant", variants_are_their_base, "models/variants/spin.c",
     instead("\nstatic void welcome(", "\nstatic  void welcome(")),
    ("state changed in a variant", variants_are_their_base, "models/variants/epoll_blocking.c",
     instead("events[512]", "events[256]")),
    ("a function renamed in a variant", variants_are_their_base, "models/variants/spin.c", renamed("welcome", "greet")),
    ("a function more in a variant", variants_are_their_base, "models/variants/thread_pool.c",
     instead("static void put(", "static void nothing(void)\n{\n}\n\nstatic void put(")),
    ("a function of the idea gone", variants_are_their_base, "models/variants/process.c",
     renamed("reap", "look_after")),
    ("an idea that is gone", variants_are_their_base, "models/variants/epoll_blocking.c",
     instead("\tstop_install(false); /* signals have to reach that sleep, too */\n", "")),
    ("functions in another order", variants_are_their_base, "models/variants/epoll_offload.c", swapped),
    ("a variant that is not in the table", variants_are_their_base, "models/variants/new.c",
     new_file("/*\n * new.c - epoll.c with ONE idea changed: none.\n */\n")),
    ("a variant gone", variants_are_their_base, "models/variants/process.c", lambda text: None),
    ("a variant's diff that grew", small_variant_diffs, "models/variants/epoll_blocking.c",
     after("#include <unistd.h>\n", "/* a\n * b\n * c\n * d\n */\n")),
    ("and by its opening comment", small_variant_diffs, "models/variants/spin.c",
     after("it does not wait at all.\n", " *\n" * 10)),
    ("a model includes app.h", models_know_no_http, "models/epoll.c", instead('#include "conn.h"', '#include "app.h"\n#include "conn.h"')),
    ("a model includes http.h", models_know_no_http, "models/thread.c", instead('#include "conn.h"', '#include "../common/http.h"')),
    ("a model calls the parser", models_know_no_http, "models/select.c", instead("conn_open(", "http_parse(")),
    ("a variant calls the application", models_know_no_http, "models/variants/new.c", new_file("void f(void)\n{\n\tapp_compute(1);\n}\n")),
    ("common names a model", common_knows_no_model, "common/server.c", at_end('static const char *of = "epoll";\n')),
    ("common asks which model", common_knows_no_model, "common/conn.c", at_end("int f(int io_uring);\n")),
    ("common includes a model", common_knows_no_model, "common/conn.c", instead('#include "clock.h"', '#include "../models/epoll.h"')),
    ("common includes the generator", common_knows_no_model, "common/stats.c", instead('#include "app.h"', '#include "histogram.h"')),
    ("the generator includes the server", loadgen_stands_alone, "loadgen/histogram.c", instead('#include "histogram.h"', '#include "stats.h"')),
    ("and by a path", loadgen_stands_alone, "loadgen/client.h", instead('#include "clock.h"', '#include "../common/http.h"')),
    ("a printf", models_print_nothing, "models/epoll.c", instead("\tstruct timer *t;\n", '\tstruct timer *t;\n\tprintf("x");\n')),
    ("an fprintf in a variant", models_print_nothing, "models/variants/new.c", new_file('void f(void)\n{\n\tfprintf(stderr, "x");\n}\n')),
    ("a perror", models_print_nothing, "models/thread.c", instead("\tconn_close(&c);", '\tperror("x");\n\tconn_close(&c);')),
    ("an snprintf elsewhere", models_print_nothing, "models/select.c", instead("\tconn_close(", "\tsnprintf(reason, sizeof reason, 0);\n\tconn_close(")),
    ("a second reason", models_print_nothing, "models/io_uring.c", after("return reason;\n", "\tsnprintf(reason, sizeof reason, 0);\n")),
    ("a function pointer", no_function_tables, "models/poll.c", instead("static int looked_at;", "static int looked_at;\nstatic void (*hook)(int);")),
    ("an array of them", no_function_tables, "models/poll.c", instead("static int looked_at;", "static int (*const steps[4])(void);\nstatic int looked_at;")),
    ("a table of operations", no_function_tables, "models/epoll.c", instead("int main(", "static const struct ops all = {.wait = wait_ready};\n\nint main(")),
    ("no opening comment", files_name_themselves, "common/net.c", at_start('#include "net.h"\n')),
    ("a comment that names another", files_name_themselves, "common/http.c", instead("* http.c -", "* parse.c -")),
    ("a test without one", files_name_themselves, "tests/unit/test_new.c", new_file("int main(void)\n{\n}\n")),
    ("variants not looked for", makefile_finds_models, "Makefile", lambda text: text.replace("models/variants/*.c", "models/variations/*.c")),
    ("a variant too deep", makefile_finds_models, "models/variants/deep/new.c", new_file("int main(void)\n{\n}\n")),
    ("a model gone", makefile_finds_models, "models/thread.c", lambda text: None),
)


def copy_tree(root, to):
    for folder in SOURCE_FOLDERS:
        for name in Tree(root).names(folder, ".c", ".h"):
            (Path(to) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(root) / name, Path(to) / name)
    shutil.copy2(Path(root) / "Makefile", to)


def mutate(tree, path, change):
    """Changes one file of the copy. Returns a function that puts it back."""
    file = tree.root / path
    original = file.read_text(encoding="utf-8") if file.exists() else None
    if change is None:
        changed = tree.text("models/select.c")
    else:
        changed = change(original if original is not None else "")
    if changed == original:
        raise Broken(f"{path} no longer has what this mutation changes")
    if changed is None:
        file.unlink()
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(changed, encoding="utf-8")

    def restore():
        if original is None:
            file.unlink()
        else:
            file.write_text(original, encoding="utf-8")

    return restore


def self_test(root):
    """(name, what is wrong) for each mutation."""
    with tempfile.TemporaryDirectory(prefix="structure-") as to:
        copy_tree(root, to)
        tree = Tree(to)
        for what, check, path, change in MUTATIONS:
            name = f"self-test: {what} is noticed ({check.__name__}, {path})"
            before = findings(check, tree)
            if before:
                yield name, ["the check fails on the unchanged copy already"]
                continue
            try:
                restore = mutate(tree, path, change)
            except Broken as error:
                yield name, [str(error)]
                continue
            noticed = findings(check, tree)
            restore()
            yield name, [] if noticed else ["it was not noticed"]
        untested = {check.__name__ for check in CHECKS} - {check.__name__ for _, check, _, _ in MUTATIONS}
        yield "self-test: every check has a mutation", sorted(untested)
