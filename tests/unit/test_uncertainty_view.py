"""The variance in a few lines: largest source first, a weak emulator is said to be weak."""

from __future__ import annotations

import pytest

from stroma.detail.carried import Carried, Index
from stroma.detail.look import SHARE, Uncertainty
from stroma.detail.variance import DIFFERENCE, SOURCES, Variance
from stroma.report.uncertainty_view import uncertainty_lines


def _found(explained: float) -> Uncertainty:
    parts = dict.fromkeys(SOURCES, 1.0) | {SOURCES[1]: 4.0}
    total = sum(parts.values())
    variance = Variance(DIFFERENCE, 0.1, {k: v / total for k, v in parts.items()}, dict.fromkeys(SOURCES, 0.0))
    first, second = Index("tone", 0.5, 0.6, 0.1, 0.2), Index("leak", 0.1, 0.2, 0.1, 0.1)
    return Uncertainty(SHARE, (variance,), (Carried(DIFFERENCE, (first, second), (), explained, 0.9),))


def test_the_largest_source_and_parameter_come_first() -> None:
    variance, carriers = uncertainty_lines(_found(0.8))
    assert variance.startswith(f"Variance of the difference: {SOURCES[1]} ")
    assert variance.count("%") == len(SOURCES)
    assert "tone 60 % (± 20), leak 20 %" in carriers and "explains 80 %" in carriers


@pytest.mark.parametrize(("explained", "weak"), [(0.08, True), (0.5, False)])
def test_a_weak_emulator_is_called_weak(explained: float, weak: bool) -> None:
    assert ("too little" in uncertainty_lines(_found(explained))[1]) == weak


def test_without_an_emulator_there_is_no_ranking() -> None:
    found = _found(0.8)
    assert "cannot be told" in uncertainty_lines(Uncertainty(SHARE, found.variances, ()))[1]
