"""Model text -> checked OdeModel: Antimony reads it, libSBML checks it, nothing is accepted in silence."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from stroma.errors import Problems, nearest
from stroma.model.names import check_names
from stroma.model.ode_model import OdeModel
from stroma.model.text import ModelText, check_text, gather
from stroma.units import DIMENSIONLESS


@dataclass(frozen=True)
class LoadedModel:
    """A checked model, its SBML without values, and its text.

    Parameters
    ----------
    model : OdeModel
    sbml : str
        Level 3 version 2; parameters carry no values yet.
    text : ModelText
    """

    model: OdeModel
    sbml: str
    text: ModelText


def load_model(path: Path, units: dict[str, str], parameter_units: dict[str, tuple[str, Path, int]],
               problems: Problems, shared: Collection[str] = ()) -> LoadedModel | None:
    """Read and check model text.

    Parameters
    ----------
    path : Path
        Main ``.ant`` file of a disease.
    units : dict of str to str
        The unit vocabulary.
    parameter_units : dict of str to (str, Path, int)
        The rows of ``parameters.csv``: unit, file and line of each parameter.
    problems : Problems
        Receives M002-M017, all at once.
    shared : collection of str
        Rows that serve several models; this one need not use them.

    Returns
    -------
    LoadedModel or None
        None when the text could not be read at all.
    """
    import libsbml

    from stroma.model.sbml_to_ode import to_ode_model

    before = len(problems.found)
    text = gather(path, problems)
    check_text(text, units, problems)
    _check_units(parameter_units, units, problems)
    apart = any(d.code in ("M002", "M006") for d in problems.found[before:])
    told = check_names(text, path, parameter_units, problems)
    sbml = None if apart else _to_sbml(text, units, problems)
    if sbml is None:
        return None
    document = libsbml.readSBMLFromString(sbml)
    sbml_model = document.getModel()
    _check_rows(sbml_model, text, units, parameter_units, problems, shared, told)
    _declare_literals(sbml_model)
    _check_consistency(document, text, problems)
    if problems.found:
        return None
    model = to_ode_model(sbml_model)
    spelled = {name: _vocabulary_unit(unit, units) or "" for name, unit in model.units.items()}
    return LoadedModel(replace(model, units=spelled), libsbml.writeSBMLToString(document), text)


def _to_sbml(text: ModelText, units: dict[str, str], problems: Problems) -> str | None:
    import antimony

    antimony.clearPreviousLoads()
    loaded = antimony.loadAntimonyString(text.antimony(units))
    if loaded < 0:
        message = str(antimony.getLastError())
        found = re.search(r"line (\d+)", message)
        line = text.lines[int(found[1]) - 1] if found and 0 < int(found[1]) <= len(text.lines) else text.lines[-1]
        reason = re.sub(r"^Error in model string, line \d+:\s*", "", message).strip()
        problems.add("M007", f"Antimony cannot read this: {reason}", file=line.file, line=line.number, text=line.raw)
        return None
    return antimony.getSBMLString(text.name)


def _check_rows(model, text: ModelText, units: dict[str, str],
                rows: dict[str, tuple[str, Path, int]], problems: Problems, shared: Collection[str],
                told: Collection[str]) -> None:
    """Every constant has exactly one row, every row a constant, every name a unit, and they agree."""
    constants = {p.getId(): p for p in model.getListOfParameters() if p.getConstant()}
    for name, parameter in constants.items():
        line = text.find(name)
        where = {"file": line.file, "line": line.number, "text": line.raw} if line else {}
        if name in told:
            continue
        if name not in rows:
            problems.add("M012", f"unknown name `{name}`: it has no row in parameters.csv", **where,
                         hint=nearest(name, rows))
            continue
        declared = _vocabulary_unit(parameter.getUnits(), units)
        unit, file, number = rows[name]
        if declared is None:
            problems.add("M014", f"`{name}` has no unit in the model text", **where, hint=f"the table says {unit}")
        elif declared != unit and {declared, unit} <= units.keys():
            problems.add("M016", f"`{name}` is in {declared} in the model text and in {unit} in the table",
                         file=file, line=number)
    for name, (_, file, number) in rows.items():
        if name not in constants and name not in shared:
            problems.add("M013", f"row `{name}` names nothing in the model", file=file, line=number,
                         hint=nearest(name, constants))
    for parameter in model.getListOfParameters():
        if not parameter.getConstant() and not parameter.isSetUnits():
            line = text.find(parameter.getId())
            problems.add("M014", f"`{parameter.getId()}` has no unit", file=line.file if line else None,
                         line=line.number if line else None, text=line.raw if line else "",
                         hint="write `name has unit;`")


def _check_units(rows: dict[str, tuple[str, Path, int]], units: dict[str, str], problems: Problems) -> None:
    for unit, file, number in rows.values():
        if unit not in units:
            problems.add("M015", f"unknown unit `{unit}`", file=file, line=number, hint=nearest(unit, units))


def _vocabulary_unit(unit: str, units: dict[str, str]) -> str | None:
    """Undo the instance prefix that Antimony gives to a unit declared inside a module."""
    if not unit:
        return None
    if unit in units:
        return unit
    fitting = [u for u in units if unit.endswith("_" + u)]
    return max(fitting, key=len) if fitting else unit


def _declare_literals(model) -> None:
    """Say that the literals 0, 1 and 2 are dimensionless, so that units can be checked to the end."""
    import libsbml

    def visit(node) -> None:
        if node.isNumber() and not node.isSetUnits():
            node.setUnits(DIMENSIONLESS)
        for i in range(node.getNumChildren()):
            visit(node.getChild(i))

    holders = [*model.getListOfRules(), *model.getListOfInitialAssignments(),
               *(r.getKineticLaw() for r in model.getListOfReactions())]
    for holder in holders:
        tree = holder.getMath().deepCopy()
        visit(tree)
        if holder.setMath(tree) != libsbml.LIBSBML_OPERATION_SUCCESS:
            raise AssertionError("libSBML refused its own expression")


def _check_consistency(document, text: ModelText, problems: Problems) -> None:
    import libsbml

    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, True)
    document.checkConsistency()
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        units = error.getCategory() == libsbml.LIBSBML_CAT_UNITS_CONSISTENCY
        if not units and error.getSeverity() < libsbml.LIBSBML_SEV_ERROR:
            continue
        message = " ".join(error.getMessage().split())
        named = re.findall(r"[`'\"](\w+)[`'\"]", message)
        line = next((found for found in (text.find(n) for n in named) if found), None)
        problems.add("M017", f"{error.getShortMessage()}: {message}", file=line.file if line else None,
                     line=line.number if line else None, text=line.raw if line else "")
