"""The forecast in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stroma.calibration.prediction import Forecast, OutcomeForecast
from stroma.calibration.summaries import MAIN
from stroma.notice import NOTICE
from stroma.report.labels import (
    arm_size,
    bare,
    count,
    difference_name,
    difference_number,
    difference_unit,
    interval_bare,
    main_is_share,
    outcome_label,
    per_cent,
    shift_words,
    unit_words,
    week,
)
from stroma.report.sentences import (
    first_line,
    harmless_sentence,
    prior_sentence,
    size_sentence,
    verdict_sentence,
    win_sentence,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text


def forecast_view(found: Forecast) -> Group:
    """Return what ``stroma forecast`` shows: sentence, outcomes beside the published, priors, size."""
    from rich.console import Group
    from rich.text import Text

    closing = [prior_sentence(found), harmless_sentence(found), size_sentence(found), win_sentence(found),
               verdict_sentence(found), f"Solver: {found.checked.says()}." if found.checked else ""]
    compared = [_priors(found)] if found.priors else []
    scenarios = [Text(), *_scenarios(found)] if found.scenarios else []
    return Group(Text(first_line(found), style="bold"), Text(), _outcomes(found), Text(), *compared, *scenarios, Text(),
                 *(Text(line) for line in closing if line), Text(f"{NOTICE}.", style="bold"))


def _outcomes(found: Forecast) -> Text:
    """Return the outcomes as lines that fit 80 columns: a line a quantity, below it a line an arm."""
    from rich.text import Text

    last, variant, quantity = found.designs[-1].variant, "", ""
    every = (*(o for e in found.events for o in e.outcomes), *found.outcomes)
    order = [d.variant for d in found.designs]
    shown = sorted((o for o in every if o.variant == last or o.outcome in MAIN), key=lambda o: order.index(o.variant))
    width = max((len(f"{o.arm} ({arm_size(found, o)})") for o in shown), default=0)
    text = Text(f"{found.record}: {found.title}. {NOTICE}\n", style="italic")
    for o in shown:
        if o.variant != variant:
            variant, quantity = o.variant, ""
            text.append(f"\nAs {variant}".ljust(width + 6), style="bold")
            text.append(f"{'predicted':>9}  {'90 % interval':>16}  {'published':>12}\n")
        pooled = " (counts of other studies)" if o.statistic == "patients" else ""
        name = f"{outcome_label(o)}, by {week(o.visit_day)}, {unit_words(o.unit)}{pooled}"
        if name != quantity:
            quantity = name
            text.append(f"  {name}\n")
        n = arm_size(found, o)
        seen = "" if o.observed is None or o.variant != last else bare(o, o.observed)
        if seen and o.statistic == "percent" and o.observed is not None:
            seen = f"{count(o.observed, n)}/{n} = {seen}"
        interval = interval_bare(o, o.pi90)
        text.append(f"    {f'{o.arm} ({n})':<{width}} {bare(o, o.median):>9}  {interval:>16}  {seen:>12}  ")
        text.append(f"{_mark(o) if seen else ''}\n", style="" if o.inside_pi90 is not False else "bold red")
    return text


def _mark(outcome: OutcomeForecast) -> str:
    return "inside" if outcome.inside_pi90 else "OUTSIDE"


def _priors(found: Forecast) -> Table:
    from rich.table import Table

    table = Table(title=f"Planned trial under four priors of the cells' effect. {NOTICE}", title_justify="left")
    table.add_column("prior")
    share, unit = main_is_share(found), difference_unit(found)
    for name in ("chance of success", f"median {difference_name(found)}, {unit} (90 % interval)",
                 "at least 10 points" if share else "better", "draws"):
        table.add_column(name, justify="right")
    for p in found.priors:
        low, middle, high = (difference_number(found, x) for x in p.difference)
        table.add_row(p.prior, f"{per_cent(p.probability_of_success)} ± {200 * p.monte_carlo_error:.1f}",
                      f"{middle} ({low} to {high})", per_cent(p.favours if p.at_least_10 is None else p.at_least_10),
                      f"{p.draws:.0f}")
    return table


def _scenarios(found: Forecast) -> list[Text]:
    """Return the scenarios as blocks of lines that fit 80 columns, then what was claimed of them."""
    from rich.text import Text

    primary = found.scenarios[0].outcomes
    text = Text()
    text.append("What if", style="bold")
    text.append(": primary outcome under the current prior, same patients and chance in all. In brackets: difference "
                "to the trial as planned ± 2 Monte Carlo errors of it; =: no simulated patient's outcome differs. "
                f"{NOTICE}\n")
    for s in found.scenarios:
        text.append(f"\n{s.label} ({s.n} patients)\n", style="bold")
        if s.changes and s.changes != s.label:
            text.append(f"  {s.changes}\n", style="italic")
        lines = [(f"{o.arm}, expected {unit_words(o.unit)}", shift_words(m))
                 for o, m in zip(primary, s.mean, strict=True)]
        lines += [("chance of success, %", shift_words(s.success, 100)),
                  (f"mean {difference_name(found)}, {difference_unit(found)}", shift_words(s.difference)),
                  ("true difference of at least 10 points, %", shift_words(s.at_least_10, 100))]
        for name, words in lines:
            if words:
                text.append(f"  {name:<42}{words:>28}\n")
        for note in s.notes:
            text.append(f"  {note}\n", style="italic")
    claims = [Text.assemble(("Claimed: ", "bold"), f"{c.claim}. ", ("Primary source", "bold"),
                            f"{' (' + ', '.join(c.studies) + ')' if c.studies else ''}: {c.primary} "
                            f"({c.status.replace('_', ' ')}).")
              for c in dict.fromkeys(c for s in found.scenarios for c in s.claims)]
    return [text, *(Text(why) for why in dict.fromkeys(s.why for s in found.scenarios if s.why)), *claims]
