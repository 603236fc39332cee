"""How effects are shown: the scale readers know, the ticks and the label of its axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stroma.evidence.effect_sizes import MEASURES, back_transform

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = frozenset({"logit_proportion", "freeman_tukey"})
NO_NULL = SHARES | {"log_rate", "mean"}
RATIO_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SHARE_TICKS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
SCALE = {"logit_proportion": "proportion, %", "freeman_tukey": "proportion, %", "log_rate": "rate",
         "log_risk_ratio": "risk ratio", "log_odds_ratio": "odds ratio", "log_rate_ratio": "rate ratio"}


@dataclass(frozen=True)
class Reading:
    """How numbers of one measure are shown; ``sizes`` turn a double arcsine back."""

    measure: str
    unit: str
    sizes: tuple[float, ...]

    def shown(self, value: float) -> float:
        """Return a value on the readers' scale; proportions in percent."""
        turned = float(back_transform(self.measure, value, self.sizes or None))
        return 100.0 * turned if self.measure in SHARES else turned

    def placed(self, value: float) -> float:
        """Return where a share or rate stands on the scale of pooling; an empty arm stands at minus infinity."""
        with np.errstate(divide="ignore"):
            if self.measure == "logit_proportion":
                return float(np.log(value) - np.log1p(-value))
            return math.asin(math.sqrt(value)) if self.measure == "freeman_tukey" else float(np.log(value))

    def text(self, interval: tuple[float, float, float]) -> str:
        """Return ``estimate [low, high]`` of an interval on the scale of pooling."""
        return self.printed(*(self.shown(x) for x in interval))

    def printed(self, center: float, low: float, high: float) -> str:
        """Return ``estimate [low, high]`` of numbers on the readers' scale."""
        places = 1 if self.measure in SHARES or abs(center) >= 100 else 2
        return f"{center:.{places}f} [{low:.{places}f}, {high:.{places}f}]".replace("-", "−")

    @property
    def axis(self) -> str:
        """Return the axis label."""
        name = SCALE.get(self.measure, MEASURES[self.measure])
        return f"{name}, {self.unit}" if self.unit else name

    def ticks(self, low: float, high: float) -> tuple[list[float], list[str]] | None:
        """Return positions and labels on a transformed axis; None where the axis is plain."""
        if self.measure.startswith("log_"):
            at = [math.log(t) for t in RATIO_TICKS]
        elif self.measure == "logit_proportion":
            at = [math.log(t / (1.0 - t)) for t in SHARE_TICKS]
        elif self.measure == "freeman_tukey":
            at = [math.asin(math.sqrt(t)) for t in SHARE_TICKS]
        else:
            return None
        inside = [x for x in at if low <= x <= high]
        step = max(1, math.ceil(len(inside) / 7))
        return inside[::step], [f"{self.shown(x):.3g}" for x in inside[::step]]


def scale(axes: Axes, reading: Reading | None, low: float, high: float, measure: str) -> None:
    """Put ticks and label on the axis of effects; without a reading the axis stays on the scale of pooling."""
    if reading is None:
        axes.set_xlabel(MEASURES[measure])
        return
    ticks = reading.ticks(low, high)
    if ticks is not None:
        axes.set_xticks(ticks[0], ticks[1])
    axes.set_xlabel(reading.axis)
