"""What a rebuild leaves alone: posteriors that today's tables and code would give again, of whatever settings."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from stroma.calibration.origin import EVERYTHING
from stroma.calibration.posterior import origin_file, save_posterior
from stroma.calibration.rounds import Settings
from stroma.calibration.targets import load_targets
from stroma.disease import load_disease
from stroma.engine.cpu import CpuBackend
from stroma.validation.rebuild import fit_origin, still_valid

SMALL = Settings(prior_draws=600, draws=700, subjects=16, rounds=6, seed=3)


def test_a_fit_of_other_settings_stays_until_a_number_that_it_read_changes(tmp_path: Path) -> None:
    shipped = load_disease("oa")
    knee = replace(shipped, folder=Path(shutil.copytree(shipped.folder, tmp_path / "oa")))
    listed, file = load_targets(knee), origin_file(EVERYTHING.label)
    save_posterior(fit_origin(knee, listed, EVERYTHING, SMALL, CpuBackend(None), tmp_path / "work"), knee.folder, file)
    assert still_valid(knee, listed, EVERYTHING, file)

    table = knee.folder / "targets.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    assert not still_valid(knee, load_targets(knee), EVERYTHING, file)
