"""Figures of the conflict between studies: what the spread is made of, and each study beside its prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stroma.explanation.conflict_parts import CHANCE, REST, Conflict
from stroma.report.conflict_words import measured, per_cent, range_of
from stroma.report.explain_words import number
from stroma.report.figures import CELLS as CELLS_INK
from stroma.report.figures import CONTROL as FACTOR_INK
from stroma.report.svg import BLACK, GREY, PALE, Drawing, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INKS = {CHANCE: "#e3c567", REST: PALE}
_LINES = 0.27


def spread_figure(found: Conflict) -> Drawing:
    """Draw each factor's share of the variance between the published numbers."""
    rows = measured(found)
    alt = ("Shares of the variance between studies: "
           + "; ".join(f"{c.label} {per_cent(c.published)} ({range_of(c.published)})" for c in rows)
           + " (90 % intervals). Simulated.")

    def paint(ax: Axes) -> None:
        for row, c in enumerate(rows):
            if c.published:
                ax.barh(row, c.published.mean, height=0.62, color=_INKS.get(c.factor_id, FACTOR_INK))
                ax.plot(c.published.pi90, [row, row], color=BLACK, lw=0.8)
                ax.plot(c.published.pi50, [row, row], color=BLACK, lw=2.2)
        ax.axvline(0, color=GREY, lw=0.8)
        ax.set_yticks(range(len(rows)), [f"{c.label}  {per_cent(c.published)}" for c in rows])
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        ax.set_xlabel("% of the variance between studies")

    return draw("conflict-spread", (5.6, 0.9 + _LINES * len(rows)), alt, paint)


def studies_figure(found: Conflict) -> Drawing:
    """Draw each study's distance from the reference, published and predicted."""
    studies = found.studies
    alt = ("Distance of each study from the reference study, logits of improvement: "
           + "; ".join(f"{s.study_id} published {number(s.published.mean)}, predicted {number(s.predicted.mean)}"
                       for s in studies) + ". Simulated.")

    def paint(ax: Axes) -> None:
        for row, s in enumerate(studies):
            middle, reach = s.published.mean, 1.645 * s.chance_sd
            ax.plot([middle - reach, middle + reach], [row - 0.12] * 2, color=BLACK, lw=0.9)
            ax.plot(middle, row - 0.12, "D", color=BLACK, ms=5, label="published, chance 90 %" if row == 0 else None)
            ax.plot(s.predicted.pi90, [row + 0.16] * 2, color=CELLS_INK, lw=0.9)
            ax.plot(s.predicted.mean, row + 0.16, "o", mfc="white", mec=CELLS_INK, ms=5,
                    label="predicted, 90 %" if row == 0 else None)
        ax.axvline(0, color=GREY, lw=0.8)
        ax.set_yticks(range(len(studies)), [f"{s.study_id} ({s.numbers})" for s in studies])
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        ax.set_ylim(len(studies) - 0.4, -0.6)
        ax.set_xlabel("logits of improvement beyond the reference study; zero: the reference")
        ax.legend(loc="upper left", bbox_to_anchor=(0, 1.0 + 0.45 / (0.4 * len(studies) + 0.6)), ncols=2, frameon=False,
                  fontsize=8, borderaxespad=0)

    return draw("conflict-studies", (5.6, 1.3 + 0.4 * len(studies)), alt, paint)
