"""From the lupus record and its supplement to designs, and everything that may be missing."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stroma.errors import StromaError
from stroma.registry import RegistryRecord, find_record, read_record
from stroma.tables import Column, read_table
from stroma.therapy import CellDose, known_therapies
from stroma.trial.design import Fact, TrialDesign
from stroma.trial.registration import read_design, split
from stroma.trial.rules import known_quantities

LIBRARY = Path(__file__).parents[2] / "library"
REGISTRY = LIBRARY / "registry"
SUPPLEMENT = REGISTRY / "NCT01539902.toml"
CELLS, CONTROL = "uc_msc_allogeneic", "placebo"


@pytest.fixture
def record() -> RegistryRecord:
    return read_record(find_record("NCT01539902", REGISTRY))


@pytest.fixture
def designs(record: RegistryRecord) -> list[TrialDesign]:
    return read_design(record, SUPPLEMENT, library=LIBRARY)


def altered(folder: Path, change: Callable[[dict], None]) -> RegistryRecord:
    study = json.loads((REGISTRY / "NCT01539902.json").read_text(encoding="utf-8"))
    change(study["protocolSection"])
    path = folder / "NCT01539902.json"
    path.write_text(json.dumps(study), encoding="utf-8")
    return read_record(path)


def rewritten(folder: Path, *replacements: tuple[str, str]) -> Path:
    text = SUPPLEMENT.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "NCT01539902.toml"
    path.write_text(text, encoding="utf-8")
    return path


def codes(error: pytest.ExceptionInfo[StromaError]) -> list[str]:
    return sorted(d.code for d in error.value.diagnostics)


def test_planned_and_conducted_numbers(designs: list[TrialDesign]) -> None:
    assert [(d.variant, d.n, [a.n for a in d.arms]) for d in designs] == [
        ("planned", 25, [17, 8]), ("conducted", 18, [12, 6])]


def test_the_design_of_the_lupus_trial(designs: list[TrialDesign]) -> None:
    design = designs[0]
    assert (design.disease, design.population, design.countries) == ("sle", "new", ("China",))
    assert design.blinded
    assert [arm.control for arm in design.arms] == [False, True]
    background = {"cyclophosphamide_iv", "methylprednisolone_pulse", "prednisone_taper",
                  "mycophenolate_maintenance"}
    assert [{t.therapy_id for t in arm.treatments} for arm in design.arms] == [
        {CELLS, *background}, {CONTROL, *background}]
    cells = next(t for t in design.arms[0].treatments if t.therapy_id == CELLS)
    assert cells.dose == CellDose(1e8, False, (0.0, 7.0))
    assert cells.spaced(14).dose == CellDose(1e8, False, (0.0, 14.0))
    assert design.visit_day == (0.0, 30.0, 60.0, 90.0, 180.0)
    (outcome,) = design.outcomes
    assert (outcome.rule_id, outcome.day, outcome.time_frame) == ("ln_deng_remission", 180.0, "6 months")
    assert outcome.words.startswith("Remission of nephritis")


def test_the_two_infusions_make_the_reported_total(designs: list[TrialDesign]) -> None:
    for design in designs:
        dose = next(t.dose for t in design.arms[0].treatments if t.dose is not None)
        assert dose.amount * len(dose.days) == 2e8


def test_assumptions_are_listed_once_with_ranges_and_reasons(designs: list[TrialDesign]) -> None:
    found = {fact.name: fact for fact in designs[0].assumptions}
    assert len(found) == len(designs[0].assumptions)
    assert all(fact.reason and not fact.source for fact in found.values())
    interval, thaw = found[f"{CELLS}.interval_day"], found[f"{CELLS}.thaw_state"]
    assert (interval.low, interval.value, interval.high) == (1.0, 7.0, 14.0)
    assert thaw.options == ("fresh", "thawed")
    assert {"visits", "prednisone_taper.regimen"} <= found.keys()
    assert "allocation" not in found


def test_entry_criteria_truncate_and_say_what_they_cannot_apply(designs: list[TrialDesign]) -> None:
    entry, vocabulary = designs[0].entry, known_quantities(LIBRARY)
    baseline = {"age": np.array([15.0, 16, 65, 66, 30, 30]), "sledai_2k": np.array([12.0, 9, 9, 9, 8, 20]),
                "serum_creatinine": np.array([80.0, 250, 80, 80, 80, 251]), "upcr": np.full(6, 3.0)}
    assert entry.admits(baseline, vocabulary).tolist() == [False, True, True, False, False, False]
    assert [c.words for c in entry.unapplied(baseline, vocabulary)] == ["WHO III/IV LN"]
    with_bilag = baseline | {"bilag_a": np.array([0, 0, 0, 0, 1, 0]), "bilag_b": np.zeros(6)}
    assert entry.admits(with_bilag, vocabulary).tolist() == [False, True, True, False, True, False]
    with_class = baseline | {"class_iii": np.array([1, 0, 1, 1, 1, 1]), "class_iv": np.zeros(6)}
    assert entry.admits(with_class, vocabulary).tolist() == [False, False, True, False, False, False]
    assert entry.unapplied(with_class, vocabulary) == ()


def test_a_dose_of_the_caller_replaces_dose_and_days(record: RegistryRecord) -> None:
    dose = CellDose(1e6, True, (0.0, 7.0, 14.0))
    design = read_design(record, SUPPLEMENT, dose, LIBRARY)[0]
    cells = design.arms[0].treatments[0]
    assert cells.dose == dose
    assert cells.fact("interval_day") is None and cells.fact("route") is not None


def test_without_a_supplement_all_that_is_missing_is_named(record: RegistryRecord) -> None:
    with pytest.raises(StromaError) as caught:
        read_design(record, library=LIBRARY)
    assert codes(caught) == ["T203", "T206"]
    assert "--dose 1e6/kg" in str(caught.value) and "NCT01539902.toml" in str(caught.value)
    with pytest.raises(StromaError) as caught:
        read_design(record, dose=CellDose(1e6, True), library=LIBRARY)
    assert codes(caught) == ["T206"]


def test_a_dose_in_the_words_of_the_record_is_enough(tmp_path: Path) -> None:
    def change(section: dict) -> None:
        arm = section["armsInterventionsModule"]["armGroups"][0]
        arm["description"] = "two infusions of 1e6/kg 7 days apart"

    text = '[[cells]]\ntherapy = "uc_msc_allogeneic"\n'
    head, _, tail = SUPPLEMENT.read_text(encoding="utf-8").partition(text)
    path = tmp_path / "s.toml"
    path.write_text(head + tail[tail.index("[[background]]"):], encoding="utf-8")
    cells = read_design(altered(tmp_path, change), path, library=LIBRARY)[0].arms[0].treatments[0]
    assert cells.dose == CellDose(1e6, True, (0.0, 7.0))
    thaw = cells.fact("thaw_state")
    assert thaw is not None and thaw.assumed and set(thaw.options) == {"fresh", "thawed"}


def test_unknown_condition_and_intervention_are_reported_together(tmp_path: Path) -> None:
    def change(section: dict) -> None:
        section["conditionsModule"]["conditions"] = ["Lupus Nefritis"]
        for place in section["armsInterventionsModule"]["interventions"]:
            place["name"] = place["name"].replace("Cyclophosphamide", "Cyclofosfamide")
        for arm in section["armsInterventionsModule"]["armGroups"]:
            arm["interventionNames"] = [n.replace("Cyclophosphamide", "Cyclofosfamide")
                                        for n in arm["interventionNames"]]

    with pytest.raises(StromaError) as caught:
        read_design(altered(tmp_path, change), SUPPLEMENT, library=LIBRARY)
    assert codes(caught) == ["T201", "T202"]
    assert all(word in str(caught.value) for word in (
        "`Lupus Nefritis`", "nearest: `lupus nephritis`", "`Cyclofosfamide`", "nearest: `cyclophosphamide`"))


def test_a_second_condition_that_is_unknown_is_noted(tmp_path: Path) -> None:
    def change(section: dict) -> None:
        section["conditionsModule"]["conditions"] = ["Kidney Diseases", "LUPUS-NEPHRITIS"]

    design = read_design(altered(tmp_path, change), SUPPLEMENT, library=LIBRARY)[0]
    assert design.disease == "sle" and design.notes == ("condition `Kidney Diseases` is not used",)


@pytest.mark.parametrize(("old", "new", "code", "words"), [
    ("[allocation]", "[alocation]", "T204", "nearest: `allocation`"),
    ('record = "NCT01539902"', 'record = "NCT01539903"', "T204", "NCT01539903"),
    ("value = 1e8\n", 'value = "many"\n', "T204", "must be a number"),
    ("low = 1\n", "low = 8\n", "T204", "low <= value <= high"),
    ('options = ["fresh", "thawed"]', 'options = ["fresh"]', "T204", "a list that has its value"),
    ('options = ["fresh", "thawed"]', "options = 5", "T204", "a list that has its value"),
    ("[cells.interval_day]\nassumed = true\n", "[cells.interval_day]\n", "T204", "`low` has no place there"),
    ("value = [0, 30,", "value = [5, 30,", "T204", "ascend from day 0"),
    ("value = [2, 1]", "value = [2, 1, 1]", "T207", "2 arms"),
    ('rule_id = "ln_deng_remission"', 'rule_id = "ln_deng_remision"', "T204", "nearest: `ln_deng_remission`"),
    ('measure = "Remission', 'measure = "Remision', "T206", "no response rule for"),
    ('therapy = "uc_msc_allogeneic"', 'therapy = "bm_msc_allogeneic"', "T204", "no arm of the record"),
    ('therapy = "prednisone_taper"', 'therapy = "prednisone_tapr"', "D010", "prednisone_taper"),
    ('condition = "16 <= age <= 65"', 'condition = "16 <= agge <= 65"', "E305", "nearest: `age`"),
    ('condition = "16 <= age <= 65"', 'condition = "age ="', "E301", "cannot read"),
    ("[conducted]", "[conducted", "T204", "not TOML")])
def test_a_faulty_supplement(tmp_path: Path, record: RegistryRecord, old: str, new: str, code: str,
                             words: str) -> None:
    with pytest.raises(StromaError) as caught:
        read_design(record, rewritten(tmp_path, (old, new)), library=LIBRARY)
    assert code in codes(caught)
    assert words in str(caught.value)


def test_problems_of_a_supplement_come_with_their_lines(tmp_path: Path, record: RegistryRecord) -> None:
    path = rewritten(tmp_path, ("[allocation]", "[alocation]"))
    line = path.read_text(encoding="utf-8").splitlines().index("[alocation]") + 1
    with pytest.raises(StromaError) as caught:
        read_design(record, path, library=LIBRARY)
    assert f"{path}:{line}" in str(caught.value)
    assert codes(caught) == ["T204"]


@pytest.mark.parametrize(("total", "ratio", "numbers"), [
    (25, (2.0, 1.0), (17, 8)), (18, (2.0, 1.0), (12, 6)), (10, (1.0, 1.0, 1.0), (4, 3, 3)), (7, (1.0,), (7,)),
    (5, (1.0, 1.0), (3, 2))])
def test_split(total: int, ratio: tuple[float, ...], numbers: tuple[int, ...]) -> None:
    assert split(total, ratio) == numbers


def test_the_vocabularies_name_what_the_library_has() -> None:
    columns = {name: Column(required=True) for name in ("words", "therapy_id")}
    rows = read_table(LIBRARY / "vocabulary" / "interventions.csv", columns, "T202", key=("words",))
    assert {row.text("therapy_id") for row in rows} <= set(known_therapies(LIBRARY))
    columns = {name: Column(required=True) for name in ("condition", "disease", "population")}
    for row in read_table(LIBRARY / "vocabulary" / "conditions.csv", columns, "T201", key=("condition",)):
        assert (LIBRARY / "diseases" / row.text("disease") / "disease.toml").is_file()
        config = tomllib.loads((LIBRARY / "diseases" / row.text("disease") / "disease.toml").read_text("utf-8"))
        assert row.text("population") in config["populations"]


def test_a_fact_is_assumed_exactly_when_it_has_no_source() -> None:
    assert Fact("x", 1.0, reason="nobody says").assumed
    assert not Fact("x", 1.0, source="a paper").assumed


def shipped(nct_id: str) -> TrialDesign:
    return read_design(read_record(find_record(nct_id, REGISTRY)), REGISTRY / f"{nct_id}.toml", library=LIBRARY)[0]


def test_a_record_without_a_primary_outcome_takes_the_supplements_and_says_so() -> None:
    design = shipped("NCT01741857")
    assert [(o.rule_id, o.day) for o in design.outcomes] == [("ln_gu_remission", 365.0)]
    assert "chosen" in design.outcomes[0].source and any("no primary outcome" in note for note in design.notes)
    assert design.population == "refractory" and len(design.arms) == 1


def test_a_word_may_mean_another_product_in_one_record() -> None:
    design = shipped("NCT01586312")
    assert [[t.therapy_id for t in arm.treatments] for arm in design.arms] == [
        ["bm_msc_allogeneic_ia"], ["hyaluronic_acid_ia_single"]]
    assert design.arms[0].treatments[0].dose == CellDose(4e7, False)


def test_a_primary_outcome_that_is_not_simulated_is_noted_not_dropped(tmp_path: Path) -> None:
    text = (REGISTRY / "NCT01586312.toml").read_text(encoding="utf-8")
    path = tmp_path / "NCT01586312.toml"
    path.write_text(text.replace('event = "serious_adverse_event"', 'not_simulated = "for a reason"'), encoding="utf-8")
    (design,) = read_design(read_record(find_record("NCT01586312", REGISTRY)), path, library=LIBRARY)
    assert [o.rule_id for o in design.outcomes] == ["oa_omeract_oarsi"] and not design.events
    assert "primary outcome `Adverse events` is not simulated: for a reason" in design.notes
    assert [e.event for e in shipped("NCT01586312").events] == ["serious_adverse_event"]


def test_nothing_simulated_is_an_error(tmp_path: Path, record: RegistryRecord) -> None:
    path = rewritten(tmp_path, ('rule_id = "ln_deng_remission"\n', 'not_simulated = "for this test"\n'))
    with pytest.raises(StromaError, match=r"T206.*no primary outcome that is simulated"):
        read_design(record, path, library=LIBRARY)


def test_a_harm_as_only_primary_outcome_needs_a_chosen_one_beside_it(tmp_path: Path) -> None:
    text = (REGISTRY / "NCT01585857.toml").read_text(encoding="utf-8")
    harm, _, _ = text.rpartition("[[outcome]]")
    path = tmp_path / "NCT01585857.toml"
    path.write_text(harm, encoding="utf-8")
    with pytest.raises(StromaError) as error:
        read_design(read_record(find_record("NCT01585857", REGISTRY)), path, library=LIBRARY)
    assert codes(error) == ["T080"]


def test_a_chosen_outcome_stands_after_the_records_own_and_says_so() -> None:
    (design,) = read_design(read_record(find_record("NCT01851070", REGISTRY)), REGISTRY / "NCT01851070.toml",
                            library=LIBRARY)
    assert [(e.words, e.event, e.day) for e in design.events] == [("Safety", "serious_adverse_event", 84.0)]
    assert [(o.rule_id, o.chosen) for o in design.outcomes] == [("ra_acr20", True)]


@pytest.mark.parametrize(("old", "new"), [
    ('event = "serious_adverse_event"\n', ""),
    ('event = "serious_adverse_event"\n', 'event = "serious_adverse_event"\nrule_id = "ra_acr20"\n'),
    ("chosen = true", 'chosen = "yes"'), ("day = 84\nchosen", "chosen")])
def test_an_outcome_is_decided_by_one_thing(tmp_path: Path, old: str, new: str) -> None:
    text = (REGISTRY / "NCT01851070.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "NCT01851070.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StromaError) as error:
        read_design(read_record(find_record("NCT01851070", REGISTRY)), path, library=LIBRARY)
    assert "T204" in codes(error)


def test_cells_that_follow_other_injections_start_on_their_day() -> None:
    (design,) = read_design(read_record(find_record("NCT01459640", REGISTRY)), REGISTRY / "NCT01459640.toml",
                            library=LIBRARY)
    cells = next(t for t in design.arms[0].treatments if t.dose)
    assert cells.dose == CellDose(4e7, False, (14.0,)) and not design.blinded
    amount = cells.fact("dose_cell")
    assert amount is not None and amount.assumed and (amount.low, amount.high) == (1e7, 1e8)
