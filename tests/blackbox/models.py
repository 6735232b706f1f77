"""The table of server binaries, and in which ways they may differ.

Every model must give the same bytes under the same rules. What is written here is the whole list
of differences that the suite knows about: a case that depends on one says so by naming the trait.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Model:
    name: str
    # multiplex: serves many connections at a time; one that is silent holds up nobody.
    # concurrent: many requests can wait for the database at a time.
    # readiness: does recv and send itself, so its syscall counters show them.
    # sequential: serves one connection to its end before it takes the next, in order of arrival.
    # quiet: uses no CPU time while there is nothing to do.
    # fd_setsize: cannot watch a descriptor of 1024 or above.
    # unlimited: carries thousands of connections at a time.
    # refuses: answers 503 to connections above its limit (a sequential server never gets there).
    traits: frozenset = field(default_factory=frozenset)
    variant: bool = False  # variants are run when their binary exists; the six must exist


def _model(name, traits, variant=False):
    return Model(name, frozenset(traits.split()), variant)


LOOP = "multiplex concurrent refuses quiet"

MODELS = [
    _model("blocking", "sequential readiness quiet"),
    _model("thread", LOOP + " readiness unlimited"),
    _model("select", LOOP + " readiness fd_setsize"),
    _model("poll", LOOP + " readiness unlimited"),
    _model("epoll", LOOP + " readiness unlimited"),
    _model("io_uring", LOOP + " unlimited"),
    # A pool serves as many connections as it has threads: too few for the multiplex cases.
    _model("thread_pool", "readiness quiet", variant=True),
    _model("process", LOOP + " readiness", variant=True),
    _model("spin", "multiplex concurrent refuses readiness unlimited", variant=True),
    _model("epoll_blocking", "multiplex refuses quiet readiness unlimited", variant=True),
    _model("epoll_offload", LOOP + " readiness unlimited", variant=True),
]

BY_NAME = {model.name: model for model in MODELS}
