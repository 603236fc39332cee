"""Effect sizes: variances against simulation, limits against exact probabilities, unusable rows named."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from stroma.errors import StromaError
from stroma.evidence import effect_sizes as es
from stroma.evidence.effect_sizes import EffectSizes
from stroma.streams import generator

DRAWS = 40_000


def assert_variance_holds(made: EffectSizes, tolerance: float) -> None:
    """The mean of the estimated variances is the variance of the effects, within ``tolerance``."""
    assert np.mean(made.variance) == pytest.approx(np.var(made.effect), rel=tolerance)


def arm(purpose: str, mean: float, sd: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of simulated arms."""
    x = generator(1, purpose).normal(mean, sd, size=(DRAWS, n))
    return x.mean(axis=1), x.std(axis=1, ddof=1)


def test_mean_difference_variance() -> None:
    m1, s1 = arm("md experimental", 3.0, 2.0, 12)
    m0, s0 = arm("md control", 1.0, 4.0, 7)
    made = es.mean_difference(m1, s1, 12, m0, s0, 7)
    assert_variance_holds(made, 0.03)
    assert np.mean(made.effect) == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize("delta", [0.0, 0.8])
def test_hedges_g_is_unbiased_and_its_variance_holds(delta: float) -> None:
    m1, s1 = arm("smd experimental", delta, 1.0, 10)
    m0, s0 = arm("smd control", 0.0, 1.0, 8)
    made = es.standardised_mean_difference(m1, s1, 10, m0, s0, 8)
    assert np.mean(made.effect) == pytest.approx(delta, abs=0.01)
    assert_variance_holds(made, 0.05)


def test_hedges_correction_is_near_its_approximation() -> None:
    df = np.arange(2, 200)
    np.testing.assert_allclose(es.hedges_correction(df), 1 - 3 / (4 * df - 1), rtol=0.025)
    assert es.hedges_correction(10) == pytest.approx(0.9227456, abs=1e-7)  # Hedges 1981, table 1


@pytest.mark.parametrize("measure", [es.log_risk_ratio, es.log_odds_ratio, es.risk_difference])
def test_two_by_two_variances(measure: Callable) -> None:
    rng = generator(2, "two by two")
    made = measure(rng.binomial(80, 0.45, DRAWS), 80, rng.binomial(60, 0.35, DRAWS), 60)
    assert_variance_holds(made, 0.05)
    assert not made.corrected.any()


def test_rate_variances() -> None:
    rng = generator(3, "rates")
    x1, x0 = rng.poisson(60, DRAWS), rng.poisson(40, DRAWS)
    assert_variance_holds(es.log_rate_ratio(x1, 100.0, x0, 90.0), 0.04)
    assert_variance_holds(es.log_rate(x1, 100.0), 0.04)


def test_single_arm_variances() -> None:
    events = generator(4, "proportions").binomial(60, 0.4, DRAWS)
    assert_variance_holds(es.logit_proportion(events, 60), 0.05)
    assert_variance_holds(es.freeman_tukey(events, 60), 0.03)
    m, s = arm("single mean", -4.0, 3.0, 9)
    assert_variance_holds(es.mean(m, s, 9), 0.03)


@pytest.mark.parametrize("r", [-0.3, 0.6])
def test_mean_change_variance(r: float) -> None:
    rng = generator(5, f"change {r}")
    before = rng.normal(10.0, 4.0, size=(DRAWS, 11))
    after = 6.0 + 0.5 * r * (before - 10.0) + rng.normal(0.0, 2.0 * np.sqrt(1 - r**2), size=before.shape)
    made = es.mean_change(after.mean(1), after.std(1, ddof=1), before.mean(1), before.std(1, ddof=1), 11, r,
                          "assumed: known in this simulation")
    assert_variance_holds(made, 0.04)
    assert "assumed: known" in made.notes[0]


def test_correlation_must_be_stated_and_possible() -> None:
    with pytest.raises(StromaError, match="E506"):
        es.mean_change(5, 2, 9, 3, 10, 0.5, " ")
    with pytest.raises(StromaError, match=r"1\.5 is outside"):
        es.mean_change(5, 2, 9, 3, 10, 1.5, "assumed")


@pytest.mark.parametrize("p", [0.003, 0.02, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("n", [6, 12, 40, 300])
def test_clopper_pearson_covers_whatever_the_truth(p: float, n: int) -> None:
    x = np.arange(n + 1)
    low, high = es.clopper_pearson(x, n)
    assert np.sum(stats.binom.pmf(x, n, p) * ((low <= p) & (p <= high))) >= 0.90
    inner = (x > 0) & (x < n)
    np.testing.assert_allclose(stats.binom.cdf(x[inner], n, high[inner]), 0.025, rtol=1e-8)
    np.testing.assert_allclose(stats.binom.sf(x[inner] - 1, n, low[inner]), 0.025, rtol=1e-8)


def test_zero_events_have_an_honest_upper_limit() -> None:
    low, high = es.clopper_pearson([0, 12], 12)
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert (1 - high[0]) ** 12 == pytest.approx(0.05)
    assert low[1] == pytest.approx(1 - high[0])
    assert es.clopper_pearson(0, 1000)[1][0] == pytest.approx(3 / 1000, rel=0.01)  # rule of three


def test_poisson_limits() -> None:
    low, high = es.poisson_limits([0, 5], [20.0, 10.0])
    assert (low[0], high[0]) == (0.0, pytest.approx(-np.log(0.05) / 20.0))
    assert stats.poisson.cdf(5, high[1] * 10) == pytest.approx(0.025)
    assert stats.poisson.sf(4, low[1] * 10) == pytest.approx(0.025)


@pytest.mark.parametrize("n", [5, 30, 400])
def test_double_arcsine_turns_back(n: int) -> None:
    x = np.arange(n + 1)
    back = es.back_transform("freeman_tukey", es.freeman_tukey(x, n).effect, n)
    np.testing.assert_allclose(back, x / n, atol=1e-7)


def test_back_transforms() -> None:
    made = es.logit_proportion([3, 9], 12)
    np.testing.assert_allclose(es.back_transform("logit_proportion", made.effect), [0.25, 0.75])
    assert es.back_transform("log_risk_ratio", np.log(0.5)) == pytest.approx(0.5)
    assert es.back_transform("mean_difference", -1.5) == -1.5
    with pytest.raises(StromaError, match="log_risk_ratio"):
        es.back_transform("log_risk_ration", 1.0)
    with pytest.raises(StromaError, match="sample sizes"):
        es.back_transform("freeman_tukey", 1.0)


def test_zero_counts_are_corrected_and_said() -> None:
    made = es.log_odds_ratio([0, 5, 0], 10, [3, 2, 0], 10)
    assert made.corrected.tolist() == [True, False, True]
    assert made.notes == ("row 2: the arms have no events, or nothing else: no information on a ratio",
                          "0.5 added in 2 of 3 studies with a zero count")
    assert made.effect[0] == pytest.approx(np.log(0.5 / 10.5) - np.log(3.5 / 7.5))


def test_all_impossible_rows_at_once() -> None:
    with pytest.raises(StromaError) as error:
        es.log_risk_ratio([19, 2, -1, 1.5], [18, 10, 10, 10], [1, 1, 1, 1], [10, 0, 10, 10])
    text = str(error.value)
    assert "row 0: 19 events in a smaller arm" in text
    assert "row 1: sample size 0 is below 1" in text
    assert "row 2: -1 is no count" in text
    assert "row 3: 1.5 is no count" in text
    with pytest.raises(StromaError, match="E503"):
        es.mean_difference(1, 0, 10, 1, 1, 10)
    with pytest.raises(StromaError, match="E504"):
        es.log_rate(3, -1)
    with pytest.raises(StromaError, match="E501"):
        es.log_rate([3, 4], [1, 2, 3])
