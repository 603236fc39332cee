"""Waterfalls: from nothing to the published change, part by part."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from stroma.explanation.parts import CHANCE, ENTRY, OPEN_LABEL, REGRESSION, SIGNAL, ExplainedOutcome
from stroma.report.explain_words import interval, number, outcome_words, unit_of
from stroma.report.figures import CELLS as CELLS_INK
from stroma.report.figures import CONTROL as BACKGROUND_INK
from stroma.report.svg import BLACK, GREY, PALE, Drawing, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = 0.27
_WIDTH = 5.2
_INKS = {ENTRY: PALE, REGRESSION: "#8c8c8c", OPEN_LABEL: "#cc79a7", CHANCE: "#e3c567", SIGNAL: CELLS_INK}


def waterfall(outcome: ExplainedOutcome, place: int) -> Drawing:
    """Draw one outcome; ``place`` is its number in the page."""
    shown = [p for p in outcome.parts if not p.absent]
    parts = "; ".join(f"{p.label} {number(p.mean)} ({interval(p.pi90)})" for p in shown)
    alt = (f"Waterfall of {outcome_words(outcome)}, {outcome.target.arm_label}: published {number(outcome.published)} "
           f"{unit_of(outcome)}, made of {parts} (90 % intervals). Simulated.")
    return draw(f"waterfall-{place:02d}", (_WIDTH, 1.05 + _LINES * (len(shown) + 1)), alt, _painter(outcome))


def _painter(outcome: ExplainedOutcome) -> Callable[[Axes], None]:
    shown = [p for p in outcome.parts if not p.absent]

    def paint(ax: Axes) -> None:
        ends = np.cumsum([p.mean for p in shown])
        starts = np.concatenate([[0.0], ends[:-1]])
        for row, (part, start, end) in enumerate(zip(shown, starts, ends, strict=True)):
            ink = _INKS.get(part.kind, BACKGROUND_INK)
            ax.barh(row, end - start, left=start, height=0.62, color=ink)
            ax.plot([start + part.pi90[0], start + part.pi90[1]], [row, row], color=BLACK, lw=0.8)
            ax.plot([start + part.pi50[0], start + part.pi50[1]], [row, row], color=BLACK, lw=2.2)
            ax.plot([end, end], [row - 0.31, row + 1.31], color=GREY, lw=0.6)
        last = len(shown)
        ax.barh(last, outcome.published, height=0.62, color=BLACK)
        ax.axvline(0, color=GREY, lw=0.8)
        names = [f"{p.label}  {number(p.mean)}" for p in shown]
        ax.set_yticks(range(last + 1), [*names, f"published  {number(outcome.published)}"])
        ax.get_yticklabels()[-1].set_fontweight("bold")
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        ax.set_xlabel(unit_of(outcome))
        figure = ax.get_figure()
        assert figure is not None
        title = "\n".join(textwrap.wrap(outcome_words(outcome), 70))
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")

    return paint
