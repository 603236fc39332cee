"""Harms as primary outcomes: how many patients of a trial will have an event, by what other studies counted.

Nothing here comes from mechanism: the model simulates no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.prediction import EventForecast, EventSource, OutcomeForecast, Settings
from stroma.errors import fail, nearest
from stroma.evidence.pooling.predictive import learn_rate
from stroma.evidence.records import Evidence
from stroma.evidence.safety import CATEGORIES, SafetyCount, one_per_family, safety_counts
from stroma.streams import generator
from stroma.therapy import load_therapy
from stroma.trial.design import Arm, PlannedEvent, TrialDesign

FEWEST = 10
"""Patients that a stratum must have; a narrower one is left for a wider. Assumed."""
Study = tuple[str, int, int, float]


def forecast_events(designs: Sequence[TrialDesign], evidence: Evidence, own: frozenset[str],
                    settings: Settings) -> tuple[EventForecast, ...]:
    """Foretell every harm that is a primary outcome of a trial.

    Arms with cells follow arms with cells, other arms follow arms without; within a replicated trial the arms of one
    kind share the deviation of their study.

    Parameters
    ----------
    designs : sequence of TrialDesign
        Variants that differ in size only; published counts belong to the last.
    evidence : Evidence
    own : frozenset of str
        Studies that report this trial: shown, never pooled.

    Raises
    ------
    StromaError
        C080 an event that the store does not count, C081 one of which no other study gives a usable count.
    """
    return tuple(_one(event, designs, evidence, own, settings) for event in designs[0].events)


def _one(event: PlannedEvent, designs: Sequence[TrialDesign], evidence: Evidence, own: frozenset[str],
         settings: Settings) -> EventForecast:
    if event.event not in CATEGORIES:
        raise fail("C080", f"no harm is called `{event.event}`", hint=nearest(event.event, CATEGORIES))
    outcomes: list[OutcomeForecast] = []
    sources: list[EventSource] = []
    shares: dict[str, NDArray[np.float64]] = {}
    for cells in (True, False):
        arms = [a for a in designs[0].arms if has_cells(a) == cells]
        if not arms:
            continue
        stratum, studies = _pooled(event.event, designs[0], arms[0], evidence, own)
        rate = learn_rate([s[1] for s in studies], [s[2] for s in studies], [s[3] for s in studies], event.day)
        rng = generator(settings.seed, f"events/{event.event}/{'cells' if cells else 'control'}")
        drawn = rate.shares(settings.trials, rng)
        low, middle, high = (float(x) for x in np.quantile(drawn, [0.05, 0.5, 0.95]))
        sources.append(EventSource(tuple(a.label for a in arms), stratum, studies, (low, middle, high)))
        shares |= {a.label: drawn for a in arms}
    for design in designs:
        seen = _published(event.event, design, evidence, own) if design is designs[-1] else {}
        for arm in design.arms:
            rng = generator(settings.seed, f"events/{event.event}/{design.variant}/{arm.label}")
            number = rng.binomial(arm.n, shares[arm.label]).astype(float)
            q = [float(x) for x in np.quantile(number, [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf")]
            outcomes.append(OutcomeForecast(
                design.variant, "primary outcome", arm.label, arm.control, "patients", event.day, q[2], (q[1], q[3]),
                (q[0], q[4]), seen.get(arm.label), event.event, "patients", number,
                np.zeros(settings.trials, np.int64)))
    return EventForecast(event, tuple(outcomes), tuple(sources))


def has_cells(arm: Arm) -> bool:
    """Return whether an arm gets cells."""
    return any(t.dose is not None for t in arm.treatments)


def _pooled(category: str, design: TrialDesign, arm: Arm, evidence: Evidence,
            own: frozenset[str]) -> tuple[str, tuple[Study, ...]]:
    """Return the narrowest stratum with enough patients, in words, and its studies."""
    kinds = [load_therapy(t.therapy_id).kind for t in arm.treatments]
    if has_cells(arm):
        treatments, whose = ("msc",), "arms with cells"
    elif "placebo" in kinds:
        treatments, whose = ("background",), "arms on placebo or usual care"
    else:
        treatments, whose = ("background", "active"), "arms without cells"
    families = {evidence.study(s).cohort_family for s in own if s in evidence.studies}
    counts = [c for c in safety_counts(evidence, category, treatments).counts
              if c.arm.study.cohort_family not in families and _days(c) is not None]
    route = next(str(load_therapy(t.therapy_id).product["route"]) for a in design.arms for t in a.treatments if t.dose)
    ours = evidence.vocabulary.covered(design.disease)
    words = {"ia": "injected into a joint", "iv": "infused"}.get(route, route)
    narrow = [("in this disease, " + words, lambda c: bool(ours & set(c.arm.diseases)) and c.arm.route == route),
              ("in this disease", lambda c: bool(ours & set(c.arm.diseases))),
              (f"of any disease, {words}", lambda c: c.arm.route == route),
              ("of any disease and route", lambda c: True)]
    for name, holds in narrow:
        chosen = one_per_family([c for c in counts if holds(c)])
        if sum(c.n for c in chosen) >= FEWEST:
            return f"{whose} {name}", _by_study(chosen)
    raise fail("C081", f"no other study gives a usable count of `{category}` for {whose}",
               hint="the store lists what it has: stroma evidence safety")


def _days(count: SafetyCount) -> float | None:
    """Return how long an arm was watched."""
    return count.time_day or count.arm.study.follow_up_day


def _by_study(counts: Sequence[SafetyCount]) -> tuple[Study, ...]:
    """Return one row a study: its arms are one sample of patients."""
    found: dict[str, Study] = {}
    for c in counts:
        name, days = c.arm.study.study_id, _days(c)
        assert days is not None
        _, events, n, longest = found.get(name, (name, 0, 0, 0.0))
        found[name] = (name, events + c.events, n + c.n, max(longest, days))
    return tuple(found.values())


def _published(category: str, design: TrialDesign, evidence: Evidence, own: frozenset[str]) -> dict[str, float]:
    """Return the patients with the event that the trial's own reports count, by arm; only where the arm is whole."""
    every = safety_counts(evidence, category, ("msc", "background", "active")).counts
    found: dict[str, float] = {}
    for arm in design.arms:
        alike = [a for a in design.arms if a.control == arm.control]
        for c in every:
            same = c.arm.label == arm.label or (len(alike) == 1 and (c.arm.role == "control") == arm.control)
            if c.arm.study.study_id in own and same and c.n == arm.n:
                found[arm.label] = float(c.events)
    return found
