"""What in a study of one's own looks like a slip of the pen: it is said, and simulated all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stroma.evidence.records import Arm
from stroma.therapy import load_therapy
from stroma.trial.design import ArmTreatment, TrialDesign

FACTOR = 10.0
"""How far outside the doses that people got a dose must lie to be doubted."""
FEWEST = 3
"""Arms with a dose of the same cells by the same route; with fewer, all cells by that route count."""
WEIGHT_KG = 70.0
"""Body weight at which a dose per kg is compared with a dose in cells: assumed, only orders of magnitude matter."""
EARLIEST_DAY = 14.0
"""An outcome before this day is probably one whose months were written as days: assumed."""


def doubts_of(design: TrialDesign, arms: Iterable[Arm]) -> tuple[str, ...]:
    """Return what of a design is implausible, each in one sentence without a full stop.

    Parameters
    ----------
    design : TrialDesign
    arms : iterable of Arm
        Of the evidence store: what people got.
    """
    day, told = design.outcomes[0].day, list(arms)
    found = [f"the primary outcome is on day {day:g}, before day {EARLIEST_DAY:g}: days count, not weeks or months"
             ] if day < EARLIEST_DAY else []
    for arm in design.arms:
        for treatment in arm.treatments:
            if treatment.dose is not None:
                found += (f"{arm.label}: {words}" for words in (*_late(treatment, day), *_dose(treatment, told)))
    return tuple(found)


def _late(treatment: ArmTreatment, day: float) -> Iterator[str]:
    assert treatment.dose is not None
    late = [d for d in treatment.dose.days if d > day]
    if late:
        days = " and ".join(f"{d:g}" for d in late)
        yield f"the cells of day {days} come after the primary outcome on day {day:g}, which they cannot change"


def _dose(treatment: ArmTreatment, arms: list[Arm]) -> Iterator[str]:
    """Compare the cells of one infusion with those of the evidence store."""
    assert treatment.dose is not None
    dose, product = treatment.dose, load_therapy(treatment.therapy_id).product
    by_route = [a for a in arms if a.study.species == "human" and a.treatment == "msc" and _cells(a)
                and a.route == product["route"]]
    same = [a for a in by_route if (a.cell_source, a.donor) == (product["cell_source"], product["donor"])]
    used = same if len(same) >= FEWEST else by_route
    given = [cells for arm in used for cells in _cells(arm)]
    if not given:
        return
    low, high = min(given), max(given)
    cells = dose.amount * (WEIGHT_KG if dose.per_kg else 1.0)
    if low / FACTOR <= cells <= high * FACTOR:
        return
    whose, side = "such cells" if used is same else "any cells", "below" if cells < low else "above"
    text = (f"the dose {dose.amount:.3g}{'/kg' if dose.per_kg else ''} is more than {FACTOR:g} times {side} every dose "
            f"of the evidence store, {low:.2g} to {high:.2g} cells at a time (people in {len(used)} arms with {whose} "
            f"by the route `{product['route']}`, per kg counted at {WEIGHT_KG:g} kg)")
    if not dose.per_kg and low <= dose.amount * WEIGHT_KG <= high:
        text += "; is `/kg` missing?"
    yield text


def _cells(arm: Arm) -> tuple[float, ...]:
    """Return the cells of one infusion that an arm got: empty where they are not counted."""
    scale = {"cells": 1.0, "cells_per_kg": WEIGHT_KG}.get(arm.dose_unit)
    return () if arm.dose is None or scale is None else tuple(scale * x for x in arm.dose.values)
