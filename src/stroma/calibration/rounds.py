"""What both stages of a fit share: its sizes, a round of weighted draws, and rounds kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.likelihood import Likelihood
from stroma.calibration.sampler import Emulated
from stroma.calibration.simulate import Draws, Progress
from stroma.calibration.targets import Target
from stroma.errors import fail

MIN_EFFECTIVE_SIZE = 100.0
# By how many sampling errors an emulator may be off on draws that it has not seen: to stop, and at all.
WELL_SMOOTHED, TOO_ROUGH = 0.25, 1.0


@dataclass(frozen=True)
class Settings:
    """Sizes of a calibration.

    Parameters
    ----------
    prior_draws, draws : int
        Draws of the first round and of each later one.
    subjects : int
        Subjects a draw.
    rounds : int
        Most rounds after the first.
    seed : int
    """

    prior_draws: int = 2000
    draws: int = 2000
    subjects: int = 100
    rounds: int = 8
    seed: int = 1

    def key(self) -> str:
        """Return a text that changes with every setting."""
        return "/".join(map(str, astuple(self)))

    @classmethod
    def of_key(cls, key: str) -> Settings:
        """Return the settings of a key."""
        return cls(*map(int, key.split("/")))


@dataclass(frozen=True)
class Round:
    """Draws of one round, their predicted statistics and weights.

    Parameters
    ----------
    draws : Draws
    predicted : ndarray, shape (n_draw, n_target)
        Smoothed over draws.
    group : ndarray of int64, shape (n_draw,)
        Which background draw each row has.
    weight : ndarray, shape (n_draw,)
    effective : float
        Effective number of distinct background draws; of a chain, how many independent draws it is worth.
    smoothing_error : ndarray, shape (n_target,)
        How far an emulator is off on average on a round that it has not seen, in units of each number's sampling error.
    overlap : float
        The share of the last round's draws that count under the emulator fitted with them; one where nothing was
        settled in rounds.
    """

    draws: Draws
    predicted: NDArray[np.float64]
    group: NDArray[np.int64]
    weight: NDArray[np.float64]
    effective: float
    smoothing_error: NDArray[np.float64]
    overlap: float = 1.0


@dataclass(frozen=True)
class Simulated:
    """Every draw simulated for a background fit, with its targets and the key of that fit."""

    targets: tuple[Target, ...]
    draws: Emulated
    key: str

    def of(self, targets: Sequence[Target]) -> Emulated:
        """Return what was simulated for some of the targets."""
        at = {t.target_id: i for i, t in enumerate(self.targets)}
        return Emulated(self.draws.scaled, self.draws.predicted[:, [at[t.target_id] for t in targets]])


class Checkpoints:
    """Rounds kept on disk by content, so that an interrupted calibration goes on where it stopped."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key
        self.folder.mkdir(parents=True, exist_ok=True)

    def arrays(self, name: str, make: Callable[[], dict[str, NDArray]]) -> dict[str, NDArray]:
        """Return the named arrays, computing and keeping them when they are not there."""
        path = self.folder / f"{name}.npz"
        if path.is_file():
            with np.load(path) as kept:
                return dict(kept)
        found = make()
        part = path.with_suffix(".part.npz")
        np.savez(part, allow_pickle=False, **found)
        part.replace(path)
        return found


def smoothing_error(likelihood: Likelihood, weight: NDArray[np.float64], simulated: NDArray[np.float64],
                    smooth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean of what smoothing took away, in units of each number's sampling error.

    Noise of single draws averages out; what remains is the emulator's own error where the posterior lies.
    """
    return (weight @ (simulated - smooth)) / np.sqrt(weight @ likelihood.sampling_variance(smooth))


def require_effective(what: str, effective: float, hint: str) -> None:
    """Refuse a stage in which too few draws count.

    Raises
    ------
    StromaError
        C030 when fewer than 100 count.
    """
    if not effective >= MIN_EFFECTIVE_SIZE:  # nor is a chain that never moved worth anything
        raise fail("C030", f"the {what} posterior rests on {effective:.0f} effective background draws, "
                           f"{MIN_EFFECTIVE_SIZE:.0f} are needed", hint=hint, exit_code=3)


def require_smooth(what: str, error: NDArray[np.float64], hint: str) -> None:
    """Refuse a stage whose emulator is off by a sampling error.

    Raises
    ------
    StromaError
        C030.
    """
    if error.size and np.abs(error).max() >= TOO_ROUGH:
        raise fail("C030", f"the emulator of the {what} stage is off by {np.abs(error).max():.1f} sampling errors",
                   hint=hint, exit_code=3)


def staged(progress: Progress | None, stage: str) -> Progress | None:
    """Return a progress report that names its stage."""
    return None if progress is None else lambda _, done, total: progress(stage, done, total)
