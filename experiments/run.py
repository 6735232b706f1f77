"""The runner behind ./run_all.sh: which experiments, in which mode; then the charts and the report.

It knows no experiment by name. An experiment is a directory here with an experiment.py, and a further section
of the report is a directory with a section.py; experiments/README.md says what they contain.

Exit status: 0 done; 1 something is missing or a part failed; 2 bad usage; 130 interrupted.
"""

import argparse
import glob
import importlib.util
import os
import shlex
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)

from lib import draw, machine, models, processes, report, text  # noqa: E402
from lib import rows as tsv  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.progress import Progress  # noqa: E402

MODES = ("quick", "default", "full")
MUST_HAVE = ("ORDER QUESTION SETUP PREDICTION HOW_TO_READ SECONDS DESCRIPTORS NEEDS CHARTS "
             "measure findings").split()
BUSY_LOAD = 0.7


class Usage(Exception):
    """A mistake of the user: exit status 2."""


class Missing(Exception):
    """Something that is needed is not there: exit status 1."""


def say(line):
    live = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{live}run_all.sh: {line}", file=sys.stderr, flush=True)


# What there is.

def load_module(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.NAME = os.path.basename(os.path.dirname(path))
    module.DIRECTORY = os.path.dirname(path)
    return module


def experiments():
    """{name: module} of all experiments, in their order."""
    found = []
    for path in glob.glob(os.path.join(HERE, "*", "experiment.py")):
        module = load_module(path, f"experiment_{os.path.basename(os.path.dirname(path))}")
        lacking = [name for name in MUST_HAVE if not hasattr(module, name)]
        if lacking:
            raise Missing(f"{os.path.relpath(path)} lacks {text.names(lacking)} "
                          "(experiments/README.md says what they are)")
        found.append(module)
    return {module.NAME: module for module in sorted(found, key=lambda m: (m.ORDER, m.NAME))}


def sections():
    found = [load_module(path, f"section_{os.path.basename(os.path.dirname(path))}")
             for path in glob.glob(os.path.join(HERE, "*", "section.py"))]
    return sorted(found, key=lambda m: (m.ORDER, m.NAME))


# What the user wants.

class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Usage(f"{message} (try --help)")


def parse(argv):
    parser = Parser(prog="run_all.sh", allow_abbrev=False, description=(
        "Runs the experiments on the servers in build/, draws their charts and writes the report, "
        "index.html. Ctrl-C ends it; what was measured stays."))
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", dest="mode", action="store_const", const="quick", default="default",
                     help="fewer points and repeats: all in under 2 minutes")
    how.add_argument("--full", dest="mode", action="store_const", const="full",
                     help="more points and repeats, as long as it takes")
    parser.add_argument("--only", metavar="NAME,...", help="only these experiments")
    parser.add_argument("--models", metavar="LIST", help="only these models, such as poll,epoll")
    parser.add_argument("--list", action="store_true", help="list the experiments and end")
    parser.add_argument("--out", metavar="DIR", default=os.path.join(ROOT, "results", "latest"),
                        help="where results go (default: results/latest)")
    parser.add_argument("--plot-only", action="store_true",
                        help="measure nothing: draw again what is in the results")
    return parser.parse_args(argv)


def chosen(wanted, known, what):
    """The part of `known` that a list given by the user names; all of it without one."""
    if wanted is None:
        return list(known)
    names = [name for name in wanted.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise Usage(f"unknown {what} {', '.join(map(repr, unknown)) or repr(wanted)}; "
                    f"there are {', '.join(known)}")
    return [name for name in known if name in names]


# What must be there before anything is measured.

def check_gnuplot():
    if not shutil.which("gnuplot"):
        raise Missing("gnuplot is not installed, and it draws the charts: run `make deps`")


def built(name, build):
    return os.access(os.path.join(build, name), os.X_OK)


def models_of(module, asked, mode, build):
    """The models to measure in an experiment: those it wants, where built, in the fixed order."""
    variants = getattr(module, "VARIANTS", {})
    wanted = list(getattr(module, "MODELS", models.SIX)) + list(variants.get(mode, []))
    if asked is not None:  # asking for a variant by name has it measured in any mode
        wanted += [name for names in variants.values() for name in names]
    return [name for name in models.ALL if name in wanted and (asked is None or name in asked)
            and built(name, build)]


def check(plan, asked, mode, build):
    check_gnuplot()
    need = set()
    for module in plan:
        need.update(module.NEEDS)
        need.update(name for name in getattr(module, "MODELS", models.SIX)
                    if asked is None or name in asked)
    need.update(asked or [])
    missing = [name for name in sorted(need) if not built(name, build)]
    if missing:
        where = os.path.relpath(build)
        raise Missing(f"{text.names(f'{where}/{name}' for name in missing)} "
                      f"{'is' if len(missing) == 1 else 'are'} not built: run `make all`")
    limit = machine.descriptors()
    for module in plan:
        needed = module.DESCRIPTORS[mode]
        if limit < needed:
            raise Missing(f"{module.NAME} needs {needed:,} descriptors a process and the hard limit "
                          f"is {limit:,}: raise it (`ulimit -Hn`, /etc/security/limits.conf) "
                          "or choose others with --only")


# Measuring.

def estimate(module, mode, out):
    """Seconds: what the last run of this mode took here, or else what its author wrote."""
    try:
        facts, _ = tsv.read(os.path.join(out, f"{module.NAME}.tsv"))
        if facts.get("mode") == mode and facts.get("complete") == "yes":
            return max(1.0, float(facts["seconds"]))
    except (OSError, ValueError, KeyError):
        pass
    return float(module.SECONDS[mode])


def measure(plan, options, asked, build, command):
    """Runs the experiments one after another. Returns how many parts failed."""
    facts = machine.facts(build, options.mode, command)
    if machine.load() > BUSY_LOAD:
        say(f"this machine is busy (load {machine.load():.1f}): the figures will be noisy")
    machine.raise_descriptors()
    ports = processes.Ports(os.environ.get("SIX_PORTS", "24000-24999"))
    progress = Progress([module.NAME for module in plan],
                        {module.NAME: estimate(module, options.mode, options.out) for module in plan})
    failures = 0
    for module in plan:
        own = tsv.Rows(os.path.join(options.out, f"{module.NAME}.tsv"), {
            "experiment": module.NAME, **facts, "complete": "no"})
        lab = Lab(options.mode, models_of(module, asked, options.mode, build), build, ports, own,
                  progress, say)
        progress.begin(module.NAME)
        began = time.monotonic()
        try:
            module.measure(lab)
            own.facts["complete"] = "yes"
        except processes.Broken as reason:
            lab.failures += 1
            say(f"{module.NAME}: {reason}")
        finally:
            own.facts["seconds"] = f"{time.monotonic() - began:.1f}"
            if own.rows:
                own.save()
        failures += lab.failures
        progress.finish("done" if not lab.failures else f"{lab.failures} failed")
    return failures


# Drawing.

def redraw(known, plan, options):
    """The charts of `plan`, and the report of all that is in the results, also of what an earlier run of
    other experiments measured. Returns how many charts failed."""
    failures, results = 0, []
    for module in known:
        path = os.path.join(options.out, f"{module.NAME}.tsv")
        if not os.path.exists(path):
            continue
        facts, own = tsv.read(path)
        drawn = []
        for chart in module.CHARTS:
            picture = os.path.join(options.out, f"{chart.name}.svg")
            try:
                if module in plan or not os.path.exists(picture):
                    drawing = chart.prepare(own, facts)
                    if drawing is None:
                        continue
                    draw.draw(chart, module.DIRECTORY, drawing, machine.short(facts), options.out)
                drawn.append(chart)
            except draw.Failed as reason:
                failures += 1
                say(str(reason))
        results.append(report.Result(module, facts, own, module.findings(own, facts), drawn))
    if not results:
        raise Missing(f"{os.path.relpath(options.out)} holds no results to draw: "
                      "run ./run_all.sh without --plot-only first")
    page, closing = report.build(results, sections(), options.out)
    tsv.write_whole(os.path.join(options.out, "index.html"), page)
    for line in closing:
        print(line)
    print(f"Report: {os.path.relpath(os.path.join(options.out, 'index.html'))}")
    return failures


def arm_signals():
    """Ctrl-C, SIGTERM and SIGHUP end the run once and in order; a second one does not disturb that."""
    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupted(_number, _frame):
        for number in endings:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in endings:
        signal.signal(number, interrupted)


def run(argv):
    options = parse(argv)
    known = experiments()
    plan = [known[name] for name in chosen(options.only, list(known), "experiment")]
    asked = None if options.models is None else chosen(options.models, models.ALL, "model")
    build = os.path.join(ROOT, os.environ.get("BUILD", "build"))
    options.out = os.path.abspath(options.out)
    if options.list:
        for module in plan:
            print(f"{module.NAME:14} {module.QUESTION} "
                  f"({text.clock(module.SECONDS[options.mode])})")
        return 0
    failures = 0
    command = shlex.join(["./run_all.sh", *argv])
    if options.plot_only:
        check_gnuplot()
    else:
        check(plan, asked, options.mode, build)
        os.makedirs(options.out, exist_ok=True)
        failures = measure(plan, options, asked, build, command)
    failures += redraw(known.values(), plan, options)
    return 1 if failures else 0


def main(argv):
    arm_signals()
    try:
        return run(argv)
    except Usage as mistake:
        say(str(mistake))
        return 2
    except (Missing, OSError, tsv.Malformed) as reason:
        say(str(reason))
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was measured stays: ./run_all.sh --plot-only draws it")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
