"""A disease folder: what is refused, each with file and line, and all at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from stroma.disease import load_disease
from stroma.errors import Diagnostic, StromaError
from stroma.library import library_root


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of what a disease needs, free to be spoilt."""
    for part in ("vocabulary", "modules", "diseases"):
        shutil.copytree(library_root() / part, tmp_path / part)
    return tmp_path


def spoil(library: Path, name: str, before: str, after: str) -> int:
    """Replace the first occurrence in a file of the disease; return its line."""
    path = library / "diseases" / "sle" / name
    text = path.read_text(encoding="utf-8")
    assert before in text, f"{name} has no {before!r}"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    return text[: text.index(before)].count("\n") + 1


def diagnostics(library: Path, disease: str = "sle") -> list[Diagnostic]:
    with pytest.raises(StromaError) as caught:
        load_disease(disease, library)
    return list(caught.value.diagnostics)


def test_the_lupus_folder_is_sound() -> None:
    disease = load_disease("sle")
    assert disease.defaults.shape == (len(disease.model.parameters),)
    assert np.all(np.isfinite(disease.defaults))
    stages = [set(disease.fitted_in(stage)) for stage in ("background", "msc", "nothing")]
    assert set().union(*stages) == set(disease.uncertain) and sum(map(len, stages)) == len(disease.uncertain)


def test_published_regions_have_a_meaning() -> None:
    disease = load_disease("sle")
    assert disease.region("Hong Kong") == "east_asia" and disease.region("Narnia") == ""


def test_an_unknown_disease_is_named_with_the_nearest() -> None:
    (only,) = diagnostics(library_root(), "slee")
    assert only.code == "D001" and "`sle`" in only.hint


@pytest.mark.parametrize(("before", "after", "message"), [
    ("model,antibody_k_complex,0.0116,", "model,antibody_k_complex,0.116,", "outside its own range"),
    ("lognormal,0.7,msc,", "lognormal,0,msc,", "without spread"),
    ("lognormal,0.7,msc,", "lognormal,0.7,,", "fitted in"),
    (",assumed,assumed,half of the steroid effect at 15 mg prednisone a day", ",assumed,assumed,", "without a reason"),
    ("host_by_apoptosis,0,ratio,0,1,switch,0.5,msc", "host_by_apoptosis,0,ratio,0,1,switch,,msc", "no prior weight"),
    ("host_by_apoptosis,0,ratio,0,1,switch,0.5,msc", "host_by_apoptosis,0.5,ratio,0,1,switch,0.5,msc", "not 0 or 1"),
    ("host_by_apoptosis,0,ratio,0,1,switch,0.5,msc", "host_by_apoptosis,0,ratio,0,1,switch,0.5,background",
     "fitted in `background`")])
def test_a_row_that_contradicts_itself(library: Path, before: str, after: str, message: str) -> None:
    line = spoil(library, "parameters.csv", before, after)
    (only,) = diagnostics(library)
    assert (only.code, only.line) == ("D003", line) and message in only.message
    assert only.file is not None and only.file.name == "parameters.csv"


def test_a_number_of_the_modules_serves_every_disease_until_one_says_otherwise(library: Path) -> None:
    shared, own = library / "modules" / "parameters.csv", library / "diseases" / "sle" / "parameters.csv"
    assert load_disease("sle", library).parameters["msc_k_death"].file == shared
    row = next(r for r in shared.read_text(encoding="utf-8").splitlines() if r.startswith("model,msc_k_death,"))
    own.write_text(own.read_text(encoding="utf-8") + row.replace(",0.693,", ",1.0,") + "\n", encoding="utf-8")
    changed = load_disease("sle", library).parameters["msc_k_death"]
    assert (changed.value, changed.file) == (1.0, own)
    assert "serum_k_crp" not in load_disease("sle", library).parameters  # no module of this model names it


def test_a_link_to_nothing(library: Path) -> None:
    line = spoil(library, "baselines.csv", "kidney_upcr_baseline", "kidney_upcr_baselin")
    (only,) = diagnostics(library)
    assert (only.code, only.line) == ("D004", line) and "`kidney_upcr_baseline`" in only.hint


def test_broken_configuration(library: Path) -> None:
    spoil(library, "disease.toml", 'id = "sle"', "id = sle")
    assert "D002" in {d.code for d in diagnostics(library)}


def test_a_missing_table(library: Path) -> None:
    (library / "diseases" / "sle" / "correlations.csv").unlink()
    (only,) = diagnostics(library)
    assert only.code == "D002" and "correlations.csv" in only.message


def test_problems_of_text_and_tables_come_together(library: Path) -> None:
    moved = spoil(library, "parameters.csv", "model,serum_gain,", "model,serum_gian,")
    spoil(library, "correlations.csv", "c3,anti_dsdna", "c3,anti_dnads")
    found = diagnostics(library)
    assert {"M012", "M013", "D004"} <= {d.code for d in found}
    row = next(d for d in found if d.code == "M013")
    assert row.line == moved and "`serum_gain`" in row.hint
    symbol = next(d for d in found if d.code == "M012")
    assert symbol.file is not None and symbol.file.name == "complement.ant" and symbol.line == 7
