"""From rows to pictures: an experiment fills a Drawing with tables, its gnuplot script draws them.

Python computes (medians, where a label may stand without covering another); gnuplot draws. The same script
makes the SVG and the PNG. The SVG is then made fit for the report: its ids unique, a title for screen
readers, and values that a pointer over a point shows without any script.
"""

import math
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections import namedtuple

from . import models, text

LIB = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 1280, 720

# A chart of an experiment. `name` is the file's ("concurrency-latency-kept"), `script` the gnuplot script
# beside experiment.py, `title` the question it answers, `caption` what a point is and what to look for.
# prepare(rows, facts) returns a Drawing, or None when there is nothing to draw.
Chart = namedtuple("Chart", "name script title caption prepare")


class Failed(Exception):
    """gnuplot could not draw; the text is its complaint."""


def quoted(value):
    """A gnuplot string; single quotes, in which nothing but the quote itself is special."""
    return "\"\\n\"".join("'" + line.replace("'", "''") + "'"
                          for line in str(value).split("\n")).replace("\"\\n\"", ".\"\\n\".")


class Panel:
    """A panel of lines (lines.gp). `box`: left, right, bottom, top in parts of the picture; x and y:
    (least, greatest), logarithmic unless `linear` names the axis."""

    def __init__(self, name, box, x, y, linear=""):
        self.name, self.box, self.x, self.y = name, box, x, y
        self.xlog, self.ylog = "x" not in linear, "y" not in linear
        self.tables, self.commands, self.ends, self.hover = {}, [], [], []
        self.series, self.references, self.publisheds, self.limits = [], [], [], []

    def line(self, model, points, label=None, unit=text.figure, at=text.count):
        """A model's line through [(x, Cell)], named where it ends (unless `label` is ""); `unit` makes a
        value readable, `at` an x."""
        points = [(x, cell) for x, cell in points if not self.ylog or cell.median > 0]
        if not points:
            return
        floor = self.y[0] if self.ylog else -math.inf
        self.series.append(model)
        self.tables[model] = [(x, cell.median, max(cell.least, floor), cell.greatest,
                               int(cell.valid)) for x, cell in points]
        for x, cell in points:
            spread = f" ({unit(cell.least)} to {unit(cell.greatest)})" if cell.runs > 1 else ""
            doubt = "" if cell.valid else ", not a valid run"
            self.hover.append((x, cell.median,
                               f"{model} at {at(x)}: {unit(cell.median)}{spread}{doubt}"))
        if label != "":
            x, cell = points[-1]
            self.ends.append((x, cell.median, label or model, models.COLOUR[model]))

    def reference(self, points, label, at, align="left"):
        """A computed line, with its formula written at the point `at`."""
        name = str(len(self.references) + 1)
        self.references.append(name)
        self.tables[f"reference-{name}"] = points
        self.write(label, at, "#5A6270", align)

    def published(self, points, label, at, align="left"):
        """Figures of others: hollow grey marks."""
        name = str(len(self.publisheds) + 1)
        self.publisheds.append(name)
        self.tables[f"published-{name}"] = points
        self.write(label, at, "#6B7280", align)

    def limit(self, model, x, y, label, at, align="left"):
        """Where a model can go no further: a cross, and a word at the free place `at`, joined by a line."""
        colour = models.COLOUR[model]
        self.limits.append((x, y, colour))
        self.commands.append(f"set arrow from {x:.9g},{y:.9g} to {at[0]:.9g},{at[1]:.9g} nohead lw 1 "
                             f"lc rgb '{colour}' back")
        self.write(label, at, colour, align, -0.6)

    def write(self, label, at, colour, align="left", above=0.0):
        self.commands.append(
            f"set label {quoted(label)} at {at[0]:.9g},{at[1]:.9g} {align} "
            f"offset {dict(left=0.8, right=-0.8, center=0)[align]},{above:.2f} "
            f"font plain(14) tc rgb '{colour}' noenhanced front")

    def _across(self, value, ends, log):
        """Where a value lies between the axis's ends: 0 ... 1."""
        low, high = ends
        if log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-300))
        return (value - low) / (high - low)

    def _end_labels(self):
        """Names at the right edge, moved apart where they would cover one another, with a thin line
        from each to where its own line ends."""
        height = (self.box[3] - self.box[2]) * HEIGHT
        wanted = [min(max(self._across(y, self.y, self.ylog), 0.0), 1.0) * height
                  for _, y, _, _ in self.ends]
        for place, (x, y, label, colour) in zip(spread(wanted, 23, 4, height), self.ends):
            from_x = min(max(self._across(x, self.x, self.xlog), 0), 1)
            from_y = min(max(self._across(y, self.y, self.ylog), 0), 1)
            at = place / height
            yield (f"set arrow from graph {from_x:.4f},{from_y:.4f} to graph 1.018,{at:.4f} "
                   f"nohead lw 1 lc rgb '{colour}' back")
            yield (f"set label {quoted(label)} at graph 1.022,{at:.4f} left font bold(14) "
                   f"tc rgb '{colour}' noenhanced")

    def write_to(self, directory):
        """Writes the tables; returns the panel's variables."""
        tables = dict(self.tables, limits=self.limits, hover=self.hover)
        for name, table in tables.items():
            if table:
                write_table(os.path.join(directory, f"{self.name}-{name}.dat"), table)
        with open(os.path.join(directory, f"{self.name}-labels.gp"), "w", encoding="utf-8") as file:
            file.write("\n".join([*self._end_labels(), *self.commands]) + "\n")
        values = dict(zip(("left", "right", "bottom", "top"), self.box),
                      xmin=self.x[0], xmax=self.x[1], ymin=self.y[0], ymax=self.y[1],
                      xlog=int(self.xlog), ylog=int(self.ylog),
                      limits=int(bool(self.limits)), hover=int(bool(self.hover)),
                      series=" ".join(self.series), references=" ".join(self.references),
                      published=" ".join(self.publisheds))
        return {f"{self.name}_{key}": value for key, value in values.items()}


def spread(wanted, gap, low, high):
    """The places nearest to those wanted that keep their order, lie at least `gap` apart and from `low` to
    `high` (above it if they do not fit).

    With the gaps before it taken off, each place must only be no less than the one before: isotonic
    regression, done by pooling neighbours that are in the wrong order.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    pools = []  # [mean, how many]
    for step, i in enumerate(order):
        pools.append([wanted[i] - gap * step, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, many = pools.pop()
            before, others = pools[-1]
            pools[-1] = [(before * others + mean * many) / (others + many), others + many]
    highest = max(low, high - gap * (len(wanted) - 1))
    level = [min(max(mean, low), highest) for mean, many in pools for _ in range(many)]
    places = [0.0] * len(wanted)
    for step, i in enumerate(order):
        places[i] = level[step] + gap * step
    return places


class Drawing:
    """What a chart's script finds: panels, further tables (DATA/NAME.dat) and variables."""

    def __init__(self, setup="", panels=(), tables=None, variables=None):
        self.setup = setup  # follows the machine in the subtitle
        self.panels, self.tables, self.variables = list(panels), tables or {}, variables or {}


def write_table(path, rows):
    """A file that gnuplot reads: tab separated, strings in quotes."""
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write("\t".join(f"{value:.9g}" if isinstance(value, (int, float))
                                 else '"' + str(value).replace('"', "'") + '"'
                                 for value in row) + "\n")


def wrap(words, width=126, lines=3):
    """A caption's lines; what does not fit in so many is a mistake of who wrote it."""
    wrapped = textwrap.wrap(words, width)
    if len(wrapped) > lines:
        raise ValueError(f"a caption of {len(wrapped)} lines, where {lines} fit: {words}")
    return "\n".join(wrapped)


def draw(chart, directory, drawing, machine, out):
    """Draws one chart to out/NAME.svg and out/NAME.png, both whole or not at all. Raises Failed.

    `directory` is the experiment's, `machine` the short description for the subtitle.
    """
    work = tempfile.mkdtemp(prefix=".drawing-", dir=out)
    try:
        variables = dict(drawing.variables, DATA=work, NAME=chart.name.replace("-", "_"), LIB=LIB,
                         TITLE=chart.title, CAPTION=wrap(chart.caption),
                         SUBTITLE=f"{machine}; {drawing.setup}" if drawing.setup else machine)
        for panel in drawing.panels:
            variables.update(panel.write_to(work))
        for name, table in drawing.tables.items():
            write_table(os.path.join(work, f"{name}.dat"), table)
        for kind in ("svg", "png"):
            path = os.path.join(work, f"{chart.name}.{kind}")
            _gnuplot(os.path.join(directory, chart.script), work,
                     dict(variables, KIND=kind, OUT=path))
            if kind == "svg":
                _tidy(path, chart)
        for kind in ("svg", "png"):
            name = f"{chart.name}.{kind}"
            os.replace(os.path.join(work, name), os.path.join(out, name))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _gnuplot(script, work, variables):
    prepared = os.path.join(work, "variables.gp")
    with open(prepared, "w", encoding="utf-8") as file:
        for key, value in variables.items():
            file.write(f"{key} = {value if isinstance(value, (int, float)) else quoted(value)}\n")
    done = subprocess.run(["gnuplot", prepared, script], capture_output=True, text=True,
                          timeout=120, check=False, env=dict(os.environ, LC_ALL="C.UTF-8"))
    drawn = os.path.exists(variables["OUT"]) and os.path.getsize(variables["OUT"]) > 0
    if done.returncode != 0 or not drawn:
        raise Failed(f"gnuplot {os.path.relpath(script)}: {done.stderr.strip() or 'drew nothing'}")


def _tidy(path, chart):
    """Mends what gnuplot's SVG lacks; see the module's comment."""
    with open(path, encoding="utf-8") as file:
        svg = file.read()
    svg = re.sub(r'font-family="([^":]*):Bold"', r'font-family="\1" font-weight="bold"', svg)
    svg = re.sub(r"\bid=(['\"])(\w+)\1", rf"id=\1{chart.name}-\2\1", svg)
    svg = re.sub(r"xlink:href='#(\w+)'", rf"xlink:href='#{chart.name}-\1'", svg)
    svg = re.sub(r"url\(#(\w+)\)", rf"url(#{chart.name}-\1)", svg)
    svg = re.sub(r"""<g onmousemove="gnuplot_svg\.showHypertext\(evt,'(.*?)'\)"[^>]*><title> </title>""",
                 r'<g class="value"><title>\1</title>', svg)
    svg = svg.replace("stroke-width='0.148'", "stroke-width='0.33'")  # hollow marks, seen from afar
    svg = re.sub(r"<title>\w+</title>\n<desc>[^<]*</desc>",
                 f"<title>{text.escape(chart.title)}</title>\n"
                 f"<desc>{text.escape(chart.caption)}</desc>", svg, count=1)
    svg = svg.replace("<svg ", '<svg role="img" ', 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg)
