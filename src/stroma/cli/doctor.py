"""`stroma doctor`: is everything here that a forecast needs, and do the engines agree?"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from stroma.cli.artefacts import print_json
from stroma.errors import EXIT_ENVIRONMENT, StromaError

AGREE = 1e-5
OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what : str
    ok : bool
    needed : bool
        Whether a forecast cannot run without it.
    says : str
        What was found, or what to do.
    """

    what: str
    ok: bool
    needed: bool
    says: str


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Look at Python, packages, library, engines, posterior and cache; exit 4 if a needed one fails."""
    findings = [_python(), *_packages()]
    for look in (_library, _engines, _posterior, _cache):
        findings.append(_guarded(look))
    sound = all(f.ok for f in findings if f.needed)
    if as_json:
        print_json({"sound": sound, "findings": [asdict(f) for f in findings]})
    else:
        for f in findings:
            mark = "ok     " if f.ok else "MISSING" if f.needed else "no     "
            typer.echo(f"{mark} {f.what}: {f.says}")
    if not sound:
        raise typer.Exit(EXIT_ENVIRONMENT)


def _guarded(look: Callable[[], Finding]) -> Finding:
    """Turn an error that a check meets into its finding, so that one fault does not hide the next."""
    try:
        return look()
    except (StromaError, ImportError, OSError) as error:
        return Finding((look.__doc__ or "").split(":")[0], False, True, str(error))


def _python() -> Finding:
    return Finding(
        "Python",
        sys.version_info >= OLDEST_PYTHON,
        True,
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    )


def _packages() -> list[Finding]:
    """Return one finding a declared dependency (extras aside)."""
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        declared = requires("stroma") or []
    except PackageNotFoundError:
        return [Finding("stroma", False, True, "not installed as a package: pip install -e .")]
    found = []
    for line in declared:
        if "extra ==" in line:
            continue
        match = re.match(r"[A-Za-z0-9._-]+", line)
        assert match is not None, line
        try:
            found.append(Finding(match[0], True, True, version(match[0])))
        except PackageNotFoundError:
            found.append(Finding(match[0], False, True, f"not installed: pip install '{line}'"))
    return found


def _library() -> Finding:
    """library: models, therapies."""
    from stroma.disease import known_diseases
    from stroma.library import library_root
    from stroma.therapy import known_therapies

    root = library_root()
    return Finding(
        "library",
        True,
        True,
        f"{root}: {', '.join(known_diseases(root))}; {len(known_therapies(root))} therapies",
    )


def _engines() -> Finding:
    """engines: the compiled one against the plain one on four patients with cells and steroids."""
    difference = engine_difference()
    return Finding(
        "engines",
        difference <= AGREE,
        True,
        f"cpu and reference differ by {difference:.1e} of a state's scale at most (limit {AGREE:g})",
    )


def engine_difference() -> float:
    """Return the largest difference between `cpu` and `reference` on a small ensemble.

    Four patients with cells and steroids over a year; every state at four visits, relative to the largest
    magnitude of that state.
    """
    import numpy as np

    from stroma.disease import load_disease
    from stroma.engine.backends import backend
    from stroma.engine.ensemble import Tolerance
    from stroma.population.baseline import sample_baselines
    from stroma.population.subjects import build_subjects
    from stroma.therapy import CellDose, load_therapy
    from stroma.trial.pool import solve_pool

    disease, numbers = load_disease("sle"), np.arange(4, dtype=np.int64)
    covariates = sample_baselines(disease, "new", 1, numbers)
    people = build_subjects(disease, covariates, {}, 1, numbers, {})
    therapies = [
        load_therapy("uc_msc_allogeneic").with_dose(CellDose(1e6, True, (0.0, 7.0))),
        load_therapy("prednisone_taper"),
    ]
    states = disease.model.states
    solved = [
        solve_pool(
            disease,
            people,
            therapies,
            np.array([0.0, 3.0, 30.0, 365.0]),
            1,
            backend(name),
            Tolerance(1e-9, 1e-11),
            states,
        )
        for name in ("cpu", "reference")
    ]
    one, two = (np.stack([pool.states[name] for name in states]) for pool in solved)
    scale = np.maximum(np.abs(two).max(axis=(1, 2), keepdims=True), 1e-12)
    return float(np.max(np.abs(one - two) / scale))


def _posterior() -> Finding:
    """posterior: the calibrated ensembles, and whether the tables moved since they were fitted."""
    from stroma.calibration.crosscheck import FILE as CHECK
    from stroma.calibration.freshness import stale_words
    from stroma.calibration.posterior import FILE as POSTERIOR
    from stroma.calibration.posterior import load_posterior
    from stroma.disease import known_diseases, load_disease

    told, fresh = [], True
    for disease in map(load_disease, known_diseases()):
        if not (disease.folder / POSTERIOR).is_file() and not (disease.folder / CHECK).is_file():
            told.append(f"{disease.disease_id} not calibrated yet")
            continue
        try:
            posterior = load_posterior(disease)
        except StromaError as error:
            fresh = False
            told += [f"{d.code}: {d.message}" for d in error.diagnostics]
            continue
        words = (f"{disease.disease_id} {posterior.content_hash}, {posterior.scaled.shape[0]} draws, "
                 f"effective size {posterior.effective_size():.0f}")
        moved = stale_words(disease, posterior)
        fresh = fresh and not moved
        told += [words, *moved]
    return Finding("posterior", fresh, True, "; ".join(told))


def _cache() -> Finding:
    """cache: a folder for compiled models; without it every start compiles."""
    import os

    from stroma.kernel.native import cache_folder

    folder = cache_folder()
    nearest_existing = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    writable = os.access(nearest_existing, os.W_OK)
    return Finding(
        "cache",
        writable,
        False,
        f"{folder}"
        if writable
        else f"{folder} cannot be written: every start compiles again; set STROMA_CACHE",
    )
