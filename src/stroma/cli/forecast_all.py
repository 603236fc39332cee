"""`stroma forecast --all`: every record of the registry on one page."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stroma.cli.artefacts import say
from stroma.cli.progress import Report, progress_bar

if TYPE_CHECKING:
    from stroma.calibration.prediction import Settings
    from stroma.report.all_records import Card

STEPS = 100
"""How finely the bar counts within a record."""


def forecast_all(sizes: Settings, fit: str, workers: int | None, out: Path, as_json: bool) -> None:
    """Forecast every record, write each one's run folder and the page of all, and print table or JSON."""
    from rich.console import Console

    from stroma.library import library_root
    from stroma.report.all_records import all_json, all_view, write_all

    began, cards = time.monotonic(), []
    records = sorted(p.stem for p in (library_root() / "registry").glob("NCT*.json"))
    with progress_bar("forecast --all") as report:
        for number, record in enumerate(records):
            cards.append(_card(record, sizes, fit, workers, out, _within(report, number, len(records))))
            report("records", (number + 1) * STEPS, len(records) * STEPS)
    command = shlex.join(["stroma", *sys.argv[1:]])
    page = write_all(cards, out, command, time.monotonic() - began)
    if as_json:
        sys.stdout.write(all_json(cards))
        return
    Console().print(all_view(cards))
    say(f"page: {page}")


def _within(report: Report, number: int, records: int) -> Report:
    """Return a report that moves the one bar of all records as far as a record has come."""
    return lambda stage, done, total: report("records", number * STEPS + min(STEPS - 1, STEPS * done // max(total, 1)),
                                             records * STEPS)


def _card(record: str, sizes: Settings, fit: str, workers: int | None, out: Path, report: Report) -> Card:
    """Forecast one record and write its run folder; an error of the record becomes its card."""
    from stroma.calibration.arm_pools import SolvedArms
    from stroma.calibration.forecast import forecast_trial, read_registered
    from stroma.calibration.posterior import choose_posterior
    from stroma.detail.look import look_closer
    from stroma.engine.backends import watched
    from stroma.engine.cpu import CpuBackend
    from stroma.errors import StromaError
    from stroma.report.all_records import Card
    from stroma.report.run_folder import RunRecord, write_run

    began, title = time.monotonic(), ""
    try:
        trial = read_registered(record)
        title = trial.title
        machine, solved = watched(CpuBackend(workers)), SolvedArms()
        found = forecast_trial(trial, sizes, machine, report, (), choose_posterior(trial.disease, fit), solved)
        detail = look_closer(found, machine, solved)
    except StromaError as error:
        return Card(record, title, reason=error)
    command = shlex.join(["stroma", "forecast", record, *[a for a in sys.argv[2:] if a not in ("--all", "--json")]])
    return Card(record, title, found, write_run(found, out, RunRecord(command, time.monotonic() - began), detail))
