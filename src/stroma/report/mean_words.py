"""The sentences of a trial that a mean change decides."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.special import ndtri

from stroma.calibration.prediction import ALPHA, Forecast, OutcomeForecast
from stroma.report.labels import difference_words, interval_words, primary_label, value_words, week

POWER = 0.80


def mean_line(found: Forecast, arms: Sequence[OutcomeForecast], size: str) -> str:
    """Return the expected mean changes, without a full stop."""
    outcome = found.designs[0].outcomes[0]
    last = " and by " if len(arms) > 1 else ""
    parts = [f"{value_words(o, o.median)} on {o.arm} ({'90 % interval ' if not i else ''}"
             f"{interval_words(o, o.pi90)})" for i, o in enumerate(arms)]
    return (f"Of {found.designs[0].n} patients planned ({size}) we expect the mean of {primary_label(outcome)} to "
            f"change by {', by '.join(parts[:-1])}{last}{parts[-1]} at {week(outcome.day)}")


def published_means(arms: Sequence[OutcomeForecast]) -> str:
    """Return the published mean changes in words."""
    return " against ".join(f"{value_words(o, o.observed)} on {o.arm}" for o in arms if o.observed is not None)


def mean_size(found: Forecast, arms: Sequence[OutcomeForecast]) -> str:
    """Return in one sentence what difference of means the trial's number of patients can show."""
    design = found.designs[-1]
    alone = len(design.arms) == 1
    if found.current is None:
        sizes = " : ".join(str(a.n) for a in design.arms)
        return (f"{design.n} patients without a control arm ({sizes}) can show what happens to them, not what the "
                "cells add.")
    planned = found.designs[0]
    scale = (planned.n / design.n) ** 0.5
    error = scale * found.current.width / (2.0 * float(ndtri(1.0 - ALPHA)))
    least = error * float(ndtri(1.0 - ALPHA) + ndtri(POWER))
    test = "paired t test" if alone else "Welch test"
    what = "mean change from entry" if alone else f"difference between {arms[0].arm} and {arms[-1].arm}"
    sizes = "" if alone else f" ({' : '.join(str(a.n) for a in design.arms)})"
    text = (f"{design.n} patients{sizes} can show a true {what} of about "
            f"{difference_words(found, least).lstrip('+')} or more (one-sided {test} at {100 * ALPHA:g} %, "
            f"{100 * POWER:.0f} % power), nothing smaller")
    if alone:
        return f"{text}; a change from entry is not what the cells add."
    low, high = found.current.difference[0], found.current.difference[2]
    return (f"{text}; the true difference is put between {difference_words(found, low)} and "
            f"{difference_words(found, high)} (90 % interval).")

