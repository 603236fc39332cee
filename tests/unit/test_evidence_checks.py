"""Each check finds the mistake it is there for, at its line, and nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from evidence_library import LIBRARY, copy_of_the_library

from stroma.errors import StromaError
from stroma.evidence.checks import check_evidence

Cells = dict[str, str]
Change = Callable[[Cells], None]


def alter(root: Path, table: str, which: Cells, change: Change) -> int:
    """Apply ``change`` to the first row with the cells ``which``; return its line."""
    file = root / "evidence" / table
    reader = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    rows = list(reader)
    number = next(i for i, row in enumerate(rows) if all(row[k] == v for k, v in which.items()))
    change(rows[number])
    stream = io.StringIO()
    writer = csv.DictWriter(stream, reader.fieldnames or [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    file.write_text(stream.getvalue(), encoding="utf-8")
    return number + 2


def setting(**cells: str) -> Change:
    return lambda row: row.update(cells)


def found(root: Path) -> list[tuple[str, str, int | None]]:
    with pytest.raises(StromaError) as caught:
        check_evidence(root)
    return [(d.code, d.file.name if d.file else "", d.line) for d in caught.value.diagnostics]


DENG = {"arm_id": "deng2017.msc"}
CASES = [
    ("E110", "studies.csv", {"study_id": "deng2017"}, setting(n_total="17"), "arms.csv"),
    ("E110", "outcomes.csv", {**DENG, "outcome_id": "sledai"}, setting(n_analysed="13"), "outcomes.csv"),
    (
        "E111",
        "outcomes.csv",
        {**DENG, "outcome_id": "sledai"},
        setting(dispersion_type="ci95", dispersion_lo="-6", dispersion_hi="-4"),
        "outcomes.csv",
    ),
    ("E111", "outcomes.csv", {**DENG, "outcome_id": "sledai"}, setting(dispersion_lo=""), "outcomes.csv"),
    ("E114", "outcomes.csv", {**DENG, "outcome_id": "serum_albumin"}, setting(unit="g/dL"), "outcomes.csv"),
    (
        "E114",
        "outcomes.csv",
        {"arm_id": "liang2010.msc", "outcome_id": "proteinuria_24h"},
        setting(value="2505"),
        "outcomes.csv",
    ),
    ("E115", "studies.csv", {"study_id": "wang2018"}, setting(pmid="28478399"), "studies.csv"),
    ("E115", "studies.csv", {"study_id": "sunl2009mouse"}, setting(same_report_as=""), "studies.csv"),
    ("E115", "studies.csv", {"study_id": "wang2018"}, setting(registry_id="NCT01539902"), "studies.csv"),
    (
        "E117",
        "outcomes.csv",
        {**DENG, "outcome_id": "overall_remission"},
        setting(value="19"),
        "outcomes.csv",
    ),
    (
        "E117",
        "outcomes.csv",
        {**DENG, "outcome_id": "overall_remission"},
        setting(value="8.5"),
        "outcomes.csv",
    ),
    (
        "E117",
        "outcomes.csv",
        {"arm_id": "wang2018.msc", "outcome_id": "survival"},
        setting(value="840"),
        "outcomes.csv",
    ),
    ("E118", "studies.csv", {"study_id": "deng2017"}, setting(split="fit"), "studies.csv"),
    ("E118", "studies.csv", {"study_id": "wang2018"}, setting(split="validation"), "studies.csv"),
    ("E119", "studies.csv", {"study_id": "deng2017"}, setting(published_year="2217"), "studies.csv"),
    ("E119", "studies.csv", {"study_id": "seedcase25uc"}, setting(note=""), "studies.csv"),
    (
        "E120",
        "outcomes.csv",
        {**DENG, "outcome_id": "complete_response"},
        setting(rule_id=""),
        "outcomes.csv",
    ),
    (
        "E121",
        "outcomes.csv",
        {"arm_id": "liang2010.msc", "outcome_id": "sledai"},
        setting(value="122"),
        "outcomes.csv",
    ),
    (
        "E122",
        "outcomes.csv",
        {"arm_id": "carrion2010.msc", "outcome_id": "treg_pct"},
        setting(text="", value="3"),
        "outcomes.csv",
    ),
    ("E122", "outcomes.csv", {**DENG, "outcome_id": "sledai"}, setting(text="better"), "outcomes.csv"),
    (
        "E123",
        "risk_of_bias.csv",
        {"study_id": "deng2017", "domain": "randomisation"},
        setting(domain="randomization"),
        "risk_of_bias.csv",
    ),
    (
        "E123",
        "risk_of_bias.csv",
        {"study_id": "deng2017", "domain": "randomisation"},
        setting(judgement="high"),
        "risk_of_bias.csv",
    ),
    (
        "E123",
        "risk_of_bias.csv",
        {"study_id": "deng2017", "domain": "randomisation"},
        setting(judgement="critical"),
        "risk_of_bias.csv",
    ),
    ("E124", "seed_claims.csv", {"claim_id": "s1_gvhd_55"}, setting(primary_statement=""), "seed_claims.csv"),
    ("E125", "registrations.csv", {"nct_id": "NCT01539902"}, setting(enrolment="52"), "registrations.csv"),
    (
        "E120",
        "response_rules.csv",
        {"rule_id": "ln_deng_cr"},
        setting(formula="upcr + 1"),
        "response_rules.csv",
    ),
    (
        "E301",
        "response_rules.csv",
        {"rule_id": "ln_deng_cr"},
        setting(formula="upcr <="),
        "response_rules.csv",
    ),
]


@pytest.mark.parametrize(
    ("code", "table", "which", "change", "told_in"),
    CASES,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_found_where_it_is(
    tmp_path: Path, code: str, table: str, which: Cells, change: Change, told_in: str
) -> None:
    root = copy_of_the_library(tmp_path)
    line = alter(root, table, which, change)
    problems = found(root)
    assert (code, told_in) in {(c, f) for c, f, _ in problems}
    assert {c for c, _, _ in problems} == {code}
    if told_in == table and code not in ("E115", "E123"):
        assert (code, table, line) in problems


def test_the_store_has_no_problem() -> None:
    assert len(check_evidence(LIBRARY).outcomes) == 2286


def test_a_change_against_its_levels(tmp_path: Path) -> None:
    """A mean that falls from 12.2 to 3.2 with a change printed as +9."""
    root = copy_of_the_library(tmp_path)
    with (root / "evidence" / "outcomes.csv").open("a", encoding="utf-8") as stream:
        stream.write("liang2010.msc,,sledai,365,mean_change,9,,score,none,,,12,,,,,,,,,\n")
    assert {code for code, _, _ in found(root)} == {"E113"}


@pytest.mark.parametrize("table", ["studies.csv", "arms.csv"])
def test_ids_that_differ_by_case_only(tmp_path: Path, table: str) -> None:
    root = copy_of_the_library(tmp_path)
    key = {"studies.csv": "study_id", "arms.csv": "arm_id"}[table]
    line = alter(root, table, {"study_id": "deng2017"}, lambda row: row.update({key: row[key].replace("d", "D", 1)}))
    problems = found(root)
    assert ("E103", table, line) in problems


def test_a_standard_error_given_as_a_standard_deviation(tmp_path: Path) -> None:
    """Brisk 2005 prints WOMAC 50.3 (SE 2.0), n 98; as an SD it would be a fortieth of the scale."""
    root = copy_of_the_library(tmp_path)
    line = alter(
        root,
        "outcomes.csv",
        {"outcome_id": "womac_total_weighted", "dispersion_type": "se"},
        setting(dispersion_type="sd"),
    )
    with pytest.raises(StromaError, match=r"makes an SD of 19\.8") as caught:
        check_evidence(root)
    assert [(d.code, d.line) for d in caught.value.diagnostics] == [("E112", line)]


def test_a_standard_error_is_seen_beside_other_studies(tmp_path: Path) -> None:
    """FVC has no upper limit, but its SD is known: 13 to 15 % predicted in this trial, not 1.8 with n 106."""
    root = copy_of_the_library(tmp_path)
    line = alter(
        root,
        "outcomes.csv",
        {"outcome_id": "fvc_pct", "dispersion_type": "sd", "dispersion_lo": "14.9"},
        setting(dispersion_lo="1.8"),
    )
    assert ("E112", "outcomes.csv", line) in found(root)


def test_arms_many_standard_deviations_apart(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    alter(
        root,
        "outcomes.csv",
        {**DENG, "outcome_id": "serum_albumin", "statistic": "mean_change"},
        setting(dispersion_lo="0.5"),
    )
    alter(
        root,
        "outcomes.csv",
        {"arm_id": "deng2017.control", "outcome_id": "serum_albumin", "statistic": "mean_change"},
        setting(dispersion_lo="0.5"),
    )
    with pytest.raises(StromaError, match="standard deviations apart"):
        check_evidence(root)


def test_events_may_exceed_patients(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    alter(root, "outcomes.csv", {**DENG, "outcome_id": "infection"}, setting(value="15", unit="events"))
    check_evidence(root)
