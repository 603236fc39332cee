"""The figures of a forecast: small, one idea each, readable on a phone and in grey."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import gaussian_kde

from stroma.calibration.prediction import Band, Forecast, OutcomeForecast, PriorForecast
from stroma.measures import Measure
from stroma.population.priors import from_scale, limits
from stroma.report.event_words import of_variant
from stroma.report.labels import (
    arm_size,
    difference_number,
    difference_unit,
    difference_words,
    interval_bare,
    interval_words,
    main_is_share,
    outcome_label,
    per_cent,
    primary_label,
    quantity_label,
    quantity_unit,
    unit_words,
    value_words,
    week,
)
from stroma.report.parameters import learnt, prior_of
from stroma.report.sentences import primaries
from stroma.report.svg import BLACK, GREY, PALE, Drawing, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito 2008: told apart with every common colour blindness, and in grey.
CELLS, CONTROL = "#0072b2", "#d55e00"
SMALL = (3.5, 2.7)
_ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
LEARNT_UNDER = ("sceptical", "current", "enthusiastic")
PRIOR_WORDS = {"none": "no effect of the cells", "sceptical": "sceptical", "current": "current",
               "enthusiastic": "enthusiastic"}


def _ink(control: bool) -> str:
    return CONTROL if control else CELLS


def trajectories(found: Forecast) -> tuple[Drawing, ...]:
    """Draw each quantity over time: the middle half and nine tenths of eligible patients, arm by arm."""
    control = {arm.label: arm.control for arm in found.designs[0].arms}
    names = dict.fromkeys(b.quantity for b in found.bands)
    return tuple(_trajectory(found.disease.measures[name],
                             [(b, control[b.arm]) for b in found.bands if b.quantity == name]) for name in names)


def _trajectory(measure: Measure, bands: list[tuple[Band, bool]]) -> Drawing:
    quantity, logarithmic = measure.outcome_id, measure.logarithmic
    unit = quantity_unit(quantity)

    def paint(ax: Axes) -> None:
        for band, control in bands:
            weeks, q = band.day / 7.0, band.quantiles
            ax.fill_between(weeks, q[0], q[4], color=_ink(control), alpha=0.12, lw=0)
            ax.fill_between(weeks, q[1], q[3], color=_ink(control), alpha=0.25, lw=0)
            ax.plot(weeks, q[2], color=_ink(control), lw=2, ls="--" if control else "-")
        if logarithmic:
            ax.set_yscale("log")
            _plain_log_ticks(ax)
        else:
            ax.set_ylim(bottom=min(0.0, *(float(b.quantiles.min()) for b, _ in bands)))
        last = float(max(b.day[-1] for b, _ in bands)) / 7.0
        ax.set_xlim(0, last)
        ends = [float(b.quantiles[2, -1]) for b, _ in bands]
        _label_ends(ax, [(b.arm, _ink(c)) for b, c in bands], ends, last)
        ax.set_xlabel("weeks since randomisation")
        ax.set_ylabel(f"{unit}{', log scale' if logarithmic else ''}")
        ax.set_title(_capital(quantity_label(quantity)))

    words = "; ".join(
        f"{b.arm}: median {b.quantiles[2, 0]:.3g} at entry, {b.quantiles[2, -1]:.3g} at {week(b.day[-1])}, nine tenths "
        f"of patients from {b.quantiles[0, -1]:.3g} to {b.quantiles[4, -1]:.3g}" for b, _ in bands)
    alt = f"Simulated course of {quantity_label(quantity)} in {unit or 'its unit'}. {words}."
    return draw(f"course-{quantity.replace('_', '-')}", SMALL, alt, paint)


def _plain_log_ticks(ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _label_ends(ax: Axes, names: list[tuple[str, str]], ends: list[float], x: float) -> None:
    """Write each arm's name beside its last point, pushed apart where the points are close."""
    height = ax.transData.transform(np.array([[x, y] for y in ends]))[:, 1]
    low, high = ax.transAxes.transform([[0, 0], [0, 1]])[:, 1]
    place = (height - low) / (high - low)
    order, apart = np.argsort(place), 0.1
    for _ in range(20):
        for lower, upper in pairwise(order):
            lacking = max(0.0, apart - (place[upper] - place[lower])) / 2
            place[lower] -= lacking
            place[upper] += lacking
    for (name, ink), y in zip(names, place, strict=True):
        ax.annotate(name, (1.0, float(y)), xycoords="axes fraction", xytext=(4, 0), textcoords="offset points",
                    color=ink, va="center", fontsize=8.5, fontweight="bold")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def primary_counts(found: Forecast) -> tuple[Drawing, ...]:
    """Draw for each arm how likely each number of responders is, with the published number over it."""
    design = found.designs[-1]
    if not main_is_share(found):
        return tuple(_change(o, primary_label(design.outcomes[0])) for o in primaries(found, design))
    return tuple(_counts(found, o, primary_label(design.outcomes[0])) for o in primaries(found, design))


def event_counts(found: Forecast) -> tuple[Drawing, ...]:
    """Draw for each arm and harm that is a primary outcome how likely each number of patients is."""
    variant = found.designs[-1].variant
    return tuple(_counts(found, o, f"a {outcome_label(o)}") for e in found.events for o in of_variant(e, variant))


def _change(outcome: OutcomeForecast, label: str) -> Drawing:
    """Draw how likely each mean change of an arm is, the 90 % interval coloured."""
    low, high = outcome.pi90
    height, edges = np.histogram(outcome.density, bins=24)
    middle = (edges[1:] + edges[:-1]) / 2

    def paint(ax: Axes) -> None:
        ink = _ink(outcome.control)
        ax.bar(middle, 100 * height / height.sum(), width=0.92 * np.diff(edges),
               color=[ink if low <= x <= high else PALE for x in middle])
        top = float(100 * height.max() / height.sum()) * 1.45
        ax.set_ylim(0, top)
        ax.axvline(0, color=GREY, lw=0.8)
        if outcome.observed is not None:
            ax.plot([outcome.observed] * 2, [0, top * 0.8], color=BLACK, lw=1.6)
            ax.annotate(f"published {value_words(outcome, outcome.observed)}", (outcome.observed, top * 0.8),
                        fontweight="bold")
        ax.text(0.03, 0.98, f"coloured: 90 % interval, {interval_bare(outcome, outcome.pi90)}",
                transform=ax.transAxes, color=ink, va="top", fontsize=8.5)
        ax.set_xlabel(f"mean change of {label}, {unit_words(outcome.unit)}")
        ax.set_ylabel("% of simulated trials")
        ax.set_title(outcome.arm)

    alt = (f"Predicted mean change of {label} on {outcome.arm}: median {value_words(outcome, outcome.median)}, 90 % "
           f"interval {interval_words(outcome, outcome.pi90)}. Simulated.")
    return draw(f"change-{'control' if outcome.control else 'cells'}-{_slug(outcome.arm)}", SMALL, alt, paint)


def _counts(found: Forecast, outcome: OutcomeForecast, label: str) -> Drawing:
    n = arm_size(found, outcome)
    scale = n / 100.0 if outcome.statistic == "percent" else 1.0
    patients = np.rint(outcome.density * scale).astype(int)
    share = np.bincount(patients, minlength=n + 1) / patients.size
    low, high = (round(x * scale) for x in outcome.pi90)
    seen = None if outcome.observed is None else round(outcome.observed * scale)
    k = np.arange(n + 1)

    def paint(ax: Axes) -> None:
        ink = _ink(outcome.control)
        ax.bar(k, 100 * share, width=0.8, color=[ink if low <= i <= high else PALE for i in k])
        top = float(100 * share.max()) * 1.45
        ax.set_ylim(0, top)
        if seen is not None:
            ax.plot([seen, seen], [0, top * 0.8], color=BLACK, lw=1.6)
            ax.plot([seen], [top * 0.8], marker="D", color=BLACK, ms=6, clip_on=False)
            left = seen > 0.6 * n
            ax.annotate(f"published {seen} of {n}", (seen, top * 0.8), xytext=(-8 if left else 8, 0),
                        textcoords="offset points", ha="right" if left else "left", va="center", fontweight="bold")
        ax.text(0.03, 0.98, f"coloured: 90 % interval, {low} to {high}", transform=ax.transAxes, color=ink, va="top",
                fontsize=8.5)
        ax.set_xticks(k if n <= 12 else k[:: -(-n // 12)])
        ax.set_xlabel(f"patients of {n} with {label}")
        ax.set_ylabel("% of simulated trials")
        ax.set_title(outcome.arm)

    result = f" Published: {seen} of {n}." if seen is not None else ""
    alt = (f"Predicted number of patients of {n} on {outcome.arm} with {label}: median "
           f"{round(outcome.median * scale)}, 90 % interval {low} to {high}.{result} Simulated.")
    kind = "events" if outcome.statistic == "patients" else "counts"
    return draw(f"{kind}-{'control' if outcome.control else 'cells'}-{_slug(outcome.arm)}", SMALL, alt, paint)


def _slug(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())


def amplitudes(found: Forecast) -> tuple[Drawing, ...]:
    """Draw prior and posterior of the strength of the cells' effect under each prior that has one."""
    if found.disease.amplitude not in found.posterior.names:
        return ()
    return tuple(_amplitude(found, prior) for prior in LEARNT_UNDER)


def _amplitude(found: Forecast, prior: str) -> Drawing:
    posterior, parameter = found.posterior, found.disease.parameters[found.disease.amplitude]
    one = learnt(found.disease, posterior, parameter.parameter_id, prior)
    before = prior_of(found.disease, parameter, prior)
    scaled = posterior.scaled[:, posterior.names.index(parameter.parameter_id)]
    grid = np.linspace(float(before.ppf(0.001)), min(limits(parameter)[1], float(before.ppf(0.999))), 160)
    after = gaussian_kde(scaled, weights=posterior.weights[prior])(grid)
    x = from_scale(parameter, grid)

    def paint(ax: Axes) -> None:
        ax.plot(x, before.pdf(grid), color=GREY, lw=1.5, ls="--")
        ax.fill_between(x, 0, after, color=CELLS, alpha=0.3, lw=0)
        ax.plot(x, after, color=CELLS, lw=2)
        ax.set_xscale("log")
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        _plain_x_ticks(ax)
        top = max(float(after.max()), float(before.pdf(grid).max()))
        ax.set_ylim(0, top * 1.4)
        ax.text(0.0, 0.97, "-- prior", transform=ax.transAxes, color=GREY, va="top")
        ax.text(0.0, 0.87, "— posterior", transform=ax.transAxes, color=CELLS, va="top", fontweight="bold")
        ax.text(1.0, 0.97, f"contraction {one.contraction:.2f}".replace("-", "−"), transform=ax.transAxes, ha="right",
                va="top")
        ax.set_xlabel("strength of the cells' effect, log scale")
        ax.set_title(f"{_capital(prior)} prior")

    alt = (f"Strength of the cells' effect under the {prior} prior: prior median {one.prior[1]:.2g} (90 % interval "
           f"{one.prior[0]:.2g} to {one.prior[2]:.2g}), posterior median {one.posterior[1]:.2g} "
           f"({one.posterior[0]:.2g} to {one.posterior[2]:.2g}), contraction {one.contraction:.2f}. Simulated.")
    return draw(f"amplitude-{prior}", SMALL, alt, paint)


def _plain_x_ticks(ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def under_priors(found: Forecast) -> Drawing:
    """Draw the true difference and the chance of success under each named prior."""
    def paint(ax: Axes) -> None:
        for row, p in enumerate(reversed(found.priors)):
            low, middle, high = p.difference
            ax.plot([low, high], [row, row], color=CELLS, lw=2.5, solid_capstyle="butt")
            ax.plot([middle], [row], "o", color=CELLS, ms=7)
            ax.annotate(_prior_words(p), (0.0, row), xycoords=("axes fraction", "data"), xytext=(2, 9),
                        textcoords="offset points", fontsize=8.5, bbox=_ON_WHITE)
        ax.axvline(0, color=GREY, lw=0.8, zorder=0)
        ends = [x for p in found.priors for x in p.difference]
        if main_is_share(found):
            ax.set_xlim(min(-5.0, *ends) - 1, max(15.0, *ends) + 1)
        else:
            ax.margins(x=0.08)
        ax.set_ylim(-0.5, len(found.priors) - 0.2)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("true difference in percentage points" if main_is_share(found)
                      else f"true difference, {difference_unit(found)}")

    def difference(p: PriorForecast) -> str:
        low, middle, high = p.difference
        return (f"difference {difference_words(found, middle)} (90 % interval {difference_number(found, low)} to "
                f"{difference_number(found, high)})")

    words = "; ".join(f"{p.prior}: {difference(p)}, chance of success {per_cent(p.probability_of_success)}"
                      for p in found.priors)
    return draw("under-priors", SMALL, f"The forecast under four priors. {words}. Simulated.", paint)


def _prior_words(p: PriorForecast) -> str:
    return f"{PRIOR_WORDS[p.prior]}: chance of success {per_cent(p.probability_of_success)}"


def against_published(found: Forecast) -> tuple[Drawing, ...]:
    """Draw every published number of the conducted trial on the interval that was predicted for it."""
    variant = found.designs[-1].variant
    seen = [o for o in found.outcomes if o.variant == variant and o.observed is not None]
    keys = dict.fromkeys((o.rule_id, o.visit_day) for o in seen)
    return tuple(_panel([o for o in seen if (o.rule_id, o.visit_day) == key]) for key in keys)


def _panel(arms: list[OutcomeForecast]) -> Drawing:
    title, first = _capital(outcome_label(arms[0])), arms[0]

    def paint(ax: Axes) -> None:
        for row, o in enumerate(reversed(arms)):
            assert o.observed is not None
            ink = _ink(o.control)
            ax.plot(o.pi90, [row, row], color=ink, lw=2, solid_capstyle="butt")
            ax.plot(o.pi50, [row, row], color=ink, lw=6, solid_capstyle="butt")
            ax.plot([o.median], [row], "o", color="white", mec=ink, ms=6)
            ax.plot([o.observed], [row], marker="D" if o.inside_pi90 else "X", color=BLACK, ms=7, zorder=5, ls="none")
            where = "" if o.inside_pi90 else ", outside"
            ax.annotate(f"{o.arm}: published {value_words(o, o.observed)}{where}", (0.0, row), xytext=(0, 9),
                        xycoords=("axes fraction", "data"), textcoords="offset points", color=ink, fontsize=8.5,
                        bbox=_ON_WHITE)
        if first.statistic == "percent":
            ax.set_xlim(-2, 102)
        else:
            ax.axvline(0, color=PALE, lw=0.8, zorder=0)
            ax.margins(x=0.08)
        ax.set_ylim(-0.5, len(arms) - 0.3)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        change = f"change from entry, {unit_words(first.unit)}"
        ax.set_xlabel("% of patients" if first.statistic == "percent" else change)
        ax.set_title(title)

    words = "; ".join(
        f"{o.arm}: predicted {value_words(o, o.median)} (90 % interval "
        f"{interval_words(o, o.pi90)}), published {value_words(o, o.observed or 0.0)}, "
        f"{'inside' if o.inside_pi90 else 'outside'}" for o in arms)
    alt = f"{title} at {week(first.visit_day)}. {words}. Simulated."
    return draw(f"published-{_slug(first.rule_id)}-{first.visit_day:.0f}", (3.5, 1.75), alt, paint)
