"""What a registry record leaves unsaid: a TOML file beside it, every value with a source or a reason."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stroma.errors import Problems, StromaError, fail, nearest
from stroma.expression import parse
from stroma.trial.design import ArmTreatment, EntryCriterion, Fact

CODE = "T204"
_TOP = ("record", "population", "allocation", "conducted", "visits", "cells", "background", "entry",
        "intervention", "outcome")
_CELLS = {"dose_cell": float, "dose_cell_per_kg": float, "infusions": float, "interval_day": float, "start_day": float,
          "route": str, "cell_source": str, "donor": str, "thaw_state": str}
_KIND = {float: "a number", str: "a word", tuple: "a list of numbers"}
_DECIDES = ("rule_id", "quantity", "event")
_FACT = ("value", "source", "assumed", "low", "high", "options", "reason")


@dataclass(frozen=True)
class OutcomeRule:
    """What decides an outcome: a rule of response, the mean change of a quantity, or the count of an event.

    Parameters
    ----------
    rule_id, quantity, event : str
        One of them; all empty for an outcome that is neither simulated nor foretold: ``source`` then says why.
    source : str
    day : float or None
        For an outcome that the record does not name, or names without a time.
    chosen : bool
        Whether it stands beside the record's primary outcomes and is none of them.
    """

    rule_id: str
    source: str
    day: float | None = None
    quantity: str = ""
    event: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Supplement:
    """The facts beside one record.

    Parameters
    ----------
    population, allocation, conducted, visits : Fact or None
        Numbers of ``allocation`` and ``conducted`` stand in the order of the record's arms.
    cells : mapping of str to mapping of str to Fact
        Therapy id to the facts of its infusions.
    background : tuple of ArmTreatment
        Drugs of every arm.
    entry : tuple of EntryCriterion
    interventions : mapping of str to str
        Therapy id by the record's own words, where the vocabulary's word means something else here.
    rules : mapping of str to OutcomeRule
        By the record's own words for the outcome.
    """

    file: Path
    population: Fact | None = None
    allocation: Fact | None = None
    conducted: Fact | None = None
    visits: Fact | None = None
    cells: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    background: tuple[ArmTreatment, ...] = ()
    entry: tuple[EntryCriterion, ...] = ()
    interventions: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, OutcomeRule] = field(default_factory=dict)


def read_supplement(path: Path, nct_id: str) -> Supplement:
    """Read a supplement.

    Raises
    ------
    StromaError
        T204 for a file that is not as declared, E301 to E304 for an entry criterion; all at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise fail(CODE, f"cannot read the supplement: {error}", file=path) from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+), column (\d+)", str(error))
        line, column = (int(at[1]), int(at[2])) if at else (None, None)
        raise fail(CODE, f"the supplement is not TOML: {error}", file=path, line=line,
                   column=column) from None
    reader = _Reader(path, text, Problems())
    reader.known(content, _TOP, "")
    if content.get("record") != nct_id:
        reader.wrong("record", f"`record` is {content.get('record')!r}, the record is {nct_id}")
    supplement = Supplement(
        path,
        population=reader.fact(content, "population", "population", str),
        allocation=reader.fact(content, "allocation", "allocation", tuple),
        conducted=reader.fact(content, "conducted", "conducted", tuple),
        visits=reader.fact(content, "visits", "visits", tuple),
        cells=dict(reader.cells(table) for table in reader.tables(content, "cells")),
        background=tuple(reader.drug(table) for table in reader.tables(content, "background")),
        entry=tuple(c for c in map(reader.criterion, reader.tables(content, "entry")) if c is not None),
        interventions=dict(reader.intervention(table) for table in reader.tables(content, "intervention")),
        rules=dict(reader.rule(table) for table in reader.tables(content, "outcome")),
    )
    reader.problems.raise_if_any()
    return supplement


@dataclass(frozen=True)
class _Reader:
    file: Path
    text: str
    problems: Problems

    def wrong(self, key: str, message: str, hint: str = "") -> None:
        """Report a problem; the line is given where the key stands once in the file."""
        lines = [number for number, line in enumerate(self.text.splitlines(), 1)
                 if re.match(rf"\s*(\[+\s*)?([\w.]+\.)?{re.escape(key)}\s*[=\]]", line)]
        self.problems.add(CODE, message, file=self.file, line=lines[0] if len(lines) == 1 else None,
                          hint=hint)

    def known(self, table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in keys:
                self.wrong(key, f"unknown key `{where}{key}`", nearest(key, keys))

    def word(self, table: Mapping[str, Any], key: str, where: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            self.wrong(key, f"`{where}.{key}` must be given in words")
            return ""
        return value.strip()

    def tables(self, content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        found = content.get(key, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            self.wrong(key, f"`{key}` must be written as [[{key}]]")
            return []
        return found

    def fact(self, table: Mapping[str, Any], key: str, name: str, kind: type) -> Fact | None:
        """Read a value that is stated with a source, or assumed with a reason."""
        written = table.get(key)
        if written is None:
            return None
        if not isinstance(written, dict):
            self.wrong(key, f"`{name}` must be a table with value and source, or assumed, value and reason")
            return None
        self.known(written, _FACT, f"{name}.")
        value = _plain(written.get("value"))
        if value is None or not isinstance(value, kind):
            self.wrong(key, f"`{name}.value` must be {_KIND[kind]}, not {written.get('value')!r}")
            return None
        if written.get("assumed") is True:
            return self._assumed(written, key, name, value)
        for extra in ("assumed", "low", "high", "options", "reason"):
            if extra in written:
                self.wrong(key, f"`{name}` has a source, so `{extra}` has no place there")
        return Fact(name, value, source=self.word(written, "source", name))

    def _assumed(self, written: Mapping[str, Any], key: str, name: str,
                 value: float | str | tuple[float, ...]) -> Fact:
        if "source" in written:
            self.wrong(key, f"`{name}` is assumed, so `source` has no place there")
        low, high = _plain(written.get("low")), _plain(written.get("high"))
        options = written.get("options", [])
        reason = self.word(written, "reason", name)
        if "low" in written or "high" in written:
            if (isinstance(low, float) and isinstance(high, float) and isinstance(value, float)
                    and low <= value <= high):
                return Fact(name, value, reason=reason, low=low, high=high)
            self.wrong(key, f"`{name}`: low <= value <= high must hold, all three numbers")
        if not isinstance(options, list) or (options and value not in options):
            self.wrong(key, f"`{name}.options` must be a list that has its value")
            options = []
        return Fact(name, value, reason=reason, options=tuple(map(str, options)))

    def cells(self, table: dict[str, Any]) -> tuple[str, dict[str, Fact]]:
        self.known(table, ("therapy", *_CELLS), "cells.")
        therapy = self.word(table, "therapy", "cells")
        facts = {key: self.fact(table, key, f"{therapy}.{key}", kind) for key, kind in _CELLS.items()}
        return therapy, {key: fact for key, fact in facts.items() if fact is not None}

    def drug(self, table: dict[str, Any]) -> ArmTreatment:
        self.known(table, ("therapy", "words", "source", "regimen"), "background.")
        therapy = self.word(table, "therapy", "background")
        regimen = self.fact(table, "regimen", f"{therapy}.regimen", str)
        return ArmTreatment(therapy, self.word(table, "words", "background"),
                            self.word(table, "source", "background"), facts=(regimen,) if regimen else ())

    def criterion(self, table: dict[str, Any]) -> EntryCriterion | None:
        self.known(table, ("condition", "words", "source"), "entry.")
        written = self.word(table, "condition", "entry")
        try:
            condition = parse(written, self.file)
        except StromaError as error:
            self.problems.extend(error)
            return None
        if not condition.condition:
            self.wrong("condition", f"the entry criterion `{written}` is a number, not a condition")
        return EntryCriterion(condition, self.word(table, "words", "entry"),
                              self.word(table, "source", "entry"))

    def intervention(self, table: dict[str, Any]) -> tuple[str, str]:
        self.known(table, ("words", "therapy", "source"), "intervention.")
        words, therapy, _ = (self.word(table, key, "intervention") for key in ("words", "therapy", "source"))
        return words, therapy

    def rule(self, table: dict[str, Any]) -> tuple[str, OutcomeRule]:
        self.known(table, ("measure", *_DECIDES, "not_simulated", "source", "day", "chosen"), "outcome.")
        measure, day = self.word(table, "measure", "outcome"), _plain(table.get("day"))
        chosen = table.get("chosen", False)
        if not isinstance(chosen, bool):
            self.wrong("chosen", f"`outcome.chosen` must be true or false, not {chosen!r}")
        if "not_simulated" in table:
            return measure, OutcomeRule("", self.word(table, "not_simulated", "outcome"))
        if "day" in table and not (isinstance(day, float) and day > 0):
            self.wrong("day", f"`outcome.day` must be a day after 0, not {table['day']!r}")
        given = [key for key in _DECIDES if key in table]
        if len(given) != 1:
            self.wrong("outcome", f"the outcome `{measure}` needs one of {', '.join(_DECIDES)}, not "
                                  f"{' and '.join(given) or 'none'}")
        decides = {key: self.word(table, key, "outcome") if key in given else "" for key in _DECIDES}
        return measure, OutcomeRule(source=self.word(table, "source", "outcome"), chosen=chosen is True,
                                    day=day if isinstance(day, float) else None, **decides)


def _plain(value: object) -> float | str | tuple[float, ...] | None:
    """Return a number, a word or a list of numbers as a fact holds it; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        parts = [_plain(part) for part in value]
        numbers = tuple(part for part in parts if isinstance(part, float))
        return numbers if numbers and len(numbers) == len(parts) else None
    return value if isinstance(value, str) else None
