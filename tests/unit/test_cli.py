"""The command line: data on stdout, words on stderr, exit codes, nothing half-written."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
from tests.console import exit_code, output
from typer.testing import CliRunner

from stroma.cli import artefacts, doctor, main, progress
from stroma.cli.artefacts import write_files
from stroma.errors import StromaError
from stroma.library import library_root
from stroma.notice import NOTICE

TREATED = ["--therapy", "uc_msc_allogeneic", "--therapy", "prednisone_taper", "--dose", "1e6/kg"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_problem_in_the_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    assert exit_code(monkeypatch, "simulate", "slee") == 1
    out, err = capsys.readouterr()
    assert out == "" and "error[D001]" in err and "`sle`" in err
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert exit_code(monkeypatch, "simulate", "sle", "--populaton", "new") == 2
    assert capsys.readouterr().out == ""


def test_all_problems_of_a_treatment_at_once(tmp_path: Path) -> None:
    with pytest.raises(StromaError) as caught:
        output("simulate", "sle", "--therapy", "placebos", "--therapy", "mycophenolat", "--dose", "1e6/m2")
    assert [d.code for d in caught.value.diagnostics] == ["D010", "D010", "T205"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "code"), [
    (["--therapy", "uc_msc_allogeneic"], "U004"), (["--dose", "1e6/kg"], "U005"),
    (["--population", "nwe"], "P001"), (["--backend", "cpuu"], "S010")])
def test_what_simulate_refuses(words: list[str], code: str) -> None:
    with pytest.raises(StromaError) as caught:
        output("simulate", "sle", *words)
    assert caught.value.diagnostics[0].code == code and caught.value.diagnostics[0].hint


def test_the_keyboard_stops_it_with_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
                                                 tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stroma.cli.one_subject.solve_pool", interrupted)
    assert exit_code(monkeypatch, "simulate", "sle") == 130
    out, err = capsys.readouterr()
    assert out == "" and err.strip() == "Stopped by the keyboard; nothing was left half-written."
    assert list(tmp_path.iterdir()) == []


def test_a_defect_of_the_program_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("stroma.cli.one_subject.solve_pool", defect)
    monkeypatch.setattr(sys, "argv", ["stroma", "simulate", "sle"])
    with pytest.raises(ZeroDivisionError):
        main.run()


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    class Interrupted(dict):
        def items(self):
            yield "a.txt", b"whole"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path / "run", Interrupted())
    with pytest.raises(TypeError):
        write_files(tmp_path / "run", {"b.txt": "not bytes"})
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["a.txt"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StromaError) as caught:
        write_files(tmp_path / "taken", {"a": b""})
    assert caught.value.diagnostics[0].code == "X003" and caught.value.exit_code == 4


def test_json_has_no_number_that_json_lacks(capsys: pytest.CaptureFixture) -> None:
    artefacts.print_json({"a": [0.1, float("nan")], "b": (1, float("inf"))})
    assert json.loads(capsys.readouterr().out) == {"a": [0.1, None], "b": [1, None]}


@pytest.mark.parametrize(("disease", "scales"), [
    ("ra", {"das28_esr", "cdai_ra"}), ("oa", {"womac_total", "koos_pain"})])
def test_simulate_shows_composite_scales_before_their_parts(tmp_path: Path, disease: str, scales: set[str]) -> None:
    found = json.loads(output("simulate", disease, "--days", "30", "--json", "--out", str(tmp_path)))
    for course in found["courses"]:
        names = list(course["measured"])
        assert scales <= set(names[:4]) and {"ptg"} <= set(names[4:])
    header = (tmp_path / "visits.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert scales <= set(header)


def test_simulate_gives_the_same_bytes_and_a_figure(tmp_path: Path) -> None:
    words = ("simulate", "sle", *TREATED, "--days", "90", "--json", "--out")
    first = json.loads(output(*words, "one"))
    again = json.loads(output(*words, "two"))
    assert (first.pop("run_folder"), again.pop("run_folder")) == ("one", "two")
    assert first == again and first["simulated"] is True and first["notice"] == NOTICE
    assert [c["arm"] for c in first["courses"]] == ["untreated", "treated"]
    assert first["visit_day"] == [0, 7, 14, 21, 28, 35, 42, 49, 56, 63, 70, 77, 84, 90]
    for name in ("visits.csv", "subject.svg", "subject.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "subject.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "one" / "visits.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["status"] for row in rows} == {NOTICE}
    measured = [float(row["upcr"]) for row in rows if row["arm"] == "treated"]
    assert measured == first["courses"][1]["measured"]["upcr"]


def test_untreated_is_the_same_person_without_the_therapies() -> None:
    alone = json.loads(output("simulate", "sle", "--days", "60", "--json"))
    beside = json.loads(output("simulate", "sle", *TREATED, "--days", "60", "--json"))
    other = json.loads(output("simulate", "sle", "--days", "60", "--subject", "1", "--json"))
    assert len(alone["courses"]) == 1 and alone["courses"][0] == beside["courses"][0]
    assert alone["covariates"] == beside["covariates"] != other["covariates"]


def test_engines_give_one_patient_one_course() -> None:
    found = [json.loads(output("simulate", "sle", *TREATED, "--days", "60", "--json", "--backend", name))
             for name in ("cpu", "reference")]
    one, two = (f["courses"][1]["measured"] for f in found)
    for name, values in one.items():
        assert values == pytest.approx(two[name], rel=1e-4), name


def test_the_table_is_marked_and_whole_where_no_terminal_sets_the_width() -> None:
    shown = output("simulate", "sle", "--days", "30")
    assert NOTICE in shown and "anti_dsdna" in shown and "…" not in shown


def test_check_and_show_of_a_model() -> None:
    assert "sle: no problems" in output("model", "check", "sle")
    counts = json.loads(output("model", "check", "sle", "--json"))
    shown = json.loads(output("model", "show", "sle", "--json"))
    assert len(shown["states"]) == counts["states"] and shown["modules"][0] == "msc_fate"
    assert sum(p["scope"] == "model" for p in shown["parameters"]) == counts["parameters"]
    assert all(p["source"] and p["unit"] for p in shown["parameters"])
    assert "efferocytosis" in output("model", "show", "sle")


def test_check_names_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture) -> None:
    shutil.copytree(library_root(), tmp_path / "library")
    spoilt = tmp_path / "library" / "modules" / "humoral.ant"
    spoilt.write_text(spoilt.read_text().replace("k_igg * (short_lived", "k_ihh * (short_lived"))
    monkeypatch.setenv("STROMA_LIBRARY", str(tmp_path / "library"))
    assert exit_code(monkeypatch, "model", "check", "sle") == 1
    assert "humoral.ant:" in capsys.readouterr().err


def test_doctor_looks_at_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(library_root(), tmp_path / "library")
    (tmp_path / "library" / "diseases" / "sle" / "posterior.parquet").unlink(missing_ok=True)
    monkeypatch.setenv("STROMA_LIBRARY", str(tmp_path / "library"))
    result = CliRunner().invoke(main.app, ["doctor", "--json"])
    found = {f["what"]: f for f in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 4 and not json.loads(result.stdout)["sound"]
    assert not found["posterior"]["ok"] and "C020" in found["posterior"]["says"]
    assert all(found[what]["ok"] for what in ("Python", "library", "engines", "cache"))
    assert 0 < doctor.engine_difference() <= doctor.AGREE


def test_help_explains_a_code() -> None:
    assert "parameters.csv" in output("help", "m012")
    with pytest.raises(StromaError) as caught:
        output("help", "M0012")
    assert caught.value.diagnostics[0].code == "U001" and caught.value.exit_code == 2


def test_engine_simulates_what_model_exports(tmp_path: Path) -> None:
    output("model", "export", "sle", "--dose", "viable=4e7@day0,7", "--out", "sle.xml")
    output("engine", "simulate", "sle.xml", "--end", "14", "--points", "3", "--csv", "out.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "sle.xml"]
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["time"]) for row in rows] == [0, 7, 14]
    assert float(rows[2]["viable"]) == pytest.approx(4e7 * (0.5 ** 14 + 0.5 ** 7), rel=2e-3)  # half-life 24 h


def test_a_bar_appears_on_a_terminal_after_two_seconds_only(monkeypatch: pytest.MonkeyPatch,
                                                            capsys: pytest.CaptureFixture) -> None:
    def work() -> str:
        with progress.progress_bar("calibrate") as report:
            for done in range(1, 4):
                report("simulate", done, 3)
        out, err = capsys.readouterr()
        assert out == ""
        return err

    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    assert work() == ""  # stderr is no terminal here
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = work()
    assert "calibrate: simulate" in shown and "100 %" in shown
    monkeypatch.setattr(progress, "QUIET_SECONDS", 2.0)
    assert work() == ""


def test_no_file_of_the_run_leaks_into_the_folder_of_the_caller(tmp_path: Path) -> None:
    output("model", "export", "sle", "--no-values")
    assert list(tmp_path.iterdir()) == []


def test_too_large_a_question_is_a_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert exit_code(monkeypatch, "power", "NCT01539902", "--n", "10000000000", "--draws", "50", "--subjects", "20",
                     "--trials", "100") == 3
    assert "error[S053]" in capsys.readouterr().err
