"""What a rule is given (a Run) and what it returns (an Outcome). Pure: rows in, words out.

A rule is a function of a Run. It looks up what it needs, and where anything of that is not there it returns
None: the claim was then not measured in this run, and nothing is guessed.
"""

from collections import namedtuple

from lib import stats

HOLDS, FAILS, UNMEASURED = "holds", "does not hold", "not measured in this run"

# `measured`: the figures of this run, in a sentence. `verdict`: HOLDS, FAILS, or "holds only when ...".
Outcome = namedtuple("Outcome", "measured verdict")

# A claim of the sources and how it is judged. `korean` is the source's own wording, shortened; `claimed` the figure
# in it; `rule` says in words when it holds; `judge` is the function that does so.
Claim = namedtuple("Claim", "number source korean english claimed rule judge")


def only_when(condition):
    return f"holds only when {condition}"


def holds_if(condition):
    return HOLDS if condition else FAILS


class Run:
    """The results of this run, by the experiment's name. What is not there is empty, never an error."""

    def __init__(self, results):
        self._results = {result.module.NAME: result for result in results}

    def __contains__(self, name):
        return name in self._results

    def rows(self, name):
        return self._results[name].rows if name in self else []

    def module(self, name):
        """The experiment itself, for the figures that it computes from its rows; None where it has no rows."""
        return self._results[name].module if name in self else None

    def median(self, name, column, **labels):
        """The median of a column over the rows that have these labels; None where there is no figure."""
        some = [row for row in self.rows(name) if all(row.get(key) == str(value)
                                                      for key, value in labels.items())]
        cell = stats.cell(some, column)
        return cell.median if cell else None

    def column(self, name, column, **labels):
        """The figures of a column, of the valid rows that have these labels."""
        found = (stats.number(row, column) for row in self.rows(name) if stats.is_valid(row)
                 and all(row.get(key) == str(value) for key, value in labels.items()))
        return [value for value in found if value is not None]


def within(value, expected, part):
    """Whether a figure lies within a part (0.2: 20 %) of what was expected."""
    return abs(value / expected - 1) <= part
