"""pool(): inputs, kinds of evidence, small k, and identities that hold for every data set."""

import math

import numpy as np
import pytest

from stroma.errors import StromaError
from stroma.evidence.pooling import pool
from stroma.evidence.pooling.heterogeneity import TAU2_METHODS
from stroma.evidence.pooling.weighted import weighted_fit

EFFECT = [0.3, -0.2, 0.9, 0.1, 1.4, 0.6]
VARIANCE = [0.04, 0.09, 0.05, 0.20, 0.11, 0.02]


def codes(error: pytest.ExceptionInfo[StromaError]) -> list[str]:
    return [d.code for d in error.value.diagnostics]


def test_every_unusable_row_is_named() -> None:
    with pytest.raises(StromaError) as error:
        pool([0.1, math.nan, 0.3, math.inf], [0.1, 0.1, 0.0, -1.0])
    assert codes(error) == ["E522", "E522", "E523", "E523"]
    assert "row 2" in str(error.value)


@pytest.mark.parametrize(("effect", "variance", "code"), [([], [], "E524"), ([1.0, 2.0], [1.0], "E521")])
def test_shapes(effect: list[float], variance: list[float], code: str) -> None:
    with pytest.raises(StromaError) as error:
        pool(effect, variance)
    assert codes(error) == [code]


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(StromaError, match="reml"):
        pool(EFFECT, VARIANCE, "remll")
    with pytest.raises(StromaError, match="hksj"):
        pool(EFFECT, VARIANCE, interval="hks")
    with pytest.raises(StromaError, match="E528"):
        pool(EFFECT, VARIANCE, level=95)


def test_controlled_and_uncontrolled_are_not_mixed() -> None:
    with pytest.raises(StromaError) as error:
        pool(EFFECT, VARIANCE, kind=["placebo"] * 5 + ["uncontrolled"])
    assert codes(error) == ["E527"]
    assert "5 controlled, 1 uncontrolled" in str(error.value)


def test_active_comparators_are_not_placebo() -> None:
    with pytest.raises(StromaError, match="E527"):
        pool(EFFECT, VARIANCE, kind=["placebo"] * 3 + ["active"] * 3)
    mixed = pool(EFFECT, VARIANCE, kind=["placebo"] * 3 + ["background"] * 3)
    assert mixed.kind == "background + placebo"
    assert "did not say" in " ".join(pool(EFFECT, VARIANCE).notes)


def test_one_study_is_itself() -> None:
    one = pool([0.5], [0.04])
    assert (one.estimate, one.se, one.prediction_interval) == (0.5, 0.2, None)
    assert math.isnan(one.tau2)
    assert one.interval == "z"


@pytest.mark.parametrize("k", [2, 3, 4])
def test_few_studies_say_what_cannot_be_known(k: int) -> None:
    assert f"k = {k}: the spread between studies cannot be known" in pool(EFFECT[:k], VARIANCE[:k]).notes[0]
    assert not any(n.startswith("k = ") for n in pool(EFFECT[:5], VARIANCE[:5]).notes)


@pytest.mark.parametrize("method", TAU2_METHODS)
def test_identical_effects_have_no_spread(method: str) -> None:
    result = pool([0.5] * 6, VARIANCE, method)
    assert result.tau2 == 0.0
    assert result.estimate == pytest.approx(0.5, abs=1e-15)
    assert result.tau2_ci == (0.0, 0.0)


def test_weights_sum_to_100_and_make_the_estimate() -> None:
    result = pool(EFFECT, VARIANCE)
    assert sum(result.weights) == pytest.approx(100.0)
    assert np.dot(result.weights, EFFECT) / 100.0 == pytest.approx(result.estimate)


def test_floor_never_narrows() -> None:
    close = [0.30, 0.31, 0.29, 0.32, 0.30, 0.30]
    floored, free, t = (pool(close, VARIANCE, interval=i) for i in ("hksj", "hksj_no_floor", "t"))
    assert free.se < floored.se == t.se
    assert any("raised to 1" in n for n in floored.notes)


def test_reml_and_ml_maximise_their_likelihood() -> None:
    y, v, design = np.array([EFFECT]), np.array([VARIANCE]), np.ones((6, 1))
    for method, restricted in (("reml", True), ("ml", False)):
        found = TAU2_METHODS[method](y, v, design)
        best = weighted_fit(y, v, found, design).log_likelihood(restricted)[0]
        around = [weighted_fit(y, v, np.array([t]), design).log_likelihood(restricted)[0]
                  for t in np.linspace(0, 5, 501)]
        assert best >= max(around)
        assert best - max(around) < 1e-3


def test_estimators_work_on_many_data_sets_at_once() -> None:
    rng = np.random.default_rng(3)
    y, v, design = rng.normal(size=(7, 9)), rng.uniform(0.1, 2.0, size=(7, 9)), np.ones((9, 1))
    for method in TAU2_METHODS.values():
        together = method(y, v, design)
        apart = [method(y[i:i + 1], v[i:i + 1], design)[0] for i in range(7)]
        np.testing.assert_allclose(together, apart, rtol=1e-9, atol=1e-12)
