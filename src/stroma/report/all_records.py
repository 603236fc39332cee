"""Every registry record on one page: a card each, and a figure of forecasts beside published results."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stroma.calibration.prediction import Forecast, OutcomeForecast
from stroma.errors import EXIT_ENVIRONMENT, StromaError, fail
from stroma.notice import NOTICE
from stroma.report.all_figure import drawings
from stroma.report.event_words import of_variant
from stroma.report.json_output import forecast_object
from stroma.report.labels import (
    POPULATION_WORDS,
    arm_size,
    count,
    interval_words,
    outcome_label,
    per_cent,
    value_words,
    week,
)
from stroma.report.sentences import first_line, primaries, prior_sentence

if TYPE_CHECKING:
    from rich.console import Group

TEMPLATE = "all_records.html.j2"
PAGE = "all-records.html"


@dataclass(frozen=True)
class Card:
    """One record: its forecast and where its own report stands, or why there is none.

    Parameters
    ----------
    record, title : str
    found : Forecast or None
    folder : Path or None
        Of the record's own run.
    reason : StromaError or None
    """

    record: str
    title: str
    found: Forecast | None = None
    folder: Path | None = None
    reason: StromaError | None = None


@dataclass(frozen=True)
class Line:
    """One arm of an outcome in words."""

    outcome: str
    arm: str
    control: bool
    predicted: str
    interval: str
    published: str
    inside: bool | None


def decisive(found: Forecast) -> tuple[OutcomeForecast, ...]:
    """Return what decides a trial as it was last described: harms that are primary, then the main outcome."""
    design = found.designs[-1]
    return (*(o for e in found.events for o in of_variant(e, design.variant)), *primaries(found, design))


def lines(found: Forecast) -> tuple[Line, ...]:
    """Return the lines of a card."""
    return tuple(_line(found, o) for o in decisive(found))


def _line(found: Forecast, o: OutcomeForecast) -> Line:
    n = arm_size(found, o)

    def words(value: float) -> str:
        if o.statistic == "mean_change":
            return value_words(o, value)
        return f"{count(value, n) if o.statistic == 'percent' else round(value)} of {n}"

    interval = interval_words(o, o.pi90)
    if o.statistic != "mean_change":
        low, high = ((count(x, n) if o.statistic == "percent" else round(x)) for x in o.pi90)
        interval = f"{low} to {high}"
    return Line(f"{outcome_label(o)}, {week(o.visit_day)}", o.arm, o.control, words(o.median), interval,
                "" if o.observed is None else words(o.observed), o.inside_pi90)


def all_object(cards: Sequence[Card]) -> list[dict[str, Any]]:
    """Return what ``stroma forecast --all --json`` prints: an object a record, of a failed one its reason."""
    return [forecast_object(c.found, str(c.folder)) if c.found else
            {"record": c.record, "forecast": None, "reason": _reason(c)} for c in cards]


def _reason(card: Card) -> list[dict[str, str]]:
    found = card.reason.diagnostics if card.reason else ()
    return [{"code": d.code, "message": d.message} for d in found]


def all_json(cards: Sequence[Card]) -> str:
    """Return the list as text."""
    return json.dumps(all_object(cards), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def all_page(cards: Sequence[Card], runs: Path, command: str, wall_s: float) -> str:
    """Return the page; a card links to the record's own report, relative to ``runs``."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("stroma", "report"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    made = [c.found for c in cards if c.found]
    return environment.get_template(TEMPLATE).render(
        notice=NOTICE, cards=[_shown(c, runs) for c in cards], forecasts=len(made), command=command,
        wall=f"{wall_s:.0f}", figures=drawings([(f.record, decisive(f), f) for f in made]),
        settings=made[0].settings if made else None)


def _shown(card: Card, runs: Path) -> dict[str, Any]:
    """Return a card as the template needs it."""
    if card.found is None or card.folder is None:
        return {"record": card.record, "title": card.title, "reasons": _reason(card)}
    f, planned = card.found, card.found.designs[0]
    population = POPULATION_WORDS.get(planned.population, planned.population)
    where = f", {', '.join(planned.countries)}" if planned.countries else ""
    blind = "patients do not know their arm" if planned.blinded else "open"
    return {
        "record": card.record, "title": card.title, "reasons": (), "disease": f.disease.name,
        "about": f"{population} patients{where}; {blind}; "
                 + ", ".join(f"{a.n} {a.label}" for a in f.designs[-1].arms)
                 + (f" (conducted; {planned.n} planned)" if len(f.designs) > 1 else ""),
        "first": first_line(f), "lines": lines(f), "priors": prior_sentence(f) if f.priors else "",
        "success": per_cent(f.current.probability_of_success) if f.current else "",
        "reports": [r for r in f.reports if r.value][:_MOST], "more": max(0, len(f.reports) - _MOST),
        "link": (card.folder.relative_to(runs) / "report.html").as_posix()}


_MOST = 6


def write_all(cards: Sequence[Card], runs: Path, command: str, wall_s: float) -> Path:
    """Write the page into the folder of all runs, whole or not at all.

    Raises
    ------
    StromaError
        X003 when it cannot be written.
    """
    final = runs / PAGE
    try:
        runs.mkdir(parents=True, exist_ok=True)
        part = runs / f".{PAGE}.{os.getpid()}"
        part.write_text(all_page(cards, runs, command, wall_s), encoding="utf-8")
        part.replace(final)
    except OSError as error:
        raise fail("X003", f"cannot write into {runs}: {error.strerror}", hint="choose another folder with --out",
                   exit_code=EXIT_ENVIRONMENT) from error
    return final


def all_view(cards: Sequence[Card]) -> Group:
    """Return the terminal's table: a block a record, its lines within 80 columns."""
    from rich.console import Group
    from rich.text import Text

    text = Text()
    for card in cards:
        text.append(f"\n{card.record}", style="bold")
        text.append(f"  {card.title}\n")
        if card.found is None:
            for reason in _reason(card):
                text.append(f"  no forecast: {reason['code']} {reason['message']}\n", style="red")
            continue
        current, outcome = card.found.current, ""
        chance = f"chance of success {per_cent(current.probability_of_success)}" if current else "nothing is compared"
        text.append(f"  {card.found.disease.name}; {chance}\n", style="italic")
        for line in lines(card.found):
            if line.outcome != outcome:
                outcome = line.outcome
                text.append(f"  {outcome}\n")
            mark = {None: "", True: " inside", False: " OUTSIDE"}[line.inside]
            published = f"published {line.published}{mark}" if line.published else ""
            text.append(f"    {line.arm:<24} {line.predicted:>9}  ({line.interval})  {published}\n",
                        style="bold red" if line.inside is False else "")
    return Group(Text(f"Every registry record: predicted (90 % interval). {NOTICE}", style="bold"), text,
                 Text(f"{NOTICE}.", style="bold"))
