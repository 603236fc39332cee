"""All posteriors of a disease, one for each origin, re-made by one command and resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stroma.calibration.background import fit_background
from stroma.calibration.fingerprint import fit_key
from stroma.calibration.fit import beginning, calibrate, whole_key
from stroma.calibration.origin import EVERYTHING, Origin, fit_side
from stroma.calibration.posterior import Posterior, compact, load_posterior, origin_file, save_posterior
from stroma.calibration.rounds import Checkpoints, Settings, Simulated
from stroma.calibration.simulate import Progress
from stroma.calibration.targets import TargetList, load_targets
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import StromaError
from stroma.validation.plan import rolling_plan

# Fewer patients a draw than the retrospective fit: the emulator averages their noise over the draws.
SETTINGS = Settings(prior_draws=1500, draws=2000, subjects=64, rounds=12, seed=1)


@dataclass(frozen=True)
class Rebuilt:
    """What became of one origin.

    Parameters
    ----------
    says : str
        The hash of the posterior, or why there is none.
    seconds : float
        Zero where the stored posterior was still valid.
    """

    label: str
    ok: bool
    says: str
    seconds: float


def simulate_all(disease: Disease, listed: TargetList, settings: Settings, backend: Backend, work: Path,
                 progress: Progress | None = None) -> Simulated:
    """Fit the background to everything and return what was simulated; kept on disk, so that it is paid for once."""
    background, _ = fit_side(disease, listed, EVERYTHING)
    key = fit_key(disease, background, settings.key(), "background")
    _, draws = fit_background(disease, background, settings, backend, Checkpoints(work, key), progress, EVERYTHING)
    return Simulated(tuple(background), draws, key)


def fit_origin(disease: Disease, listed: TargetList, origin: Origin, settings: Settings, backend: Backend, work: Path,
               progress: Progress | None = None) -> Posterior:
    """Fit one origin, beginning with what the fit of everything simulated; its file is half as large as a full one."""
    whole = simulate_all(disease, listed, settings, backend, work, progress)
    start = None if origin == EVERYTHING else whole
    found = calibrate(disease, backend, settings, work, progress, listed, origin, start)
    return compact(found.posterior, settings.seed)


def rebuild(disease: Disease, backend: Backend, work: Path, progress: Progress | None = None,
            told: Callable[[Rebuilt, int, int], None] | None = None) -> list[Rebuilt]:
    """Make the posterior of everything and of each rolling origin.

    Those that today's tables and code would give again stay, of whatever settings; of any other origin that cannot be
    fitted, no posterior is left.

    Parameters
    ----------
    work : Path
        Folder for checkpoints; an interrupted rebuild goes on where it stopped.
    told : callable, optional
        Called after each origin with (what became of it, done, total).
    """
    listed = load_targets(disease)
    origins = [EVERYTHING, *(task.origin for task in rolling_plan(disease, listed).tasks)]
    found = []
    for number, origin in enumerate(origins, 1):
        began = time.monotonic()
        file = origin_file(origin.label)
        if still_valid(disease, listed, origin, file):
            said = Rebuilt(origin.label, True, f"{load_posterior(disease, file).content_hash}, unchanged", 0.0)
        else:
            try:
                posterior = fit_origin(disease, listed, origin, SETTINGS, backend, work, progress)
                save_posterior(posterior, disease.folder, file)
                said = Rebuilt(origin.label, True, posterior.content_hash, time.monotonic() - began)
            except StromaError as error:
                if error.diagnostics[0].code != "C030":
                    raise
                (disease.folder / file).unlink(missing_ok=True)  # an old one would be forecast with
                said = Rebuilt(origin.label, False, error.diagnostics[0].message, time.monotonic() - began)
        found.append(said)
        if told:
            told(said, number, len(origins))
    return found


def still_valid(disease: Disease, listed: TargetList, origin: Origin, file: str) -> bool:
    """Return whether a stored posterior is what this data, code and origin give with the settings it was made with."""
    try:
        manifest = load_posterior(disease, file).manifest
    except StromaError:
        return False
    settings = Settings.of_key(manifest["settings"])
    everything, _ = fit_side(disease, listed, EVERYTHING)
    start = "" if origin == EVERYTHING else fit_key(disease, everything, settings.key(), "background")
    return manifest.get("fit_key") == whole_key(disease, *fit_side(disease, listed, origin),
                                                beginning(settings, start))
