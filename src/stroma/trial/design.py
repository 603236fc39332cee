"""What a trial does: arms, treatments, visits, entry and outcomes, each with where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stroma.expression import Expression
from stroma.therapy import CellDose


@dataclass(frozen=True)
class Fact:
    """One value of a design: stated with a source, or assumed with a reason.

    Parameters
    ----------
    name : str
        What it is, for example ``uc_msc_allogeneic.interval_day``.
    value : float, str or tuple of float
        Stated, or the central assumption.
    source : str
        Where it stands; empty for an assumption.
    reason : str
        Why this is assumed; empty for a stated value.
    low, high : float or None
        Range of an assumed number, to be integrated over.
    options : tuple of str
        Alternatives of an assumed word, to be integrated over with equal weight.
    """

    name: str
    value: float | str | tuple[float, ...]
    source: str = ""
    reason: str = ""
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()

    @property
    def assumed(self) -> bool:
        """Whether nobody reports the value."""
        return not self.source

    def number(self) -> float:
        """Return the value of a fact that is a number."""
        assert isinstance(self.value, int | float), self.name
        return float(self.value)

    def numbers(self) -> tuple[float, ...]:
        """Return the values of a fact that is a list of numbers."""
        assert isinstance(self.value, tuple), self.name
        return self.value


@dataclass(frozen=True)
class ArmTreatment:
    """One therapy of an arm.

    Parameters
    ----------
    therapy_id : str
        A therapy of the library; drugs follow its regimen.
    words : str
        The registry's or the report's words for it.
    source : str
        Where it is said that the arm gets it.
    dose : CellDose or None
        For cells; where the interval of the infusions is assumed, its central value.
    facts : tuple of Fact
        What else is known or assumed of it: route, thaw state, ``interval_day``, regimen.
    """

    therapy_id: str
    words: str
    source: str
    dose: CellDose | None = None
    facts: tuple[Fact, ...] = ()

    def fact(self, name: str) -> Fact | None:
        """Return one fact by the last part of its name."""
        return next((fact for fact in self.facts if fact.name.rpartition(".")[2] == name), None)

    def spaced(self, interval_day: float) -> ArmTreatment:
        """Return the treatment with its infusions ``interval_day`` days apart."""
        assert self.dose is not None, self.therapy_id
        days = tuple(self.dose.days[0] + interval_day * i for i in range(len(self.dose.days)))
        return replace(self, dose=replace(self.dose, days=days))


@dataclass(frozen=True)
class Arm:
    """One arm; ``n`` subjects are randomised to it."""

    label: str
    control: bool
    n: int
    treatments: tuple[ArmTreatment, ...]


@dataclass(frozen=True)
class PlannedOutcome:
    """An outcome of the record and the rule that decides it.

    Parameters
    ----------
    words, time_frame : str
        As registered.
    day : float
        Last day of the time frame.
    rule_id : str
        A row of ``library/evidence/response_rules.csv``; empty for a mean change.
    source : str
        Why this rule stands for these words.
    quantity : str
        What a mean change from baseline is of; empty for a share.
    chosen : bool
        Whether it was chosen for the forecast: the record's own primary outcome is another.
    """

    words: str
    time_frame: str
    day: float
    rule_id: str
    source: str
    quantity: str = ""
    chosen: bool = False

    @property
    def decides(self) -> str:
        """Return the rule, or the quantity whose mean change counts."""
        return self.rule_id or self.quantity


@dataclass(frozen=True)
class PlannedEvent:
    """A primary outcome that is a harm: foretold from published counts, never simulated.

    Parameters
    ----------
    words, time_frame : str
        As registered.
    day : float
        End of observation.
    event : str
        What stands for the words: a category of harm of the evidence store, for example ``serious_adverse_event``.
    source : str
        Why this event stands for these words.
    """

    words: str
    time_frame: str
    day: float
    event: str
    source: str


@dataclass(frozen=True)
class EntryCriterion:
    """One condition on baseline quantities, with the record's words for it."""

    condition: Expression
    words: str
    source: str


@dataclass(frozen=True)
class EntryCriteria:
    """Who may enter."""

    criteria: tuple[EntryCriterion, ...]

    def unapplied(self, simulated: Collection[str],
                  vocabulary: Collection[str]) -> tuple[EntryCriterion, ...]:
        """Return the criteria of which nothing is simulated; they exclude nobody and must be reported.

        Parameters
        ----------
        simulated : collection of str
            Quantities that the population has.
        vocabulary : collection of str
            Every known quantity.

        Raises
        ------
        StromaError
            E305 for a quantity that the vocabulary does not have.
        """
        return tuple(c for c in self.criteria if not c.condition.names(vocabulary) & set(simulated))

    def admits(self, baseline: Mapping[str, NDArray[np.generic]],
               vocabulary: Collection[str]) -> NDArray[np.bool_]:
        """Return who fulfils every criterion.

        A quantity of a criterion that ``baseline`` does not have counts as missing, so an alternative
        that is simulated still decides; criteria of which nothing is simulated are left out.

        Parameters
        ----------
        baseline : mapping of str to ndarray, shape (n_subject,)
        vocabulary : collection of str
            Every known quantity.

        Returns
        -------
        ndarray of bool, shape (n_subject,)
        """
        columns = {name: np.asarray(values, float)[:, None] for name, values in baseline.items()}
        size = next(iter(columns.values())).shape[0]
        admitted = np.ones(size, bool)
        left_out = self.unapplied(baseline.keys(), vocabulary)
        for criterion in self.criteria:
            if criterion in left_out:
                continue
            missing = criterion.condition.names(vocabulary) - columns.keys()
            values = columns | {name: np.full((size, 1), np.nan) for name in missing}
            admitted &= criterion.condition.evaluate(values, np.zeros(1))[:, 0]
        return admitted


@dataclass(frozen=True)
class TrialDesign:
    """A trial, ready to be simulated.

    Parameters
    ----------
    variant : {"planned", "conducted"}
        As registered, or as reported.
    disease, population : str
        Id of the library, and one of the disease's populations.
    countries : tuple of str
        As registered.
    visit_day : tuple of float
        Ascending, from 0.
    outcomes : tuple of PlannedOutcome
        Primary outcomes that are simulated, in the record's order; then what was chosen beside them.
    blinded : bool
        Whether participants do not know their arm.
    facts : tuple of Fact
        Values that belong to the whole trial.
    notes : tuple of str
        What of the record was not used.
    events : tuple of PlannedEvent
        Primary outcomes that are harms.
    doubts : tuple of str
        What looks like a slip of the pen, and is simulated all the same.
    """

    nct_id: str
    title: str
    variant: str
    disease: str
    population: str
    countries: tuple[str, ...]
    arms: tuple[Arm, ...]
    visit_day: tuple[float, ...]
    outcomes: tuple[PlannedOutcome, ...]
    entry: EntryCriteria
    blinded: bool
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    events: tuple[PlannedEvent, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Subjects randomised."""
        return sum(arm.n for arm in self.arms)

    @property
    def assumptions(self) -> tuple[Fact, ...]:
        """Every value that nobody reports, once."""
        facts = [*self.facts]
        for treatment in (t for arm in self.arms for t in arm.treatments):
            facts += treatment.facts
        return tuple(dict.fromkeys(fact for fact in facts if fact.assumed))
