"""What a fit may see: an origin in time, families kept out, or the fixed split of the retrospective fit.

A row that its fit may not see is an error by construction: :func:`require_fit_side` stands at the door of
every fit and asks the fit's own :class:`Origin`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stroma.calibration.targets import FIT_ROLES, Target, TargetList
from stroma.disease import Disease
from stroma.errors import Problems
from stroma.therapy import load_therapy

LAST_FIT_YEAR = 2013


@dataclass(frozen=True)
class Origin:
    """The side of the evidence that a fit may see.

    Parameters
    ----------
    year : int or None
        First year of publication that is not seen; None sees all, also rows without a year.
    without : frozenset of str
        Cohort families that are not seen, whole.
    split : bool
        The retrospective fit: roles and sides of the tables decide, not ``year`` and ``without``.
    """

    year: int | None = None
    without: frozenset[str] = frozenset()
    split: bool = False

    @property
    def label(self) -> str:
        """Return the name of the posterior fitted at this origin."""
        if self.split:
            return "retrospective"
        name = "current" if self.year is None else f"before-{self.before}"
        return "-without-".join([name, *sorted(self.without)]) if self.year is None else name

    @property
    def before(self) -> str:
        """Return the first day that is not seen; empty where all is."""
        return "" if self.year is None else f"{self.year}-01-01"

    def refusal(self, target: Target) -> tuple[str, str] | None:
        """Return error code and reason for a row that a fit at this origin may not see, else None."""
        if self.split:
            return _refused_by_split(target)
        if target.family in self.without:
            return "C012", f"belongs to the family {target.family}, which stays out whole"
        if self.year is not None and not 0 < target.year < self.year:
            return "C011", f"{_when(target)}; rows published before {self.before} are fitted"
        return None


RETROSPECTIVE = Origin(split=True)
EVERYTHING = Origin()


def rolling_origin(year: int, targets: Iterable[Target]) -> Origin:
    """Return the origin before a year; families with a member published in that year or later stay out whole."""
    return Origin(year, frozenset(t.family for t in targets if t.year >= year))


def without(origin: Origin, families: Iterable[str]) -> Origin:
    """Return an origin that keeps further families out."""
    return replace(origin, without=origin.without | frozenset(families))


def _when(target: Target) -> str:
    return f"was published in {target.year}" if target.year else "has no known year of publication"


def _refused_by_split(target: Target) -> tuple[str, str] | None:
    if target.role not in FIT_ROLES:
        return "C010", f"is on the validation side ({target.role}) and cannot be fitted"
    if target.role == "fit_background" and not 0 < target.year <= LAST_FIT_YEAR:
        return "C011", f"{_when(target)}; control arms up to {LAST_FIT_YEAR} are fitted"
    if target.split != "fit":
        return "C012", f"belongs to a family on the {target.split} side of the split"
    return None


def require_fit_side(targets: Sequence[Target], origin: Origin = RETROSPECTIVE) -> None:
    """Refuse a fit that touches what its origin does not see.

    Raises
    ------
    StromaError
        C010 for a row of a validation role, C011 for one published at or after the origin or in no known year,
        C012 for one of a cohort family that stays out; all at once.
    """
    problems = Problems()
    for target in targets:
        refused = origin.refusal(target)
        if refused:
            problems.add(refused[0], f"`{target.target_id}` {refused[1]}", file=target.file, line=target.line)
    problems.raise_if_any()


def has_cells(disease: Disease, target: Target) -> bool:
    """Return whether an arm gets cells; an arm without a regimen (a hazard) gets none."""
    therapies = disease.regimens.get(target.regimen, {"therapies": ()})["therapies"]
    return any(load_therapy(t).kind == "cells" for t in therapies)


def fit_side(disease: Disease, listed: TargetList, origin: Origin) -> tuple[list[Target], list[Target]]:
    """Return what a fit at an origin uses: rows of the background stage, rows of the MSC stage.

    The retrospective fit goes by role. Any other goes by the arm: arms with cells inform the MSC stage, all
    others, control arms of MSC trials among them, the background.
    """
    if origin.split:
        return listed.of("fit_background"), listed.of("fit_msc")
    seen = [(has_cells(disease, t), t) for t in listed.targets if origin.refusal(t) is None]
    return [t for cells, t in seen if not cells], [t for cells, t in seen if cells]
