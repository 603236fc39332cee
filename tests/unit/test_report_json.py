"""The JSON object: exactly these keys, plain numbers, the same bytes for the same seed."""

from __future__ import annotations

import json

from stroma.calibration.forecast import forecast
from stroma.calibration.prediction import Forecast
from stroma.report.json_output import forecast_json, forecast_object

KEYS = {"record", "disease", "simulated", "outcomes", "probability_of_success", "probability_of_success_missing",
        "scenarios", "difference_unit", "published_results", "notes", "doubts",
        "probability_true_difference_at_least_10_points", "priors", "posterior", "run_folder"}


def test_keys_are_exactly_as_documented(small_forecast: Forecast) -> None:
    said = json.loads(forecast_json(small_forecast, "runs/x"))
    assert set(said) == KEYS
    design = small_forecast.designs[0]
    assert said["notes"] == list(design.notes) and said["doubts"] == list(design.doubts)
    assert said["simulated"] is True and said["run_folder"] == "runs/x" and said["record"] == "NCT01539902"
    assert set(said["posterior"]) == {"hash", "background_fitted_before", "msc_fitted_before", "fitted_before",
                                      "target_ids"}
    for outcome in said["outcomes"]:
        assert set(outcome) == {"variant", "outcome", "visit_day", "arm", "statistic", "predicted", "observed",
                                "inside_pi90"}
        assert set(outcome["predicted"]) == {"median", "pi50", "pi90"}
    assert {o["variant"] for o in said["outcomes"]} == {"planned", "conducted"}
    assert set(said["priors"]) == {"none", "sceptical", "current", "enthusiastic"}
    assert said["priors"]["current"]["probability_of_success"] == said["probability_of_success"]


def test_no_target_of_the_trial_itself_was_fitted(small_forecast: Forecast) -> None:
    assert not [t for t in forecast_object(small_forecast, "")["posterior"]["target_ids"] if t.startswith("deng2017")]


def test_intervals_are_nested_and_rounded(small_forecast: Forecast) -> None:
    for outcome in forecast_object(small_forecast, "")["outcomes"]:
        (a, d), (b, c), m = outcome["predicted"]["pi90"], outcome["predicted"]["pi50"], outcome["predicted"]["median"]
        assert a <= b <= m <= c <= d
        assert all(x == float(f"{x:.6g}") for x in (a, b, c, d, m))


def test_same_seed_same_bytes(small_forecast: Forecast) -> None:
    again = forecast("NCT01539902", small_forecast.settings)
    assert forecast_json(again, "r") == forecast_json(small_forecast, "r")
