"""The model as SBML Level 3 Version 2 text, for other simulators and for the engines that read SBML.

The text is written here and not by libSBML, which rounds every number to 15 digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any
from xml.etree import ElementTree as Xml

import sympy

from stroma.errors import Problems, fail, nearest
from stroma.model.ode_model import TIME, Event, OdeModel, symbol

_CORE = "http://www.sbml.org/sbml/level3/version2/core"
_MATH = "http://www.w3.org/1998/Math/MathML"
_CLOCK = {"encoding": "text", "definitionURL": "http://www.sbml.org/sbml/symbols/time"}
_WORD: dict[type, str] = {
    sympy.Add: "plus", sympy.Mul: "times", sympy.Pow: "power", sympy.Abs: "abs", sympy.exp: "exp",
    sympy.log: "ln", sympy.floor: "floor", sympy.ceiling: "ceiling", sympy.factorial: "factorial",
    sympy.Max: "max", sympy.Min: "min", sympy.sin: "sin", sympy.cos: "cos", sympy.tan: "tan",
    sympy.asin: "arcsin", sympy.acos: "arccos", sympy.atan: "arctan",
    sympy.sinh: "sinh", sympy.cosh: "cosh", sympy.tanh: "tanh",
    sympy.asinh: "arcsinh", sympy.acosh: "arccosh", sympy.atanh: "arctanh",
    sympy.Eq: "eq", sympy.Ne: "neq", sympy.Gt: "gt", sympy.Ge: "geq", sympy.Lt: "lt", sympy.Le: "leq",
    sympy.And: "and", sympy.Or: "or", sympy.Not: "not", sympy.Xor: "xor",
}
_NAMED: dict[Any, str] = {sympy.true: "true", sympy.false: "false", sympy.pi: "pi", sympy.E: "exponentiale",
                          sympy.oo: "infinity", sympy.nan: "notanumber"}


def _leaf(tag: str, text: str, attributes: Mapping[str, str] | None = None) -> Xml.Element:
    element = Xml.Element(tag, dict(attributes or {}))
    element.text = text
    return element


def _apply(word: str, *parts: Xml.Element) -> Xml.Element:
    element = Xml.Element("apply")
    element.append(Xml.Element(word))
    element.extend(parts)
    return element


def _number(value: float) -> Xml.Element:
    """Return the shortest decimal that reads back to the same bits."""
    return _leaf("cn", format(Decimal(repr(value)), "f"))


def _piecewise(expression: Any) -> Xml.Element:
    element = Xml.Element("piecewise")
    for value, condition in expression.args:
        last = condition == sympy.true
        part = Xml.SubElement(element, "otherwise" if last else "piece")
        part.extend([_term(value)] if last else [_term(value), _term(condition)])
    return element


def _term(expression: Any) -> Xml.Element:
    """Return the MathML of an expression.

    Raises
    ------
    StromaError
        M090 for a function that SBML cannot say.
    """
    if expression == TIME:
        return _leaf("csymbol", "time", _CLOCK)
    if isinstance(expression, sympy.Symbol):
        return _leaf("ci", expression.name)
    if expression in _NAMED:
        return Xml.Element(_NAMED[expression])
    if expression == -sympy.oo:
        return _apply("minus", Xml.Element("infinity"))
    if isinstance(expression, sympy.Integer) and abs(int(expression)) < 2**31:
        return _leaf("cn", str(int(expression)), {"type": "integer"})
    if isinstance(expression, sympy.Rational) and expression.q < 2**31 and abs(expression.p) < 2**31:
        element = _leaf("cn", str(expression.p), {"type": "rational"})
        Xml.SubElement(element, "sep").tail = str(expression.q)
        return element
    if expression.is_number and not expression.args:
        return _number(float(expression))
    if isinstance(expression, sympy.Piecewise):
        return _piecewise(expression)
    if isinstance(expression, sympy.sign | sympy.Heaviside):
        return _term(expression.rewrite(sympy.Piecewise))
    word = _WORD.get(expression.func)
    if word is None:
        raise fail("M090", f"SBML has no word for `{expression.func.__name__}` in `{expression}`")
    return _apply(word, *(_term(part) for part in expression.args))


def _with_math(parent: Xml.Element, tag: str, expression: Any, attributes: Mapping[str, str]) -> None:
    holder = Xml.SubElement(parent, tag, dict(attributes))
    Xml.SubElement(holder, "math", {"xmlns": _MATH}).append(_term(expression))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _event(parent: Xml.Element, event: Event) -> None:
    element = Xml.SubElement(parent, "event", {
        "id": event.name, "useValuesFromTriggerTime": _truth(event.values_when_triggered)})
    _with_math(element, "trigger", event.trigger, {"initialValue": _truth(event.starts_true),
                                                   "persistent": _truth(event.persistent)})
    if event.priority is not None:
        _with_math(element, "priority", event.priority, {})
    changes = Xml.SubElement(element, "listOfEventAssignments")
    for state, value in event.changes:
        _with_math(changes, "eventAssignment", value, {"variable": state})


def _dose_events(taken: set[str], doses: Sequence[tuple[float, str, float]]) -> list[Event]:
    """Return one event a dose day: simultaneous doses are one change, so their order cannot matter."""
    ordered = sorted(doses, key=lambda dose: dose[0])
    events = []
    for number, (day, same_day) in enumerate(groupby(ordered, key=lambda dose: dose[0])):
        added: dict[str, float] = {}
        for _, state, amount in same_day:
            added[state] = added.get(state, 0.0) + amount
        name = f"dose_{number}"
        while name in taken:
            name += "_"
        changes = tuple((s, sympy.Add(symbol(s), sympy.Float(a), evaluate=False)) for s, a in added.items())
        events.append(Event(name, sympy.Ge(TIME, sympy.Float(day)), changes, starts_true=False))
    return events


def _check(model: OdeModel, values: Mapping[str, float], doses: Sequence[tuple[float, str, float]]) -> None:
    problems = Problems()
    for name in model.parameters:
        if not math.isfinite(values.get(name, math.nan)):
            problems.add("M091", f"no finite value for parameter `{name}` of model `{model.name}`")
    for day, state, amount in doses:
        if state not in model.states:
            problems.add("M092", f"a dose enters `{state}`, which is no state",
                         hint=nearest(state, model.states))
        if not (math.isfinite(day) and math.isfinite(amount)):
            problems.add("M092", f"a dose of {amount} on day {day} is not finite")
    for name in (model.name, *model.outputs, *model.parameters, *(e.name for e in model.events)):
        if not (name.isascii() and name.isidentifier()):
            problems.add("M093", f"`{name}` is no SBML identifier")
    problems.raise_if_any()


def _unit_definitions(parent: Xml.Element, model: OdeModel, definitions: Mapping[str, str]) -> None:
    """Write the units that the model uses; as in Antimony a number belongs to the base unit after it, power and all."""
    for name in sorted({"day", *model.units.values()} & definitions.keys()):
        units = Xml.SubElement(Xml.SubElement(parent, "unitDefinition", {"id": name}), "listOfUnits")
        over, _, under = definitions[name].partition(" / ")
        for part, sign in ((over, 1), (under, -1)):
            for number, kind, power in re.findall(r"(?:(\d\S*) )?([a-z]+)(?:\^(\d+))?", part):
                Xml.SubElement(units, "unit", {"kind": kind, "exponent": str(sign * int(power or 1)), "scale": "0",
                                               "multiplier": repr(float(number or 1))})


def write_sbml(model: OdeModel, values: Mapping[str, float], doses: Sequence[tuple[float, str, float]] = (),
               units: Mapping[str, str] | None = None) -> str:
    """Return the model as SBML Level 3 Version 2.

    States are parameters with rate rules, assignments are assignment rules, and a dose is an event at its
    exact day. Time in the SBML is the model's day; every number reads back to the same bits.

    Parameters
    ----------
    model : OdeModel
    values : mapping of str to float
        A finite value for every name in ``model.parameters``.
    doses : sequence of (float, str, float)
        Day, state, and what is added to it.
    units : mapping of str to str, optional
        The vocabulary's unit definitions; with them everything that has a unit says it.

    Returns
    -------
    str

    Raises
    ------
    StromaError
        M090 a function SBML cannot say, M091 a missing value, M092 a dose that cannot be given, M093 a name
        that is no SBML identifier.
    """
    _check(model, values, doses)
    root = Xml.Element("sbml", {"xmlns": _CORE, "level": "3", "version": "2"})
    top = Xml.SubElement(root, "model", {"id": model.name} | ({"timeUnits": "day"} if units else {}))
    if units:
        _unit_definitions(Xml.SubElement(top, "listOfUnitDefinitions"), model, units)
    unit = {name: {"units": u} for name, u in model.units.items() if u in (units or {})}
    parameters, starts, rules, events = (Xml.SubElement(top, f"listOf{kind}") for kind in (
        "Parameters", "InitialAssignments", "Rules", "Events"))
    for name in model.parameters:
        value = repr(float(values[name]))
        Xml.SubElement(parameters, "parameter", {"id": name, "value": value, "constant": "true"} | unit.get(name, {}))
    for name in model.outputs:
        Xml.SubElement(parameters, "parameter", {"id": name, "constant": "false"} | unit.get(name, {}))
    for name, start, rate in zip(model.states, model.initial, model.rhs, strict=True):
        _with_math(starts, "initialAssignment", start, {"symbol": name})
        _with_math(rules, "rateRule", rate, {"variable": name})
    for name, expression in model.assignments:
        _with_math(rules, "assignmentRule", expression, {"variable": name})
    taken = {*model.outputs, *model.parameters, model.name, *(e.name for e in model.events)}
    for event in [*model.events, *_dose_events(taken, doses)]:
        _event(events, event)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"
