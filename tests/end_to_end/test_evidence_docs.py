"""The pages for evidence synthesists keep their word: every command and every line of Python in them runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from stroma.cli.main import app
from stroma.evidence import pooling
from stroma.evidence.comparisons import BINARY, CONTINUOUS, MODERATORS, SINGLE_ARM, find_comparisons
from stroma.evidence.pooling import FAMILY
from stroma.evidence.store import load_evidence
from stroma.library import library_root

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("evidence.md", "add-a-study.md")
FIGURE = re.compile(r"--output (\S+)")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    """Every command: indented lines and inline code, also where the line breaks inside it."""
    inline = [" ".join(code.split()) for code in re.findall(r"`(stroma evidence [^`]+)`", text)]
    return re.findall(r"^ {4}(stroma .*)$", text, re.MULTILINE) + inline


def run(words: list[str]) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, f"{words}\n{result.output}\n{result.exception}"
    return result.stdout


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a library of its own, an older one, and the files the pages speak of."""
    for name in ("library", "OLD_LIBRARY"):
        for part in ("vocabulary", "evidence", "registry"):
            shutil.copytree(library_root() / part, tmp_path / name / part)
    (tmp_path / "example2020.toml").write_text(
        page("add-a-study.md").split("```toml\n")[1].split("```")[0], encoding="utf-8")
    record = json.loads((library_root() / "registry" / "NCT01585857.json").read_text(encoding="utf-8"))
    record["protocolSection"]["identificationModule"]["nctId"] = "NCT01234567"
    (tmp_path / "NCT01234567.json").write_text(json.dumps(record), encoding="utf-8")
    header = (library_root() / "evidence" / "outcomes.csv").read_text(encoding="utf-8").splitlines()[0]
    row = "liang2010.msc,,sledai,180,mean,5,,score,sd,2.9,,12,,,,,,,,,"
    (tmp_path / "rows.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    monkeypatch.setenv("STROMA_LIBRARY", str(tmp_path / "library"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_every_command_runs(name: str, desk: Path) -> None:
    told = commands(page(name))
    assert len(told) >= 9
    for line in told:
        words = shlex.split(line.partition(">")[0])[1:]
        assert run(words), line
        figure = FIGURE.search(line)
        assert figure is None or (desk / figure[1]).stat().st_size > 5_000
    assert "NCT01234567" in load_evidence().registrations


def test_an_added_study_changes_the_forest(desk: Path) -> None:
    forest = ["evidence", "forest", "overall_remission", "--disease", "ln", "--json"]
    before = json.loads(run(forest))
    run(["evidence", "add", "example2020.toml"])
    after = json.loads(run(forest))
    assert [row["study"] for row in before["studies"]] == ["deng2017"]
    assert [row["study"] for row in after["studies"]] == ["deng2017", "example2020"]
    assert after["pooled"][0]["estimate"] != before["pooled"][0]["estimate"]
    assert json.loads(run([*forest, "--as-of", "2019"]))["pooled"] == before["pooled"]


def test_every_reading_verb_takes_a_date_and_gives_json() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    evidence = root.commands["evidence"]
    assert isinstance(evidence, typer.core.TyperGroup)
    assert {"list", "show", "add", "import", "check", "pool", "forest", "funnel", "export", "diff"} <= set(
        evidence.commands)
    for name, verb in evidence.commands.items():
        options = {option for parameter in verb.params for option in parameter.opts}
        assert name == "coverage" or "--json" in options, name
        assert name in ("add", "import", "diff", "coverage") or "--as-of" in options, name


def test_the_words_of_the_table_are_known() -> None:
    text = page("evidence.md")
    measures = re.findall(r"`(log_\w+|risk_difference|mean_difference|smd|logit_\w+|freeman_tukey)`", text)
    assert {*BINARY, *CONTINUOUS} <= {*measures, *re.findall(r"--measure (\w+)", text)}
    for measure in measures:
        assert measure in (*BINARY, *CONTINUOUS, *SINGLE_ARM)
        find_comparisons(load_evidence(), "complete_response", measure)
    (words,) = re.findall(r"`--by source`, (.*?), with the test", text)
    assert {"source", *re.findall(r"`(\w+)`", words)} == set(MODERATORS)
    assert all(hasattr(pooling, name) for name in ("mantel_haenszel", "peto", "pool_rate"))


def test_the_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"```python\n(.*?)```", page("evidence.md"), re.DOTALL):
        exec(compile(block, "evidence.md", "exec"), {})
    said = capsys.readouterr().out
    assert said.startswith("(") and "k = 2" in said


def test_the_counts_of_what_is_not_known_are_those_of_the_store() -> None:
    evidence = load_evidence()
    families = {
        outcome: max(
            sum(FAMILY[row.kind] == "controlled" for row in find_comparisons(evidence, outcome, measure).rows)
            for measure in ("log_risk_ratio", "mean_difference")
        )
        for outcome in evidence.vocabulary.outcomes
    }
    most = max(families, key=lambda outcome: families[outcome])
    number = Counter(families.values())
    told = " ".join(page("evidence.md").split())
    assert number[families[most]] == 1
    assert f"`{most}` has {families[most]} independent controlled families, " \
           f"{number[2]} outcomes have two, {number[1]} have one and the others none." in told
    assert sum(number[k] for k in range(3)) == len(families) - 1
    sheets = {row.study_id for row in evidence.judgements}
    unread = [study for study in evidence.studies.values() if study.randomised and study.study_id not in sheets]
    assert f"the other {len(unread)} randomised trials, of comparator drugs, are `not assessed`" in told
    assert "msc_trial" not in {study.evidence_kind for study in unread}


def test_links_lead_somewhere() -> None:
    for name in PAGES:
        links = re.findall(r"\]\(([\w./-]+)\)", page(name))
        assert [link for link in links if not (DOCS / link).exists()] == []
