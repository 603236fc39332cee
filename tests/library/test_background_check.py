"""How the shipped fits fare on the control arms that they were fitted to."""

from __future__ import annotations

import math

import pytest

from stroma.calibration.targets import load_targets
from stroma.disease import known_diseases, load_disease
from stroma.report.background import read_background_check, summarise


@pytest.mark.parametrize("name", known_diseases())
def test_the_fit_reaches_what_it_was_fitted_to(name: str) -> None:
    """Eight of ten inside the 90 % interval, four of ten inside the 50 %, narrower than what earlier arms allow."""
    disease = load_disease(name)
    rows = read_background_check(disease.folder)
    (fitted,) = (s for s in summarise(rows) if s.check == "fitted")
    assert fitted.numbers == len(load_targets(disease).of("fit_background"))
    assert fitted.inside >= 0.8 * fitted.numbers and fitted.inside_50 >= 0.4 * fitted.numbers
    assert math.isnan(fitted.reference_score) or fitted.score < fitted.reference_score
