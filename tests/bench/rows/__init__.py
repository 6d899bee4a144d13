"""What the table of tests/bench/run is made of: rows, the figures of each, what is aimed at."""

from dataclasses import dataclass
from typing import Callable, Optional

from servers import Setting

PEER = "postfix"  # what a factor counts from


@dataclass(frozen=True)
class Aim:
    """`met` gets the row's figures by server, and the name of the one that is judged."""

    text: str
    met: Callable


@dataclass(frozen=True)
class Figure:
    key: str
    title: str
    digits: int = 0
    aim: Optional[Aim] = None
    less_is_better: bool = False


class Row:
    """One thing that is measured. `group` is what --rows names."""

    group = title = None
    setting = Setting()
    servers = ()  # those of this row; where there are none, those of the command line
    figures = ()

    def measure(self, server, options):
        """One run. Returns the figures by key; None where this server has none."""
        raise NotImplementedError

    def can(self, server):
        return True


def times(key, factor):
    def met(figures, name):
        return figures[name][key] >= factor * figures[PEER][key]

    return Aim(f"≥ {factor:g} × Postfix", met)


def at_most(key, bound, text=""):
    return Aim(f"≤ {bound:g}{text}", lambda figures, name: figures[name][key] <= bound)


def at_least(key, bound):
    return Aim(f"≥ {bound:g}", lambda figures, name: figures[name][key] >= bound)


def best(key):
    def met(figures, name):
        return figures[name][key] >= max(one.get(key) or 0 for one in figures.values())

    return Aim("≥ the best", met)
