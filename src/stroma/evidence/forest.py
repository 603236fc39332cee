"""The forest plot. Families of evidence stand apart and have no common diamond.

matplotlib is imported where the figure is made; ``figure.savefig("forest.svg")`` writes it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stroma.errors import fail, nearest
from stroma.evidence.effect_sizes import MEASURES
from stroma.evidence.pooling.inference import INTERVALS, critical
from stroma.evidence.pooling.kinds import families
from stroma.evidence.pooling.moderators import subgroups
from stroma.evidence.pooling.pooled import PooledEffect, pool
from stroma.evidence.readers_scale import NO_NULL, SCALE, SHARES, Reading, scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEADINGS = {
    "controlled": "With a control group that got no active treatment",
    "active_comparator": "Against an active comparator",
    "uncontrolled": "Without a control group: not an effect of the treatment alone",
}
"""Family of evidence -> heading, in the order of the panels."""

WORDS = {
    "controlled": ("favours experimental", "favours control"),
    "active_comparator": ("favours experimental", "favours comparator"),
    "uncontrolled": ("better than before", "worse than before"),
}
COLOUR = {"controlled": "#1f4e79", "active_comparator": "#5b3f8c", "uncontrolled": "#8a6a2f"}
PREDICTION = "#b03a2e"
ROW, MARGIN, PLOT, GAP = 0.225, 0.25, 3.4, 0.22
"""Row height, page margin, width of the plot and gap between columns, in inches."""
BELOW = 0.78
"""From the axis to the first note, in inches."""

@dataclass(frozen=True)
class Study:
    """One row of a forest plot.

    Attributes
    ----------
    label : str
        Author and year.
    effect, variance : float
        On the scale of pooling.
    kind : str
        What it compares with, see ``pooling.FAMILY``.
    group : str
        Subgroup; empty for none.
    cells : tuple of str
        Further columns, one text each.
    n : float or None
        Sample size, needed to turn a double arcsine back.
    exact : tuple of three float or None
        Observed share (0 to 1) or rate with exact limits, shown instead of estimate +- z se; arms without events
        need it, see ``effect_sizes.clopper_pearson``.
    """

    label: str
    effect: float
    variance: float
    kind: str
    group: str = ""
    cells: tuple[str, ...] = ()
    n: float | None = None
    exact: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class _Line:
    """One line of a panel; ``role`` is head, group, study, diamond, total, prediction or note."""

    role: str
    label: str
    cells: tuple[str, ...] = ()
    interval: tuple[float, float, float] | None = None
    text: str = ""
    weight: float | None = None


@dataclass(frozen=True)
class _Panel:
    family: str
    lines: tuple[_Line, ...]
    total: PooledEffect
    notes: tuple[str, ...]


def forest(studies: Sequence[Study], measure: str, *, unit: str = "", columns: Sequence[str] = (),
           better: str = "lower", title: str = "", notes: Sequence[str] = (),
           tau2_method: str = "reml", interval: str = "hksj", level: float = 0.95) -> Figure:
    """Draw a forest plot: one panel a family of evidence, subgroup diamonds, a total, its prediction interval.

    Parameters
    ----------
    studies : sequence of Study
        In the order to be shown within each subgroup.
    measure : str
        A key of ``effect_sizes.MEASURES``.
    unit : str
        Of differences and means, for the axis.
    columns : sequence of str
        Headings of ``Study.cells``.
    better : {"lower", "higher"}
        Which direction is good for the patient.
    title : str
        Above the figure.
    notes : sequence of str
        Below the figure, what holds for every panel.
    tau2_method, interval, level
        As in ``pool``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    StromaError
        As ``pool``; E507 unknown measure, E535 no study, cells that do not match the columns, ``better`` unknown.
    """
    _drawable(studies, measure, columns, better)
    sizes = tuple(s.n for s in studies if s.n is not None)
    reading = Reading(measure, unit, sizes)
    family_of = families([s.kind for s in studies])
    panels = [_panel(family, [s for s, f in zip(studies, family_of, strict=True) if f == family], reading,
                     tau2_method, interval, level)
              for family in HEADINGS if family in family_of]
    return _Sheet(panels, reading, tuple(columns), better, title, tuple(notes), level).draw()


def _drawable(studies: Sequence[Study], measure: str, columns: Sequence[str], better: str) -> None:
    if measure not in MEASURES:
        raise fail("E507", f"unknown measure `{measure}`", hint=nearest(measure, MEASURES), exit_code=2)
    if not studies:
        raise fail("E535", "no study to draw")
    if better not in ("lower", "higher"):
        raise fail("E535", f"better is `{better}`", hint="known: `lower`, `higher`", exit_code=2)
    for s in studies:
        if len(s.cells) != len(columns):
            raise fail("E535", f"{s.label} has {len(s.cells)} cells for {len(columns)} columns", exit_code=2)
        if measure == "freeman_tukey" and s.n is None:
            raise fail("E535", f"{s.label} has no sample size to turn a double arcsine back", exit_code=2)


def _panel(family: str, studies: list[Study], reading: Reading, tau2_method: str, interval: str,
           level: float) -> _Panel:
    y, v, kind = [s.effect for s in studies], [s.variance for s in studies], [s.kind for s in studies]
    total = pool(y, v, tau2_method, interval, kind=kind, level=level)
    names = list(dict.fromkeys(s.group for s in studies))
    parts = subgroups(y, v, [s.group or "other" for s in studies], tau2_method, interval, kind=kind, level=level)
    lines = [_Line("head", HEADINGS[family])]
    for name in names:
        lines += [_Line("group", name)] if name else []
        members = [(s, w) for s, w in zip(studies, total.weights, strict=True) if s.group == name]
        lines += [_study_line(s, w, reading, level) for s, w in members]
        part = parts.groups[name or "other"]
        if len(names) > 1 and part.k > 1:
            lines.append(_summary_line("diamond", f"{name or 'other'}: {_spread(part)}", part, reading,
                                       sum(w for _, w in members)))
    if total.k > 1:
        lines.append(_summary_line("total", f"Pooled: {_spread(total)}", total, reading, 100.0))
    if total.prediction_interval is not None:
        label = f"{100 * level:g} % prediction interval (t, {total.prediction_df:g} df)"
        span = (total.estimate, *total.prediction_interval)
        lines.append(_Line("prediction", label, (), span, "[" + reading.text(span).split("[")[1]))
    how = (f"Model: {total.tau2_method.upper()}; {INTERVALS[total.interval]}; squares have areas by weight."
           + ("" if family == "uncontrolled" else f" Compared with: {total.kind.replace('_', ' ')}."))
    differ = () if parts.q_df == 0 else (
        f"Difference between subgroups: Q = {parts.q:.2f}, df = {parts.q_df}, p = {parts.q_p:.3g}.", *parts.notes)
    one_sided = ("Arms without events, or with nothing else: one-sided exact limit.",) if any(
        s.exact is not None and s.exact[0] in (0.0, 1.0) for s in studies) else ()
    return _Panel(family, tuple(lines), total, (how, *one_sided, *differ, *total.notes))


def _study_line(study: Study, weight: float, reading: Reading, level: float) -> _Line:
    if study.exact is None:
        half = critical(level, math.inf) * math.sqrt(study.variance)
        span = (study.effect, study.effect - half, study.effect + half)
        return _Line("study", study.label, study.cells, span, reading.text(span), weight)
    percent = 100.0 if reading.measure in SHARES else 1.0
    center, low, high = study.exact
    return _Line("study", study.label, study.cells,
                 (reading.placed(center), reading.placed(low), reading.placed(high)),
                 reading.printed(percent * center, percent * low, percent * high), weight)


def _summary_line(role: str, label: str, pooled: PooledEffect, reading: Reading, weight: float) -> _Line:
    span = (pooled.estimate, *pooled.ci)
    return _Line(role, label, (), span, reading.text(span), weight)


def _spread(pooled: PooledEffect) -> str:
    return f"k = {pooled.k}, τ² = {pooled.tau2:.3g}, I² = {pooled.i2:.0f} %"


class _Sheet:
    """A page in inches: text columns left and right of one plot a panel."""

    def __init__(self, panels: list[_Panel], reading: Reading, columns: tuple[str, ...], better: str,
                 title: str, notes: tuple[str, ...], level: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.panels, self.reading, self.columns = panels, reading, columns
        self.better, self.title, self.level = better, title, level
        self.heaviest = max(x.weight or 0.0 for p in panels for x in p.lines if x.role == "study")
        self.figure = Figure(dpi=150)
        self.renderer = FigureCanvasAgg(self.figure).get_renderer()
        lines = [line for panel in panels for line in panel.lines]
        labels = [self._width(x.label, x.role != "study") for x in lines if x.role in ("study", "group")]
        spans = [self._width(x.label, True) for x in lines if x.role in ("diamond", "total", "prediction")]
        self.label_width = max(labels) + 0.15
        self.cell_widths = [max([self._width(name, True), *(self._width(x.cells[i], False) for x in lines if x.cells)])
                            for i, name in enumerate(columns)]
        used = self.label_width + sum(w + GAP for w in self.cell_widths)
        self.label_width += max(0.0, max(spans, default=0.0) - used)
        self.left = MARGIN + self.label_width + sum(w + GAP for w in self.cell_widths) + GAP
        self.text_width = max(self._width(t, True) for t in (self._effect_head(), *(x.text for x in lines)))
        self.width = self.left + PLOT + GAP + self.text_width + GAP + 0.55 + MARGIN
        self.notes = {p.family: self._wrapped(p.notes) for p in panels}
        self.below = self._wrapped(notes)

    def _width(self, text: str, bold: bool) -> float:
        from matplotlib.font_manager import FontProperties

        font = FontProperties(size=9, weight="bold" if bold else "normal")
        return self.renderer.get_text_width_height_descent(text, font, False)[0] / self.figure.dpi

    def _effect_head(self) -> str:
        return f"{SCALE.get(self.reading.measure, 'effect')} [{100 * self.level:g} % CI]"

    def _wrapped(self, notes: Sequence[str]) -> list[str]:
        columns = int((self.width - 2 * MARGIN) / 0.06)
        return [line for note in notes for line in textwrap.wrap(note, columns)]

    def draw(self) -> Figure:
        """Return the finished figure."""
        heights = [ROW * (len(p.lines) + 0.75 * len(self.notes[p.family])) + BELOW + 0.2 for p in self.panels]
        head = ROW * (2.4 if self.title else 1.2)
        height = MARGIN + head + sum(heights) + 0.75 * ROW * len(self.below) + MARGIN * 0.4
        self.figure.set_size_inches(self.width, height)
        self.page = self.figure.add_axes((0, 0, 1, 1))
        self.page.set(xlim=(0, self.width), ylim=(0, height))
        self.page.axis("off")
        y = height - MARGIN
        if self.title:
            self._say(MARGIN, y, self.title, size=11, weight="bold")
        y = height - MARGIN - head + ROW
        self._headings(y)
        y -= ROW * 1.0
        for panel, tall in zip(self.panels, heights, strict=True):
            self._draw_panel(panel, y, height)
            y -= tall
        for i, note in enumerate(self.below):
            self._note(y - 0.75 * ROW * i, note)
        return self.figure

    def _note(self, y: float, text: str) -> None:
        self._say(MARGIN, y, text, size=7.5, colour="#444444")

    def _say(self, x: float, y: float, text: str, *, size: float = 9, weight: str = "normal", align: str = "left",
             colour: str = "black") -> None:
        self.page.text(x, y, text, fontsize=size, fontweight=weight, ha=align, va="center", color=colour)

    def _cell_lefts(self) -> list[float]:
        x = MARGIN + self.label_width + GAP
        lefts = []
        for width in self.cell_widths:
            lefts.append(x)
            x += width + GAP
        return lefts

    def _headings(self, y: float) -> None:
        self._say(MARGIN, y, "Study", weight="bold")
        for x, name in zip(self._cell_lefts(), self.columns, strict=True):
            self._say(x, y, name, weight="bold")
        self._say(self.left + PLOT + GAP + self.text_width, y, self._effect_head(), weight="bold", align="right")
        self._say(self.width - MARGIN, y, "Weight", weight="bold", align="right")
        self.page.plot([MARGIN, self.width - MARGIN], [y - 0.6 * ROW] * 2, color="black", lw=0.8)

    def _draw_panel(self, panel: _Panel, top: float, height: float) -> None:
        colour = COLOUR[panel.family]
        rows = len(panel.lines)
        bottom = top - ROW * rows
        axes = self.figure.add_axes((self.left / self.width, bottom / height, PLOT / self.width,
                                     ROW * (rows - 1) / height))
        low, high = _limits(panel)
        axes.set(xlim=(low, high), ylim=(bottom, top - ROW))
        axes.patch.set_visible(False)
        axes.set_yticks([])
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.tick_params(axis="x", labelsize=8)
        scale(axes, self.reading, low, high, self.reading.measure)
        axes.xaxis.label.set_fontsize(8.5)
        if self.reading.measure not in NO_NULL:
            axes.axvline(0.0, color="black", lw=0.8, zorder=0)
        if panel.total.k > 1:
            axes.axvline(panel.total.estimate, color=colour, lw=0.8, ls=":", zorder=0)
        for i, line in enumerate(panel.lines):
            self._draw_line(axes, line, top - ROW * (i + 0.5), colour, (low, high))
        self._directions(panel, bottom)
        for i, note in enumerate(self.notes[panel.family]):
            self._note(bottom - BELOW - 0.75 * ROW * i, note)

    def _draw_line(self, axes: Axes, line: _Line, y: float, colour: str, limits: tuple[float, float]) -> None:
        heavy = line.role in ("head", "group", "diamond", "total")
        indent = 0.0 if line.role != "study" else 0.1
        self._say(MARGIN + indent, y, line.label, weight="bold" if heavy else "normal",
                  colour=colour if line.role == "head" else "black")
        for x, text in zip(self._cell_lefts(), line.cells, strict=False):
            self._say(x, y, text)
        if line.interval is None:
            return
        right = self.left + PLOT + GAP + self.text_width
        self._say(right, y, line.text, weight="bold" if heavy else "normal", align="right")
        if line.weight is not None:
            self._say(self.width - MARGIN, y, f"{line.weight:.1f} %", weight="bold" if heavy else "normal",
                      align="right")
        _mark(axes, line, y, colour, limits, self.heaviest)

    def _directions(self, panel: _Panel, bottom: float) -> None:
        if self.reading.measure in NO_NULL:
            return
        left, right = WORDS[panel.family] if self.better == "lower" else WORDS[panel.family][::-1]
        self._say(self.left, bottom - 0.53, f"← {left}", size=8, colour="#444444")
        self._say(self.left + PLOT, bottom - 0.53, f"{right} →", size=8, align="right", colour="#444444")


def _limits(panel: _Panel) -> tuple[float, float]:
    """Show every estimate and the total; intervals far longer than the median one end in an arrow."""
    spans = [x.interval for x in panel.lines if x.interval is not None and x.role == "study"]
    finite = np.array([s for s in spans if all(map(math.isfinite, s))] or [(panel.total.estimate, *panel.total.ci)])
    half = float(np.median((finite[:, 2] - finite[:, 1]) / 2.0))
    low, high = float(finite[:, 0].min()) - 1.5 * half, float(finite[:, 0].max()) + 1.5 * half
    if panel.total.k > 1:
        low, high = min(low, panel.total.ci[0]), max(high, panel.total.ci[1])
    span = high - low
    if panel.total.prediction_interval is not None:
        low = min(low, max(panel.total.prediction_interval[0], low - 0.4 * span))
        high = max(high, min(panel.total.prediction_interval[1], high + 0.4 * span))
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def _mark(axes: Axes, line: _Line, y: float, colour: str, limits: tuple[float, float], heaviest: float) -> None:
    assert line.interval is not None
    center, low, high = line.interval
    left, right = max(low, limits[0]), min(high, limits[1])
    if line.role in ("diamond", "total"):
        tall = 0.36 * ROW
        axes.fill([low, center, high, center], [y, y + tall, y, y - tall], color=colour,
                  alpha=1.0 if line.role == "total" else 0.55, lw=0)
    tint = PREDICTION if line.role == "prediction" else colour
    thick = {"prediction": 4.0, "study": 1.1}.get(line.role, 0.0)
    axes.plot([left, right], [y, y], color=tint, lw=thick, solid_capstyle="butt")
    if line.role == "study" and math.isfinite(center):
        assert line.weight is not None
        size = max(2.0, 11.0 * math.sqrt(line.weight / heaviest))
        axes.plot([center], [y], "s", color=colour, ms=size, mec="white", mew=0.4)
    if low < limits[0]:
        axes.plot([limits[0]], [y], "<", color=tint, ms=5, clip_on=False)
    if high > limits[1]:
        axes.plot([limits[1]], [y], ">", color=tint, ms=5, clip_on=False)
