"""Harms as primary outcomes, in words: what is expected, from whose counts, and what that does not show."""

from __future__ import annotations

from stroma.calibration.prediction import EventForecast, EventSource, Forecast, OutcomeForecast
from stroma.report.labels import arm_size, quantity_label, short, week

CAUTION = ("Small open series report fewer serious events than trials with monitoring: a lower count on cells than on "
           "a control would not show that cells protect, and none at all not that they are safe.")


def of_variant(event: EventForecast, variant: str) -> tuple[OutcomeForecast, ...]:
    """Return the arms of one variant, cells first."""
    return tuple(sorted((o for o in event.outcomes if o.variant == variant), key=lambda o: o.control))


def event_sentences(found: Forecast) -> tuple[str, ...]:
    """Return for every harm that is a primary outcome the expected patients, and the published ones."""
    return tuple(_expected(found, e) for e in found.events)


def _expected(found: Forecast, event: EventForecast) -> str:
    planned = of_variant(event, found.designs[0].variant)
    parts = [f"{o.median:.0f} of {arm_size(found, o)} on {o.arm} ({'90 % interval ' if not i else ''}"
             f"{o.pi90[0]:.0f} to {o.pi90[1]:.0f})" for i, o in enumerate(planned)]
    seen = [o for o in of_variant(event, found.designs[-1].variant) if o.observed is not None]
    if seen:
        told = " and ".join(f"{o.observed:.0f} of {arm_size(found, o)} on {o.arm}" for o in seen)
        out = [o.arm for o in seen if not o.inside_pi90]
        where = f"{' and '.join(out)} outside" if out else "inside"
        result = f"published: {told}, {where} the interval{'s' if len(seen) > 1 else ''}"
    else:
        result = "the library holds no count of it"
    return (f"Of {found.designs[0].n} patients planned we expect {listed(parts)} to have a {name(event)} by "
            f"{week(event.planned.day)}, going by the counts of other studies and not by mechanism; {result}.")


def listed(parts: list[str]) -> str:
    """Join parts with commas and an `and`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def name(event: EventForecast) -> str:
    """Return what is counted."""
    return quantity_label(event.planned.event)


def basis_sentences(event: EventForecast) -> tuple[str, ...]:
    """Return what each kind of arm was foretold from, then what such counts cannot show."""
    return (*(_basis(s, event) for s in event.sources), CAUTION)


def _basis(source: EventSource, event: EventForecast) -> str:
    events, patients = sum(s[1] for s in source.studies), sum(s[2] for s in source.studies)
    low, middle, high = source.share
    studies = "; ".join(f"{n} {x} of {size} in {days:.0f} days" for n, x, size, days in source.studies)
    shorter = [days for _, _, _, days in source.studies]
    return (f"{listed(list(source.arms))}: pooled from {len(source.studies)} "
            f"{'study' if len(source.studies) == 1 else 'studies'}, {source.stratum} ({events} of {patients} patients; "
            f"{studies}). A study watched for {min(shorter):.0f} to {max(shorter):.0f} days counts by its time, as if "
            f"the hazard were constant. In a new study {_percent(middle)} of patients would have the event by "
            f"{week(event.planned.day)} (90 % interval {_percent(low)} to {_percent(high)}, spread between studies "
            f"included).")


def _percent(share: float) -> str:
    return f"{short(float(f'{100 * share:.2g}'))} %"
