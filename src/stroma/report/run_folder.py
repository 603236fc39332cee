"""The run folder: report, tables and manifest of one forecast, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stroma import __version__
from stroma.calibration.prediction import Forecast
from stroma.detail.look import Detail
from stroma.errors import EXIT_ENVIRONMENT, fail
from stroma.notice import NOTICE
from stroma.report.adam import adam_tables, labelled
from stroma.report.detail_output import detail_tables
from stroma.report.json_output import forecast_object
from stroma.report.page import report_page
from stroma.report.run_tables import TYPED, csv_bytes, parquet_bytes, run_tables

PACKAGES = ("numpy", "scipy", "pyarrow", "matplotlib", "jinja2", "llvmlite", "antimony", "python-libsbml")


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
    final = runs / run_name(found, detail)
    part: Path | None = None
    try:
        runs.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=runs))
        _fill(part, found, made, final.name, detail, subject_data)
        part.chmod(0o755)
        _put_in_place(part, final)
    except OSError as error:
        raise fail("X003", f"cannot write into {runs}: {error.strerror}", hint="choose another folder with --out",
                   exit_code=EXIT_ENVIRONMENT) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return final


def _put_in_place(part: Path, final: Path) -> None:
    if not final.exists():
        part.rename(final)
        return
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    final.rename(old)
    part.rename(final)
    shutil.rmtree(old)


def _fill(folder: Path, found: Forecast, made: RunRecord, name: str, detail: Detail | None,
          subject_data: bool) -> None:
    files: dict[str, bytes] = {}
    closer = detail_tables(detail, found.disease) if detail else {}
    for table, rows in (run_tables(found) | closer).items():
        files[f"{table}.csv"] = csv_bytes(rows)
        if table in TYPED:
            files[f"{table}.parquet"] = parquet_bytes(rows)
    for table, rows in (adam_tables(found.record, detail) if detail and subject_data else {}).items():
        files[f"{table}.csv"], files[f"{table}.parquet"] = csv_bytes(rows), parquet_bytes(rows, labelled(rows))
    manifest = _manifest(found, made, name)
    files["report.html"] = report_page(found, manifest, detail).encode()
    manifest["files"] = {n: hashlib.sha256(content).hexdigest() for n, content in sorted(files.items())}
    files["manifest.json"] = (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
    for file, content in files.items():
        (folder / file).write_bytes(content)


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
        "versions": {"stroma": __version__, "python": platform.python_version(),
                     **{p: _installed(p) for p in PACKAGES}},
        "posterior": dict(found.posterior.manifest),
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
