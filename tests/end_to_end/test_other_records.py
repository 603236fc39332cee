"""Registrations beside the first: spondylitis, arthritis, knee and refractory lupus, through the whole road."""

from __future__ import annotations

import pytest

from stroma.calibration.forecast import forecast
from stroma.calibration.prediction import Settings
from stroma.report.sentences import first_line, prior_sentence, size_sentence

SMALL = Settings(draws=60, subjects=30, trials=200, seed=3)


@pytest.mark.parametrize(("record", "disease", "arms"), [
    ("NCT01420432", "as", 2), ("NCT01547091", "ra", 3), ("NCT01586312", "oa", 2), ("NCT01741857", "sle", 1)])
def test_a_forecast_is_made_and_put_in_words(record: str, disease: str, arms: int) -> None:
    found = forecast(record, SMALL)
    assert found.disease.disease_id == disease and len(found.outcomes) == arms
    assert all(0 <= o.pi90[0] <= o.median <= o.pi90[1] <= 100 and o.pi90[0] < o.pi90[1] for o in found.outcomes)
    assert (found.current is None) == (arms == 1)
    if found.current is not None:
        none = next(p for p in found.priors if p.prior == "none")
        blind = found.designs[0].blinded
        assert none.difference == (0, 0, 0) and 0 <= none.probability_of_success <= (0.1 if blind else 0.6)
        assert ("know their arm" in prior_sentence(found)) != blind
    assert f"{found.designs[0].n} patients" in first_line(found) and size_sentence(found)
