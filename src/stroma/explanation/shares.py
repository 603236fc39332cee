"""Fair shares of a joint result: Shapley values, and Owen's where some causes belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from math import factorial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Worth = Callable[[frozenset[str]], NDArray[np.float64]]


def owen_values(groups: Sequence[Sequence[str]], worth: Worth) -> dict[str, NDArray[np.float64]]:
    """Return what each cause adds, averaged over every order in which whole groups can be switched on.

    Within a group its members are averaged over their orders too, so that a group's parts sum to the Shapley
    value of the group (Owen 1977, doi 10.1007/978-3-642-45494-3_7); with groups of one they are Shapley values.

    Parameters
    ----------
    groups : sequence of sequences of str
        Causes that are switched on together, each name once.
    worth : callable
        The result with a set of causes switched on; called once for each set that is needed.

    Returns
    -------
    dict of str to ndarray
        In the order of ``groups``; the values sum to ``worth(all) - worth(none)`` exactly.

    Checked by
    ----------
    ``tests/unit/test_shares.py``: published games with known values.
    """
    known: dict[frozenset[str], NDArray[np.float64]] = {}

    def value(causes: frozenset[str]) -> NDArray[np.float64]:
        if causes not in known:
            known[causes] = worth(causes)
        return known[causes]

    found = {}
    for place, group in enumerate(groups):
        others = [frozenset(g) for i, g in enumerate(groups) if i != place]
        for member in group:
            total = np.zeros_like(value(frozenset()))
            for before in _subsets(others):
                base = frozenset().union(*before)
                for beside in _subsets([m for m in group if m != member]):
                    on = base | frozenset(beside)
                    share = _weight(len(before), len(groups)) * _weight(len(beside), len(group))
                    total = total + share * (value(on | {member}) - value(on))
            found[member] = total
    return found


def _subsets(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    for size in range(len(items) + 1):
        yield from combinations(items, size)


def _weight(before: int, players: int) -> float:
    """Return the share of orders of ``players`` in which exactly a given set of ``before`` stands first."""
    return factorial(before) * factorial(players - before - 1) / factorial(players)
