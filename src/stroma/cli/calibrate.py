"""`stroma calibrate`: fit a disease's posterior and check its background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stroma.cli.artefacts import print_json, say
from stroma.cli.progress import progress_bar
from stroma.errors import fail

if TYPE_CHECKING:
    from stroma.calibration.origin import Origin
    from stroma.calibration.rounds import Settings
    from stroma.calibration.targets import TargetList
    from stroma.disease import Disease
    from stroma.engine.ensemble import Backend


KEPT_DRAWS = 4000
"""Most draws that a library's posterior holds."""


def calibrate(
    disease: Annotated[str, typer.Argument(help="A disease of the library, for example sle.", metavar="DISEASE")],
    prior_draws: Annotated[int, typer.Option("--prior-draws", help="Draws of the first round.", min=400)] = 1500,
    draws: Annotated[int, typer.Option("--draws", help="Draws of each later round.", min=200)] = 2000,
    subjects: Annotated[int, typer.Option("--subjects", help="Patients simulated for each draw.", min=16)] = 128,
    rounds: Annotated[int, typer.Option("--rounds", help="Most rounds after the first.", min=1)] = 8,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same posterior.", min=0)] = 1,
    workers: Annotated[int | None, typer.Option("--workers", help="Threads; the answer does not depend on it.",
                                                min=1)] = None,
    before: Annotated[str, typer.Option("--before", metavar="YYYY-MM-DD", help=(
        "Instead, fit every result published in earlier years, cohort families whole (`everything`: no cut-off), "
        "and keep that posterior for `stroma validate`."))] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as one JSON object.")] = False,
) -> None:
    """Fit control arms published to 2013, then the MSC series; write posterior and background check.

    An interrupted run goes on where it stopped.

    Raises
    ------
    StromaError
        D001-D004, C001, C010-C012, C030, D082, E106.
    """
    from stroma.calibration.crosscheck import fitted_arms, later_arms, leave_one_trial_out, save_checks
    from stroma.calibration.fit import calibrate as fit
    from stroma.calibration.origin import RETROSPECTIVE
    from stroma.calibration.posterior import compact, save_posterior
    from stroma.calibration.rounds import Settings
    from stroma.calibration.targets import load_targets
    from stroma.disease import load_disease
    from stroma.engine.cpu import CpuBackend
    from stroma.kernel.native import cache_folder

    loaded = load_disease(disease)
    listed = load_targets(loaded)
    engine = CpuBackend(workers)
    work = cache_folder() / "calibration"
    settings = Settings(prior_draws, draws, subjects, rounds, seed)
    if before:
        manifest = _at_origin(loaded, before, settings, engine, work)
        if as_json:
            print_json(manifest)
        return
    _require_numbers(loaded, listed, RETROSPECTIVE)
    with progress_bar(f"calibrate {disease}") as report:
        found = fit(loaded, engine, settings, work, report)
        found = replace(found, posterior=compact(found.posterior, seed, KEPT_DRAWS))
        left_out = leave_one_trial_out(loaded, found, settings, engine, work, report)
        later = later_arms(loaded, found, listed.of("validate_background"), engine, seed, report)
    path = save_posterior(found.posterior, loaded.folder)
    fitted = fitted_arms(loaded, found, seed)
    table = save_checks([*left_out, *later, *fitted], loaded.folder)
    say(f"posterior {found.posterior.content_hash} of {len(found.posterior.manifest['target_ids'])} targets: {path}")
    say(f"effective draws: background {found.background.effective:.0f}, cells {found.posterior.effective_size():.0f}")
    say(f"left-out control arms inside their 90 % interval: {sum(a.inside_90 for a in left_out)} of {len(left_out)}; "
        f"later control-arm outcomes: {sum(a.inside_90 for a in later)} of {len(later)}; "
        f"fitted: {sum(a.inside_90 for a in fitted)} of {len(fitted)}: {table}")
    if as_json:
        print_json(dict(found.posterior.manifest) | {"hash": found.posterior.content_hash})


def _at_origin(disease: Disease, before: str, settings: Settings, engine: Backend, work: Path) -> Mapping:
    """Fit and keep the posterior before a date; return its manifest with its hash."""
    from stroma.calibration.origin import EVERYTHING, rolling_origin
    from stroma.calibration.posterior import origin_file, save_posterior
    from stroma.calibration.targets import load_targets
    from stroma.evidence.store import parse_day
    from stroma.validation.rebuild import fit_origin

    listed = load_targets(disease)
    origin = EVERYTHING if before == "everything" else rolling_origin(parse_day(before).year, listed.targets)
    _require_numbers(disease, listed, origin)
    with progress_bar(f"calibrate {disease.disease_id} {origin.label}") as report:
        posterior = fit_origin(disease, listed, origin, settings, engine, work, report)
    path = save_posterior(posterior, disease.folder, origin_file(origin.label))
    say(f"posterior {posterior.content_hash} of {len(posterior.manifest['target_ids'])} targets: {path}")
    return dict(posterior.manifest) | {"hash": posterior.content_hash}


def _require_numbers(disease: Disease, listed: TargetList, origin: Origin) -> None:
    """Refuse a fit that sees no control arm."""
    from stroma.calibration.origin import fit_side

    if not fit_side(disease, listed, origin)[0]:
        raise fail("D082", f"no control arm of `{disease.disease_id}` is there for the fit `{origin.label}`",
                   file=disease.folder / "targets.csv",
                   hint=f"`stroma calibrate {disease.disease_id} --before everything` takes every row")
