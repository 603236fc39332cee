"""The figure of one simulated patient: a panel a measurement, and two on the cells."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from stroma.notice import NOTICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stroma.cli.one_subject import OneSubject

_INK = {"untreated": "#a8a8a8", "treated": "#0b6e99"}
_WIDTH = {"untreated": 3.0, "treated": 1.4}
_EARLY_DAYS = 7.0
COLUMNS = 3


def draw_subject(one: OneSubject, panels: dict[str, tuple[str, str]]) -> Figure:
    """Draw the courses: lines are the model, dots are what the clinic measures.

    Parameters
    ----------
    one : OneSubject
    panels : dict of str to (str, str)
        Measured quantity to its title with unit, and the model output behind it (empty where there is none).

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    with_cells = all(name in one.courses[-1].states for name in ("viable", "licensed", "relay", "tone"))
    count = len(panels) + 2 * with_cells
    rows = -(-count // COLUMNS)
    figure = Figure(figsize=(4.0 * COLUMNS, 2.7 * rows + 0.9), layout="constrained")
    axes = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axis, (quantity, (title, output)) in zip(axes, panels.items(), strict=False):
        _measurement(axis, one, quantity, title, output)
    if with_cells:
        _early_cells(axes[len(panels)], one)
        _late_cells(axes[len(panels) + 1], one)
    for axis in axes[count:]:
        axis.remove()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(
        f"{one.disease_id}: one patient ({one.population}, seed {one.seed}, subject {one.subject}). "
        f"{NOTICE}."
    )
    return figure


def _measurement(axis: Axes, one: OneSubject, quantity: str, title: str, output: str) -> None:
    for course in one.courses:
        ink = _INK[course.arm]
        if output:
            axis.plot(
                one.t_day,
                course.states[output],
                color=ink,
                lw=_WIDTH[course.arm],
                label=f"{course.arm}, model",
            )
        axis.plot(
            one.visit_day,
            course.measured[quantity],
            "o" if output else "o-",
            lw=0.8,
            color=ink,
            ms=2.0 + _WIDTH[course.arm],
            label=f"{course.arm}, measured",
        )
    axis.set_title(title, fontsize=10)
    low, high = axis.get_ylim()
    axis.set_ylim(min(0.0, low), 1.08 * high)
    axis.set_xlabel("day", fontsize=8)
    axis.grid(alpha=0.25)


def _early_cells(axis: Axes, one: OneSubject) -> None:
    course = one.courses[-1]
    early = one.t_day <= _EARLY_DAYS
    most = max(float(course.states["viable"].max()), 1.0)
    axis.plot(
        one.t_day[early], course.states["viable"][early] / most, color="#c0582b", label="viable cells / peak"
    )
    axis.plot(one.t_day[early], course.states["licensed"][early], color="#3d7d3d", label="licensed share")
    _share_axis(axis, "Cells in the first week")


def _late_cells(axis: Axes, one: OneSubject) -> None:
    course = one.courses[-1]
    axis.plot(one.t_day, course.states["relay"], color="#7a4fa3", label="phagocytes turned")
    axis.plot(one.t_day, course.states["tone"], color="#0b6e99", label="regulatory tone")
    _share_axis(axis, "What the cells leave behind")


def _share_axis(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_ylim(0, 1.05)
    axis.set_xlabel("day", fontsize=8)
    axis.legend(fontsize=7, frameon=False)
    axis.grid(alpha=0.25)


def figure_files(figure: Figure, name: str) -> dict[str, bytes]:
    """Return the figure as PNG and SVG; the same figure gives the same bytes."""
    import matplotlib

    files = {}
    with matplotlib.rc_context({"svg.hashsalt": name}):
        for kind, metadata in (
            ("png", {"Description": NOTICE}),
            ("svg", {"Date": None, "Description": NOTICE}),
        ):
            target = BytesIO()
            figure.savefig(target, format=kind, dpi=130, metadata=metadata)
            files[f"{name}.{kind}"] = target.getvalue()
    return files
