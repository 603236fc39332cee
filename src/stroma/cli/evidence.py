"""``stroma evidence``: list, show, bias, add, import, check, pool, forest, funnel, export, diff, safety ..."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stroma.cli.artefacts import cell_text, print_json, print_rows, say
from stroma.cli.evidence_pool import forest_command, funnel_command, pool_command

app = typer.Typer(no_args_is_help=True, help="What was published: studies, results, registrations.")

AsOf = Annotated[str, typer.Option("--as-of", metavar="DATE", help="Only what was published by this day.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Disease = Annotated[str, typer.Option(help="Term of the vocabulary, for example ln; sle includes ln.")]
Outcome = Annotated[str, typer.Option(help="Term of the vocabulary, for example sledai.")]


app.command("pool")(pool_command)
app.command("forest")(forest_command)
app.command("funnel")(funnel_command)


@app.command("list")
def list_command(
    disease: Disease = "",
    kind: Annotated[str, typer.Option(help="msc_trial, animal ...")] = "",
    design: Annotated[str, typer.Option(help="rct, single_arm ...")] = "",
    split: Annotated[str, typer.Option(help="fit, validation or undated.")] = "",
    outcome: Outcome = "",
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """List studies, oldest first."""
    from stroma.evidence.listing import StudyFilter, list_studies

    evidence = _load(as_of)
    rows = list_studies(evidence, StudyFilter(disease, kind, design, split, outcome))
    print_rows(rows, as_json)
    _say_included(evidence, disease)
    say(f"{len(rows)} studies")


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="A study_id, or a registration number.")],
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Show everything the store holds on one study or registration."""
    from stroma.evidence.listing import show_study

    evidence = _load(as_of)
    if re.fullmatch(r"NCT\d{8}", name):
        from stroma.evidence.registrations import show_registration

        _print_nested(show_registration(evidence, name), as_json)
    else:
        _print_nested(show_study(evidence, name), as_json)


@app.command("bias")
def bias_command(disease: Disease = "", as_of: AsOf = "", as_json: Json = False) -> None:
    """Show how each study was judged: risk of bias, one line a study, one column a domain."""
    from stroma.evidence.listing import StudyFilter, list_bias, list_studies

    evidence = _load(as_of)
    rows = list_bias(evidence, disease)
    print_rows(rows, as_json)
    _say_included(evidence, disease)
    others = len(list_studies(evidence, StudyFilter(disease=disease))) - len(rows)
    say(f"{len(rows)} studies with a sheet, {others} without; the reasons: stroma evidence show STUDY")


@app.command("add")
def add_command(
    file: Annotated[Path, typer.Argument(help="A TOML file with one study.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only.")] = False,
    as_json: Json = False,
) -> None:
    """Add one study; a file with anything wrong adds nothing."""
    from stroma.evidence.adding import add_study
    from stroma.library import library_root

    _print_added(dict(add_study(file, library_root(), not dry_run).rows), dry_run, as_json)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A ClinicalTrials.gov record (.json) or rows of one table (.csv).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only.")] = False,
    as_json: Json = False,
) -> None:
    """Import a registration, or rows of a table; a file with wrong rows loads nothing."""
    from stroma.evidence.adding import import_record, import_table
    from stroma.library import library_root

    if file.suffix != ".json":
        _print_added(dict(import_table(file, library_root(), not dry_run).rows), dry_run, as_json)
        return
    from stroma.evidence.registrations import mapped_as_dict

    _, mapped = import_record(file, library_root(), not dry_run)
    _print_nested(mapped_as_dict(mapped), as_json)
    say("checked, nothing written" if dry_run else "1 registration stored")


@app.command("check")
def check_command(as_of: AsOf = "", as_json: Json = False) -> None:
    """Apply every check to the whole store; problems are told with file and line."""
    from stroma.evidence.checks import check_evidence
    from stroma.evidence.store import parse_day, published_by

    evidence = check_evidence()
    if as_of:
        evidence = published_by(evidence, parse_day(as_of))
    print_rows(
        [
            {
                "studies": len(evidence.studies),
                "arms": len(evidence.arms),
                "results": len(evidence.outcomes),
                "problems": 0,
            }
        ],
        as_json,
    )


@app.command("export")
def export_command(outcome: Outcome = "", disease: Disease = "", as_of: AsOf = "", as_json: Json = False) -> None:
    """Write the numeric results in the long form that metafor reads."""
    from stroma.evidence.export import export_rows, write_export

    evidence = _load(as_of)
    rows = export_rows(evidence, outcome or None, disease or None)
    if as_json:
        print_rows(rows, True)
    else:
        write_export(rows, sys.stdout)
    _say_included(evidence, disease)
    say(f"{len(rows)} results")


@app.command("diff")
def diff_command(
    before: Annotated[str, typer.Argument(help="A library folder, or a date.")],
    after: Annotated[str, typer.Argument(help="A library folder, or a date.")] = "",
    as_json: Json = False,
) -> None:
    """Show what was added, removed and changed between two stores or two dates."""
    from dataclasses import asdict

    from stroma.evidence.comparing import compare

    tables = compare(_store_or_date(before), _store_or_date(after))
    if as_json:
        print_json([asdict(table) for table in tables])
        return
    for table in tables:
        for sign, names in (("+", table.added), ("-", table.removed)):
            for name in names:
                typer.echo(f"{sign} {table.table}  {name}")
        for change in table.changed:
            typer.echo(f"~ {table.table}  {change.name}  {change.field}: {change.before} -> {change.after}")
        say(
            f"{table.table}: {len(table.added)} added, {len(table.removed)} removed, {len(table.changed)} cells changed"
        )


@app.command("safety")
def safety_command(
    category: Annotated[str, typer.Argument(help="death, infection, serious_adverse_event ...")] = "",
    treatment: Annotated[str, typer.Option(help="msc, not_expanded, cell_free, hsc, active or background.")] = "msc",
    by: Annotated[str, typer.Option(help="disease, route, cell_source, donor or all.")] = "disease",
    arms: Annotated[bool, typer.Option("--arms", help="The counts arm by arm, not pooled.")] = False,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Pool who was harmed out of how many; every family of patients counts once."""
    from stroma.evidence.safety import CATEGORIES, safety_counts
    from stroma.evidence.safety_rates import pooled_safety

    evidence, rows = _load(as_of), []
    for name in [category] if category else CATEGORIES:
        found = safety_counts(evidence, name, (treatment,))
        if not found.counts:
            say(f"{name}: no study in the store reports it")
        elif found.left_out:
            say(f"{name}: {len(found.left_out)} rows give no count")
        rows += (
            [_arm_line(count) for count in found.counts]
            if arms
            else [_rate_line(rate) for rate in pooled_safety(evidence, name, by, (treatment,))]
        )
    print_rows(rows, as_json)


def _arm_line(count: Any) -> dict[str, Any]:
    arm = count.arm
    return {
        "category": count.category,
        "arm": arm.arm_id,
        "events": count.events,
        "n": count.n,
        "day": count.time_day,
        "how": count.how,
        "route": arm.route,
        "cell_source": arm.cell_source,
        "disease": ";".join(arm.diseases),
        "family": arm.study.cohort_family,
    }


def _rate_line(rate: Any) -> dict[str, Any]:
    pooled = rate.pooled
    low, high = pooled.prediction_interval or (None, None)
    return {
        "category": rate.category,
        "stratum": rate.stratum,
        "arms": pooled.k,
        "events": int(pooled.events),
        "n": int(pooled.exposure),
        "rate": pooled.estimate,
        "low": pooled.ci[0],
        "high": pooled.ci[1],
        "predicted_low": low,
        "predicted_high": high,
        "tau2": None if pooled.tau2 != pooled.tau2 else pooled.tau2,
        "days": "" if rate.shortest_day is None else f"{rate.shortest_day:g} to {rate.longest_day:g}",
        "notes": "; ".join(rate.notes),
    }


@app.command("registry")
def registry_command(as_of: AsOf = "", as_json: Json = False) -> None:
    """List registrations without a report in the store."""
    from dataclasses import asdict

    from stroma.evidence.registrations import unreported

    rows = [{**asdict(row), "diseases": ";".join(row.diseases)} for row in unreported(_load(as_of))]
    print_rows(rows, as_json)
    say(f"{len(rows)} registrations without a report")


@app.command("coverage")
def coverage_command() -> None:
    """Write the coverage page of the seeds as Markdown."""
    from stroma.evidence.coverage import coverage_page

    typer.echo(coverage_page(_load("")), nl=False)


def _say_included(evidence: Any, disease: str) -> None:
    if words := evidence.vocabulary.included(disease):
        say(words)


def _load(as_of: str) -> Any:
    from stroma.evidence.store import load_evidence

    return load_evidence(as_of=as_of or None)


def _store_or_date(text: str) -> Any:
    from stroma.errors import fail
    from stroma.evidence.store import load_evidence

    if "/" in text and not Path(text).is_dir():
        raise fail("E106", f"no folder `{text}`", hint="name a library folder, or a date as in 2013-06", exit_code=2)
    return load_evidence(Path(text)) if text and Path(text).is_dir() else _load(text)


def _print_added(rows: dict[str, int], dry_run: bool, as_json: bool) -> None:
    print_rows([{"table": table, "rows": number} for table, number in rows.items()], as_json)
    say("checked, nothing written" if dry_run else "stored")


def _print_nested(value: dict[str, Any], as_json: bool) -> None:
    """Print a nested answer as JSON or as headed lists."""
    if as_json:
        print_json(value)
        return
    for name, part in value.items():
        if isinstance(part, list) and part and isinstance(part[0], dict):
            typer.echo(f"\n{name}")
            print_rows(
                [
                    {key: cell for key, cell in row.items() if any(other[key] not in ("", None, []) for other in part)}
                    for row in part
                ],
                False,
            )
        elif isinstance(part, dict) and any(isinstance(cell, dict) for cell in part.values()):
            typer.echo("")
            _print_nested(part, False)
        elif isinstance(part, dict):
            typer.echo(f"\n{name}" if name != next(iter(value)) else name)
            for key, cell in part.items():
                if cell not in ("", None, []):
                    typer.echo(f"  {key}: {cell_text(cell)}")
        elif part not in ("", None, []):
            typer.echo(f"\n{name}: {cell_text(part)}")
