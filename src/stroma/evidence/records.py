"""What the store holds: studies, arms, outcomes, rules, judgements, claims of the seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from stroma.errors import fail, nearest
from stroma.evidence.vocabulary import Vocabulary


@dataclass(frozen=True)
class Study:
    """One study.

    Parameters
    ----------
    study_id, citation : str
    published_year : int or None
        Year of the study's own report.
    doi, pmid, registry_id : str
        Empty where not known.
    same_report_as : str
        Another study printed in the same paper, else empty.
    cohort_family : str
        One name for studies that share patients; count a family once.
    split : {"fit", "validation", "undated"}
    evidence_kind, design, blinding, species : str
        Terms of the vocabulary.
    diseases : tuple of str
    n_total : int or None
        Patients or animals in the whole study.
    follow_up_day : float or None
    line : int
        Line in ``studies.csv``.
    """

    study_id: str
    citation: str
    published_year: int | None
    doi: str
    pmid: str
    registry_id: str
    same_report_as: str
    cohort_family: str
    split: str
    evidence_kind: str
    design: str
    blinding: str
    species: str
    diseases: tuple[str, ...]
    country: str
    n_total: int | None
    follow_up_day: float | None
    inclusion_summary: str
    risk_of_bias_notes: str
    conclusion_direction: str
    evidence_level: str
    source_url: str
    note: str
    line: int

    @property
    def randomised(self) -> bool:
        """Whether patients were allocated at random."""
        return self.design == "rct"

    @property
    def own_figures(self) -> bool:
        """Whether its figures are its own, not those of other reports, a registration or a model."""
        return self.design not in _OTHERS_FIGURES


@dataclass(frozen=True)
class Amount:
    """A printed amount: one number, a range, alternatives or successive amounts."""

    kind: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Arm:
    """One arm of a study.

    Parameters
    ----------
    arm_id : str
        ``study_id.name``.
    study : Study
    label, role : str
        As named in the source; ``msc``, ``control`` or ``all``.
    overlaps : str
        Arm whose patients these also are, else empty.
    diseases : tuple of str
        The study's, unless the study covers several.
    n_arm : int or None
        Patients in the arm.
    cell_source, donor, route : str
    dose : Amount or None
        Per administration, in ``dose_unit``.
    n_doses : Amount or None
    interval_day : float or None
        Days between administrations.
    """

    arm_id: str
    study: Study
    label: str
    role: str
    overlaps: str
    diseases: tuple[str, ...]
    n_arm: int | None
    cell_source: str
    donor: str
    route: str
    dose: Amount | None
    dose_unit: str
    n_doses: Amount | None
    interval_day: float | None
    pretreatment: str
    background_therapy: str
    line: int

    @property
    def treatment(self) -> str:
        """``msc``, ``not_expanded``, ``cell_free``, ``hsc``, ``active`` or ``background``.

        Only ``background`` (placebo, sham, vehicle, no treatment, care that both arms get) may ever be
        called placebo or standard care; ``active`` is a drug or operation under test.
        """
        if self.cell_source in _NOT_EXPANDED:
            return "not_expanded"
        return _TREATMENT.get(self.cell_source, "msc" if self.role == "msc" else "background")


UNUSABLE_FLAGS = frozenset({"DOUBTFUL", "DUPLICATE", "CROSSOVER"})
_OTHERS_FIGURES = frozenset({"meta_analysis", "animal_meta_analysis", "review_table", "registry_record", "model"})
_NOT_EXPANDED = frozenset({"svf", "bmac", "bm_mnc", "fat_graft"})
TREATMENTS = frozenset({"msc", "not_expanded", "cell_free", "hsc", "active", "background"})
"""What an arm may get, as :attr:`Arm.treatment` tells."""
_TREATMENT = {"none": "background", "none_active": "active", "hsc": "hsc", "secretome": "cell_free"}


@dataclass(frozen=True)
class Printed:
    """The value as the source prints it, where the store holds a converted one."""

    value: float | None
    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True)
class Outcome:
    """One reported result.

    Parameters
    ----------
    arm : Arm
    subgroup : str
        Population or subset, part of the identity.
    outcome_id : str
    time_day : float or None
        Days since the first treatment; None where not stated.
    statistic : str
    value : float or None
        In ``unit``; proportions in percent. None for words and bare ranges.
    text : str
        Words and p-values.
    unit : str
    dispersion_type : str
    low, high : float or None
        The SD or SE stands in ``low``; limits in both.
    n_analysed : int or None
        Denominator printed for this value.
    n : int or None
        Denominator to use: the printed one, else the arm's size where the subgroup is the whole arm. A subset
        without its own denominator has none.
    rule_id : str
        Rule behind a response, else empty.
    flags : frozenset of str
        DOUBTFUL, INFERRED, CROSSOVER, DUPLICATE.
    printed : Printed or None
        Where the value was converted.
    line : int
        Line in ``outcomes.csv``.
    """

    arm: Arm
    subgroup: str
    outcome_id: str
    time_day: float | None
    statistic: str
    value: float | None
    text: str
    unit: str
    dispersion_type: str
    low: float | None
    high: float | None
    n_analysed: int | None
    n: int | None
    rule_id: str
    flags: frozenset[str]
    printed: Printed | None
    source_locator: str
    source_url: str
    note: str
    line: int

    @property
    def study(self) -> Study:
        """The study of the arm."""
        return self.arm.study

    @property
    def usable(self) -> bool:
        """Whether no flag forbids to pool it: doubtful, counted elsewhere, or not on what its arm says."""
        return not self.flags & UNUSABLE_FLAGS


@dataclass(frozen=True)
class RuleRow:
    """One row of ``response_rules.csv``: words and formula as written; :mod:`stroma.trial.rules` evaluates them."""

    rule_id: str
    outcome: str
    disease: str
    definition: str
    formula: str
    better: str
    kind: str
    source: str
    certainty: str
    line: int


@dataclass(frozen=True)
class Judgement:
    """Risk of bias of one study in one domain."""

    study_id: str
    tool: str
    domain: str
    judgement: str
    reason: str
    line: int


@dataclass(frozen=True)
class SeedClaim:
    """One statement of a seed text and where it stands in the store."""

    claim_id: str
    seed: str
    topic: str
    claim: str
    study_ids: tuple[str, ...]
    outcome_ids: tuple[str, ...]
    primary_statement: str
    status: str
    reason: str
    line: int


@dataclass(frozen=True)
class Registration:
    """One trial registration and the studies that report it.

    Parameters
    ----------
    nct_id, title, status : str
        ``status`` as in the registry (``COMPLETED``, ``UNKNOWN`` ...) or ``not_stated``.
    disease, cell_source, donor, route : str
        Terms of the vocabulary.
    enrolment : int or None
        Planned or actual, see ``enrolment_type``.
    results_posted : {"yes", "no", "submitted", "not_stated"}
    study_ids : tuple of str
        Reports in the store.
    linkage_confidence, linkage_reason : str
        How sure the link is, and why.
    """

    nct_id: str
    title: str
    status: str
    disease: str
    cell_source: str
    donor: str
    route: str
    enrolment: int | None
    enrolment_type: str
    start_date: str
    completion_date: str
    results_posted: str
    study_ids: tuple[str, ...]
    linked_publication: str
    linkage_confidence: str
    linkage_reason: str
    note: str
    line: int


@dataclass(frozen=True)
class NotLoaded:
    """A published figure that the store leaves out, and why."""

    study_id: str
    arm_id: str
    outcome_id: str
    reason: str
    line: int


@dataclass(frozen=True)
class Evidence:
    """The store, read and joined.

    Parameters
    ----------
    studies : mapping of str to Study
    arms : mapping of str to Arm
    outcomes : tuple of Outcome
    rules : mapping of str to RuleRow
    judgements : tuple of Judgement
    claims : tuple of SeedClaim
    registrations : mapping of str to Registration
    not_loaded : tuple of NotLoaded
    vocabulary : Vocabulary
    root : Path
        The library's folder.
    as_of : date or None
        Only what was published by then is here.
    """

    studies: Mapping[str, Study]
    arms: Mapping[str, Arm]
    outcomes: tuple[Outcome, ...]
    rules: Mapping[str, RuleRow]
    judgements: tuple[Judgement, ...]
    claims: tuple[SeedClaim, ...]
    registrations: Mapping[str, Registration]
    not_loaded: tuple[NotLoaded, ...]
    vocabulary: Vocabulary
    root: Path
    as_of: date | None = None

    @cached_property
    def _outcomes_by_study(self) -> Mapping[str, tuple[Outcome, ...]]:
        found: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.study.study_id, []).append(outcome)
        return {name: tuple(rows) for name, rows in found.items()}

    @cached_property
    def _arms_by_study(self) -> Mapping[str, tuple[Arm, ...]]:
        found: dict[str, list[Arm]] = {}
        for arm in self.arms.values():
            found.setdefault(arm.study.study_id, []).append(arm)
        return {name: tuple(rows) for name, rows in found.items()}

    def study(self, study_id: str) -> Study:
        """Return a study.

        Raises
        ------
        StromaError
            E104 when the store has no such study (or not by ``as_of``).
        """
        if study_id not in self.studies:
            when = f" published by {self.as_of}" if self.as_of else ""
            raise fail("E104", f"no study `{study_id}`{when} in the store", hint=nearest(study_id, self.studies))
        return self.studies[study_id]

    def arms_of(self, study_id: str) -> tuple[Arm, ...]:
        """Return the arms of a study in file order."""
        return self._arms_by_study.get(study_id, ())

    def outcomes_of(self, study_id: str) -> tuple[Outcome, ...]:
        """Return the results of a study in file order."""
        return self._outcomes_by_study.get(study_id, ())

    def results(self, outcome_id: str, disease: str | None = None) -> Iterator[Outcome]:
        """Yield the results on one outcome, in one disease and its parts where given.

        Raises
        ------
        StromaError
            E105 for a name outside the vocabulary.
        """
        if outcome_id not in self.vocabulary.outcomes:
            raise fail("E105", f"no outcome `{outcome_id}`", hint=nearest(outcome_id, self.vocabulary.outcomes))
        if disease is not None and disease not in self.vocabulary.allowed("disease"):
            raise fail("E105", f"no disease `{disease}`", hint=nearest(disease, self.vocabulary.allowed("disease")))
        wanted = None if disease is None else self.vocabulary.covered(disease)
        return (
            row
            for row in self.outcomes
            if row.outcome_id == outcome_id and (wanted is None or not wanted.isdisjoint(row.arm.diseases))
        )


def known_treatments(names: Iterable[str]) -> frozenset[str]:
    """Return kinds of treatment as a set.

    Raises
    ------
    StromaError
        E154 for a name outside :data:`TREATMENTS`.
    """
    wanted = frozenset(names)
    for name in sorted(wanted - TREATMENTS):
        raise fail("E154", f"no kind of treatment `{name}`", hint=nearest(name, TREATMENTS), exit_code=2)
    return wanted


def parse_amount(text: str) -> Amount | None:
    """Read a printed amount: ``1e6``, ``1e6-2e6``, ``2e6|6e6`` or ``1e8+2e8``; None where empty.

    Raises
    ------
    ValueError
        Where the text is none of these.
    """
    if not text:
        return None
    for mark, kind in (("|", "alternatives"), ("+", "successive"), ("-", "range")):
        if mark in text:
            values = tuple(float(part) for part in text.split(mark))
            if kind == "range" and (len(values) != 2 or values[0] > values[1]):
                raise ValueError(text)
            break
    else:
        kind, values = "single", (float(text),)
    if any(value <= 0 for value in values):
        raise ValueError(text)
    return Amount(kind, values)
