"""Which visits an arm is simulated at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stroma.calibration.simulate import NEAR_DAY, VISIT_DAY, visits_of
from stroma.calibration.targets import load_targets
from stroma.disease import known_diseases, load_disease

TARGET = load_targets(load_disease("sle")).targets[0]


def visits(*days: float) -> list[float]:
    return list(visits_of([replace(TARGET, day=d) for d in days]))


def test_a_day_of_the_grid_adds_nothing() -> None:
    assert visits(168, 364) == list(VISIT_DAY)


def test_a_day_far_from_the_grid_gets_its_own_visit() -> None:
    assert visits(98) == sorted([*VISIT_DAY, 98.0])


def test_an_arm_is_followed_no_longer_than_its_last_number() -> None:
    assert visits(532)[-1] == 532 and visits(1000, 90)[-1] == 1000 and visits(730)[-1] in (728, 730)


@pytest.mark.parametrize("name", known_diseases())
def test_every_number_is_read_within_days_of_its_time(name: str) -> None:
    disease = load_disease(name)
    if (disease.folder / "targets.csv").is_file():
        for t in load_targets(disease).targets:
            if t.kind != "hazard":
                assert np.abs(visits_of([t]) - t.day).min() <= NEAR_DAY, t.target_id
