"""Credibility in the words of ICH M15 and ASME V&V 40; every figure read from what the repository holds."""

from __future__ import annotations

import csv
from collections import Counter

from stroma.calibration.origin import EVERYTHING
from stroma.calibration.posterior import Posterior, load_posterior, origin_file
from stroma.disease import Disease, load_disease
from stroma.errors import StromaError
from stroma.notice import NOTICE
from stroma.report.assumptions import count_assumed
from stroma.report.background import CHECKS, read_background_check, summarise
from stroma.validation.run import Report
from stroma.validation.summary import Summary


def credibility_section(rolling: Report, stress: Report, engine_difference: float, agree: float) -> str:
    """Return the section as Markdown.

    Parameters
    ----------
    rolling, stress : Report
    engine_difference, agree : float
        Largest difference between two engines relative to a state's scale, as measured now, and its limit.

    Notes
    -----
    Headings follow ICH M15 (general principles for model-informed drug development, draft of 2024) and ASME V&V 40
    (2018). Of each heading only what can be read from tables, posteriors and scores is stated as a figure.
    """
    diseases = [load_disease(name) for name in rolling.validations]
    return "\n".join([
        "## Credibility", "", f"In the words of ICH M15 and ASME V&V 40. {NOTICE}.", "",
        "**Question of interest.** Before a trial of mesenchymal stromal cells is done: what will it show on its own "
        "outcomes, and how likely is it to succeed, beside what its background treatment does alone?", "",
        "**Context of use.** Exploratory forecasts of trials as registered, in "
        f"{_listed([d.name for d in diseases])}, for those who plan, fund, review or read such trials, always beside "
        "the published evidence and never instead of it.", "",
        f"**Model influence.** {_influence(rolling, stress)}", "",
        "**Decision consequence.** A wrong forecast may lead to a trial that cannot answer its question, or keep one "
        "from being done that could: waste, and a delay for patients. No decision about a patient follows from it. "
        "With low influence and a moderate consequence the model risk is moderate at most; it is high, and the model "
        "not credible for it, in any use where it would stand alone.", "",
        "**Verification.**", "", *(f"- {words}" for words in _verification(diseases, engine_difference, agree)), "",
        "**Validation.**", "", *(f"- {words}" for words in _validation(rolling, stress, diseases)), "",
        "**Uncertainty.**", "", *(f"- {words}" for d in diseases for words in _uncertainty(d)), "",
        "**Must not be used for**", "", *(f"- {words}" for words in _excluded_uses(rolling)), ""])


def _influence(rolling: Report, stress: Report) -> str:
    flags = (*rolling.summary().flags, *stress.summary().flags)
    return ("Low by intent: one line of evidence among published results, which stand beside each forecast. "
            + ("The scores on this page support no more than that." if flags else
               "The scores on this page do not contradict it."))


def _verification(diseases: list[Disease], difference: float, agree: float) -> list[str]:
    said = [f"Engines: the compiled one and the plain one differ by at most {difference:.1e} of a state's scale on "
            f"four patients with cells and steroids over a year (limit {agree:g}), measured while this page was made."]
    for disease in diseases:
        model = disease.model
        expected = _rows(disease, "expectations.csv")
        said.append(f"{disease.name}: {len(model.states)} states and {len(model.parameters)} parameters with units "
                    f"that agree, checked each time the model is read; {expected} executable expectations of biology "
                    "(`stroma model check`).")
    return said


def _rows(disease: Disease, table: str) -> int:
    path = disease.folder / table
    if not path.is_file():
        return 0
    with path.open(encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.DictReader(stream))


def _validation(rolling: Report, stress: Report, diseases: list[Disease]) -> list[str]:
    said = [f"Each trial from earlier years: {_scores(rolling.summary())}",
            f"2014 and later from one fit: {_scores(stress.summary())}"]
    for disease in diseases:
        for check in summarise(read_background_check(disease.folder)):
            said.append(f"{disease.name}, control arms {CHECKS[check.check]}: {check.inside} of {check.numbers} "
                        f"numbers inside their 90 % interval, {check.inside_50} inside the 50 %.")
    blind = rolling.by("blinding")
    said += [f"By blinding, {name.replace('_', ' ')}: {_scores(summary)}" for name, summary in blind.items()]
    return said


def _scores(summary: Summary) -> str:
    inner, outer = summary.coverage_pi50, summary.coverage_pi90
    trials = "1 trial" if summary.n_studies == 1 else f"{summary.n_studies} trials"
    numbers = "1 number" if summary.n_outcomes == 1 else f"{summary.n_outcomes} numbers"
    text = (f"{numbers} of {trials}; the 50 % intervals hold "
            f"{100 * inner.value:.0f} %, the 90 % intervals {100 * outer.value:.0f} % "
            f"({100 * outer.ci[0]:.0f} to {100 * outer.ci[1]:.0f})")
    best = summary.best_baseline
    if best:
        text += f"; interval score {summary.baselines[best].ratio:.2f} times that of the best baseline"
    return text + "".join(f"; {flag}" for flag in summary.flags) + "."


def _uncertainty(disease: Disease) -> list[str]:
    assumed = count_assumed(disease)
    said = [f"{disease.name}: {len(disease.uncertain)} parameters are integrated over; {assumed.assumed} of "
            f"{assumed.total} values are assumed, {assumed.fixed} of these at one value."]
    for label in ("retrospective", EVERYTHING.label):
        posterior = _stored(disease, label)
        if posterior is not None:
            sizes = posterior.manifest["effective_size"]
            said.append(f"{disease.name}, posterior {label} ({posterior.content_hash}): "
                        f"{len(posterior.manifest['target_ids'])} published numbers; {sizes['background']:.0f} "
                        f"effective draws of the background, {sizes['current']:.0f} with the cells.")
    return said


def _stored(disease: Disease, label: str) -> Posterior | None:
    try:
        return load_posterior(disease, origin_file(label))
    except StromaError:
        return None


def _excluded_uses(report: Report) -> list[str]:
    told = Counter("cells" if r.cells else "control" for r in report.scored)
    trials = {r.target.trial for r in report.scored if r.cells}
    return ["decisions about a patient, or advice to patients;",
            "claims that cells work: only "
            f"{told['cells']} forecast numbers of {len(trials)} studies are about cells, {told['control']} about "
            "background treatment alone;",
            "approval, labelling, or the choice of a dose without a trial;",
            "safety: harms are listed as published, not forecast;",
            "diseases, products, routes and outcomes that no target of this page represents;",
            "replacing a control arm."]


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
