"""Names, units and numbers as a reader expects them."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stroma.calibration.prediction import Forecast, OutcomeForecast, Shift
from stroma.errors import fail
from stroma.library import library_root
from stroma.trial.design import PlannedOutcome
from stroma.trial.rules import AT_VISIT, ResponseRule, load_rules

DIGITS = 6
POPULATION_WORDS = {"new": "newly diagnosed", "mixed": "newly diagnosed, relapsed and refractory",
                    "inadequate": "inadequately responding", "kl2_3": "Kellgren-Lawrence grade 2 to 3",
                    "kl3_4": "Kellgren-Lawrence grade 3 to 4"}
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SCALE = re.compile(r"(?:Likert |score_)?0[-_](\d+)")
_UNIT = {"umol/L": "µmol/L", "score": "points", "ratio": "", "mL/min/1.73m2": "mL/min/1.73 m²", "g/24h": "g/24 h"}


def significant(value: float | None) -> float | None:
    """Round to the digits that every artefact prints; not a number is None."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def short(value: float) -> str:
    """Write a number with three significant digits and no exponent where it can be avoided."""
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        mantissa, _, power = f"{value:.2e}".partition("e")
        lead = float(mantissa)
        raised = "10" + str(int(power)).translate(_SUPERSCRIPT)
        return raised if lead == 1 else f"{lead:g} × {raised}"
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−")


def per_cent(share: float) -> str:
    """Write a probability as a reader says it."""
    if share < 0.01:
        return "less than 1 %"
    return "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def week(day: float) -> str:
    """Write a day as the nearest week."""
    return f"week {day / 7:.0f}"


def shift_words(shift: Shift | None, scale: float = 1.0) -> str:
    """Write a number of a scenario and its difference to the plan: ``83.1 (−0.2 ± 0.1)``, two errors."""
    if shift is None:
        return ""
    value = f"{scale * shift.value:.1f}"
    if shift.difference == 0.0 and shift.error == 0.0:
        return f"{value} (=)".replace("-", "−")
    difference, error = scale * shift.difference, 2 * scale * shift.error
    digits = 1 if max(abs(difference), error) >= 0.1 else 2
    return f"{value} ({difference:+.{digits}f} ± {error:.{digits}f})".replace("-", "−")


def unit_words(unit: str) -> str:
    """Return a unit of the library as readers write it; a scale by its length."""
    scale = _SCALE.fullmatch(unit)
    return f"points of {scale[1]}" if scale else _UNIT.get(unit, unit)


@lru_cache(maxsize=4)
def _vocabulary(path: Path) -> dict[str, tuple[str, str]]:
    if not path.is_file():
        raise fail("X002", f"missing table {path.name}", file=path)
    with path.with_name("quantities.csv").open(encoding="utf-8", newline="") as stream:
        found = {row["quantity"]: (row["quantity"].replace("_", " "), row["unit"]) for row in csv.DictReader(stream)}
    with path.open(encoding="utf-8", newline="") as stream:
        return found | {row["outcome_id"]: (row["label"], row["unit"]) for row in csv.DictReader(stream)}


def outcome_words() -> dict[str, tuple[str, str]]:
    """Return label and unit of every outcome, from ``vocabulary/outcomes.csv``; else the quantity's own name."""
    return _vocabulary(library_root() / "vocabulary" / "outcomes.csv")


def quantity_label(quantity: str) -> str:
    """Return the label of a measured quantity."""
    return outcome_words().get(quantity, (quantity.replace("_", " "), ""))[0]


def quantity_unit(quantity: str) -> str:
    """Return the unit of a measured quantity, as readers write it."""
    return unit_words(outcome_words().get(quantity, ("", ""))[1])


@lru_cache(maxsize=4)
def _rules(path: Path) -> dict[str, ResponseRule]:
    return load_rules(path)


def rule_of(rule_id: str) -> ResponseRule:
    """Return a response rule of the library."""
    return _rules(library_root() / "evidence" / "response_rules.csv")[rule_id]


def outcome_label(outcome: OutcomeForecast) -> str:
    """Return what was counted or measured."""
    if outcome.statistic == "percent":
        return quantity_label(rule_of(outcome.rule_id).outcome)
    if outcome.statistic == "patients":
        return quantity_label(outcome.rule_id)
    return f"{quantity_label(outcome.rule_id)}, mean change"


def primary_label(planned: PlannedOutcome) -> str:
    """Return an outcome in a few words, for use inside a sentence."""
    return quantity_label(planned.quantity or rule_of(planned.rule_id).outcome).partition(" (")[0]


def by_or_at(planned: PlannedOutcome) -> str:
    """Return ``by week 26`` or ``at week 26``, as the rule counts."""
    at_visit = planned.quantity or rule_of(planned.rule_id).kind == AT_VISIT
    return f"{'at' if at_visit else 'by'} {week(planned.day)}"


@dataclass(frozen=True)
class RuleWords:
    """What decides an outcome: in words, how sure that is, from where."""

    definition: str
    certainty: str
    source: str


def rule_words(planned: PlannedOutcome) -> RuleWords:
    """Return what decides an outcome."""
    if planned.quantity:
        unit = quantity_unit(planned.quantity)
        what = f"mean change of {quantity_label(planned.quantity)} from entry{f' in {unit}' if unit else ''}"
        return RuleWords(f"{what}, patients still observed, whatever rescue", "a measurement", planned.source)
    rule = rule_of(planned.rule_id)
    return RuleWords(rule.definition, rule.certainty, rule.source)


def main_is_share(found: Forecast) -> bool:
    """Return whether the outcome that decides the trial is a share of patients."""
    return not found.designs[0].outcomes[0].quantity


def difference_name(found: Forecast) -> str:
    """Return what the truth of the comparison is called: of one arm alone it is a change."""
    return "true difference" if len(found.designs[0].arms) > 1 else "true change"


def difference_unit(found: Forecast) -> str:
    """Return the unit of the true difference: percentage points, or that of the measure."""
    main = found.designs[0].outcomes[0]
    return quantity_unit(main.quantity) if main.quantity else "points"


def difference_number(found: Forecast, value: float) -> str:
    """Write a true difference without its unit."""
    return f"{value:.1f}" if main_is_share(found) else _signed(value)


def difference_words(found: Forecast, value: float) -> str:
    """Write a true difference with its unit."""
    return f"{difference_number(found, value)} {difference_unit(found)}".strip()


def _signed(value: float) -> str:
    digits = 3 if abs(value) >= 10 else 2
    sign = "+" if value > 0 else ""
    if 0 < abs(value) < 1e-3:  # no powers of ten beside plain numbers
        return sign + (f"{value:.4f}".replace("-", "−") if abs(value) >= 5e-5 else "0")
    return sign + short(float(f"{value:.{digits}g}"))


def test_words(found: Forecast) -> str:
    """Return the test that decides the trial."""
    if main_is_share(found):
        return "Fisher test"
    return "Welch test of the mean changes" if len(found.designs[0].arms) > 1 else "paired t test of entry and visit"


def arm_size(found: Forecast, outcome: OutcomeForecast) -> int:
    """Return how many patients the arm of an outcome has."""
    design = next(d for d in found.designs if d.variant == outcome.variant)
    return next(a.n for a in design.arms if a.label == outcome.arm)


def count(share_percent: float, n: int) -> int:
    """Return the patients behind a percentage of ``n``."""
    return round(share_percent * n / 100.0)


def value_words(outcome: OutcomeForecast, value: float) -> str:
    """Write one value of an outcome with its unit."""
    return f"{bare(outcome, value)} {_unit(outcome)}".strip()


def interval_words(outcome: OutcomeForecast, interval: tuple[float, float]) -> str:
    """Write an interval of an outcome with its unit once."""
    return f"{interval_bare(outcome, interval)} {_unit(outcome)}".strip()


def interval_bare(outcome: OutcomeForecast, interval: tuple[float, float]) -> str:
    """Write an interval of an outcome without its unit, both ends to the same decimal."""
    largest = max(abs(x) for x in interval)
    if outcome.statistic != "mean_change" or not 0 < largest < 100:
        return " to ".join(bare(outcome, x) for x in interval)
    decimals = max(0, 1 - math.floor(math.log10(largest))) if largest < 10 else 1
    low, high = (round(x, decimals) + 0.0 for x in interval)
    return " to ".join(f"{x:+.{decimals}f}" if x else f"{x:.{decimals}f}" for x in (low, high)).replace("-", "−")


def _unit(outcome: OutcomeForecast) -> str:
    return "%" if outcome.statistic == "percent" else unit_words(outcome.unit)


def bare(outcome: OutcomeForecast, value: float) -> str:
    """Write one value of an outcome without its unit."""
    return f"{value:.0f}" if outcome.statistic in ("percent", "patients") else _signed(value)
