"""The exported SBML: valid, exact, and refused with reasons where SBML cannot say the model."""

from __future__ import annotations

import libsbml
import pytest
import sympy

from stroma.disease import known_diseases, load_disease
from stroma.errors import StromaError
from stroma.library import library_root
from stroma.model.ode_model import TIME, Event, OdeModel, symbol
from stroma.model.sbml_write import write_sbml
from stroma.units import load_units


def one_state(rate: sympy.Expr, events: tuple[Event, ...] = ()) -> OdeModel:
    return OdeModel("one", ("x",), ("k",), (), (rate,), (symbol("k"),), events=events)


def parsed(text: str) -> libsbml.SBMLDocument:
    """Return the document (its parts live as long as it does), after libSBML found no error."""
    document = libsbml.readSBMLFromString(text)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    document.checkConsistency()
    assert document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) == 0, document.getErrorLog().toString()
    return document


def test_numbers_come_back_to_the_last_bit() -> None:
    value, day, amount = 0.1 + 0.2, 1 / 3, 2.0e-17 / 3
    document = parsed(write_sbml(one_state(-symbol("k") * symbol("x")), {"k": value}, [(day, "x", amount)]))
    model = document.getModel()
    assert model.getParameter("k").getValue() == value
    event = model.getEvent(0)
    assert event.getTrigger().getMath().getChild(1).getValue() == day
    assert amount in [event.getEventAssignment(0).getMath().getChild(i).getValue() for i in range(2)]


def test_doses_of_one_day_are_one_event_and_the_order_of_days_is_kept() -> None:
    doses = [(2.0, "x", 3.0), (1.0, "x", 1.0), (2.0, "x", -1.0)]
    text = write_sbml(one_state(-symbol("x")), {"k": 1.0}, doses)
    document = parsed(text)
    events = [document.getModel().getEvent(i) for i in range(2)]
    assert [libsbml.formulaToL3String(e.getTrigger().getMath()) for e in events] == ["time >= 1", "time >= 2"]
    assert not any(e.getTrigger().getInitialValue() for e in events)
    sums = {libsbml.formulaToL3String(e.getEventAssignment(0).getMath()) for e in events}
    assert sums == {"x + 1", "x + 2"} or sums == {"1 + x", "2 + x"}


def test_a_dose_event_never_takes_a_name_that_is_in_use() -> None:
    model = OdeModel("m", ("dose_0",), (), (), (sympy.Integer(0),), (sympy.Integer(0),))
    document = parsed(write_sbml(model, {}, [(1.0, "dose_0", 1.0)]))
    assert document.getModel().getEvent(0).getId() == "dose_0_"


def test_time_is_the_clock_whatever_it_is_called() -> None:
    document = parsed(write_sbml(one_state(sympy.sin(TIME)), {"k": 1.0}))
    rule = document.getModel().getRateRule("x")
    assert rule.getMath().getChild(0).getType() == libsbml.AST_NAME_TIME


def test_an_event_keeps_what_decides_its_order() -> None:
    event = Event("stop", symbol("x") < 1, (("x", sympy.Integer(5)),), priority=symbol("k"),
                  starts_true=False, persistent=False, values_when_triggered=False)
    document = parsed(write_sbml(one_state(-symbol("x"), (event,)), {"k": 1.0}))
    written = document.getModel().getEvent("stop")
    assert libsbml.formulaToL3String(written.getPriority().getMath()) == "k"
    assert not written.getTrigger().getInitialValue() and not written.getTrigger().getPersistent()
    assert not written.getUseValuesFromTriggerTime()


def test_every_problem_of_the_values_is_reported_at_once() -> None:
    with pytest.raises(StromaError) as caught:
        write_sbml(one_state(symbol("k")), {"k": float("nan")}, [(1.0, "xx", 1.0), (float("inf"), "x", 1.0)])
    found = [(d.code, d.hint) for d in caught.value.diagnostics]
    assert [code for code, _ in found] == ["M091", "M092", "M092"]
    assert "`x`" in found[1][1]


def test_a_function_that_sbml_lacks_is_named() -> None:
    with pytest.raises(StromaError, match="besselj"):
        write_sbml(one_state(sympy.besselj(0, symbol("x"))), {"k": 1.0})


def test_a_name_that_sbml_cannot_spell_is_refused() -> None:
    model = OdeModel("m", ("il-6",), (), (), (sympy.Integer(0),), (sympy.Integer(0),))
    with pytest.raises(StromaError, match="il-6"):
        write_sbml(model, {})


@pytest.mark.parametrize("name", known_diseases())
def test_units_are_those_that_antimony_writes(name: str) -> None:
    disease = load_disease(name)
    text = write_sbml(disease.model, dict(zip(disease.model.parameters, disease.defaults.tolist(), strict=True)),
                      units=load_units(library_root()))
    ours, theirs = parsed(text), libsbml.readSBMLFromString(disease.loaded.sbml)
    model, other = ours.getModel(), theirs.getModel()
    assert model.getTimeUnits() == "day" and model.getNumUnitDefinitions() > 5
    for i in range(model.getNumUnitDefinitions()):
        unit = model.getUnitDefinition(i)
        same = other.getUnitDefinition(unit.getId())
        assert libsbml.UnitDefinition.printUnits(unit, True) == libsbml.UnitDefinition.printUnits(same, True)
    declared = {p.getId(): p.getUnits() for p in model.getListOfParameters()}
    assert {n: u for n, u in declared.items() if u} == {n: u for n, u in disease.model.units.items() if u}
