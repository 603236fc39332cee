"""Scenarios as text: what they mean, and what is refused with file, line and the nearest name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from stroma.disease import Disease, load_disease
from stroma.engine.backends import backend
from stroma.engine.ensemble import Tolerance
from stroma.errors import StromaError
from stroma.library import library_root
from stroma.trial.scenario import course, parse_scenario, read_expectations, read_mechanisms


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


def test_a_scenario_is_therapies_values_and_additions(disease: Disease) -> None:
    text = "uc_msc_allogeneic 2e6/kg@day0,7 thawed + push@40=3 + drug_response=1e-1 + untreated"
    found = parse_scenario(disease, text)
    cells, push = found.therapies
    assert cells.thawed and cells.cell_dose is not None and cells.cell_dose.days == (0.0, 7.0)
    assert push.doses == (("push", 40.0, 3.0),) and found.values == {"drug_response": 0.1}


def test_an_addition_is_made_on_its_day_and_chance_is_left_out(disease: Disease) -> None:
    days = np.array([0.0, 39.0, 41.0, 900.0])
    push = course(disease, parse_scenario(disease, "push@40=3"), days, backend("cpu"), Tolerance(1e-9, 1e-11))["push"]
    rate = disease.parameters["relapse_k_flare"].value
    assert np.allclose(push, [0.0, 0.0, 3 * np.exp(-rate), 3 * np.exp(-860 * rate)], atol=1e-7)


@pytest.mark.parametrize(("text", "nearest"), [
    ("mycophenolat", "`mycophenolate`"), ("drug_respons=2", "`drug_response`"), ("pusch@3=1", "`push`"),
    ("push@soon=1", "state@day=amount")])
def test_what_is_not_there_is_named_with_the_nearest(disease: Disease, text: str, nearest: str) -> None:
    with pytest.raises(StromaError) as caught:
        parse_scenario(disease, f"untreated + {text}")
    (only,) = caught.value.diagnostics
    assert only.code == "D020" and nearest in only.hint


def test_tables_are_refused_with_file_and_line_all_at_once(tmp_path: Path) -> None:
    for part in ("vocabulary", "modules", "diseases"):
        shutil.copytree(library_root() / part, tmp_path / part)
    folder = tmp_path / "diseases" / "sle"
    line = {}
    for name, before, after in (("mechanisms.csv", "msc_k_death,0,viable,7", "msc_k_deth,0,viabel,7"),
                                ("expectations.csv", "untreated,upcr,365", "untreted,upcr,365")):
        text = (folder / name).read_text(encoding="utf-8")
        assert before in text
        line[name] = text[:text.index(before)].count("\n") + 1
        (folder / name).write_text(text.replace(before, after, 1), encoding="utf-8")
    disease = load_disease("sle", tmp_path)
    with pytest.raises(StromaError) as caught:
        read_mechanisms(disease)
    assert ["`msc_k_death`" in d.hint or "`viable`" in d.hint for d in caught.value.diagnostics] == [True, True]
    assert {(d.code, d.line) for d in caught.value.diagnostics} == {("D020", line["mechanisms.csv"])}
    with pytest.raises(StromaError) as caught:
        read_expectations(disease)
    (only,) = caught.value.diagnostics
    assert (only.code, only.line) == ("D020", line["expectations.csv"]) and "`untreated`" in only.hint
