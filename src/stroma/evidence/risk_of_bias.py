"""Risk of bias: tools, their domains, and what the store has judged."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from stroma.errors import Problems, nearest
from stroma.evidence.records import Evidence, Judgement

OVERALL, NOT_ASSESSED = "overall", "not_assessed"

TOOLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rob2-2019": (
        ("randomisation", "deviations", "missing_data", "measurement", "selective_reporting", OVERALL),
        ("low", "some_concerns", "high"),
    ),
    "robins-i-2016": (
        (
            "confounding",
            "selection",
            "classification",
            "deviations",
            "missing_data",
            "measurement",
            "selective_reporting",
            OVERALL,
        ),
        ("low", "moderate", "serious", "critical", "no_information"),
    ),
    "syrcle-2014": ((OVERALL,), ("low", "high")),
}
"""Tool: its domains in order, and its judgements from best to worst."""

_RANDOMISED_TOOL, _OTHER_TOOL = "rob2-2019", "robins-i-2016"
DOMAINS = tuple(dict.fromkeys(("randomisation", *TOOLS[_OTHER_TOOL][0])))
"""The domains of every tool, in the order of a table."""


def risk_of_bias(evidence: Evidence, study_id: str) -> tuple[Judgement, ...]:
    """Return the judgements on a study, one a domain; ``not_assessed`` where nobody has judged.

    Raises
    ------
    StromaError
        E104 for an unknown study.
    """
    study = evidence.study(study_id)
    found = tuple(row for row in evidence.judgements if row.study_id == study_id)
    if found:
        return found
    tool = _RANDOMISED_TOOL if study.randomised else _OTHER_TOOL
    return tuple(
        Judgement(study_id, tool, domain, NOT_ASSESSED, "nobody has judged this study", 0)
        for domain in TOOLS[tool][0]
    )


def check_judgements(evidence: Evidence, file: Path, problems: Problems) -> None:
    """Add E123 for a wrong tool, an unknown or missing domain, a judgement the tool does not have, or an
    overall judgement better than its worst domain."""
    sheets: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for row in evidence.judgements:
        study = evidence.studies[row.study_id]
        domains, levels = TOOLS[row.tool]
        if (row.tool == _RANDOMISED_TOOL) != (study.randomised and study.species == "human"):
            problems.add(
                "E123",
                f"{row.tool} on `{row.study_id}` ({study.design}, {study.species})",
                file=file,
                line=row.line,
            )
        if row.domain not in domains:
            problems.add(
                "E123",
                f"`{row.domain}` is no domain of {row.tool}",
                file=file,
                line=row.line,
                hint=nearest(row.domain, domains),
            )
        if row.judgement not in (*levels, NOT_ASSESSED):
            problems.add(
                "E123",
                f"`{row.judgement}` is no judgement of {row.tool}",
                file=file,
                line=row.line,
                hint=nearest(row.judgement, levels),
            )
        sheets[row.study_id, row.tool].append(row)
    for (study_id, tool), rows in sheets.items():
        _check_sheet(study_id, tool, rows, file, problems)


def _check_sheet(study_id: str, tool: str, rows: list[Judgement], file: Path, problems: Problems) -> None:
    domains, levels = TOOLS[tool]
    for domain in domains:
        if all(row.domain != domain for row in rows):
            problems.add("E123", f"{tool} of `{study_id}` lacks `{domain}`", file=file, line=rows[-1].line)
    order = [level for level in levels if level != "no_information"]
    judged = [order.index(row.judgement) for row in rows if row.domain != OVERALL and row.judgement in order]
    for row in rows:
        if (
            row.domain == OVERALL
            and row.judgement in order
            and judged
            and order.index(row.judgement) < max(judged)
        ):
            problems.add(
                "E123",
                f"overall `{row.judgement}` of `{study_id}` is better than its worst domain "
                f"`{order[max(judged)]}`",
                file=file,
                line=row.line,
            )
