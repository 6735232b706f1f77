"""What every case uses: the registry of cases, and the checks that end a case.

A case is a function of one argument, the Context, that returns when all is well and raises
otherwise. It gets no server for free: it starts the ones it needs with the options it needs, and
the end of each server (exit status, silence on stderr) is a part of the case.
"""

import os
import time
from dataclasses import dataclass

from models import TRAITS

# Sanitizer builds and very busy machines: twice the time wherever the suite would give up waiting.
SLOW = 2 if os.environ.get("SIX_SLOW") == "1" else 1


class Failure(Exception):
    """The server (or a machine that does not fit) broke a rule; the text says which."""


class Skip(Exception):
    """The case cannot be run here; the text says why."""


@dataclass(frozen=True)
class Case:
    name: str
    run: object
    needs: frozenset
    alone: bool  # loads the machine: not beside other cases of the same model
    seconds: float  # about how long: the long ones are started first

    def fits(self, model):
        return self.needs <= model.traits


CASES = []


def case(name, needs="", alone=False, seconds=0.1):
    """Registers a case under a name that reads well after 'epoll: '."""

    unknown = set(needs.split()) - TRAITS.keys()

    def register(function):
        if unknown:
            raise ValueError(f"{name}: there is no trait {unknown}")
        if any(known.name == name for known in CASES):
            raise ValueError(f"two cases are called {name!r}")
        CASES.append(Case(name, function, frozenset(needs.split()), alone, seconds))
        return function

    return register


def check(condition, message):
    if not condition:
        raise Failure(message)


def shorten(value, limit=600):
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]} ... ({len(text)} characters) ... {text[-limit // 2:]}"


def equal(got, expected, what):
    if got != expected:
        raise Failure(f"{what}: expected {shorten(expected)}, got {shorten(got)}")


def eventually(condition, what, seconds=5.0):
    """Waits until condition() is true. For what the server does soon, but not before it replies."""
    give_up = time.monotonic() + seconds * SLOW
    while True:
        last = condition()
        if last is True:
            return
        if time.monotonic() > give_up:
            raise Failure(f"{what}: not within {seconds * SLOW:g} s" + ("" if last is False else f" ({last})"))
        time.sleep(0.01)


@dataclass
class Context:
    """What a case is given."""

    model: object  # models.Model
    binary: str
    servers: list
    payload: object = None  # what the case hands back to the runner, for comparing models

    def server(self, *options, **how):
        """Starts the model's binary and waits until it is ready; use it as a context manager."""
        from server import Server

        server = Server(self.binary, self.model.program, (*self.model.options, *options), **how)
        self.servers.append(server)
        return server.start()

    def has(self, trait):
        return trait in self.model.traits
