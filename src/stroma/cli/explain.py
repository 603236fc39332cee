"""`stroma explain`: why a published change is what it is."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from stroma.cli.artefacts import say
from stroma.cli.progress import progress_bar


def explain(
    study: Annotated[str, typer.Argument(help="A study of the evidence store, for example liang2010.",
                                         metavar="STUDY")],
    draws: Annotated[int, typer.Option("--draws", help="Parameter draws of the posterior.", min=50)] = 200,
    subjects: Annotated[int, typer.Option("--subjects", help="Patients simulated for each draw.", min=20)] = 50,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same numbers to the byte.", min=0)] = 1,
    workers: Annotated[int | None, typer.Option("--workers", help="Threads; the answer does not depend on it.",
                                                min=1)] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for run folders.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take the published changes of a study apart: regression to the mean, drugs, cells, bias, chance.

    Raises
    ------
    StromaError
        E104 an unknown study, C061 nothing to take apart, C060 no table of mechanisms, C020-C021 the posterior.
    """
    from rich.console import Console

    from stroma.explanation.study import explain_study
    from stroma.explanation.parts import Settings
    from stroma.engine.cpu import CpuBackend
    from stroma.report.explain_folder import write_explanation
    from stroma.report.explain_output import explanation_json, explanation_view
    from stroma.report.run_folder import RunRecord

    began = time.monotonic()
    with progress_bar(f"explain {study}") as report:
        found = explain_study(study, Settings(draws, subjects, seed), CpuBackend(workers), report)
    folder = write_explanation(found, out, RunRecord(shlex.join(["stroma", *sys.argv[1:]]), time.monotonic() - began))
    if as_json:
        sys.stdout.write(explanation_json(found, str(folder)))
        return
    Console().print(explanation_view(found))
    say(f"report: {folder / 'report.html'}")
