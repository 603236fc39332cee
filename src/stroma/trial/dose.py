"""Doses of cells: how they are written, and what they mean."""

from __future__ import annotations

import re

from stroma.errors import Problems
from stroma.therapy import CellDose

NOTATION = "write the cells of one infusion, for example 1e6/kg, 2e8 or 1e6/kg@day0,7"
_EXPONENT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_COUNT = {"single": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


def parse_dose(text: str) -> CellDose:
    """Read ``CELLS[/kg][@dayD[,D...]]``, the cells of **one** infusion; without days one at day 0.

    Raises
    ------
    StromaError
        T205 for every part that cannot be read.
    """
    problems = Problems()
    amount, at, when = text.strip().partition("@")
    number, slash, unit = amount.partition("/")
    cells = _number(number)
    if cells is None or cells <= 0:
        problems.add("T205", f"`{number.strip()}` in the dose `{text}` is not a number of cells",
                     hint=NOTATION)
    if slash and unit.strip() != "kg":
        problems.add("T205", f"`/{unit.strip()}` in the dose `{text}` is not `/kg`", hint=NOTATION)
    days = _days(when, at and f"@{when}", f"the dose `{text}`", problems) if at else (0.0,)
    problems.raise_if_any()
    assert cells is not None
    return CellDose(cells, bool(slash), days)


def parse_days(text: str) -> tuple[float, ...]:
    """Read the days of infusions: ``day 0, 7``.

    Raises
    ------
    StromaError
        T205 for days that cannot be read or do not ascend.
    """
    problems = Problems()
    written = text.strip()
    days = _days(written if written.startswith("day") else f"day{written}", text, "the doses", problems)
    problems.raise_if_any()
    return days


def _days(when: str, shown: str, where: str, problems: Problems) -> tuple[float, ...]:
    """Read ``dayD[,D...]``, a plural and blanks allowed."""
    words = when.strip()
    days = [_number(day) for day in words.removeprefix("days").removeprefix("day").split(",")]
    if not words.startswith("day") or any(day is None for day in days):
        problems.add("T205", f"`{shown}` in {where} names no days", hint=NOTATION)
        return ()
    found = tuple(day for day in days if day is not None)
    if len(set(found)) < len(found) or list(found) != sorted(found):
        problems.add("T205", f"the days of {where} do not ascend: {', '.join(f'{d:g}' for d in found)}", hint=NOTATION)
    return found


def dose_in_words(text: str) -> CellDose | None:
    """Return the one dose that a registry description states, or None.

    ``1e6 per kg``, ``2 x 10^8 cells`` and ``40 million cells`` are understood, also ``four infusions 91
    days apart``. Two different amounts, or a number of infusions without their distance, give None.
    """
    plain = text.lower().translate(_EXPONENT).replace("×", "x")
    plain = re.sub(r"(\d(?:\.\d+)?)\s*x\s*10\s*(?:\^|\*\*|e)?\s*(\d+)", r"\1e\2", plain)
    plain = re.sub(r"(\d+(?:\.\d+)?)\s*million\b", r"\1e6", plain)
    found = {(float(m[1]), bool(m[2])) for m in re.finditer(
        r"\b(\d+(?:\.\d+)?e\d+)\b(?:[^.;,\d]{0,40}?((?:/|\bper )\s*kg))?", plain)}
    if len(found) != 1:
        return None
    (cells, per_kg), = found
    number = re.search(
        r"\b(single|one|two|three|four|five|six|\d)\s+(?:\w+[ -]){0,2}?(?:infusion|injection)", plain)
    count = 1 if number is None else int(_COUNT.get(number[1], 0) or number[1])
    if count == 1:
        return CellDose(cells, per_kg)
    apart = re.search(r"(\d+(?:\.\d+)?)\s+(day|week)s? apart", plain)
    if apart is None:
        return None
    interval = float(apart[1]) * (7.0 if apart[2] == "week" else 1.0)
    return CellDose(cells, per_kg, tuple(interval * i for i in range(count)))


def _number(text: str) -> float | None:
    written = re.fullmatch(r"\d+(?:\.\d*)?(?:e\+?\d+)?", text.strip(), re.IGNORECASE)
    return float(written[0]) if written and len(written[0]) < 20 and float(written[0]) < 1e15 else None
