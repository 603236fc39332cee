"""Every registration of the library through the whole road: shares, mean changes and harms as primary outcomes."""

from __future__ import annotations

import pytest

from stroma.calibration.forecast import forecast
from stroma.calibration.prediction import Forecast, Settings
from stroma.report.all_records import decisive
from stroma.report.event_words import basis_sentences, event_sentences
from stroma.report.sentences import first_line, prior_sentence, size_sentence

SMALL = Settings(draws=60, subjects=30, trials=200, seed=3)


@pytest.mark.parametrize(("record", "disease", "arms"), [
    ("NCT01420432", "as", 2), ("NCT01547091", "ra", 3), ("NCT01586312", "oa", 2), ("NCT01741857", "sle", 1)])
def test_a_forecast_is_made_and_put_in_words(record: str, disease: str, arms: int) -> None:
    found = forecast(record, SMALL)
    assert found.disease.disease_id == disease and len(found.outcomes) == arms
    assert all(0 <= o.pi90[0] <= o.median <= o.pi90[1] <= 100 and o.pi90[0] < o.pi90[1] for o in found.outcomes)
    assert (found.current is None) == (arms == 1)
    if found.current is not None:
        none = next(p for p in found.priors if p.prior == "none")
        blind = found.designs[0].blinded
        assert none.difference == (0, 0, 0) and 0 <= none.probability_of_success <= (0.1 if blind else 0.6)
        assert ("know their arm" in prior_sentence(found)) != blind
    assert f"{found.designs[0].n} patients" in first_line(found) and size_sentence(found)
    if arms > 2:
        assert "between UC-MSC and DMARDs" in first_line(found)
        assert "UC-MSC against DMARDs; the other arms" in prior_sentence(found)


def test_a_mean_change_is_forecast_in_its_unit() -> None:
    found = forecast("NCT01459640", SMALL)
    cells, control = found.outcomes
    assert {o.statistic for o in found.outcomes} == {"mean_change"} and cells.unit == "mm"
    assert control.median < 0 and abs(control.median) < 0.2, "untreated cartilage is lost, in mm and not in metres"
    assert found.current is not None and found.current.at_least_10 is None
    none = next(p for p in found.priors if p.prior == "none")
    assert none.difference == (0, 0, 0) and none.favours == 0.0 < found.current.favours
    line, size = first_line(found), size_sentence(found)
    assert "25 on MSC in hyaluronic acid" in line and " mm on Hyaluronic acid" in line
    assert "Welch test" in size and "mm or more" in size and "laceb" not in line + size + prior_sentence(found)
    (cells_given,) = [t for t in found.designs[0].arms[0].treatments if t.dose]
    assert cells_given.dose is not None and cells_given.dose.days == (14.0,)


@pytest.fixture(scope="module")
def precursors() -> Forecast:
    return forecast("NCT01851070", SMALL)


def test_a_harm_is_foretold_from_other_studies_and_said_to_be(precursors: Forecast) -> None:
    (event,) = precursors.events
    assert [o.arm for o in event.outcomes] == ["MPC 1e6/kg", "MPC 2e6/kg", "Placebo"]
    assert all(o.statistic == "patients" and 0 <= o.pi90[0] <= o.median <= o.pi90[1] <= 16 for o in event.outcomes)
    assert [o.observed for o in event.outcomes] == [0.0, 0.0, None]
    own = {"kafaja2017"}
    assert all(not own & {s[0] for s in source.studies} for source in event.sources), "its own report is not pooled"
    (sentence,) = event_sentences(precursors)
    assert "not by mechanism" in sentence and "published: 0 of 16 on MPC 1e6/kg" in sentence
    assert "would not show that cells protect" in basis_sentences(event)[-1]
    assert first_line(precursors).startswith(sentence), "the primary outcome comes first, the chosen one after it"


def test_a_chosen_outcome_is_not_called_primary(precursors: Forecast) -> None:
    assert {o.outcome for o in precursors.outcomes} == {"chosen outcome"}
    assert [o.rule_id for o in decisive(precursors)] == ["serious_adverse_event"] * 3 + ["ra_acr20"] * 3
    assert any(r.outcome == "ACR20" and r.doubtful for r in precursors.reports)
    assert all(o.observed is None for o in precursors.outcomes), "subgroups and doubtful rows are not compared"


def test_dose_groups_without_a_control_compare_nothing() -> None:
    found = forecast("NCT01585857", SMALL)
    assert not found.priors and [a.n for a in found.designs[0].arms] == [6, 6, 6]
    doses = [t.dose.amount for a in found.designs[0].arms for t in a.treatments if t.dose]
    assert doses == [2e6, 1e7, 5e7]
    assert len(found.events[0].outcomes) == 3 and "6 : 6 : 6" in size_sentence(found)
    assert {r.study for r in found.reports} == {"pers2016"}


def test_the_safety_of_the_knee_trial_is_foretold_beside_its_response() -> None:
    found = forecast("NCT01586312", SMALL)
    assert found.outcomes[0].outcome == "primary outcome" and len(found.events) == 1
    assert {s.arms for s in found.events[0].sources} == {("MSV_allo",), ("Control",)}
