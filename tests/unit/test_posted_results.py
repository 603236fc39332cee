"""A results section in the store's words: counts, means with their spread, and what has no word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evidence_library import LIBRARY, copy_of_the_library, written

from stroma.errors import StromaError
from stroma.evidence.adding import import_record
from stroma.evidence.registrations import MappedRecord, map_record, mapped_as_dict
from stroma.evidence.store import load_evidence


def measure(title: str, kind: str, unit: str, cells: list[dict[str, str]], **more: str) -> dict[str, Any]:
    return {
        "type": "PRIMARY", "title": title, "timeFrame": "6 months", "paramType": kind, "unitOfMeasure": unit,
        "groups": [{"id": "OG000", "title": "MSC"}, {"id": "OG001", "title": "Placebo"}],
        "denoms": [{"units": "Participants", "counts": [
            {"groupId": "OG000", "value": "20"}, {"groupId": "OG001", "value": "19"}]}],
        "classes": [{"categories": [{"measurements": cells}]}], **more}


def two(first: dict[str, str], second: dict[str, str]) -> list[dict[str, str]]:
    return [{"groupId": "OG000", **first}, {"groupId": "OG001", **second}]


RESULTS = {
    "participantFlowModule": {},
    "outcomeMeasuresModule": {"outcomeMeasures": [
        measure("Complete or partial remission", "COUNT_OF_PARTICIPANTS", "Participants",
                two({"value": "11"}, {"value": "9"})),
        measure("Change in SLEDAI", "MEAN", "score", two(
            {"value": "-4.2", "spread": "2.1"}, {"value": "-1", "spread": "2.5"}), dispersionType="Standard Deviation"),
        measure("Happiness of relatives", "GEOMETRIC_MEAN", "smiles", two({"value": "NA"}, {"value": "1,200"})),
    ]},
    "adverseEventsModule": {"timeFrame": "1 year", "eventGroups": [
        {"id": "EG000", "title": "MSC", "deathsNumAffected": 0, "deathsNumAtRisk": 20, "seriousNumAffected": 2,
         "seriousNumAtRisk": 20}], "seriousEvents": [{"term": "Pneumonia"}, {"term": "Fracture"}]},
}


def mapped(folder: Path, results: object, name: str = "NCT09999998") -> MappedRecord:
    record = json.loads((LIBRARY / "registry" / "NCT01585857.json").read_text(encoding="utf-8"))
    record["protocolSection"]["identificationModule"]["nctId"] = name
    record |= {"hasResults": True} if results is None else {"hasResults": True, "resultsSection": results}
    return map_record(written(folder, f"{name}.json", json.dumps(record)), load_evidence(LIBRARY))


def test_posted_numbers(tmp_path: Path) -> None:
    found = mapped(tmp_path, RESULTS).results
    first = found[0]
    assert (first.outcome_id, first.statistic, first.value, first.n_analysed) == ("overall_remission", "count", 11, 20)
    assert first.arm == "MSC" and first.days == (180.0,) and found[1].n_analysed == 19
    sledai = found[2]
    assert (sledai.outcome_id, sledai.statistic, sledai.value) == ("sledai", "mean_change", -4.2)
    assert (sledai.dispersion_type, sledai.low) == ("sd", 2.1)
    harm = {(row.outcome_id, row.value, row.n_analysed, row.days) for row in found if "adverse" in row.measure}
    assert harm == {("serious_adverse_event", 2.0, 20, (365.0,)), ("death", 0.0, 20, (365.0,))}


def test_what_has_no_word_is_listed(tmp_path: Path) -> None:
    record = mapped(tmp_path, RESULTS)
    reasons = {item.value: item.reason for item in record.unmapped}
    assert reasons["Happiness of relatives"] == "no outcome of the vocabulary"
    assert reasons["GEOMETRIC_MEAN, smiles"] == "no statistic of the vocabulary" and reasons["NA"] == "not a number"
    assert "resultsSection.participantFlowModule" in {item.field for item in record.unmapped}
    assert reasons["Pneumonia; Fracture"] == "not read term by term"
    assert 1200.0 in {row.value for row in record.results}
    told = mapped_as_dict(record)
    assert json.loads(json.dumps(told))["posted_results"][0]["days"] == [180.0]


def test_a_change_is_at_its_later_visit(tmp_path: Path) -> None:
    change = measure("Change in SLEDAI", "MEAN", "score", two({"value": "-4"}, {"value": "-1"}))
    change |= {"timeFrame": "Baseline, week 24", "analyses": [{"statisticalMethod": "ANCOVA"}]}
    record = mapped(tmp_path, {"outcomeMeasuresModule": {"outcomeMeasures": [change]}})
    assert {row.days for row in record.results} == {(168.0,)}
    assert {item.value: item.reason for item in record.unmapped}["ANCOVA"] == "posted comparisons are not read"


def test_who_gave_the_cells_may_stand_in_the_intervention(tmp_path: Path) -> None:
    record = json.loads((LIBRARY / "registry" / "NCT01585857.json").read_text(encoding="utf-8"))
    protocol = record["protocolSection"]
    protocol["identificationModule"] |= {"nctId": "NCT09999997", "briefTitle": "Cells", "officialTitle": "Cells"}
    protocol["armsInterventionsModule"] = {
        "armGroups": [{"label": "A", "type": "EXPERIMENTAL", "description": "intravenous",
                       "interventionNames": ["Biological: UC-MSC"]}],
        "interventions": [{"type": "BIOLOGICAL", "name": "UC-MSC", "description": "from an allogeneic donor"}]}
    found = map_record(written(tmp_path, "NCT09999997.json", json.dumps(record)), load_evidence(LIBRARY))
    assert found.donor == ("allogeneic",)
    told = mapped_as_dict(found)
    assert told["interventions"][0]["description"] == "from an allogeneic donor" and told["eligibility"]


def test_every_term_is_of_the_vocabulary(tmp_path: Path) -> None:
    words = load_evidence(LIBRARY).vocabulary
    for row in mapped(tmp_path, RESULTS).results:
        assert row.outcome_id in {"", *words.outcomes} and row.dispersion_type in words.allowed("dispersion_type")
        assert row.statistic in {"", *words.allowed("statistic")}


def test_a_malformed_or_missing_section_is_no_crash(tmp_path: Path) -> None:
    broken = {"outcomeMeasuresModule": [1], "adverseEventsModule": {"eventGroups": "none"}}
    assert mapped(tmp_path, broken).results == ()
    missing = mapped(tmp_path, None)
    assert missing.results == () and "results are posted but not in this file" in {i.reason for i in missing.unmapped}


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    with pytest.raises(StromaError, match=r"E401.*cannot read NCT00000009\.json"):
        import_record(tmp_path / "NCT00000009.json", root)
