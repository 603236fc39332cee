"""Validation of several diseases at once, as `stroma validate` and the page show it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stroma.calibration.posterior import FILE
from stroma.calibration.simulate import Progress
from stroma.calibration.targets import load_targets
from stroma.disease import known_diseases, load_disease
from stroma.engine.ensemble import Backend
from stroma.errors import fail, nearest
from stroma.library import library_root
from stroma.validation.outcomes import Scored, Validation, carry_out
from stroma.validation.plan import ROLLING, STRESS, cutoff_plan, rolling_plan, stress_plan
from stroma.validation.summary import Summary, by_group, summarise

GROUPS: dict[str, Callable[[Scored], str]] = {
    "arm": lambda r: "with cells" if r.cells else "control",
    "outcome": lambda r: r.target.outcome,
    "blinding": lambda r: r.target.blinding,
    "year": lambda r: str(r.target.year or "unknown"),
}


@dataclass(frozen=True)
class Report:
    """One scheme over one or more diseases."""

    scheme: str
    validations: dict[str, Validation]
    better: dict[str, float]

    @property
    def scored(self) -> list[Scored]:
        """Return the scored numbers of all diseases."""
        return [r for v in self.validations.values() for r in v.scored]

    def summary(self) -> Summary:
        """Summarise all diseases together."""
        return summarise(self.scored, self.better)

    def by_disease(self) -> dict[str, Summary]:
        """Summarise each disease."""
        return by_group(self.scored, lambda r: r.disease, self.better)

    def by(self, group: str) -> dict[str, Summary]:
        """Summarise each member of one of :data:`GROUPS`."""
        return by_group(self.scored, GROUPS[group], self.better)


def diseases_with_targets() -> list[str]:
    """Return the diseases whose published numbers are listed."""
    return [d for d in known_diseases() if (library_root() / "diseases" / d / "targets.csv").is_file()]


def validated_diseases() -> list[str]:
    """Return the diseases that have targets and a posterior of any origin."""
    root = library_root() / "diseases"
    return [d for d in diseases_with_targets() if (root / d / FILE).is_file() or (root / d / "posteriors").is_dir()]


def validate(diseases: Sequence[str], scheme: str, backend: Backend, work: Path, seed: int = 1, cutoff: str = "",
             study: str = "", progress: Progress | None = None) -> Report:
    """Forecast and score what a scheme asks for.

    Parameters
    ----------
    scheme : {"rolling", "stress-2014"}
        Not used with ``cutoff``.
    cutoff : str
        A date of which a posterior is kept; everything from then on is forecast from it.
    study : str
        Only this study or trial.

    Raises
    ------
    StromaError
        C040 no posterior of that date, C041 nothing to forecast, C010 a posterior saw what it is to forecast.
    """
    done: dict[str, Validation] = {}
    for name in diseases:
        disease = load_disease(name)
        listed = load_targets(disease)
        plan = (cutoff_plan(disease, listed, cutoff) if cutoff
                else stress_plan(listed) if scheme == STRESS else rolling_plan(disease, listed))
        if study:
            plan = plan.only(study)
        done[name] = carry_out(disease, listed, plan, backend, seed, work, progress)
        scheme = plan.scheme
    if not any(v.scored for v in done.values()):
        known = {t.study_id for d in diseases for t in load_targets(load_disease(d)).targets}
        raise fail("C041", f"there is nothing to forecast of `{study}`" if study else "there is nothing to forecast",
                   hint=nearest(study, known) if study else "run `stroma validate --rebuild`")
    return Report(scheme, done, _benefit())


def _benefit() -> dict[str, float]:
    with (library_root() / "vocabulary" / "outcomes.csv").open(encoding="utf-8", newline="") as stream:
        return {r["outcome_id"]: {"up": 1.0, "down": -1.0}[r["better"]] for r in csv.DictReader(stream)
                if r["better"] in ("up", "down")}


def as_mapping(report: Report) -> dict[str, Any]:
    """Return what `stroma validate --json` prints; ``by_disease`` and the groups repeat the same fields."""
    said: dict[str, Any] = {"simulated": True, "scheme": report.scheme, **_fields(report.summary())}
    said["by_disease"] = {name: _fields(s) for name, s in report.by_disease().items()}
    for group in GROUPS:
        said[f"by_{group}"] = {name: _fields(s) for name, s in report.by(group).items()}
    said["excluded"] = {name: [{"target_id": e.target_id, "reason": e.reason} for e in v.excluded]
                        for name, v in report.validations.items()}
    said["outcomes"] = [_outcome(r) for r in report.scored]
    return said


def _fields(summary: Summary) -> dict[str, object]:
    return {**asdict(summary), "best_baseline": summary.best_baseline}


def _outcome(r: Scored) -> dict[str, object]:
    t = r.target
    return {"disease": r.disease, "origin": r.origin, "study_id": t.study_id, "trial": t.trial, "year": t.year,
            "blinding": t.blinding, "arm": t.arm_label, "cells": r.cells, "outcome": t.outcome, "day": t.day, "n": t.n,
            "unit": r.unit, "published": r.observed, "median": r.median, "pi50": r.pi50, "pi90": r.pi90,
            "inside_50": r.inside_50, "inside_90": r.inside_90, "interval_score": r.score, "crps": r.crps,
            "pit": r.pit, "baselines": {name: asdict(b) for name, b in r.baselines.items()}}


SCHEMES = (ROLLING, STRESS)
