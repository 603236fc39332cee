"""Every value of the trial that the forecast takes: stated with its source, or assumed with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stroma.calibration.prediction import Forecast
from stroma.disease import Disease
from stroma.report.labels import rule_of, short
from stroma.trial.design import Fact

_OWN_NAME = re.compile(r"[a-z]\w*(\.[a-z]\w*)?")


@dataclass(frozen=True)
class RecordFact:
    """One value in words: what, how much, within which range, from where.

    Parameters
    ----------
    range : str
        What an assumed value is integrated over; empty if it is taken as it is.
    source : str
        The source, or for an assumption the reason.
    """

    name: str
    value: str
    range: str
    source: str
    assumed: bool

    @property
    def words(self) -> str:
        """Return the name for readers: `treatment.fact` of a design in words, free text as it was written."""
        if not _OWN_NAME.fullmatch(self.name):
            return self.name
        return self.name.replace("_", " ").replace(".", ": ")


def record_facts(found: Forecast) -> tuple[RecordFact, ...]:
    """Return the facts of the trial, assumptions first, each once."""
    design = found.designs[0]
    treatments = [t for arm in design.arms for t in arm.treatments]
    facts = [*map(_fact, (*design.facts, *(f for t in treatments for f in t.facts)))]
    facts += [RecordFact(f"treatment: {t.words}", t.therapy_id, "", t.source, False) for t in treatments]
    for outcome in design.outcomes:
        if outcome.quantity:
            facts.append(RecordFact(f"outcome: {outcome.words}", f"mean change of {outcome.quantity}", "",
                                    outcome.source, False))
            continue
        rule = rule_of(outcome.rule_id)
        whose = "the primary outcome" if outcome is design.outcomes[0] and not outcome.chosen else outcome.words
        facts.append(RecordFact(f"rule of {whose}", outcome.rule_id, "", f"{outcome.source}; {rule.source}",
                                rule.certainty == "inferred"))
    facts += [RecordFact(f"primary outcome: {e.words}", e.event.replace("_", " "), "", e.source, False)
              for e in design.events]
    facts += [RecordFact(f"entry: {c.words}", c.condition.text, "", c.source, False) for c in design.entry.criteria]
    return tuple(sorted(dict.fromkeys(facts), key=lambda f: not f.assumed))


def _fact(fact: Fact) -> RecordFact:
    spread = ", ".join(fact.options)
    if fact.low is not None and fact.high is not None:
        spread = f"{short(fact.low)} to {short(fact.high)}"
    return RecordFact(fact.name, words_of(fact), spread, fact.source or fact.reason, fact.assumed)


def words_of(fact: Fact) -> str:
    """Write the value of a fact."""
    if isinstance(fact.value, tuple):
        return ", ".join(map(short, fact.value))
    return fact.value if isinstance(fact.value, str) else short(fact.value)


@dataclass(frozen=True)
class AssumedCount:
    """How many values of model and population nobody has measured: of all, and kept at one value."""

    assumed: int
    fixed: int
    total: int


def count_assumed(disease: Disease) -> AssumedCount:
    """Count the values of a disease that are assumed."""
    own = [p for p in disease.parameters.values() if p.confidence == "assumed"]
    fixed = sum(p.distribution == "fixed" for p in own)
    return AssumedCount(len(own), fixed, len(disease.parameters))
