"""The validation page: every forecast trial, published beside predicted, right or wrong; Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import isfinite

from stroma.calibration.targets import load_targets
from stroma.disease import load_disease
from stroma.errors import Problems, nearest
from stroma.evidence.records import Study
from stroma.evidence.store import load_evidence
from stroma.library import library_root
from stroma.notice import NOTICE
from stroma.report.credibility import credibility_section
from stroma.report.labels import short
from stroma.tables import Column, read_table
from stroma.validation.outcomes import LAST, NO_EFFECT, POOLED, Scored
from stroma.validation.run import GROUPS, Report
from stroma.validation.summary import BaselineSummary, Estimate, Summary

NOTES = "validation_notes.csv"
BASELINE_WORDS = {POOLED: "random-effects prediction interval of earlier studies", NO_EFFECT: "no effect of the cells",
                  LAST: "last study repeated"}
_NEGATIVE = ("null", "negative")


def validation_page(rolling: Report, stress: Report, engine_difference: float, agree: float) -> str:
    """Return the page.

    Parameters
    ----------
    rolling, stress : Report
        Each trial from its own year; everything since 2014 from the retrospective fit.
    engine_difference, agree : float
        Largest difference between two engines as measured now, and its limit.

    Raises
    ------
    StromaError
        C001 for a note about a study that has no target.
    """
    parts = [
        "# Validation: forecasts judged on what came later", "",
        f"{NOTICE}. Every number here is computed by `stroma validate --page docs/validation.md`; only the sentence "
        "under each trial is written by hand. Nothing is widened or left out to look better: the width of an interval "
        "is part of its score.", "",
        "## In short", "", short_table(rolling, stress), "", *(f"- {words}" for words in _verdict(rolling)), "",
        *_hindsight(rolling),
        "Coverage and scores are averaged over the numbers of a study, then over studies, then over diseases; in "
        "brackets 90 % bootstrap intervals over studies. The interval score (Gneiting and Raftery 2007) is that of the "
        "90 % interval in reference SDs: 50 points for a share of patients, else the median published SD between "
        "patients; smaller is better. A ratio below one means better than the baseline; the best baseline is the "
        "hardest to beat of those that exist for every number counted (no effect of the cells: for arms with cells "
        "only).", "",
        "## Against the baselines", "", _baselines(rolling), "",
        "## Where it holds and where not", "", *_groups(rolling),
        "## Trial by trial", "",
        "Each trial forecast by the rolling fit, from what was published in earlier years, cohort families whole; "
        "`stroma forecast` uses the retrospective fit, which may count otherwise. Trials with cells first, those "
        "without a benefit before those with one, large before small.", "",
        *_trials(rolling), "## Stress test: 2014", "",
        "All of these from the retrospective fit: control arms to 2013, series of families that began before 2014.", "",
        *_table(stress.scored, with_trial=True), "",
        "## What is not forecast, and why", "", *_excluded(rolling), credibility_section(
            rolling, stress, engine_difference, agree)]
    return "\n".join(parts).rstrip() + "\n"


def short_table(rolling: Report, stress: Report) -> str:
    """Return the few lines that a README shows."""
    lines = ["| forecast | trials | numbers | inside 50 % interval | inside 90 % interval | interval score | "
             "ratio to the best baseline |", "|---|---|---|---|---|---|---|"]
    for name, report in (("each trial from earlier years", rolling), ("2014 and later from the fit of 2014", stress)):
        for disease, summary in {**report.by_disease(), **_whole(report)}.items():
            lines.append(_line(f"{name}: {disease}", summary))
    return "\n".join(lines)


def _whole(report: Report) -> dict[str, Summary]:
    return {"all": report.summary()} if len(report.validations) > 1 else {}


def _line(name: str, s: Summary) -> str:
    best = s.best_baseline
    ratio = _ratio(s.baselines[best].ratio, s.baselines[best].ratio_ci) + f" ({BASELINE_WORDS[best]})" if best else "–"
    return (f"| {name} | {s.n_studies} | {s.n_outcomes} | {_share(s.coverage_pi50)} | {_share(s.coverage_pi90)} | "
            f"{s.interval_score.value:.2f} [{s.interval_score.ci[0]:.2f}, {s.interval_score.ci[1]:.2f}] | {ratio} |")


def _share(estimate: Estimate) -> str:
    low, high = estimate.ci
    return f"{100 * estimate.value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _ratio(value: float, ci: tuple[float, float]) -> str:
    return f"{value:.2f} [{ci[0]:.2f}, {ci[1]:.2f}]"


def _verdict(report: Report) -> list[str]:
    whole = report.summary()
    said = []
    for level, cover in ((50, whole.coverage_pi50), (90, whole.coverage_pi90)):
        met = cover.ci[0] <= level / 100 <= cover.ci[1]
        said.append(f"The {level} % intervals hold {_share(cover)} of the results of a study: the nominal value is "
                    f"{'inside' if met else '**outside**'} the bootstrap interval.")
    best = whole.best_baseline
    if best:
        b = whole.baselines[best]
        said.append(f"Against the best baseline ({BASELINE_WORDS[best]}) the interval score is "
                    f"{_ratio(b.ratio, b.ratio_ci)} of its score: {'better' if b.ratio < 1 else '**not better**'}"
                    f"{'' if b.ratio_ci[1] < 1 or b.ratio >= 1 else ', not beyond doubt'}.{_without_default(b)}")
    said += [f"**{flag[0].upper()}{flag[1:]}.**" for flag in whole.flags]
    if whole.sign.of:
        said.append(f"Sign of the difference between cells and control right: {whole.sign.right} of {whole.sign.of} "
                    f"outcomes. Order of any two arms of a trial right: {whole.ranking.right} of {whole.ranking.of}.")
    return [*said, f"Counts of PIT in tenths, flat when calibrated: {', '.join(map(str, whole.pit))}."]


def _hindsight(report: Report) -> list[str]:
    """Say what the tables of a disease know although its posteriors do not: the note under its own name."""
    said = {disease: read_notes(disease).get(disease, "") for disease in report.validations}
    lines = [f"- {disease}: {words}" for disease, words in said.items() if words]
    return ["No posterior has seen a number that it forecasts. Those who wrote the tables by hand had seen some:", "",
            *lines, ""] if lines else []


def _without_default(b: BaselineSummary) -> str:
    """Say what is left of the comparison where the baseline knows something."""
    if not b.n_vague or not isfinite(b.informed_ratio):
        return ""
    return (f" The vague default stands in for {b.n_vague} of {b.n_outcomes} numbers; on the other "
            f"{b.n_outcomes - b.n_vague}, where the baseline has earlier studies, the ratio is "
            f"{_ratio(b.informed_ratio, b.informed_ratio_ci)}: "
            f"{'better' if b.informed_ratio_ci[1] < 1 else '**not beyond doubt better**'}.")


def _baselines(report: Report) -> str:
    lines = ["| baseline | numbers | with too few earlier studies (a vague default stands in) | its interval score | "
             "ratio | ratio where earlier studies suffice | ratio of CRPS |", "|---|---|---|---|---|---|---|"]
    for name, b in report.summary().baselines.items():
        lines.append(f"| {BASELINE_WORDS[name]} | {b.n_outcomes} | {b.n_vague} | {b.interval_score:.2f} | "
                     f"{_ratio(b.ratio, b.ratio_ci)} | {_informed(b)} | {b.crps_ratio:.2f} |")
    return "\n".join(lines)


def _informed(b: BaselineSummary) -> str:
    return _ratio(b.informed_ratio, b.informed_ratio_ci) if isfinite(b.informed_ratio) else "–"


def _groups(report: Report) -> list[str]:
    head = ["| group | trials | numbers | inside 50 % | inside 90 % | interval score | ratio to the best baseline |",
            "|---|---|---|---|---|---|---|"]
    out = []
    for group in GROUPS:
        out += [f"By {group}:", "", *head]
        out += [_line(name.replace("_", " "), summary) for name, summary in report.by(group).items()] + [""]
    return out


def _trials(report: Report) -> list[str]:
    studies = load_evidence(library_root()).studies
    by_trial: dict[tuple[str, str], list[Scored]] = defaultdict(list)
    for row in report.scored:
        by_trial[row.disease, row.target.trial].append(row)
    notes = {disease: read_notes(disease) for disease in report.validations}
    out: list[str] = []
    for (disease, trial), rows in sorted(by_trial.items(), key=lambda item: _rank(item[1], studies)):
        target = rows[0].target
        inside = sum(r.inside_90 for r in rows)
        said = notes[disease].get(trial) or notes[disease].get(target.study_id, "")
        out += [f"### {trial} ({target.year}, {disease})", "",
                f"{inside} of {len(rows)} inside the 90 % interval of the rolling fit. {said}".strip(),
                "", *_table(rows, with_trial=False), ""]
    return out


def _rank(rows: Sequence[Scored], studies: Mapping[str, Study]) -> tuple[bool, bool, float, str]:
    study = studies[rows[0].target.study_id]
    cells = any(r.cells for r in rows)
    size = study.n_total if rows[0].target.trial == study.study_id else max(r.target.n for r in rows)
    return not cells, study.conclusion_direction not in _NEGATIVE, -(size or 0), rows[0].target.trial


def read_notes(disease: str) -> dict[str, str]:
    """Return the hand-written sentence of each study or trial, or of the disease as a whole; none without a table.

    Raises
    ------
    StromaError
        C001 for a note about an unknown study; all at once.
    """
    loaded = load_disease(disease)
    path = loaded.folder / NOTES
    if not path.is_file():
        return {}
    known = {disease} | {name for t in load_targets(loaded).targets for name in (t.study_id, t.trial)}
    rows = read_table(path, {"study": Column(required=True), "note": Column(required=True)}, "C001", key=("study",))
    problems = Problems()
    for row in rows:
        if row.text("study") not in known:
            problems.add("C001", f"a note about `{row.text('study')}`, which has no target", file=row.file,
                         line=row.line, hint=nearest(row.text("study"), known))
    problems.raise_if_any()
    return {row.text("study"): row.text("note") for row in rows}


def _table(rows: Sequence[Scored], with_trial: bool) -> list[str]:
    trial = "| trial " if with_trial else ""
    lines = [f"{trial}| arm | outcome | day | published | predicted (90 % interval) | inside 50 / 90 % |",
             f"{'|---' if with_trial else ''}|---|---|---|---|---|---|"]
    for r in rows:
        t = r.target
        unit = " %" if r.unit == "%" else ""
        name = f"| {t.trial} " if with_trial else ""
        lines.append(f"{name}| {_arm(r)} | {t.outcome.replace('_', ' ')} | {t.day:g} | {short(r.observed)}{unit} | "
                     f"{short(r.median)} ({short(r.pi90[0])} to {short(r.pi90[1])}){unit} | "
                     f"{_yes(r.inside_50)} / {_yes(r.inside_90)} |")
    return lines


def _arm(row: Scored) -> str:
    known = "" if row.target.n_assumed else f" (n = {row.target.n:g})"
    return row.target.arm_label.split(" (ref")[0].replace("|", "/") + known


def _yes(inside: bool) -> str:
    return "yes" if inside else "**no**"


def _excluded(report: Report) -> list[str]:
    out = []
    for disease, validation in report.validations.items():
        reasons: dict[str, list[str]] = defaultdict(list)
        for e in validation.excluded:
            reasons[e.reason].append(e.target_id.split("|")[0])
        left, whole = len(validation.excluded), len(validation.excluded) + len(validation.scored)
        out += [f"{disease}: {left} of {whole} rows of the target list.", "", "| reason | rows | studies |",
                "|---|---|---|"]
        for reason, ids in sorted(reasons.items(), key=lambda item: -len(item[1])):
            out.append(f"| {reason.replace('|', '/')} | {len(ids)} | {', '.join(dict.fromkeys(ids))} |")
        out.append("")
    return out


