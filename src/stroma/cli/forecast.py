"""`stroma forecast` and `stroma predict`: a registry record, or a study of one's own, in; an honest forecast out."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stroma.cli.artefacts import say, warn
from stroma.cli.forecast_all import forecast_all
from stroma.cli.progress import Report, progress_bar

if TYPE_CHECKING:
    from stroma.calibration.forecast import Trial
    from stroma.calibration.prediction import Forecast
    from stroma.calibration.what_if import Asked
    from stroma.detail.look import Detail
    from stroma.disease import Disease

Draws = Annotated[int, typer.Option("--draws", help="Parameter draws of the posterior.", min=50)]
Subjects = Annotated[int, typer.Option("--subjects", help="Patients simulated for each draw.", min=20)]
Trials = Annotated[int, typer.Option("--trials", help="Replicated trials.", min=100)]
Seed = Annotated[int, typer.Option("--seed", help="Same seed, same forecast to the byte.", min=0)]
Workers = Annotated[int | None, typer.Option("--workers", help="Threads; the answer does not depend on it.", min=1)]
Out = Annotated[Path, typer.Option("--out", help="Folder for run folders.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Fit = Annotated[str, typer.Option("--fit", help="Posterior: `current` or `before:DATE`; by default the retrospective "
                                                "one that the library ships.")]
WhatIf = Annotated[list[str] | None, typer.Option(
    "--what-if", help="A scenario beside the trial: dose=2e6/kg, \"doses=day 0, 7\", thawed, donor=autologous, "
                      "population=refractory, without=THERAPY, n=60; several changes joined by `;`. Repeatable.")]
Set = Annotated[list[str] | None, typer.Option(
    "--set", help="PARAMETER=VALUE; all of them together make one scenario. Repeatable.")]
Ready = Annotated[list[str] | None, typer.Option(
    "--scenario", help="A ready comparison of library/scenarios, with what was claimed of it. Repeatable.")]

Uncertainty = Annotated[bool, typer.Option(
    "--uncertainty", help="Take the variance of the primary outcome apart, by source and by parameter (seconds more).")]
SubjectData = Annotated[bool, typer.Option(
    "--subject-data", help="Write the patients of one simulated trial as CSV and Parquet with ADaM names.")]


def forecast(
    record: Annotated[str, typer.Argument(help="A registry id, for example NCT01539902.", metavar="RECORD")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every record of the library, on one page.")] = False,
    dose: Annotated[str | None, typer.Option("--dose", help="Cells of one infusion: 1e6/kg, 2e8 or 1e6/kg@day0,7."
                                             )] = None,
    what_if: WhatIf = None,
    scenario: Ready = None,
    set_: Set = None,
    fit: Fit = "",
    uncertainty: Uncertainty = False,
    subject_data: SubjectData = False,
    draws: Draws = 800,
    subjects: Subjects = 80,
    trials: Trials = 2000,
    seed: Seed = 1,
    workers: Workers = None,
    out: Out = Path("runs"),
    as_json: Json = False,
) -> None:
    """Forecast a registered trial, or with --all every one, and show the published result beside it.

    Raises
    ------
    StromaError
        T080-T082, C080, C081 kinds of outcome and of questions, E401-E404 the record, T201-T208 the design,
        T221-T223 scenarios, C020-C022 the posterior, S051 failed patients.
    """
    from stroma.calibration.arm_pools import SolvedArms
    from stroma.calibration.forecast import forecast_trial, read_registered
    from stroma.calibration.posterior import choose_posterior
    from stroma.calibration.prediction import Settings
    from stroma.detail.look import look_closer
    from stroma.engine.backends import watched
    from stroma.engine.cpu import CpuBackend
    from stroma.errors import fail
    from stroma.trial.dose import parse_dose

    given = parse_dose(dose) if dose else None
    sizes = Settings(draws, subjects, trials, seed)
    alone = bool(dose or what_if or scenario or set_ or uncertainty or subject_data)
    if every == bool(record) or (every and alone):
        raise fail("T082", "`--all` takes no RECORD and none of one trial's own questions" if every
                   else "which trial? no RECORD is given",
                   hint="stroma forecast --all, or stroma forecast NCT01539902", exit_code=2)
    if every:
        forecast_all(sizes, fit, workers, out, as_json)
        return

    def run(report: Report) -> tuple[Forecast, Detail]:
        trial: Trial = read_registered(record, given)
        asked = _asked(trial.disease, what_if or [], set_ or [], scenario or [])
        machine, solved = watched(CpuBackend(workers)), SolvedArms()
        found = forecast_trial(trial, sizes, machine, report, asked, choose_posterior(trial.disease, fit), solved)
        return found, look_closer(found, machine, solved, uncertainty)

    _hand_over(f"forecast {record}", run, out, as_json, subject_data)


def predict(
    study: Annotated[Path, typer.Argument(help="A study file; `stroma new study` writes one.", metavar="STUDY.toml")],
    what_if: WhatIf = None,
    scenario: Ready = None,
    set_: Set = None,
    fit: Fit = "",
    uncertainty: Uncertainty = False,
    subject_data: SubjectData = False,
    draws: Draws = 800,
    subjects: Subjects = 80,
    trials: Trials = 2000,
    seed: Seed = 1,
    workers: Workers = None,
    out: Out = Path("runs"),
    as_json: Json = False,
) -> None:
    """Predict a study of your own, as `stroma forecast` does a registered trial.

    Raises
    ------
    StromaError
        T230-T231 the study, T208, T221-T223 scenarios, C020-C022 the posterior,
        S051 failed patients.
    """
    from stroma.calibration.arm_pools import SolvedArms
    from stroma.calibration.forecast import forecast_trial, read_own
    from stroma.calibration.posterior import choose_posterior
    from stroma.calibration.prediction import Settings
    from stroma.detail.look import look_closer
    from stroma.engine.backends import watched
    from stroma.engine.cpu import CpuBackend

    trial = read_own(study)
    warn(trial.warnings)

    def run(report: Report) -> tuple[Forecast, Detail]:
        asked = _asked(trial.disease, what_if or [], set_ or [], scenario or [])
        sizes, machine = Settings(draws, subjects, trials, seed), watched(CpuBackend(workers))
        solved = SolvedArms()
        found = forecast_trial(trial, sizes, machine, report, asked, choose_posterior(trial.disease, fit), solved)
        return found, look_closer(found, machine, solved, uncertainty)

    _hand_over(f"predict {study.name}", run, out, as_json, subject_data)


def _hand_over(title: str, run: Callable[[Report], tuple[Forecast, Detail]], out: Path, as_json: bool,
               subject_data: bool) -> None:
    """Run, write the run folder, and print JSON or the view for people."""
    from rich.console import Console

    from stroma.calibration.freshness import stale_words
    from stroma.report.json_output import forecast_json
    from stroma.report.run_folder import RunRecord, write_run
    from stroma.report.terminal import forecast_view
    from stroma.report.uncertainty_view import uncertainty_lines

    began = time.monotonic()
    with progress_bar(title) as report:
        found, detail = run(report)
    warn(stale_words(found.disease, found.posterior))
    made = RunRecord(shlex.join(["stroma", *sys.argv[1:]]), time.monotonic() - began)
    folder = write_run(found, out, made, detail, subject_data)
    if as_json:
        sys.stdout.write(forecast_json(found, str(folder), detail))
        return
    Console().print(forecast_view(found))
    if detail.uncertainty:
        Console().print("\n".join(uncertainty_lines(detail.uncertainty)), highlight=False)
    say(f"report: {folder / 'report.html'}")


def _asked(disease: Disease, what_if: list[str], set_: list[str], ready: list[str]) -> list[Asked]:
    """Read every scenario; all problems of all of them at once."""
    from stroma.calibration.what_if import Asked
    from stroma.errors import Problems, StromaError
    from stroma.trial.changes import read_scenario
    from stroma.trial.ready import read_ready

    problems, asked = Problems(), []
    joined = "; ".join(set_)
    for text in [*what_if, *([joined] if set_ else [])]:
        try:
            asked.append(Asked(read_scenario(text, disease)))
        except StromaError as error:
            problems.extend(error)
    for name in ready:
        try:
            one = read_ready(name, disease)
        except StromaError as error:
            problems.extend(error)
            continue
        asked += [Asked(s, one.claims, f"{one.title}. {one.note}") for s in one.scenarios]
    problems.raise_if_any()
    return asked
