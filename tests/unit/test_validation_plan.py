"""Every published number is forecast from before its year, or left out with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from stroma.calibration.origin import fit_side
from stroma.calibration.posterior import PRIORS, Posterior, compact, origin_file, save_posterior
from stroma.calibration.targets import TargetList, load_targets
from stroma.disease import Disease, load_disease
from stroma.errors import StromaError
from stroma.population.priors import sample_prior
from stroma.validation.outcomes import carry_out
from stroma.validation.plan import cutoff_plan, rolling_plan, stress_plan


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


def drawn_from_priors(disease: Disease, *target_ids: str) -> Posterior:
    """Return a posterior said to have seen some targets."""
    even = {p: np.full(8, 1 / 8) for p in PRIORS}
    return compact(Posterior(disease.uncertain, sample_prior(disease, disease.uncertain, 8, 1), np.arange(8), even,
                             {"target_ids": list(target_ids), "model_hash": disease.model.content_hash}), 1)


@pytest.fixture(scope="module")
def listed(disease: Disease) -> TargetList:
    return load_targets(disease)


def test_no_trial_is_forecast_from_itself_its_family_or_the_future(disease: Disease, listed: TargetList) -> None:
    plan = rolling_plan(disease, listed)
    assert plan.tasks
    for task in plan.tasks:
        seen = [t for side in fit_side(disease, listed, task.origin) for t in side]
        assert seen and not {t.family for t in seen} & {t.family for t in task.targets}
        assert max(t.year for t in seen) < min(t.year for t in task.targets)


def test_every_row_is_forecast_or_has_a_reason(disease: Disease, listed: TargetList) -> None:
    plan = rolling_plan(disease, listed)
    forecast = [t.target_id for task in plan.tasks for t in task.targets]
    assert len(forecast) + len(plan.excluded) == len(listed.targets) + len(listed.excluded)
    assert all(e.reason for e in plan.excluded) and len(set(forecast)) <= len(forecast)


def test_the_stress_test_is_the_validation_side(listed: TargetList) -> None:
    (task,) = stress_plan(listed).tasks
    assert task.origin.split and {t.role for t in task.targets} == {"validate_background", "validate_msc"}


def test_a_cutoff_forecasts_all_that_came_later(disease: Disease, listed: TargetList, tmp_path: Path) -> None:
    elsewhere = replace(disease, folder=tmp_path)
    save_posterior(drawn_from_priors(disease), tmp_path, origin_file("before-2017-01-01"))
    (task,) = cutoff_plan(elsewhere, listed, "2017-01-01").tasks
    assert {t.target_id for t in task.targets} == {t.target_id for t in listed.targets if t.year >= 2017}
    assert cutoff_plan(elsewhere, listed, "2014-01-01").scheme == "stress-2014"
    with pytest.raises(StromaError, match=r"(?s)C040.*2016-01-01.*calibrate sle --before.*2017-01-01"):
        cutoff_plan(elsewhere, listed, "2016-06-30")


def test_one_study_of_a_plan(disease: Disease, listed: TargetList) -> None:
    only = rolling_plan(disease, listed).only("deng2017")
    assert {t.study_id for task in only.tasks for t in task.targets} == {"deng2017"}
    assert {e.target_id.split("|")[0] for e in only.excluded} == {"deng2017"}


def test_a_posterior_that_saw_what_it_is_to_forecast_is_refused(disease: Disease, listed: TargetList,
                                                                tmp_path: Path) -> None:
    plan = rolling_plan(disease, listed).only("deng2017")
    (task,) = plan.tasks
    guilty = drawn_from_priors(disease, task.targets[0].target_id)
    elsewhere = replace(disease, folder=tmp_path)
    save_posterior(guilty, tmp_path, origin_file(task.origin.label))
    with pytest.raises(StromaError, match="C010") as raised:
        carry_out(elsewhere, listed, plan, cast(Any, None), 1, tmp_path)
    assert task.targets[0].target_id in str(raised.value)


def test_an_origin_without_a_posterior_is_listed_with_that_reason(disease: Disease, listed: TargetList,
                                                                  tmp_path: Path) -> None:
    plan = rolling_plan(disease, listed).only("deng2017")
    found = carry_out(replace(disease, folder=tmp_path), listed, plan, cast(Any, None), 1, tmp_path)
    assert not found.scored and len(found.excluded) == len(plan.excluded) + len(plan.tasks[0].targets)
