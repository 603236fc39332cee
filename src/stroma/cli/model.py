"""`stroma model check|show|export`: the model text of a disease, checked, read, handed on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stroma.cli.artefacts import print_json, print_table, say, write_files

if TYPE_CHECKING:
    from stroma.disease import Disease, Parameter

app = typer.Typer(no_args_is_help=True, help="Check, show or export the model text of a disease.")
DiseaseId = Annotated[
    str, typer.Argument(help="A disease of the library, for example sle.", metavar="DISEASE")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class Format(StrEnum):
    """Formats a model can be exported to."""

    SBML = "sbml"
    ANTIMONY = "antimony"


@app.command("check")
def check(disease: DiseaseId, as_json: AsJson = False) -> None:
    """Check a disease and its therapies; report all problems at once, with file and line.

    Raises
    ------
    StromaError
        M0xx, D0xx: every problem of the folder.
    """
    from stroma.cli.model_check import summarise
    from stroma.disease import load_disease

    found = summarise(load_disease(disease))
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['disease']}: no problems")
    typer.echo(
        f"  {found['states']} states, {found['parameters']} parameters, {found['assignments']} assignments "
        f"({found['fluxes']} of them fluxes between states)"
    )
    typer.echo(f"  units agree in {found['equations_with_units']} equations")
    typer.echo(
        f"  {found['uncertain']} parameters are uncertain; {found['assumed']} of "
        f"{found['parameters_and_population']} model and population parameters are assumed "
        f"({100 * found['assumed_share']:.0f} %)"
    )
    typer.echo(f"  {len(found['switches'])} structural switches: {', '.join(found['switches']) or 'none'}")
    typer.echo(f"  {found['therapies']} therapies fit the model")
    typer.echo(f"  {found['expectations']} expectations and {found['mechanisms']} mechanism terms name what exists")


@app.command("show")
def show(disease: DiseaseId, as_json: AsJson = False) -> None:
    """Show modules, states, equations and every parameter with its source.

    Raises
    ------
    StromaError
        As `stroma model check`.
    """
    from stroma.disease import load_disease

    loaded = load_disease(disease)
    if as_json:
        print_json(_description(loaded))
    else:
        _print_description(loaded)


def _description(disease: Disease) -> dict:
    model = disease.model
    return {
        "disease": disease.disease_id,
        "name": disease.name,
        "modules": _modules(disease),
        "states": [
            {"state": s, "unit": model.units.get(s, ""), "start": str(i), "rate": str(r)}
            for s, i, r in zip(model.states, model.initial, model.rhs, strict=True)
        ],
        "assignments": [
            {"name": n, "unit": model.units.get(n, ""), "is": str(e)} for n, e in model.assignments
        ],
        "parameters": [_parameter(p) for p in disease.parameters.values()],
    }


def _parameter(p: Parameter) -> dict:
    return {
        "parameter": p.parameter_id,
        "scope": p.scope,
        "value": p.value,
        "unit": p.unit,
        "lower": p.lower,
        "upper": p.upper,
        "distribution": p.distribution,
        "spread": p.spread,
        "fitted_in": p.fitted_in,
        "source": p.source,
        "confidence": p.confidence,
        "note": p.note,
    }


def _modules(disease: Disease) -> list[str]:
    return list(dict.fromkeys(line.file.stem for line in disease.loaded.text.lines))


def _print_description(disease: Disease) -> None:
    from rich.table import Table

    model = disease.model
    typer.echo(f"{disease.name} ({disease.disease_id}), model {model.content_hash}")
    typer.echo("modules: " + ", ".join(_modules(disease)))
    states = Table("state", "unit", "start", "rate per day", title="States", title_justify="left")
    for state, start, rate in zip(model.states, model.initial, model.rhs, strict=True):
        states.add_row(state, model.units.get(state, ""), str(start), str(rate))
    named = Table("name", "unit", "is", title="Assignments", title_justify="left")
    for name, expression in model.assignments:
        named.add_row(name, model.units.get(name, ""), str(expression))
    values = Table(
        "parameter",
        "value",
        "unit",
        "range",
        "distribution",
        "confidence",
        "source",
        title="Parameters",
        title_justify="left",
    )
    for p in disease.parameters.values():
        drawn = f"{p.distribution} ({p.spread:g})" if p.spread else p.distribution
        values.add_row(
            p.parameter_id,
            f"{p.value:g}",
            p.unit,
            f"{p.lower:g} to {p.upper:g}",
            drawn,
            p.confidence,
            f"assumed: {p.note}" if p.source == "assumed" else p.source,
        )
    for table in (states, named, values):
        print_table(table)


@app.command("export")
def export(
    disease: DiseaseId,
    to: Annotated[Format, typer.Option("--to", help="SBML Level 3 Version 2, or Antimony.")] = Format.SBML,
    values: Annotated[
        bool,
        typer.Option(
            "--values/--no-values", help="With the values of parameters.csv, or the text without numbers."
        ),
    ] = True,
    dose: Annotated[
        list[str] | None,
        typer.Option(
            "--dose", help="Something added to a state at exact days: viable=4e7@day0,7. Repeatable."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A file instead of stdout.")] = None,
) -> None:
    """Export the model for another simulator; doses become events.

    Raises
    ------
    StromaError
        As `stroma model check`; U002 for a dose that cannot be read, M092 for one into no state.
    """
    from stroma.cli.model_export import antimony_text, parse_state_doses, sbml_text
    from stroma.disease import load_disease

    loaded = load_disease(disease)
    write = sbml_text if to is Format.SBML else antimony_text
    text = write(loaded, values, parse_state_doses(dose or []))
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
    else:
        write_files(out.parent, {out.name: text.encode()})
        say(f"wrote {out}")
