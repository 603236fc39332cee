"""A trial decided by a mean change: the tests are SciPy's, the power that of the closed form, the level is kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind
from statsmodels.stats.power import TTestIndPower, TTestPower

from stroma.calibration.prediction import ALPHA, Settings
from stroma.calibration.replicates import replicate_change
from stroma.expression import parse
from stroma.streams import generator
from stroma.trial.conduct import PotentialOutcomes
from stroma.trial.design import Arm, EntryCriteria, EntryCriterion, PlannedOutcome, TrialDesign
from stroma.trial.mean_change import Moments, paired, welch

DRAWS, SUBJECTS, TRIALS = 100, 400, 4000


def moments(*samples: np.ndarray) -> Moments:
    return Moments(np.array([s.mean() for s in samples]), np.array([s.var(ddof=1) for s in samples]),
                   np.array([s.size for s in samples]))


def pool(effect: float, sd: float = 1.0) -> PotentialOutcomes:
    """Normal changes with the same SD in both arms; those with cells (arm 0) gain ``effect``."""
    rng = generator(5, "a pool of normal changes")
    change = sd * rng.standard_normal((DRAWS, SUBJECTS))
    change = (change - change.mean(axis=1, keepdims=True)) / change.std(axis=1, keepdims=True) * sd
    values = np.zeros((2, DRAWS, SUBJECTS, 2))
    values[0, :, :, 1], values[1, :, :, 1] = change + effect, change
    return PotentialOutcomes(np.array([0.0, 180.0]), np.ones((DRAWS, SUBJECTS), bool), {}, {"y": values},
                             np.full(DRAWS, 1e-9), np.zeros(DRAWS))


def design(*sizes: int) -> TrialDesign:
    arms = tuple(Arm(f"arm {i}", i == 1, n, ()) for i, n in enumerate(sizes))
    outcome = PlannedOutcome("y", "day 180", 180.0, "", "", "y")
    entry = EntryCriteria((EntryCriterion(parse("y >= 0"), "", ""),))
    return TrialDesign("", "", "planned", "", "", (), arms, (0.0, 180.0), (outcome,), entry, True, (), ())


def success(effect: float, improves: int, *sizes: int) -> float:
    found = replicate_change("current", design(*sizes), pool(effect), improves, 1.0, np.ones(DRAWS),
                             Settings(DRAWS, SUBJECTS, TRIALS, 3))
    return float(found.success.mean())


def test_welch_and_paired_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    for n_a, n_b, sd in [(5, 9, 3.0), (30, 12, 0.5), (2, 3, 1.0)]:
        a, b = rng.normal(0.4, 1.0, n_a), rng.normal(0.0, sd, n_b)
        want = ttest_ind(a, b, equal_var=False)
        found = welch(moments(a), moments(b))
        assert found.p_above(1)[0] == pytest.approx(ttest_ind(a, b, equal_var=False, alternative="greater").pvalue)
        assert found.p_above(-1)[0] == pytest.approx(ttest_ind(a, b, equal_var=False, alternative="less").pvalue)
        interval = want.confidence_interval(0.95)
        assert found.width[0] == pytest.approx(interval.high - interval.low)
        assert paired(moments(a)).p_above(1)[0] == pytest.approx(ttest_1samp(a, 0.0, alternative="greater").pvalue)


def test_with_too_few_patients_nothing_is_shown() -> None:
    one = Moments(np.array([2.0]), np.array([np.nan]), np.array([1]))
    assert welch(one, one).p_above(1)[0] == 1.0 and paired(one).p_above(1)[0] == 1.0


@pytest.mark.parametrize(("effect", "sizes"), [(0.5, (25, 25)), (0.8, (17, 8)), (0.3, (100, 100))])
def test_success_is_the_power_of_normal_data(effect: float, sizes: tuple[int, int]) -> None:
    want = TTestIndPower().power(effect, sizes[0], ALPHA, ratio=sizes[1] / sizes[0], alternative="larger")
    error = np.sqrt(want * (1 - want) / TRIALS)
    assert success(effect, 1, *sizes) == pytest.approx(want, abs=4 * error + 0.01)


def test_success_of_one_arm_is_the_power_of_the_paired_test() -> None:
    want = TTestPower().power(0.7, 15, ALPHA, alternative="larger")
    assert success(0.7, 1, 15) == pytest.approx(want, abs=4 * np.sqrt(want * (1 - want) / TRIALS) + 0.01)


def test_the_level_is_kept_and_the_direction_counts() -> None:
    assert success(0.0, 1, 25, 25) == pytest.approx(ALPHA, abs=0.012)
    assert success(0.8, -1, 25, 25) < 0.01, "where lower is better, a rise does not win"
    assert success(-0.8, -1, 25, 25) > 0.7


def test_the_truth_is_in_units_and_none_when_the_cells_do_nothing() -> None:
    settings = Settings(DRAWS, SUBJECTS, 200, 3)
    found = replicate_change("current", design(25, 25), pool(0.5, 2.0), 1, 1.0, np.ones(DRAWS), settings)
    assert found.truth == pytest.approx(np.full(DRAWS, 0.5)) and not found.share
    idle = replicate_change("none", design(25, 25), pool(0.5, 2.0), 1, 1.0, np.ones(DRAWS), settings)
    assert (idle.truth == 0).all() and not idle.wrong_sign.any()
