"""Antimony files gathered into one text whose every line still knows its file.

The text checks here catch what stock Antimony accepts in silence: a number in an equation, a second
definition of one name, a reaction without a name, a model instance with unconnected ports.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from stroma.errors import Problems, nearest

IMPORT = re.compile(r'^\s*import\s+"([^"]+)"\s*$')
HEADER = re.compile(r"^(\s*model\s+\*?(\w+)\s*\(([^)]*)\))")
_NUMBER = re.compile(r"(?<![\w.])(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)(?![\w.])")
DEFINITION = re.compile(r"^\s*(\w+)\s*('|:)?=(?!=)")
INSTANCE = re.compile(r"^\s*(\w+)\s*:\s*(\w+)\s*\(([^)]*)\)\s*;?\s*$")
_REACTION = re.compile(r"(->|=>)")
_UNIT = re.compile(r"(?<!\w)(\w+)\s+has\s+(\w+)")
ALLOWED_NUMBERS = {"0", "1", "2"}


@dataclass(frozen=True)
class Line:
    """One line of model text and where it stands."""

    file: Path
    number: int
    raw: str

    @property
    def code(self) -> str:
        """Return the line without its comment."""
        return self.raw.split("//", 1)[0]


@dataclass(frozen=True)
class ModelText:
    """A model and everything it imports, main file last; ``missing`` are modules whose file is not there."""

    name: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...] = ()

    def antimony(self, units: dict[str, str]) -> str:
        """Return the text for Antimony, with the unit vocabulary declared in every model.

        Line ``i`` of the result is ``lines[i]``, so that messages can be traced back.
        """
        declared = " ".join(f"unit {name} = {definition};" for name, definition in units.items())
        top = " unit time_unit = 86400 second; unit substance = item; unit extent = item; unit volume = litre;"
        out = []
        for line in self.lines:
            header = HEADER.match(line.code)
            if IMPORT.match(line.code):
                out.append("")
            elif header:
                extra = declared + (top if header[2] == self.name else "")
                out.append(f"{header[1]} {extra}{line.code[header.end():]}")
            else:
                out.append(line.code)
        return "\n".join(out) + "\n"

    def find(self, name: str) -> Line | None:
        """Return the first line that mentions a flattened name (``instance_name`` or a top-level name)."""
        bare = name
        scope: Path | None = None
        for line in self.lines:
            instance = INSTANCE.match(line.code)
            if instance and name.startswith(instance[1] + "_"):
                bare = name[len(instance[1]) + 1:]
                scope = self.file_of(instance[2])
        word = re.compile(rf"(?<!\w){re.escape(bare)}(?!\w)")
        for line in self.lines:
            if (scope is None or line.file == scope) and word.search(line.code):
                return line
        return None

    def file_of(self, module: str) -> Path | None:
        """Return the file that a module stands in."""
        for line in self.lines:
            header = HEADER.match(line.code)
            if header and header[2] == module:
                return line.file
        return None


def gather(path: Path, problems: Problems) -> ModelText:
    """Read a model file and, in order, the modules it imports.

    Parameters
    ----------
    path : Path
        The main ``.ant`` file; imports are relative to the file that names them.
    problems : Problems
        Receives M002 for a module that does not exist.
    """
    lines: list[Line] = []
    done: set[Path] = set()
    missing: list[str] = []
    _gather_into(path.resolve(), lines, done, missing, problems, None)
    name = path.stem
    for line in lines:
        header = HEADER.match(line.code)
        if header and line.file == path.resolve():
            name = header[2]
    return ModelText(name, tuple(lines), tuple(missing))


def _gather_into(path: Path, lines: list[Line], done: set[Path], missing: list[str], problems: Problems,
                 importer: Line | None) -> None:
    if path in done:
        return
    done.add(path)
    if not path.is_file():
        options = [p.stem for p in path.parent.glob("*.ant")] if path.parent.is_dir() else []
        missing += [path.stem, *get_close_matches(path.stem, options, n=1)]
        problems.add("M002", f"no model text `{path.name}`", file=importer.file if importer else path,
                     line=importer.number if importer else None, text=importer.raw if importer else "",
                     hint=nearest(path.stem, options))
        return
    own = [Line(path, i, raw) for i, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
    for line in own:
        found = IMPORT.match(line.code)
        if found:
            _gather_into((path.parent / found[1]).resolve(), lines, done, missing, problems, line)
    lines.extend(own)


def ports_of(text: ModelText) -> dict[str, list[str]]:
    """Return the ports of every module of a text, in order."""
    headers = (HEADER.match(line.code) for line in text.lines)
    return {h[2]: [p for p in h[3].replace(" ", "").split(",") if p] for h in headers if h}


def check_text(text: ModelText, units: Collection[str], problems: Problems) -> None:
    """Add every textual problem: M003 number, M004 second definition, M005 unnamed flux, M006 ports, M015 unit."""
    ports = ports_of(text)
    defined: dict[tuple[Path, str, str], int] = {}
    for line in text.lines:
        if IMPORT.match(line.code) or HEADER.match(line.code):
            continue
        instance = INSTANCE.match(line.code)
        if instance:
            if instance[2] not in text.missing:  # told where it is imported
                _check_instance(line, instance[2], instance[3], ports, problems)
            continue
        for number in _NUMBER.findall(line.code):
            if number not in ALLOWED_NUMBERS:
                problems.add("M003", f"number {number} in model text", file=line.file, line=line.number,
                             text=line.raw, hint="declare a symbol and give it a row in parameters.csv")
        for name, unit in _UNIT.findall(line.code):
            if unit not in units:
                problems.add("M015", f"unknown unit `{unit}` of `{name}`", file=line.file, line=line.number,
                             text=line.raw, hint=nearest(unit, units))
        for statement in line.code.split(";"):
            _check_statement(line, statement, defined, problems)


def _check_instance(line: Line, module: str, given: str, ports: dict[str, list[str]],
                    problems: Problems) -> None:
    connected = [p for p in given.replace(" ", "").split(",") if p]
    if module not in ports:
        problems.add("M006", f"no module `{module}` is imported", file=line.file, line=line.number,
                     text=line.raw, hint=nearest(module, ports))
    elif len(connected) != len(ports[module]):
        problems.add("M006", f"`{module}` has {len(ports[module])} ports, {len(connected)} are connected",
                     file=line.file, line=line.number, text=line.raw, hint="ports: " + ", ".join(ports[module]))


def _check_statement(line: Line, statement: str, defined: dict[tuple[Path, str, str], int],
                     problems: Problems) -> None:
    if _REACTION.search(statement) and ":" not in statement.split("=>")[0].split("->")[0]:
        problems.add("M005", "a reaction without a name", file=line.file, line=line.number, text=line.raw,
                     hint="write `name: a => b; rate`")
        return
    found = DEFINITION.match(statement)
    if not found:
        return
    key = (line.file, found[1], found[2] or "initial")
    if key in defined:
        problems.add("M004", f"`{found[1]}` is defined twice", file=line.file, line=line.number,
                     text=line.raw, hint=f"first definition: line {defined[key]}")
    defined[key] = line.number
