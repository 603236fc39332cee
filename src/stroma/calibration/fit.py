"""`stroma calibrate`: the background on control arms first, then the MSC effect, each round resumable."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma import __version__
from stroma.calibration.background import fit_background
from stroma.calibration.cells import fit_cells
from stroma.calibration.fingerprint import code_hash, data_hash, fit_key
from stroma.calibration.origin import RETROSPECTIVE, Origin, fit_side, require_fit_side
from stroma.calibration.posterior import PRIORS, Posterior, distinct_size
from stroma.calibration.rounds import Checkpoints, Round, Settings, Simulated
from stroma.calibration.simulate import Progress
from stroma.calibration.targets import Target, TargetList, load_targets
from stroma.disease import Disease
from stroma.engine.ensemble import Backend


@dataclass(frozen=True)
class Calibration:
    """What a calibration found: the posterior, the background round behind it and all that it simulated."""

    posterior: Posterior
    simulated: Simulated
    background: Round
    background_targets: tuple[Target, ...]
    cells: Round
    cell_targets: tuple[Target, ...]


def calibrate(disease: Disease, backend: Backend, settings: Settings, work: Path,
              progress: Progress | None = None, targets: TargetList | None = None,
              origin: Origin = RETROSPECTIVE, start: Simulated | None = None) -> Calibration:
    """Fit a disease's posterior.

    Parameters
    ----------
    disease : Disease
    backend : Backend
    settings : Settings
    work : Path
        Folder for checkpoints.
    progress : callable, optional
        Called with (stage, done, total).
    targets : TargetList, optional
        Instead of the library's own list (synthetic checks).
    origin : Origin
        What the fit may see.
    start : Simulated, optional
        What was simulated for more rows, this fit's among them; it replaces the first round. It trains the emulator
        beside what is simulated here; none of its published numbers enters the density.

    Raises
    ------
    StromaError
        C010-C012 when a target that the origin does not see reaches the fit; C030 when too few draws count in either
        stage or its emulator is off by a sampling error.
    """
    listed = targets or load_targets(disease)
    background, cells = fit_side(disease, listed, origin)
    require_fit_side([*background, *cells], origin)
    begun = beginning(settings, start.key if start else "")
    kept = Checkpoints(work, fit_key(disease, background, begun, "background"))
    near = start.of(background) if start else None
    first, drawn = fit_background(disease, background, settings, backend, kept, progress, origin, near)
    simulated = Simulated(tuple(background), drawn, kept.folder.name)
    kept = Checkpoints(work, whole_key(disease, background, cells, begun))
    second, weights = fit_cells(disease, cells, first, settings, backend, kept, progress)
    posterior = _posterior(disease, first, second, weights, background, cells, listed, settings, origin,
                           kept.folder.name)
    return Calibration(posterior, simulated, first, tuple(background), second, tuple(cells))


def beginning(settings: Settings, start: str) -> str:
    """Return what a fit begins with, as its keys name it: its sizes, and the key of what was simulated before."""
    return f"{settings.key()}/from {start}" if start else settings.key()


def whole_key(disease: Disease, background: Sequence[Target], cells: Sequence[Target], begun: str) -> str:
    """Return the key of both stages of a fit; the series of one family count together, so families are part of it."""
    families = sorted({(t.trial, t.family) for t in cells})
    return fit_key(disease, [*background, *cells], f"{begun}/{families}", "fit")


def _posterior(disease: Disease, first: Round, second: Round, weights: Mapping[str, NDArray[np.float64]],
               background: Sequence[Target], cells: Sequence[Target], listed: TargetList, settings: Settings,
               origin: Origin, key: str) -> Posterior:
    targets = [*background, *cells]
    manifest = {
        "disease": disease.disease_id, "stroma": __version__, "model_hash": disease.model.content_hash,
        "data_hash": data_hash(disease), "code_hash": code_hash(),
        "settings": settings.key(), "fit_key": key, "simulated": True,
        "target_ids": [t.target_id for t in targets],
        "origin": {"label": origin.label, "before": origin.before, "without": sorted(origin.without)},
        "background_fitted_before": _cut_off(background), "msc_fitted_before": _cut_off(cells),
        "fitted_before": _cut_off(targets),
        "undated_targets": sorted({t.study_id for t in targets if not t.year}),
        "excluded": [{"target_id": e.target_id, "reason": e.reason}
                     for e in listed.excluded if e.role.startswith("fit") or not origin.split],
        "smoothing_error": {"background": _largest(background, first), "cells": _largest(cells, second)},
        "overlap": {"background": round(first.overlap, 2)},
        "effective_size": {"background": round(first.effective, 1),
                           **{n: round(distinct_size(weights[n], second.group), 1) for n in PRIORS}},
    }
    return Posterior(second.draws.names, second.draws.scaled, second.group, weights, json.loads(json.dumps(manifest)))


def _largest(targets: Sequence[Target], found: Round) -> dict[str, str | float]:
    """Return where the emulator is furthest off, in units of the number's sampling error."""
    if not targets:
        return {}
    at = int(np.abs(found.smoothing_error).argmax())
    return {"target_id": targets[at].target_id, "sampling_errors": round(float(found.smoothing_error[at]), 2)}


def _cut_off(targets: Sequence[Target]) -> str:
    """Return the first day of the year after the last that was fitted; empty where nothing was."""
    year = max((t.year for t in targets), default=0)
    return f"{year + 1}-01-01" if year else ""
