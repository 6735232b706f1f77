"""The table of server binaries, and in which ways they may differ.

Every model must give the same bytes under the same rules. What is written here is the whole list
of differences that the suite knows about: a case that depends on one says so by naming the trait.

The six are always run, and must exist. The variants are run as far as they are built. The switches
("epoll --edge": the same binary with an option that changes how it waits) are run when asked for.
"""

from dataclasses import dataclass

TRAITS = {
    "multiplex": "serves many connections at a time; one that is silent holds up nobody",
    "concurrent": "many requests can wait for the database at a time",
    "unbounded": "any number of requests can wait for the database at a time",
    "pool_of_ten": "ten requests can wait for the database at a time, unless --threads says otherwise",
    "one_wait": "one request can wait for the database at a time",
    "sequential": "serves one connection to its end before it takes the next, in order of arrival",
    "refuses": "answers 503 to connections above its limit (a sequential server never gets there)",
    "crowds": "carries thousands of connections at a time",
    "fd_setsize": "cannot watch a descriptor of 1024 or above",
    "one_process": "all connections are in the process that accepts them",
    "quiet": "uses no CPU time while there is nothing to do",
    "recv_send": "does recv and send itself, about once a request",
    "ring": "hands its requests to the kernel by io_uring_enter",
}


@dataclass(frozen=True)
class Model:
    name: str
    group: str  # "six", "variants" or "switches"
    traits: frozenset

    @property
    def program(self):
        return self.name.split()[0]

    @property
    def options(self):
        return self.name.split()[1:]


def _model(group, name, traits):
    words = frozenset(traits.split())
    if words - TRAITS.keys():
        raise ValueError(f"{name}: unknown traits {words - TRAITS.keys()}")
    return Model(name, group, words)


LOOP = "multiplex concurrent unbounded refuses one_process quiet "
RING = LOOP + "crowds ring "

MODELS = [
    _model("six", "blocking", "sequential one_wait one_process quiet recv_send"),
    _model("six", "thread", LOOP + "crowds recv_send"),
    _model("six", "select", LOOP + "fd_setsize recv_send"),
    _model("six", "poll", LOOP + "crowds recv_send"),
    _model("six", "epoll", LOOP + "crowds recv_send"),
    _model("six", "io_uring", RING),
    # A pool serves as many connections as it has threads: too few for the multiplex cases.
    _model("variants", "thread_pool", "pool_of_ten one_process quiet recv_send"),
    _model("variants", "process", "multiplex concurrent unbounded refuses quiet recv_send"),
    _model("variants", "spin", "multiplex concurrent unbounded refuses one_process"),
    _model("variants", "epoll_blocking", "multiplex one_wait refuses one_process quiet crowds recv_send"),
    _model("variants", "epoll_offload", "multiplex concurrent pool_of_ten refuses one_process quiet crowds recv_send"),
    _model("switches", "epoll --edge", LOOP + "crowds recv_send"),
    _model("switches", "thread --gil", LOOP + "crowds recv_send"),
    _model("switches", "io_uring --plain-ring", RING),
    _model("switches", "io_uring --single-accept", RING),
    _model("switches", "io_uring --single-recv", RING),
    _model("switches", "io_uring --submit-each", RING),
    _model("switches", "io_uring --readiness", LOOP + "crowds"),
    _model("switches", "io_uring --sqpoll", LOOP.replace("quiet", "") + "crowds"),
    _model("switches", "io_uring --zero-copy", RING),
]

GROUPS = ("six", "variants", "switches")
BY_NAME = {model.name: model for model in MODELS}
