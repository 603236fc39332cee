"""The sentences an expert would write: what is expected, what was found, what the trial's size can show."""

from __future__ import annotations

from collections.abc import Sequence

from stroma.calibration.arm_pools import cells_arm, control_arm
from stroma.calibration.prediction import ALPHA, Forecast, OutcomeForecast, PriorForecast
from stroma.report.background import CheckSummary
from stroma.report.event_words import event_sentences, listed
from stroma.report.labels import (
    arm_size,
    by_or_at,
    count,
    difference_name,
    difference_number,
    difference_words,
    interval_words,
    main_is_share,
    outcome_label,
    per_cent,
    primary_label,
    value_words,
)
from stroma.report.mean_words import mean_line, mean_size, published_means
from stroma.therapy import load_therapy
from stroma.trial.design import Arm, TrialDesign
from stroma.trial.power import fisher_power, least_detectable, least_winning

POWER = 0.80
_ALL = {1: "", 2: "both ", 3: "all "}


def primaries(found: Forecast, design: TrialDesign) -> tuple[OutcomeForecast, ...]:
    """Return the main outcome of a design, cells first, control arms after."""
    rule, day = design.outcomes[0].decides, design.outcomes[0].day
    own = [o for o in found.outcomes if o.variant == design.variant and o.rule_id == rule and o.visit_day == day]
    return tuple(sorted(own, key=lambda o: o.control))


def first_line(found: Forecast) -> str:
    """Return the forecast and, where there is one, the published result: a sentence an outcome that is primary."""
    harms = event_sentences(found)
    if found.designs[0].outcomes[0].chosen:
        return " ".join((*harms, f"Chosen beside it: o{_main_line(found)[1:]}"))
    return " ".join((_main_line(found), *harms))


def _main_line(found: Forecast) -> str:
    planned = found.designs[0]
    outcome = planned.outcomes[0]
    arms = primaries(found, planned)
    size = ", ".join(f"{arm_size(found, o)} on {o.arm}" for o in arms)
    expected = listed([_expected(found, o, "" if i else "90 % interval ") for i, o in enumerate(arms)])
    text = (f"Of {planned.n} patients planned ({size}) we expect {expected} to reach {primary_label(outcome)} "
            f"{by_or_at(outcome)}") if main_is_share(found) else mean_line(found, arms, size)
    if found.current is not None:
        low, middle, high = found.current.difference
        text += (f", a {difference_name(found)} of {difference_words(found, middle)} (median; 90 % interval "
                 f"{difference_number(found, low)} to {difference_number(found, high)})")
        text += (f", and we give the trial a chance of {per_cent(found.current.probability_of_success)} "
                 f"to show {_aim(planned)}")
    return f"{text}; {_published(found)}"


def _aim(design: TrialDesign) -> str:
    """Return what a win would show, and between which arms where there are more than two."""
    if len(design.arms) == 1:
        return "an improvement from entry"
    if len(design.arms) == 2:
        return "that the cells add to it" if not design.outcomes[0].quantity else "that the cells improve it"
    return f"a difference between {design.arms[cells_arm(design)].label} and {design.arms[control_arm(design)].label}"


def _expected(found: Forecast, outcome: OutcomeForecast, lead: str) -> str:
    n = arm_size(found, outcome)
    low, high = (count(x, n) for x in outcome.pi90)
    return f"{count(outcome.median, n)} of {n} on {outcome.arm} ({lead}{low} to {high})"


def _published(found: Forecast) -> str:
    design = found.designs[-1]
    arms = [o for o in primaries(found, design) if o.observed is not None]
    if found.dose_given:
        return "the dose was given by hand, so that no published result is compared."
    if not arms:
        own = all(file.suffix == ".toml" for file in found.files)
        if own or found.published:
            return "no published result is compared."
        return ("of what its reports print nothing can be compared." if found.reports
                else "the library holds no result of it.")
    if not main_is_share(found):
        return f"published: {published_means(arms)}, {_verdict(arms)}."
    parts = []
    for o in arms:
        n = arm_size(found, o)
        assert o.observed is not None
        parts.append(f"{count(o.observed, n)} of {n} on {o.arm}")
    own = "" if design.variant == "planned" else (
        f"conducted in {design.n} patients ({' : '.join(str(a.n) for a in design.arms)}) ")
    return f"{own}it published {' against '.join(parts)}, {_verdict(arms)} of the forecast for that size."


def _verdict(arms: list[OutcomeForecast]) -> str:
    inside = [o for o in arms if o.inside_pi90]
    if len(inside) == len(arms):
        return f"{_ALL[min(len(arms), 3)]}inside the 90 % interval{'s' if len(arms) > 1 else ''}"
    if not inside:
        return f"{_ALL[min(len(arms), 3)]}outside the 90 % interval{'s' if len(arms) > 1 else ''}"
    return (f"{' and '.join(o.arm for o in inside)} inside, "
            f"{' and '.join(o.arm for o in arms if not o.inside_pi90)} outside the 90 % intervals")


def size_sentence(found: Forecast) -> str:
    """Return in one sentence what the trial's number of patients can and cannot show."""
    design = found.designs[-1]
    arms = primaries(found, design)
    if not main_is_share(found):
        return mean_size(found, arms)
    if len(arms) < 2 or found.current is None:
        return f"{design.n} patients without a control arm can show what happens to them, not what the cells add."
    cells, control = arms[0], arms[-1]
    n_a, n_b = arm_size(found, cells), arm_size(found, control)
    share = float(control.density.mean()) / 100.0
    span = " and ".join(f"{o.pi90[1] - o.pi90[0]:.0f} ({o.arm})" for o in (cells, control))
    test = f"a one-sided Fisher test at {100 * ALPHA:g} %"
    reach = least_detectable(share, n_a, n_b, ALPHA, POWER)
    if reach is None:
        best = fisher_power(1.0, n_a, share, n_b, ALPHA)
        can = (f"can show that a forecast was grossly wrong, but not whether the cells add anything: with "
               f"{100 * share:.0f} % expected to reach the outcome on {control.arm}, {test} would find a difference in "
               f"only {per_cent(best)} of such trials even if every patient on {cells.arm} reached it")
    else:
        can = (f"can show a true rise from {100 * share:.0f} % on {control.arm} to {100 * reach:.0f} % or more on "
               f"{cells.arm} ({100 * (reach - share):.0f} points; {test}, {100 * POWER:.0f} % power), nothing smaller")
    who = (f"{design.n} patients ({n_a} : {n_b})" if len(design.arms) == 2 else
           f"Of {design.n} patients the {n_a} on {cells.arm} and {n_b} on {control.arm}")
    return (f"{who} {can}; the 90 % intervals alone cover {span} "
            f"of the 100 points between nobody and everybody.")


def win_sentence(found: Forecast) -> str:
    """Return what the cells' arm would have needed against the published control arm; empty without one."""
    arms = primaries(found, found.designs[-1])
    if len(arms) < 2 or arms[-1].observed is None or not main_is_share(found):
        return ""
    cells, control = arms[0], arms[-1]
    n_a, n_b = arm_size(found, cells), arm_size(found, control)
    seen = count(control.observed, n_b) if control.observed is not None else 0
    need = least_winning(seen, n_a, n_b, ALPHA)
    if need is None:
        return (f"Against the published {seen} of {n_b} on {control.arm}, not even {n_a} of {n_a} on {cells.arm} "
                f"would have been a significant difference.")
    return (f"Against the published {seen} of {n_b} on {control.arm}, {need} of {n_a} on {cells.arm} would have been "
            f"needed for a significant difference.")


def verdict_sentence(found: Forecast) -> str:
    """Return how many published numbers the forecast holds, and which it misses; empty without any."""
    every = (*found.outcomes, *(o for e in found.events for o in e.outcomes))
    seen = [o for o in every if o.observed is not None and o.variant == found.designs[-1].variant]
    if not seen:
        return ""
    inside = sum(bool(o.inside_pi90) for o in seen)
    half = sum(o.pi50[0] <= o.observed <= o.pi50[1] for o in seen if o.observed is not None)
    text = (f"{inside} of {len(seen)} published numbers lie inside their 90 % interval and {half} inside their 50 % "
            f"interval; about {0.9 * len(seen):.0f} and {0.5 * len(seen):.0f} would be expected of well-calibrated "
            f"intervals (numbers of one arm are not independent).")
    missed = [o for o in seen if not o.inside_pi90]
    if missed:
        text += " Outside: " + "; ".join(map(_miss, missed)) + "."
    return text


def _miss(outcome: OutcomeForecast) -> str:
    assert outcome.observed is not None
    side = "below" if outcome.observed < outcome.pi90[0] else "above"
    return (f"{outcome_label(outcome)} on {outcome.arm}, published {value_words(outcome, outcome.observed)}, "
            f"{side} {interval_words(outcome, outcome.pi90)}")


def pseudo_prospective(found: Forecast) -> str:
    """Return what the fit had seen, and what that does not exclude."""
    manifest = found.posterior.manifest
    cells = (f"the effect of the cells to series published before {manifest['msc_fitted_before']}"
             if manifest["msc_fitted_before"] else "the effect of the cells to nothing: no series was published in "
             "time, it stays with its prior")
    text = (f"The background was fitted to control arms published before {manifest['background_fitted_before']}, "
            f"{cells}{_undated(manifest['undated_targets'])}.")
    if found.published:
        text += (" The result of this trial is shown, never fitted: the fit refuses it. That makes the forecast "
                 "pseudo-prospective, not prospective: the result was public when the model was written.")
    return text


def _undated(studies: Sequence[str]) -> str:
    if not studies:
        return ""
    return f" (of {', '.join(studies)} no source in the library gives the year of publication)"


def background_sentence(summaries: Sequence[CheckSummary]) -> str:
    """Return how the background fared on control arms published after its fit; empty where not checked."""
    later = next((s for s in summaries if s.check == "later"), None)
    if later is None:
        return ""
    expected = 0.9 * later.numbers
    text = (f"Of {later.numbers} numbers of control arms published after the fit's cut-off, not re-fitted, "
            f"{later.inside} lie inside their 90 % intervals; about {expected:.0f} should")
    if later.inside < 0.9 * expected:
        return f"{text}: such intervals have been too narrow, and those below may be."
    return f"{text}."


def harmless_sentence(found: Forecast) -> str:
    """Return that every prior excludes cells that work against the outcome; empty where nothing is compared."""
    if not found.priors or len(found.designs[0].arms) < 2:
        return ""
    share, planned = main_is_share(found), found.designs[0]
    text = ("By assumption no prior lets the cells work against the outcome: the strength of their effect is positive, "
            "or zero under none.")
    other = _drugs(planned.arms[cells_arm(planned)]) ^ _drugs(planned.arms[control_arm(planned)])
    if other:
        text += (f" The arms differ in {listed(sorted(other))} too, so that the difference may still go against the "
                 "cells.")
    elif not share:
        text += " “Better” is nearly certain under every other prior for that reason alone and says nothing of size."
    where = "see “at least 10 points”" if share else "judge by its 90 % interval"
    return f"{text} Whether the difference is large enough to matter: {where}."


def _drugs(arm: Arm) -> set[str]:
    """Return the names of what an arm gets beside cells and placebo."""
    therapies = (load_therapy(t.therapy_id) for t in arm.treatments)
    return {t.name for t in therapies if t.kind not in ("cells", "placebo")}


def _but_bias(planned: TrialDesign, enthusiastic: PriorForecast) -> str:
    """Return what the enthusiastic prior still leaves out of an open trial; empty of a blinded one."""
    if planned.blinded:
        return ""
    return (" but for the bias of patients who know their arm, which it leaves out (chance "
            f"{per_cent(enthusiastic.probability_of_success)})")


def prior_sentence(found: Forecast) -> str:
    """Return what the forecast owes to the prior of the cells' effect."""
    by_name = {p.prior: p for p in found.priors}
    if not by_name:
        return "Nothing is compared: the study has no control arm."
    if "none" not in by_name:
        return ("One arm alone is compared with its own entry: regression to the mean, care and knowing the treatment "
                "can win such a test without any effect of the cells.")
    low, current, high = by_name["none"], by_name["current"], by_name["enthusiastic"]
    planned = found.designs[0]
    chance = f"The chance to show a difference is {per_cent(current.probability_of_success)} under the current prior"
    nothing = f"{per_cent(low.probability_of_success)} if the cells do nothing"
    if found.posterior.manifest["msc_fitted_before"]:
        text = (f"{chance}, {nothing} and {per_cent(high.probability_of_success)} if early open-label series are taken "
                "at face value.")
    else:
        text = (f"{chance} and {nothing}. No published series of cells informed this fit, so that the enthusiastic "
                f"prior is the same as the current one{_but_bias(planned, high)}.")
    if len(planned.arms) > 2:
        text += (f" The comparison is {planned.arms[cells_arm(planned)].label} against "
                 f"{planned.arms[control_arm(planned)].label}; the other arms are foretold, not tested.")
    if not found.designs[0].blinded:
        text += (" The patients know their arm: what that does to judgement can win a trial by itself, so that a win "
                 "would not show that the cells work.")
        if planned.outcomes[0].quantity:
            text += (" For a measurement the same holds as far as who measures knows the arm; the true difference and "
                     "the enthusiastic prior hold no such bias.")
    elif high.probability_of_success - low.probability_of_success < 0.2:
        text += " A trial of this size hardly tells these views apart."
    return text
