"""Tests of the experiment framework: `tests/experiments/run.py [WORD ...]`, only cases whose name has a WORD.

The arithmetic on made-up rows, the drawing, the report, and the runner as its user meets it: options,
what it checks first, Ctrl-C. Prints TAP. The runner's cases use the servers in $BUILD (default: build). No case asserts
an absolute time or speed.
"""

import contextlib
import glob
import html.parser
import importlib
import itertools
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import made_up  # noqa: E402
from made_up import ROOT  # noqa: E402

import run as runner  # noqa: E402  (experiments/run.py: made_up put its directory on the path)
from lib import draw, models, progress, report, stats, text  # noqa: E402
from lib import rows as tsv  # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
EXPERIMENTS = runner.experiments()
CASES = []


def case(function):
    CASES.append(function)
    return function


def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what or 'got'}: {got!r}, not {expected!r}")


def near(got, expected, part=1e-6):
    if got is None or abs(got - expected) > part * max(1, abs(expected)):
        raise AssertionError(f"{got!r} is not about {expected!r}")


def raises(error, function, *arguments):
    try:
        function(*arguments)
    except error as raised:
        return str(raised)
    raise AssertionError(f"{error.__name__} was not raised")


@contextlib.contextmanager
def directory():
    with tempfile.TemporaryDirectory(prefix="six-test-") as path:
        yield path


def rows_of(name, *only):
    """Made-up rows of an experiment as they come out of a TSV; of some models only, where named."""
    rows = []
    getattr(made_up, name)(lambda **row: rows.append(
        {key: tsv.cell_text(value) for key, value in row.items() if value is not None}))
    return [row for row in rows if not only or row["model"] in only]


def verdicts(findings):
    return [prediction.holds for prediction in findings.predictions]


# Arithmetic.

@case
def median_of_odd_even_and_nothing():
    equal(stats.median([3, 1, 2]), 2)
    equal(stats.median([4, 1, 3, 2]), 2.5)
    raises(ValueError, stats.median, [])


def run_rows(*pairs):
    return [{"x": str(value), "verdict": verdict} for value, verdict in pairs]


@case
def a_cell_counts_only_valid_runs_when_most_are_valid():
    cell = stats.cell(run_rows((1, "valid"), (3, "valid"), (100, "invalid: errors")), "x")
    equal(cell, stats.Cell(2, 1, 3, True, 3, 2))


@case
def a_cell_of_mostly_invalid_runs_is_hollow_and_hides_none():
    cell = stats.cell(run_rows((1, "valid"), (3, "invalid: a"), (100, "invalid: b")), "x")
    equal(cell, stats.Cell(3, 1, 100, False, 3, 1))
    equal(stats.cell(run_rows((1, "valid"), (2, "invalid: a")), "x").valid, False, "a tie")


@case
def runs_that_did_not_take_place_are_no_figures():
    equal(stats.cell(run_rows((1, "n/a: no io_uring"), (2, "failed: crashed")), "x"), None)
    equal(stats.cell([{"verdict": "valid"}], "x"), None, "no such column")


@case
def a_series_is_ascending_and_numeric():
    rows = [dict(row, c=c) for c in ("1000", "20", "3") for row in run_rows((int(c) * 2, "valid"))]
    equal([(x, cell.median) for x, cell in stats.series(rows, "c", "x")],
          [(3, 6), (20, 40), (1000, 2000)])


@case
def least_squares_finds_the_line():
    slope, intercept, fit = stats.least_squares([(0, 5), (10, 25), (20, 45)])
    near(slope, 2)
    near(intercept, 5)
    near(fit, 1)
    slope, _, fit = stats.least_squares([(0, 0), (1, 2), (2, 1)])
    near(slope, 0.5)
    near(fit, 0.25)
    equal(stats.least_squares([(1, 1), (1, 2)]), None, "one x only")


@case
def labels_keep_their_order_and_their_distance():
    for wanted in ([5, 5, 5, 5], [0, 100, 101, 102, 300], [300, 1, 150], [399, 400, 400], []):
        places = draw.spread(wanted, 20, 0, 400)
        ordered = [place for _, place in sorted(zip(wanted, places))]
        for before, after in itertools.pairwise(ordered) if hasattr(itertools, "pairwise") \
                else zip(ordered, ordered[1:]):
            assert after - before >= 20 - 1e-9, (wanted, places)
        assert all(-1e-9 <= place <= 400 + 1e-9 for place in places), (wanted, places)
    equal(draw.spread([10, 100, 200], 20, 0, 400), [10, 100, 200], "what is free stays")
    equal(draw.spread([100, 100], 20, 0, 400), [90, 110], "both give way alike")


@case
def numbers_read_as_a_reader_wants_them():
    equal([text.figure(value) for value in (0, 0.01234, 1.5, 99.96, 12345.6, 1e6, None)],
          ["0", "0.0123", "1.50", "100", "12,300", "1,000,000", "-"])
    equal([text.milliseconds(us) for us in (85, 10200, 1530000, None)],
          ["85.0 us", "10.2 ms", "1.53 s", "-"])
    equal([text.size(value) for value in (250, 3789, 84939825152)], ["250 B", "3.70 KiB", "79.1 GiB"])
    equal(text.names(["a", "b", "c"]), "a, b and c")
    equal(text.sentence("the line C/D"), "The line C/D.")


# The rows' file.

@case
def rows_survive_the_file_and_columns_may_come_late():
    with directory() as path:
        table = tsv.Rows(os.path.join(path, "x.tsv"), {"date": "today"})
        table.add({"model": "epoll", "verdict": "failed: a tab\tand a\nnewline", "n": 1})
        table.add({"model": "poll", "late": 0.1234567891234, "none": None})
        facts, rows = tsv.read(table.path)
        equal(facts, {"date": "today"})
        equal(rows, [{"model": "epoll", "verdict": "failed: a tab and a newline", "n": "1"},
                     {"model": "poll", "late": "0.123456789"}])
        equal(os.listdir(path), ["x.tsv"], "nothing temporary stays")


@case
def a_torn_file_is_named_with_its_line():
    with directory() as path:
        file = os.path.join(path, "x.tsv")
        tsv.write_whole(file, "# a: b\nmodel\tn\nepoll\t1\npoll\n")
        assert "x.tsv:4" in raises(tsv.Malformed, tsv.read, file)


@case
def nested_figures_become_columns():
    equal(tsv.flatten({"errors": {"connect": 1, "by": {"x": 2}}, "little": 1.0, "intervals": [1]}),
          {"errors_connect": 1, "errors_by_x": 2, "little": 1.0})


# The look.

VISION = {  # Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                   (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                     (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                   (0.004733, 0.691367, 0.303900))}


def linear(colour):
    parts = (int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5))
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def times(matrix, vector):
    return [sum(a * b for a, b in zip(line, vector)) for line in matrix]


def cielab(rgb):
    xyz = times(((.4124, .3576, .1805), (.2126, .7152, .0722), (.0193, .1192, .9505)), rgb)
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
               for t in (part / white for part, white in zip(xyz, (.9505, 1, 1.089))))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def contrast(one, other):
    low, high = sorted(sum(w * p for w, p in zip((.2126, .7152, .0722), linear(colour)))
                       for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@case
def the_six_colours_can_be_told_apart_by_everyone():
    for palette, ground, distance in ((models.COLOUR, "#FFFFFF", 30), (models.DARK, "#15181D", 30)):
        for name, matrix in VISION.items():
            seen = {model: cielab([min(1, max(0, part)) for part in times(matrix, linear(palette[model]))])
                    for model in models.SIX}
            for one, other in itertools.combinations(models.SIX, 2):
                apart = sum((a - b) ** 2 for a, b in zip(seen[one], seen[other])) ** 0.5
                assert apart >= distance, f"{one} and {other} with {name} on {ground}: {apart:.1f}"
        for model in models.ALL:
            assert contrast(palette[model], ground) >= 2.9, f"{model} on {ground}"


@case
def every_model_has_a_colour_a_dark_one_and_a_mark():
    with open(os.path.join(ROOT, "experiments", "lib", "style.gp"), encoding="utf-8") as file:
        marks = dict(re.findall(r"\bmark_(\w+)\s*=\s*(\d+)", file.read()))
    for model in models.ALL:
        assert model in models.COLOUR and model in models.DARK and model in marks, model
    equal(len({marks[model] for model in models.SIX}), 6, "marks of the six")
    equal(models.SIX, made_up.SIX)


# What each experiment computes.

@case
def timeline_predicts_sum_longest_and_rounds():
    timeline = EXPERIMENTS["timeline"]
    equal([timeline.expected_ms(model, batch) for model in ("blocking", "thread_pool", "epoll")
           for batch in ("requests", "tasks")], [2000, 600, 200, 300, 100, 300])


@case
def timeline_judges_what_was_measured():
    timeline = EXPERIMENTS["timeline"]
    equal(verdicts(timeline.findings(rows_of("timeline"), {})), [True] * 4)
    rows = rows_of("timeline")
    for row in rows:
        if row["model"] == "epoll" and row["request"] == "20":
            row["done_us"] = "150000"
    equal(verdicts(timeline.findings(rows, {})), [True, False, True, True], "one late loop")
    equal(verdicts(timeline.findings(rows_of("timeline", "blocking"), {})), [True, None, True, None],
          "what was not run")
    assert "2,000 ms" in timeline.findings(rows_of("timeline"), {}).answer


@case
def timeline_counts_the_threads_and_the_unnoticed():
    table = EXPERIMENTS["timeline"].findings(rows_of("timeline"), {}).tables[0]
    lines = {row[0]: row for row in table.rows}
    equal((lines["thread"][5], lines["epoll"][5]), ("20", "1"))
    equal(lines["blocking"][6], "1,900 ms")


@case
def timeline_reads_traces_and_refuses_others():
    timeline = EXPERIMENTS["timeline"]
    columns = "conn\ttid\taccepted_us\tparsed_us\twaited_us\tanswered_us\tstatus\tpath\n"
    with directory() as path:
        file = os.path.join(path, "trace")
        tsv.write_whole(file, "# start_monotonic_us: 1000\n" + columns
                        + "2\t7\t20.5\t21\t22\t23\t200\t/db\n1\t7\t10\t11\t12\t13\t200\t/db\n")
        trace = timeline.read_trace(file)
        equal([(line["conn"], line["accepted_us"]) for line in trace], [("1", 1010.0), ("2", 1020.5)])
        tsv.write_whole(file, columns)
        raises(ValueError, timeline.read_trace, file)


@case
def concurrency_reads_mu_and_the_starved_off_the_rows():
    concurrency = EXPERIMENTS["concurrency"]
    rows = rows_of("concurrency")
    near(concurrency.capacity(rows, "epoll", "kept"), made_up.CAPACITY["epoll"])
    equal(concurrency.crowd(rows, "blocking"), (10000, 1))
    equal(concurrency.crowd(rows, "select"), (10000, 1018))
    equal(concurrency.crowd(rows, "epoll"), (10000, 10000))
    equal(verdicts(concurrency.findings(rows, {})), [True, True, True])


@case
def concurrency_notices_a_point_off_the_prediction():
    concurrency = EXPERIMENTS["concurrency"]
    rows = rows_of("concurrency")
    for row in rows:
        if (row["model"], row["policy"], row["clients"]) == ("poll", "close", "100"):
            row["throughput_rps"] = "5000"
    equal(verdicts(concurrency.findings(rows, {})), [True, False, True])
    near(concurrency.straying(rows, "close")[0], 0.5)
    equal(verdicts(concurrency.findings(rows_of("concurrency", "epoll"), {})), [True, True, None])


@case
def memory_finds_the_slopes_that_were_put_in():
    memory = EXPERIMENTS["memory"]
    costs = memory.costs(rows_of("memory"))
    near(costs["epoll"]["user"].median, 172)
    near(costs["epoll"]["sockets"].median, 3700 + 150)
    near(costs["poll"]["total"].median, 190 + 3700)
    near(costs["thread"]["total"].median, 9400 + 4096 + 16384 + 6500 + 3700)
    near(costs["select"]["user"].median, 180)
    assert "blocking" not in costs
    equal(verdicts(memory.findings(rows_of("memory"), {})), [True, True, True])


@case
def memory_says_who_holds_few_and_why():
    memory = EXPERIMENTS["memory"]
    rows = rows_of("memory")
    equal(memory.why_few(rows, "blocking"), "holds 1: the others are never answered")
    equal(memory.why_few(rows, "select"), "holds 1,018: refuses the others")
    equal(memory.why_few(rows, "epoll"), "")


@case
def memory_judges_a_fat_loop_and_a_missing_slabinfo():
    memory = EXPERIMENTS["memory"]
    rows = rows_of("memory")
    for row in rows:
        if row["model"] == "epoll":
            row["pss_b"] = str(1_000_000 + 300 * int(row["held"]))
    equal(verdicts(memory.findings(rows, {}))[1], False)
    rows = rows_of("memory", "poll")
    for row in rows:
        for column in ("slab_sockets_b", "slab_watch_b", "slab_tasks_b"):
            del row[column]
    near(memory.costs(rows)["poll"]["sockets"].median, (9000 - 190) / 2)
    assert "MemAvailable" in memory.findings(rows, {}).tables[0].caption


@case
def no_rows_are_no_answer_and_no_verdict():
    for module in EXPERIMENTS.values():
        found = module.findings([], {})
        equal(found.answer, "Nothing was measured.", module.NAME)
        assert all(holds is None for holds in verdicts(found)), module.NAME


# Progress.

@case
def the_time_left_is_corrected_as_the_run_goes():
    clock = progress.Progress(["a", "b"], {"a": 10.0, "b": 10.0}, stream=open(os.devnull, "w",
                                                                             encoding="ascii"))
    near(clock.left(), 20)
    clock.begin("a")
    clock.plan(4)
    clock.began -= 20  # half of it took twice what all of it should
    clock.done = 2
    assert 15 < clock.left() < 60, clock.left()
    clock.finish()
    assert 15 < clock.left() <= 30, clock.left()
    clock.begin("b")
    clock.finish()
    equal(clock.left(), 0)


# The report.

class Page(html.parser.HTMLParser):
    """What a browser would see: ids, links, and whether every element is closed."""
    VOID = {"meta", "link", "br", "img", "hr"}

    def __init__(self, source):
        super().__init__()
        self.ids, self.links, self.open, self.charts, self.scripts = [], [], [], 0, 0
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [value for key, value in attrs.items() if key in ("href", "src", "xlink:href")]
        self.scripts += any(key.startswith("on") for key in attrs)
        self.charts += tag == "svg"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        equal(self.open.pop() if self.open else None, tag, f"closing tag on line {self.getpos()[0]}")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def run_all(*arguments, env=None, **options):
    """./run_all.sh as a user calls it; stdin closed."""
    return subprocess.run([os.path.join(ROOT, "run_all.sh"), *arguments], capture_output=True,
                          text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, "BUILD": BUILD, **(env or {})}, **options)


def charts():
    return [chart for module in EXPERIMENTS.values() for chart in module.CHARTS]


def made_up_charts():
    return [chart for name in made_up.NAMES for chart in EXPERIMENTS[name].CHARTS]


@case
def plot_only_draws_every_chart_and_a_page_that_needs_nothing_else():
    with directory() as out:
        made_up.write(out, cpu="<script>alert(1)</script> & co")
        done = run_all("--plot-only", "--out", out)
        equal((done.returncode, done.stderr), (0, ""))
        for chart in made_up_charts():
            with open(os.path.join(out, f"{chart.name}.png"), "rb") as file:
                equal(struct.unpack(">II", file.read(24)[16:]), (1280, 720), chart.name)
            assert read(out, f"{chart.name}.svg").rstrip().endswith("</svg>"), chart.name
        equal([name for name in os.listdir(out) if name.startswith(".") or ".tmp" in name], [])
        source = read(out, "index.html")
        page = Page(source)
        equal(page.open, [], "left open")
        equal(page.charts, len(made_up_charts()))
        equal(len(page.ids), len(set(page.ids)), "ids, each once")
        outside = [link for link in page.links if not link.startswith(("#", "data:"))
                   and not os.path.exists(os.path.join(out, link))]
        equal(outside, [], "links to what is not there")
        equal([link for link in page.links if link.startswith("#") and link[1:] not in page.ids], [])
        assert "<script>alert" not in source and page.scripts == 0
        for name in ("timeline", "concurrency", "memory"):
            assert f"./run_all.sh --quick --only {name}" in source


@case
def charts_name_every_model_and_mark_what_is_hollow():
    with directory() as out:
        made_up.write(out)
        equal(run_all("--plot-only", "--out", out).returncode, 0)
        for name in ("timeline", "concurrency-throughput-kept", "memory"):
            svg = read(out, f"{name}.svg")
            for model in models.SIX:
                assert f">{model}<" in svg, f"{name} does not name {model}"
        assert "select: 1,024 descriptors" in read(out, "concurrency-throughput-kept.svg")
        inlined = report.inline_svg(read(out, "concurrency-throughput-kept.svg"))
        for model in models.SIX:
            assert f'data-model="{model}"' in inlined and models.COLOUR[model] not in inlined, model
        assert "blocking at 10,000" in inlined and "not a valid run" in inlined, "values to point at"


@case
def plot_only_draws_the_reference_rows():
    reference = glob.glob(os.path.join(ROOT, "results", "reference", "*.tsv"))
    with directory() as out:
        if reference:
            for path in reference:
                shutil.copy(path, out)
        else:
            made_up.write(out)
        done = run_all("--plot-only", "--out", out)
        equal((done.returncode, done.stderr), (0, ""))
        drawn = {os.path.basename(path)[:-4] for path in glob.glob(os.path.join(out, "*.svg"))}
        assert {path for path in drawn}, "no chart"
        equal({os.path.basename(path)[:-4] for path in glob.glob(os.path.join(out, "*.png"))}, drawn)


# The runner as its user meets it.

def one_line(done, status, *words):
    equal(done.returncode, status, done.stderr)
    equal(len(done.stderr.strip().splitlines()), 1, f"lines of {done.stderr!r}")
    for word in words:
        assert word in done.stderr, f"{word!r} is not in {done.stderr!r}"


@case
def list_names_every_experiment():
    done = run_all("--list")
    equal(done.returncode, 0)
    equal([line.split()[0] for line in done.stdout.splitlines()], list(EXPERIMENTS))
    assert {"timeline", "concurrency", "memory"} <= set(EXPERIMENTS)


@case
def bad_usage_is_one_line_and_status_2():
    one_line(run_all("--nonsense"), 2, "--nonsense")
    one_line(run_all("--quic"), 2, "--quic")
    one_line(run_all("--quick", "--full"), 2)
    one_line(run_all("--only", "timeline,tiemline"), 2, "'tiemline'", "timeline")
    one_line(run_all("--only", ""), 2)
    one_line(run_all("--models", "epoll,kqueue"), 2, "'kqueue'", "io_uring")
    one_line(run_all("--out"), 2)
    one_line(run_all("stray"), 2, "stray")


@case
def help_is_help():
    done = run_all("--help")
    equal(done.returncode, 0)
    for option in ("--quick", "--full", "--only", "--models", "--list", "--out", "--plot-only"):
        assert option in done.stdout, option


@case
def without_gnuplot_nothing_is_begun():
    with directory() as box:
        tools = os.path.join(box, "bin")
        os.mkdir(tools)
        os.symlink(os.path.realpath(sys.executable), os.path.join(tools, "python3"))
        for tool in ("bash", "env", "dirname", "git", "uname"):
            os.symlink(shutil.which(tool), os.path.join(tools, tool))
        out = os.path.join(box, "out")
        for more in ((), ("--plot-only",)):
            done = run_all("--quick", "--out", out, *more, env={"PATH": tools})
            one_line(done, 1, "gnuplot", "make deps")
        assert not os.path.exists(out), "something was written"


@case
def without_binaries_it_says_make_all():
    with directory() as box:
        out = os.path.join(box, "out")
        one_line(run_all("--out", out, env={"BUILD": os.path.join(box, "none")}), 1, "make all")
        assert not os.path.exists(out), "something was written"


@case
def without_results_there_is_nothing_to_draw():
    with directory() as out:
        one_line(run_all("--plot-only", "--out", out), 1, "no results")


@case
def too_few_descriptors_are_said_before_anything_is_measured():
    with directory() as box:
        out = os.path.join(box, "out")
        done = run_all("--quick", "--only", "memory", "--out", out, preexec_fn=lambda:
                       resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500)))
        one_line(done, 1, "memory", "10,200", "500", "--only")
        assert not os.path.exists(out), "something was written"


@case
def a_torn_result_is_one_line():
    with directory() as out:
        made_up.write(out, ["timeline"])
        with open(os.path.join(out, "timeline.tsv"), "a", encoding="utf-8") as file:
            file.write("torn\n")
        one_line(run_all("--plot-only", "--out", out), 1, "timeline.tsv")


def marked(mark):
    """Pids of processes whose environment has the mark; those of a run, when it was given one."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"SIX_TEST_MARK={mark}".encode() in file.read().split(b"\0"):
                    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                        if stat.read().rpartition(")")[2].split()[0] != "Z":
                            found.append(int(pid))
        except OSError:
            continue
    return found


def gone(mark, patience=10.0):
    until = time.monotonic() + patience
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.05)
    return not marked(mark)


def started(out, mark, *arguments):
    return subprocess.Popen([os.path.join(ROOT, "run_all.sh"), "--out", out, *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, start_new_session=True,
                            env=dict(os.environ, BUILD=BUILD, SIX_TEST_MARK=mark))


def wait_for_rows(path, child, count):
    """Until the TSV has so many rows and a server is at work."""
    until = time.monotonic() + 60
    while time.monotonic() < until and child.poll() is None:
        if os.path.exists(path) and len(tsv.read(path)[1]) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"no rows; the run said {child.communicate()[1]!r}")


@case
def ctrl_c_leaves_no_process_and_keeps_what_was_measured():
    with directory() as out:
        mark = f"{os.getpid()}-int"
        child = started(out, mark, "--full", "--only", "timeline", "--models", "blocking,epoll")
        path = os.path.join(out, "timeline.tsv")
        wait_for_rows(path, child, 20)
        assert len(marked(mark)) >= 1, "the mark finds nothing"
        os.killpg(child.pid, signal.SIGINT)  # as the terminal does: the whole foreground group
        said = child.communicate(timeout=30)[1]
        equal(child.returncode, 130, said)
        assert "interrupted" in said and "Traceback" not in said, said
        assert gone(mark, 0.5), "processes are left"
        facts, rows = tsv.read(path)
        equal(facts["complete"], "no")
        assert len(rows) >= 20
        equal(os.listdir(out), ["timeline.tsv"], "nothing half-written")
        done = run_all("--plot-only", "--out", out)
        equal((done.returncode, done.stderr), (0, ""))
        assert "This run was interrupted" in read(out, "index.html")


@case
def a_killed_run_takes_its_servers_along():
    with directory() as out:
        mark = f"{os.getpid()}-kill"
        child = started(out, mark, "--full", "--only", "timeline", "--models", "blocking,epoll")
        wait_for_rows(os.path.join(out, "timeline.tsv"), child, 20)
        child.kill()
        child.communicate(timeout=30)
        assert gone(mark), "processes are left"


@contextlib.contextmanager
def build_with(**scripts):
    """A build directory whose programs are the real ones but for these shell scripts."""
    with directory() as box:
        for path in glob.glob(os.path.join(BUILD, "*")):
            name = os.path.basename(path)
            if os.path.isfile(path) and name not in scripts:
                os.symlink(path, os.path.join(box, name))
        for name, script in scripts.items():
            path = os.path.join(box, name)
            tsv.write_whole(path, f"#!/bin/sh\n{script}\n")
            os.chmod(path, 0o755)
        yield box


@case
def a_model_that_cannot_run_here_is_marked_not_failed():
    with build_with(io_uring="echo 'io_uring: the kernel forbids it' >&2; exit 77") as build, \
            directory() as out:
        done = run_all("--quick", "--only", "timeline", "--models", "epoll,io_uring", "--out", out,
                       env={"BUILD": build})
        equal(done.returncode, 0, done.stderr)
        rows = tsv.read(os.path.join(out, "timeline.tsv"))[1]
        absent = [row for row in rows if row["model"] == "io_uring"]
        equal([row["verdict"] for row in absent], ["n/a: the kernel forbids it"], "once, with its reason")
        assert any(row["model"] == "epoll" and row["verdict"] == "valid" for row in rows)
        assert "n/a: the kernel forbids it" in read(out, "timeline.svg")
        assert "n/a: the kernel forbids it" in read(out, "index.html")


@case
def a_server_that_fails_is_a_row_a_word_and_status_1():
    with build_with(poll="echo 'poll: out of luck' >&2; exit 1") as build, directory() as out:
        done = run_all("--quick", "--only", "timeline", "--models", "poll,epoll", "--out", out,
                       env={"BUILD": build})
        equal(done.returncode, 1, done.stderr)
        assert "poll did not start: out of luck" in done.stderr, done.stderr
        rows = tsv.read(os.path.join(out, "timeline.tsv"))[1]
        assert any(row["verdict"].startswith("failed: poll did not start") for row in rows)
        assert any(row["model"] == "epoll" and row["verdict"] == "valid" for row in rows)
        assert os.path.exists(os.path.join(out, "index.html"))


@case
def a_generator_that_fails_is_a_row_and_status_1():
    with build_with(loadgen="echo 'loadgen: no idea' >&2; exit 1") as build, directory() as out:
        done = run_all("--quick", "--only", "concurrency", "--models", "epoll", "--out", out,
                       env={"BUILD": build})
        equal(done.returncode, 1, done.stderr)
        rows = tsv.read(os.path.join(out, "concurrency.tsv"))[1]
        equal({row["verdict"] for row in rows}, {"failed: loadgen: loadgen: no idea"})


def load_cases():
    """The cases of one experiment may also stand in a file test_NAME.py, which takes what it needs from
    the module `suite`: this one."""
    sys.modules["suite"] = sys.modules[__name__]
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        importlib.import_module(os.path.basename(path)[:-len(".py")])


def main(words):
    load_cases()
    chosen = [one for one in CASES if not words or any(word in one.__name__ for word in words)]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, one in enumerate(chosen, 1):
        name = one.__name__.replace("_", " ")
        try:
            one()
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}")
            print("\n".join(f"# {line}" for line in traceback.format_exc().splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
