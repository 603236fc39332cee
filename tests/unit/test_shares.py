"""Shapley and Owen values against games whose values are published, and their defining properties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stroma.explanation.shares import Worth, owen_values


def test_the_glove_game() -> None:
    """Shapley 1953 as told in every textbook: one left glove, two right ones; 2/3 and 1/6 each."""

    def worth(owners: frozenset[str]) -> NDArray[np.float64]:
        return np.array([float("left" in owners and len(owners) > 1)])

    found = owen_values([["left"], ["right"], ["other right"]], worth)
    assert found["left"][0] == pytest.approx(2 / 3)
    assert found["right"][0] == found["other right"][0] == pytest.approx(1 / 6)


def test_the_glove_game_with_a_union() -> None:
    """Owen 1977: the two right gloves stand together; half for the left one, a quarter for each right one."""

    def worth(owners: frozenset[str]) -> NDArray[np.float64]:
        return np.array([float("left" in owners and len(owners) > 1)])

    found = owen_values([["left"], ["right", "other right"]], worth)
    assert [v[0] for v in found.values()] == pytest.approx([0.5, 0.25, 0.25])


def by_orders(names: str, worth: Worth) -> dict[str, float]:
    """Return Shapley values by going through every order."""
    total, orders = dict.fromkeys(names, 0.0), list(permutations(names))
    for order in orders:
        for place, name in enumerate(order):
            total[name] += float(worth(frozenset(order[:place + 1]))[0] - worth(frozenset(order[:place]))[0])
    return {name: value / len(orders) for name, value in total.items()}


@given(st.lists(st.floats(-10, 10), min_size=16, max_size=16))
def test_any_game_of_four(values: list[float]) -> None:
    def worth(on: frozenset[str]) -> NDArray[np.float64]:
        return np.array([values[sum(1 << "abcd".index(name) for name in on)]])

    found = owen_values([*"abcd"], worth)
    assert {k: float(v[0]) for k, v in found.items()} == pytest.approx(by_orders("abcd", worth), abs=1e-9)
    grouped = owen_values([["a"], ["b", "c"], ["d"]], worth)
    whole = float(worth(frozenset("abcd"))[0] - worth(frozenset())[0])
    assert sum(float(v[0]) for v in grouped.values()) == pytest.approx(whole, abs=1e-9)
    as_one = owen_values([["a"], ["u"], ["d"]], lambda on: worth((on - {"u"}) | (set("bc") if "u" in on else set())))
    assert float(grouped["b"][0] + grouped["c"][0]) == pytest.approx(float(as_one["u"][0]), abs=1e-9)
