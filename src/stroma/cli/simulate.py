"""`stroma simulate`: one patient through the model, with or without therapies."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stroma.cli.artefacts import print_json, print_table, say, write_files
from stroma.notice import NOTICE

if TYPE_CHECKING:
    from stroma.cli.one_subject import OneSubject
    from stroma.disease import Disease

_UNIT = {"mL_per_min_1_73m2": "mL/min/1.73 m²", "iu_per_mL": "IU/mL", "score_0_105": "points, 0 to 105"}


def simulate(
    disease: Annotated[
        str, typer.Argument(help="A disease of the library, for example sle.", metavar="DISEASE")
    ],
    population: Annotated[
        str,
        typer.Option(
            "--population", help="Who the patient is; by default the first population of the disease."
        ),
    ] = "",
    therapy: Annotated[
        list[str] | None, typer.Option("--therapy", help="A therapy of the library. Repeatable.")
    ] = None,
    dose: Annotated[
        str, typer.Option("--dose", help="Cells of one infusion: 1e6/kg, 2e8 or 1e6/kg@day0,7.")
    ] = "",
    days: Annotated[float, typer.Option("--days", help="How long.", min=1.0)] = 365.0,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same patient, same noise.", min=0)] = 1,
    subject: Annotated[int, typer.Option("--subject", help="Number of the patient.", min=0)] = 0,
    backend: Annotated[str, typer.Option("--backend", help="cpu, reference or roadrunner.")] = "cpu",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the figure and the table.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate one patient untreated and, with --therapy, treated; print the visits and draw a figure.

    Raises
    ------
    StromaError
        D001, D010, T205, U004, U005 and what the engine says.
    """
    from stroma.cli.one_subject import simulate_one
    from stroma.cli.subject_figure import draw_subject, figure_files
    from stroma.disease import load_disease
    from stroma.trial.given import given_therapies

    therapies = given_therapies(therapy or [], dose)
    loaded = load_disease(disease)
    one = simulate_one(
        loaded, population or loaded.config["populations"][0], therapies, days, seed, subject, backend
    )
    folder = out or Path("runs") / f"simulate_{disease}_seed{seed}_subject{subject}"
    labels = _labels(loaded, one)
    files = figure_files(draw_subject(one, labels), "subject") | {"visits.csv": _csv(one, labels)}
    write_files(folder, files)
    if as_json:
        print_json(_object(one, labels, folder))
    else:
        _print_table(one, labels)
        say(f"Parameters: {one.values}.")
        say(f"Figure and table: {folder}/subject.png, subject.svg, visits.csv. {NOTICE}.")


def _labels(disease: Disease, one: OneSubject) -> dict[str, tuple[str, str]]:
    """Return quantity -> (title with unit, model output) of what is shown: scales, then one a model output."""
    from stroma.library import library_root
    from stroma.tables import Column, read_table

    text = Column(required=True)
    rows = read_table(
        library_root() / "vocabulary" / "quantities.csv",
        {"quantity": text, "unit": text, "meaning": text},
        "X002",
        key=("quantity",),
    )
    titles = {row.text("quantity"): f"{row.text('meaning')}\n{_written(row.text('unit'))}" for row in rows}
    scales = [row.text("outcome_id") for row in disease.scales if row.text("outcome_id") in disease.measures]
    shown = {name: (titles.get(name, name), "") for name in scales}
    for row in disease.observables:
        name, output = row.text("outcome_id"), row.text("formula")
        if row.text("noise") != "none" and output not in {formula for _, formula in shown.values()}:
            shown[name] = (titles.get(name, name), output)
    if "sledai_2k" in one.courses[0].measured:
        shown["sledai_2k"] = (titles["sledai_2k"], "")
    return shown


def _written(unit: str) -> str:
    """Return a unit of the vocabulary as people write it."""
    return _UNIT.get(unit, unit.replace("_per_", "/"))


def _rows(one: OneSubject, labels: dict[str, tuple[str, str]]) -> list[tuple[str, float, list[float]]]:
    return [
        (course.arm, float(day), [float(course.measured[name][i]) for name in labels])
        for course in one.courses
        for i, day in enumerate(one.visit_day)
    ]


def _csv(one: OneSubject, labels: dict[str, tuple[str, str]]) -> bytes:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["arm", "visit_day", *labels, "status"])
    for arm, day, values in _rows(one, labels):
        writer.writerow([arm, day, *values, NOTICE])
    return target.getvalue().encode()


def _object(one: OneSubject, labels: dict[str, tuple[str, str]], folder: Path) -> dict:
    courses = [
        {"arm": c.arm, "therapies": list(c.therapies), "measured": {n: c.measured[n] for n in labels}}
        for c in one.courses
    ]
    return {
        "disease": one.disease_id,
        "simulated": True,
        "notice": NOTICE,
        "population": one.population,
        "seed": one.seed,
        "subject": one.subject,
        "backend": one.backend,
        "parameters": one.values,
        "covariates": dict(one.covariates),
        "visit_day": one.visit_day,
        "courses": courses,
        "run_folder": str(folder),
    }


def _print_table(one: OneSubject, labels: dict[str, tuple[str, str]]) -> None:
    from rich.table import Table

    table = Table(
        title=f"{one.disease_id}: one patient as measured at visits. {NOTICE}.", title_justify="left"
    )
    for heading in ("arm", "day", *labels):
        table.add_column(heading, justify="left" if heading == "arm" else "right", no_wrap=True)
    before = ""
    for arm, day, values in _rows(one, labels):
        if before and arm != before:
            table.add_section()
        table.add_row("" if arm == before else arm, f"{day:g}", *(f"{value:.3g}" for value in values))
        before = arm
    print_table(table)
