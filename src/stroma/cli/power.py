"""`stroma power`: how large a trial must be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stroma.cli.artefacts import warn
from stroma.cli.forecast import Draws, Fit, Json, Seed, Subjects, Trials, Workers
from stroma.cli.progress import progress_bar


def power(
    record: Annotated[str, typer.Argument(help="A registry id, or a study file ending in .toml.", metavar="RECORD")],
    sizes: Annotated[str, typer.Option("--n", help="Patients in all, for example 18,60,120,240.")],
    ratio: Annotated[str, typer.Option("--ratio", help="Of the arms, in the trial's order, for example 1:1; by "
                                                       "default as planned.")] = "",
    estimand: Annotated[str, typer.Option("--estimand", help="composite (rescue is failure) or treatment-policy.")
                        ] = "composite",
    fit: Fit = "",
    draws: Draws = 800,
    subjects: Subjects = 80,
    trials: Trials = 4000,
    seed: Seed = 1,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Tell what trials of several sizes would show; the patients are simulated once.

    Raises
    ------
    StromaError
        T224 sizes, ratio or estimand; E401-E404 the record, T201-T208, T230-T231 the design, C020-C022 the posterior.
    """
    from rich.console import Console

    from stroma.calibration.forecast import read_own, read_registered
    from stroma.calibration.freshness import stale_words
    from stroma.calibration.how_large import how_large, read_question
    from stroma.calibration.posterior import choose_posterior
    from stroma.calibration.prediction import Settings
    from stroma.engine.backends import watched
    from stroma.engine.cpu import CpuBackend
    from stroma.report.power_view import power_json, power_view

    question = read_question(sizes, ratio, estimand)
    trial = read_own(Path(record)) if record.endswith(".toml") else read_registered(record)
    warn(trial.warnings)
    with progress_bar(f"power {record}") as report:
        sizes_of, machine = Settings(draws, subjects, trials, seed), watched(CpuBackend(workers))
        found = how_large(trial, question, sizes_of, machine, report, choose_posterior(trial.disease, fit))
    warn(stale_words(trial.disease, found.posterior))
    if as_json:
        sys.stdout.write(power_json(found))
        return
    Console().print(power_view(found))
