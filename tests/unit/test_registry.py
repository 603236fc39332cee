"""Registry records: the library's own, and broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stroma.errors import StromaError
from stroma.registry import RegistryIntervention, days_of, find_record, read_record

REGISTRY = Path(__file__).parents[2] / "library" / "registry"
RECORDS = sorted(REGISTRY.glob("NCT*.json"))


def altered(folder: Path, change) -> Path:
    """Return a copy of the lupus record with ``change`` applied to its JSON."""
    study = json.loads((REGISTRY / "NCT01539902.json").read_text(encoding="utf-8"))
    change(study)
    path = folder / "NCT01539902.json"
    path.write_text(json.dumps(study), encoding="utf-8")
    return path


def test_the_lupus_record() -> None:
    record = read_record(find_record("NCT01539902", REGISTRY))
    assert (record.nct_id, record.status, record.start) == ("NCT01539902", "UNKNOWN", "2012-02")
    assert record.conditions == ("Lupus Nephritis",) and record.phases == ("PHASE2",)
    assert (record.allocation, record.masking) == ("RANDOMIZED", "DOUBLE")
    assert record.who_masked == ("PARTICIPANT", "INVESTIGATOR")
    assert (record.enrolment, record.enrolment_type) == (25, "ESTIMATED")
    assert [(a.label, a.type, a.interventions) for a in record.arms] == [
        ("hUC-MSC", "EXPERIMENTAL", ("Human umbilical-cord MSC", "Cyclophosphamide")),
        ("Placebo", "PLACEBO_COMPARATOR", ("Placebo", "Cyclophosphamide"))]
    assert RegistryIntervention("BIOLOGICAL", "Human umbilical-cord MSC") in record.interventions
    assert [o.days for o in record.primary] == [(180.0,)] and record.secondary == ()
    assert record.countries == ("China",) and "SLEDAI>8" in record.eligibility
    assert not record.has_results and record.results is None
    assert "Not a download" in record.reconstructed
    assert record.unmapped == ()


def test_an_id_in_small_letters_is_the_same_record() -> None:
    assert find_record("nct01539902", REGISTRY) == find_record("NCT01539902", REGISTRY)


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_every_record_of_the_library_reads(path: Path) -> None:
    record = read_record(path)
    assert record.nct_id == path.stem and record.reconstructed
    assert all(arm.interventions for arm in record.arms)
    assert all(o.days for o in record.primary)


def test_what_a_record_does_not_say_is_listed() -> None:
    fields = {u.field: u.reason for u in read_record(REGISTRY / "NCT01420432.json").unmapped}
    assert fields == {
        "protocolSection.designModule.designInfo.maskingInfo.masking": "not given",
        "protocolSection.outcomesModule.primaryOutcomes": "no primary outcome is registered"}


def test_words_outside_the_registry_are_listed_and_kept(tmp_path: Path) -> None:
    def change(study: dict) -> None:
        section = study["protocolSection"]
        section["designModule"]["phases"] = ["PHASE9"]
        section["outcomesModule"]["primaryOutcomes"][0]["timeFrame"] = "until discharge"

    record = read_record(altered(tmp_path, change))
    assert record.phases == ("PHASE9",)
    assert {(u.field, u.value) for u in record.unmapped} == {
        ("protocolSection.designModule.phases", "PHASE9"),
        ("protocolSection.outcomesModule.primaryOutcomes[0].timeFrame", "until discharge")}


@pytest.mark.parametrize(("time_frame", "days"), [
    ("6 months", (180.0,)), ("12 months", (365.0,)), ("0, 3, 6 and 12 months", (0.0, 90.0, 180.0, 365.0)),
    ("Week 24", (168.0,)), ("Weeks 4, 12 and 52", (28.0, 84.0, 364.0)), ("365 days", (365.0,)),
    ("baseline to week 52", (0.0, 364.0)), ("24-week follow-up", (168.0,)), ("up to 2 years", (730.0,)),
    ("18 months", (548.0,)), ("six months and one year", (180.0, 365.0)), ("Day 28, Month 6", (28.0, 180.0)),
    ("until discharge", ()), ("", ()), ("from day 0 to 6 months", ()), ("3 infusions", ()),
    ("within 2 weeks of 3 infusions", ())])
def test_time_frames(time_frame: str, days: tuple[float, ...]) -> None:
    assert days_of(time_frame) == days


def test_malformed_json_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "NCT00000001.json"
    path.write_text('{\n "protocolSection": {\n  "a" 1\n }\n}\n', encoding="utf-8")
    with pytest.raises(StromaError) as caught:
        read_record(path)
    assert caught.value.diagnostics[0].code == "E401"
    assert f"{path}:3:7" in str(caught.value) and '"a" 1' in str(caught.value)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(StromaError, match=r"E401.*not UTF-8"):
        read_record(path)
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(StromaError, match="E401"):
        read_record(path)


def test_wrong_shapes_are_all_named_by_their_path(tmp_path: Path) -> None:
    def change(study: dict) -> None:
        section = study["protocolSection"]
        section["identificationModule"]["nctId"] = "NCT15"
        section["designModule"]["enrollmentInfo"]["count"] = "25"
        section["designModule"]["designInfo"] = ["RANDOMIZED"]
        section["armsInterventionsModule"]["armGroups"][0]["label"] = None
        section["armsInterventionsModule"]["armGroups"][1]["interventionNames"][0] = "Drug: Placebbo"
        del section["conditionsModule"]

    with pytest.raises(StromaError) as caught:
        read_record(altered(tmp_path, change))
    shown = str(caught.value)
    for words in ("`protocolSection.conditionsModule` is missing",
                  "`protocolSection.designModule.enrollmentInfo.count` should be a whole number, not \"25\"",
                  "`protocolSection.designModule.designInfo` should be an object",
                  "`protocolSection.armsInterventionsModule.armGroups[0].label` is missing",
                  "`protocolSection.identificationModule.nctId` should be NCT and eight digits",
                  "unknown intervention `Drug: Placebbo`", "nearest: `Placebo`"):
        assert words in shown
    assert {d.code for d in caught.value.diagnostics} == {"E402", "E404"}


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"protocolSection": []}', '{"protocolSection": {}}'])
def test_json_that_is_no_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StromaError, match="E402"):
        read_record(path)


def test_an_unknown_id_names_the_nearest_and_what_to_do() -> None:
    with pytest.raises(StromaError, match=r"(?s)E403.*NCT01539903.*nearest: `NCT01539902`.*API v2"):
        find_record("NCT01539903", REGISTRY)
