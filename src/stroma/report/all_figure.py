"""The figure over all records: every deciding outcome's interval, and the published result on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stroma.calibration.prediction import Forecast, OutcomeForecast
from stroma.report.figures import CELLS, CONTROL
from stroma.report.labels import arm_size, interval_words, outcome_label, unit_words, value_words
from stroma.report.svg import BLACK, PALE, Drawing, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = tuple[str, tuple[OutcomeForecast, ...], Forecast]
_ROW = 0.27


def drawings(records: Sequence[Record]) -> tuple[Drawing, ...]:
    """Draw all shares and counts in one figure, in percent of patients, and every mean change in its own unit."""
    rows = [(record, o, 100.0 / arm_size(found, o) if o.statistic == "patients" else 1.0)
            for record, outcomes, found in records for o in outcomes if o.statistic != "mean_change"]
    out = [_figure("all-shares", rows, "% of patients", True)] if rows else []
    for record, outcomes, _ in records:
        means = [(record, o, 1.0) for o in outcomes if o.statistic == "mean_change"]
        if means:
            first = means[0][1]
            out.append(_figure(f"all-{record.lower()}", means,
                               f"{outcome_label(first)}, {unit_words(first.unit)}", False))
    return tuple(out)


def _figure(name: str, rows: Sequence[tuple[str, OutcomeForecast, float]], label: str, share: bool) -> Drawing:
    gaps = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
    place = [-(i + 0.6 * sum(g <= i for g in gaps)) for i in range(len(rows))]

    def paint(ax: Axes) -> None:
        for y, (_, o, scale) in zip(place, rows, strict=True):
            ink = CONTROL if o.control else CELLS
            ax.plot([x * scale for x in o.pi90], [y, y], color=ink, lw=2, solid_capstyle="butt")
            ax.plot([x * scale for x in o.pi50], [y, y], color=ink, lw=6, solid_capstyle="butt")
            ax.plot([o.median * scale], [y], "o", color="white", mec=ink, ms=5)
            if o.observed is not None:
                ax.plot([o.observed * scale], [y], marker="D" if o.inside_pi90 else "X", color=BLACK, ms=6, ls="none",
                        zorder=5, clip_on=False)
        if share:
            ax.set_xlim(-2, 102)
        else:
            ax.axvline(0, color=PALE, lw=0.8, zorder=0)
        ax.set_yticks(place, [_name(i, rows) for i in range(len(rows))])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_ylim(min(place) - 0.7, 0.7)
        ax.set_xlabel(label)

    words = "; ".join(
        f"{record}, {outcome_label(o)}, {o.arm}: {value_words(o, o.median)} ({interval_words(o, o.pi90)})"
        + (f", published {value_words(o, o.observed)}" if o.observed is not None else "") for record, o, _ in rows)
    return draw(name, (7.2, 0.75 + _ROW * (len(rows) + 0.6 * len(gaps))), f"Forecasts of all records. {words}. "
                "Simulated.", paint)


def _name(row: int, rows: Sequence[tuple[str, OutcomeForecast, float]]) -> str:
    record, o, _ = rows[row]
    what = f"{outcome_label(o).partition(' (')[0]}, {o.arm}"
    return f"{record}  {what}" if row == 0 or rows[row - 1][0] != record else what
