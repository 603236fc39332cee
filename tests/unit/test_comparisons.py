"""From the store to pooled rows: who is compared with whom, on what day, patients once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from evidence_library import LIBRARY, copy_of_the_library, replace_in
from hypothesis import given, settings
from hypothesis import strategies as st

from stroma.errors import StromaError
from stroma.evidence.comparisons import Sample, combine, compute_effects, find_comparisons
from stroma.evidence.meta_analysis import analyse, analysis_as_dict, draw_forest, draw_funnel
from stroma.evidence.store import load_evidence


@pytest.fixture(scope="module")
def evidence():
    return load_evidence(LIBRARY)


def test_the_lupus_nephritis_trial_against_placebo(evidence) -> None:
    found = find_comparisons(evidence, "overall_remission", "log_risk_ratio", disease="ln")
    (row,) = found.rows
    assert (row.study.study_id, row.kind, row.time_day) == ("deng2017", "placebo", 180)
    assert (row.experimental.events, row.experimental.n, row.control.events, row.control.n) == (9, 12, 5, 6)
    effects = compute_effects(found)
    assert effects.effect[0] == pytest.approx(math.log((9 / 12) / (5 / 6)))
    assert effects.variance[0] == pytest.approx(1 / 9 - 1 / 12 + 1 / 5 - 1 / 6)


def test_a_study_without_control_is_not_an_effect(evidence) -> None:
    found = find_comparisons(evidence, "overall_remission", "log_risk_ratio", disease="ln")
    reasons = {row.study_id: row.reason for row in found.skipped}
    assert "no control group" in reasons["gu2014"]
    single = find_comparisons(evidence, "overall_remission", "logit_proportion", disease="ln")
    assert {row.kind for row in single.rows} == {"uncontrolled"} and all(row.control is None for row in single.rows)


def test_active_comparators_are_never_placebo(evidence) -> None:
    (row,) = [r for r in find_comparisons(evidence, "completed", "log_risk_ratio", disease="oa").rows
              if r.study.study_id == "vega2015"]
    assert row.kind == "active"  # hyaluronic acid against cells
    assert find_comparisons(evidence, "overall_response", "log_risk_ratio").rows[0].kind == "background"


def test_what_every_arm_gets_is_no_comparator(evidence, tmp_path: Path) -> None:
    """Lamo-Espinosa 2016: cells + HA against HA alone; one arm without HA, and HA is a treatment of its own."""
    def kind(store) -> str:
        found = find_comparisons(store, "womac_total", "mean_difference")
        return next(row.kind for row in found.rows if row.study.study_id == "lamoespinosa2016")

    assert kind(evidence) == "background"
    for old, new in (("BM-MSC 10M + HA", "BM-MSC 10M"), ("HA control", "corticosteroid control")):
        folder = tmp_path / new[:2]
        folder.mkdir()
        library = copy_of_the_library(folder)
        replace_in(library / "evidence" / "arms.csv", old, new)
        assert kind(load_evidence(library)) == "active"


def test_hyaluronic_acid_alone_beside_cells_with_it(tmp_path: Path) -> None:
    """Vangsness 2014 prints no numbers of patients; with some, it is a controlled trial."""
    root = copy_of_the_library(tmp_path)
    with (root / "evidence" / "outcomes.csv").open("a", encoding="utf-8") as stream:
        for arm in ("msc", "control"):
            stream.write(f"vangsness2014.{arm},,completed,730,count,15,,patients,none,,,18,,,,,,,,,\n")
    rows = find_comparisons(load_evidence(root), "completed", "log_risk_ratio", disease="oa").rows
    kinds = {row.study.study_id: row.kind for row in rows}
    assert (kinds["vangsness2014"], kinds["vega2015"]) == ("background", "active")


def test_lupus_brings_lupus_nephritis_along(evidence) -> None:
    found = find_comparisons(evidence, "overall_remission", "log_risk_ratio", disease="sle")
    assert "deng2017" in {row.study.study_id for row in found.rows}
    assert found.included.startswith("sle includes ln (lupus nephritis), sle_cytopenia")
    assert found.included in analysis_as_dict(analyse(evidence, "overall_remission", disease="sle"))["notes"]
    nephritis = find_comparisons(evidence, "sledai", "mean", disease="ln", correlation=0.5)
    assert nephritis.included == "" and "liang2010" not in {row.study.study_id for row in nephritis.rows}


def test_nothing_to_pool_says_why() -> None:
    found = find_comparisons(load_evidence(LIBRARY, as_of="2016"), "sledai", "mean", disease="sle")
    with pytest.raises(StromaError, match="E151") as caught:
        compute_effects(found)
    assert found.skipped
    for row in found.skipped:
        assert f"  not used: {row.study_id}: {row.reason}\n" in str(caught.value)


def test_two_doses_share_one_control_once(evidence) -> None:
    """Lamo-Espinosa 2016: 10 and 10 patients on two doses, 10 on hyaluronic acid."""
    (row,) = [
        r for r in find_comparisons(evidence, "womac_total", "smd").rows if r.study.study_id == "lamoespinosa2016"
    ]
    assert (row.experimental.n, row.control.n, len(row.experimental.arms)) == (20, 10, 2)
    assert "2 arms together" in row.experimental.notes and row.patients == 30


def test_a_family_of_patients_counts_once(evidence) -> None:
    found = find_comparisons(evidence, "overall_response", "logit_proportion", disease="agvhd")
    families = [row.study.cohort_family for row in found.rows]
    assert len(families) == len(set(families))
    assert any(row.reason == "same patients as murata2021" for row in found.skipped)


def test_the_visit_asked_for(evidence) -> None:
    near = find_comparisons(evidence, "vas_pain", "mean_difference", day=180)
    assert all(abs(row.time_day - 180) <= 14 for row in near.rows)
    far = find_comparisons(evidence, "overall_remission", "log_risk_ratio", disease="ln", day=365)
    assert far.rows == () and "no visit within 14 days" in {r.study_id: r.reason for r in far.skipped}["deng2017"]
    with pytest.raises(StromaError, match="E151"):
        compute_effects(far)


def test_flagged_rows_are_not_pooled(tmp_path: Path) -> None:
    root = copy_of_the_library(tmp_path)
    text = (root / "evidence" / "outcomes.csv").read_text(encoding="utf-8")
    text = text.replace(",ln_deng_remission,,", ",ln_deng_remission,DOUBTFUL,")
    (root / "evidence" / "outcomes.csv").write_text(text, encoding="utf-8")
    found = find_comparisons(load_evidence(root), "overall_remission", "log_risk_ratio", disease="ln")
    assert found.rows == ()
    assert {row.study_id: row.reason for row in found.skipped}["deng2017"].startswith("flagged")


def test_unknown_words_are_told(evidence) -> None:
    with pytest.raises(StromaError, match="nearest: `log_risk_ratio`"):
        find_comparisons(evidence, "overall_remission", "log_risk_ration")
    with pytest.raises(StromaError, match="nearest: `route`"):
        analyse(evidence, "overall_remission", by="routes")


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-50, 50), min_size=2, max_size=8), min_size=2, max_size=4))
def test_groups_put_together_are_one_group(groups: list[list[float]]) -> None:
    """Mean and SD of the union, from means and SDs of the parts."""
    parts = [Sample((), len(g), None, float(np.mean(g)), float(np.std(g, ddof=1))) for g in groups]
    everybody = np.concatenate([np.array(g) for g in groups])
    whole = combine(parts)
    assert whole.n == everybody.size
    assert whole.mean == pytest.approx(float(np.mean(everybody)), abs=1e-9)
    assert whole.sd == pytest.approx(float(np.std(everybody, ddof=1)), rel=1e-9, abs=1e-9)


def test_an_analysis_keeps_families_of_evidence_apart(tmp_path: Path) -> None:
    """One trial against placebo and one against an active drug give two answers and no common one."""
    root = copy_of_the_library(tmp_path)
    with (root / "evidence" / "outcomes.csv").open("a", encoding="utf-8") as stream:
        for arm, events in (("vega2015.control", 4),):
            stream.write(f"{arm},knee OA,overall_remission,180,count,{events},,patients,none,,,10,unknown,,,,,,,,\n")
        for arm in [a for a in load_evidence(LIBRARY).arms if a.startswith("vega2015.") and "control" not in a]:
            stream.write(f"{arm},knee OA,overall_remission,180,count,6,,patients,none,,,10,unknown,,,,,,,,\n")
    answer = analyse(load_evidence(root), "overall_remission")
    assert {family for family, _ in answer.pooled} == {"controlled", "active_comparator"}
    assert [row.k for row in answer.pooled.values()] == [1, 1]
    told = analysis_as_dict(answer)
    assert {row["family"] for row in told["pooled"]} == {"controlled", "active_comparator"}


def test_subgroups_and_figures(evidence, tmp_path: Path) -> None:
    answer = analyse(evidence, "overall_response", "logit_proportion", disease="agvhd", by="source")
    groups = {group for _, group in answer.pooled}
    assert {"", "bm", "uc"} <= groups
    assert answer.pooled["uncontrolled", ""].k == len(answer.comparisons.rows)
    file = tmp_path / "forest.svg"
    draw_forest(answer).savefig(file)
    text = file.read_text(encoding="utf-8")
    assert "<svg" in text
    draw_funnel(answer).savefig(tmp_path / "funnel.png")
    assert (tmp_path / "funnel.png").stat().st_size > 1000


def test_the_pooled_effect_changes_when_a_study_is_added(tmp_path: Path) -> None:
    from evidence_library import GOOD, written

    from stroma.evidence.adding import add_study

    root = copy_of_the_library(tmp_path)
    before = analyse(load_evidence(root), "overall_remission", disease="ln").pooled["controlled", ""]
    add_study(written(tmp_path, "new.toml", GOOD), root)
    after = analyse(load_evidence(root), "overall_remission", disease="ln").pooled["controlled", ""]
    assert (before.k, after.k) == (1, 2) and after.estimate != before.estimate


def test_values_before_and_after_need_a_correlation(evidence) -> None:
    """Liang 2010: 12.2 (3.3) before and 3.2 (2.8) after one year in 12 patients."""
    without = find_comparisons(evidence, "sledai", "mean")
    reasons = {row.study_id: row.reason for row in without.skipped}
    assert "--correlation" in reasons["liang2010"] and "liang2010" not in {r.study.study_id for r in without.rows}
    rows = {r.study.study_id: r for r in find_comparisons(evidence, "sledai", "mean", correlation=0.4).rows}
    change = rows["liang2010"].experimental
    levels = {r.time_day: r for r in evidence.outcomes_of("liang2010")
              if r.outcome_id == "sledai" and r.statistic == "mean" and not r.subgroup}
    last = levels[rows["liang2010"].time_day]
    assert change.mean == pytest.approx(last.value - levels[0].value) and change.n == last.n
    s0, s1 = levels[0].low, last.low
    assert change.sd == pytest.approx(math.sqrt(s0**2 + s1**2 - 2 * 0.4 * s0 * s1))
    assert change.notes == ("change from values before and after, r = 0.4",)
    assert rows["deng2017"].experimental.notes == ()  # its reported change is preferred


@pytest.mark.parametrize(("measure", "correlation"), [("mean", 1.5), ("smd", 0.5)])
def test_a_correlation_that_cannot_be(evidence, measure: str, correlation: float) -> None:
    with pytest.raises(StromaError, match="E506"):
        find_comparisons(evidence, "sledai", measure, correlation=correlation)


def test_a_mixture_is_named(evidence) -> None:
    told = analysis_as_dict(analyse(evidence, "complete_response", "logit_proportion"))
    notes = " ".join(told["notes"])
    assert "patients with agvhd, ln, sle together" in notes and "definitions of the outcome together" in notes
    alone = analysis_as_dict(analyse(evidence, "overall_remission", disease="ln"))
    assert "together" not in " ".join(alone["notes"])


def test_rare_events_are_sent_to_the_model_that_adds_nothing(evidence) -> None:
    """Two events among 267: adding 0.5 makes 5 % of them."""
    notes = analysis_as_dict(analyse(evidence, "serious_adverse_event", "logit_proportion"))["notes"]
    assert any("stroma evidence safety" in note for note in notes)
    notes = analysis_as_dict(analyse(evidence, "complete_response", "logit_proportion"))["notes"]
    assert not any("stroma evidence safety" in note for note in notes)


def test_a_label_is_the_author_of_the_id(evidence) -> None:
    """Huang 2022 is cited by its title, which begins with `Phase II`."""
    figure = draw_forest(analyse(evidence, "chronic_gvhd"))
    said = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "huang2022ash" in said and "Phase 2022" not in said and "experimental" in said


def test_the_funnel_with_what_may_be_missing(evidence) -> None:
    answer = analyse(evidence, "complete_response", "logit_proportion")
    labels = [text.get_text() for text in draw_funnel(answer, filled=True).axes[0].get_legend().get_texts()]
    assert "filled in (k = 2)" in labels
    assert not any("filled" in text.get_text() for text in draw_funnel(answer).axes[0].get_legend().get_texts())
