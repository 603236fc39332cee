"""How large: the sizes of a trial in the terminal and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stroma.calibration.how_large import Estimate, PowerForecast, SizeForecast
from stroma.notice import NOTICE
from stroma.report.labels import quantity_unit, significant

if TYPE_CHECKING:
    from rich.console import Group


def power_object(found: PowerForecast) -> dict[str, Any]:
    """Return what ``stroma power --json`` prints; numbers rounded to six significant digits."""
    return {
        "record": found.trial.record,
        "disease": found.trial.disease.disease_id,
        "simulated": True,
        "cells": found.cells,
        "control": found.control,
        "estimand": {"strategy": found.question.estimand, "definition": list(found.estimand)},
        "true_difference": _points(found.truth),
        "true_control_percent": _points(found.control_share),
        "sizes": [_size(found, s) for s in found.sizes],
        "posterior": {"hash": found.posterior.content_hash, "fitted_before": found.posterior.manifest["fitted_before"]},
        "settings": {"draws": found.settings.draws, "subjects": found.settings.subjects,
                     "trials": found.settings.trials, "seed": found.settings.seed},
    }


def _size(found: PowerForecast, size: SizeForecast) -> dict[str, Any]:
    return {
        "n": size.n,
        "arms": {a.label: n for a, n in zip(found.trial.designs[0].arms, size.arms, strict=True)},
        "probability_of_success": _estimate(size.success),
        f"expected_interval_width_{_unit(found).replace(' ', '_')}": _estimate(size.width),
        "probability_of_wrong_sign": _estimate(size.wrong_sign),
        "type_one_error": _estimate(size.type_one),
        "probability_of_success_if_cells_do_nothing_open_label": _estimate(size.open_win),
    }


def _points(found: tuple[float, float, float] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"median": significant(found[1]), "pi90": [significant(found[0]), significant(found[2])]}


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"value": significant(found.value), "monte_carlo_error": significant(found.error)}


def power_json(found: PowerForecast) -> str:
    """Return the object as text."""
    return json.dumps(power_object(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def power_view(found: PowerForecast) -> Group:
    """Return what ``stroma power`` shows: estimand, a line a size, what the columns are."""
    from rich.console import Group
    from rich.text import Text

    unit = _unit(found)
    digits = 1 if unit == "points" else 3
    ratio = " : ".join(a.label for a in found.trial.designs[0].arms)
    table = Text(f"{'n':>6}  {'arms':>11}  {'success, %':>13}  {f'width, {unit}':>15}  {'wrong sign, %':>13}  "
                 f"{'type I, %':>11}\n", style="bold")
    for s in found.sizes:
        table.append(f"{s.n:>6}  {' : '.join(map(str, s.arms)):>11}  {_cell(s.success, 100):>13}  "
                     f"{_cell(s.width, 1, digits):>15}  {_cell(s.wrong_sign, 100):>13}  {_cell(s.type_one, 100):>11}\n",
                     style="not bold")
    meaning = Text(f"± 2 Monte Carlo errors. Arms: {ratio}. Success and wrong sign under the current prior of the "
                   "cells' effect; wrong sign: the trial points against the cells, which by assumption do no harm; "
                   "width of the 95 % interval of the difference; type I: the trial wins though the cells do nothing.")
    opened = [s for s in found.sizes if s.open_win]
    told = [Text("The patients know their arm. With the bias of open studies, cells that do nothing win in "
                 + ", ".join(f"{100 * s.open_win.value:.1f} % (n {s.n})" for s in opened if s.open_win) + ".\n")]
    low, middle, high = found.truth
    rates = f"True difference under that prior: {middle:.{digits}f} {unit} (90 % {low:.{digits}f} to {high:.{digits}f})"
    if found.control_share:
        low, middle, high = found.control_share
        rates += f"; true share of {found.control}: {middle:.0f} % ({low:.0f} to {high:.0f})"
    title = Text(f"{found.trial.record}: how large? {NOTICE}", style="bold")
    closing = [*(told if opened else []), Text(f"{NOTICE}.", style="bold")]
    return Group(title, Text(" ".join(found.estimand)), Text(), table, meaning, Text(f"{rates}."), *closing)


def _cell(found: Estimate, scale: float, digits: int = 1) -> str:
    return f"{scale * found.value:.{digits}f} ± {2 * scale * found.error:.{digits}f}"


def _unit(found: PowerForecast) -> str:
    """Return the unit of the difference."""
    quantity = found.trial.designs[0].outcomes[0].quantity
    return quantity_unit(quantity) if quantity else "points"
