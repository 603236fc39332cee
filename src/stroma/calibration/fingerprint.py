"""Hashes of what a fit depends on: the disease's tables and text, the drugs and rules it uses, the code."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import stroma
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.library import library_root

# Results of a fit, words, checks and views that no fit reads; parameters are hashed as they hold.
_NOT_READ = frozenset({"background_check.csv", "cell_fate.csv", "coverage.csv", "decomposition.csv", "expectations.csv",
                       "mechanisms.csv", "parameters.csv", "validation_notes.csv"})
_ENGINE = "stroma.engine.cpu"


def data_hash(disease: Disease) -> str:
    """Return a hash of every number and text that a fit of the disease reads.

    Its model and parameters, its own folder, the therapies that its regimens name, and the response rules that its
    targets name: a drug or a rule added for another disease changes nothing, nor does a note on a parameter.
    """
    digest = hashlib.sha256(disease.model.content_hash.encode())
    for p in disease.parameters.values():
        digest.update(repr((p.parameter_id, p.scope, p.value, p.unit, p.lower, p.upper, p.distribution, p.spread,
                            p.fitted_in)).encode())
    for path in sorted(disease.folder.glob("*.*")):
        if path.suffix in (".csv", ".toml") and path.name not in _NOT_READ:
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    therapies = {t for code in disease.regimens.values() for t in code["therapies"]}
    for name in sorted(therapies):
        digest.update((library_root() / "therapies" / f"{name}.toml").read_bytes())
    targets = (disease.folder / "targets.csv").read_text(encoding="utf-8")
    with (library_root() / "evidence" / "response_rules.csv").open(encoding="utf-8") as stream:
        for line in stream:
            if line.partition(",")[0] in targets:
                digest.update(line.encode())
    return digest.hexdigest()[:16]


@cache
def code_hash(stage: str = "fit") -> str:
    """Return a hash of the code that a stage of a fit runs: its module, its engine and all that they import.

    Parameters
    ----------
    stage : str
        A module of this package: ``background``, or ``fit`` for all of it.
    """
    root = Path(stroma.__file__).parent
    found: set[Path] = set()
    due = [f"stroma.calibration.{stage}", _ENGINE]
    while due:
        path = _file(root, due.pop())
        if path and path not in found:
            found.add(path)
            due += _imported(path)
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _file(root: Path, module: str) -> Path | None:
    """Return the file of a module of this package; None of any other name, and of the package's front door."""
    package, *parts = module.split(".")
    if package != root.name or not parts:
        return None
    path = root.joinpath(*parts)
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    """Yield every name that a file imports, at its head or within a function; a name may be a module's or not."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def fit_key(disease: Disease, targets: Sequence[Target], settings: str, stage: str) -> str:
    """Return a key of everything that changes a stage of a fit: data, code, targets, settings."""
    digest = hashlib.sha256(f"{data_hash(disease)}/{code_hash(stage)}/{settings}".encode())
    digest.update(repr([(t.target_id, t.kind, t.quantity, t.day, t.observed, t.standard_error, t.n, t.regimen,
                         t.population, t.region, t.severity, t.blinding, t.design, t.dose)
                        for t in targets]).encode())
    return digest.hexdigest()[:16]
