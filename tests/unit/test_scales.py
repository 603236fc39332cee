"""What the clinic makes of a measure: composite scales, placebo response, the range of an instrument."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from stroma.disease import Disease, load_disease
from stroma.engine.ensemble import Status
from stroma.errors import Diagnostic, StromaError
from stroma.library import library_root
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import build_subjects
from stroma.trial.observe import Quantities, observe
from stroma.trial.pool import Pool, needed_outputs

DAYS = np.array([0.0, 28, 84, 168])
SCALES = "outcome_id,formula,source\nload,upcr + 2*sqrt(c3),made up\nload_change,load - load0,made up\n"
PLACEBO = "outcome_id,parameter_id,source\nc4,drug_response,any parameter serves\n"
INSTRUMENTS = "outcome_id,lower,upper,step,source\nserum_albumin,20,35,5,made up\nupcr,1,,,made up\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for part in ("vocabulary", "modules", "diseases"):
        shutil.copytree(library_root() / part, tmp_path / part)
    return tmp_path


def disease_with(library: Path, setting: str = "", **tables: str) -> Disease:
    folder = library / "diseases" / "sle"
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    with (folder / "disease.toml").open("a", encoding="utf-8") as stream:
        stream.write(setting)
    return load_disease("sle", library)


def seen_at_rest(disease: Disease, count: int = 400) -> Quantities:
    number = np.arange(count)
    people = build_subjects(disease, sample_baselines(disease, "new", 3, number), {}, 3, number, {})
    states = {name: np.full((count, DAYS.size), 30.0 if name == "albumin" else 1.0)
              for name in needed_outputs(disease)}
    return observe(disease, Pool(people, DAYS, states, np.full(count, Status.OK, np.int8), "rest"), 3)


def refused(library: Path, **tables: str) -> list[Diagnostic]:
    with pytest.raises(StromaError) as caught:
        disease_with(library, **tables)
    return list(caught.value.diagnostics)


def test_a_scale_is_composed_of_measures_of_the_same_visit_and_of_the_baseline(library: Path) -> None:
    seen = seen_at_rest(disease_with(library, scales=SCALES))
    want = seen["upcr"] + 2 * np.sqrt(seen["c3"])
    assert np.std(want[:, 1]) > 0.1 and np.array_equal(seen["load"], want)
    assert np.array_equal(seen["load_change"], want - want[:, :1])


@pytest.mark.parametrize(("row", "code", "hint"), [
    ("load,upcr + c33,made up", "E305", "`c3`"), ("load,loads0,made up", "E305", ""),
    ("load,upcr +,made up", "E301", ""), ("load,upcr > 1,made up", "D005", ""),
    ("c3,2*c4,made up", "D005", "")])
def test_a_scale_that_cannot_be_read_is_named_with_its_line(library: Path, row: str, code: str, hint: str) -> None:
    (only,) = refused(library, scales=f"outcome_id,formula,source\nfine,2*c3,made up\n{row}\n")
    assert (only.code, only.line) == (code, 3) and hint in only.hint
    assert only.file is not None and only.file.name == "scales.csv"


def test_problems_of_all_optional_tables_come_together(library: Path) -> None:
    found = refused(library, scales="outcome_id,formula,source\na,c33,s\nb,c44,s\n",
                    instruments="outcome_id,lower,upper,step,source\nupcrr,0,,,s\n",
                    placebo="outcome_id,parameter_id,source\nc4,drug_respnse,s\n")
    assert [d.code for d in found] == ["D004", "D004", "D002", "E305", "E305"]
    assert "`upcr`" in found[0].hint and "`drug_response`" in found[1].hint


def test_an_instrument_shows_its_range_and_step(library: Path) -> None:
    seen = seen_at_rest(disease_with(library, instruments=INSTRUMENTS))
    assert set(np.unique(seen["serum_albumin"])) == {25.0, 30.0, 35.0}
    assert seen["upcr"].min() == 1.0 and seen["upcr"].max() > 1.5


def test_the_placebo_response_has_its_half_life_and_the_patients_own_size(library: Path) -> None:
    """The ln factor is -effect * covariate * (1 - 2^(-t / half-life)); here the effect is 1, the covariate C3."""
    setting = '\n[placebo]\nhalf_life_day = 28\ncovariate = "c3"\nsource = "made up"\n'
    calm, moved = seen_at_rest(disease_with(library)), seen_at_rest(disease_with(library, setting, placebo=PLACEBO))
    assert np.array_equal(calm["c3"], moved["c3"]), "what is not listed stays"
    number = np.arange(400)
    own = sample_baselines(load_disease("sle"), "new", 3, number)["c3"]
    factor = np.log(moved["c4"] / calm["c4"])
    assert np.allclose(factor, -own[:, None] * np.array([0.0, 0.5, 0.875, 1 - 2**-6]))
