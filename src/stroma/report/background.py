"""How well the background alone predicts control arms: unseen, later, fitted."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from stroma.errors import fail

FILE = "background_check.csv"
CHECKS = {"loto": "left out of the fit, one trial at a time",
          "later": "published after the fit's cut-off, not re-fitted",
          "fitted": "in the fit, beside what the fit makes of them"}
_NUMBERS = ("day", "n", "observed", "median", "lo50", "hi50", "lo90", "hi90", "score", "reference_lo90",
            "reference_hi90", "reference_score")


@dataclass(frozen=True)
class CheckRow:
    """One number of a control arm beside its prediction; see ``stroma.calibration.crosscheck``."""

    check: str
    trial: str
    arm: str
    outcome: str
    unit: str
    inside_90: bool
    numbers: dict[str, float]


@dataclass(frozen=True)
class CheckSummary:
    """One of the three checks.

    Parameters
    ----------
    numbers, inside : int
        Published numbers, and how many of them lie inside their 90 % interval.
    inside_50 : int
        How many lie inside their 50 % interval.
    score, reference_score : float
        Mean interval score in percentage points, over the shares of patients that have a reference (over all
        shares, where none has); smaller is better. NaN where there is nothing to average.
    reference_median : float
        Median score of the reference: one missed arm weighs heavily in its mean.
    """

    check: str
    numbers: int
    inside: int
    inside_50: int
    score: float
    reference_score: float
    reference_median: float


def read_background_check(folder: Path) -> tuple[CheckRow, ...]:
    """Read ``background_check.csv`` of a disease; nothing where the check has not been run.

    Raises
    ------
    StromaError
        C021 when the table cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return tuple(
                CheckRow(row["check"], row["trial"], row["arm"], row["outcome"], row["unit"],
                         row["inside_90"] == "True", {name: float(row[name] or "nan") for name in _NUMBERS})
                for row in csv.DictReader(stream))
    except (KeyError, TypeError, ValueError) as error:
        raise fail("C021", f"the check of the background cannot be read: {error}", file=path,
                   hint="run `stroma calibrate` again") from error


def summarise(rows: tuple[CheckRow, ...]) -> tuple[CheckSummary, ...]:
    """Return coverage and mean interval score of each check, in the order of :data:`CHECKS`."""
    out = []
    for check in CHECKS:
        own = [r for r in rows if r.check == check]
        shares = [r for r in own if r.unit == "%"]  # scores in other units do not add up
        compared = [r for r in shares if math.isfinite(r.numbers["reference_score"])]
        if own:
            out.append(CheckSummary(check, len(own), sum(r.inside_90 for r in own),
                                    sum(r.numbers["lo50"] <= r.numbers["observed"] <= r.numbers["hi50"] for r in own),
                                    _mean(compared or shares, "score"), _mean(compared, "reference_score"),
                                    median(r.numbers["reference_score"] for r in compared) if compared else math.nan))
    return tuple(out)


def _mean(rows: list[CheckRow], name: str) -> float:
    return sum(r.numbers[name] for r in rows) / len(rows) if rows else math.nan


def markdown_table(rows: Sequence[CheckRow], check: str) -> str:
    """Return one of the checks as a Markdown table, one row a number; the README shows it."""
    lines = ["| trial | arm | outcome | day | published | predicted (90 % interval) | inside |",
             "|---|---|---|---|---|---|---|"]
    for r in (r for r in rows if r.check == check):
        unit = " %" if r.unit == "%" else ""
        observed, middle, low, high = (f"{r.numbers[k]:.3g}" for k in ("observed", "median", "lo90", "hi90"))
        lines.append(f"| {r.trial} | {r.arm.split(' (ref')[0]} | {r.outcome.replace('_', ' ')} | "
                     f"{r.numbers['day']:g} | {observed}{unit} | {middle} ({low} to {high}){unit} | "
                     f"{'yes' if r.inside_90 else '**no**'} |")
    return "\n".join(lines)
