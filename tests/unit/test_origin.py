"""What a fit may see at an origin, and the door that enforces it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from stroma.calibration.background import fit_background
from stroma.calibration.fit import calibrate
from stroma.calibration.origin import (
    EVERYTHING,
    RETROSPECTIVE,
    fit_side,
    has_cells,
    require_fit_side,
    rolling_origin,
    without,
)
from stroma.calibration.rounds import Checkpoints, Settings
from stroma.calibration.targets import TargetList, load_targets
from stroma.disease import Disease, load_disease
from stroma.errors import StromaError

NO_ENGINE = cast(Any, None)  # the door is before the engine


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


@pytest.fixture(scope="module")
def listed(disease: Disease) -> TargetList:
    return load_targets(disease)


def codes(error: pytest.ExceptionInfo[StromaError]) -> set[str]:
    return {d.code for d in error.value.diagnostics}


@pytest.mark.parametrize("year", [2010, 2014, 2017, 2022])
def test_an_origin_sees_every_earlier_whole_family_and_nothing_else(disease: Disease, listed: TargetList,
                                                                    year: int) -> None:
    background, cells = fit_side(disease, listed, rolling_origin(year, listed.targets))
    later = {t.family for t in listed.targets if t.year >= year}
    assert {t.target_id for t in (*background, *cells)} == {
        t.target_id for t in listed.targets if 0 < t.year < year and t.family not in later}
    assert all(has_cells(disease, t) for t in cells) and not any(has_cells(disease, t) for t in background)


def test_validation_rows_of_earlier_years_become_fit_rows(disease: Disease, listed: TargetList) -> None:
    background, cells = fit_side(disease, listed, rolling_origin(2018, listed.targets))
    own = [t for t in (*background, *cells) if t.study_id == "deng2017"]
    assert {t.role for t in own} == {"validate_msc"}
    assert any(t in cells for t in own) and any(t in background for t in own)


def test_the_family_of_a_forecast_series_stays_out_whole(listed: TargetList) -> None:
    """The Nanjing series of 2010 and 2013 share patients with that of 2014."""
    assert "nanjing" in rolling_origin(2014, listed.targets).without
    assert "nanjing" not in rolling_origin(2015, listed.targets).without


def test_a_fit_that_touches_a_row_at_or_after_its_origin_is_refused(disease: Disease, listed: TargetList,
                                                                    tmp_path: Path) -> None:
    origin = rolling_origin(2016, listed.targets)
    seen, _ = fit_side(disease, listed, origin)
    late = next(t for t in listed.targets if t.study_id == "rathi2016")
    undated = next(t for t in listed.targets if t.year == 0)
    for guilty in (late, undated, replace(late, family="another")):
        with pytest.raises(StromaError) as raised:
            fit_background(disease, [*seen, guilty], Settings(), NO_ENGINE, Checkpoints(tmp_path, "x"), None, origin)
        assert codes(raised) <= {"C011", "C012"} and guilty.target_id in str(raised.value)
    assert not list((tmp_path / "x").iterdir()), "nothing was simulated"


def test_a_fit_that_touches_a_family_left_out_is_refused(listed: TargetList) -> None:
    guilty = [t for t in listed.targets if t.family == "nanjing"]
    with pytest.raises(StromaError) as raised:
        require_fit_side(guilty, without(EVERYTHING, ["nanjing"]))
    assert codes(raised) == {"C012"} and len(raised.value.diagnostics) == len(guilty), "every row is named"
    require_fit_side(guilty, EVERYTHING)


def test_the_retrospective_fit_refuses_a_smuggled_row(disease: Disease, listed: TargetList, tmp_path: Path) -> None:
    own = replace(next(t for t in listed.targets if t.study_id == "deng2017"), role="fit_background")
    with pytest.raises(StromaError) as raised:
        calibrate(disease, NO_ENGINE, Settings(), tmp_path, targets=TargetList((*listed.targets, own), ()),
                  origin=RETROSPECTIVE)
    assert codes(raised) == {"C011"}
