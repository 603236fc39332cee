"""What several tests share: one small forecast, really made."""

from __future__ import annotations

import pytest

from stroma.calibration.forecast import forecast
from stroma.calibration.prediction import Forecast, Settings

SMALL = Settings(draws=32, subjects=24, trials=300)


@pytest.fixture(scope="session")
def small_forecast() -> Forecast:
    """Return a forecast of NCT01539902 from the library's posterior, small enough for tests."""
    return forecast("NCT01539902", SMALL)
