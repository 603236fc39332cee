"""`stroma forecast`: a registry record in, an honest forecast out."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from stroma.cli.artefacts import say
from stroma.cli.progress import progress_bar


def forecast(
    record: Annotated[str, typer.Argument(help="A registry id, for example NCT01539902.", metavar="RECORD")],
    dose: Annotated[str | None, typer.Option("--dose", help="Cells of one infusion: 1e6/kg, 2e8 or 1e6/kg@day0,7."
                                             )] = None,
    draws: Annotated[int, typer.Option("--draws", help="Parameter draws of the posterior.", min=50)] = 800,
    subjects: Annotated[int, typer.Option("--subjects", help="Patients simulated for each draw.", min=20)] = 80,
    trials: Annotated[int, typer.Option("--trials", help="Replicated trials.", min=100)] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same forecast to the byte.", min=0)] = 1,
    workers: Annotated[int | None, typer.Option("--workers", help="Threads; the answer does not depend on it.",
                                                min=1)] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for run folders.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Forecast a registered trial and show the published result beside it.

    Raises
    ------
    StromaError
        E401-E404 the record, T201-T207 the design, C020-C021 the posterior, S051 failed patients.
    """
    from rich.console import Console

    from stroma.calibration.forecast import forecast as run
    from stroma.calibration.prediction import Settings
    from stroma.engine.backends import watched
    from stroma.engine.cpu import CpuBackend
    from stroma.report.json_output import forecast_json
    from stroma.report.run_folder import RunRecord, write_run
    from stroma.report.terminal import forecast_view
    from stroma.trial.dose import parse_dose

    began = time.monotonic()
    given = parse_dose(dose) if dose else None
    with progress_bar(f"forecast {record}") as report:
        found = run(record, Settings(draws, subjects, trials, seed), given, watched(CpuBackend(workers)), report)
    folder = write_run(found, out, RunRecord(shlex.join(["stroma", *sys.argv[1:]]), time.monotonic() - began))
    if as_json:
        sys.stdout.write(forecast_json(found, str(folder)))
        return
    Console().print(forecast_view(found))
    say(f"report: {folder / 'report.html'}")
