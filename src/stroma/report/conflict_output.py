"""The conflict between studies in the terminal, as JSON and as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stroma.explanation.conflict_parts import Component, Conflict, Estimate
from stroma.notice import NOTICE
from stroma.report.conflict_words import (
    METHOD,
    families_words,
    headline,
    left_out_words,
    levels_words,
    measured,
    per_cent,
    range_of,
    share_range,
    silent,
)
from stroma.report.explain_words import number
from stroma.report.labels import significant
from stroma.report.run_tables import Rows

if TYPE_CHECKING:
    from rich.console import Group


def conflict_view(found: Conflict) -> Group:
    """Return what ``stroma explain --conflict`` shows."""
    from rich.console import Group
    from rich.text import Text

    text = Text(f"{headline(found)} {NOTICE}\n", style="bold")
    if measured(found):
        text.append(f"\n{'share of the variance between studies':<24}\n")
        text.append(f"  {'factor':<24}{'mean':>8} {'90 % interval':>18} {'one left out':>18}\n")
        for c in measured(found):
            out = share_range(c.without_one) if c.without_one else ""
            text.append(f"  {c.label:<24}{per_cent(c.published):>8} {range_of(c.published):>18} {out:>18}\n")
            if c.note:
                text.append(f"    {c.note}\n", style="dim")
    text.append("\nlogits of improvement beyond the reference study\n")
    text.append(f"  {'study':<20}{'numbers':>8}{'published':>11}{'predicted':>11}  chance, 90 %  family\n")
    for s in found.studies:
        text.append(f"  {s.study_id:<20}{s.numbers:>8}{number(s.published.mean):>11}{number(s.predicted.mean):>11}"
                    f"  {'± ' + number(1.645 * s.chance_sd, False):<12}  {s.family}\n")
    if families_words(found):
        text.append(f"  {families_words(found)}\n")
    if silent(found):
        text.append("\nWithout a number of their own:\n")
        for c in silent(found):
            text.append(f"  {c.label}: {c.note}\n")
            if c.store:
                text.append(f"    in the whole store: {levels_words(c.store)}\n", style="dim")
    if found.left_out:
        text.append("\nStudies with cells that cannot be compared:\n")
        for words in left_out_words(found):
            text.append(f"  {words}\n")
    text.append("\nReference study: " + "; ".join(found.reference.values()) + "\n")
    return Group(text, Text(METHOD))


def conflict_json(found: Conflict, run_folder: str) -> str:
    """Return what ``stroma explain --conflict --json`` prints."""
    return json.dumps(conflict_object(found, run_folder), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def conflict_object(found: Conflict, run_folder: str) -> dict[str, Any]:
    """Return a conflict as one object; the published shares sum to 100 %."""
    return {
        "disease": found.disease.disease_id, "simulated": True, "notice": NOTICE, "method": METHOD,
        "headline": headline(found), "n_studies": len(found.studies), "reference": dict(found.reference),
        "published_sd": _estimate(found.published_sd), "predicted_sd": _estimate(found.predicted_sd),
        "components": [_component(c) for c in found.components],
        "studies": [{"study": s.study_id, "year": s.year, "family": s.family, "numbers": s.numbers,
                     "published": _estimate(s.published), "predicted": _estimate(s.predicted),
                     "chance_sd": significant(s.chance_sd),
                     "parts": {k: significant(v) for k, v in s.parts.items()}} for s in found.studies],
        "left_out": [{"study": study, "reason": why} for study, why in found.left_out],
        "posterior": found.posterior.content_hash, "effective_draws": significant(found.effective),
        "draws": found.settings.draws, "subjects": found.settings.subjects, "seed": found.settings.seed,
        "run_folder": run_folder}


def _component(c: Component) -> dict[str, Any]:
    return {"factor": c.factor_id, "label": c.label, "levels": dict(c.levels), "in_store": dict(c.store),
            "note": c.note, "variance": _estimate(c.variance), "share_of_published": _estimate(c.published),
            "share_of_predicted": _estimate(c.predicted),
            "share_leaving_one_out": [significant(x) for x in c.without_one] if c.without_one else None}


def _estimate(e: Estimate | None) -> dict[str, Any] | None:
    if e is None:
        return None
    return {"mean": e.mean, "pi50": [significant(x) for x in e.pi50], "pi90": [significant(x) for x in e.pi90]}


def component_rows(found: Conflict) -> Rows:
    """Return one row for each factor, chance and the rest."""
    rows: Rows = []
    for c in found.components:
        e = c.published
        rows.append({
            "factor": c.factor_id, "factor_label": c.label, "levels": levels_words(c.levels),
            "in_store": levels_words(c.store), "note": c.note, "share_mean": significant(e.mean) if e else None,
            **{name: significant(x) if e else None for name, x in zip(
                ("share_q05", "share_q25", "share_q75", "share_q95"),
                (e.pi90[0], e.pi50[0], e.pi50[1], e.pi90[1]) if e else (None,) * 4, strict=True)},
            "share_of_predicted_mean": significant(c.predicted.mean) if c.predicted else None,
            "leaving_one_out_least": significant(c.without_one[0]) if c.without_one else None,
            "leaving_one_out_most": significant(c.without_one[1]) if c.without_one else None})
    return rows


def study_rows(found: Conflict) -> Rows:
    """Return one row for each study."""
    return [{"study": s.study_id, "year": s.year, "family": s.family, "numbers": s.numbers,
             "published": significant(s.published.mean), "predicted": significant(s.predicted.mean),
             "predicted_q05": significant(s.predicted.pi90[0]),
             "predicted_q95": significant(s.predicted.pi90[1]), "chance_sd": significant(s.chance_sd),
             **{f"part_{k}": significant(v) for k, v in s.parts.items()}} for s in found.studies]
