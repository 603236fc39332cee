"""The run folder of an explanation: page, table and manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stroma import __version__
from stroma.explanation.parts import Explanation
from stroma.notice import NOTICE
from stroma.report import explain_words
from stroma.report.explain_output import explanation_object, part_rows
from stroma.report.labels import short
from stroma.report.run_folder import RunRecord
from stroma.report.run_tables import csv_bytes, parquet_bytes
from stroma.report.waterfall import waterfall
from stroma.report.whole_folder import versions, write_whole

TEMPLATE = "explain.html.j2"


def explanation_name(found: Explanation) -> str:
    """Return ``explain-<study>-<hash>``; the hash changes with any number, model, posterior or version."""
    content = {"explanation": explanation_object(found, ""), "model": found.disease.model.content_hash,
               "stroma": __version__}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"explain-{found.study_id}-{digest[:10]}"


def write_explanation(found: Explanation, runs: Path, made: RunRecord) -> Path:
    """Write the run folder of an explanation.

    Raises
    ------
    StromaError
        X003 when it cannot be written; nothing half-written is left.
    """
    name = explanation_name(found)
    rows = part_rows(found)
    files = {"parts.csv": csv_bytes(rows), "parts.parquet": parquet_bytes(rows)}
    manifest = {
        "simulated": True, "notice": NOTICE, "run": name, "command": made.command, "wall_s": round(made.wall_s, 1),
        "study": found.study_id, "disease": found.disease.disease_id, "settings": asdict(found.settings),
        "effective_draws": round(found.effective, 1), "order": found.order, "versions": versions(),
        "hashes": {"model": found.disease.model.content_hash, "posterior": found.posterior.content_hash}}
    files["report.html"] = explanation_page(found, manifest).encode()
    return write_whole(runs, name, files, manifest)


def explanation_page(found: Explanation, manifest: Mapping[str, Any]) -> str:
    """Return the page: HTML without any outside request."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("stroma", "report"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"short": short, "number": explain_words.number, "interval": explain_words.interval}
    shown = [(o, waterfall(o, place)) for place, o in enumerate(found.outcomes, 1)]
    return environment.get_template(TEMPLATE).render(notice=NOTICE, found=found, manifest=manifest, shown=shown,
                                                     words=explain_words)
