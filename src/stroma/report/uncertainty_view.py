"""Where the uncertainty comes from, in the terminal."""

from __future__ import annotations

from stroma.detail.carried import Carried
from stroma.detail.look import Uncertainty
from stroma.detail.variance import DIFFERENCE, SOURCES

SHOWN = 5
# An emulator that finds less than this of what is there to be found ranks parameters by noise.
FAIR = 0.5


def uncertainty_lines(found: Uncertainty) -> list[str]:
    """Return the variance of the last number (the difference where there is one) by source, and who carries it."""
    variance = found.variances[-1]
    what = "the difference" if variance.result == DIFFERENCE else variance.result
    parts = sorted(SOURCES, key=lambda s: -variance.parts[s])
    lines = [f"Variance of {what}: " + ", ".join(f"{s} {100 * variance.share(s):.0f} %" for s in parts) + "."]
    carried = next((c for c in found.carried if c.result == variance.result), None)
    if carried is None:
        return [*lines,
                "Which parameters carry it cannot be told: no emulator predicts anything; more --draws may help."]
    return [*lines, _carriers(carried)]


def _carriers(carried: Carried) -> str:
    names = ", ".join(f"{p.name} {100 * p.total:.0f} % (± {100 * p.total_error:.0f})"
                      for p in carried.parameters[:SHOWN])
    is_fair = carried.explained >= FAIR * carried.reachable
    weak = "" if is_fair else ", too little for the order to mean much: more --draws help"
    return (f"Parameters that carry most of its model part (total Sobol index): {names}. The emulator behind them "
            f"explains {100 * carried.explained:.0f} % of draws it has not seen, where {100 * carried.reachable:.0f} % "
            f"is no noise{weak}. The rest: sobol.csv, variance.csv, report.")
