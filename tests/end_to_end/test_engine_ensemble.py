"""`stroma engine ensemble`: every row once, whatever was killed, however it was shared out."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from typer.testing import CliRunner

from stroma.cli import main
from stroma.engine.population_file import READ_AT_ONCE, PopulationFile
from stroma.errors import StromaError

SBML = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model id="decay">
<listOfParameters>
  <parameter id="x" value="1" constant="false"/><parameter id="k" value="0.5" constant="true"/>
  <parameter id="a" value="2" constant="true"/><parameter id="twice" constant="false"/>
</listOfParameters>
<listOfInitialAssignments><initialAssignment symbol="x">
  <math xmlns="http://www.w3.org/1998/Math/MathML"><ci>a</ci></math></initialAssignment></listOfInitialAssignments>
<listOfRules>
  <rateRule variable="x"><math xmlns="http://www.w3.org/1998/Math/MathML">
    <apply><minus/><apply><times/><ci>k</ci><ci>x</ci></apply></apply></math></rateRule>
  <assignmentRule variable="twice"><math xmlns="http://www.w3.org/1998/Math/MathML">
    <apply><times/><cn>2</cn><ci>x</ci></apply></math></assignmentRule>
</listOfRules></model></sbml>
"""
N = 5_000
RATE = np.random.default_rng(3).uniform(0.1, 2.0, N)
RATE[17] = np.nan
TIMES = np.linspace(0.0, 2.0, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "decay.xml").write_text(SBML)
    table = pa.table({"k": pa.array(RATE, from_pandas=True)})
    pq.write_table(table, tmp_path / "people.parquet", row_group_size=700)
    csv.write_csv(table, tmp_path / "people.csv")
    return tmp_path


def command(folder: Path, out: str, *more: str, people: str = "people.csv") -> list[str]:
    return ["engine", "ensemble", str(folder / "decay.xml"), "--parameters", str(folder / people), "--end", "2",
            "--points", "3", "--chunk", "50", "--out", str(folder / out), *more]


def run(folder: Path, out: str, *more: str, people: str = "people.csv") -> str:
    result = CliRunner().invoke(main.app, command(folder, out, *more, people=people), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stderr


def parts(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def check(folder: Path) -> None:
    found = {n: np.array(c) for n, c in pq.read_table(folder).to_pydict().items()}
    assert found["subject"].tolist() == np.repeat(np.arange(N), 3).tolist()
    assert found["t_day"].tolist() == np.tile(TIMES, N).tolist()
    exact = 2 * np.exp(-np.repeat(RATE, 3) * np.tile(TIMES, N))
    assert np.allclose(found["x"], exact, rtol=1e-4, equal_nan=True)
    assert np.allclose(found["twice"], 2 * exact, rtol=1e-4, equal_nan=True)
    assert np.unique(found["subject"][found["status"] != 0]).tolist() == [17]


def test_killed_runs_end_with_the_same_bytes_as_one_that_was_not(folder: Path) -> None:
    said = run(folder, "whole")
    assert "5,000 subjects in 100 files" in said and "failed: 1 bad_input" in said
    assert "delivered error at most" in said and "below 0.0001" in said and "NOT" not in said
    check(folder / "whole")
    program = [sys.executable, "-c", "from stroma.cli.main import run; run()", *command(folder, "killed")]
    for least in (5, 40):
        with subprocess.Popen(program, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while len(list((folder / "killed").glob("part-*.parquet"))) < least and time.monotonic() < deadline:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert least <= len(list((folder / "killed").glob("part-*.parquet"))) < 100
    run(folder, "killed")
    kept = {n: b for n, b in parts(folder / "killed").items() if not n.startswith(".")}
    assert kept == parts(folder / "whole")


def test_shards_and_parquet_parameters_give_the_rows_of_one_run(folder: Path) -> None:
    run(folder, "whole", people="people.parquet")
    for i in (2, 3, 1):
        run(folder, "shared", "--shard", f"{i}/3", people="people.parquet")
    assert parts(folder / "shared") == parts(folder / "whole")
    check(folder / "shared")
    run(folder, "from_csv")
    one, two = (pq.read_table(folder / name) for name in ("from_csv", "whole"))
    assert all(np.array_equal(one[n].to_numpy(), two[n].to_numpy(), equal_nan=True) for n in one.column_names)


def test_only_chosen_outputs_are_kept(folder: Path) -> None:
    run(folder, "one", "--output", "twice")
    assert pq.read_table(folder / "one").column_names == ["subject", "status", "t_day", "twice"]


@pytest.mark.parametrize(("text", "says"), [
    ("k,kk\n1,2\n", "column `kk` is no parameter of the model"), ("k,k\n1,2\n", "more than once"), ("k\n", "no rows"),
    ("k\n1\nfast\n", "cannot read the parameters.*fast"), ("", "cannot read the parameters"),
    ("k,a\n1,2\n3\n", "cannot read the parameters"), ("x\n1\n", "column `x` is no parameter"),
    ("\xff\xfe\x00", "cannot read the parameters|is no parameter")])
def test_parameters_that_cannot_be_used_are_refused(folder: Path, text: str, says: str) -> None:
    (folder / "people.csv").write_text(text, encoding="latin-1")
    with pytest.raises(StromaError, match=f"(?s)S033.*({says})"):
        run(folder, "none")
    assert not (folder / "none").exists()


def test_parquet_that_holds_words_or_is_none_is_refused(folder: Path) -> None:
    pq.write_table(pa.table({"k": ["fast"]}), folder / "people.parquet")
    with pytest.raises(StromaError, match=r"S033.*column `k` holds string, not numbers"):
        run(folder, "none", people="people.parquet")
    (folder / "people.parquet").write_bytes(b"PAR1nonsense")
    with pytest.raises(StromaError, match="S033"):
        run(folder, "none", people="people.parquet")


@pytest.mark.parametrize(("more", "code"), [(["--shard", "4/3"], "S030"), (["--output", "twize"], "S002"),
                                            (["--backend", "gpu"], "S010"), (["--chunk", "0"], "S033"),
                                            (["--points", "1"], "S012"), (["--end", "nan"], "S012")])
def test_what_cannot_be_is_refused_before_anything_is_written(folder: Path, more: list[str], code: str) -> None:
    with pytest.raises(StromaError, match=code):
        run(folder, "none", *more)
    assert not (folder / "none").exists()


def test_rows_are_found_forwards_and_backwards_across_pieces(tmp_path: Path) -> None:
    rates = np.random.default_rng(1).random(400_000)
    csv.write_csv(pa.table({"k": rates}), tmp_path / "people.csv")
    assert (tmp_path / "people.csv").stat().st_size > 1.5 * READ_AT_ONCE
    people = PopulationFile(tmp_path / "people.csv", ("k", "a"))
    assert people.n_row == 400_000 and people.names == ("k",)
    for first, last in ((0, 1), (0, 300_000), (299_000, 400_000), (5, 9), (7, 7), (399_999, 400_000)):
        assert np.array_equal(people.rows(first, last)[:, 0], rates[first:last])
