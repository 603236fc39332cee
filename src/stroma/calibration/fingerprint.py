"""Hashes of what a fit depends on: the disease's tables and text, the drugs and rules it uses, the code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import stroma
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.library import library_root

# Results of a fit, words, and checks that no fit reads.
_NOT_READ = frozenset({"background_check.csv", "coverage.csv", "expectations.csv", "mechanisms.csv",
                       "validation_notes.csv"})
_CODE = ("calibration", "engine", "kernel", "model", "population", "trial")


def data_hash(disease: Disease) -> str:
    """Return a hash of every table and text that a fit of the disease reads.

    The disease's own folder, the therapies that its regimens name, and the response rules that its targets
    name: a drug or a rule added for another disease changes nothing.
    """
    digest = hashlib.sha256(disease.model.content_hash.encode())
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


def code_hash() -> str:
    """Return a hash of the code that a fit runs."""
    root = Path(stroma.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("*.py"), *(p for part in _CODE for p in (root / part).rglob("*.py"))]):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def fit_key(disease: Disease, targets: Sequence[Target], settings: str) -> str:
    """Return a key of everything that changes a fit: data, code, targets, settings."""
    digest = hashlib.sha256(f"{data_hash(disease)}/{code_hash()}/{settings}".encode())
    digest.update(repr([(t.target_id, t.kind, t.quantity, t.day, t.observed, t.standard_error, t.n, t.regimen,
                         t.population, t.region, t.severity, t.blinding, t.design, t.dose)
                        for t in targets]).encode())
    return digest.hexdigest()[:16]
