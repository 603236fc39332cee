"""The table of the background check."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from stroma.calibration.crosscheck import FILE, CheckedArm, save_checks

ARM = CheckedArm("loto", "trial_a", "MMF arm (ref 3)", "overall_remission", 168.0, 40.0, False, "%", 50.0, 55.0, 48.0,
                 62.0, 40.0, 70.0, True, True, 30.0, 20.0, 90.0, 70.0, 210.0)


def test_a_kept_check_is_shown_as_a_row(tmp_path: Path) -> None:
    missed = replace(ARM, check="later", unit="change", observed=-9.0, inside_90=False, lo90=-8.0, median=-6.0,
                     hi90=-4.0)
    path = save_checks([ARM, missed], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [FILE]
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["check"] for r in rows] == ["loto", "later"] and float(rows[0]["reference_score"]) == 70
