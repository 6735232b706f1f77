"""The models: their names in the fixed order, their colours and marks, as style.gp defines them."""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))


def _read(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    names = {key: value.split() for key, value in
             re.findall(r'^(MODELS|VARIANTS)\s*=\s*"([^"]+)"', text, re.M)}
    find = {key: dict(re.findall(pattern, text)) for key, pattern in
            {"colour": r'\bcolour_(\w+)\s*=\s*"(#[0-9A-F]{6})"',
             "dark": r'\bdark_(\w+)\s*=\s*"(#[0-9A-F]{6})"'}.items()}
    return names["MODELS"], names["VARIANTS"], find["colour"], find["dark"]


SIX, VARIANTS, COLOUR, DARK = _read(os.path.join(HERE, "style.gp"))
ALL = SIX + VARIANTS


def in_order(names):
    """The names in the order of every chart; what is no model comes last, by name."""
    return sorted(set(names), key=lambda name: (ALL.index(name) if name in ALL else len(ALL), name))
