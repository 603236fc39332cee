"""What the strict loader says about model text that stock Antimony would take in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroma.errors import Diagnostic, Problems
from stroma.model.load import LoadedModel, load_model
from stroma.model.text import gather

UNITS = {"ratio": "dimensionless", "day": "86400 second", "per_day": "1 / 86400 second", "cell": "item",
         "cell_per_day": "item / 86400 second"}
DECAY = """\
// one state that decays
model decay(x, inflow)
  var x;
  k has per_day;
  lost := k * x;
  lost has per_day;
  x has ratio;
  x = 1;
  x' = inflow - lost;
end
"""
MAIN = """\
import "decay.ant"
model toy()
  first: decay(x, inflow);
  source has per_day;
  inflow := source;
  inflow has per_day;
end
"""
ROWS = {"first_k": "per_day", "source": "per_day"}


def load(folder: Path, main: str = MAIN, module: str = DECAY,
         rows: dict[str, str] = ROWS) -> tuple[LoadedModel | None, list[Diagnostic]]:
    """Load a two-file model; row ``i`` of the table stands on line ``i + 2``."""
    (folder / "toy.ant").write_text(main)
    (folder / "decay.ant").write_text(module)
    table = {name: (unit, folder / "parameters.csv", i + 2) for i, (name, unit) in enumerate(rows.items())}
    problems = Problems()
    return load_model(folder / "toy.ant", UNITS, table, problems), problems.found


def found(problems: list[Diagnostic], code: str) -> Diagnostic:
    matching = [p for p in problems if p.code == code]
    assert matching, f"no {code} among {[p.code for p in problems]}"
    return matching[0]


def place(problem: Diagnostic) -> tuple[str, int | None]:
    assert problem.file is not None
    return problem.file.name, problem.line


def test_sound_text_becomes_a_model(tmp_path: Path) -> None:
    loaded, problems = load(tmp_path)
    assert problems == [] and loaded is not None
    assert loaded.model.states == ("x",) and set(loaded.model.parameters) == {"first_k", "source"}
    assert loaded.model.units["x"] == "ratio" and loaded.model.units["first_lost"] == "per_day"


def test_a_misspelt_symbol_has_no_row_and_is_named_with_the_nearest(tmp_path: Path) -> None:
    _, problems = load(tmp_path, main=MAIN.replace("inflow := source;", "inflow := sourc;"))
    problem = found(problems, "M012")
    assert place(problem) == ("toy.ant", 5)
    assert "`sourc`" in problem.message and "`source`" in problem.hint


def test_a_number_in_the_text(tmp_path: Path) -> None:
    _, problems = load(tmp_path, module=DECAY.replace("lost := k * x;", "lost := 0.3 * k * x;"))
    problem = found(problems, "M003")
    assert place(problem) == ("decay.ant", 5) and "0.3" in problem.message


def test_the_numbers_of_equations_are_no_values(tmp_path: Path) -> None:
    _, problems = load(tmp_path, module=DECAY.replace("lost := k * x;", "lost := k * x^2 / (1 + x);"))
    assert problems == []


def test_a_second_definition(tmp_path: Path) -> None:
    _, problems = load(tmp_path, module=DECAY.replace("  x has ratio;", "  lost := k;\n  x has ratio;"))
    problem = found(problems, "M004")
    assert place(problem) == ("decay.ant", 7) and "line 5" in problem.hint


def test_a_reaction_without_a_name(tmp_path: Path) -> None:
    main = MAIN.replace("  source has per_day;",
                        "  compartment body = 1;\n  substanceOnly species a in body, b in body;\n"
                        "  a => b; source * a;\n  source has per_day;")
    _, problems = load(tmp_path, main=main)
    assert place(found(problems, "M005")) == ("toy.ant", 6)


def test_a_wrong_number_of_ports(tmp_path: Path) -> None:
    _, problems = load(tmp_path, main=MAIN.replace("decay(x, inflow)", "decay(x)"))
    problem = found(problems, "M006")
    assert place(problem) == ("toy.ant", 3)
    assert "2 ports, 1" in problem.message and "x, inflow" in problem.hint


def test_an_unknown_module(tmp_path: Path) -> None:
    _, problems = load(tmp_path, main=MAIN.replace("first: decay(", "first: decoy("))
    problem = found(problems, "M006")
    assert place(problem) == ("toy.ant", 3) and "`decay`" in problem.hint


def test_a_port_that_takes_what_nothing_makes(tmp_path: Path) -> None:
    _, problems = load(tmp_path, main=MAIN.replace("decay(x, inflow)", "decay(x, inflwo)"))
    (problem,) = [p for p in problems if p.code == "M006"]
    assert place(problem) == ("toy.ant", 3)
    assert "port `inflow` of `decay` is given `inflwo`" in problem.message and "`inflow`" in problem.hint


def test_a_port_that_makes_what_nothing_uses_while_its_neighbour_is_missed(tmp_path: Path) -> None:
    main = MAIN.replace("  inflow has per_day;", "  inflow has per_day;\n  twice := 2 * amount;\n  twice has ratio;")
    _, problems = load(tmp_path, main=main.replace("decay(x, inflow)", "decay(amuont, inflow)"))
    (problem,) = [p for p in problems if p.code in ("M006", "M012")]
    assert (problem.code, *place(problem)) == ("M006", "toy.ant", 3)
    assert "makes `amuont`" in problem.message and "`amount`, used in line 7" in problem.hint


def test_an_output_that_nothing_uses_is_no_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, main=MAIN.replace("decay(x, inflow)", "decay(anything, inflow)"))[1] == []


def test_a_unit_that_is_not_in_the_vocabulary(tmp_path: Path) -> None:
    _, problems = load(tmp_path, module=DECAY.replace("k has per_day", "k has per_dya"))
    problem = found(problems, "M015")
    assert place(problem) == ("decay.ant", 4) and "`per_day`" in problem.hint


def test_a_missing_module_hides_nothing_else(tmp_path: Path) -> None:
    main = MAIN.replace("decay.ant", "decal.ant").replace("inflow := source;", "inflow := sourc;")
    _, problems = load(tmp_path, main=main, rows=ROWS | {"source": "per_dya"})
    assert {(p.code, p.line) for p in problems} == {("M002", 1), ("M012", 5), ("M015", 3)}


def test_an_import_that_is_not_there(tmp_path: Path) -> None:
    _, problems = load(tmp_path, main=MAIN.replace("decay.ant", "decal.ant"))
    problem = found(problems, "M002")
    assert place(problem) == ("toy.ant", 1) and "`decay`" in problem.hint


def test_text_that_antimony_cannot_read(tmp_path: Path) -> None:
    _, problems = load(tmp_path, main=MAIN.replace("inflow := source;", "inflow := source * ;"))
    assert place(found(problems, "M007")) == ("toy.ant", 5)


def test_a_row_that_names_nothing(tmp_path: Path) -> None:
    _, problems = load(tmp_path, rows=ROWS | {"first_kk": "per_day"})
    problem = found(problems, "M013")
    assert place(problem) == ("parameters.csv", 4) and "`first_k`" in problem.hint


def test_a_missing_row(tmp_path: Path) -> None:
    _, problems = load(tmp_path, rows={"source": "per_day"})
    problem = found(problems, "M012")
    assert place(problem) == ("decay.ant", 4) and "`first_k`" in problem.message


def test_a_missing_unit(tmp_path: Path) -> None:
    _, problems = load(tmp_path, module=DECAY.replace("  lost has per_day;\n", ""))
    problem = found(problems, "M014")
    assert "first_lost" in problem.message and place(problem) == ("decay.ant", 5)


def test_a_unit_that_the_vocabulary_lacks(tmp_path: Path) -> None:
    _, problems = load(tmp_path, rows=ROWS | {"source": "per_dya"})
    problem = found(problems, "M015")
    assert place(problem) == ("parameters.csv", 3) and "`per_day`" in problem.hint


def test_text_and_table_disagree_about_a_unit(tmp_path: Path) -> None:
    _, problems = load(tmp_path, rows=ROWS | {"source": "ratio"})
    assert place(found(problems, "M016")) == ("parameters.csv", 3)


def test_the_two_sides_of_an_equation_differ_in_units(tmp_path: Path) -> None:
    _, problems = load(tmp_path, module=DECAY.replace("lost := k * x;", "lost := k * k * x;"))
    assert place(found(problems, "M017")) == ("decay.ant", 5)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    module = DECAY.replace("lost := k * x;", "lost := 0.3 * k * y;")
    loaded, problems = load(tmp_path, module=module, rows=ROWS | {"extra": "per_day"})
    assert loaded is None
    assert {"M003", "M012", "M013"} <= {p.code for p in problems}
    assert all(p.file is not None and p.line is not None for p in problems if p.code != "M017")


def test_gathered_lines_know_where_they_stand(tmp_path: Path) -> None:
    load(tmp_path)
    text = gather(tmp_path / "toy.ant", Problems())
    assert text.name == "toy"
    assert [line.file.name for line in text.lines] == ["decay.ant"] * 10 + ["toy.ant"] * 7
    spelled = text.antimony(UNITS).splitlines()
    assert len(spelled) == len(text.lines) and spelled[10] == ""
    line = text.find("first_lost")
    assert line is not None and (line.file.name, line.number) == ("decay.ant", 5)


@pytest.mark.parametrize("number", ["0", "1", "2"])
def test_allowed_numbers(tmp_path: Path, number: str) -> None:
    _, problems = load(tmp_path, module=DECAY.replace("x = 1;", f"x = {number};"))
    assert problems == []
