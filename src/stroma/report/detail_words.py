"""The closer look in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stroma.calibration.prediction import Forecast
from stroma.detail.carried import ASSUMED, Carried
from stroma.detail.early import EarlyChange, FirstWeek
from stroma.detail.look import Detail
from stroma.detail.variance import DIFFERENCE
from stroma.report.detail_output import flow_rows, spread
from stroma.report.labels import quantity_label, quantity_unit, week
from stroma.report.parameters import learnt

MOST_PARAMETERS = 12


@dataclass(frozen=True)
class Box:
    """One box of the flow: a count of the trial shown, and nine tenths of replicated trials."""

    name: str
    shown: int
    low: int
    high: int


@dataclass(frozen=True)
class CarrierRow:
    """One parameter that carries uncertainty, with what the fit learnt of it."""

    name: str
    first: float
    total: float
    total_error: float
    assumed: bool
    contraction: float
    note: str


def boxes(detail: Detail) -> tuple[tuple[str, bool, dict[str, Box]], ...]:
    """Return the boxes of the flow, arm by arm."""
    found = []
    for arm in detail.flow:
        counts = {name: Box(name, int(x[0]), spread(x)[0], spread(x)[2]) for name, x in flow_rows(arm)}
        found.append((arm.arm, arm.control, counts))
    return tuple(found)


def primary_week(detail: Detail) -> str:
    """Return the week of the primary outcome."""
    return week(detail.design.outcomes[0].day)


def first_week_sentence(found: FirstWeek, severity: str) -> str:
    """Return what the model says of day 7 for the quantity that patients are entered by, and what nobody knows."""
    change = next((c for c in found.changes if c.quantity == severity), found.changes[0])
    arms = "; ".join(f"{label} {change_words(change, points)}" for label, _, points in change.arms)
    text = f"Day 7, mean change of {quantity_label(change.quantity)}: {arms}"
    if change.difference is not None:
        text += f"; difference {change_words(change, change.difference)}"
    return (f"{text} (medians and 90 % intervals over what is not known of the model, endless patients). No data exist "
            f"before day {found.first_published_day:g} in the library's studies of this disease, so that this is the "
            f"model alone.")


def change_words(change: EarlyChange, points: tuple[float, float, float]) -> str:
    """Return median and 90 % interval of a change with its unit, as finely as the arms' changes ask for."""
    largest = max(abs(x) for _, _, arm in change.arms for x in arm)
    digits = max(0, 1 - math.floor(math.log10(largest / 3))) if largest > 0 else 0
    unit = quantity_unit(change.quantity)
    unit = f"points of {unit}" if unit[:1].isdigit() else unit
    if max(abs(x) for x in points) < 0.5 * 10.0**-digits:
        return f"less than {10.0**-digits:g} {unit}".strip()
    low, middle, high = (f"{x:+.{digits}f}".replace("-", "−") for x in points)
    return f"{middle} ({low} to {high}) {unit}".strip()


def carrier_rows(found: Forecast, carried: Carried) -> list[CarrierRow]:
    """Return the parameters that carry most, with prior support and contraction."""
    rows = []
    for index in carried.parameters[:MOST_PARAMETERS]:
        known = learnt(found.disease, found.posterior, index.name)
        rows.append(CarrierRow(index.name, index.first, index.total, index.total_error,
                               known.parameter.confidence == ASSUMED, known.contraction, known.parameter.note))
    return rows


def assumed_sentence(carried: Carried) -> str:
    """Return how much of the variance values without a source carry."""
    group = next((g for g in carried.groups if g.name == ASSUMED), None)
    share = 0.0 if group is None else min(max(group.first, 0.0), 1.0)
    error = f" (± {100 * group.first_error:.0f})" if group and group.first_error else ""
    result = "the difference" if carried.result == DIFFERENCE else f"the result of {carried.result}"
    return (f"Values marked assumed, whose prior no source supports, alone carry {100 * share:.0f} %{error} of what "
            f"parameters and structure bring to the variance of {result}. Values held fixed carry nothing here, "
            f"however wrong they may be.")
