"""Harms as primary outcomes: which studies are pooled, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stroma.calibration.arm_pools import treated_strata
from stroma.calibration.events import forecast_events
from stroma.calibration.forecast import read_registered
from stroma.calibration.prediction import Settings
from stroma.calibration.published import compared_results, own_studies, published_results
from stroma.disease import load_disease
from stroma.errors import StromaError
from stroma.evidence.records import Evidence
from stroma.evidence.store import load_evidence

MANY = Settings(trials=20000)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return load_evidence()


def test_the_expected_count_is_the_share_of_a_new_study(evidence: Evidence) -> None:
    trial = read_registered("NCT01585857")
    (event,) = forecast_events(trial.designs, evidence, own_studies(evidence, trial.record), MANY)
    (source,) = event.sources
    assert "in this disease, injected into a joint" in source.stratum
    assert "pers2016" not in {s[0] for s in source.studies} and len(source.studies) >= 4
    patients = sum(s[2] for s in source.studies)
    assert 0 < source.share[0] < source.share[1] < 10 / patients < source.share[2] + 0.2
    for o in event.outcomes:
        assert o.density.max() <= 6 and (o.density == 0).mean() > 0.5
    first, second = (o.density for o in event.outcomes[:2])
    assert np.corrcoef(first, second)[0, 1] > 0.05, "arms of one trial share its deviation"


def test_follow_up_counts(evidence: Evidence) -> None:
    trial = read_registered("NCT01585857")
    design, own = trial.designs[0], own_studies(evidence, trial.record)
    longer = replace(design, events=(replace(design.events[0], day=1460.0),))
    year, four = (forecast_events([d], evidence, own, MANY)[0].outcomes[0].density.mean() for d in (design, longer))
    assert four > 2 * year


def test_an_unknown_harm_and_one_without_counts_are_refused(evidence: Evidence) -> None:
    design = read_registered("NCT01585857").designs[0]
    for name, code in [("serious_adverse_evnt", "C080"), ("sensitisation", "C081")]:
        wrong = replace(design, events=(replace(design.events[0], event=name),))
        with pytest.raises(StromaError) as error:
            forecast_events([wrong], evidence, frozenset(), MANY)
        assert error.value.diagnostics[0].code == code


def test_an_assumed_dose_is_integrated_over() -> None:
    arm = read_registered("NCT01459640").designs[0].arms[0]
    doses = [next(t.cell_dose.amount for t in therapies if t.cell_dose) for _, therapies in treated_strata(arm, 800)]
    assert sorted(set(doses)) == pytest.approx(list(np.geomspace(1e7, 1e8, 4)))
    assert {part.stop - part.start for part, _ in treated_strata(arm, 800)} == {100}, "four doses, fresh and thawed"


def test_only_whole_arms_that_are_not_doubtful_are_compared(evidence: Evidence) -> None:
    assert compared_results(load_disease("ra"), evidence, "NCT01851070") == ()
    assert len(compared_results(load_disease("sle"), evidence, "NCT01539902")) > 15
    shown = published_results(evidence, "NCT01741857")
    assert {r.link for r in shown} == {"probable"} and {"wang2014", "yuan2019"} == {r.study for r in shown}
    assert any(r.value == "37 of 40, 92.5 %" for r in shown)
