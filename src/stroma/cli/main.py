"""The program `stroma`: its verbs, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from stroma import __version__
from stroma.cli import (
    calibrate,
    doctor,
    engine,
    error_codes,
    evidence,
    explain,
    forecast,
    model,
    names,
    new,
    power,
    simulate,
    validate,
)
from stroma.errors import StromaError, fail
from stroma.notice import NOTICE

INTERRUPTED = 130
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

app = typer.Typer(
    name="stroma",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    help=f"Forecast trials of mesenchymal stromal cells. {NOTICE}.",
)
app.command("forecast")(forecast.forecast)
app.command("predict")(forecast.predict)
app.command("power")(power.power)
app.command("explain")(explain.explain)
app.command("list")(names.list_names)
app.add_typer(new.app, name="new")
app.command("calibrate")(calibrate.calibrate)
app.command("validate")(validate.validate)
app.command("simulate")(simulate.simulate)
app.add_typer(model.app, name="model")
app.add_typer(evidence.app, name="evidence")
app.add_typer(engine.app, name="engine")
app.command("doctor")(doctor.doctor)
app.command("help")(error_codes.explain)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Forecast trials of mesenchymal stromal cells. SIMULATED, not medical advice."""
    if version:
        typer.echo(__version__)
        raise typer.Exit()


def run() -> None:
    """Run the program; the console script calls this.

    A :class:`StromaError` is rendered on stderr and gives its exit code. Ctrl-C gives one sentence and
    exit code 130. Anything else is a defect of the program and keeps its traceback.

    Before NumPy is loaded, BLAS is told to use one thread unless the environment says otherwise: matrices are small
    here and the engine has threads of its own; a second one made the density of a fit five times slower.
    """
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    try:
        app()
    except StromaError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except MemoryError:
        lack = fail("S053", "this machine has not enough memory for that",
                    hint="fewer --draws, --subjects, --trials or patients (--n) need less", exit_code=3)
        typer.echo(str(lack), err=True)
        sys.exit(lack.exit_code)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            typer.echo("Stopped by the keyboard; nothing was left half-written.", err=True)
        raise
