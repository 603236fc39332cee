"""The scoring machinery on models whose faults are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from stroma.calibration.predictive import CHANGE, Sample
from stroma.calibration.targets import Target
from stroma.validation.outcomes import LAST, NO_EFFECT, POOLED, BaselineScore, Scored, score
from stroma.validation.summary import Summary, by_group, summarise

SAMPLE = norm.ppf((np.arange(2000) + 0.5) / 2000)


def target(study: int, arm: str = "a") -> Target:
    name = f"s{study}"
    return Target(f"{name}|{arm}|x", name, name, name, arm, "score", "change", "sledai_2k", 168.0, 0.0, 1.0, 30.0,
                  False, arm, "mixed", "", None, "validate_msc", 2000 + study, "validation", Path("x"), 1)


def forecasts(spread: float = 1.0, offset: float = 0.0, studies: int = 40, each: int = 3,
              disease: str = "sle") -> list[Scored]:
    """Return forecasts N(offset, spread) of results that are N(0, 1), one at each quantile."""
    results = np.random.default_rng(7).permutation(norm.ppf((np.arange(studies * each) + 0.5) / (studies * each)))
    width = 2 * norm.ppf(0.95)
    truth = {name: BaselineScore(width, 0.5, name == LAST) for name in (POOLED, LAST)}
    return [score(disease, "before-2014-01-01", target(s), Sample(offset + spread * SAMPLE, float(x), CHANGE),
                  False, 2.0, truth) for i, x in enumerate(results) for s in [i // each]]


def test_an_honest_model_is_not_accused() -> None:
    found = summarise(forecasts())
    assert found.flags == () and (found.n_studies, found.n_outcomes) == (40, 120)
    assert found.coverage_pi50.ci[0] <= 0.5 <= found.coverage_pi50.ci[1]
    assert found.coverage_pi90.ci[0] <= 0.9 <= found.coverage_pi90.ci[1]
    assert sum(found.pit) == 120


def test_over_confidence_is_flagged() -> None:
    found = summarise(forecasts(spread=0.5))
    assert any("over-confident: the 90 %" in f for f in found.flags) and not any("biased" in f for f in found.flags)
    assert found.interval_score.value > summarise(forecasts()).interval_score.value, "narrow is not better"


def test_under_confidence_is_flagged() -> None:
    found = summarise(forecasts(spread=3.0))
    assert any("under-confident" in f for f in found.flags)
    assert found.interval_score.value > summarise(forecasts()).interval_score.value, "wide is not better"


@pytest.mark.parametrize(("offset", "words"), [(0.8, "worse"), (-0.8, "better")])
def test_bias_is_flagged_with_its_direction(offset: float, words: str) -> None:
    assert f"biased: results are {words} than forecast" in summarise(forecasts(offset=offset)).flags
    turned = {"worse": "better", "better": "worse"}[words]
    assert f"biased: results are {turned} than forecast" in summarise(forecasts(offset=offset), {"score": -1.0}).flags


def test_scores_are_means_of_studies_not_of_numbers() -> None:
    rows = forecasts(studies=2, each=1)
    heavy = [replace(rows[0], score=1.0)] * 9 + [replace(rows[1], score=3.0)]
    assert summarise(heavy).interval_score.value == pytest.approx(2.0)


def test_diseases_count_alike() -> None:
    one = [replace(r, score=1.0) for r in forecasts(studies=3)]
    other = [replace(r, score=2.0) for r in forecasts(studies=30, disease="oa")]
    assert summarise([*one, *other]).interval_score.value == pytest.approx(1.5)


def test_the_ratio_is_taken_on_the_outcomes_a_baseline_has() -> None:
    cells = {NO_EFFECT: BaselineScore(4.0, 1.0, False)}
    rows = [replace(r, score=2.0, baselines=r.baselines | (cells if i < 6 else {})) for i, r in enumerate(forecasts())]
    found: Summary = summarise(rows)
    assert found.baselines[NO_EFFECT].ratio == pytest.approx(0.5) and found.baselines[NO_EFFECT].n_outcomes == 6
    assert found.baselines[LAST].n_vague == 120
    assert found.best_baseline == max((POOLED, LAST), key=lambda n: found.baselines[n].ratio)
    low, high = found.baselines[NO_EFFECT].ratio_ci
    assert low == pytest.approx(0.5) and high == pytest.approx(0.5)


def test_order_of_arms() -> None:
    base = forecasts(studies=1, each=1)[0]
    arms = [replace(base, target=target(0, "a"), cells=True, observed=3.0, expected=2.0),
            replace(base, target=target(0, "b"), cells=False, observed=1.0, expected=1.5),
            replace(base, target=target(0, "c"), cells=False, observed=2.0, expected=1.0)]
    found = summarise(arms)
    assert (found.sign.right, found.sign.of) == (2, 2)
    assert (found.ranking.right, found.ranking.of) == (2, 3)


def test_groups_are_complete() -> None:
    parts = by_group(forecasts(), lambda r: str(r.target.year % 2))
    assert set(parts) == {"0", "1"} and sum(s.n_outcomes for s in parts.values()) == 120


def test_the_informed_ratio_leaves_the_vague_default_out() -> None:
    rows = [replace(r, score=2.0, baselines={POOLED: BaselineScore(8.0 if i % 2 else 4.0, 1.0, bool(i % 2))})
            for i, r in enumerate(forecasts(each=2))]
    found = summarise(rows).baselines[POOLED]
    assert found.informed_ratio == pytest.approx(0.5) and found.ratio == pytest.approx(2 / 6)
    assert found.n_vague == len(rows) // 2


def test_few_studies_are_not_accused() -> None:
    assert summarise(forecasts(spread=0.1, studies=4)).flags == ()
