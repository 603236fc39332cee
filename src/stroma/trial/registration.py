"""From a registration to designs: as planned, and as conducted where that is reported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stroma.errors import Problems, StromaError, nearest
from stroma.library import library_root
from stroma.registry import RegistryArm, RegistryRecord
from stroma.tables import Column, read_table
from stroma.therapy import CellDose, load_therapy
from stroma.trial.design import (
    Arm,
    ArmTreatment,
    EntryCriteria,
    Fact,
    PlannedEvent,
    PlannedOutcome,
    TrialDesign,
)
from stroma.trial.dose import dose_in_words
from stroma.trial.rules import known_quantities, load_rules
from stroma.trial.supplement import OutcomeRule, Supplement, read_supplement

CONTROL_ARMS = frozenset({"PLACEBO_COMPARATOR", "SHAM_COMPARATOR", "ACTIVE_COMPARATOR", "NO_INTERVENTION"})
_MONTHLY = (0.0, 30.0, 60.0, 90.0, 180.0, 270.0, 365.0)


def read_design(record: RegistryRecord, supplement: Path | None = None, dose: CellDose | None = None,
                library: Path | None = None) -> list[TrialDesign]:
    """Return what the trial does: as planned, then as conducted if the supplement says so.

    Parameters
    ----------
    record : RegistryRecord
    supplement : Path or None
        TOML with what the record leaves unsaid.
    dose : CellDose or None
        Replaces dose and days of the cells in record and supplement.
    library : Path or None
        The library's folder; by default the installed one.

    Raises
    ------
    StromaError
        T201 no condition that the library knows, T202 an unknown intervention, T203 a dose of cells in
        neither record nor supplement, T204 a supplement that is not as declared, T206 a primary outcome
        without a rule, T207 numbers of subjects missing or at odds, T080 nothing that can be simulated; all at once.
    """
    root = library or library_root()
    problems = Problems()
    extra = Supplement(record.file)
    unread: tuple[str, ...] = ()
    if supplement is not None:
        try:
            extra = read_supplement(supplement, record.nct_id)
        except StromaError as error:
            problems.extend(error)
            unread = ("T203", "T206")
    builder = _Builder(record, extra, dose, root, problems)
    disease, population, notes = builder.disease()
    arms = builder.arms()
    outcomes, events = builder.outcomes()
    visits = extra.visits or _assumed_visits(outcomes)
    ratio, planned = builder.planned(len(arms))
    conducted = builder.conducted(len(arms))
    builder.check_supplement(arms)
    problems.found = [problem for problem in problems.found if problem.code not in unread]
    problems.raise_if_any()
    facts = tuple(fact for fact in (population, ratio, visits) if fact is not None)
    design = TrialDesign(
        record.nct_id, record.title, "planned", disease, str(population.value), record.countries,
        _sized(arms, planned), visits.numbers(), outcomes, EntryCriteria(extra.entry),
        "PARTICIPANT" in record.who_masked, facts, (*notes, *builder.not_simulated()), events)
    if not conducted:
        return [design]
    return [design, replace(design, variant="conducted", arms=_sized(arms, conducted))]


def _sized(arms: list[Arm], numbers: tuple[int, ...]) -> tuple[Arm, ...]:
    return tuple(replace(arm, n=n) for arm, n in zip(arms, numbers, strict=True))


def _assumed_visits(outcomes: tuple[PlannedOutcome, ...]) -> Fact:
    last = max((outcome.day for outcome in outcomes), default=_MONTHLY[-1])
    days = tuple(sorted({day for day in _MONTHLY if day <= last} | {outcome.day for outcome in outcomes}))
    return Fact("visits", days, reason="visits are not in the record; monthly, then every three months")


def split(total: int, ratio: tuple[float, ...]) -> tuple[int, ...]:
    """Split subjects by a ratio, largest remainders first (25 at 2:1 is 17 and 8)."""
    shares = [total * part / sum(ratio) for part in ratio]
    numbers = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: numbers[i] - shares[i])
    for i in by_remainder[: total - sum(numbers)]:
        numbers[i] += 1
    return tuple(numbers)


def _decided(found: OutcomeRule) -> bool:
    """Return whether something decides an outcome."""
    return bool(found.rule_id or found.quantity or found.event)


def _hint(words: str, known: Iterable[str], table: Path) -> str:
    close = nearest(spelling(words), known)
    return f"{close}{'; ' if close else ''}spellings stand in {table}"


def spelling(words: str) -> str:
    """Return words as the vocabularies compare them: lower case, punctuation as one space."""
    return " ".join(re.findall(r"[a-z0-9]+", words.lower()))


@dataclass(frozen=True)
class _Builder:
    record: RegistryRecord
    extra: Supplement
    dose: CellDose | None
    library: Path
    problems: Problems

    def disease(self) -> tuple[str, Fact, tuple[str, ...]]:
        """Return disease, population, and notes on conditions that the library does not know."""
        path = self.library / "vocabulary" / "conditions.csv"
        columns = {name: Column(required=True) for name in ("condition", "disease", "population")}
        rows = {spelling(row.text("condition")): row
                for row in read_table(path, columns, "T201", key=("condition",))}
        known = [c for c in self.record.conditions if spelling(c) in rows]
        unknown = [c for c in self.record.conditions if spelling(c) not in rows]
        diseases = sorted({rows[spelling(c)].text("disease") for c in known})
        if len(diseases) != 1:
            for condition in known or unknown:
                message = (f"the record names several diseases, `{condition}` among them" if diseases
                           else f"the library does not know the condition `{condition}`")
                self.problems.add("T201", message, file=self.record.file, hint=_hint(condition, rows, path))
            return "", Fact("population", ""), ()
        stated = self.extra.population or Fact(
            "population", rows[spelling(known[0])].text("population"), source=f"{path.name}: {known[0]}")
        return diseases[0], stated, tuple(f"condition `{c}` is not used" for c in unknown)

    def arms(self) -> list[Arm]:
        table = self.library / "vocabulary" / "interventions.csv"
        columns = {"words": Column(required=True), "therapy_id": Column(required=True)}
        therapy_of = {spelling(row.text("words")): row.text("therapy_id")
                      for row in read_table(table, columns, "T202", key=("words",))}
        therapy_of |= {spelling(words): therapy for words, therapy in self.extra.interventions.items()}
        for intervention in self.record.interventions:
            name = spelling(intervention.name)
            if name not in therapy_of:
                self.problems.add("T202", f"the library does not know the intervention `{intervention.name}`",
                                  file=self.record.file, hint=_hint(intervention.name, therapy_of, table))
        return [Arm(arm.label, arm.type in CONTROL_ARMS, 0, self._treatments(arm, therapy_of))
                for arm in self.record.arms]

    def _treatments(self, arm: RegistryArm, therapy_of: Mapping[str, str]) -> tuple[ArmTreatment, ...]:
        """Return the arm's own interventions, then the background that the supplement adds."""
        background = {drug.therapy_id: drug for drug in self.extra.background}
        treatments: dict[str, ArmTreatment] = {}
        for name in arm.interventions:
            therapy = therapy_of.get(spelling(name))
            if therapy is None:
                continue
            treatment = ArmTreatment(therapy, name, f"{self.record.nct_id}, arm {arm.label}")
            if therapy in background:
                treatment = background[therapy]
            elif load_therapy(therapy, self.library).kind == "cells":
                treatment = self._cells(treatment, arm)
            treatments[therapy] = treatment
        for therapy, drug in background.items():
            load_therapy(therapy, self.library)
            treatments.setdefault(therapy, drug)
        return tuple(treatments.values())

    def _cells(self, treatment: ArmTreatment, arm: RegistryArm) -> ArmTreatment:
        """Give cells their dose: from the caller, else the supplement, else the arm's description."""
        name = treatment.therapy_id
        facts = dict(self.extra.cells.get(name, {}))
        facts.setdefault("thaw_state", Fact(
            f"{name}.thaw_state", "thawed", options=("fresh", "thawed"),
            reason="the record does not say whether the cells are thawed before use"))
        dose = self.dose
        if dose is not None:
            for key in ("dose_cell", "dose_cell_per_kg", "infusions", "interval_day"):
                facts.pop(key, None)
        elif "dose_cell" in facts or "dose_cell_per_kg" in facts:
            dose = self._supplied(name, facts)
        else:
            dose = dose_in_words(arm.description)
            if dose is None:
                self.problems.add(
                    "T203", f"no dose of `{treatment.words}` (arm {arm.label}) in record or supplement",
                    file=self.record.file,
                    hint="give it as --dose 1e6/kg, --dose 2e8 or --dose 1e6/kg@day0,7, or as dose_cell in "
                         f"[[cells]] of {self.record.nct_id}.toml beside the record")
        return replace(treatment, dose=dose, facts=tuple(facts.values()))

    def _supplied(self, name: str, facts: Mapping[str, Fact]) -> CellDose:
        per_kg = "dose_cell_per_kg" in facts
        amount = facts["dose_cell_per_kg" if per_kg else "dose_cell"].number()
        count = int(facts["infusions"].number()) if "infusions" in facts else 1
        if per_kg and "dose_cell" in facts:
            self._supplement(f"`{name}` has both dose_cell and dose_cell_per_kg")
        if count < 1 or amount <= 0:
            self._supplement(f"`{name}`: {count} infusions of {amount:g} cells")
        if count > 1 and "interval_day" not in facts:
            self._supplement(f"`{name}` has {count} infusions and no interval_day",
                             "state it, or assume it with low, high and reason")
            return CellDose(amount, per_kg)
        interval = facts["interval_day"].number() if count > 1 else 0.0
        start = facts["start_day"].number() if "start_day" in facts else 0.0
        return CellDose(amount, per_kg, tuple(start + interval * i for i in range(count)))

    def outcomes(self) -> tuple[tuple[PlannedOutcome, ...], tuple[PlannedEvent, ...]]:
        """Return what is simulated and what is foretold from published counts, each with its last day.

        The record's primary outcomes, then what the supplement chose beside them or where the record has none.
        """
        where = f"[[outcome]] of {self.record.nct_id}.toml beside the record"
        outcomes: list[PlannedOutcome] = []
        events: list[PlannedEvent] = []
        planned = [(o.measure, o.time_frame, list(o.days), self.extra.rules.get(o.measure))
                   for o in self.record.primary]
        planned += [(words, f"day {found.day:g}", [found.day], found) for words, found in self.extra.rules.items()
                    if found.day is not None and (found.chosen or not self.record.primary)]
        for words, frame, stated, found in planned:
            days = [found.day] if found and found.day is not None else stated
            if found is None:
                self.problems.add("T206", f"no response rule for the primary outcome `{words}`",
                                  file=self.record.file, hint=f"give measure, rule_id and source in {where}")
            elif _decided(found) and not days:
                self.problems.add("T206", f"no day can be read from the time frame `{frame}`",
                                  file=self.record.file, hint=f"give day in {where}")
            elif found.event:
                events.append(PlannedEvent(words, frame, days[-1], found.event, found.source))
            elif _decided(found):
                outcomes.append(PlannedOutcome(words, frame, days[-1], found.rule_id, found.source, found.quantity,
                                               found.chosen))
        if not outcomes and events and not self.problems.found:
            self.problems.add("T080", "the record's primary outcome is a harm, which is not simulated, and nothing is "
                              "chosen beside it", file=self.record.file,
                              hint=f"give measure, rule_id or quantity, day, source and `chosen = true` in {where}")
        elif not outcomes and not self.problems.found:
            self.problems.add("T206", "the record has no primary outcome that is simulated", file=self.record.file,
                              hint=f"give measure, rule_id, day and source in {where}")
        self._check_rules()
        return tuple(outcomes), tuple(events)

    def _check_rules(self) -> None:
        """Report rules that are unknown, and outcomes that the record does not have."""
        measures = [outcome.measure for outcome in self.record.primary]
        known = load_rules(self.library / "evidence" / "response_rules.csv")
        for measure, found in self.extra.rules.items():
            if measures and measure not in measures and not found.chosen:
                self._supplement(f"the record has no primary outcome `{measure}`", nearest(measure, measures))
            if found.chosen and found.day is None:
                self._supplement(f"the chosen outcome `{measure}` has no day")
            if found.rule_id and found.rule_id not in known:
                self._supplement(f"no response rule `{found.rule_id}`", nearest(found.rule_id, known))

    def not_simulated(self) -> tuple[str, ...]:
        """Return what the record's outcomes hold that no forecast decides."""
        lacking = () if self.record.primary else (
            "the record names no primary outcome: the one shown was chosen for this forecast",)
        return (*lacking, *(f"primary outcome `{words}` is not simulated: {found.source}"
                            for words, found in self.extra.rules.items() if not _decided(found)))

    def check_supplement(self, arms: list[Arm]) -> None:
        """Report what the supplement gives and the trial cannot use."""
        used = {treatment.therapy_id for arm in arms for treatment in arm.treatments}
        for therapy in self.extra.cells:
            if therapy not in used:
                self._supplement(f"no arm of the record gets the cells `{therapy}`", nearest(therapy, used))
        visits = self.extra.visits.numbers() if self.extra.visits else (0.0,)
        if visits[0] != 0.0 or list(visits) != sorted(set(visits)):
            self._supplement("`visits` must ascend from day 0")
        vocabulary = known_quantities(self.library)
        for criterion in self.extra.entry:
            try:
                criterion.condition.names(vocabulary)
            except StromaError as error:
                self.problems.extend(error)

    def _supplement(self, message: str, hint: str = "") -> None:
        self.problems.add("T204", message, file=self.extra.file, hint=hint)

    def planned(self, arms: int) -> tuple[Fact, tuple[int, ...]]:
        """Return allocation ratio and subjects of each arm as registered."""
        ratio = self.extra.allocation or Fact(
            "allocation", (1.0,) * arms, reason="the ratio is not in the record; equal arms")
        if self.record.enrolment is None or self.record.enrolment < arms:
            self.problems.add("T207", f"the record enrols {self.record.enrolment} subjects in {arms} arms",
                              file=self.record.file)
            return ratio, ()
        if not self._fits(ratio, arms):
            return ratio, ()
        return ratio, split(self.record.enrolment, ratio.numbers())

    def conducted(self, arms: int) -> tuple[int, ...]:
        """Return the subjects of each arm as reported, or nothing."""
        reported = self.extra.conducted
        if reported is None or not self._fits(reported, arms):
            return ()
        return tuple(int(n) for n in reported.numbers())

    def _fits(self, fact: Fact, arms: int) -> bool:
        value = fact.value
        if isinstance(value, tuple) and len(value) == arms and min(value) > 0:
            return True
        self.problems.add("T207", f"`{fact.name}` must have one positive number for each of the {arms} arms",
                          file=self.extra.file)
        return False
