"""What ``disease.toml``, ``regimens.toml`` and the tables name must exist: keys, parameters, outputs, therapies."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from stroma.errors import Problems, nearest
from stroma.tables import Row
from stroma.therapy import known_therapies

_KEYS: dict[str, tuple[str, ...]] = {
    "id": (), "name": (), "horizon_day": (), "populations": (), "msc_amplitude": (), "check_outcome": (), "targets": (),
    "severity": ("quantity", "entry", "columns", "tilt"), "rescue": ("driver",),
    "msc_series": ("independent", "cells_per_kg")}


def check_keys(config: Mapping, file: Path, problems: Problems) -> None:
    """Add D080 for every key that ``disease.toml`` needs and lacks."""
    for key, inner in _KEYS.items():
        entry = config.get(key)
        if entry is None:
            problems.add("D080", f"`{key}` is missing", file=file, hint=_alike(key, config.keys() - _KEYS.keys()))
            continue
        for name in inner:
            if not isinstance(entry, Mapping) or name not in entry:
                given = entry.keys() - set(inner) if isinstance(entry, Mapping) else ()
                problems.add("D080", f"`{name}` of [{key}] is missing", file=file, line=_line(file, f"[{key}]"),
                             hint=_alike(name, given))


def check_names(config: Mapping, regimens: Mapping, folder: Path, library: Path, parameters: Collection[str],
                outputs: Collection[str], quantities: Collection[str], problems: Problems) -> None:
    """Add D081 for every name of ``disease.toml`` and ``regimens.toml`` that is nothing.

    Parameters
    ----------
    parameters, outputs, quantities : collection of str
        Rows of ``parameters.csv``; states and assignments of the model; what is measured or composed.
    """
    file = folder / "disease.toml"

    def need(name: str, known: Collection[str], kind: str, at: Path = file) -> None:
        if name not in known:
            problems.add("D081", f"unknown {kind} `{name}`", file=at, line=_line(at, f'"{name}"'),
                         hint=nearest(name, known))

    need(config["msc_amplitude"], parameters, "parameter")
    need(config["rescue"]["driver"], outputs, "output of the model")
    if "sledai_items.csv" not in {p.name for p in folder.glob("*.csv")}:  # whose scale is measured item by item
        need(config["severity"]["quantity"], quantities, "quantity")
    for flare in config.get("flare", ()):
        need(flare["state"], outputs, "output of the model")
        need(flare["hazard"], parameters, "parameter")
        need(flare["size"], parameters, "parameter")
    therapies = known_therapies(library)
    for entry in regimens.values() if therapies else ():  # a part of a library may hold none
        for name in entry["therapies"]:
            need(name, therapies, "therapy", folder / "regimens.toml")


def check_formulas(observables: Collection[Row], outputs: Collection[str], problems: Problems) -> None:
    """Add D081 for every observable that reads what the model does not have."""
    for row in observables:
        if row.text("formula") not in outputs:
            problems.add("D081", f"unknown output of the model `{row.text('formula')}`", file=row.file, line=row.line,
                         hint=nearest(row.text("formula"), outputs))


def _alike(name: str, given: Collection[str]) -> str:
    found = nearest(name, given)
    return f"{found} stands there" if found.startswith("nearest") else ""


def _line(file: Path, words: str) -> int | None:
    """Return the first line of a file that holds some words outside a comment."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if words in re.sub(r"#.*", "", line):
            return number
    return None
