"""The variance between studies: an exact sum, with known answers where truth is made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroma.explanation.conflict_parts import CHANCE, REST
from stroma.explanation.spread import Spread


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 4))
def test_components_sum_to_the_variance(seed: int, studies: int, factors: int) -> None:
    rng = np.random.default_rng(seed)
    parts = {f"f{i}": rng.normal(size=(studies, 3)) for i in range(factors)}
    spread = Spread(rng.normal(size=(studies, 3)), parts, rng.random((studies, 3)))
    total = np.sum([spread.component(name) for name in (*parts, CHANCE, REST)], axis=0)
    assert total == pytest.approx(np.var(spread.published, axis=0, ddof=1))
    assert np.sum([spread.of_predicted(n) for n in parts], axis=0) == pytest.approx(np.full(3, 100.0))


def test_a_made_truth_is_found_again() -> None:
    """Many studies: independent factors of variance 1 and 0.25, sampling 0.5, study effects 0.36."""
    rng = np.random.default_rng(1)
    n = 40_000
    large, small = rng.normal(0, 1, (n, 1)), rng.normal(0, 0.5, (n, 1))
    published = large + small + rng.normal(0, np.sqrt(0.5), (n, 1)) + rng.normal(0, 0.6, (n, 1))
    spread = Spread(published, {"large": large, "small": small}, np.full((n, 1), 0.5))
    found = {name: float(spread.component(name)[0]) for name in ("large", "small", CHANCE, REST)}
    assert found == pytest.approx({"large": 1.0, "small": 0.25, CHANCE: 0.5, REST: 0.36}, abs=0.04)


def test_leaving_out_the_study_that_differs() -> None:
    parts = {"a": np.array([[0.0], [0.0], [3.0]])}
    spread = Spread(parts["a"] + 0.0, parts, np.zeros((3, 1)))
    assert spread.component("a")[0] == pytest.approx(3.0) and spread.component(REST)[0] == pytest.approx(0.0)
    assert spread.without(2).variance[0] == 0.0
    assert spread.without(0).variance[0] == pytest.approx(4.5)
