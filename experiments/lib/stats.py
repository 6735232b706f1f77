"""The arithmetic between raw rows and a chart: medians, spreads, slopes. Pure; tested on made-up rows."""

from collections import namedtuple

# The runs of one cell, summed up: median with the least and the greatest, whether the point is
# valid (filled), how many runs there were and how many of them were valid.
Cell = namedtuple("Cell", "median least greatest valid runs valid_runs")


def number(row, column):
    """The row's figure in that column, or None where it has none."""
    try:
        return float(row.get(column, ""))
    except ValueError:
        return None


def median(values):
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a median of nothing")
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def is_valid(row):
    return row.get("verdict") == "valid"


def was_run(row):
    """Whether the row is of a run at all: not of a model that could not be started ("n/a", "failed")."""
    return row.get("verdict", "").startswith(("valid", "invalid"))


def cell(rows, column):
    """Sums up one cell's runs; None where none of them has a figure.

    A point is valid when most of its runs are, and then only they count. Otherwise all runs
    count and the point is drawn hollow: it was measured, but it does not mean what it seems to.
    """
    runs = [(number(row, column), is_valid(row)) for row in rows if was_run(row)]
    runs = [(value, valid) for value, valid in runs if value is not None]
    if not runs:
        return None
    good = [value for value, valid in runs if valid]
    valid = 2 * len(good) > len(runs)
    values = good if valid else [value for value, _ in runs]
    return Cell(median(values), min(values), max(values), valid, len(runs), len(good))


def group(rows, *columns):
    """The rows by their values in these columns, in order of first appearance."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row.get(column, "") for column in columns), []).append(row)
    return groups


def series(rows, x, y):
    """[(x, Cell)] over a numeric column x, ascending."""
    cells = ((number({"": key}, ""), cell(some, y)) for (key,), some in group(rows, x).items())
    return sorted((pair for pair in cells if None not in pair), key=lambda pair: pair[0])


def least_squares(points):
    """(slope, intercept, r squared) of the line closest to the points [(x, y)]; None below two x."""
    count = len(points)
    if len({x for x, _ in points}) < 2:
        return None
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    var_x = sum((x - mean_x) ** 2 for x, _ in points)
    var_y = sum((y - mean_y) ** 2 for _, y in points)
    both = sum((x - mean_x) * (y - mean_y) for x, y in points)
    slope = both / var_x
    fit = both * both / (var_x * var_y) if var_y else 1.0
    return slope, mean_y - slope * mean_x, fit


def why_not(rows):
    """The reason that rows give for not being valid, of the first that gives one; "" if all are."""
    for row in rows:
        verdict = row.get("verdict", "")
        if verdict != "valid":
            return verdict
    return ""
