"""Diagnostics: what is wrong, where, and the nearest thing that would be right.

Codes are stable. The letter names the floor: M model, D disease and therapy, P population, T trial,
E evidence, S solver, C calibration, X environment, U usage.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

EXIT_INPUT, EXIT_USAGE, EXIT_NUMERICAL, EXIT_ENVIRONMENT = 1, 2, 3, 4


@dataclass(frozen=True)
class Diagnostic:
    """One problem, in the reader's words.

    Parameters
    ----------
    code : str
        Stable code, for example ``M012``.
    message : str
        What is wrong, with the offending value.
    file : Path or None
        Where it stands.
    line : int or None
        1-based line in ``file``.
    text : str
        The line itself, when showing it helps.
    hint : str
        The nearest valid thing, or the next command.
    column : int or None
        1-based column in ``line``.
    """

    code: str
    message: str
    file: Path | None = None
    line: int | None = None
    text: str = ""
    hint: str = ""
    column: int | None = None

    def render(self) -> str:
        """Return the diagnostic as the terminal shows it."""
        parts = [f"error[{self.code}]: {self.message}"]
        if self.file is not None:
            where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
            parts.append(f"  --> {where}")
        if self.text:
            parts.append(f"   |   {self.text.strip()}")
        if self.hint:
            parts.append(f"   = {self.hint}")
        return "\n".join(parts)


class StromaError(Exception):
    """All problems of one step, reported together.

    Attributes
    ----------
    diagnostics : tuple of Diagnostic
        Never empty.
    exit_code : int
        1 problem in input, 2 usage, 3 numerical failure, 4 environment.
    """

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic], exit_code: int = EXIT_INPUT) -> None:
        found = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        if not found:
            raise ValueError("StromaError needs at least one diagnostic")
        self.diagnostics = found
        self.exit_code = exit_code
        super().__init__("\n".join(d.render() for d in found))


def fail(code: str, message: str, *, file: Path | None = None, line: int | None = None,
         text: str = "", hint: str = "", column: int | None = None,
         exit_code: int = EXIT_INPUT) -> StromaError:
    """Return a one-problem error, ready to be raised."""
    return StromaError(Diagnostic(code, message, file, line, text, hint, column), exit_code)


@dataclass
class Problems:
    """Collects diagnostics so that all problems of a step are reported at once."""

    found: list[Diagnostic] = field(default_factory=list)

    def add(self, code: str, message: str, *, file: Path | None = None, line: int | None = None,
            text: str = "", hint: str = "") -> None:
        """Remember one problem."""
        self.found.append(Diagnostic(code, message, file, line, text, hint))

    def extend(self, error: StromaError) -> None:
        """Remember every problem of another step."""
        self.found.extend(error.diagnostics)

    def raise_if_any(self) -> None:
        """Raise one error that carries everything found so far.

        Raises
        ------
        StromaError
            If anything was added.
        """
        if self.found:
            raise StromaError(self.found)


def nearest(name: str, known: Iterable[str], lead: str = "nearest") -> str:
    """Return ``nearest: `x` `` for the closest spelling, else names that hold this one, or a short list."""
    options = sorted(set(known))
    close = [option for option in options if option.casefold() == name.casefold()]
    close = close or difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"{lead}: `{close[0]}`"
    holding = [option for option in options if len(name) > 2 and name.casefold() in option.casefold()]
    if holding:
        return f"{lead}: " + ", ".join(f"`{o}`" for o in holding[:4])
    if 0 < len(options) <= 12:
        return "known: " + ", ".join(f"`{o}`" for o in options)
    return ""
