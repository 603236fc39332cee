"""`stroma new`: files to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stroma.cli.artefacts import say, write_files
from stroma.errors import EXIT_USAGE, fail

app = typer.Typer(no_args_is_help=True, help="Write a file to start from.")


@app.callback()
def options() -> None:
    """Write a file to start from."""


@app.command("study")
def study(
    file: Annotated[Path, typer.Argument(help="Where to write it.", metavar="FILE.toml")] = Path("study.toml"),
) -> None:
    """Write a commented study file that `stroma predict` understands as it is; nothing is overwritten.

    Raises
    ------
    StromaError
        U006 the file is there already, X003 it cannot be written.
    """
    from stroma.trial.study import template_text

    if file.exists():
        raise fail("U006", f"{file} is there already and is not overwritten",
                   hint="give another name: `stroma new study NAME.toml`", exit_code=EXIT_USAGE)
    write_files(file.parent, {file.name: template_text().encode()})
    say(f"wrote {file}; change it, then run: stroma predict {file}")
