"""A disease's model as text for other simulators."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stroma.disease import Disease
from stroma.errors import EXIT_USAGE, Problems, fail, nearest
from stroma.library import library_root
from stroma.model.sbml_write import write_sbml
from stroma.units import load_units

StateDose = tuple[float, str, float]
_DOSE = re.compile(r"(?P<state>\w+)=(?P<amount>[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)@day(?P<days>[\d.,]+)")
_INSTANCE = re.compile(r"^\s*(\w+)\s*:\s*\w+\s*\(")


def parse_state_doses(texts: Sequence[str]) -> list[StateDose]:
    """Read ``STATE=AMOUNT@dayD[,D...]``.

    Returns
    -------
    list of (float, str, float)
        Day, state, amount.

    Raises
    ------
    StromaError
        U002 for every text that is no such dose.
    """
    problems, doses = Problems(), []
    for text in texts:
        found = _DOSE.fullmatch(text.replace(" ", ""))
        try:
            assert found is not None
            days = [float(day) for day in found["days"].split(",")]
        except (AssertionError, ValueError):
            problems.add(
                "U002",
                f"`{text}` is no dose into a state",
                hint="write STATE=AMOUNT@dayD, for example viable=4e7@day0,7",
            )
            continue
        doses += [(day, found["state"], float(found["amount"])) for day in days]
    problems.raise_if_any()
    return doses


def _values(disease: Disease) -> dict[str, float]:
    return dict(zip(disease.model.parameters, disease.defaults.tolist(), strict=True))


def sbml_text(disease: Disease, with_values: bool, doses: Sequence[StateDose]) -> str:
    """Return SBML Level 3 Version 2: equations with values and doses, or the checked text with units only.

    Raises
    ------
    StromaError
        M092 for a dose into no state, U003 for doses without values.
    """
    if with_values:
        return write_sbml(disease.model, _values(disease), doses, load_units(library_root()))
    _refuse_doses(doses)
    return disease.loaded.sbml


def antimony_text(disease: Disease, with_values: bool, doses: Sequence[StateDose]) -> str:
    """Return the authors' Antimony, all modules in one file, with values and doses added to the main model.

    Raises
    ------
    StromaError
        M092 for a dose into no state, U003 for doses without values.
    """
    text = disease.loaded.text.antimony(load_units(library_root()))
    if not with_values:
        _refuse_doses(doses)
        return text
    body, end, rest = text.rpartition("\nend")
    return body + "\n\n" + "\n".join(_value_lines(disease) + _event_lines(disease, doses)) + end + rest


def _refuse_doses(doses: Sequence[StateDose]) -> None:
    if doses:
        raise fail(
            "U003", "doses need a model with values", hint="leave out --no-values", exit_code=EXIT_USAGE
        )


def _instances(disease: Disease) -> list[str]:
    """Return the names under which the main model uses its modules."""
    main = disease.folder.resolve() / "model.ant"
    lines = [line for line in disease.loaded.text.lines if line.file == main]
    return [found[1] for line in lines if (found := _INSTANCE.match(line.code))]


def _spelled(name: str, instances: Sequence[str]) -> str:
    """Return a flat name as the main model says it: ``instance.name`` where a module declares it."""
    inside = next((i for i in instances if name.startswith(f"{i}_")), "")
    return f"{inside}.{name[len(inside) + 1 :]}" if inside else name


def _value_lines(disease: Disease) -> list[str]:
    """Return one assignment a parameter, with its source beside it."""
    instances = _instances(disease)
    return [
        f"  {_spelled(name, instances)} = {value!r}; // {disease.parameters[name].source}"
        for name, value in _values(disease).items()
    ]


def _event_lines(disease: Disease, doses: Sequence[StateDose]) -> list[str]:
    problems, instances = Problems(), _instances(disease)
    for _, state, _ in doses:
        if state not in disease.model.states:
            problems.add(
                "M092", f"a dose enters `{state}`, which is no state", hint=nearest(state, disease.model.states)
            )
    problems.raise_if_any()
    # Antimony lets an event change only what the main model itself names.
    inside = sorted({state for _, state, _ in doses if _spelled(state, instances) != state})
    named = [f"  {_spelled(state, instances)} is {state};" for state in inside]
    return named + [
        f"  dose_{i}: at time >= {day!r}, t0=false: {state} = {state} + {amount!r};"
        for i, (day, state, amount) in enumerate(sorted(doses))
    ]
