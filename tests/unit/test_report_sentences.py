"""The sentences say what the numbers say, for this trial and for trials of another shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import fisher_exact

from stroma.calibration.prediction import Forecast, OutcomeForecast, Shift
from stroma.disease import known_diseases, load_disease
from stroma.report.assumptions import RecordFact
from stroma.report.labels import count, per_cent, shift_words
from stroma.report.sentences import (
    first_line,
    harmless_sentence,
    primaries,
    prior_sentence,
    pseudo_prospective,
    size_sentence,
    verdict_sentence,
    win_sentence,
)
from stroma.therapy import load_therapy
from stroma.trial.design import Arm, PlannedOutcome


def changed(found: Forecast, **fields: object) -> Forecast:
    """Return the forecast with fields of every outcome replaced."""
    return replace(found, outcomes=tuple(replace(o, **fields) for o in found.outcomes))


def test_first_line_gives_expected_and_published_numbers(small_forecast: Forecast) -> None:
    line = first_line(small_forecast)
    cells, control = primaries(small_forecast, small_forecast.designs[0])
    assert "25 patients planned (17 on hUC-MSC, 8 on Placebo)" in line
    assert f"{count(cells.median, 17)} of 17 on hUC-MSC" in line
    assert f"{count(control.median, 8)} of 8 on Placebo" in line
    assert small_forecast.current is not None
    assert per_cent(small_forecast.current.probability_of_success) in line
    assert "conducted in 18 patients (12 : 6)" in line and "9 of 12 on hUC-MSC against 5 of 6 on Placebo" in line
    assert line.endswith(".") and line.count(". ") == 0, "one sentence"


def test_first_line_gives_the_true_difference_and_its_statistic(small_forecast: Forecast) -> None:
    assert small_forecast.current is not None
    current = replace(small_forecast.current, difference=(-1.04, 1.26, 9.5))
    others = tuple(p for p in small_forecast.priors if p.prior != "current")
    line = first_line(replace(small_forecast, priors=(*others, current)))
    assert ", a true difference of 1.3 points (median; 90 % interval -1.0 to 9.5), and we give" in line
    assert "true difference" not in first_line(replace(small_forecast, priors=()))


@pytest.mark.parametrize(("fitted", "blinded"), [("2015-01-01", True), ("", True), ("", False)])
def test_nothing_is_said_of_series_where_none_was_fitted(small_forecast: Forecast, fitted: str, blinded: bool) -> None:
    manifest = dict(small_forecast.posterior.manifest) | {"msc_fitted_before": fitted}
    designs = tuple(replace(d, blinded=blinded) for d in small_forecast.designs)
    text = prior_sentence(replace(small_forecast, designs=designs,
                                  posterior=replace(small_forecast.posterior, manifest=manifest)))
    assert ("taken at face value" in text) == bool(fitted)
    assert ("enthusiastic prior is the same as the current one" in text) == (not fitted)
    assert ("but for the bias of patients who know their arm" in text) == (not blinded)


def test_no_prior_lets_the_cells_work_against_the_outcome(small_forecast: Forecast) -> None:
    for name in known_diseases():
        disease = load_disease(name)
        amplitude = disease.parameters[disease.amplitude]
        assert amplitude.lower > 0 and amplitude.distribution == "lognormal", name
    share = harmless_sentence(small_forecast)
    assert share.startswith("By assumption no prior lets the cells work against") and "at least 10 points" in share
    change = PlannedOutcome("change", "day 180", 180.0, "", "x", "sledai_2k")
    designs = tuple(replace(d, outcomes=(change,)) for d in small_forecast.designs)
    assert "“Better” is nearly certain" in harmless_sentence(replace(small_forecast, designs=designs))
    assert harmless_sentence(replace(small_forecast, priors=())) == ""


def test_an_active_comparator_may_be_better_than_the_cells(small_forecast: Forecast) -> None:
    def without_cyclophosphamide(arm: Arm) -> Arm:
        kept = tuple(t for t in arm.treatments if arm.control or t.therapy_id != "cyclophosphamide_iv")
        return replace(arm, treatments=kept)

    arms = tuple(map(without_cyclophosphamide, small_forecast.designs[0].arms))
    designs = (replace(small_forecast.designs[0], arms=arms), *small_forecast.designs[1:])
    assert "The arms differ" not in harmless_sentence(small_forecast), "a placebo is no drug"
    text = harmless_sentence(replace(small_forecast, designs=designs))
    assert f"The arms differ in {load_therapy('cyclophosphamide_iv').name} too" in text


@pytest.mark.parametrize(("observed", "words"), [(100.0, "both inside"), (0.0, "both outside")])
def test_first_line_judges_both_ways(small_forecast: Forecast, observed: float, words: str) -> None:
    wide = changed(small_forecast, observed=observed, pi90=(50.0, 100.0))
    assert words in first_line(wide)


def test_first_line_names_the_arm_that_is_outside(small_forecast: Forecast) -> None:
    outcomes = tuple(replace(o, observed=0.0 if o.control else o.median) for o in small_forecast.outcomes)
    assert "hUC-MSC inside, Placebo outside" in first_line(replace(small_forecast, outcomes=outcomes))


def test_a_trial_without_results_says_so(small_forecast: Forecast) -> None:
    unpublished = replace(changed(small_forecast, observed=None), published="", reports=())
    assert first_line(unpublished).endswith("the library holds no result of it.")
    reported = replace(unpublished, reports=small_forecast.reports)
    assert first_line(reported).endswith("of what its reports print nothing can be compared.")
    assert verdict_sentence(unpublished) == "" and win_sentence(unpublished) == ""
    assert "pseudo" not in pseudo_prospective(unpublished)


def test_a_dose_given_by_hand_does_not_hide_that_a_result_exists(small_forecast: Forecast) -> None:
    line = first_line(replace(changed(small_forecast, observed=None), published="", dose_given=True))
    assert line.endswith("the dose was given by hand, so that no published result is compared.")


@pytest.mark.parametrize(("studies", "said"), [([], False), (["old_series"], True)])
def test_a_cut_off_date_does_not_hide_what_has_no_date(small_forecast: Forecast, studies: list[str],
                                                       said: bool) -> None:
    manifest = dict(small_forecast.posterior.manifest) | {"undated_targets": studies}
    text = pseudo_prospective(replace(small_forecast, posterior=replace(small_forecast.posterior, manifest=manifest)))
    assert ("of old_series no source" in text) == said == ("year of publication" in text)


def test_an_active_comparator_is_never_called_placebo(small_forecast: Forecast) -> None:
    def arm(a: Arm) -> Arm:
        return replace(a, label="Cyclophosphamide") if a.control else a

    def outcome(o: OutcomeForecast) -> OutcomeForecast:
        return replace(o, arm="Cyclophosphamide") if o.control else o

    designs = tuple(replace(d, arms=tuple(map(arm, d.arms))) for d in small_forecast.designs)
    active = replace(small_forecast, designs=designs, outcomes=tuple(map(outcome, small_forecast.outcomes)))
    text = " ".join(f(active) for f in (first_line, size_sentence, win_sentence, verdict_sentence, pseudo_prospective))
    assert "lacebo" not in text and "Cyclophosphamide" in text


def test_size_sentence_agrees_with_simulated_tests(small_forecast: Forecast) -> None:
    sentence = size_sentence(small_forecast)
    control = primaries(small_forecast, small_forecast.designs[-1])[1]
    share = float(control.density.mean()) / 100
    rng = np.random.default_rng(1)
    p = {b: fisher_exact([[12, 0], [b, 6 - b]], alternative="greater").pvalue for b in range(7)}
    power = np.mean([p[b] < 0.025 for b in rng.binomial(6, share, 200_000)])
    stated = float(sentence.split("in only ")[1].split(" %")[0])
    assert stated == pytest.approx(100 * power, abs=1.0)
    assert sentence.startswith("18 patients (12 : 6) can show") and sentence.endswith(".")


def test_a_large_trial_can_show_a_difference(small_forecast: Forecast) -> None:
    designs = tuple(replace(d, arms=tuple(replace(a, n=300) for a in d.arms)) for d in small_forecast.designs)
    low = replace(changed(small_forecast, density=np.full(100, 40.0)), designs=designs)
    assert "can show a true rise from 40 % on Placebo to 52 % or more on hUC-MSC" in size_sentence(low)


def test_verdict_counts_the_ends_of_an_interval_as_inside(small_forecast: Forecast) -> None:
    at_end = changed(small_forecast, observed=100 * (5 / 12), pi90=(0.0, 500 / 12), pi50=(0.0, 10.0))
    assert "Outside" not in verdict_sentence(at_end)
    assert "0 inside their 50 % interval" in verdict_sentence(at_end)


def test_verdict_lists_what_is_missed(small_forecast: Forecast) -> None:
    missed = changed(small_forecast, observed=99.0, pi90=(1.0, 2.0), pi50=(1.2, 1.8))
    text = verdict_sentence(missed)
    assert text.startswith("0 of ") and text.count("published 99 %, above 1 to 2 %") >= 2


@pytest.mark.parametrize(("shift", "scale", "words"), [
    (Shift(83.14, -0.24, 0.06), 1.0, "83.1 (−0.2 ± 0.1)"), (Shift(0.018, 0.0002, 0.0001), 100.0, "1.8 (+0.02 ± 0.02)"),
    (Shift(81.0, 0.0, 0.0), 1.0, "81.0 (=)"), (None, 1.0, "")])
def test_a_shift_says_its_difference_and_two_errors(shift: Shift | None, scale: float, words: str) -> None:
    assert shift_words(shift, scale) == words


@pytest.mark.parametrize(("name", "words"), [
    ("uc_msc_allogeneic.thaw_state", "uc msc allogeneic: thaw state"), ("visits", "visits"),
    ("treatment: cyclophosphamide, 0.5 to 1 g/m2", "treatment: cyclophosphamide, 0.5 to 1 g/m2"),
    ("treatment: prednisone, tapered to 7.5 mg", "treatment: prednisone, tapered to 7.5 mg"),
    ("entry: upcr. A_b", "entry: upcr. A_b")])
def test_only_names_of_our_own_are_split_never_words_of_others(name: str, words: str) -> None:
    assert RecordFact(name, "", "", "", False).words == words
