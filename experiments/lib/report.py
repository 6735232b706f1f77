"""results/latest/index.html: one page that holds everything it needs, from what was measured.

For each experiment: question, prediction, charts (SVG inline), the answer and the figures computed from
its rows, how to read and how to repeat it. The page is built from small functions that each return
a piece of HTML; further sections come from experiments/*/section.py.

Charts keep their colours as CSS variables (--epoll), so that the page can show them on a dark ground,
and every mark, line and name of a model in them bears data-model, so that report.js can hide it.
"""

import os
import re
from collections import namedtuple

from . import machine, models, text

LIB = os.path.dirname(os.path.abspath(__file__))

# One experiment's results: its module, its TSV's header and rows, what it found, the charts drawn.
Result = namedtuple("Result", "module facts rows findings charts")

# What an experiment found. `answer`: a sentence computed from the rows; `predictions` and `tables` below.
Findings = namedtuple("Findings", "answer predictions tables")

# A prediction and whether it held. `claim` has the expected figure and its arithmetic, `measured` the
# measured one, `rule` when it counts as held; `holds` is True, False, or None: this run did not measure it.
Prediction = namedtuple("Prediction", "claim measured rule holds")

# A table of figures: cells are strings; the first of each row is its heading.
Table = namedtuple("Table", "caption columns rows")

WORDS = {True: "holds", False: "does not hold", None: "not measured"}


def _read(name):
    with open(os.path.join(LIB, name), encoding="utf-8") as file:
        return file.read()


def palette():
    """The models' colours as CSS variables, for the light and for the dark page."""
    def block(colours):
        return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
    return (f":root {{ {block(models.COLOUR)} }}\n"
            f"@media (prefers-color-scheme: dark) {{ @media screen {{ :root "
            f"{{ {block(models.DARK)} }} }} }}\n")


# Inline SVG.

INKS = {"#000000": "--ink", "#5A6270": "--soft", "#6B7280": "--soft", "#8A929E": "--faint",
        "#D5DAE1": "--rule", "#FFFFFF": "--page"}


def inline_svg(svg):
    """A chart's SVG for use inside the page: no prologue, colours as variables, models marked."""
    svg = svg[svg.index("<svg"):]
    named = {colour: f"--{name}" for name, colour in models.COLOUR.items()}
    named.update(INKS)
    svg = re.sub(r'fill="black"|color="black"|stroke=[\'"]black[\'"]',
                 lambda found: re.split("[=]", found.group())[0] + '="var(--ink)"', svg)
    svg = re.sub(r"rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\)",
                 lambda found: "#%02X%02X%02X" % tuple(map(int, found.groups())), svg)
    svg = re.sub(r"#[0-9A-Fa-f]{6}\b", lambda found: f"var({named[found.group().upper()]})"
                 if found.group().upper() in named else found.group(), svg)
    return re.sub(r'<(path|use|polygon|rect|circle|g)\b([^>]*?var\(--(\w+)\))',
                  lambda found: (f'<{found.group(1)} data-model="{found.group(3)}"{found.group(2)}'
                                 if found.group(3) in models.COLOUR else found.group()), svg)


# Pieces of the page.

def paragraphs(words):
    return "\n".join(f"<p>{text.escape(part)}</p>" for part in words.strip().split("\n\n"))


def table(one):
    head = "".join(f'<th scope="col">{text.escape(cell)}</th>' for cell in one.columns)
    body = "\n".join(
        f'<tr><th scope="row"{_model_mark(row[0])}>{text.escape(row[0])}</th>'
        + "".join(f"<td>{text.escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in one.rows)
    return (f'<div class="wide"><table><caption>{text.escape(one.caption)}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>")


def _model_mark(name):
    return f' data-model="{name}" style="color: var(--{name})"' if name in models.COLOUR else ""


def prediction_list(predictions):
    items = "\n".join(
        f'<li class="{WORDS[one.holds].replace(" ", "-")}"><strong>{WORDS[one.holds]}</strong> '
        f"{text.escape(one.claim)} <em>{text.escape(one.measured)}</em> "
        f'<span class="rule">{text.escape(one.rule)}</span></li>' for one in predictions)
    return f'<ul class="predictions">\n{items}\n</ul>' if items else ""


def figure(chart, out):
    with open(os.path.join(out, f"{chart.name}.svg"), encoding="utf-8") as file:
        svg = inline_svg(file.read())
    return (f'<figure id="chart-{chart.name}">\n{svg}\n<figcaption>{text.escape(chart.name)}: '
            f'<a href="{chart.name}.svg">SVG</a>, <a href="{chart.name}.png">PNG</a></figcaption>'
            "\n</figure>")


def repeat_command(result):
    mode = result.facts.get("mode", "default")
    option = "" if mode == "default" else f" --{mode}"
    return f"./run_all.sh{option} --only {result.module.NAME}"


def experiment(result, out):
    module, facts = result.module, result.facts
    name = module.NAME
    partly = "" if facts.get("complete") == "yes" else (
        '<p class="warning">This run was interrupted: what follows is of the part that was '
        "measured.</p>")
    figures = "\n".join(figure(chart, out) for chart in result.charts)
    tables = "\n".join(table(one) for one in result.findings.tables)
    return f"""<section id="{name}" aria-labelledby="{name}-title">
<h2 id="{name}-title">{text.escape(module.QUESTION)} <a class="name" href="#{name}">{name}</a></h2>
{partly}
<p class="answer">{text.escape(result.findings.answer)}</p>
<h3>Prediction</h3>
{paragraphs(module.PREDICTION)}
{prediction_list(result.findings.predictions)}
{figures}
<h3>How to read it</h3>
{paragraphs(module.HOW_TO_READ)}
<h3>Figures</h3>
{tables}
<h3>Set-up and how to repeat it</h3>
{paragraphs(module.SETUP)}
<p><code>{text.escape(repeat_command(result))}</code></p>
<p class="note">{len(result.rows):,} raw rows: <a href="{name}.tsv">{name}.tsv</a>; measured
{text.escape(facts.get("date", "at an unknown time"))} in {text.escape(facts.get("seconds", "?"))} s by
<code>{text.escape(facts.get("command", "?"))}</code>.</p>
</section>"""


FACTS = (("kernel", "Kernel"), ("cpu", "CPU"), ("cores", "Cores"), ("memory_mib", "Memory, MiB"),
         ("load_at_start", "Load before"), ("limit_nofile", "Descriptors a process"),
         ("pid_max", "pid_max"), ("somaxconn", "somaxconn"), ("port_range", "Client ports"),
         ("build", "Build"), ("git", "Revision"))


def machine_list(facts):
    items = "\n".join(f"<div><dt>{label}</dt><dd>{text.escape(facts[key])}</dd></div>"
                      for key, label in FACTS if key in facts)
    return f'<dl class="machine">\n{items}\n</dl>'


def model_buttons(results):
    """One button a model that any row names; report.js brings them to life, without it they stay hidden."""
    measured = {row.get("model") for result in results for row in result.rows}
    buttons = "".join(f'<button type="button" data-toggle="{name}" aria-pressed="true" '
                      f'style="--own: var(--{name})">{name}</button>'
                      for name in models.ALL if name in measured)
    return ('<div id="models" role="group" aria-label="Show or hide a model everywhere" hidden>'
            f'{buttons}<button type="button" id="show-all">all</button></div>')


def contents(results):
    items = "\n".join(f'<li><a href="#{result.module.NAME}">{text.escape(result.module.QUESTION)}</a> '
                      f"{text.escape(result.findings.answer)}</li>" for result in results)
    return f'<nav aria-label="Experiments"><ol>\n{items}\n</ol></nav>'


def build(results, sections, out):
    """(the page, the lines to print in the terminal at the end)."""
    above, below, closing = [], [], [f"{result.module.NAME}: {result.findings.answer}"
                                     for result in results]
    for section in sections:
        piece = section.section(results, out)
        if piece:
            (above if section.ORDER < 0 else below).append(piece)
        if hasattr(section, "closing"):
            closing += section.closing(results)
    facts = results[0].facts
    parts = "\n\n".join([*above, *(experiment(result, out) for result in results), *below])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Six ways to wait: {text.escape(machine.short(facts))}</title>
<style>
{palette()}{_read("report.css")}</style>
</head>
<body>
<header>
<h1>Six ways to wait</h1>
<p>Six servers that speak the same bytes and differ in one thing only: how they wait. What this machine
measured; every sentence in bold and every verdict is computed from the raw rows beside this page.</p>
{machine_list(facts)}
</header>
{model_buttons(results)}
<main>
{contents(results)}
{parts}
</main>
<script>
{_read("report.js")}</script>
</body>
</html>
""", closing
