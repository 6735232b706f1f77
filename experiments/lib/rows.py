"""The raw rows of an experiment, in memory and as results/latest/NAME.tsv.

The file: lines "# key: value" that describe the machine and the run, one line of column names,
then a line a run, tab separated. It is written anew, under a temporary name and then renamed,
after each row: so it is whole at every moment, and an interruption loses nothing that was measured.
"""

import os


class Malformed(Exception):
    """A file that is no such table; the text is one line saying where and why."""


def write_whole(path, text):
    """Writes a file so that a reader sees the old one or the new one, never a part."""
    temporary = f"{path}.tmp{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def flatten(tree, prefix=""):
    """{"errors": {"connect": 1}} -> {"errors_connect": 1}: the generator's JSON as columns. Lists (its
    figures of each second) are left out: a row is one run."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}_"))
        elif not isinstance(value, list):
            flat[prefix + key] = value
    return flat


def cell_text(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.9g}"
    return " ".join(str(value).split())


class Rows:
    """A growing table. `facts` are the header's keys and values, in order."""

    def __init__(self, path, facts):
        self.path = path
        self.facts = dict(facts)
        self.columns = []
        self.rows = []

    def add(self, row):
        self.rows.append({key: cell_text(value) for key, value in row.items()})
        self.columns += [key for key in row if key not in self.columns]
        self.save()

    def save(self):
        lines = [f"# {key}: {cell_text(value)}" for key, value in self.facts.items()]
        lines.append("\t".join(self.columns))
        lines += ["\t".join(row.get(key, "") for key in self.columns) for row in self.rows]
        write_whole(self.path, "\n".join(lines) + "\n")


def read(path):
    """(facts, rows) of such a file; rows are dicts of strings. Raises Malformed."""
    facts, columns, rows = {}, None, []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if columns is None and line.startswith("# "):
                key, _, value = line[2:].partition(": ")
                facts[key] = value
            elif columns is None:
                columns = line.split("\t")
            else:
                cells = line.split("\t")
                if len(cells) != len(columns):
                    raise Malformed(f"{path}:{number}: {len(cells)} cells under "
                                    f"{len(columns)} columns")
                rows.append({key: cell for key, cell in zip(columns, cells) if cell})
    return facts, rows
