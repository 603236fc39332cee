"""The forecast as tables; every row says that it is simulated."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from stroma.calibration.prediction import Forecast
from stroma.notice import NOTICE
from stroma.report.assumptions import record_facts
from stroma.report.labels import (
    arm_size,
    difference_unit,
    main_is_share,
    outcome_label,
    quantity_unit,
    significant,
    unit_words,
)
from stroma.report.parameters import learnt_all

Cell = str | float | int | bool | None
Rows = list[dict[str, Cell]]
TYPED = ("outcomes", "priors", "trajectories", "scenarios")
"""Tables that are written as Parquet too."""


def outcome_rows(found: Forecast) -> Rows:
    """Return one row for each outcome, arm and variant."""
    rows: Rows = []
    for o in (*(o for e in found.events for o in e.outcomes), *found.outcomes):
        rows.append({
            "variant": o.variant, "outcome": o.outcome, "meaning": outcome_label(o), "rule_or_quantity": o.rule_id,
            "visit_day": significant(o.visit_day), "arm": o.arm, "control": o.control, "n": arm_size(found, o),
            "statistic": o.statistic, "unit": unit_words(o.unit), "q05": significant(o.pi90[0]),
            "q25": significant(o.pi50[0]), "q50": significant(o.median), "q75": significant(o.pi50[1]),
            "q95": significant(o.pi90[1]), "observed": significant(o.observed), "inside_pi90": o.inside_pi90})
    return rows


def prior_rows(found: Forecast) -> Rows:
    """Return one row for each named prior."""
    return [{"prior": p.prior, "probability_of_success": significant(p.probability_of_success),
             "monte_carlo_error": significant(p.monte_carlo_error), "difference_q05": significant(p.difference[0]),
             "difference_q50": significant(p.difference[1]), "difference_q95": significant(p.difference[2]),
             "probability_difference_at_least_10": significant(p.at_least_10),
             "probability_difference_favours_cells": significant(p.favours),
             "difference_unit": difference_unit(found),
             "probability_wrong_sign": significant(p.wrong_sign), "effective_draws": significant(p.draws)}
            for p in found.priors]


def trajectory_rows(found: Forecast) -> Rows:
    """Return quantiles over eligible patients of every quantity, arm and day."""
    return [{"quantity": b.quantity, "unit": quantity_unit(b.quantity), "arm": b.arm, "day": significant(float(day)),
             **{name: significant(float(q)) for name, q in zip(("q05", "q25", "q50", "q75", "q95"),
                                                               b.quantiles[:, i], strict=True)}}
            for b in found.bands for i, day in enumerate(b.day)]


def assumption_rows(found: Forecast) -> Rows:
    """Return every value that the forecast takes, of the record and of the model, with source or reason."""
    rows: Rows = [{"part": "trial", "name": f.name, "value": f.value, "unit": "", "range": f.range,
                   "assumed": f.assumed, "confidence": "", "source_or_reason": f.source}
                  for f in record_facts(found)]
    for p in found.disease.parameters.values():
        rows.append({"part": "model", "name": p.parameter_id, "value": str(p.value), "unit": p.unit,
                     "range": f"{p.lower:g} to {p.upper:g}", "assumed": p.confidence == "assumed",
                     "confidence": p.confidence, "source_or_reason": f"{p.source}; {p.note}".strip("; ")})
    return rows


def parameter_rows(found: Forecast) -> Rows:
    """Return prior and posterior points and the contraction of every uncertain parameter."""
    rows: Rows = []
    for one in learnt_all(found.disease, found.posterior):
        p = one.parameter
        row: dict[str, Cell] = {"parameter_id": p.parameter_id, "unit": p.unit, "distribution": p.distribution,
                                "fitted_in": p.fitted_in}
        for stage, points in (("prior", one.prior), ("posterior", one.posterior)):
            row |= {f"{stage}_{q}": significant(x) for q, x in zip(("q05", "q50", "q95"), points, strict=True)}
        rows.append(row | {"contraction": significant(one.contraction)})
    return rows


def run_tables(found: Forecast) -> dict[str, Rows]:
    """Return every table of a run folder by its name; one without rows is left out."""
    tables = {"outcomes": outcome_rows(found), "priors": prior_rows(found), "trajectories": trajectory_rows(found),
              "assumptions": assumption_rows(found), "parameters": parameter_rows(found),
              "scenarios": scenario_rows(found)}
    return {name: rows for name, rows in tables.items() if rows}


def scenario_rows(found: Forecast) -> Rows:
    """Return one row for each scenario and number, with its paired difference to the trial as planned."""
    rows: Rows = []
    for s in found.scenarios:
        what = "mean share" if main_is_share(found) else "mean change"
        numbers = [(f"{what}, {o.arm}", unit_words(o.unit), m, o.pi90) for o, m in zip(s.outcomes, s.mean, strict=True)]
        apart = difference_unit(found)
        for name, unit, shift, interval in (*numbers,
                                            ("probability of success", "", s.success, None),
                                            ("true difference", apart, s.difference, s.difference_pi90),
                                            ("probability of at least 10 points", "", s.at_least_10, None)):
            if shift is not None:
                rows.append({"scenario": s.label, "changes": s.changes, "n": s.n, "number": name, "unit": unit,
                             "value": significant(shift.value),
                             "q05": significant(interval[0]) if interval else None,
                             "q95": significant(interval[1]) if interval else None,
                             "difference_to_planned": significant(shift.difference),
                             "monte_carlo_error": significant(shift.error)})
    return rows


def csv_bytes(rows: Sequence[Mapping[str, Cell]]) -> bytes:
    """Write rows as CSV, the notice in the last column ``label``; a missing value is an empty cell."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*rows[0], "label"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "label": NOTICE} for row in rows)
    return stream.getvalue().encode()


def parquet_bytes(rows: Sequence[Mapping[str, Cell]], labels: Mapping[str, str] | None = None) -> bytes:
    """Write rows as Parquet, the notice in the column ``label`` and in the file's metadata.

    Parameters
    ----------
    labels : mapping of str to str, optional
        Label of each column, kept in the column's metadata.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([{**row, "label": NOTICE} for row in rows])
    for name, label in (labels or {}).items():
        place = table.schema.get_field_index(name)
        field = table.schema.field(place).with_metadata({"label": label})
        table = table.set_column(place, field, table.column(place))
    table = table.replace_schema_metadata({"stroma": json.dumps({"simulated": True, "notice": NOTICE})})
    target = pa.BufferOutputStream()
    pq.write_table(table, target, compression="zstd")
    return target.getvalue().to_pybytes()
