"""What if: one thing of a trial changed, everything else as planned.

A change is written ``dose=2e6/kg``, ``doses=day 0, 7``, ``thawed``, ``fresh``, ``donor=autologous``,
``product=ID``, ``population=refractory``, ``with=THERAPY``, ``without=THERAPY``, ``n=60`` or ``n=40:20``, or
``PARAMETER=VALUE``; several changes of one scenario are joined by ``;``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stroma.disease import SWITCH, Disease, Parameter
from stroma.errors import Problems, StromaError, fail, nearest
from stroma.therapy import known_therapies, load_therapy
from stroma.trial.design import Arm, ArmTreatment, Fact, TrialDesign
from stroma.trial.dose import parse_days, parse_dose
from stroma.trial.registration import split

_SETTABLE = ["uniform", "lognormal", "logitnormal", "normal", "fixed", SWITCH]
# Two of one group say the same thing twice.
_SAME = {"thawed": "thaw", "fresh": "thaw"}
_OWNERS = {"subject": "is each patient's own: change the population instead",
           "product": "belongs to the cell product: change the product instead"}


@dataclass(frozen=True)
class Change:
    """One thing that is different.

    Parameters
    ----------
    key : str
        A key of :data:`EDITS`, or ``set`` for a parameter.
    value : str
        As written; for ``set`` the number.
    name : str
        The parameter of ``set``.
    """

    key: str
    value: str = ""
    name: str = ""

    @property
    def words(self) -> str:
        """Return the change as it is written."""
        if self.key == "set":
            return f"{self.name}={self.value}"
        return f"{self.key}={self.value}" if self.value else self.key


@dataclass(frozen=True)
class Scenario:
    """Changes that belong together, under one label."""

    label: str
    changes: tuple[Change, ...]

    @property
    def words(self) -> str:
        """Return the changes as they are written."""
        return "; ".join(c.words for c in self.changes)

    @property
    def parameters(self) -> dict[str, float]:
        """Return the parameters that are set, with their values."""
        return {c.name: float(c.value) for c in self.changes if c.key == "set"}


def read_scenario(text: str, disease: Disease, label: str = "") -> Scenario:
    """Read the changes of one scenario.

    Parameters
    ----------
    text : str
        Changes joined by ``;``.
    disease : Disease
        Whose parameters may be set.
    label : str
        What it is called; the text by default.

    Raises
    ------
    StromaError
        T221 for every change that is not known or has no value, T222 for a parameter that cannot have its value.
    """
    problems = Problems()
    changes = [c for part in text.split(";") if (c := _read(part.strip(), disease, problems)) is not None]
    if not any(part.strip() for part in text.split(";")):
        problems.add("T221", "a scenario without a change", hint=_hint("", disease))
    _check_once(changes, problems)
    problems.raise_if_any()
    return Scenario(label or text.strip(), tuple(changes))


def _check_once(changes: Sequence[Change], problems: Problems) -> None:
    """Refuse what is changed twice: which of the two holds would be a guess. Drugs come and go in any number."""
    seen: dict[str, Change] = {}
    for change in changes:
        what = change.name or _SAME.get(change.key, change.key)
        if what in seen and change.key not in ("with", "without"):
            problems.add("T222", f"`{seen[what].words}` and `{change.words}` change the same thing",
                         hint="write each as a scenario of its own")
        seen[what] = change


def _hint(word: str, disease: Disease) -> str:
    close = nearest(word, [*EDITS, *FLAGS, *disease.parameters]) if word else ""
    known = ", ".join(f"`{k}=`" for k in EDITS) + ", " + ", ".join(f"`{k}`" for k in FLAGS)
    return f"{close}{'; ' if close else ''}changes are {known} and `PARAMETER=VALUE`"


def _read(part: str, disease: Disease, problems: Problems) -> Change | None:
    if not part:
        return None
    key, given, value = (x.strip() for x in part.partition("="))
    if key in FLAGS and not given:
        return Change(key)
    if key in EDITS and value:
        return Change(key, value)
    if key in EDITS or key in FLAGS:
        problems.add("T221", f"`{part}`: `{key}` takes {'no value' if key in FLAGS else 'a value'}",
                     hint=f"for example {EXAMPLES[key]}")
        return None
    parameter = disease.parameters.get(key)
    if parameter is None:
        problems.add("T221", f"nothing is called `{key}` that could be changed", hint=_hint(key, disease))
        return None
    return _parameter(parameter, value, problems)


def _parameter(parameter: Parameter, written: str, problems: Problems) -> Change | None:
    """Check the value that a parameter is to have."""
    name, range_words = parameter.parameter_id, f"its range is {parameter.lower:g} to {parameter.upper:g}"
    try:
        value = float(written)
    except ValueError:
        problems.add("T222", f"`{name}={written}`: `{written}` is not a number",
                     hint=f"{range_words} {parameter.unit}; the library's value is {parameter.value:g}")
        return None
    if parameter.distribution not in _SETTABLE:
        problems.add("T222", f"`{name}` {_OWNERS[parameter.distribution]}")
    elif parameter.distribution == SWITCH and value not in (0.0, 1.0):
        problems.add("T222", f"`{name}={written}`: a switch is 0 or 1")
    elif not parameter.lower <= value <= parameter.upper:
        problems.add("T222", f"`{name}={written}` is out of bounds", hint=f"{range_words} {parameter.unit}")
    else:
        return Change("set", written, name)
    return None


def changed(design: TrialDesign, scenario: Scenario, disease: Disease) -> TrialDesign:
    """Return the design with the changes of a scenario, in their order; set parameters do not touch it.

    Raises
    ------
    StromaError
        T222 for every change that this trial cannot have; T205 for a dose or days that cannot be read.
    """
    problems = Problems()
    for change in scenario.changes:
        if change.key == "set":
            continue
        try:
            design = (FLAGS[change.key](design) if change.key in FLAGS
                      else EDITS[change.key](design, change.value, disease))
        except StromaError as error:
            problems.extend(error)
    problems.raise_if_any()
    return design


def _with_cells(design: TrialDesign, edit: Callable[[ArmTreatment], ArmTreatment], what: str) -> TrialDesign:
    """Edit the cells of every arm that has some."""
    if not any(t.dose for arm in design.arms for t in arm.treatments):
        raise fail("T222", f"{what}: no arm of this trial gets cells")
    return replace(design, arms=tuple(
        replace(arm, treatments=tuple(edit(t) if t.dose else t for t in arm.treatments)) for arm in design.arms))


def _restated(treatment: ArmTreatment, removed: Sequence[str], *added: tuple[str, float | str | tuple[float, ...]]
              ) -> tuple[Fact, ...]:
    """Return the facts of a treatment without some, and with others that were asked for."""
    names = {*removed, *(name for name, _ in added)}
    kept = [f for f in treatment.facts if f.name.rpartition(".")[2] not in names]
    return (*kept, *(Fact(f"{treatment.therapy_id}.{name}", value, source="asked: what if") for name, value in added))


def _dose(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    dose = parse_dose(value)
    timed = "@" in value
    name = "dose_cell_per_kg" if dose.per_kg else "dose_cell"

    def edit(t: ArmTreatment) -> ArmTreatment:
        assert t.dose is not None
        gone = ["dose_cell", "dose_cell_per_kg", *(("interval_day", "infusions") if timed else ())]
        new = dose if timed else replace(dose, days=t.dose.days)
        return replace(t, dose=new, facts=_restated(t, gone, (name, dose.amount)))

    return _with_cells(design, edit, f"`dose={value}`")


def _days(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    days = parse_days(value)
    end = max(o.day for o in design.outcomes)
    if days[-1] >= end:
        raise fail("T222", f"`doses={value}`: day {days[-1]:g} is not before the last outcome, day {end:g}")

    def edit(t: ArmTreatment) -> ArmTreatment:
        assert t.dose is not None
        facts = _restated(t, ("interval_day", "infusions"), ("days", days))
        return replace(t, dose=replace(t.dose, days=days), facts=facts)

    return _with_cells(design, edit, f"`doses={value}`")


def _thaw(state: str) -> Callable[[TrialDesign], TrialDesign]:
    def apply(design: TrialDesign) -> TrialDesign:
        return _with_cells(design, lambda t: replace(t, facts=_restated(t, (), ("thaw_state", state))), f"`{state}`")

    return apply


def _product(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    products = _products(design)
    if value not in products:
        raise fail("T222", f"`product={value}`: the library knows no such cells of the trial's own route",
                   hint=nearest(value, products))

    def edit(t: ArmTreatment) -> ArmTreatment:
        own = load_therapy(value).product
        facts = _restated(t, (), ("donor", str(own["donor"])), ("cell_source", str(own["cell_source"])))
        return replace(t, therapy_id=value, words=load_therapy(value).name, source="asked: what if",
                       facts=tuple(replace(f, name=f"{value}.{f.name.rpartition('.')[2]}") for f in facts))

    return _with_cells(design, edit, f"`product={value}`")


def _products(design: TrialDesign) -> list[str]:
    """Return the cell products that are given by a route of the trial."""
    routes = {load_therapy(t.therapy_id).product["route"] for arm in design.arms for t in arm.treatments if t.dose}
    cells = [load_therapy(t) for t in known_therapies()]
    return [t.therapy_id for t in cells if t.kind == "cells" and t.product["route"] in routes]


def _drugs(disease: Disease) -> list[str]:
    """Return the drugs that the disease's model knows."""
    drugs = [load_therapy(t) for t in known_therapies()]
    return [t.therapy_id for t in drugs if t.kind == "drug" and {s for s, _, _ in t.doses} <= set(disease.model.states)]


def _donor(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    """Give the cells of another donor: of the same tissue where the library has them, else its only ones."""
    products = {t: load_therapy(t).product for t in _products(design)}
    donors = {str(p["donor"]) for p in products.values()}
    if value not in donors:
        raise fail("T222", f"`donor={value}`: the library has no such cells", hint=nearest(value, donors))
    present = {t.therapy_id for arm in design.arms for t in arm.treatments if t.dose}
    tissues = {str(products[t]["cell_source"]) for t in present}
    found = [t for t, p in products.items() if p["donor"] == value]
    alike = [t for t in found if str(products[t]["cell_source"]) in tissues] or found
    if len(alike) > 1:
        raise fail("T222", f"`donor={value}`: several products are {value}: {', '.join(alike)}",
                   hint=f"choose one, for example `product={alike[0]}`")
    swapped = _product(design, alike[0], disease)
    if str(products[alike[0]]["cell_source"]) in tissues:
        return swapped
    note = f"`donor={value}`: {load_therapy(alike[0]).name}, the only {value} cells of the library; the tissue changes"
    return replace(swapped, notes=(*swapped.notes, note))


def _population(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    known = disease.config["populations"]
    if value not in known:
        raise fail("T222", f"`population={value}`: {disease.name} has no such patients", hint=nearest(value, known))
    if value == design.population:
        return design
    facts = tuple(f for f in design.facts if f.name != "population")
    return replace(design, population=value, facts=(Fact("population", value, source="asked: what if"), *facts))


def _with(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    drugs = _drugs(disease)
    if value not in drugs:
        raise fail("T222", f"`with={value}`: no drug for {disease.name}", hint=nearest(value, drugs))
    treatment = ArmTreatment(value, load_therapy(value).name, "asked: what if")
    arms = tuple(arm if _has(arm, value) else replace(arm, treatments=(*arm.treatments, treatment))
                 for arm in design.arms)
    return replace(design, arms=arms)


def _without(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    given = {t.therapy_id for arm in design.arms for t in arm.treatments if load_therapy(t.therapy_id).kind == "drug"}
    if value not in _drugs(disease):
        raise fail("T222", f"`without={value}`: no arm of this trial gets such a drug", hint=nearest(value, given))
    return replace(design, arms=tuple(
        replace(arm, treatments=tuple(t for t in arm.treatments if t.therapy_id != value)) for arm in design.arms))


def _has(arm: Arm, therapy: str) -> bool:
    return any(t.therapy_id == therapy for t in arm.treatments)


def _size(design: TrialDesign, value: str, disease: Disease) -> TrialDesign:
    parts = value.split(":")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    arms = len(design.arms)
    if len(numbers) < len(parts) or len(parts) not in (1, arms) or sum(numbers) < arms or min(numbers) < 1:
        raise fail("T222", f"`n={value}` is not a number of patients for {arms} arms",
                   hint=f"for example `n=60` in all, or `n={':'.join(['30'] * arms)}`")
    sizes = split(numbers[0], tuple(float(a.n) for a in design.arms)) if len(numbers) == 1 else tuple(numbers)
    if min(sizes) < 1:
        raise fail("T222", f"`n={value}` leaves an arm empty at {':'.join(str(a.n) for a in design.arms)}")
    return replace(design, arms=tuple(replace(a, n=n) for a, n in zip(design.arms, sizes, strict=True)))


EDITS: dict[str, Callable[[TrialDesign, str, Disease], TrialDesign]] = {
    "dose": _dose, "doses": _days, "donor": _donor, "product": _product, "population": _population,
    "with": _with, "without": _without, "n": _size}
FLAGS: dict[str, Callable[[TrialDesign], TrialDesign]] = {"thawed": _thaw("thawed"), "fresh": _thaw("fresh")}
EXAMPLES = {"dose": "`dose=2e6/kg`", "doses": "`doses=day 0, 7`", "donor": "`donor=autologous`",
            "product": "`product=bm_msc_allogeneic`", "population": "`population=refractory`",
            "with": "`with=mycophenolate`", "without": "`without=cyclophosphamide_iv`", "n": "`n=60` or `n=40:20`",
            "thawed": "`thawed`", "fresh": "`fresh`"}
