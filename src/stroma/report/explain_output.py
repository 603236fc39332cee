"""An explanation in the terminal, as JSON and as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stroma.explanation.parts import ExplainedOutcome, Explanation, Part
from stroma.notice import NOTICE
from stroma.report.explain_words import (
    headline,
    interval,
    left_out_words,
    number,
    outcome_words,
    rows_of,
    sentence,
    side,
    unit_of,
)
from stroma.report.labels import significant
from stroma.report.run_tables import Rows

if TYPE_CHECKING:
    from rich.console import Group

_INDENT = {"step": "", "chance": "", "together": "", "route": "  by "}


def explanation_view(found: Explanation) -> Group:
    """Return what ``stroma explain`` shows: for every outcome its parts and a sentence."""
    from rich.console import Group
    from rich.text import Text

    text = Text(f"{found.citation}\n", style="italic")
    text.append(f"{headline(found)} {NOTICE}\n", style="bold")
    arm = ""
    for o in found.outcomes:
        if o.target.arm_label != arm:
            arm = o.target.arm_label
            text.append(f"\n{arm}\n", style="bold")
        text.append(f"\n  {outcome_words(o)} [{unit_of(o)}] ({side(o)})\n")
        text.append(f"    {'part':<30}{'mean':>7} {'50 % interval':>17} {'90 % interval':>18}\n")
        for kind, part in rows_of(o):
            text.append(_line(f"{_INDENT[kind]}{part.label}", part))
        text.append(f"    {'published':<30}{number(o.published):>7}\n", style="bold")
        text.append(f"    {sentence(o)}\n")
    if found.left_out:
        text.append("\nNot taken apart:\n")
        for words in left_out_words(found):
            text.append(f"  {words}\n")
    return Group(text, Text(found.order))


def _line(label: str, part: Part) -> str:
    return f"    {label:<30}{number(part.mean):>7} {interval(part.pi50):>17} {interval(part.pi90):>18}\n"


def explanation_json(found: Explanation, run_folder: str) -> str:
    """Return what ``stroma explain --json`` prints."""
    return json.dumps(explanation_object(found, run_folder), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def explanation_object(found: Explanation, run_folder: str) -> dict[str, Any]:
    """Return an explanation as one object; the parts of an outcome sum to its published change."""
    return {
        "study": found.study_id, "disease": found.disease.disease_id, "simulated": True, "notice": NOTICE,
        "order": found.order, "outcomes": [_outcome(o) for o in found.outcomes],
        "left_out": [{"target_id": name, "reason": why} for name, why in found.left_out],
        "posterior": found.posterior.content_hash, "effective_draws": significant(found.effective),
        "draws": found.settings.draws, "subjects": found.settings.subjects, "seed": found.settings.seed,
        "run_folder": run_folder}


def _outcome(o: ExplainedOutcome) -> dict[str, Any]:
    return {
        "target_id": o.target.target_id, "arm": o.target.arm_label, "outcome": outcome_words(o),
        "visit_day": significant(o.target.day), "n": significant(o.target.n), "statistic": o.statistic,
        "unit": unit_of(o), "published": o.published, "predicted": o.predicted, "in_fit": o.fitted,
        "parts": [_part(p) for p in o.parts], "cells_together": _part(o.cells),
        "cells_by_route": [_part(p) for p in o.routes],
        "chance_range50": [significant(x) for x in o.chance50],
        "chance_range90": [significant(x) for x in o.chance90], "chance_is_plausible": o.chance_is_plausible}


def _part(part: Part) -> dict[str, Any]:
    return {"part": part.part_id, "kind": part.kind, "label": part.label, "mean": part.mean,
            "pi50": [significant(x) for x in part.pi50], "pi90": [significant(x) for x in part.pi90],
            "monte_carlo_error": significant(part.error)}


def part_rows(found: Explanation) -> Rows:
    """Return one row for each part of each outcome."""
    return [{"target_id": o.target.target_id, "arm": o.target.arm_label, "outcome": outcome_words(o),
             "visit_day": significant(o.target.day), "unit": unit_of(o), "in_fit": o.fitted,
             "published": significant(o.published), "kind": kind, "part": p.part_id, "part_label": p.label,
             "mean": significant(p.mean), "q05": significant(p.pi90[0]), "q25": significant(p.pi50[0]),
             "q75": significant(p.pi50[1]), "q95": significant(p.pi90[1]), "monte_carlo_error": significant(p.error)}
            for o in found.outcomes for kind, p in rows_of(o)]
