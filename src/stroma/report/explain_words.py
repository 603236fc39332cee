"""An explanation in words: what an outcome is, what its parts say."""

from __future__ import annotations

from stroma.explanation.parts import CHANCE, ExplainedOutcome, Explanation, Part
from stroma.report.labels import quantity_label, rule_of, short, unit_words, week

MEANS = {"percent": "% of patients", "percent_change": "% of the mean at entry"}


def outcome_words(outcome: ExplainedOutcome) -> str:
    """Return what was counted or measured, when."""
    t = outcome.target
    name = quantity_label(rule_of(t.quantity).outcome if outcome.statistic == "percent" else t.quantity)
    kind = "" if outcome.statistic == "percent" else ", mean change"
    return f"{name}{kind}, {week(t.day)}"


def unit_of(outcome: ExplainedOutcome) -> str:
    """Return the unit that the numbers of an outcome have."""
    return MEANS.get(outcome.statistic, unit_words(outcome.unit))


def number(value: float, sign: bool = True) -> str:
    """Write one number of a part: two digits, three from ten on, and what cannot be seen as 0."""
    if abs(value) < 1e-3:
        return "0"
    text = short(float(f"{value:.{3 if abs(value) >= 10 else 2}g}"))
    return f"+{text}" if sign and value > 0 else text


def interval(points: tuple[float, float]) -> str:
    """Write an interval of a part."""
    return f"{number(points[0])} to {number(points[1])}"


def side(outcome: ExplainedOutcome) -> str:
    """Say whether the posterior knew the number."""
    return ("the posterior was fitted to this number, so the parts lean towards it" if outcome.fitted
            else "kept from the fit: the parts are a prediction")


def sentence(outcome: ExplainedOutcome) -> str:
    """Say in one sentence what the change is made of, largest parts first."""
    signed = outcome.statistic != "percent"
    steps = [p for p in outcome.parts if p.kind != CHANCE and not p.absent]
    large = sorted(steps, key=lambda p: -abs(p.mean))[:3]
    named = ", ".join(f"{p.label} {number(p.mean)}" for p in large)
    chance = outcome.parts[-1]
    fits = ("within what patients and studies vary by" if outcome.chance_is_plausible
            else "more than patients and studies vary by")
    return (f"Published {number(outcome.published, signed)} {unit_of(outcome)}, expected without chance "
            f"{number(outcome.predicted, signed)}: most of it {named}. {cells_words(outcome)}"
            f"Left to chance {number(chance.mean)}, {fits} (90 % range {interval(outcome.chance90)}).")


def cells_words(outcome: ExplainedOutcome) -> str:
    """Say what the cells together add; empty in an arm without cells."""
    cells = outcome.cells
    return "" if cells.absent else f"The cells together {number(cells.mean)} ({interval(cells.pi90)}). "


def rows_of(outcome: ExplainedOutcome) -> list[tuple[str, Part]]:
    """Return every part to show with its kind of row: step, chance, together, route; none that is exactly nothing."""
    rows = [("chance" if p.kind == CHANCE else "step", p) for p in outcome.parts]
    rows += [("together", outcome.cells), *(("route", p) for p in outcome.routes)]
    return [(kind, p) for kind, p in rows if not p.absent]


def left_out_words(found: Explanation) -> list[str]:
    """Return each reason for leaving numbers out, with those numbers."""
    by_reason: dict[str, list[str]] = {}
    for name, why in found.left_out:
        names = by_reason.setdefault(why, [])
        own = name.removeprefix(f"{found.study_id}|").replace("|", ", ")
        if own not in names:
            names.append(own)
    return [f"{why}: {'; '.join(names)}" for why, names in by_reason.items()]


def headline(found: Explanation) -> str:
    """Say what was explained and with what."""
    n, fitted = len(found.outcomes), sum(o.fitted for o in found.outcomes)
    which = "all" if fitted == n else str(fitted) if fitted else "none"
    changes = "change" if n == 1 else "changes"
    return (f"{n} published {changes} of {found.study_id} taken apart with {found.settings.draws} parameter draws "
            f"({found.effective:.0f} effective) and {found.settings.subjects} patients each; in the fit of the "
            f"posterior: {which}.")
