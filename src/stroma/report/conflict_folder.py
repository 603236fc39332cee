"""The run folder of a conflict: page, tables and manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stroma import __version__
from stroma.explanation.conflict_parts import Conflict
from stroma.notice import NOTICE
from stroma.report import conflict_words
from stroma.report.conflict_figures import spread_figure, studies_figure
from stroma.report.conflict_output import component_rows, conflict_object, study_rows
from stroma.report.run_folder import RunRecord
from stroma.report.run_tables import csv_bytes
from stroma.report.whole_folder import versions, write_whole

TEMPLATE = "conflict.html.j2"


def write_conflict(found: Conflict, runs: Path, made: RunRecord) -> Path:
    """Write the run folder ``conflict-<disease>-<hash>``.

    Raises
    ------
    StromaError
        X003 when it cannot be written; nothing half-written is left.
    """
    content = {"conflict": conflict_object(found, ""), "model": found.disease.model.content_hash,
               "stroma": __version__}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    name = f"conflict-{found.disease.disease_id}-{digest[:10]}"
    manifest = {
        "simulated": True, "notice": NOTICE, "run": name, "command": made.command, "wall_s": round(made.wall_s, 1),
        "disease": found.disease.disease_id, "settings": asdict(found.settings),
        "effective_draws": round(found.effective, 1), "versions": versions(),
        "hashes": {"model": found.disease.model.content_hash, "posterior": found.posterior.content_hash}}
    files = {"components.csv": csv_bytes(component_rows(found)), "studies.csv": csv_bytes(study_rows(found)),
             "report.html": conflict_page(found, manifest).encode()}
    return write_whole(runs, name, files, manifest)


def conflict_page(found: Conflict, manifest: Mapping[str, Any]) -> str:
    """Return the page: HTML without any outside request."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("stroma", "report"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    drawings = [spread_figure(found), studies_figure(found)] if conflict_words.measured(found) else []
    return environment.get_template(TEMPLATE).render(notice=NOTICE, found=found, manifest=manifest, drawings=drawings,
                                                     words=conflict_words)
