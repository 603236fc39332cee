"""The run folder: report, tables and manifest of one forecast, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from stroma import __version__
from stroma.calibration.prediction import Forecast
from stroma.detail.look import Detail
from stroma.notice import NOTICE
from stroma.report.adam import adam_tables, labelled
from stroma.report.detail_output import detail_tables
from stroma.report.json_output import forecast_object
from stroma.report.page import report_page
from stroma.report.run_tables import TYPED, csv_bytes, parquet_bytes, run_tables
from stroma.report.whole_folder import versions, write_whole


@dataclass(frozen=True)
class RunRecord:
    """How a forecast was made, beside what it says.

    Parameters
    ----------
    command : str
        What was typed.
    wall_s : float
        Seconds the forecast took.
    """

    command: str
    wall_s: float


def run_name(found: Forecast, detail: Detail | None = None) -> str:
    """Return ``<record>-<hash>``; the hash changes with any number, setting, model, posterior or version."""
    content = {"forecast": forecast_object(found, "", detail), "settings": asdict(found.settings),
               "stroma": __version__, "model": found.disease.model.content_hash, "pool": found.pool_key}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{found.record}-{digest[:10]}"


def write_run(found: Forecast, runs: Path, made: RunRecord, detail: Detail | None = None,
              subject_data: bool = False) -> Path:
    """Write a run folder; an earlier one of the same name is replaced.

    Parameters
    ----------
    found : Forecast
    runs : Path
        Folder of all runs; made if it is not there.
    made : RunRecord
    detail : Detail, optional
        A closer look, shown in the report and written as tables.
    subject_data : bool
        Whether to write the patients of one simulated trial, which needs ``detail``.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    StromaError
        X003 when it cannot be written; nothing half-written is left.
    """
    name = run_name(found, detail)
    manifest = _manifest(found, made, name)
    files: dict[str, bytes] = {"report.html": report_page(found, manifest, detail).encode()}
    closer = detail_tables(detail, found.disease) if detail else {}
    for table, rows in (run_tables(found) | closer).items():
        files[f"{table}.csv"] = csv_bytes(rows)
        if table in TYPED:
            files[f"{table}.parquet"] = parquet_bytes(rows)
    for table, rows in (adam_tables(found.record, detail) if detail and subject_data else {}).items():
        files[f"{table}.csv"], files[f"{table}.parquet"] = csv_bytes(rows), parquet_bytes(rows, labelled(rows))
    return write_whole(runs, name, files, manifest)


def _manifest(found: Forecast, made: RunRecord, name: str) -> dict:
    return {
        "simulated": True, "notice": NOTICE, "run": name, "command": made.command, "wall_s": round(made.wall_s, 1),
        "record": found.record, "disease": found.disease.disease_id, "seed": found.settings.seed,
        "settings": asdict(found.settings),
        "patients": {"eligible_share": round(found.eligible_share, 4),
                     "effective": round(found.effective_patients, 1), "failed": found.failed},
        "delivered_error": asdict(found.checked) | {"kept": found.checked.kept} if found.checked else None,
        "hashes": {"model": found.disease.model.content_hash, "posterior": found.posterior.content_hash,
                   "pool": found.pool_key,
                   **{p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in found.files}},
        "versions": versions(),
        "posterior": dict(found.posterior.manifest),
    }
