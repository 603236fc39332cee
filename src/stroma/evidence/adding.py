"""Adding to the store: a file with anything wrong loads nothing, and nothing stored is ever lost.

New rows are appended to a copy of the tables, the copy is checked as a whole, every problem is told in the
user's own file and line, and only a copy without problems takes the place of the tables.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stroma.errors import Diagnostic, Problems, StromaError, fail, nearest
from stroma.evidence.checks import check_evidence
from stroma.evidence.contracts import table_columns
from stroma.evidence.records import Evidence
from stroma.evidence.registrations import MappedRecord, map_record
from stroma.evidence.store import load_evidence
from stroma.evidence.vocabulary import load_vocabulary

_ADDABLE = ("studies.csv", "arms.csv", "outcomes.csv", "risk_of_bias.csv", "registrations.csv")
_FIRST_ROW = re.compile(r"first row: line (\d+)")
_SECTIONS = {
    "study": "studies.csv",
    "arm": "arms.csv",
    "outcome": "outcomes.csv",
    "risk_of_bias": "risk_of_bias.csv",
}


@dataclass(frozen=True)
class NewRow:
    """One row to add: its table, its cells by column, and where the user wrote it."""

    table: str
    cells: Mapping[str, str]
    line: int


@dataclass(frozen=True)
class Added:
    """How many rows each table gained."""

    rows: Mapping[str, int]
    evidence: Evidence


def add_study(path: Path, root: Path, write: bool = True) -> Added:
    """Add one study, described in a TOML file, to the store.

    The file has one ``[study]``, and any number of ``[[arm]]``, ``[[outcome]]`` and ``[[risk_of_bias]]``,
    with the columns of the tables as keys. ``study_id`` is written once, in ``[study]``; an arm is named by
    ``arm``, and its id becomes ``study_id.arm``.

    Parameters
    ----------
    path : Path
        The TOML file.
    root : Path
        The library's folder.
    write : bool
        False checks only.

    Raises
    ------
    StromaError
        E130 for an unreadable file, E131 for an unknown key, else what the checks of the store find; every
        problem at once, with the line in ``path``. Nothing is stored then.
    """
    return _add(_rows_of_toml(path, root), path, root, write)


def import_table(path: Path, root: Path, write: bool = True) -> Added:
    """Add the rows of a CSV file that has exactly the columns of one table of the store.

    Raises
    ------
    StromaError
        E130 for an unreadable file or a header that fits no table, else what the checks of the store find;
        every problem at once, with the line in ``path``. Nothing is stored then.
    """
    return _add(_rows_of_csv(path, root), path, root, write)


def import_record(path: Path, root: Path, write: bool = True) -> tuple[Added, MappedRecord]:
    """Store a registration downloaded from ClinicalTrials.gov (API v2, JSON) with its link to a report.

    Returns
    -------
    tuple of Added and MappedRecord
        The row of ``registrations.csv`` that was added, and the record in the words of the store with
        everything that could not be mapped.

    Raises
    ------
    StromaError
        E134 when the registration is stored already, E135 when disease, cell source or route cannot be
        mapped; else as :func:`stroma.registry.read_record` and the checks of the store.
    """
    evidence = load_evidence(root)
    mapped = map_record(path, evidence)
    record = mapped.record
    if record.nct_id in evidence.registrations:
        raise fail(
            "E134",
            f"{record.nct_id} is in the store already",
            file=path,
            hint=f"stroma evidence show {record.nct_id}",
        )
    gaps = [
        kind
        for kind, terms in (
            ("disease", mapped.diseases),
            ("cell source", mapped.cell_source),
            ("route", mapped.route),
        )
        if not terms
    ]
    if gaps:
        raise fail(
            "E135",
            f"{record.nct_id}: no known {', '.join(gaps)} in the record",
            file=path,
            hint="add the record's words to vocabulary/registry_words.csv",
        )
    best = mapped.links[0].confidence if mapped.links else "none"
    cells = {
        "nct_id": record.nct_id,
        "title": record.title,
        "status": record.status,
        "disease": mapped.diseases[0],
        "cell_source": "|".join(mapped.cell_source),
        "donor": mapped.donor[0] if len(mapped.donor) == 1 else "mixed" if mapped.donor else "not_stated",
        "route": mapped.route[0] if len(mapped.route) == 1 else "mixed",
        "enrolment": "" if record.enrolment is None else str(record.enrolment),
        "enrolment_type": record.enrolment_type,
        "start_date": record.start,
        "results_posted": "yes" if record.has_results else "no",
        "in_seed3": "no",
        "study_ids": ";".join(link.study_id for link in mapped.links if link.confidence == best),
        "linkage_confidence": best,
        "linkage_reason": mapped.links[0].reason if mapped.links else "no report in the store agrees",
        "country": ";".join(record.countries),
        "source_url": f"https://clinicaltrials.gov/study/{record.nct_id}",
    }
    added = _add([NewRow("registrations.csv", cells, 1)], path, root, write)
    if write:
        target = root / "registry" / f"{record.nct_id}.json"
        if not target.exists():
            shutil.copyfile(path, target)
    return added, mapped


def _rows_of_csv(path: Path, root: Path) -> list[NewRow]:
    if path.suffix.lower() == ".toml":
        raise fail("E130", f"{path.name} is no CSV table", file=path, hint=f"one study: stroma evidence add {path}")
    columns = table_columns(load_vocabulary(root))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise fail("E130", f"cannot read {path.name}: {error}", file=path) from None
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    table = next((name for name in _ADDABLE if set(header) == set(columns[name])), None)
    if table is None or len(header) != len(set(header)):
        closest = max(_ADDABLE, key=lambda name: len(set(header) & set(columns[name])))
        missing = sorted(set(columns[closest]) - set(header))
        extra = sorted(set(header) - set(columns[closest]))
        raise fail(
            "E130",
            f"the header of {path.name} is that of no table",
            file=path,
            line=1,
            hint=f"closest: {closest}; missing {', '.join(missing) or 'nothing'}; "
            f"unknown {', '.join(extra) or 'nothing'}",
        )
    problems, rows = Problems(), []
    for cells in reader:
        if len(cells) == len(header):
            rows.append(NewRow(table, dict(zip(header, cells, strict=True)), reader.line_num))
        elif any(cell.strip() for cell in cells):
            problems.add(
                "E130", f"{len(cells)} cells, the header has {len(header)}", file=path, line=reader.line_num
            )
    problems.raise_if_any()
    return rows


def _rows_of_toml(path: Path, root: Path) -> list[NewRow]:
    if path.suffix.lower() in (".csv", ".json"):
        hint = f"rows of a table, or a registration: stroma evidence import {path}"
        raise fail("E130", f"{path.name} is no TOML file", file=path, hint=hint)
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise fail("E130", f"cannot read {path.name}: {error}", file=path) from None
    problems, columns = Problems(), table_columns(load_vocabulary(root))
    for name in content:
        if name not in _SECTIONS:
            problems.add(
                "E131",
                f"unknown section `{name}`",
                file=path,
                line=_section_line(text, name, 0),
                hint=nearest(name, _SECTIONS),
            )
    study = content.get("study")
    if not isinstance(study, dict) or not isinstance(study.get("study_id"), str):
        raise fail("E131", "no `[study]` with a `study_id`", file=path, line=1)
    study_id = study["study_id"]
    rows = []
    for section, table in _SECTIONS.items():
        entries = [study] if section == "study" else content.get(section, [])
        if not isinstance(entries, list):
            problems.add(
                "E131",
                f"write `[[{section}]]`, not `[{section}]`",
                file=path,
                line=_section_line(text, section, 0),
            )
            continue
        for number, entry in enumerate(entries):
            line = _section_line(text, section, number)
            cells = _with_ids(section, study_id, entry)
            for key in cells:
                if key not in columns[table]:
                    problems.add(
                        "E131",
                        f"unknown key `{key}` in `{section}`",
                        file=path,
                        line=line,
                        hint=nearest(key, columns[table]),
                    )
            rows.append(NewRow(table, {key: cells.get(key, "") for key in columns[table]}, line))
    problems.raise_if_any()
    return rows


def _with_ids(section: str, study_id: str, entry: Mapping[str, object]) -> dict[str, str]:
    cells = {key: _cell(value) for key, value in entry.items()}
    if section in ("arm", "outcome") and "arm" in cells:
        cells["arm_id"] = f"{study_id}.{cells.pop('arm')}"
    if section in ("arm", "risk_of_bias"):
        cells["study_id"] = study_id
    return cells


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ";".join(str(item) for item in value)
    return repr(value) if isinstance(value, float) else str(value)


def _section_line(text: str, section: str, number: int) -> int:
    """Return the line of the ``number``-th header of a section; TOML readers keep no lines."""
    found = [
        index
        for index, line in enumerate(text.splitlines(), 1)
        if re.match(rf"\s*\[\[?\s*{re.escape(section)}\s*\]", line)
    ]
    return found[number] if number < len(found) else 1


def _add(rows: Sequence[NewRow], path: Path, root: Path, write: bool) -> Added:
    if not rows:
        raise fail("E130", f"{path.name} has no rows", file=path)
    store = root / "evidence"
    grown: dict[str, str] = {}
    places: dict[tuple[str, int], int] = {}
    for table in dict.fromkeys(row.table for row in rows):
        grown[table] = _grown(store / table, [row for row in rows if row.table == table], places)
    with tempfile.TemporaryDirectory() as name:
        trial = Path(name)
        for folder in ("vocabulary", "evidence", "registry"):
            if (root / folder).is_dir():
                shutil.copytree(root / folder, trial / folder)
        for table, text in grown.items():
            (trial / "evidence" / table).write_text(text, encoding="utf-8", newline="")
        try:
            evidence = check_evidence(trial)
        except StromaError as error:
            found = _causes(error.diagnostics, rows)
            told = [_told(d, trial, root, path, places) for d in found]
            raise StromaError(sorted(told, key=lambda d: (d.file != path, d.line or 0))) from None
    if write:
        _replace(store, grown)
        evidence = load_evidence(root)
    counts = {table: sum(row.table == table for row in rows) for table in grown}
    return Added(counts, evidence)


def _causes(found: Sequence[Diagnostic], rows: Sequence[NewRow]) -> Sequence[Diagnostic]:
    """Leave out what only follows: a new row that misses another new row, which is wrong itself."""
    own = {f"no study `{row.cells['study_id']}`" for row in rows if row.table == "studies.csv"}
    own |= {f"no arm `{row.cells['arm_id']}`" for row in rows if row.table == "arms.csv"}
    return [d for d in found if not (d.code == "E102" and d.message in own)] or found


def _grown(file: Path, rows: Sequence[NewRow], places: dict[tuple[str, int], int]) -> str:
    """Return the table's text with the rows behind it, and note which line came from where."""
    old = file.read_text(encoding="utf-8")
    if old and not old.endswith("\n"):
        old += "\n"
    header = next(csv.reader(io.StringIO(old)))
    line, parts = old.count("\n"), [old]
    for row in rows:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerow([row.cells.get(name, "") for name in header])
        parts.append(stream.getvalue())
        line += stream.getvalue().count("\n")
        places[file.name, line] = row.line
    return "".join(parts)


def _told(
    found: Diagnostic, trial: Path, root: Path, path: Path, places: Mapping[tuple[str, int], int]
) -> Diagnostic:
    """Move a diagnostic from the copy to the user's file, or to the stored table it is about."""
    if found.file is None:
        return found
    line = None if found.line is None else places.get((found.file.name, found.line))
    if line is not None:
        hint = _FIRST_ROW.sub(lambda first: _first_row(int(first[1]), found.file, places), found.hint)
        return Diagnostic(found.code, found.message, path, line, found.text, hint)
    file = root / found.file.relative_to(trial) if found.file.is_relative_to(trial) else found.file
    return Diagnostic(found.code, found.message, file, found.line, found.text, found.hint)


def _first_row(line: int, table: Path | None, places: Mapping[tuple[str, int], int]) -> str:
    name = "" if table is None else table.name
    own = places.get((name, line))
    return f"first row: line {line} of {name} in the store" if own is None else f"first row: line {own}"


def _replace(store: Path, grown: Mapping[str, str]) -> None:
    """Put the new tables in place: all are written beside the old ones before any takes its place."""
    try:
        for table, text in grown.items():
            (store / f"{table}.new").write_text(text, encoding="utf-8", newline="")
        for table in grown:
            (store / f"{table}.new").replace(store / table)
    except OSError as error:
        for table in grown:
            (store / f"{table}.new").unlink(missing_ok=True)
        raise fail(
            "E133",
            f"cannot write to {store}: {error}",
            file=store,
            hint="copy the library to a folder of your own and set STROMA_LIBRARY to it",
            exit_code=4,
        ) from None
