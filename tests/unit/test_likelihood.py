"""The block likelihood against SciPy's multivariate normal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from scipy.stats import multivariate_normal

from stroma.calibration.likelihood import LOG_RATIO_SCALE, Likelihood, open_label_bias, open_label_shift
from stroma.calibration.targets import Target
from stroma.disease import Disease, load_disease
from stroma.library import library_root
from stroma.trial.rules import load_rules


def _target(study: str, outcome: str, kind: str, observed: float, n: float, se: float = np.nan) -> Target:
    return Target(f"{study}|{outcome}|{n}", study, study, study, "arm", outcome, kind,
                  "proteinuria_24h" if kind == "log_ratio" else "rule", 168.0, observed, se, n, False, "mmf", "mixed",
                  "", None, "fit_background", 2009, "fit", Path("x"), 1)


def test_density_equals_a_multivariate_normal_with_a_shared_study_effect():
    targets = [_target("a", "remission", "proportion", 0.6, 40), _target("a", "remission", "proportion", 0.5, 50),
               _target("a", "proteinuria", "log_ratio", -0.7, 40, 0.2),
               _target("b", "remission", "proportion", 0.8, 20)]
    predicted, spread = np.array([[0.2, 0.1, -0.5, 0.9]]), np.array([0.5])

    def share_variance(z: float, n: float) -> float:
        p = (expit(z) * n + 0.5) / (n + 1)
        return 1 / (n * p * (1 - p))

    def seen(share: float, n: float) -> float:
        return float(logit((share * n + 0.5) / (n + 1)))

    pair = multivariate_normal.logpdf(
        [seen(0.6, 40), seen(0.5, 50)], [0.2, 0.1],
        np.diag([share_variance(0.2, 40), share_variance(0.1, 50)]) + 0.25)
    ratio = multivariate_normal.logpdf([-0.7], [-0.5], [[0.04 + (0.5 * LOG_RATIO_SCALE) ** 2]])
    other = multivariate_normal.logpdf([seen(0.8, 20)], [0.9], [[share_variance(0.9, 20) + 0.25]])
    likelihood = Likelihood(load_disease("sle"), targets)
    assert likelihood.trials == ("a", "b")
    np.testing.assert_allclose(likelihood.by_trial(predicted, spread)[0], [pair + ratio, other], rtol=1e-12)


def test_a_shift_moves_the_prediction():
    targets = [_target("a", "remission", "proportion", 0.6, 40)]
    likelihood, spread = Likelihood(load_disease("sle"), targets), np.array([0.3])
    moved = likelihood.by_trial(np.array([[0.1]]), spread, np.array([[0.4]]))
    np.testing.assert_allclose(moved, likelihood.by_trial(np.array([[0.5]]), spread), rtol=1e-12)


def test_who_knows_the_treatment_reports_more_remissions_fewer_relapses_and_the_same_image():
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    lupus, knee = load_disease("sle"), load_disease("oa")
    values = {"open_label_response": np.array([0.4]), "open_label_pain": np.array([-7.0])}

    def bias(disease: Disease, kind: str, quantity: str) -> float:
        return open_label_bias(disease, rules, kind, quantity, values)[0]

    assert bias(lupus, "proportion", "ln_deng_remission") == 0.4
    assert bias(lupus, "hazard", "sle_relapse") == -0.4
    assert bias(knee, "change", "pain") == -7.0
    assert bias(knee, "change", "koos_pain") == 0.4 * knee.measures["koos_pain"].study_scale
    assert bias(knee, "change", "cartilage_thickness") == 0.0
    told = replace(_target("a", "relapse", "hazard", 0.2, 30), quantity="sle_relapse", blinding="open_label")
    assert open_label_shift(lupus, rules, told, values)[0] == -0.4
    assert open_label_shift(lupus, rules, replace(told, blinding="double_blind"), values)[0] == 0.0
