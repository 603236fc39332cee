"""The funnel plot; matplotlib is imported where the figure is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stroma.errors import fail, nearest
from stroma.evidence.effect_sizes import MEASURES
from stroma.evidence.pooling.inference import critical
from stroma.evidence.pooling.small_study import TrimAndFill
from stroma.evidence.pooling.small_study import funnel as funnel_points
from stroma.evidence.readers_scale import NO_NULL, Reading, scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINT = "#1f4e79"


def funnel(effect: Sequence[float], variance: Sequence[float], measure: str, *, unit: str = "",
           kind: Sequence[str] | None = None, filled: TrimAndFill | None = None, title: str = "") -> Figure:
    """Draw a funnel plot, with contours of significance about the null where the measure has one.

    Parameters
    ----------
    effect, variance, kind
        As in ``pool``; one family of evidence.
    filled : TrimAndFill, optional
        Studies filled in are drawn as open circles.
    measure, unit, title
        As in :func:`stroma.evidence.forest.forest`.

    Source
    ------
    Peters, Sutton, Jones, Abrams, Rushton, J Clin Epidemiol 2008;61:991, doi 10.1016/j.jclinepi.2007.11.010.
    """
    from matplotlib.figure import Figure

    points = funnel_points(effect, variance, kind=kind)
    if measure not in MEASURES:
        raise fail("E507", f"unknown measure `{measure}`", hint=nearest(measure, MEASURES), exit_code=2)
    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    axes = figure.add_subplot()
    extra = np.array([]) if filled is None else filled.filled_effect
    top = 1.08 * float(points.se.max())
    spread = max(float(np.abs(np.concatenate([points.effect, extra]) - points.center).max()) * 1.15, 1.96 * top)
    low, high = points.center - spread, points.center + spread
    if measure not in NO_NULL:
        _contours(axes, top)
    axes.plot([points.center - 1.96 * top, points.center, points.center + 1.96 * top], [top, 0.0, top], "--",
              color="#444444", lw=1.0, label="95 % limits about the common effect")
    axes.axvline(points.center, color="#444444", lw=1.0)
    axes.plot(points.effect, points.se, "o", color=POINT, ms=5.5, mec="white", mew=0.6,
              label=f"studies (k = {points.effect.size})")
    if filled is not None and filled.missing:
        axes.plot(filled.filled_effect, np.sqrt(filled.filled_variance), "o", mfc="white", ms=5.5,
                  mec=POINT, label=f"filled in (k = {filled.missing})")
    axes.set(xlim=(low, high), ylim=(top, 0.0), ylabel="standard error", title=title)
    scale(axes, Reading(measure, unit, ()) if measure != "freeman_tukey" else None, low, high, measure)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=8, frameon=False)
    return figure


def _contours(axes: Axes, top: float) -> None:
    heights = np.array([0.0, top])
    shades = ((0.10, "#ffffff", "p > 0.10"), (0.05, "#cfcfcf", "0.05 < p < 0.10"), (0.01, "#e3e3e3", "0.01 < p < 0.05"))
    axes.set_facecolor("#f3f3f3")
    inner = np.zeros(2)
    for p, colour, label in shades:
        outer = critical(1.0 - p, math.inf) * heights
        axes.fill_betweenx(heights, inner, outer, facecolor=colour, lw=0, zorder=0)
        axes.fill_betweenx(heights, -outer, -inner, facecolor=colour, lw=0, zorder=0)
        axes.fill_betweenx([], [], facecolor=colour, edgecolor="#888888", lw=0.5, label=label)
        inner = outer
    axes.fill_betweenx([], [], facecolor="#f3f3f3", edgecolor="#888888", lw=0.5, label="p < 0.01")
