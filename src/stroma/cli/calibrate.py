"""`stroma calibrate`: fit a disease's posterior and check its background."""

from __future__ import annotations

from typing import Annotated

import typer

from stroma.cli.artefacts import print_json, say
from stroma.cli.progress import progress_bar


def calibrate(
    disease: Annotated[str, typer.Argument(help="A disease of the library, for example sle.", metavar="DISEASE")],
    prior_draws: Annotated[int, typer.Option("--prior-draws", help="Draws of the first round.", min=400)] = 1500,
    draws: Annotated[int, typer.Option("--draws", help="Draws of each later round.", min=200)] = 2000,
    subjects: Annotated[int, typer.Option("--subjects", help="Patients simulated for each draw.", min=16)] = 128,
    rounds: Annotated[int, typer.Option("--rounds", help="Most rounds after the first.", min=1)] = 4,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same posterior.", min=0)] = 1,
    workers: Annotated[int | None, typer.Option("--workers", help="Threads; the answer does not depend on it.",
                                                min=1)] = None,
    before: Annotated[str, typer.Option("--before", help="Fit only what was published before a date (YYYY-MM-DD), "
                                                         "into a posterior beside the library's.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as one JSON object.")] = False,
) -> None:
    """Fit control arms published to 2013, then the MSC series; write posterior and background check.

    With --before the background check is left out; use the result with `stroma forecast --fit before:DATE`.

    An interrupted run goes on where it stopped.

    Raises
    ------
    StromaError
        D001-D004, C001, C010-C013, C022 a date that cannot be read, C030.
    """
    from stroma.calibration.crosscheck import later_arms, leave_one_trial_out, save_checks
    from stroma.calibration.fit import Settings
    from stroma.calibration.fit import calibrate as fit
    from stroma.calibration.posterior import FILE, file_before, is_date, save_posterior
    from stroma.calibration.targets import load_targets
    from stroma.disease import load_disease
    from stroma.engine.cpu import CpuBackend
    from stroma.errors import fail
    from stroma.kernel.native import cache_folder

    loaded = load_disease(disease)
    if before and not is_date(before):
        raise fail("C022", f"`--before {before}` is not a date", hint="write YYYY-MM-DD, for example 2011-01-01")
    listed = load_targets(loaded).before(before) if before else load_targets(loaded)
    engine = CpuBackend(workers)
    work = cache_folder() / "calibration"
    with progress_bar(f"calibrate {disease}") as report:
        settings = Settings(prior_draws, draws, subjects, rounds, seed)
        found = fit(loaded, engine, settings, work, report, listed)
        left_out, later = [], []
        if not before:
            left_out = leave_one_trial_out(loaded, found, settings, engine, work, report)
            later = later_arms(loaded, found, listed.of("validate_background"), engine, seed, report)
    path = save_posterior(found.posterior, loaded.folder, file_before(before) if before else FILE)
    say(f"posterior {found.posterior.content_hash} of {len(found.posterior.manifest['target_ids'])} targets: {path}")
    say(f"effective draws: background {found.background.effective:.0f}, cells {found.posterior.effective_size():.0f}")
    if not before:
        table = save_checks([*left_out, *later], loaded.folder)
        say("left-out control arms inside their 90 % interval: "
            f"{sum(a.inside_90 for a in left_out)} of {len(left_out)}; later control-arm outcomes: "
            f"{sum(a.inside_90 for a in later)} of {len(later)}: {table}")
    if as_json:
        print_json(dict(found.posterior.manifest) | {"hash": found.posterior.content_hash})
