"""Which names of a model nothing makes: told from the text, so that it is told also where modules are missing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stroma.errors import Problems, nearest
from stroma.model.text import DEFINITION, HEADER, IMPORT, INSTANCE, Line, ModelText, ports_of

_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?![\w.]|\s*\()")
_DECLARED = re.compile(r"^\s*(?:const\s+|var\s+|substanceOnly\s+)*(?:species|compartment|var|const)\s+(.*)$")
_REACTION = re.compile(r"^\s*(?:(\w+)\s*:)?\s*([^:]*?)(?:->|=>)(.*)$")
_FREE = frozenset({"time", "in", "and", "or", "not", "true", "false"})


@dataclass
class _Names:
    """Names of the main model: what makes them, who uses them."""

    made: set[str]
    used: dict[str, tuple[Line, str]] = field(default_factory=dict)
    outputs: dict[str, tuple[Line, str]] = field(default_factory=dict)

    def use(self, text: str, line: Line, port: str = "") -> None:
        for name in _NAME.findall(text):
            if name not in _FREE:
                self.used.setdefault(name, (line, port))


def check_names(text: ModelText, path: Path, rows: Collection[str], problems: Problems) -> set[str]:
    """Add a problem for every name of the main file that nothing makes: M006 at a port, M012 elsewhere.

    Parameters
    ----------
    text : ModelText
    path : Path
        The main file.
    rows : collection of str
        Names that a table gives a value.

    Returns
    -------
    set of str
        The names told.
    """
    names = _Names(set(rows))
    modules = ports_of(text)
    for line in _body(text, path.resolve()):
        instance = INSTANCE.match(line.code)
        if instance:
            _connect(names, text, modules, line, instance[2], [p for p in instance[3].replace(" ", "").split(",") if p])
            continue
        for statement in line.code.split(";"):
            _read(names, statement, line)
    known = names.made | names.outputs.keys()
    told = set()
    for name, (line, at_port) in names.used.items():
        if name in known:
            continue
        told.add(name)
        idle = [o for o in names.outputs if o not in names.used]
        meant = difflib.get_close_matches(name, idle, n=1, cutoff=0.6)
        if meant:
            at, port = names.outputs[meant[0]]
            problems.add("M006", f"{port} makes `{meant[0]}`, which nothing uses", file=at.file, line=at.number,
                         text=at.raw, hint=f"nearest: `{name}`, used in line {line.number}")
        else:
            where = f"{at_port} is given `{name}`" if at_port else f"unknown name `{name}`"
            problems.add("M006" if at_port else "M012", f"{where}: no row, no equation and no port makes it",
                         file=line.file, line=line.number, text=line.raw, hint=nearest(name, known))
    return told


def _body(text: ModelText, path: Path) -> Iterator[Line]:
    """Yield the lines between `model` and `end` of a file, without imports, declared units and the like."""
    inside = False
    for line in text.lines:
        if line.file != path or IMPORT.match(line.code):
            continue
        if HEADER.match(line.code):
            inside = True
        elif line.code.strip() == "end":
            inside = False
        elif inside:
            yield line


def _connect(names: _Names, text: ModelText, modules: dict[str, list[str]], line: Line, module: str,
             given: list[str]) -> None:
    """Take a module's outputs as made and its inputs as used; of a module that is not there nothing is known."""
    ports = modules.get(module)
    if ports is None or len(ports) != len(given):
        names.made.update(given)
        return
    own = [at for at in text.lines if at.file == text.file_of(module)]
    for port, name in zip(ports, given, strict=True):
        words = f"port `{port}` of `{module}`"
        if any(_makes(statement, port) for at in own for statement in at.code.split(";")):
            names.outputs.setdefault(name, (line, words))
        else:
            names.use(name, line, words)


def _makes(statement: str, port: str) -> bool:
    defined, declared, reaction = DEFINITION.match(statement), _DECLARED.match(statement), _REACTION.match(statement)
    return (bool(defined and defined[1] == port) or bool(declared and port in _NAME.findall(declared[1]))
            or bool(reaction and port in _NAME.findall(f"{reaction[2]} {reaction[3]}")))


def _read(names: _Names, statement: str, line: Line) -> None:
    """Read one statement that is no instance: a declaration, a definition, a reaction or the rate after it."""
    declared, reaction, defined = (p.match(statement) for p in (_DECLARED, _REACTION, DEFINITION))
    if declared:
        names.made.update(_NAME.findall(declared[1]))
    elif reaction:
        names.made.update(filter(None, [reaction[1], *_NAME.findall(f"{reaction[2]} {reaction[3]}")]))
    elif defined:
        names.made.add(defined[1])
        names.use(statement[defined.end():], line)
    elif ":" not in statement and not re.search(r"\b(has|is|unit)\b", statement):
        names.use(statement, line)
