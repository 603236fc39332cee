"""The same seed gives the same forecast to the byte, whatever the workers; another seed another."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from stroma.calibration.forecast import forecast
from stroma.calibration.prediction import Forecast, Settings
from stroma.engine.cpu import CpuBackend
from stroma.report.json_output import forecast_json
from stroma.report.terminal import forecast_view
from stroma.therapy import CellDose

SMALL = Settings(draws=24, subjects=20, trials=200, seed=3)


@pytest.fixture(scope="module")
def alone() -> Forecast:
    return forecast("NCT01539902", SMALL, backend=CpuBackend(1))


def test_workers_change_no_byte(alone: Forecast) -> None:
    pair = forecast("NCT01539902", SMALL, backend=CpuBackend(2))
    assert forecast_json(pair, "run") == forecast_json(alone, "run")
    assert pair.pool_key == alone.pool_key
    assert all((a.quantiles == b.quantiles).all() for a, b in zip(pair.bands, alone.bands, strict=True))


def test_small_letters_name_the_same_record(alone: Forecast) -> None:
    assert forecast_json(forecast(" nct01539902", SMALL, backend=CpuBackend(1)), "run") == forecast_json(alone, "run")


def test_another_seed_is_another_forecast(alone: Forecast) -> None:
    other = forecast("NCT01539902", Settings(24, 20, 200, 4), backend=CpuBackend(1))
    assert forecast_json(other, "run") != forecast_json(alone, "run") and other.pool_key != alone.pool_key


def test_a_dose_given_by_hand_is_compared_with_nothing(alone: Forecast) -> None:
    given = forecast("NCT01539902", SMALL, dose=CellDose(1e6, True), backend=CpuBackend(1))
    assert given.dose_given and not alone.dose_given
    assert all(o.observed is None for o in given.outcomes) and any(o.observed is not None for o in alone.outcomes)
    assert given.pool_key != alone.pool_key and any("by hand" in note for note in given.notes)


def test_by_default_the_delivered_error_is_checked_and_kept(alone: Forecast) -> None:
    watched = forecast("NCT01539902", SMALL)
    assert forecast_json(watched, "run") == forecast_json(alone, "run")
    assert alone.checked is None and watched.checked is not None
    patients = SMALL.draws * SMALL.subjects * len(watched.designs[0].arms)
    assert watched.checked.n_subject == patients and watched.checked.n_checked >= patients / 100
    assert 0 < watched.checked.error < 1e-4 and watched.checked.n_failed == 0
    shown = StringIO()
    Console(file=shown, width=200).print(forecast_view(watched))
    assert "Solver: delivered error at most" in shown.getvalue()
