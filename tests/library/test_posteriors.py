"""The posteriors that the library ships: of today's tables, resting on enough draws, smoothed without error."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from stroma.calibration.background import SETTLED
from stroma.calibration.fingerprint import data_hash
from stroma.calibration.posterior import FILE, PRIORS, Posterior, load_posterior
from stroma.calibration.rounds import MIN_EFFECTIVE_SIZE
from stroma.calibration.targets import load_targets
from stroma.disease import Disease, known_diseases, load_disease
from stroma.report.validation_page import read_notes
from stroma.validation.plan import rolling_plan

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def kept(disease: Disease) -> dict[str, Posterior]:
    files = sorted((disease.folder / "posteriors").glob("*.parquet"))
    return {p.stem: load_posterior(disease, f"posteriors/{p.name}") for p in files}


@pytest.fixture(scope="module", params=known_diseases())
def disease(request: pytest.FixtureRequest) -> Disease:
    return load_disease(request.param)


def test_every_origin_has_its_posterior_or_the_page_says_which_has_not(disease: Disease) -> None:
    plan = rolling_plan(disease, load_targets(disease))
    wanted = {t.origin.label for t in plan.tasks} | {"current"}
    assert set(kept(disease)) <= wanted and "current" in kept(disease)
    said = read_notes(disease.disease_id).get(disease.disease_id, "")
    for label in wanted - set(kept(disease)):
        assert f"before {label.removeprefix('before-')[:4]}" in said, label


def test_each_is_of_todays_tables_and_rests_on_enough_draws(disease: Disease) -> None:
    for label, posterior in {"retrospective": load_posterior(disease, FILE), **kept(disease)}.items():
        assert posterior.manifest["data_hash"] == data_hash(disease), label
        assert posterior.effective_size() >= MIN_EFFECTIVE_SIZE, label
        for prior in PRIORS:  # the others are shown beside their effective draws
            assert posterior.effective_size(prior) >= 0.5 * MIN_EFFECTIVE_SIZE, (label, prior)


def test_no_emulator_is_off_by_a_sampling_error_where_its_posterior_lies(disease: Disease) -> None:
    for label, posterior in {"retrospective": load_posterior(disease, FILE), **kept(disease)}.items():
        for stage, worst in posterior.manifest["smoothing_error"].items():
            assert abs(worst.get("sampling_errors", 0.0)) < 1.0, (label, stage, worst)
        assert posterior.manifest["overlap"]["background"] >= SETTLED, (label, "its last round still moved it")


def test_the_changelog_names_the_numbers_of_today(disease: Disease) -> None:
    """Whoever changes a posterior has to write its hash under *Numbers*, beside what moved and why."""
    rolling = hashlib.sha256("".join(p.content_hash for p in kept(disease).values()).encode()).hexdigest()[:16]
    numbers = CHANGELOG.read_text(encoding="utf-8").partition("### Numbers")[2]
    row = re.search(rf"^\| {disease.disease_id} \| `(\w+)` \| `(\w+)` \|$", numbers, re.MULTILINE)
    assert row and row.groups() == (load_posterior(disease, FILE).content_hash, rolling), (
        f"| {disease.disease_id} | `{load_posterior(disease, FILE).content_hash}` | `{rolling}` |")
