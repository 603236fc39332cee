"""What differs between the arms with cells of a disease: the level of every factor, arm by arm, and in the store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stroma.calibration.likelihood import BLINDED, CONTROLLED
from stroma.calibration.simulate import regimen
from stroma.calibration.targets import Target, TargetList
from stroma.disease import Disease
from stroma.evidence.store import load_evidence
from stroma.therapy import CellDose, Therapy

BLINDING, DRUGS, PATIENTS, DOSE = "design_and_blinding", "background_drugs", "patients", "dose"
SOURCE, DONOR, ROUTE = "source", "donor", "route"
STEROID, INFLAMMATION = "steroid_at_infusion", "inflammation"
FACTORS = (BLINDING, DRUGS, PATIENTS, SOURCE, DONOR, ROUTE, DOSE, STEROID, INFLAMMATION)
LABELS = {BLINDING: "design and blinding", DRUGS: "background drugs", PATIENTS: "patients", SOURCE: "cell source",
          DONOR: "donor", ROUTE: "route", DOSE: "dose", STEROID: "steroid at infusion",
          INFLAMMATION: "inflammation at infusion"}
_OPEN = {"not_stated": "blinding not stated (taken as open)"}
_STEROID_STATES = ("drug_prednisone", "drug_pulse")


@dataclass(frozen=True)
class Arm:
    """One arm with cells and what the model is told of it.

    Parameters
    ----------
    targets : tuple of Target
        Its published numbers.
    population, region : str
    severity : float or None
    drugs : tuple of Therapy
    product : Therapy
        Without its dose.
    sources : tuple of str
        Every cell source that the report names for the arm; the product has one of them.
    dose : CellDose
    dose_stated : bool
        Whether the report gives it; otherwise it is the usual one of the series.
    blinding, design : str
        As in ``studies.csv``.
    """

    study_id: str
    targets: tuple[Target, ...]
    population: str
    region: str
    severity: float | None
    drugs: tuple[Therapy, ...]
    product: Therapy
    sources: tuple[str, ...]
    dose: CellDose
    dose_stated: bool
    blinding: str
    design: str

    @property
    def levels(self) -> dict[str, str]:
        """Return the level of every factor in words; inflammation is no part of any report."""
        severity = "" if self.severity is None else f"{self.severity:.3g} at entry"
        people = ", ".join(filter(None, (self.population, self.region.replace("_", " "), severity)))
        blinding = "blinded" if self.blinding in BLINDED else _OPEN.get(self.blinding, "open")
        design = "controlled" if self.design in CONTROLLED else "uncontrolled"
        product = self.product.product
        steroid = sum(amount for t in self.drugs for state, day, amount in t.doses
                      if state.endswith(_STEROID_STATES) and day == 0)
        return {
            BLINDING: f"{blinding}, {design}",
            DRUGS: ", ".join(t.therapy_id.replace("_", " ") for t in self.drugs) or "none",
            PATIENTS: people,
            SOURCE: self._source_words, DONOR: str(product["donor"]), ROUTE: str(product["route"]),
            DOSE: dose_words(self.dose) + ("" if self.dose_stated else " (assumed)"), STEROID: f"{steroid:g} mg/day",
            INFLAMMATION: "not published by arm"}

    @property
    def _source_words(self) -> str:
        own = str(self.product.product["cell_source"])
        return f"{' or '.join(self.sources)} (taken as {own})" if len(self.sources) > 1 else own

    @property
    def modelled(self) -> dict[str, str]:
        """Return the level of every factor as far as the model tells levels apart."""
        return self.levels | {BLINDING: str(self.blinding in BLINDED), DOSE: dose_words(self.dose),
                              SOURCE: str(self.product.product["cell_source"])}


def dose_words(dose: CellDose) -> str:
    """Write a dose."""
    times = f" × {len(dose.days)}" if len(dose.days) > 1 else ""
    return f"{dose.amount / 1e6:.3g} million{'/kg' if dose.per_kg else ''}{times}"


def arms_of(disease: Disease, listed: TargetList) -> tuple[Arm, ...]:
    """Return the arms with cells of a target list, in its order; flare hazards, which no cause here moves, left out."""
    found: dict[tuple, list[Target]] = defaultdict(list)
    for t in listed.targets:
        therapies = regimen(disease, t.regimen, t.dose) if t.kind != "hazard" else []
        if any(x.kind == "cells" for x in therapies):
            found[t.study_id, t.arm_label, t.regimen, t.dose, t.population, t.region, t.severity].append(t)
    sources = {(a.study.study_id, a.label): tuple(a.cell_source.split("|")) for a in load_evidence().arms.values()}
    return tuple(_arm(disease, members, sources.get((members[0].study_id, members[0].arm_label), ()))
                 for members in found.values())


def _arm(disease: Disease, members: Sequence[Target], sources: tuple[str, ...]) -> Arm:
    one = members[0]
    therapies = regimen(disease, one.regimen, one.dose)
    cells = next(t for t in therapies if t.kind == "cells")
    assert cells.cell_dose is not None
    drugs = tuple(t for t in therapies if t.kind == "drug")
    return Arm(one.study_id, tuple(members), one.population, one.region, one.severity, drugs, cells, sources,
               cells.cell_dose, one.dose is not None, one.blinding, one.design)


def counted(arms: Sequence[Arm]) -> dict[str, dict[str, int]]:
    """Return how many studies have each level of each factor, the most frequent first."""
    seen: dict[str, Counter[str]] = {name: Counter() for name in FACTORS}
    for name in FACTORS:
        for pair in dict.fromkeys((a.study_id, a.levels[name]) for a in arms):
            seen[name][pair[1]] += 1
    return {name: dict(levels.most_common()) for name, levels in seen.items()}


def together(arms: Sequence[Arm], name: str) -> tuple[str, ...]:
    """Return the other factors that split the arms exactly as one factor does, and so cannot be told from it."""
    mine = _partition(arms, name)
    if len(mine) < 2:
        return ()
    return tuple(other for other in FACTORS if other != name and _partition(arms, other) == mine)


def _partition(arms: Sequence[Arm], name: str) -> frozenset[frozenset[int]]:
    groups: dict[str, set[int]] = defaultdict(set)
    for i, arm in enumerate(arms):
        groups[arm.modelled[name]].add(i)
    return frozenset(frozenset(g) for g in groups.values())


def in_store(listed: TargetList) -> Mapping[str, Mapping[str, int]]:
    """Return how many arms with cells in the whole evidence store have each source, donor and route.

    Of human studies in the diseases that the target list's studies are filed under.
    """
    evidence = load_evidence()
    names = {t.study_id for t in listed.targets}
    diseases = {d for s in names for d in evidence.study(s).diseases}
    arms = [a for a in evidence.arms.values()
            if a.role == "msc" and set(a.diseases) & diseases and a.study.species == "human"]
    counts = {SOURCE: Counter(a.cell_source for a in arms), DONOR: Counter(a.donor for a in arms),
              ROUTE: Counter(a.route for a in arms)}
    return {name: dict(c.most_common()) for name, c in counts.items()}
