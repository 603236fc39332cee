"""The report: one HTML file that needs nothing outside itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from stroma.calibration.prediction import Forecast, OutcomeForecast
from stroma.calibration.summaries import MAIN
from stroma.detail.look import SHARE, Detail
from stroma.detail.variance import SOURCES
from stroma.evidence.store import load_evidence
from stroma.notice import NOTICE
from stroma.registry import RegistryRecord, read_record
from stroma.report import detail_figures, detail_words, figures, sentences
from stroma.report.assumptions import count_assumed, record_facts
from stroma.report.background import CHECKS, CheckSummary, read_background_check, summarise
from stroma.report.event_words import basis_sentences
from stroma.report.labels import (
    POPULATION_WORDS,
    arm_size,
    count,
    difference_name,
    difference_number,
    difference_unit,
    interval_words,
    main_is_share,
    outcome_label,
    per_cent,
    quantity_label,
    rule_words,
    shift_words,
    short,
    test_words,
    unit_words,
    value_words,
    week,
)
from stroma.report.parameters import learnt_all
from stroma.report.published_safety import published_harms
from stroma.therapy import load_therapy
from stroma.trial.design import Arm, ArmTreatment

TEMPLATE = "report.html.j2"
_PLACES = "report"


@dataclass(frozen=True)
class TreatmentWords:
    """One treatment as the trial card shows it; ``control`` is None where every arm gets it."""

    arms: str
    control: bool | None
    name: str
    words: str
    dose: str


@dataclass(frozen=True)
class ForecastRow:
    """One line of the forecast table, in words."""

    variant: str
    outcome: str
    visit: str
    arm: str
    control: bool
    predicted: str
    half: str
    most: str
    published: str
    inside: bool | None


def report_page(found: Forecast, manifest: Mapping[str, Any], detail: Detail | None = None) -> str:
    """Return the report of a forecast.

    Parameters
    ----------
    found : Forecast
    manifest : mapping
        What ``manifest.json`` says: command, seed, settings, hashes, versions.
    detail : Detail, optional
        A closer look, shown after the figures.

    Returns
    -------
    str
        HTML without any outside request.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("stroma", _PLACES), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"difference": partial(difference_number, found)}
    environment.filters |= {"short": short, "week": week, "per_cent": per_cent, "label": quantity_label,
                            "unit": unit_words, "shifted": shift_words}
    record = next((read_record(p) for p in found.files if p.suffix == ".json"), None)
    evidence = load_evidence()
    checks = read_background_check(found.disease.folder)
    summaries = summarise(checks)
    return environment.get_template(TEMPLATE).render(
        **_closer(detail), notice=NOTICE, found=found, manifest=manifest, record=record,
        masking=_masking(record, found),
        planned=found.designs[0], conducted=found.designs[-1], rule=rule_words(found.designs[0].outcomes[0]),
        share=main_is_share(found), unit_of_difference=difference_unit(found),
        name_of_difference=difference_name(found), test=test_words(found),
        harms_expected=[(e, basis_sentences(e)) for e in found.events],
        treatments=_treatments(found.designs[0].arms), sentences=_sentences(found, summaries), rows=_rows(found),
        population=POPULATION_WORDS.get(found.designs[0].population, found.designs[0].population),
        figures=_figures(found), facts=record_facts(found), assumed=count_assumed(found.disease),
        parameters=tuple(found.disease.parameters.values()), learnt=learnt_all(found.disease, found.posterior),
        checks=checks, summaries=summaries, check_words=CHECKS,
        reasons=tuple(dict.fromkeys(s.why for s in found.scenarios if s.why)),
        claims=tuple(dict.fromkeys(c for s in found.scenarios for c in s.claims)),
        harms=published_harms(evidence, found.disease.disease_id),
        citations=[evidence.studies[s].citation for s in found.published.split(", ") if s in evidence.studies])


def _sentences(found: Forecast, summaries: tuple[CheckSummary, ...]) -> dict[str, str]:
    return {"background": sentences.background_sentence(summaries), "first": sentences.first_line(found),
            "size": sentences.size_sentence(found),
            "win": sentences.win_sentence(found), "verdict": sentences.verdict_sentence(found),
            "fitted": sentences.pseudo_prospective(found), "priors": sentences.prior_sentence(found),
            "harmless": sentences.harmless_sentence(found)}


def _figures(found: Forecast) -> dict[str, tuple[figures.Drawing, ...]]:
    return {"counts": (*figures.event_counts(found), *figures.primary_counts(found)),
            "published": figures.against_published(found),
            "courses": figures.trajectories(found), "amplitudes": figures.amplitudes(found),
            "priors": (figures.under_priors(found),) if found.priors else ()}


def _closer(detail: Detail | None) -> dict[str, Any]:
    if detail is None:
        return {"detail": None}
    drawn = {"flares": detail_figures.flare_figures(detail),
             "fate": detail_figures.fate_figures(detail.fate) if detail.fate else (),
             "variance": (detail_figures.variance_figure(detail.uncertainty.variances),) if detail.uncertainty else ()}
    share = detail.uncertainty is not None and detail.uncertainty.unit == SHARE
    return {"detail": detail, "detail_figures": drawn, "words": detail_words, "boxes": detail_words.boxes(detail),
            "visit": detail_words.primary_week(detail), "sources": SOURCES, "scale": 1e4 if share else 1.0,
            "source_words": detail_figures.SOURCE_WORDS}


def _masking(record: RegistryRecord | None, found: Forecast) -> str:
    if record is None:
        return "the patients do not know their arm" if found.designs[0].blinded else "none"
    if not record.masking:
        return "not given"
    who = ", ".join(w.lower().replace("_", " ") for w in record.who_masked)
    return record.masking.lower() + (f" ({who})" if who else "")


def _treatments(arms: tuple[Arm, ...]) -> list[TreatmentWords]:
    """Return each treatment once, with the arms that get it."""
    given: dict[ArmTreatment, list[Arm]] = {}
    for arm in arms:
        for treatment in arm.treatments:
            given.setdefault(treatment, []).append(arm)
    return [_treatment(t, who, len(who) == len(arms)) for t, who in given.items()]


def _treatment(treatment: ArmTreatment, arms: list[Arm], everyone: bool) -> TreatmentWords:
    regimen = treatment.fact("regimen")
    dose = _dose(treatment) if treatment.dose else ""
    if regimen:
        dose = f"{regimen.value}{' (assumed)' if regimen.assumed else ''}"
    return TreatmentWords("every arm" if everyone else ", ".join(a.label for a in arms),
                          None if everyone else arms[0].control, load_therapy(treatment.therapy_id).name,
                          treatment.words, dose)


def _dose(treatment: ArmTreatment) -> str:
    assert treatment.dose is not None
    dose, days = treatment.dose, treatment.dose.days
    given = "an injection" if load_therapy(treatment.therapy_id).product["route"] == "ia" else "an infusion"
    text = f"{short(dose.amount)} cells{' per kg' if dose.per_kg else ''} {given}"
    amount = treatment.fact("dose_cell_per_kg" if dose.per_kg else "dose_cell")
    if amount and amount.low is not None and amount.high is not None:
        text += f" (dose not reported: {short(amount.low)} to {short(amount.high)}, all tried)"
    text += f", on day{'s' if len(days) > 1 else ''} {' and '.join(f'{d:g}' for d in days)}"
    interval, thaw = treatment.fact("interval_day"), treatment.fact("thaw_state")
    if interval and interval.low is not None and interval.high is not None and len(days) > 1:
        text += f" (interval not reported: {interval.low:g} to {interval.high:g} days, all tried)"
    if thaw and thaw.options:
        text += f"; {' or '.join(thaw.options)} cells (not reported: both tried)"
    return text


def _rows(found: Forecast) -> list[ForecastRow]:
    """Return the primary outcome of each variant, then everything else of the last."""
    last = found.designs[-1].variant
    first = [*(o for e in found.events for o in e.outcomes), *(o for o in found.outcomes if o.outcome in MAIN)]
    rest = [o for o in found.outcomes if o.outcome not in MAIN and o.variant == last]
    return [_row(found, o, o.variant == last) for o in (*first, *rest)]


def _row(found: Forecast, o: OutcomeForecast, compared: bool) -> ForecastRow:
    n = arm_size(found, o)
    seen = o.observed if compared else None
    published = "" if seen is None else value_words(o, seen)
    predicted = value_words(o, o.median)
    if o.statistic == "percent":
        predicted = f"{count(o.median, n)} of {n} ({predicted})"
        published = published and f"{count(seen or 0.0, n)} of {n} ({published})"
    elif o.statistic == "patients":
        predicted, published = f"{o.median:.0f} of {n}", "" if seen is None else f"{seen:.0f} of {n}"
    return ForecastRow(o.variant, outcome_label(o), week(o.visit_day), f"{o.arm} ({n})", o.control, predicted,
                       interval_words(o, o.pi50), interval_words(o, o.pi90), published,
                       o.inside_pi90 if seen is not None else None)

