"""`stroma engine`: an SBML file of anyone, simulated as it stands or for a whole population."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stroma.cli.artefacts import say, write_files

app = typer.Typer(no_args_is_help=True, help="Run the engines on their own.")


@app.callback()
def engine() -> None:
    """Run the engines on their own."""


@app.command("simulate")
def simulate(
    model: Annotated[Path, typer.Argument(help="SBML Level 2 or 3.", metavar="MODEL.XML", exists=True, dir_okay=False)],
    end: Annotated[float, typer.Option("--end", help="Last time, in the time unit of the file.")],
    points: Annotated[int, typer.Option("--points", help="Reported times, both ends included.")] = 101,
    out: Annotated[Path | None, typer.Option("--csv", help="A file instead of stdout.")] = None,
    backend: Annotated[str, typer.Option("--backend", help="cpu, reference or roadrunner.")] = "cpu",
) -> None:
    """Simulate an SBML file with its own values; write times, states, assignments and constants as CSV.

    Raises
    ------
    StromaError
        M070 to M077 for the file, S010 to S012 for backend, events and times, S051 when it cannot be integrated.
    """
    import pyarrow
    from pyarrow.csv import write_csv

    from stroma.engine.sbml_run import simulate_sbml

    table = simulate_sbml(model, end, points, backend)
    target = pyarrow.BufferOutputStream()
    write_csv(table, target)
    content = target.getvalue().to_pybytes()
    if out is None:
        sys.stdout.write(content.decode())
    else:
        write_files(out.parent, {out.name: content})
        say(f"wrote {out}")


@app.command("ensemble")
def ensemble(
    model: Annotated[Path, typer.Argument(help="SBML Level 2 or 3.", metavar="MODEL.XML", exists=True, dir_okay=False)],
    parameters: Annotated[
        Path,
        typer.Option("--parameters", help="CSV or Parquet: one row a subject, one column a constant of the model.",
                     exists=True, dir_okay=False),
    ],
    end: Annotated[float, typer.Option("--end", help="Last time, in the time unit of the file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the Parquet files; start again to go on.")],
    points: Annotated[int, typer.Option("--points", help="Reported times, both ends included.")] = 101,
    output: Annotated[
        list[str] | None, typer.Option("--output", help="A state or assignment to keep; all by default. Repeatable.")
    ] = None,
    shard: Annotated[str, typer.Option("--shard", help="i/n: solve the i-th of n shares of the subjects.")] = "1/1",
    chunk: Annotated[int, typer.Option("--chunk", help="Subjects a file; bounds the memory.")] = 20_000,
    backend: Annotated[str, typer.Option("--backend", help="cpu, reference or roadrunner.")] = "cpu",
) -> None:
    """Simulate a population into a folder of Parquet files; a run that was killed goes on where it stopped.

    Columns are subject (row of the parameters, from 0), status, t_day (time) and the outputs. Status is 0 for a subject
    that was solved, 1 where the step became too small, 2 where steps ran out, 3 where a value was not finite, 4 where a
    parameter is missing or no number; whatever is not 0 has missing outputs. Shards of one run share a folder.

    Raises
    ------
    StromaError
        M070 to M077 for the model, S002 outputs, S010 to S012 engine, events and times, S030 shard, S031 folder,
        S033 parameters.
    """
    from stroma.cli.progress import progress_bar
    from stroma.engine.sbml_ensemble import Request, simulate_ensemble
    from stroma.engine.streaming import shard_of

    share = shard_of(shard)
    request = Request(model, parameters, tuple(output or ()), end, points, chunk)
    with progress_bar("ensemble") as report:
        found = simulate_ensemble(request, out, backend, share,
                                  lambda done, total: report("simulate subjects", done, total))
    failed = ", ".join(f"{n:,} {reason}" for reason, n in sorted(found.failed.items())) or "none"
    say(f"{found.n_subject:,} subjects in {len(found.files):,} files in {out}; failed: {failed}")
    if found.checked:
        say(found.checked.says())
