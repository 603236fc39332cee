"""The verbs: data on stdout, words on stderr, JSON that reads, nothing stored by a wrong file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from evidence_library import GOOD, copy_of_the_library, tables, written
from typer.testing import CliRunner

from stroma.cli.evidence import app
from stroma.errors import StromaError


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_of_the_library(tmp_path)
    monkeypatch.setenv("STROMA_LIBRARY", str(root))
    return root


def run(*words: str):
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, StromaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_list(library: Path) -> None:
    result = run("list", "--disease", "ln", "--kind", "msc_trial", "--json")
    assert {"deng2017", "zeng2016"} <= {row["study_id"] for row in json.loads(result.stdout)}
    assert result.stderr.strip().endswith("studies")
    early = run("list", "--disease", "ln", "--kind", "msc_trial", "--json", "--as-of", "2013")
    assert [row["study_id"] for row in json.loads(early.stdout)] == ["elansary2012"]
    plain = run("list", "--disease", "ln", "--kind", "msc_trial").stdout.splitlines()
    assert plain[0].split()[0] == "study_id" and len(plain) == 6


def test_the_parts_of_a_disease_are_named(library: Path, tmp_path: Path) -> None:
    forest = ("forest", "overall_remission", "--output", str(tmp_path / "forest.svg"))
    for words in (("list",), ("export", "--outcome", "sledai"), ("pool", "overall_remission"), forest):
        assert "sle includes ln (lupus nephritis)" in run(*words, "--disease", "sle").stderr
        assert "includes" not in run(*words, "--disease", "ln").stderr


def test_show(library: Path) -> None:
    shown = json.loads(run("show", "deng2017", "--json").stdout)
    assert shown["study"]["n"] == 18 and len(shown["arms"]) == 2
    assert "deng2017.msc" in run("show", "deng2017").stdout
    assert json.loads(run("show", "NCT01459640", "--json").stdout)["registration"]["study_ids"] == []
    with pytest.raises(StromaError, match="E104"):
        run("show", "deng2017", "--as-of", "2016")


def test_bias(library: Path) -> None:
    result = run("bias", "--disease", "ln")
    assert result.stdout.splitlines()[0].split()[-2:] == ["selective_reporting", "overall"]
    assert "studies with a sheet" in result.stderr
    rows = json.loads(run("bias", "--disease", "ln", "--json").stdout)
    assert len(rows) == len(result.stdout.splitlines()) - 1
    early = json.loads(run("bias", "--disease", "ln", "--json", "--as-of", "2016").stdout)
    assert "deng2017" in {row["study_id"] for row in rows} - {row["study_id"] for row in early}


def test_check_add_diff_export(library: Path, tmp_path: Path) -> None:
    assert json.loads(run("check", "--json").stdout)[0]["problems"] == 0
    assert json.loads(run("check", "--json", "--as-of", "2013").stdout)[0]["studies"] < 150
    before = copy_of_the_library(tmp_path / "before")
    path = written(tmp_path, "new.toml", GOOD)
    assert "nothing written" in run("add", str(path), "--dry-run").stderr
    assert json.loads(run("check", "--json").stdout)[0]["studies"] == 329
    run("add", str(path))
    assert json.loads(run("check", "--json").stdout)[0]["studies"] == 330
    changes = json.loads(run("diff", str(before), "--json").stdout)
    assert [table["added"] for table in changes if table["table"] == "studies"] == [["example2020"]]
    assert "+ studies  example2020" in run("diff", str(before)).stdout
    rows = list(csv.DictReader(io.StringIO(run("export", "--outcome", "overall_remission").stdout)))
    assert [(row["xi"], row["ni"]) for row in rows if row["study"] == "example2020"] == [
        ("11", "20"),
        ("9", "20"),
    ]


def test_a_wrong_file_stores_nothing(library: Path, tmp_path: Path) -> None:
    before = tables(library)
    path = written(tmp_path, "wrong.toml", GOOD.replace("value = 11", "value = 21"))
    with pytest.raises(StromaError, match="21 among 20 analysed"):
        run("add", str(path))
    assert tables(library) == before


def test_safety_registry_coverage(library: Path) -> None:
    rows = json.loads(run("safety", "death", "--arms", "--json").stdout)
    assert {"events": 1, "n": 12}.items() <= next(r for r in rows if r["arm"] == "deng2017.msc").items()
    by_route = json.loads(run("safety", "serious_adverse_event", "--by", "route", "--json").stdout)
    assert {"iv"} <= {row["stratum"] for row in by_route} and all(0 <= row["low"] <= row["high"] for row in by_route)
    assert "sensitisation: no study in the store reports it" in run("safety").stderr
    assert "NCT01459640" in {row["nct_id"] for row in json.loads(run("registry", "--json").stdout)}
    assert run("coverage").stdout.startswith("# What the seeds name")


def test_importing_a_record(library: Path, tmp_path: Path) -> None:
    study = json.loads((library / "registry" / "NCT01585857.json").read_text(encoding="utf-8"))
    study["protocolSection"]["identificationModule"]["nctId"] = "NCT09999999"
    path = written(tmp_path, "NCT09999999.json", json.dumps(study))
    told = json.loads(run("import", str(path), "--json").stdout)
    assert told["record"]["cell_source"] == ["at"]
    assert "NCT09999999" in {row["nct_id"] for row in json.loads(run("registry", "--json").stdout)} or told["reports"]


def test_pool_forest_funnel(library: Path, tmp_path: Path) -> None:
    told = json.loads(run("pool", "overall_remission", "--disease", "ln", "--json").stdout)
    assert told["measure"] == "log_risk_ratio" and told["better"] == "up"
    assert told["pooled"][0]["shown"].startswith("0.9 (")
    assert run("pool", "overall_remission", "--disease", "ln").stdout.splitlines()[1].startswith("deng2017")
    for verb in ("forest", "funnel"):
        file = tmp_path / f"{verb}.svg"
        words = ("overall_response", "--measure", "logit_proportion", "--disease", "agvhd", "--output", str(file))
        assert run(verb, *words).stdout.strip() == str(file) and "<svg" in file.read_text(encoding="utf-8")
        drawn = json.loads(run(verb, *words, "--json").stdout)
        assert drawn["file"] == str(file) and len(drawn["studies"]) == drawn["pooled"][0]["studies"]


def test_words_that_are_not_known(library: Path, tmp_path: Path) -> None:
    for code, words in (
        ("E153.*known: .svg", ("forest", "overall_remission", "--output", str(tmp_path / "forest.xyz"))),
        ("E153.*cannot write", ("funnel", "overall_remission", "--output", str(tmp_path / "no" / "f.png"))),
        ("(?s)E154.*nearest: `msc`", ("pool", "overall_remission", "--treatment", "mcs")),
        ("E154", ("safety", "death", "--treatment", "mcs")),
        ("E106.*no folder", ("diff", str(tmp_path / "nowhere"))),
        ("(?s)E130.*stroma evidence add", ("import", str(written(tmp_path, "one.toml", GOOD)))),
        ("(?s)E130.*stroma evidence import", ("add", str(written(tmp_path, "rows.csv", "a,b")))),
    ):
        with pytest.raises(StromaError, match=f"(?s){code}" if not code.startswith("(?s)") else code):
            run(*words)


def test_only_the_cause_is_told(library: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "wrong.toml", GOOD.replace("double_blind", "double-blind"))
    with pytest.raises(StromaError) as caught:
        run("add", str(path))
    assert [d.message for d in caught.value.diagnostics] == ["`double-blind` is not a `blinding`"]
    text = GOOD.replace('arm = "control"\noutcome', 'arm = "contrl"\noutcome').replace("double_blind", "double-blind")
    with pytest.raises(StromaError) as caught:
        run("add", str(written(tmp_path, "wrong.toml", text)))
    assert [d.code for d in caught.value.diagnostics] == ["E101", "E102"]


def test_a_registration_is_shown_without_brackets(library: Path) -> None:
    assert "{" not in run("show", "NCT01585857").stdout
