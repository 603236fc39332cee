"""The closer look as JSON and as tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from stroma.detail.disposition import ArmFlow
from stroma.detail.early import FirstWeek
from stroma.detail.look import Detail, Uncertainty
from stroma.detail.variance import SOURCES
from stroma.disease import Disease
from stroma.report.labels import significant
from stroma.report.run_tables import Rows

POINTS = (0.05, 0.5, 0.95)


def flow_rows(flow: ArmFlow) -> list[tuple[str, np.ndarray]]:
    """Return every count of an arm with its name, in the order of the flow."""
    rows = [("randomised", np.full(flow.unaided.shape, flow.randomised))]
    rows += [(f"cells given, dose {i + 1}", x) for i, x in enumerate(flow.infused)]
    rows += [("left", flow.left), ("left after rescue", flow.left_rescued), ("seen after rescue", flow.rescued),
             ("seen without rescue", flow.unaided),
             ("analysed", np.broadcast_to(flow.analysed, flow.unaided.shape))]
    return rows + ([("responders", flow.responders)] if flow.responders is not None else [])


def spread(counts: np.ndarray) -> tuple[int, int, int]:
    """Return 5, 50 and 95 % points of a count over replicated trials."""
    low, middle, high = (int(x) for x in np.quantile(counts, POINTS, method="inverted_cdf"))
    return low, middle, high


def detail_object(detail: Detail) -> dict[str, Any]:
    """Return what a closer look adds to the JSON object of a forecast."""
    return {
        "disposition": [{"arm": a.arm, "counts": {name: {"shown_trial": int(x[0]), "median": spread(x)[1],
                                                         "pi90": [spread(x)[0], spread(x)[2]]}
                                                  for name, x in flow_rows(a)}} for a in detail.flow],
        "flares": [{"flare": c.flare, "arm": c.arm, "free_at_end_median": significant(float(c.band[1, -1])),
                    "free_at_end_pi90": [significant(float(c.band[i, -1])) for i in (0, 2)]} for c in detail.flares],
        "first_week": None if detail.week is None else _week(detail.week),
        "uncertainty": None if detail.uncertainty is None else _uncertainty(detail.uncertainty),
    }


def _week(week: FirstWeek) -> dict[str, Any]:
    return {"day": 7, "first_published_day": significant(week.first_published_day),
            "changes": [{"quantity": c.quantity, "arms": {label: _points(p) for label, _, p in c.arms},
                         "difference": None if c.difference is None else _points(c.difference)} for c in week.changes]}


def _points(points: tuple[float, float, float]) -> dict[str, Any]:
    low, middle, high = (significant(x) for x in points)
    return {"median": middle, "pi90": [low, high]}


def _uncertainty(found: Uncertainty) -> dict[str, Any]:
    return {
        "unit": found.unit,
        "variance": [{"result": v.result, "mean": significant(v.mean), "total": significant(v.total),
                      "parts": {s: {"variance": significant(v.parts[s]), "share": significant(v.share(s)),
                                    "monte_carlo_error": significant(v.errors[s])} for s in SOURCES}}
                     for v in found.variances],
        "sobol": [{"result": c.result, "emulator_r2": significant(c.explained),
                   "reachable_r2": significant(c.reachable),
                   "groups": {i.name: _index(i) for i in c.groups},
                   "parameters": {i.name: _index(i) for i in c.parameters}} for c in found.carried],
    }


def _index(index: Any) -> dict[str, Any]:
    return {"first": significant(index.first), "first_half_width_95": significant(index.first_error),
            "total": significant(index.total), "total_half_width_95": significant(index.total_error)}


def detail_tables(detail: Detail, disease: Disease) -> dict[str, Rows]:
    """Return the tables that a closer look adds to a run folder; one without rows is left out."""
    tables: dict[str, Rows] = {
        "disposition": [{"arm": a.arm, "control": a.control, "count": name, "shown_trial": int(x[0]),
                         **dict(zip(("q05", "q50", "q95"), spread(x), strict=True))}
                        for a in detail.flow for name, x in flow_rows(a)],
        "flares": [{"flare": c.flare, "arm": c.arm, "day": significant(float(d)),
                    "shown_trial": significant(float(c.free[i])),
                    **{q: significant(float(c.band[k, i])) for k, q in enumerate(("q05", "q50", "q95"))}}
                   for c in detail.flares for i, d in enumerate(c.day)],
        "cell_fate": [] if detail.fate is None else [
            {"arm": detail.fate.arm, "part": c.part, "output": c.output, "meaning": c.label,
             "day": significant(float(d)), "mean": significant(float(c.mean[i])),
             **{q: significant(float(c.quantiles[k, i])) for k, q in enumerate(("q05", "q25", "q50", "q75", "q95"))}}
            for c in detail.fate.courses for i, d in enumerate(detail.fate.day)]}
    if detail.uncertainty is not None:
        tables["variance"] = [{"result": v.result, "unit": detail.uncertainty.unit, "source": s,
                               "variance": significant(v.parts[s]), "share": significant(v.share(s)),
                               "monte_carlo_error": significant(v.errors[s])}
                              for v in detail.uncertainty.variances for s in SOURCES]
        tables["sobol"] = [{"result": c.result, "name": i.name, "kind": kind, **_index(i),
                            "emulator_r2": significant(c.explained), "reachable_r2": significant(c.reachable)}
                           for c in detail.uncertainty.carried
                           for kind, i in [*(("group", g) for g in c.groups),
                                           *((disease.parameters[p.name].confidence, p) for p in c.parameters)]]
    return {name: rows for name, rows in tables.items() if rows}
