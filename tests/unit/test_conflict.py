"""The spread between studies taken apart: what differs, what cannot be told apart, and that nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stroma.calibration.targets import TargetList, load_targets
from stroma.disease import Disease, load_disease
from stroma.explanation import conflict as module
from stroma.explanation.conflict import explain_conflict, reference_arm
from stroma.explanation.conflict_parts import CHANCE, REST, Conflict
from stroma.explanation.levels import BLINDING, DOSE, DRUGS, PATIENTS, SOURCE, arms_of, counted, together
from stroma.explanation.parts import Settings

SLE = load_disease("sle")
LISTED = load_targets(SLE)
SMALL = Settings(draws=30, subjects=20, seed=2)


@pytest.fixture(scope="module")
def lupus() -> Conflict:
    return explain_conflict(SLE, SMALL)


def test_arms_and_their_levels() -> None:
    arms = arms_of(SLE, LISTED)
    levels = counted(arms)
    assert len({a.study_id for a in arms}) == 5
    assert levels[SOURCE] == {"bm or uc (taken as uc)": 2, "bm": 1, "uc": 2}
    assert levels["donor"] == {"allogeneic": 5} and levels["route"] == {"iv": 5}
    assert levels[DOSE]["100 million × 2"] == 1
    assert levels["steroid_at_infusion"] == {"60 mg/day": 5}


def test_what_cannot_be_told_apart() -> None:
    """One lupus trial alone is blinded, and it alone gave two fixed doses."""
    arms = arms_of(SLE, LISTED)
    assert together(arms, BLINDING) == (DOSE,) and together(arms, DOSE) == (BLINDING,)
    assert together(arms, "donor") == ()


def test_the_reference_is_the_most_frequent_level() -> None:
    reference = reference_arm(arms_of(SLE, LISTED))
    assert reference.product.therapy_id == "uc_msc_allogeneic"
    assert (reference.population, reference.blinding) == ("refractory", "double_blind")
    assert reference.severity == pytest.approx(np.mean([2.505, 3.359, 3.1]), rel=1e-3)


def test_nothing_is_lost(lupus: Conflict) -> None:
    by_id = {c.factor_id: c for c in lupus.components}
    assert lupus.published_sd is not None
    measured = [c for c in lupus.components if c.published]
    assert sum(c.published.mean for c in measured if c.published) == pytest.approx(100.0)
    total = sum(c.variance.mean for c in measured if c.variance)
    assert lupus.published_sd.pi90[0] ** 2 < total < lupus.published_sd.pi90[1] ** 2
    for name in ("donor", "route", "steroid_at_infusion", "inflammation"):
        assert by_id[name].published is None and by_id[name].note
    assert by_id[CHANCE].published is not None and by_id[CHANCE].published.mean > 0
    for s in lupus.studies:
        assert sum(s.parts.values()) == pytest.approx(s.predicted.mean, abs=1e-9)


def test_a_blinded_study_has_no_part_of_blinding_and_open_ones_gain(lupus: Conflict) -> None:
    parts = {s.study_id: s.parts[BLINDING] for s in lupus.studies}
    assert parts.pop("deng2017") == 0
    assert all(value > 0 for value in parts.values())


def _played(monkeypatch: pytest.MonkeyPatch, targets: list) -> Conflict:
    def listed(disease: Disease) -> TargetList:
        return TargetList(tuple(targets), ())

    monkeypatch.setattr(module, "load_targets", listed)
    return explain_conflict(SLE, SMALL)


def test_studies_that_differ_in_one_thing_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two copies of one study, one of them blinded: the predicted spread is all blinding; twins have none."""
    one = next(t for t in LISTED.targets if t.study_id == "gu2014" and t.kind == "proportion")
    twin = replace(one, study_id="deng2017", target_id="twin", blinding="double_blind", design="rct")
    found = _played(monkeypatch, [one, twin])
    by_id = {c.factor_id: c for c in found.components}
    assert by_id[BLINDING].predicted is not None and by_id[BLINDING].predicted.mean == pytest.approx(100.0)
    for name in (PATIENTS, DRUGS, DOSE, SOURCE):
        assert by_id[name].published is None
    assert found.published_sd is not None and found.published_sd.mean == pytest.approx(0.0, abs=1e-9)


def test_a_biased_study_stays_unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number moved far from its model, in many patients, is neither a cause nor chance."""
    own = [replace(t, n=400.0) for t in LISTED.targets if t.study_id in ("wang2013sle", "gu2014")
           and t.kind == "proportion"]
    moved = [replace(t, observed=0.02 if t.study_id == "gu2014" else 0.98) for t in own]
    found = _played(monkeypatch, moved)
    rest = next(c for c in found.components if c.factor_id == REST)
    chance = next(c for c in found.components if c.factor_id == CHANCE)
    assert rest.published is not None and rest.published.mean > 80
    assert chance.published is not None and chance.published.mean < 5
