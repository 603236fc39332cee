"""From the store to rows that can be pooled: one comparison a study, patients counted once.

Arms of one study that got the same kind of treatment are put together, so that a control group is not used
twice (Cochrane Handbook for Systematic Reviews of Interventions 6.4, sections 6.5.2.10 and 23.3.4).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stroma.errors import StromaError, fail, nearest
from stroma.evidence import effect_sizes
from stroma.evidence.conversions import mean_sd_from_quartiles, sd_from_ci, sd_of_change
from stroma.evidence.effect_sizes import EffectSizes
from stroma.evidence.records import Arm, Evidence, Outcome, Study, known_treatments

SAME_VISIT = 14.0
"""Visits this many days apart are the same visit."""

BINARY = ("log_risk_ratio", "log_odds_ratio", "risk_difference")
CONTINUOUS = ("mean_difference", "smd")
SINGLE_ARM = ("logit_proportion", "freeman_tukey", "mean")
_SHARES = frozenset({*BINARY, "logit_proportion", "freeman_tukey"})
_PLACEBO = re.compile(r"placebo|saline|vehicle|medium\b", re.IGNORECASE)
_SHAM = re.compile(r"\bsham\b", re.IGNORECASE)
_ALONE = re.compile(r"\s+(?:alone|only|control)$", re.IGNORECASE)
_CHANGES, _LEVELS = ("mean_change", "lsm_change"), ("mean", "median")


@dataclass(frozen=True)
class Sample:
    """What one group of patients showed; arms with the same treatment are one group.

    Parameters
    ----------
    arms : tuple of Arm
    n : int
    events : int or None
        Patients with the event.
    mean, sd : float or None
        In the unit of the outcome.
    notes : tuple of str
        What was converted.
    """

    arms: tuple[Arm, ...]
    n: int
    events: int | None = None
    mean: float | None = None
    sd: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """One study's contribution.

    Parameters
    ----------
    study : Study
    subgroup : str
    time_day : float or None
    statistic : str
        ``count``, or the kind of mean.
    kind : str
        What it compares with: ``placebo``, ``sham``, ``background``, ``active`` or ``uncontrolled``.
    experimental : Sample
    control : Sample or None
        None for single-arm measures.
    rules : frozenset of str
        The response rules behind the numbers; ``unknown`` where the report does not state one.
    """

    study: Study
    subgroup: str
    time_day: float | None
    statistic: str
    kind: str
    experimental: Sample
    control: Sample | None
    rules: frozenset[str] = frozenset()

    @property
    def patients(self) -> int:
        """Patients in both groups."""
        return self.experimental.n + (self.control.n if self.control else 0)


@dataclass(frozen=True)
class Skipped:
    """A study that reports the outcome and cannot be used, and why."""

    study_id: str
    reason: str


@dataclass(frozen=True)
class Comparisons:
    """The rows of one pooling, the studies that gave none, and in words the parts that the disease brought along."""

    outcome_id: str
    measure: str
    rows: tuple[Comparison, ...]
    skipped: tuple[Skipped, ...]
    included: str = ""


MODERATORS: dict[str, Callable[[Comparison], str]] = {
    "source": lambda row: _of_arms(row, lambda arm: arm.cell_source),
    "donor": lambda row: _of_arms(row, lambda arm: arm.donor or "not_stated"),
    "route": lambda row: _of_arms(row, lambda arm: arm.route or "not_stated"),
    "dose": lambda row: _of_arms(row, _dose_text),
    "disease": lambda row: _of_arms(row, lambda arm: ";".join(arm.diseases)),
    "blinding": lambda row: row.study.blinding,
    "year": lambda row: "not_stated" if row.study.published_year is None else str(row.study.published_year),
    "split": lambda row: row.study.split,
}
"""What studies may be grouped by."""


def find_comparisons(
    evidence: Evidence,
    outcome_id: str,
    measure: str,
    *,
    disease: str = "",
    day: float | None = None,
    treatments: Iterable[str] = ("msc",),
    correlation: float | None = None,
) -> Comparisons:
    """Find the studies that can be pooled on an outcome.

    Parameters
    ----------
    evidence : Evidence
    outcome_id : str
        Term of the vocabulary.
    measure : str
        One of :data:`BINARY`, :data:`CONTINUOUS` (two arms) or :data:`SINGLE_ARM`.
    disease : str
        Term of the vocabulary, with its parts; empty for any disease of humans.
    day : float, optional
        Visit wanted, give or take :data:`SAME_VISIT` days; by default the last visit of each study.
    treatments : iterable of str
        The experimental arms, by :attr:`stroma.evidence.records.Arm.treatment`.
    correlation : float, optional
        Between a patient's values before and after, for the measure ``mean``: with it the means before and
        after of an arm give its change. Reports hardly ever state it, so without it such studies are not used.

    Returns
    -------
    Comparisons
        One row a cohort family (the study with most patients), in order of year. Rows flagged DOUBTFUL,
        DUPLICATE or CROSSOVER, animals and figures repeated from other reports are not used.

    Raises
    ------
    StromaError
        E105 for a name outside the vocabulary, E150 for an unknown measure, E154 for an unknown treatment, E506
        for a correlation that is none or has no use.
    """
    known = (*BINARY, *CONTINUOUS, *SINGLE_ARM)
    if measure not in known:
        raise fail("E150", f"no measure `{measure}`", hint=nearest(measure, known), exit_code=2)
    if correlation is not None and (measure != "mean" or not -1.0 <= correlation <= 1.0):
        raise fail("E506", f"correlation {correlation:g} with the measure `{measure}`",
                   hint="a number from -1 to 1, with --measure mean", exit_code=2)
    wanted = known_treatments(treatments)
    by_study: dict[str, list[Outcome]] = defaultdict(list)
    for row in evidence.results(outcome_id, disease or None):
        if row.study.species == "human" and row.study.own_figures:
            by_study[row.study.study_id].append(row)
    found: dict[str, list[Comparison]] = defaultdict(list)
    skipped: list[Skipped] = []
    for name, rows in by_study.items():
        if not any(row.arm.treatment in wanted for row in rows):
            continue
        answer = _compare(rows, measure, day, wanted, correlation)
        if isinstance(answer, str):
            skipped.append(Skipped(name, answer))
        else:
            found[answer.study.cohort_family].append(answer)
    kept: list[Comparison] = []
    for family in found.values():
        best = max(family, key=lambda row: (row.patients, row.study.study_id))
        kept.append(best)
        skipped += [
            Skipped(row.study.study_id, f"same patients as {best.study.study_id}") for row in family if row is not best
        ]
    kept.sort(key=lambda row: (row.study.published_year or 9999, row.study.study_id))
    return Comparisons(outcome_id, measure, tuple(kept), tuple(skipped), evidence.vocabulary.included(disease))


def compute_effects(found: Comparisons) -> EffectSizes:
    """Return the effect of every row, experimental minus control, on the scale of pooling.

    Raises
    ------
    StromaError
        E151 when there is no row, with the reason of every study that reports the outcome; else as the functions of
        :mod:`stroma.evidence.effect_sizes`.
    """
    if not found.rows:
        unused = [f"  not used: {row.study_id}: {row.reason}" for row in found.skipped]
        raise fail(
            "E151",
            "\n".join([f"no study can be pooled on `{found.outcome_id}` as {found.measure}", *unused]),
            hint="stroma evidence list --outcome shows who reports it",
        )
    one = [row.experimental for row in found.rows]
    two = [row.control for row in found.rows if row.control is not None]
    if found.measure in BINARY:
        function = {
            "log_risk_ratio": effect_sizes.log_risk_ratio,
            "log_odds_ratio": effect_sizes.log_odds_ratio,
            "risk_difference": effect_sizes.risk_difference,
        }[found.measure]
        return function(_numbers(one, "events"), _numbers(one, "n"), _numbers(two, "events"), _numbers(two, "n"))
    if found.measure in CONTINUOUS:
        function = {"mean_difference": effect_sizes.mean_difference, "smd": effect_sizes.standardised_mean_difference}[
            found.measure
        ]
        return function(
            _numbers(one, "mean"),
            _numbers(one, "sd"),
            _numbers(one, "n"),
            _numbers(two, "mean"),
            _numbers(two, "sd"),
            _numbers(two, "n"),
        )
    if found.measure == "mean":
        return effect_sizes.mean(_numbers(one, "mean"), _numbers(one, "sd"), _numbers(one, "n"))
    function = {"logit_proportion": effect_sizes.logit_proportion, "freeman_tukey": effect_sizes.freeman_tukey}[
        found.measure
    ]
    return function(_numbers(one, "events"), _numbers(one, "n"))


def _numbers(samples: Sequence[Sample], name: str) -> list[float]:
    return [float(getattr(sample, name)) for sample in samples]


def _compare(rows: list[Outcome], measure: str, day: float | None, wanted: frozenset[str],
             correlation: float | None) -> Comparison | str:
    usable = [row for row in rows if row.usable and not row.arm.overlaps]
    if not usable:
        return "flagged, or arms that overlap others"
    statistics = (("count", "proportion"),) if measure in _SHARES else (_CHANGES, _LEVELS)
    if measure == "mean" and correlation is None:
        statistics = (_CHANGES,)
    reason = _no_number(usable, [name for names in statistics for name in names])
    for names in statistics:
        candidates = [row for row in usable if row.statistic in names and row.n is not None]
        if not candidates:
            continue
        visit = _visits(candidates, day, wanted, measure in SINGLE_ARM)
        if isinstance(visit, str):
            reason = visit
            continue
        answer = _samples(visit, _builder(measure, names, usable, correlation))
        if not isinstance(answer, str):
            return answer
        reason = answer
    return reason


def _builder(measure: str, statistics: Sequence[str], rows: Sequence[Outcome],
             correlation: float | None) -> Callable[[Outcome], Sample | str]:
    """Return what turns a row into a sample: a share, a mean, or the change from the same arm's baseline."""
    if measure in _SHARES:
        return _share
    if correlation is None or statistics is not _LEVELS:
        return _mean
    baselines = {(row.arm.arm_id, row.subgroup, row.statistic): row for row in rows if row.time_day == 0}
    return lambda row: _change(row, baselines.get((row.arm.arm_id, row.subgroup, row.statistic)), correlation)


def _no_number(rows: Sequence[Outcome], statistics: Sequence[str]) -> str:
    """Say why no row can be pooled: the number of patients is missing, or the report has another statistic."""
    if any(row.statistic in statistics for row in rows):
        return "number of patients not stated"
    if statistics == [*_CHANGES] and any(row.statistic in _LEVELS for row in rows):
        return "values before and after only: used where --correlation states how they go together"
    return f"reported as {', '.join(sorted({row.statistic for row in rows}))} only"


@dataclass(frozen=True)
class _Visit:
    subgroup: str
    time_day: float | None
    experimental: list[Outcome]
    control: list[Outcome]
    kind: str


def _visits(rows: list[Outcome], day: float | None, wanted: frozenset[str], single: bool) -> _Visit | str:
    """Choose the subgroup with most patients and the visit nearest the wanted day."""
    places: dict[tuple[str, float | None], list[Outcome]] = defaultdict(list)
    for row in rows:
        places[row.subgroup, row.time_day].append(row)
    visits = []
    for (subgroup, time_day), here in places.items():
        experimental = [row for row in here if row.arm.treatment in wanted]
        control, kind = _control(here, wanted)
        if experimental and (single or control):
            visits.append(
                _Visit(subgroup, time_day, experimental, [] if single else control, "uncontrolled" if single else kind)
            )
    if not visits:
        return "no control group with a number at the same visit"
    visits = [visit for visit in visits if visit.time_day != 0]
    if day is not None:
        visits = [visit for visit in visits if visit.time_day is not None and abs(visit.time_day - day) <= SAME_VISIT]
        if not visits:
            return f"no visit within {SAME_VISIT:g} days of day {day:g}"
        return max(visits, key=lambda visit: (_size(visit), -abs((visit.time_day or 0.0) - day)))
    if not visits:
        return "baseline only"
    largest = max(_size(visit) for visit in visits)
    whole = [visit for visit in visits if _size(visit) >= 0.5 * largest]
    return max(whole, key=lambda visit: (visit.time_day is not None, visit.time_day or 0.0, _size(visit)))


def _size(visit: _Visit) -> int:
    return sum(row.n or 0 for row in {row.arm.arm_id: row for row in (*visit.experimental, *visit.control)}.values())


def _control(rows: list[Outcome], wanted: frozenset[str]) -> tuple[list[Outcome], str]:
    """Return the control rows and what they are: what the cells came on top of, no active treatment, another one."""
    experimental = [row.arm for row in rows if row.arm.treatment in wanted]
    shared = [row for row in rows if _also_given(row.arm, experimental)]
    if shared:
        return shared, "background"
    background = [row for row in rows if row.arm.treatment == "background"]
    if background:
        labels = [row.arm.label for row in background]
        if all(_SHAM.search(label) for label in labels):
            return background, "sham"
        return background, "placebo" if all(_PLACEBO.search(label) for label in labels) else "background"
    return [row for row in rows if row.arm.treatment not in wanted], "active"


def _also_given(control: Arm, experimental: Sequence[Arm]) -> bool:
    """Return whether every experimental arm got this arm's treatment too: `HA alone` beside `cells + HA`."""
    name = _ALONE.sub("", control.label).casefold()
    added = [[part.strip().casefold() for part in arm.label.split("+")[1:]] for arm in experimental]
    return control.treatment == "active" and bool(added) and all(name in parts for parts in added)


def _samples(visit: _Visit, build: Callable[[Outcome], Sample | str]) -> Comparison | str:
    experimental = _together(visit.experimental, build)
    control = _together(visit.control, build) if visit.control else None
    for side in (experimental, control):
        if isinstance(side, str):
            return side
    first = visit.experimental[0]
    assert isinstance(experimental, Sample) and not isinstance(control, str)
    statistic = "count" if experimental.events is not None else first.statistic
    rules = frozenset(row.rule_id for row in (*visit.experimental, *visit.control) if row.rule_id)
    return Comparison(first.study, visit.subgroup, visit.time_day, statistic, visit.kind, experimental, control, rules)


def _together(rows: list[Outcome], build: Callable[[Outcome], Sample | str]) -> Sample | str:
    """Put arms together; a count is preferred to the percentage of the same arm."""
    by_arm: dict[str, Outcome] = {}
    for row in rows:
        if row.arm.arm_id not in by_arm or row.statistic == "count":
            by_arm[row.arm.arm_id] = row
    samples = [build(row) for row in by_arm.values()]
    for sample in samples:
        if isinstance(sample, str):
            return sample
    whole = [sample for sample in samples if isinstance(sample, Sample)]
    return whole[0] if len(whole) == 1 else combine(whole)


def combine(samples: Sequence[Sample]) -> Sample:
    """Put groups of patients together as if they had been one.

    Source
    ------
    Cochrane Handbook for Systematic Reviews of Interventions 6.4, table 6.5.a.
    """
    arms = tuple(arm for sample in samples for arm in sample.arms)
    n = sum(sample.n for sample in samples)
    notes = tuple(dict.fromkeys((f"{len(samples)} arms together", *(note for s in samples for note in s.notes))))
    if samples[0].events is not None:
        return Sample(arms, n, sum(sample.events or 0 for sample in samples), notes=notes)
    mean = sum(sample.n * (sample.mean or 0.0) for sample in samples) / n
    squares = sum(
        (sample.n - 1) * (sample.sd or 0.0) ** 2 + sample.n * ((sample.mean or 0.0) - mean) ** 2 for sample in samples
    )
    return Sample(arms, n, None, mean, math.sqrt(squares / (n - 1)), notes)


def _share(row: Outcome) -> Sample | str:
    if row.value is None or row.n is None or row.unit not in ("patients", "%"):
        return "events or parts that are not patients"
    events = row.value if row.statistic == "count" else row.value * row.n / 100
    return Sample((row.arm,), row.n, round(events), notes=() if row.statistic == "count" else ("from percent",))


def _mean(row: Outcome) -> Sample | str:
    if row.value is None or row.n is None or row.n < 2:
        return "fewer than two patients"
    sd, mean, notes = None, row.value, ()
    try:
        if row.dispersion_type == "sd":
            sd = row.low
        elif row.dispersion_type == "se" and row.low is not None:
            sd, notes = row.low * math.sqrt(row.n), ("SD from SE",)
        elif row.dispersion_type == "ci95" and row.low is not None and row.high is not None:
            sd, notes = sd_from_ci(row.low, row.high, row.n), ("SD from confidence interval",)
        elif row.dispersion_type == "iqr" and row.low is not None and row.high is not None:
            made = mean_sd_from_quartiles(row.low, row.value, row.high, row.n)
            mean, sd, notes = made.mean, made.sd, ("mean and SD from quartiles",)
    except StromaError as error:
        return error.diagnostics[0].message
    if not sd:
        return f"{row.statistic} without a spread"
    return Sample((row.arm,), row.n, None, mean, sd, notes)


def _change(after: Outcome, before: Outcome | None, correlation: float) -> Sample | str:
    """Return the change from baseline of one arm, over the patients left at the later visit."""
    if before is None:
        return "no value at baseline"
    first, last = _mean(before), _mean(after)
    if isinstance(first, str) or isinstance(last, str):
        return first if isinstance(first, str) else str(last)
    sd = sd_of_change(first.sd or 0.0, last.sd or 0.0, correlation)
    notes = (*dict.fromkeys((*first.notes, *last.notes)), f"change from values before and after, r = {correlation:g}")
    return Sample((after.arm,), last.n, None, (last.mean or 0.0) - (first.mean or 0.0), sd, notes)


def _of_arms(row: Comparison, value: Callable[[Arm], str]) -> str:
    return "|".join(sorted({value(arm) for arm in row.experimental.arms}))


def _dose_text(arm: Arm) -> str:
    if arm.dose is None:
        return "not_stated"
    low, high = min(arm.dose.values), max(arm.dose.values)
    return f"{low:g} {arm.dose_unit}" if low == high else f"{low:g}-{high:g} {arm.dose_unit}"
