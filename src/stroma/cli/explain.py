"""`stroma explain`: why a published change is what it is, and why studies disagree."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stroma.cli.artefacts import say
from stroma.cli.progress import progress_bar

if TYPE_CHECKING:
    from stroma.engine.ensemble import Backend
    from stroma.explanation.parts import Settings


def explain(
    study: Annotated[str | None, typer.Argument(help="A study of the evidence store, for example liang2010.",
                                                metavar="[STUDY]", show_default=False)] = None,
    conflict: Annotated[str | None, typer.Option("--conflict", metavar="DISEASE", show_default=False,
                                                 help="Why the studies with cells of a disease disagree.")] = None,
    draws: Annotated[int, typer.Option("--draws", help="Parameter draws of the posterior.", min=50)] = 200,
    subjects: Annotated[int, typer.Option("--subjects", help="Patients simulated for each draw.", min=20)] = 50,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same numbers to the byte.", min=0)] = 1,
    workers: Annotated[int | None, typer.Option("--workers", help="Threads; the answer does not depend on it.",
                                                min=1)] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for run folders.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take published changes apart: regression to the mean, drugs, cells, bias, chance; or why studies disagree.

    Raises
    ------
    StromaError
        C063 not exactly one of a study and a disease; E104 an unknown study, C061 nothing to take apart, C060 no
        table of causes; D001 an unknown disease, C062 no arm with cells; C020-C021 the posterior.
    """
    from stroma.engine.cpu import CpuBackend
    from stroma.errors import fail
    from stroma.explanation.parts import Settings

    settings, engine = Settings(draws, subjects, seed), CpuBackend(workers)
    if study is not None and conflict is None:
        _study(study, settings, engine, out, as_json)
    elif conflict is not None and study is None:
        _conflict(conflict, settings, engine, out, as_json)
    else:
        raise fail("C063", "name one study, or one disease with --conflict",
                   hint="stroma explain liang2010; stroma explain --conflict sle")


def _study(study: str, settings: Settings, engine: Backend, out: Path, as_json: bool) -> None:
    from rich.console import Console

    from stroma.explanation.study import explain_study
    from stroma.report.explain_folder import write_explanation
    from stroma.report.explain_output import explanation_json, explanation_view
    from stroma.report.run_folder import RunRecord

    began = time.monotonic()
    with progress_bar(f"explain {study}") as report:
        found = explain_study(study, settings, engine, report)
    folder = write_explanation(found, out, RunRecord(shlex.join(["stroma", *sys.argv[1:]]), time.monotonic() - began))
    if as_json:
        sys.stdout.write(explanation_json(found, str(folder)))
        return
    Console().print(explanation_view(found))
    say(f"report: {folder / 'report.html'}")


def _conflict(disease_id: str, settings: Settings, engine: Backend, out: Path, as_json: bool) -> None:
    from rich.console import Console

    from stroma.disease import load_disease
    from stroma.explanation.conflict import explain_conflict
    from stroma.report.conflict_folder import write_conflict
    from stroma.report.conflict_output import conflict_json, conflict_view
    from stroma.report.run_folder import RunRecord

    began = time.monotonic()
    with progress_bar(f"explain --conflict {disease_id}") as report:
        found = explain_conflict(load_disease(disease_id), settings, engine, report)
    folder = write_conflict(found, out, RunRecord(shlex.join(["stroma", *sys.argv[1:]]), time.monotonic() - began))
    if as_json:
        sys.stdout.write(conflict_json(found, str(folder)))
        return
    Console().print(conflict_view(found))
    say(f"report: {folder / 'report.html'}")
