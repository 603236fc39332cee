"""Figures of the closer look: the cells' fate on a log time axis, freedom from flares, shares of variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stroma.detail.cell_fate import GONE, LICENCE, RELAY, WHERE, CellFate, FateCourse
from stroma.detail.flares import FlareCurve
from stroma.detail.look import Detail
from stroma.detail.variance import DIFFERENCE, SOURCES, Variance
from stroma.report.adam import flare_words
from stroma.report.svg import BLACK, GREY, PALE, Drawing, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito 2008; light where living cells are many, dark text on all of them.
_CELLS, _CONTROL = "#0072b2", "#d55e00"
_PLACES = ("#0072b2", "#56b4e9", "#e69f00")
_LINES = ("#0072b2", "#009e73")
SOURCE_INKS = {"sampling": "#c9c9c9", "patients": "#56b4e9", "studies": "#009e73", "parameters": "#e69f00",
               "structure": "#cc79a7"}
SOURCE_WORDS = {"sampling": "sampling", "patients": "between patients", "studies": "between studies",
                "parameters": "parameters", "structure": "structure"}
_TICKS = {1 / 144: "10 min", 1 / 24: "1 h", 0.25: "6 h", 1.0: "1 day", 7.0: "1 week", 28.0: "4", 168.0: "24 weeks"}
# Points from the axis down to the first row of a risk table, and from row to row.
_RISK_BELOW, _RISK_ROW = 36, 11
_SIZE = (3.5, 2.8)
# Share of cells below which nobody asks how many of the living are licensed.
_FEW = 1e-3


def fate_figures(fate: CellFate) -> tuple[Drawing, ...]:
    """Draw where the cells are, how many are licensed, and what they hand on."""
    parts = {part: [c for c in fate.courses if c.part == part] for part in (WHERE, LICENCE, RELAY)}
    alive = sum((c.mean for c in parts[WHERE] if c.label.startswith("alive")), np.zeros(fate.day.size))
    ends = {LICENCE: int(np.flatnonzero(alive >= _FEW).max(initial=0)) + 1, RELAY: fate.day.size}
    shown = [_where(fate, parts[WHERE])]
    shown += [_lines(fate, parts[part], name, title, ends[part]) for part, name, title in (
        (LICENCE, "cells-licensed", "Licensed by local IFN-γ"), (RELAY, "cells-relay", "Handed on to the patient"))
        if parts[part]]
    return tuple(shown)


def _where(fate: CellFate, courses: list[FateCourse]) -> Drawing:
    living = [c for c in courses if c.output != GONE]
    inks = _PLACES if len(living) > 2 else (_PLACES[0], _PLACES[2])

    def paint(ax: Axes) -> None:
        floor = np.zeros(fate.day.size)
        for course, ink in zip([*living, *(c for c in courses if c.output == GONE)], [*inks, PALE], strict=True):
            ax.fill_between(fate.day, floor, floor + 100 * course.mean, color=ink, lw=0, label=course.label)
            floor = floor + 100 * course.mean
        ax.set_ylim(0, 100)
        ax.set_ylabel("% of all cells given so far")
        ax.set_title("Where the cells are")
        _time_axis(ax, fate)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.32), ncol=2, frameon=False, fontsize=8)

    hour, day, week = (100 * np.array([c.mean[_at(fate, d)] for c in courses]) for d in (1 / 24, 1.0, 7.0))
    words = "; ".join(f"{c.label} {hour[i]:.0f} % after one hour, {day[i]:.0f} % after one day, {week[i]:.1f} % after "
                      f"one week" for i, c in enumerate(courses))
    alt = f"Where the cells of {fate.arm} are, share of all cells given so far: {words}. Simulated."
    return draw("cells-where", _SIZE, alt, paint)


def _at(fate: CellFate, day: float) -> int:
    return int(np.argmin(np.abs(fate.day - day)))


def _lines(fate: CellFate, courses: list[FateCourse], name: str, title: str, end: int) -> Drawing:
    def paint(ax: Axes) -> None:
        for course, ink, style in zip(courses, _LINES, ("-", "--"), strict=False):
            q = 100 * course.quantiles[:, :end]
            ax.fill_between(fate.day[:end], q[0], q[4], color=ink, alpha=0.14, lw=0)
            ax.plot(fate.day[:end], q[2], color=ink, lw=2, ls=style, label=course.label)
        ax.set_ylim(0, 100)
        ax.set_ylabel("%")
        ax.set_title(title)
        _time_axis(ax, fate)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.32), ncol=1, frameon=False, fontsize=8)

    words = "; ".join(f"{c.label}: median patient {100 * c.quantiles[2, :end].max():.0f} % at most, "
                      f"{100 * c.quantiles[2, end - 1]:.0f} % at the end" for c in courses)
    return draw(name, _SIZE, f"{title}, {fate.arm}. {words}. Simulated.", paint)


def _time_axis(ax: Axes, fate: CellFate) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator

    ax.set_xscale("log")
    ax.set_xlim(float(fate.day[0]), float(fate.day[-1]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ticks = [t for t in _TICKS if fate.day[0] <= t <= fate.day[-1]]
    ax.set_xticks(ticks, [_TICKS[t] for t in ticks], fontsize=7)
    for day in fate.given_day[1:]:
        ax.axvline(day - fate.given_day[0], color=GREY, lw=0.8, ls=":")
    ax.set_xlabel("time since the first cells, log scale")


def flare_figures(detail: Detail) -> tuple[Drawing, ...]:
    """Draw one Kaplan-Meier figure, with its risk table, for each kind of flare."""
    kinds = dict.fromkeys(c.flare for c in detail.flares)
    return tuple(_flare(kind, [c for c in detail.flares if c.flare == kind]) for kind in kinds)


def _flare(kind: str, curves: list[FlareCurve]) -> Drawing:
    def paint(ax: Axes) -> None:
        for curve in curves:
            ink, weeks = _CONTROL if curve.control else _CELLS, curve.day / 7.0
            ax.fill_between(weeks, 100 * curve.band[0], 100 * curve.band[2], color=ink, alpha=0.14, lw=0, step="post")
            ax.step(weeks, 100 * curve.free, color=ink, lw=2, ls="--" if curve.control else "-", where="post")
        ax.set_ylim(0, 102)
        ax.set_ylabel("% free of it")
        ax.set_title(f"First {flare_words(kind)}")
        risk = curves[0].risk_day / 7.0
        ax.set_xlim(0, float(risk[-1]))
        ax.set_xticks(risk, [f"{w:.0f}" for w in risk])
        ax.set_xlabel("weeks since randomisation")
        for row, curve in enumerate(curves):
            ink, below = _CONTROL if curve.control else _CELLS, (0, -_RISK_BELOW - _RISK_ROW * row)
            ax.annotate(curve.arm, (-0.12, 0), below, "axes fraction", "offset points", ha="right", va="top", color=ink,
                        fontsize=7.5, fontweight="bold")
            for week, left, seen in zip(risk, curve.at_risk, curve.events, strict=True):
                ax.annotate(f"{left} ({seen})", (week, 0), below, ax.get_xaxis_transform(), "offset points",
                            ha="center", va="top", fontsize=7.5, color=BLACK)

    words = "; ".join(f"{c.arm}: {100 * c.free[-1]:.0f} % free at the end in the trial shown, nine tenths of trials "
                      f"{100 * c.band[0, -1]:.0f} to {100 * c.band[2, -1]:.0f} %; at risk "
                      f"{', '.join(map(str, c.at_risk))}" for c in curves)
    return draw(f"flare-{kind.replace('_', '-')}", (3.8, 3.1), f"Kaplan-Meier curves of the first {flare_words(kind)}. "
                f"{words}. Simulated.", paint)


def variance_figure(variances: tuple[Variance, ...]) -> Drawing:
    """Draw what share of each number's variance each source brings."""
    def paint(ax: Axes) -> None:
        for row, v in enumerate(variances):
            start = 0.0
            for source in SOURCES:
                width = 100 * v.share(source)
                ax.barh(row, width, left=start, height=0.6, color=SOURCE_INKS[source],
                        label=SOURCE_WORDS[source] if row == 0 else None)
                if width >= 8:
                    ax.text(start + width / 2, row, f"{width:.0f}", ha="center", va="center", fontsize=8, color=BLACK)
                start += width
        ax.set_yticks(range(len(variances)), [v.result for v in variances])
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        ax.set_xlim(0, 100)
        ax.set_xlabel("% of the variance of the trial's own number")
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.45), ncol=3, frameon=False, fontsize=8)

    words = "; ".join(f"{v.result}: " + ", ".join(f"{SOURCE_WORDS[s]} {100 * v.share(s):.0f} %" for s in SOURCES)
                      for v in variances)
    name = "difference" if any(v.result == DIFFERENCE for v in variances) else "arms"
    return draw(f"variance-{name}", (3.9, 1.5 + 0.34 * len(variances)), f"Variance by source. {words}. Simulated.",
                paint)
