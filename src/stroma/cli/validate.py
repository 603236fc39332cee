"""`stroma validate`: every published trial forecast from what came before it, and how well."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stroma.cli.artefacts import print_json, print_table, say, write_files
from stroma.cli.progress import progress_bar

if TYPE_CHECKING:
    from stroma.engine.ensemble import Backend
    from stroma.validation.run import Report
    from stroma.validation.summary import Estimate, Summary


def validate(
    disease: Annotated[list[str] | None, typer.Option("--disease", help="Only this disease; may be repeated.")] = None,
    cutoff: Annotated[str, typer.Option("--cutoff", metavar="YYYY-MM-DD", help=(
        "Forecast all that was published from this date on, from the posterior before it (2014-01-01: the stress test "
        "from the retrospective fit) instead of each trial from its own year."))] = "",
    study: Annotated[str, typer.Option("--study", help="Only this study or trial.")] = "",
    rebuild: Annotated[bool, typer.Option("--rebuild", help=(
        "First make the posterior of every origin that tables or code have moved; resumable."))] = False,
    page: Annotated[Path | None, typer.Option("--page", help="Also write the validation page, in Markdown.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same scores.", min=0)] = 1,
    workers: Annotated[int | None, typer.Option("--workers", help="Threads; the answer does not depend on it.",
                                                min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Forecast every published trial from what was published before it, and score the forecasts.

    Raises
    ------
    StromaError
        D001-D004, C001, C010-C012, C021, C030, C040, C041.
    """
    from stroma.engine.cpu import CpuBackend
    from stroma.kernel.native import cache_folder
    from stroma.validation.plan import ROLLING, STRESS
    from stroma.validation.run import as_mapping, diseases_with_targets, validated_diseases
    from stroma.validation.run import validate as carry_out

    engine, work = CpuBackend(workers), cache_folder() / "validation"
    if rebuild:
        for name in disease or diseases_with_targets():
            _rebuild(name, engine, cache_folder() / "calibration")
    names = disease or validated_diseases()
    with progress_bar("validate") as report:
        found = carry_out(names, ROLLING, engine, work, seed, cutoff, study, report)
        if page:
            from stroma.cli.doctor import AGREE, engine_difference
            from stroma.report.validation_page import validation_page

            stress = carry_out(names, STRESS, engine, work, seed, progress=report)
            write_files(page.parent, {page.name: validation_page(
                found, stress, engine_difference(), AGREE).encode()})
    if as_json:
        print_json(as_mapping(found))
    else:
        _show(found)


def _rebuild(name: str, engine: Backend, work: Path) -> None:
    """Make a disease's posteriors, with words about each and the time that the rest will take."""
    from stroma.disease import load_disease
    from stroma.validation.rebuild import Rebuilt
    from stroma.validation.rebuild import rebuild as make

    spent: list[float] = []

    def told(said: Rebuilt, done: int, total: int) -> None:
        spent.append(said.seconds)
        left = (total - done) * sum(spent[1:] or spent) / max(len(spent[1:]), 1)
        say(f"{name} {done}/{total} {said.label}: {said.says} ({said.seconds:.0f} s; about {left / 60:.0f} min to go)")

    with progress_bar(f"rebuild {name}") as report:
        make(load_disease(name), engine, work, report, told)


def _show(found: Report) -> None:
    from rich.table import Table

    table = Table(title=f"{found.scheme}: SIMULATED forecasts against published results")
    for heading in ("group", "studies", "numbers", "in 50 % PI", "in 90 % PI", "interval score", "ratio to best"):
        table.add_column(heading)
    rows = {"all": found.summary(), **found.by_disease(), **found.by("arm"), **found.by("blinding")}
    for name, summary in rows.items():
        table.add_row(name, str(summary.n_studies), str(summary.n_outcomes), _per_cent(summary.coverage_pi50),
                      _per_cent(summary.coverage_pi90), f"{summary.interval_score.value:.2f}", _ratio(summary))
    print_table(table)
    whole = rows["all"]
    say(f"sign of the effect right: {whole.sign.right} of {whole.sign.of}; order of arms right: "
        f"{whole.ranking.right} of {whole.ranking.of}; PIT counts: {', '.join(map(str, whole.pit))}")
    for flag in whole.flags:
        say(flag)
    left = sum(len(v.excluded) for v in found.validations.values())
    say(f"{left} published rows are not forecast; `--json` lists them with reasons")


def _per_cent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.0f} % ({100 * estimate.ci[0]:.0f}-{100 * estimate.ci[1]:.0f})"


def _ratio(summary: Summary) -> str:
    best = summary.best_baseline
    if not best:
        return ""
    b = summary.baselines[best]
    return f"{b.ratio:.2f} ({b.ratio_ci[0]:.2f}-{b.ratio_ci[1]:.2f}) {best}"
