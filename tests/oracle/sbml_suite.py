"""The SBML Test Suite's semantic cases, run through stroma.

    python tests/oracle/sbml_suite.py SUITE ENGINE [LEVEL_VERSION] > docs/sbml-test-suite.md

writes the pass table by feature tag, then every case that is neither right nor refused for what is out of scope.
SUITE is a copy of the suite
(https://github.com/sbmlteam/sbml-test-suite) or its folder ``cases/semantic``.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.engine.sbml_run import simulate_model
from stroma.errors import StromaError
from stroma.model.sbml_read import SbmlModel, read_sbml

VERSIONS = ("l3v2", "l3v1", "l2v5", "l2v4", "l2v3", "l2v2", "l2v1")
# What the reader refuses by name; a case without these must pass.
OUT_OF_SCOPE = {"AlgebraicRule", "CSymbolDelay", "EventWithDelay", "FastReaction", "comp", "fbc"}
# Cases whose answer is drawn at random among events of one priority; here the first one listed goes first.
RANDOM = "RandomEventExecution"


@dataclass(frozen=True)
class Case:
    """One case: its files, its tags and its settings."""

    name: str
    folder: Path
    tags: frozenset[str]
    settings: dict[str, str]

    def model_file(self, version: str | None = None) -> Path | None:
        """Return the SBML of one level and version, by default the highest there is."""
        files = [self.folder / f"{self.name}-sbml-{v}.xml" for v in ([version] if version else VERSIONS)]
        return next((f for f in files if f.exists()), None)

    def listed(self, setting: str) -> list[str]:
        """Return a setting that is a list of names."""
        return [n.strip() for n in self.settings.get(setting, "").split(",") if n.strip()]


@dataclass(frozen=True)
class Verdict:
    """``passed``, ``refused`` (reader or engine said why), ``failed`` (it could not be solved) or ``wrong``."""

    word: str
    detail: str = ""


def find_cases(suite: Path) -> list[Case]:
    """Return every time course of the suite, in order."""
    root = suite / "cases" / "semantic" if (suite / "cases").is_dir() else suite
    cases = []
    for folder in sorted(f for f in root.iterdir() if f.is_dir()):
        head = _pairs((folder / f"{folder.name}-model.m").read_text(encoding="utf-8", errors="replace"))
        if head.get("testType", "").strip() != "TimeCourse":
            continue
        listed = f"{head.get('componentTags', '')},{head.get('testTags', '')}".split(",")
        tags = {t.strip().split(":")[0] for t in listed} - {""}
        settings = _pairs((folder / f"{folder.name}-settings.txt").read_text(encoding="utf-8"))
        cases.append(Case(folder.name, folder, frozenset(tags), settings))
    return cases


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip().isidentifier():
            pairs.setdefault(key.strip(), value.strip())
    return pairs


def run_case(case: Case, engine: str, version: str | None = None) -> Verdict:
    """Run one case and judge it by the suite's own rule: |difference| <= absolute + relative |expected|."""
    file = case.model_file(version)
    assert file is not None
    steps, begin = int(case.settings["steps"]), float(case.settings["start"])
    times = begin + np.linspace(0.0, float(case.settings["duration"]), steps + 1)
    try:
        sbml = read_sbml(file)
    except StromaError as error:
        return Verdict("refused", "; ".join(f"{d.code} {d.message}" for d in error.diagnostics))
    try:
        table = simulate_model(sbml, times, engine)
    except StromaError as error:
        first = error.diagnostics[0]
        return Verdict("refused" if first.code in ("S010", "S011") else "failed", first.message)
    with (case.folder / f"{case.name}-results.csv").open(encoding="utf-8") as text:
        header = [name.strip().strip('"') for name in next(csv.reader(text))]
        expected = np.array([[float(cell) for cell in row] for row in csv.reader(text) if row])
    columns = {n: np.asarray(table[n], float) for n in table.column_names}
    absolute, relative = float(case.settings["absolute"]), float(case.settings["relative"])
    wrong = []
    for i, name in enumerate(header[1:], start=1):
        got, wanted = _as_asked(case, sbml, columns, name), expected[:, i]
        with np.errstate(invalid="ignore"):
            close = np.abs(got - wanted) <= absolute + relative * np.abs(wanted)
        close |= (got == wanted) | (np.isnan(got) & np.isnan(wanted))
        if not np.all(close):
            first = int(np.argmin(close))
            wrong.append(f"{name} is {got[first]:.6g} at {times[first]:g}, expected {wanted[first]:.6g}")
    return Verdict("wrong", "; ".join(wrong)) if wrong else Verdict("passed")


def _as_asked(case: Case, sbml: SbmlModel, columns: dict[str, NDArray[np.float64]], name: str,
              ) -> NDArray[np.float64]:
    """Return a column as amount or concentration, whichever the case asks for."""
    species = sbml.species.get(name)
    if species is None or species.compartment is None:
        return columns[name]
    if name in case.listed("amount") and not species.in_amount:
        return columns[name] * columns[species.compartment]
    if name in case.listed("concentration") and species.in_amount:
        return columns[name] / columns[species.compartment]
    return columns[name]


def page(cases: list[Case], verdicts: dict[str, Verdict], engine: str) -> str:
    """Return the pass table by feature tag as a page of the documentation."""
    words = ("passed", "refused", "failed", "wrong")
    total = Counter(verdicts[c.name].word for c in cases)
    lines = [
        "# SBML Test Suite, by feature", "",
        f"`python tests/oracle/sbml_suite.py SUITE {engine} > docs/sbml-test-suite.md` writes this page: the "
        f"{len(cases):,} semantic time courses of the suite that do not draw at random, run with engine `{engine}` and "
        f"judged by the suite's own tolerances. {total['passed']:,} pass, {total['refused']:,} are refused by name, "
        f"{total['failed']:,} fail, {total['wrong']:,} are wrong. A case counts under each of its tags.", "",
        "Out of scope and refused: " + ", ".join(f"`{t}`" for t in sorted(OUT_OF_SCOPE)) + ".", "",
        f"| tag | {' | '.join(words)} |", "|---|" + "---:|" * len(words)]
    for tag in sorted({t for c in cases for t in c.tags}):
        counts = Counter(verdicts[c.name].word for c in cases if tag in c.tags)
        lines.append(f"| {tag} | {' | '.join(str(counts[word]) for word in words)} |")
    odd = [(c, verdicts[c.name]) for c in cases if verdicts[c.name].word != "passed"]
    odd = [(c, v) for c, v in odd if not (v.word == "refused" and c.tags & OUT_OF_SCOPE)]
    if odd:
        lines += ["", "Not passed for another reason:", ""]
        lines += [f"- {c.name}: {v.word}, {v.detail[:300]}" for c, v in odd]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Print the page."""
    suite, engine = Path(arguments[0]), arguments[1]
    version = arguments[2] if len(arguments) > 2 else None
    cases = [c for c in find_cases(suite) if c.model_file(version) and RANDOM not in c.tags]
    print(page(cases, {case.name: run_case(case, engine, version) for case in cases}, engine), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
