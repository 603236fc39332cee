"""One question put to the store: which studies, their effects, what they say together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stroma.errors import fail, nearest
from stroma.evidence import forest
from stroma.evidence.comparisons import (
    MODERATORS,
    SINGLE_ARM,
    Comparison,
    Comparisons,
    Sample,
    compute_effects,
    find_comparisons,
)
from stroma.evidence.effect_sizes import MEASURES, EffectSizes, back_transform, clopper_pearson
from stroma.evidence.funnel import funnel
from stroma.evidence.pooling import FAMILY, PooledEffect, pool, trim_and_fill
from stroma.evidence.records import Evidence
from stroma.evidence.vocabulary import OutcomeTerm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHARES = frozenset({"logit_proportion", "freeman_tukey"})
_IN_UNITS = frozenset({"mean_difference", "mean"})
_AUTHOR = re.compile(r"([^\W\d][\w' -]*?) (?:[A-Z]{1,3}\b|et al)")


@dataclass(frozen=True)
class Analysis:
    """The answer to one question.

    Parameters
    ----------
    term : OutcomeTerm
    comparisons : Comparisons
        Studies used and not used.
    effects : EffectSizes
        One a study, on the scale of pooling.
    groups : tuple of str
        Subgroup of each study; all empty without one.
    pooled : mapping of (family, group) to PooledEffect
        ``group`` is empty for the whole family. Families are never pooled together.
    tau2_method, interval : str
    """

    term: OutcomeTerm
    comparisons: Comparisons
    effects: EffectSizes
    groups: tuple[str, ...]
    pooled: dict[tuple[str, str], PooledEffect]
    tau2_method: str
    interval: str


def analyse(
    evidence: Evidence,
    outcome_id: str,
    measure: str = "",
    *,
    disease: str = "",
    day: float | None = None,
    by: str = "",
    treatments: Iterable[str] = ("msc",),
    correlation: float | None = None,
    tau2_method: str = "reml",
    interval: str = "hksj",
) -> Analysis:
    """Find, measure and pool the studies on an outcome.

    Parameters
    ----------
    evidence : Evidence
    outcome_id : str
        Term of the vocabulary.
    measure : str
        As in :func:`stroma.evidence.comparisons.find_comparisons`; empty for the risk ratio of shares and the
        mean difference of everything else.
    disease, day, treatments, correlation
        As there.
    by : str
        A key of :data:`stroma.evidence.comparisons.MODERATORS`; empty for none.
    tau2_method, interval : str
        As in :func:`stroma.evidence.pooling.pool`.

    Raises
    ------
    StromaError
        E105 and E150 unknown names, E151 no study, E152 unknown moderator; else as ``pool``.
    """
    if by and by not in MODERATORS:
        raise fail("E152", f"studies cannot be grouped by `{by}`", hint=nearest(by, MODERATORS), exit_code=2)
    found = find_comparisons(
        evidence,
        outcome_id,
        measure or _usual_measure(evidence, outcome_id),
        disease=disease,
        day=day,
        treatments=treatments,
        correlation=correlation,
    )
    effects = compute_effects(found)
    groups = tuple(MODERATORS[by](row) if by else "" for row in found.rows)
    pooled: dict[tuple[str, str], PooledEffect] = {}
    families = [FAMILY[row.kind] for row in found.rows]
    for family in dict.fromkeys(families):
        for group in dict.fromkeys(("", *groups)):
            rows = [i for i, row in enumerate(found.rows) if families[i] == family and group in ("", groups[i])]
            if rows:
                pooled[family, group] = pool(
                    effects.effect[rows],
                    effects.variance[rows],
                    tau2_method,
                    interval,
                    kind=[found.rows[i].kind for i in rows],
                )
    return Analysis(evidence.vocabulary.outcomes[outcome_id], found, effects, groups, pooled, tau2_method, interval)


def analysis_as_dict(answer: Analysis) -> dict[str, Any]:
    """Return the answer as plain data: studies, pooled effects on the scale readers know, what was not used."""
    measure = answer.effects.measure
    studies = []
    for i, row in enumerate(answer.comparisons.rows):
        se = float(np.sqrt(answer.effects.variance[i]))
        effect = float(answer.effects.effect[i])
        studies.append(
            {
                "study": row.study.study_id,
                "year": row.study.published_year,
                "kind": row.kind,
                "group": answer.groups[i],
                "day": row.time_day,
                "experimental": _sample(row.experimental),
                "control": _sample(row.control),
                "effect": effect,
                "se": se,
                "notes": "; ".join(
                    dict.fromkeys((*row.experimental.notes, *(row.control.notes if row.control else ())))
                ),
            }
        )
    pooled = []
    for (family, group), result in answer.pooled.items():
        low, high = result.prediction_interval or (None, None)
        pooled.append(
            {
                "family": family,
                "group": group or "all",
                "kind": result.kind,
                "studies": result.k,
                "estimate": result.estimate,
                "low": result.ci[0],
                "high": result.ci[1],
                "shown": shown(answer, result),
                "tau2": _finite(result.tau2),
                "i2": _finite(result.i2),
                "q": result.q,
                "predicted_low": low,
                "predicted_high": high,
            }
        )
    notes = [
        f"{answer.term.label}: {MEASURES[measure]}, {answer.tau2_method}, {answer.interval}",
        *[answer.comparisons.included] * bool(answer.comparisons.included),
        *_cautions(answer),
        *(f"{group or family}: {note}" for (family, group), result in answer.pooled.items() for note in result.notes),
    ]
    skipped = [{"study_id": row.study_id, "reason": row.reason} for row in answer.comparisons.skipped]
    return {
        "outcome": answer.term.outcome_id,
        "measure": measure,
        "better": answer.term.better,
        "studies": studies,
        "pooled": pooled,
        "skipped": skipped,
        "notes": notes,
    }


def _cautions(answer: Analysis) -> list[str]:
    """Say what a reader must know before believing one number: corrections, several diseases or definitions."""
    rows = answer.comparisons.rows
    adds = answer.effects.measure == "logit_proportion" and any(row.experimental.events == 0 for row in rows)
    rare = ["arms without events pull a share pooled with 0.5 added too high: stroma evidence safety adds nothing"]
    diseases = sorted({name for row in rows for arm in row.experimental.arms for name in arm.diseases})
    rules = sorted({rule for row in rows for rule in row.rules})
    mixed = [f"patients with {', '.join(diseases)} together: one number for several diseases"]
    defined = [f"{len(rules)} definitions of the outcome together: {', '.join(rules)}"]
    return [*answer.effects.notes, *rare * adds, *mixed * (len(diseases) > 1), *defined * (len(rules) > 1)]


def draw_forest(answer: Analysis) -> Figure:
    """Return the forest plot of an answer, one panel a family of evidence."""
    rows = [_row(answer, i) for i in range(len(answer.comparisons.rows))]
    columns = ("experimental", "control")[: 1 if answer.comparisons.measure in SINGLE_ARM else 2]
    return forest.forest(
        rows,
        answer.effects.measure,
        unit=_unit(answer),
        columns=columns,
        better="lower" if answer.term.better == "down" else "higher",
        title=answer.term.label,
        notes=_cautions(answer),
        tau2_method=answer.tau2_method,
        interval=answer.interval,
    )


def draw_funnel(answer: Analysis, filled: bool = False) -> Figure:
    """Return the funnel plot of the family of evidence with most studies.

    Parameters
    ----------
    answer : Analysis
    filled : bool
        Add the studies of trim and fill as open circles.

    Raises
    ------
    StromaError
        As :func:`stroma.evidence.pooling.trim_and_fill` when ``filled``.
    """
    families = [FAMILY[row.kind] for row in answer.comparisons.rows]
    largest = max(dict.fromkeys(families), key=families.count)
    rows = [i for i, family in enumerate(families) if family == largest]
    effect, variance = answer.effects.effect[rows].tolist(), answer.effects.variance[rows].tolist()
    kind = [answer.comparisons.rows[i].kind for i in rows]
    return funnel(
        effect,
        variance,
        answer.effects.measure,
        unit=_unit(answer),
        kind=kind,
        filled=trim_and_fill(effect, variance, answer.tau2_method, answer.interval, kind=kind) if filled else None,
        title=f"{answer.term.label}: {largest.replace('_', ' ')}",
    )


def _unit(answer: Analysis) -> str:
    return answer.term.unit if answer.effects.measure in _IN_UNITS else ""


def _usual_measure(evidence: Evidence, outcome_id: str) -> str:
    term = evidence.vocabulary.outcomes.get(outcome_id)
    shares = term is not None and term.unit == "%" and term.source == "share of patients"
    return "log_risk_ratio" if shares else "mean_difference"


def _row(answer: Analysis, i: int) -> forest.Study:
    row = answer.comparisons.rows[i]
    cells = (_sample(row.experimental),) if row.control is None else (_sample(row.experimental), _sample(row.control))
    return forest.Study(
        _label(row),
        float(answer.effects.effect[i]),
        float(answer.effects.variance[i]),
        row.kind,
        answer.groups[i].replace("_", " "),
        cells,
        float(row.experimental.n),
        _exact(answer, row),
    )


def _exact(answer: Analysis, row: Comparison) -> tuple[float, float, float] | None:
    sample = row.experimental
    if answer.effects.measure not in _SHARES or sample.events is None:
        return None
    low, high = clopper_pearson(sample.events, sample.n)
    return sample.events / sample.n, float(low[0]), float(high[0])


def _label(row: Comparison) -> str:
    """Return first author and year where the citation begins with the author of the id, else the study's id."""
    author = _AUTHOR.match(row.study.citation)
    if author is None or not row.study.study_id.startswith(_plain(author[1])):
        return row.study.study_id
    return f"{author[1]} {row.study.published_year or ''}".strip()


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())


def _sample(sample: Sample | None) -> str:
    if sample is None:
        return ""
    if sample.events is not None:
        return f"{sample.events}/{sample.n}"
    return f"{sample.mean:.3g} ({sample.sd:.3g}), {sample.n}"


def shown(answer: Analysis, result: PooledEffect) -> str:
    """Return estimate and interval on the scale readers know."""
    sizes = [row.experimental.n for row in answer.comparisons.rows]
    values = back_transform(answer.effects.measure, [result.estimate, *result.ci], sizes)
    return f"{values[0]:.3g} ({values[1]:.3g} to {values[2]:.3g})"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
