"""Registrations, coverage, listing, export and differences."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from evidence_library import LIBRARY, copy_of_the_library, replace_in

from stroma.errors import StromaError
from stroma.evidence.comparing import compare
from stroma.evidence.coverage import coverage_page
from stroma.evidence.export import COLUMNS, export_rows, write_export
from stroma.evidence.listing import StudyFilter, amount_text, list_bias, list_studies, show_study
from stroma.evidence.records import Amount
from stroma.evidence.registrations import map_record, show_registration, unreported
from stroma.evidence.risk_of_bias import NOT_ASSESSED, TOOLS, risk_of_bias
from stroma.evidence.store import load_evidence


@pytest.fixture(scope="module")
def evidence():
    return load_evidence(LIBRARY)


def test_the_malaysian_trial_was_never_reported(evidence) -> None:
    numbers = {row.nct_id: row for row in unreported(evidence)}
    assert numbers["NCT01459640"].enrolment == 50 and numbers["NCT01459640"].confidence == "none"
    assert "NCT01539902" not in numbers and "NCT01585857" not in numbers


def test_before_the_report_the_trial_is_unreported() -> None:
    numbers = {row.nct_id for row in unreported(load_evidence(LIBRARY, as_of="2016"))}
    assert "NCT01539902" in numbers  # reported in 2017
    assert "NCT03818737" not in numbers  # begun in 2019


def test_a_record_in_the_words_of_the_store(evidence) -> None:
    mapped = map_record(LIBRARY / "registry" / "NCT01585857.json", evidence)
    assert (mapped.diseases, mapped.cell_source, mapped.donor, mapped.route) == (
        ("oa",),
        ("at",),
        ("autologous",),
        ("ia",),
    )
    assert mapped.dose == Amount("alternatives", (2e6, 1e7, 5e7)) and mapped.dose_unit == "cells"
    assert [(link.study_id, link.confidence) for link in mapped.links] == [("pers2016", "high")]


def test_cells_per_kg_are_told_from_cells(evidence) -> None:
    mapped = map_record(LIBRARY / "registry" / "NCT01851070.json", evidence)
    assert (mapped.dose, mapped.dose_unit) == (Amount("alternatives", (1e6, 2e6)), "cells_per_kg")


def test_a_registration_is_shown_with_what_could_not_be_mapped(evidence) -> None:
    shown = show_registration(evidence, "NCT01420432")
    assert {item["field"] for item in shown["record"]["not_mapped"]} >= {"donor"}
    with pytest.raises(StromaError, match="E108"):
        show_registration(evidence, "NCT00000001")


def test_the_coverage_page_is_what_the_store_says(evidence) -> None:
    page = (LIBRARY.parent / "docs" / "evidence-coverage.md").read_text(encoding="utf-8")
    assert page == coverage_page(evidence), "run: stroma evidence coverage > docs/evidence-coverage.md"


def test_the_coverage_page_follows_the_store(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    before = coverage_page(load_evidence(root))
    replace_in(
        root / "evidence" / "outcomes.csv",
        "davatchi2011seed.msc,,walking_time,365,",
        "davatchi2011seed.msc,,walking_pain,90,",
    )
    after = coverage_page(load_evidence(root))
    assert before != after and "| walking time until pain appears (`walking_time`) | 0 | 0 | 0 |" in after


def test_what_the_seeds_name_is_on_the_page(evidence) -> None:
    page = coverage_page(evidence)
    for outcome in ("ana", "prednisone_lt10mg", "survival", "walking_time", "serious_adverse_event"):
        assert f"(`{outcome}`)" in page
    assert "NCT01459640" in page and "out of scope" in page and "seed and source differ" in page


def test_lists(evidence) -> None:
    rows = list_studies(evidence, StudyFilter(disease="ln", design="rct", evidence_kind="msc_trial"))
    assert "deng2017" in {row["study_id"] for row in rows}
    years = [row["year"] or 9999 for row in rows]
    assert years == sorted(years)
    assert len(list_studies(evidence)) == 329
    assert [r["study_id"] for r in list_studies(evidence, StudyFilter(outcome_id="walking_time"))] == [
        "davatchi2011seed"
    ]
    with pytest.raises(StromaError, match="nearest: `ln`") as caught:
        list_studies(evidence, StudyFilter(disease="lnn"))
    assert caught.value.exit_code == 2


def test_lupus_brings_its_parts_along(evidence) -> None:
    def names(disease: str) -> set[object]:
        return {row["study_id"] for row in list_studies(evidence, StudyFilter(disease=disease))}

    assert names("sle") >= names("ln") | names("sle_cytopenia") and "deng2017" in names("sle")
    assert "liang2010" in names("sle") - names("ln")
    for outcome in ("overall_remission", None):
        assert "deng2017" in {row["study"] for row in export_rows(evidence, outcome, "sle")}


def test_a_figure_that_the_primary_report_denies_is_doubtful(evidence) -> None:
    (row,) = [r for r in evidence.outcomes_of("wang2012") if r.outcome_id == "complete_response"]
    assert "contradicting primary abstract" in row.note and not row.usable


def test_a_study_is_shown_with_seed_and_source(evidence) -> None:
    shown = show_study(evidence, "leblanc2008")
    assert [(row["status"], row["seed"]) for row in shown["seeds"]] == [
        ("differs", "seed1"),
        ("in_store", "seed1"),
    ]
    assert show_study(evidence, "deng2017")["overall_risk_of_bias"] == "some_concerns"


def test_what_nobody_judged_is_not_assessed(evidence) -> None:
    rows = risk_of_bias(evidence, "bliss52")
    assert [row.domain for row in rows] == list(TOOLS["rob2-2019"][0])
    assert {row.judgement for row in rows} == {NOT_ASSESSED}


def test_the_table_of_bias_is_the_sheets(evidence) -> None:
    """Every judgement of the store stands in its cell and nothing else does; a study without a sheet has no line."""
    shown = {
        (row["study_id"], row["tool"], name): cell
        for row in list_bias(evidence)
        for name, cell in row.items()
        if name not in ("study_id", "year", "disease", "design", "tool") and cell is not None
    }
    assert shown == {(row.study_id, row.tool, row.domain): row.judgement for row in evidence.judgements}
    lupus = list_bias(evidence, "sle")
    (deng,) = [row for row in lupus if row["study_id"] == "deng2017"]
    assert (deng["overall"], deng["confounding"]) == ("some_concerns", None)
    assert all({"sle", "ln", "sle_cytopenia"} & set(str(row["disease"]).split(";")) for row in lupus)
    with pytest.raises(StromaError, match="E105"):
        list_bias(evidence, "lnn")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, ""),
        (Amount("single", (1e6,)), "1e6"),
        (Amount("range", (5e5, 1.5e6)), "500000-1.5e6"),
        (Amount("alternatives", (1.0, 3.0)), "1|3"),
        (Amount("successive", (1e8, 2e8)), "1e8+2e8"),
    ],
)
def test_amounts_are_written_as_they_are_read(amount: Amount | None, text: str) -> None:
    assert amount_text(amount) == text


def test_export_reads_back(evidence) -> None:
    rows = export_rows(evidence, "overall_remission", "ln")
    stream = io.StringIO()
    write_export(rows, stream)
    stream.seek(0)
    read = list(csv.DictReader(stream))
    assert tuple(read[0]) == COLUMNS and len(read) == len(rows)
    deng = {r["arm"]: (r["xi"], r["ni"], r["treatment"], r["better"]) for r in read if r["study"] == "deng2017"}
    assert deng == {
        "deng2017.msc": ("9", "12", "msc", "up"),
        "deng2017.control": ("5", "6", "background", "up"),
    }


def test_export_gives_means_with_their_deviation(evidence) -> None:
    rows = export_rows(evidence, "womac_total_weighted")
    se = next(r for r in rows if r["dispersion"] == "se")
    assert (se["mi"], se["ni"]) == (50.3, 98) and se["sdi"] == pytest.approx(2.0 * 98**0.5)
    plain = next(r for r in export_rows(evidence, "sledai") if r["arm"] == "liang2010.msc" and r["time_day"] == 0)
    assert (plain["mi"], plain["sdi"], plain["ni"]) == (12.2, 3.3, 12)


def test_export_leaves_words_out(evidence) -> None:
    assert export_rows(evidence, "walking_time") == []
    assert not {"direction", "p_value"} & {r["statistic"] for r in export_rows(evidence)}


def test_differences_between_dates_and_between_stores(tmp_path: Path, evidence) -> None:
    by_date = compare(load_evidence(LIBRARY, as_of="2012"), load_evidence(LIBRARY, as_of="2013"))
    assert "wang2013sle" in by_date[0].added and not by_date[0].removed
    root = copy_of_the_library(tmp_path)
    replace_in(root / "evidence" / "outcomes.csv", "overall_remission,180,count,9,", "overall_remission,180,count,8,")
    studies, arms, outcomes = compare(evidence, load_evidence(root))
    assert not (studies.added or studies.changed or arms.changed or outcomes.added or outcomes.removed)
    assert [(c.field, c.before, c.after) for c in outcomes.changed] == [("value", "9.0", "8.0")]
