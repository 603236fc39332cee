"""Adding: wrong files load nothing and tell everything; right files grow the store and lose nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from evidence_library import GOOD, LIBRARY, copy_of_the_library, tables, written

from stroma.errors import StromaError
from stroma.evidence.adding import add_study, import_record, import_table
from stroma.evidence.comparing import compare
from stroma.evidence.store import load_evidence


def test_a_study_is_added_and_nothing_is_lost(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    before, old = tables(root), load_evidence(root)
    added = add_study(written(tmp_path, "new.toml", GOOD), root)
    assert dict(added.rows) == {"studies.csv": 1, "arms.csv": 2, "outcomes.csv": 2}
    assert all(tables(root)[name].startswith(content) for name, content in before.items())
    assert set(tables(root)) == set(before)
    gained = {table.table: table for table in compare(old, load_evidence(root))}
    assert gained["studies"].added == ("example2020",)
    assert gained["arms"].added == ("example2020.msc", "example2020.control")
    assert not any(table.removed or table.changed for table in gained.values())
    rows = load_evidence(root).outcomes_of("example2020")
    assert [(row.arm.arm_id, row.value, row.n) for row in rows] == [
        ("example2020.msc", 11, 20),
        ("example2020.control", 9, 20),
    ]


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    before = tables(root)
    add_study(written(tmp_path, "new.toml", GOOD), root, write=False)
    assert tables(root) == before


def test_every_mistake_of_a_file_is_told_in_its_own_lines(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    before = tables(root)
    text = (
        GOOD.replace("value = 11", "value = 21")
        .replace('route = "iv"', 'route = "iw"')
        .replace(
            'outcome_id = "overall_remission"\ntime_day = 180\nstatistic = "count"\nvalue = 9',
            'outcome_id = "overal_remission"\ntime_day = 180\nstatistic = "count"\nvalue = 9',
        )
        .replace("n_total = 40", "n_total = 30")
    )
    path = written(tmp_path, "wrong.toml", text)
    lines = text.splitlines()
    with pytest.raises(StromaError) as caught:
        add_study(path, root)
    told = {(d.code, d.line) for d in caught.value.diagnostics}
    arm = lines.index("[[arm]]") + 1
    first, second = (i for i, line in enumerate(lines, 1) if line == "[[outcome]]")
    assert {("E101", arm), ("E117", first), ("E101", second)} <= told
    assert all(d.file == path for d in caught.value.diagnostics if d.code != "E110")
    assert "nearest: `overall_remission`" in str(caught.value)
    assert tables(root) == before


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("n_total", "n_totl", "E131"),
        ("[[arm]]", "[[arms]]", "E131"),
        ('study_id = "example2020"', "", "E131"),
        ("[study]", "[study", "E130"),
        ('study_id = "example2020"', 'study_id = "deng2017"', "E101"),
        ('study_id = "example2020"', 'study_id = "Example2020"', "E103"),
        ('arm = "control"\nout', 'arm = "ctrl"\nout', "E102"),
    ],
)
def test_malformed_files(tmp_path: Path, old: str, new: str, code: str) -> None:
    root = copy_of_the_library(tmp_path)
    before = tables(root)
    with pytest.raises(StromaError) as caught:
        add_study(written(tmp_path, "wrong.toml", GOOD.replace(old, new, 1)), root)
    assert code in {d.code for d in caught.value.diagnostics}
    assert tables(root) == before


OUTCOMES = (LIBRARY / "evidence" / "outcomes.csv").read_text(encoding="utf-8").splitlines()[0]


def test_rows_of_a_table_are_imported(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    row = "liang2010.msc,,sledai,180,mean,5,,score,sd,2.9,,12,,,,,,,,,"
    added = import_table(written(tmp_path, "rows.csv", f"{OUTCOMES}\n{row}\n"), root)
    assert dict(added.rows) == {"outcomes.csv": 1}
    assert load_evidence(root).outcomes[-1].value == 5


def test_one_wrong_row_keeps_the_right_ones_out(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    before = tables(root)
    rows = [
        "liang2010.msc,,sledai,180,mean,5,,score,sd,2.9,,12,,,,,,,,,",
        "liang2010.msc,,sledai,365,mean,3.2,,score,sd,2.8,,12,,,,,,,,,",
        "liang2010.msc,,sledai,540,mean,many,,score,sd,2.8,,12,,,,,,,,,",
        "liang2010.msc,,serum_creatinine,180,mean,1.2,,mg/dL,sd,0.2,,12,,,,,,,,,",
    ]
    path = written(tmp_path, "rows.csv", "\n".join([OUTCOMES, *rows]) + "\n")
    with pytest.raises(StromaError) as caught:
        import_table(path, root)
    assert {(d.code, d.line) for d in caught.value.diagnostics if d.file == path} == {
        ("E101", 3),
        ("E101", 4),
        ("E114", 5),
    }
    assert "times 88.4 gives `umol/L`" in str(caught.value)
    assert tables(root) == before


def test_every_wrong_row_is_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    right = "liang2010.msc,,sledai,180,mean,5,,score,sd,2.9,,12,,,,,,,,,"
    wrong = [right.replace("liang2010.msc", "LIANG2010.msc"), right.replace("180", "181"), right, right,
             "liang2010.msc,,sledai,365,mean,3.2,,score,sd,2.8,,12,,,,,,,,,"]
    path = written(tmp_path, "rows.csv", "\n".join([OUTCOMES, *wrong]).replace("sledai,181", "sledia,181") + "\n")
    with pytest.raises(StromaError) as caught:
        import_table(path, root)
    found = caught.value.diagnostics
    assert [(d.code, d.line, d.file) for d in found] == [(c, n, path) for c, n in (
        ("E102", 2), ("E101", 3), ("E101", 5), ("E101", 6))]
    assert "nearest: `liang2010.msc`" in found[0].hint and found[2].hint == "first row: line 4"
    assert re.fullmatch(r"first row: line \d+ of outcomes\.csv in the store", found[3].hint)


@pytest.mark.parametrize("text", ["", "study_id,colour\na,b\n", f"{OUTCOMES}\n"])
def test_a_file_that_is_no_table(tmp_path: Path, text: str) -> None:
    with pytest.raises(StromaError, match="E130"):
        import_table(written(tmp_path, "rows.csv", text), copy_of_the_library(tmp_path))


def record(tmp_path: Path, nct_id: str, enrolment: int) -> Path:
    study = json.loads((LIBRARY / "registry" / "NCT01539902.json").read_text(encoding="utf-8"))
    study["protocolSection"]["identificationModule"]["nctId"] = nct_id
    study["protocolSection"]["designModule"]["enrollmentInfo"]["count"] = enrolment
    return written(tmp_path, f"{nct_id}.json", json.dumps(study))


def test_a_registration_is_imported_with_its_report(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    add_study(written(tmp_path, "new.toml", GOOD), root)
    added, mapped = import_record(record(tmp_path, "NCT09999999", 40), root)
    assert dict(added.rows) == {"registrations.csv": 1}
    assert (mapped.diseases, mapped.cell_source, mapped.donor, mapped.route) == (
        ("ln",),
        ("uc",),
        ("allogeneic",),
        ("iv",),
    )
    assert [(link.study_id, link.confidence) for link in mapped.links] == [("example2020", "probable")]
    assert "dose" in {item.field for item in mapped.unmapped}
    stored = load_evidence(root).registrations["NCT09999999"]
    assert (stored.study_ids, stored.linkage_confidence) == (("example2020",), "probable")
    assert (root / "registry" / "NCT09999999.json").is_file()
    with pytest.raises(StromaError, match="E134"):
        import_record(tmp_path / "NCT09999999.json", root)


def test_a_registration_nobody_reported(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    _, mapped = import_record(record(tmp_path, "NCT09999998", 41), root)
    assert mapped.links == ()
    assert load_evidence(root).registrations["NCT09999998"].linkage_confidence == "none"


def test_the_study_of_the_manual_is_accepted(tmp_path: Path) -> None:
    manual = (LIBRARY.parent / "docs" / "add-a-study.md").read_text(encoding="utf-8")
    block = manual.split("```toml\n")[1].split("```")[0]
    added = add_study(written(tmp_path, "new.toml", block), copy_of_the_library(tmp_path))
    assert dict(added.rows) == {"studies.csv": 1, "arms.csv": 2, "outcomes.csv": 2}
