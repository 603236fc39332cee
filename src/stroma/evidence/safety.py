"""Safety: who was harmed, out of how many, arm by arm and ready to pool. No mechanism is claimed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stroma.errors import fail, nearest
from stroma.evidence.records import UNUSABLE_FLAGS, Arm, Evidence, Outcome, known_treatments

CATEGORIES = (
    "infusion_reaction",
    "infection",
    "serious_adverse_event",
    "death",
    "sensitisation",
    "treatment_related_mortality",
)
_SERIOUS_ONLY = frozenset({"serious_infection", "treatment_related_serious_adverse_event"})
_NOT_EVERYONE = frozenset({"known_alive"})
WHOLE_ARM = 0.95
"""A row on at least this share of the arm speaks for the arm."""


@dataclass(frozen=True)
class SafetyCount:
    """Patients with an event in one arm.

    Parameters
    ----------
    category : str
        One of :data:`CATEGORIES`.
    arm : Arm
        Carries route, cell source, donor and the study.
    events, n : int
        Patients with the event, and patients at risk; zero events are kept.
    time_day : float or None
        End of observation; None where not stated.
    outcome_id : str
        The row's outcome.
    how : {"counted", "from percent", "from survival", "single cases"}
        How ``events`` came about.
    """

    category: str
    arm: Arm
    events: int
    n: int
    time_day: float | None
    outcome_id: str
    how: str


@dataclass(frozen=True)
class LeftOut:
    """A safety row that gives no count, and why."""

    category: str
    arm_id: str
    outcome_id: str
    line: int
    reason: str


@dataclass(frozen=True)
class SafetyCounts:
    """The counts of one category and the rows that gave none."""

    counts: tuple[SafetyCount, ...]
    left_out: tuple[LeftOut, ...]


def safety_counts(evidence: Evidence, category: str, treatments: Iterable[str] = ("msc",)) -> SafetyCounts:
    """Collect the patients with an event, one number an arm.

    Parameters
    ----------
    evidence : Evidence
    category : str
        One of :data:`CATEGORIES`.
    treatments : iterable of str
        Which arms, by :attr:`stroma.evidence.records.Arm.treatment`; ``background`` for control arms.

    Returns
    -------
    SafetyCounts
        Humans only, own figures of the study only, whole arms only. Where an arm has several rows the one
        with the longest observation counts; deaths are taken from survival where nothing else is printed.
        Rows flagged DOUBTFUL, DUPLICATE or CROSSOVER are left out.

    Raises
    ------
    StromaError
        E107 for an unknown category, E154 for an unknown treatment.
    """
    if category not in CATEGORIES:
        raise fail("E107", f"no safety category `{category}`", hint=nearest(category, CATEGORIES), exit_code=2)
    wanted, groups = known_treatments(treatments), evidence.vocabulary.groups
    direct = groups.get(category, frozenset())
    alive = groups.get("survival", frozenset()) - _NOT_EVERYONE if category == "death" else frozenset()
    by_arm: dict[str, list[Outcome]] = defaultdict(list)
    whole = _whole_arm_rows(evidence)
    for row in evidence.outcomes:
        if (
            row.outcome_id in direct | alive
            and row.arm.treatment in wanted
            and row.study.species == "human"
            and row.study.own_figures
        ):
            by_arm[row.arm.arm_id].append(row)
    counts, left_out = [], []
    for rows in by_arm.values():
        found: list[SafetyCount] = []
        for row in rows:
            answer = _count(category, row, row.outcome_id in alive, whole)
            if isinstance(answer, SafetyCount):
                found.append(answer)
            else:
                left_out.append(LeftOut(category, row.arm.arm_id, row.outcome_id, row.line, answer))
        cases = _single_cases(category, rows)
        if cases is not None:
            found.append(cases)
        if found:
            counts.append(max(found, key=_preference))
    return SafetyCounts(tuple(counts), tuple(left_out))


def one_per_family(counts: Iterable[SafetyCount]) -> tuple[SafetyCount, ...]:
    """Keep the largest study of every cohort family, with all its arms, so that no patient counts twice."""
    families: dict[str, dict[str, list[SafetyCount]]] = defaultdict(lambda: defaultdict(list))
    for count in counts:
        families[count.arm.study.cohort_family][count.arm.study.study_id].append(count)
    kept: list[SafetyCount] = []
    for studies in families.values():
        kept.extend(max(studies.values(), key=lambda arms: sum(arm.n for arm in arms)))
    return tuple(kept)


def _preference(count: SafetyCount) -> tuple[object, ...]:
    """Any grade before serious only, own count before derived, longer before shorter, larger first."""
    return (
        count.outcome_id not in _SERIOUS_ONLY,
        count.how != "from survival",
        count.time_day or 0.0,
        count.n,
    )


def _whole_arm_rows(evidence: Evidence) -> Mapping[str, frozenset[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for row in evidence.outcomes:
        if not _single_case(row):
            names[row.arm.arm_id].add(row.subgroup)
    return {arm: frozenset(found) for arm, found in names.items()}


def _single_case(row: Outcome) -> bool:
    return row.n_analysed == 1 and row.subgroup != "" and (row.arm.n_arm or 0) > 1


def _single_cases(category: str, rows: list[Outcome]) -> SafetyCount | None:
    """Count patients that the source lists one by one; the arm is then the denominator."""
    cases = [row for row in rows if _single_case(row) and row.value and row.usable and row.statistic == "count"]
    if not cases or cases[0].arm.n_arm is None:
        return None
    last = max(cases, key=lambda row: row.time_day or 0.0)
    return SafetyCount(
        category,
        last.arm,
        len({row.subgroup for row in cases}),
        cases[0].arm.n_arm,
        last.study.follow_up_day or last.time_day,
        last.outcome_id,
        "single cases",
    )


def _count(category: str, row: Outcome, alive: bool, whole: Mapping[str, frozenset[str]]) -> SafetyCount | str:
    if not row.usable:
        return "flagged " + ", ".join(sorted(row.flags & UNUSABLE_FLAGS))
    if _single_case(row):
        return "one patient; counted with the others of the arm"
    if row.statistic not in ("count", "proportion") or row.value is None:
        return f"a {row.statistic.replace('_', ' ')}, not a count"
    if row.n is None:
        return "denominator not stated"
    part = row.arm.n_arm is None or row.n < WHOLE_ARM * row.arm.n_arm
    if row.subgroup != "" and len(whole[row.arm.arm_id]) > 1 and part:
        return f"a part of the arm: {row.subgroup}"
    if row.statistic == "count" and row.unit == "events" and row.value > 1:
        return "events, not patients"
    number = row.value if row.statistic == "count" else row.value * row.n / 100
    events = round(row.n - number if alive else number)
    if events > row.n:
        return "more events than patients"
    how = "from survival" if alive else "counted" if row.statistic == "count" else "from percent"
    return SafetyCount(category, row.arm, events, row.n, row.time_day, row.outcome_id, how)
