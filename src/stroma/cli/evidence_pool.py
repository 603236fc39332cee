"""``stroma evidence pool``, ``forest`` and ``funnel``: many studies, one answer a family of evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stroma.cli.artefacts import print_json, print_rows, say

FIGURES = (".svg", ".pdf", ".png")

Outcome = Annotated[str, typer.Argument(help="Term of the vocabulary, for example overall_remission.")]
Disease = Annotated[str, typer.Option(help="Term of the vocabulary, for example ln; sle includes ln; empty for any.")]
Measure = Annotated[
    str,
    typer.Option(
        help="log_risk_ratio, log_odds_ratio, risk_difference, mean_difference, smd; "
        "logit_proportion or mean for single arms."
    ),
]
Day = Annotated[float | None, typer.Option(help="Visit wanted; by default the last of each study.")]
By = Annotated[str, typer.Option(help="source, donor, route, dose, disease, blinding, year or split.")]
Correlation = Annotated[
    float | None,
    typer.Option(help="With --measure mean: between a patient's values before and after, so that these give a change."),
]
Filled = Annotated[bool, typer.Option("--filled", help="Add the studies of trim and fill as open circles.")]
Tau2 = Annotated[str, typer.Option(help="reml, dl, pm, ml, sj, he or common.")]
Interval = Annotated[str, typer.Option(help="hksj, t or z.")]
Treatment = Annotated[str, typer.Option(help="Experimental arms: msc, not_expanded, cell_free, hsc or active.")]
Moderator = Annotated[
    list[str] | None,
    typer.Option(
        "--moderator",
        help="Meta-regression on a word of --by; may be given again. Year and dose (log10 cells/kg) are numbers.",
    ),
]
Sensitivity = Annotated[
    bool,
    typer.Option(
        "--sensitivity",
        help="Leave-one-out, cumulative by year, influence, Egger's test, trim and fill.",
    ),
]
AsOf = Annotated[str, typer.Option("--as-of", metavar="DATE", help="Only what was published by this day.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Output = Annotated[Path, typer.Option("--output", help="File to write, .svg, .pdf or .png.")]


def pool_command(
    outcome: Outcome,
    disease: Disease = "",
    measure: Measure = "",
    day: Day = None,
    by: By = "",
    treatment: Treatment = "msc",
    tau2: Tau2 = "reml",
    interval: Interval = "hksj",
    correlation: Correlation = None,
    moderator: Moderator = None,
    sensitivity: Sensitivity = False,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Pool an outcome: each family of evidence by itself, every family of patients once."""
    from stroma.evidence import robustness
    from stroma.evidence.meta_analysis import analyse, analysis_as_dict

    answer = analyse(
        _load(as_of),
        outcome,
        measure,
        disease=disease,
        day=day,
        by=by,
        treatments=(treatment,),
        correlation=correlation,
        tau2_method=tau2,
        interval=interval,
    )
    told = analysis_as_dict(answer) | {
        "subgroup_tests": robustness.subgroup_tests(answer),
        "meta_regression": robustness.meta_regression(answer, moderator or []),
        "sensitivity": robustness.sensitivity(answer) if sensitivity else [],
    }
    if as_json:
        print_json(told)
        return
    _print_answer(told)


def _print_answer(told: dict[str, Any]) -> None:
    print_rows(told["studies"])
    typer.echo("")
    print_rows(told["pooled"])
    for test in told["subgroup_tests"]:
        typer.echo(f"\ndifference between groups, {test['family']}: Q {test['q']:.4g}, "
                   f"df {test['df']}, p {test['p']:.3g}")
        _tell(test["notes"])
    for model in told["meta_regression"]:
        typer.echo(f"\nmeta-regression, {model['family']}: {model['studies']} studies")
        print_rows(model["coefficients"])
        if model["coefficients"]:
            r2 = "not defined" if model["r2"] is None else f"{model['r2']:.0f} %"
            typer.echo(f"all moderators p {model['moderators_p']:.3g}; tau2 left {model['tau2']:.3g}; R2 {r2}")
        _tell([*model["notes"], *(f"left out, moderator not stated: {name}" for name in model["left_out"])])
    for part in told["sensitivity"]:
        for title, name in (("leaving out", "without"), ("cumulative by year", "cumulative"),
                            ("influence", "influence")):
            if part[name]:
                typer.echo(f"\n{title}, {part['family']}")
                print_rows(part[name])
        if part["egger"]:
            found = part["egger"]
            typer.echo(f"\nEgger, {part['family']}: slope {found['slope']:.3g} (SE {found['se']:.3g}), "
                       f"p {found['p_value']:.3g}")
            _tell(found["notes"])
        if part["trim_and_fill"]:
            found = part["trim_and_fill"]
            typer.echo(f"trim and fill, {part['family']}: {found['missing']} missing on the {found['side']}, "
                       f"with them {found['shown']}")
        _tell([f"{part['family']}: {note}" for note in part["notes"]])
    _tell([*told["notes"], *(f"not used: {row['study_id']}: {row['reason']}" for row in told["skipped"])])


def _tell(lines: list[str]) -> None:
    for line in lines:
        say(line)


def forest_command(
    outcome: Outcome,
    disease: Disease = "",
    measure: Measure = "",
    day: Day = None,
    by: By = "",
    treatment: Treatment = "msc",
    tau2: Tau2 = "reml",
    interval: Interval = "hksj",
    correlation: Correlation = None,
    as_of: AsOf = "",
    as_json: Json = False,
    output: Output = Path("forest.svg"),
) -> None:
    """Draw a forest plot."""
    from stroma.evidence.meta_analysis import analyse, draw_forest

    answer = analyse(
        _load(as_of),
        outcome,
        measure,
        disease=disease,
        day=day,
        by=by,
        treatments=(treatment,),
        correlation=correlation,
        tau2_method=tau2,
        interval=interval,
    )
    _save(draw_forest(answer), output, answer, as_json)


def funnel_command(
    outcome: Outcome,
    disease: Disease = "",
    measure: Measure = "",
    day: Day = None,
    treatment: Treatment = "msc",
    correlation: Correlation = None,
    filled: Filled = False,
    as_of: AsOf = "",
    as_json: Json = False,
    output: Output = Path("funnel.svg"),
) -> None:
    """Draw a funnel plot of the largest family of evidence."""
    from stroma.evidence.meta_analysis import analyse, draw_funnel

    answer = analyse(
        _load(as_of),
        outcome,
        measure,
        disease=disease,
        day=day,
        treatments=(treatment,),
        correlation=correlation,
    )
    _save(draw_funnel(answer, filled), output, answer, as_json)


def _save(figure: Any, output: Path, answer: Any, as_json: bool) -> None:
    from stroma.errors import fail
    from stroma.evidence.meta_analysis import analysis_as_dict

    if output.suffix.lower() not in FIGURES:
        raise fail("E153", f"cannot draw `{output.name}`", hint=f"known: {', '.join(FIGURES)}", exit_code=2)
    try:
        figure.savefig(output)
    except OSError as error:
        raise fail("E153", f"cannot write {output}: {error.strerror}", exit_code=4) from None
    if as_json:
        print_json({"file": str(output), **analysis_as_dict(answer)})
    else:
        typer.echo(str(output))
        _tell([answer.comparisons.included] * bool(answer.comparisons.included))


def _load(as_of: str) -> Any:
    from stroma.evidence.store import load_evidence

    return load_evidence(as_of=as_of or None)
