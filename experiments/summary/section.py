"""The summary: the six models by the few figures that matter, and which predictions held.

It stands first in the report, and closes the terminal's output. Every figure is computed from the rows of the
experiment named above its column; a model that an experiment did not measure has a dash.
"""

from collections import namedtuple

from lib import models, stats, text
from lib.report import WORDS

ORDER = -10

# A column: its two headings (the second for the terminal, short), the experiment it comes from, and a function from
# that experiment's result and a model to a word, or None.
Column = namedtuple("Column", "heading short experiment of")


def _cell(result, column, **where):
    rows = [row for row in result.rows if stats.was_run(row)
            and all(row.get(key, "") == value for key, value in where.items())]
    return stats.cell(rows, column)


def _median(result, column, layout, **where):
    """The cell's median as a word; a question mark behind it where the runs were not valid."""
    cell = _cell(result, column, **where)
    return None if cell is None else layout(cell.median) + ("" if cell.valid else " ?")


def added_wait(result, model):
    """How much later than the database's 10 ms half of 100 clients had their answer."""
    never = _cell(result, "connections_never_answered", model=model, policy="kept", clients="100")
    if never and never.median >= 50:
        return "never"  # for more than half of them: then there is no median to speak of
    return _median(result, "latency_us_p50", lambda us: f"{us / 1000 - 10:.2f} ms",
                   model=model, policy="kept", clients="100")


def crowd(result, model):
    return _median(result, "throughput_rps", text.figure, model=model, policy="kept", clients="10000")


def answered(result, model):
    module = result.module
    own = module.own(result.rows, model)
    return f"{module.share(own):.0%}" if own else None


def memory(result, model):
    found = result.module.costs(result.rows).get(model)
    return text.size(found["total"].median) if found else None


def cpu(result, model):
    return _median(result, "server_cpu_us_per_request", lambda us: f"{us:.1f} us",
                   model=model, form="", clients="100")


def calls(result, model):
    return _median(result, "syscalls_per_request", lambda n: f"{n:.2f}", model=model, form="", clients="100")


def new_connections(result, model):
    return _median(result, "throughput_rps", text.figure, model=model, kind="load")


COLUMNS = (
    Column("Added to a 10 ms wait, 100 clients", "added wait", "concurrency", added_wait),
    Column("Requests/s of 10,000 waiting clients", "X, C=10,000", "concurrency", crowd),
    Column("Of 10,000 clients answered", "C10K", "c10k", answered),
    Column("Memory of a silent connection", "memory/conn", "memory", memory),
    Column("CPU a request that need not wait", "CPU/request", "overhead", cpu),
    Column("System calls for it", "calls", "overhead", calls),
    Column("New connections/s", "connects/s", "churn", new_connections),
)


def figures(results):
    """{model: [word or None of each column]} of the models that any of them measured."""
    by_name = {result.module.NAME: result for result in results}
    found = {}
    for model in models.SIX:
        words = []
        for column in COLUMNS:
            result = by_name.get(column.experiment)
            words.append(column.of(result, model) if result else None)
        if any(words):
            found[model] = words
    return found


def predictions(results):
    """[(experiment, Prediction)] of all that was measured."""
    return [(result.module.NAME, one) for result in results for one in result.findings.predictions]


def tally(results):
    counts = {word: 0 for word in WORDS}
    for _, one in predictions(results):
        counts[one.holds] += 1
    return counts


def sentence(results):
    counts = tally(results)
    total = sum(counts.values())
    unmeasured = f", {counts[None]} were not measured" if counts[None] else ""
    return (f"Of {total} predictions made before measuring, {counts[True]} hold and {counts[False]} do not"
            f"{unmeasured}.")


def broken(results):
    items = [f'<li class="does-not-hold"><a href="#{name}">{text.escape(name)}</a>: {text.escape(one.claim)} '
             f"<em>{text.escape(one.measured)}</em></li>"
             for name, one in predictions(results) if one.holds is False]
    return f'<ul class="predictions">\n{"".join(items)}\n</ul>' if items else ""


def section(results, _out):
    found = figures(results)
    head = "".join(f'<th scope="col">{text.escape(column.heading)} <a class="from" href="#{column.experiment}">'
                   f"{column.experiment}</a></th>" for column in COLUMNS)
    body = "\n".join(
        f'<tr><th scope="row" data-model="{model}" style="color: var(--{model})">{model}</th>'
        + "".join(f"<td>{text.escape(word or '-')}</td>" for word in words) + "</tr>"
        for model, words in found.items())
    side_by_side = f"""<div class="wide"><table class="summary">
<caption>Medians of this run. A question mark: most of its runs were not valid (the point is hollow in the chart).</caption>
<thead><tr><th scope="col">model</th>{head}</tr></thead>
<tbody>
{body}
</tbody></table></div>""" if found else ""
    return f"""<section id="summary" aria-labelledby="summary-title">
<h2 id="summary-title">The six side by side</h2>
{side_by_side}
<p class="answer">{text.escape(sentence(results))}</p>
{broken(results)}
</section>"""


def closing(results):
    """The same for the terminal, at most 100 columns wide."""
    found = figures(results)
    shown = [i for i in range(len(COLUMNS)) if any(words[i] for words in found.values())]
    table = [["", *(COLUMNS[i].short for i in shown)]]
    table += [[model, *(words[i] or "-" for i in shown)] for model, words in found.items()]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
             for row in table] if found else []
    return ["", *lines, "", sentence(results)]
