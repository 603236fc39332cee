"""A study file: the template works as it is, and what is wrong is told at once, with its line."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stroma.calibration.forecast import forecast_trial, read_own, read_registered
from stroma.calibration.prediction import Settings
from stroma.calibration.simulate import TOLERANCE, Draws, people_of
from stroma.disease import load_disease
from stroma.engine.cpu import CpuBackend
from stroma.errors import Diagnostic, StromaError
from stroma.library import library_root
from stroma.registry import read_record
from stroma.report.json_output import forecast_object
from stroma.report.sentences import first_line
from stroma.therapy import CellDose
from stroma.trial.countries import known_countries
from stroma.trial.observe import observe, simulated_quantities
from stroma.trial.pool import solve_pool
from stroma.trial.study import lines_of, read_study, template_text

SMALL = Settings(draws=24, subjects=20, trials=200)
BROKEN = """id = "a b"
disease = "sle"
population = "refractori"
blinding = "duble"
colour = 1
[[entry]]
condition = "upcr >= 0.5 and uppcr > 1"
words = "proteinuria"
[[outcome]]
name = "remission"
day = 36500
statistic = "proportion"
rule = "ln_or_kdigo"
[[outcome]]
name = "score"
day = 60
statistic = "mean_change"
measure = "sledai"
[[arm]]
label = "cells"
n = "15"
background = ["cyclophosphamide", "prednisone_taper"]
[[arm.cells]]
product = "uc_msc_allogeneic"
route = "ia"
dose = "1e6 per kg"
days = [7, 0]
thaw = "frozen"
[[arm]]
label = "cells"
n = 15
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def told(folder: Path, text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(StromaError) as caught:
        read_study(written(folder, text))
    return caught.value.diagnostics


def test_the_template_is_the_study_it_describes(tmp_path: Path) -> None:
    design, disease = read_study(written(tmp_path, template_text()))
    assert disease.disease_id == "sle" and design.blinded and design.n == 60
    cells, control = design.arms
    assert cells.treatments[0].dose == CellDose(1e6, True, (0.0, 7.0)) and control.control
    assert [t.therapy_id for t in cells.treatments[1:]] == [t.therapy_id for t in control.treatments[1:]]
    assert design.outcomes[0].rule_id == "ln_deng_remission" and design.outcomes[1].quantity == "sledai_2k"
    assert [f.name for f in design.assumptions] == ["uc_msc_allogeneic.thaw_state"], "nothing else is assumed"


def test_the_template_explains_every_key() -> None:
    text = template_text()
    for key in [*tomllib.loads(text), "product", "route", "dose", "days", "thaw", "rule", "measure", "control"]:
        assert f"{key} =" in text or f"[[{key}]]" in text


def test_everything_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    lines = BROKEN.splitlines()
    found = told(tmp_path, BROKEN)
    place = {lines[d.line - 1].split(" =")[0]: d for d in found if d.line}
    assert {"id", "population", "blinding", "colour", "condition", "day", "rule", "measure", "n", "background", "route",
            "dose", "days", "thaw", "label"} <= set(place)
    assert "`title` is missing" in {d.message for d in found}
    for key, close in (("population", "refractory"), ("blinding", "double"), ("rule", "ln_or_kdigo2012"),
                       ("measure", "sledai_2k"), ("background", "cyclophosphamide_iv"), ("condition", "upcr")):
        assert f"`{close}`" in place[key].hint, key
    assert [d.line or 0 for d in found] == sorted(d.line or 0 for d in found)


@pytest.mark.parametrize(("old", "new", "code", "words"), [
    ('disease = "sle"', 'disease = "slee"', "T231", "`slee` is no disease"),
    ('rule = "ln_deng_remission"', 'rule = "sle_relapse"', "T231", "`responded`"),
    ("control = true\n", "", "T230", "0 of 2 arms"),
    ("visits = [0, 30", "visits = [5, 30", "T230", "must be day 0"),
    ('dose = "1e6/kg"', 'dose = "1e6/kg@day0"', "T230", "stand in `days`"),
    ('id = "my-study"', 'id = "../x"', "T230", "letters, digits"),
    ("n = 30\nbackground = [\"cyclo", "n = 0\nbackground = [\"cyclo", "T230", "an arm of 0 patients"),
    ('countries = ["China"]', 'countries = ["China", "Germny"]', "T231", "`Germny` is no country"),
    ('title = "', "title = ", "T230", "not TOML")])
def test_one_thing_wrong(tmp_path: Path, old: str, new: str, code: str, words: str) -> None:
    assert template_text().count(old) == 1
    (found,) = told(tmp_path, template_text().replace(old, new))
    assert found.code == code and words in found.message and found.file == tmp_path / "study.toml"
    assert found.line is not None


@pytest.mark.parametrize(("written_as", "name"), [("Germny", "Germany"), ("USA", "United States"), ("chine", "China"),
                                                  ("North Americas", "North America")])
def test_an_unknown_country_is_refused_with_the_nearest(tmp_path: Path, written_as: str, name: str) -> None:
    (found,) = told(tmp_path, template_text().replace('["China"]', f'["{written_as}"]'))
    assert found.hint == f"nearest: `{name}`" and found.line == 13


@pytest.mark.parametrize(("countries", "note"), [
    ('["China"]', ()), ('["China", "Hong Kong"]', ()), ("[]", ()),
    ('["Germany"]', ("Germany has no drug response of its own in `sle`: the general response is used",)),
    ('["Germany", "China"]', ("Germany has no drug response of its own in `sle`: that of China is used for every "
                              "patient",)),
    ('["United States", "China"]', ("United States and China differ in their drug response: that of United States is "
                                    "used for every patient",))])
def test_a_country_without_its_own_response_is_told(tmp_path: Path, countries: str, note: tuple[str, ...]) -> None:
    trial = read_own(written(tmp_path, template_text().replace('["China"]', countries)))
    assert trial.designs[0].notes == note == trial.warnings


def test_every_region_of_a_disease_and_country_of_a_record_is_known() -> None:
    spellings = known_countries()
    for path in (library_root() / "registry").glob("NCT*.json"):
        assert set(read_record(path).countries) <= set(spellings), path.name
    assert all(name == spellings[name] for name in spellings.values()), "no name is another country's spelling"


@pytest.mark.parametrize(("old", "new", "words"), [
    ('dose = "1e6/kg"', 'dose = "1e12/kg"', ["cells: the dose 1e+12/kg is more than 10 times above every dose"]),
    ('dose = "1e6/kg"', 'dose = "1e6"', ["cells: the dose 1e+06 is more than 10 times below every dose"]),
    ('dose = "1e6/kg"', 'dose = "1e8"', []), ('dose = "1e6/kg"', 'dose = "3e5/kg"', []),
    ("days = [0, 7]", "days = [0, 700]", ["cells: the cells of day 700 come after the primary outcome on day 180"]),
    ("days = [0, 7]", "days = [0, 180]", []), ("day = 180\nstatistic = \"proportion\"",
                                               "day = 14\nstatistic = \"proportion\"", []),
    ("day = 180\nstatistic = \"proportion\"", "day = 6\nstatistic = \"proportion\"",
     ["the primary outcome is on day 6, before day 14", "the cells of day 7 come after"])])
def test_what_looks_like_a_slip_is_doubted_not_refused(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert template_text().count(old) == 1
    trial = read_own(written(tmp_path, template_text().replace(old, new)))
    doubts = trial.designs[0].doubts
    assert len(doubts) == len(words) and trial.warnings == doubts
    for doubt, word in zip(doubts, words, strict=True):
        assert word in doubt
    assert all(d.endswith("is `/kg` missing?") == (new == 'dose = "1e6"') for d in doubts)


def test_a_dose_is_doubted_against_what_the_evidence_tables_print(tmp_path: Path) -> None:
    """The range is that of people with cord cells by vein, read here from the tables themselves."""
    tables = library_root() / "evidence"
    with (tables / "studies.csv").open(encoding="utf-8") as stream:
        people = {r["study_id"] for r in csv.DictReader(stream) if r["species"] == "human"}
    with (tables / "arms.csv").open(encoding="utf-8") as stream:
        arms = [r for r in csv.DictReader(stream) if r["study_id"] in people and r["dose_value"] and
                (r["arm_role"], r["cell_source"], r["donor"], r["route"]) == ("msc", "uc", "allogeneic", "iv")]
    scale = {"cells": 1.0, "cells_per_kg": 70.0}
    given = [scale[r["dose_unit"]] * float(x) for r in arms for x in r["dose_value"].split("-")]
    for cells, doubted in ((0.11 * min(given), False), (0.09 * min(given), True), (9 * max(given), False),
                           (11 * max(given), True)):
        text = template_text().replace('dose = "1e6/kg"', f'dose = "{cells:.6e}"')
        assert bool(read_own(written(tmp_path, text)).warnings) == doubted, cells


def test_a_missing_file_names_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(StromaError) as caught:
        read_study(tmp_path / "none.toml")
    assert "stroma new study" in caught.value.diagnostics[0].hint


def test_lines_of_nested_tables() -> None:
    found = lines_of("a = 1\n[[arm]]\nn = 2\n[[arm.cells]]\ndose = 3\n[[arm]]\n[[arm.cells]]\n"
                     "[[arm.cells]]\ndose = 4\n")
    assert found["a",] == 1 and found["arm", 0, "n"] == 3 and found["arm", 0, "cells", 0, "dose"] == 5
    assert found["arm", 1] == 6 and found["arm", 1, "cells", 1, "dose"] == 9


def test_what_is_said_to_be_simulated_is_measured() -> None:
    disease = load_disease("sle")
    drawn = Draws(("study_spread",), np.zeros((2, 1)))
    people = people_of(disease, drawn, 5, "new", "", 1)
    days = np.array([0.0, 30.0])
    pool = solve_pool(disease, people, [], days, 1, CpuBackend(1), TOLERANCE)
    assert set(observe(disease, pool, 1)) == simulated_quantities(disease)


def test_one_arm_is_predicted_and_compares_nothing(tmp_path: Path) -> None:
    text = template_text()
    alone = text[:text.index('[[arm]]\nlabel = "placebo"')].replace('blinding = "double"', 'blinding = "none"')
    found = forecast_trial(read_own(written(tmp_path, alone)), SMALL, CpuBackend(1))
    said = forecast_object(found, "")
    assert said["probability_of_success"] is None and "no control arm" in said["probability_of_success_missing"]
    assert said["priors"] == {} and len(said["outcomes"]) == 2 and said["record"] == "my-study"
    assert "chance" not in first_line(found) and first_line(found).endswith("no published result is compared.")


def test_a_study_that_repeats_the_record_predicts_the_same(tmp_path: Path) -> None:
    """The same trial through both doors: record and supplement, or a study file."""
    design = read_registered("NCT01539902").designs[0]
    drugs = [t.therapy_id for t in design.arms[1].treatments]
    entry = "".join(f'[[entry]]\ncondition = "{c.condition.text}"\nwords = "{c.words}"\n'
                    for c in design.entry.criteria)
    text = (f'id = "again"\ntitle = "x"\ndisease = "sle"\npopulation = "new"\ncountries = {list(design.countries)}\n'
            f'blinding = "double"\nvisits = {[int(d) for d in design.visit_day]}\n{entry}'
            '[[outcome]]\nname = "remission"\nday = 180\nstatistic = "proportion"\nrule = "ln_deng_remission"\n'
            f'[[arm]]\nlabel = "{design.arms[0].label}"\nn = 17\n'
            f'background = {[d for d in drugs if d != "placebo"]}\n'
            '[[arm.cells]]\nproduct = "uc_msc_allogeneic"\nroute = "iv"\ndose = "1e8"\ndays = [0, 7]\nthaw = "thawed"\n'
            f'[[arm]]\nlabel = "{design.arms[1].label}"\ncontrol = true\nn = 8\nbackground = {drugs}\n')
    own = forecast_trial(read_own(written(tmp_path, text.replace("'", '"'))), SMALL, CpuBackend(1))
    registered = read_registered("NCT01539902")
    plain = forecast_trial(replace(registered, published=()), SMALL, CpuBackend(1))
    mine, theirs = own.outcomes[1], plain.outcomes[1]
    assert (mine.arm, mine.median, mine.pi90) == (theirs.arm, theirs.median, theirs.pi90)
