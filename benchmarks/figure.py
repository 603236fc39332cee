"""The work-precision figure: throughput against delivered error, one panel a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LOOK = {"stroma cpu": ("#0b6e4f", "o"), "libroadrunner": ("#c05621", "s"), "scipy lsoda": ("#5a67d8", "^")}


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the sweeps of a report; the ending of the name decides the format."""
    from matplotlib.figure import Figure

    models = report["models"]
    figure = Figure(figsize=(3.6 * len(models) + 0.6, 3.9), layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for panel, (name, found) in zip(panels, models.items(), strict=True):
        for engine, points in found["sweep"].items():
            shown = [p for p in points if not p["failed"] and p["error"] > 0]
            colour, marker = LOOK[engine]
            panel.loglog([p["error"] for p in shown], [p["per_second"] for p in shown], color=colour, marker=marker,
                         markersize=5, label=engine)
        ratio = found["ratio_at_equal_error"]["0.0001"]["libroadrunner"]
        words = f"; {ratio:.0f} × libRoadRunner at 1e-4" if ratio is not None else ""
        panel.set_title(f"{name}: {found['states']} states{words}", fontsize=9)
        panel.set_xlabel("delivered error")
        panel.invert_xaxis()
        panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
        panel.axvline(1e-4, color="#999999", linewidth=0.8, linestyle=":")
    panels[0].set_ylabel("subjects per second and core")
    panels[0].legend(fontsize=8, loc="center left", frameon=False)
    machine = report["machine"]
    words = f"{machine['cpu']}, {machine['lanes']} lanes, one core; more to the right is more exact"
    figure.suptitle(words, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
