"""`stroma list` names what commands understand: each name is taken where it is meant for."""

from __future__ import annotations

import json

import pytest
from tests.console import failed, output

from stroma.disease import load_disease
from stroma.therapy import load_therapy
from stroma.trial.ready import read_ready


def listed(*words: str) -> list[dict]:
    return json.loads(output("list", *words, "--json"))


@pytest.mark.parametrize("kind", ["products", "drugs"])
def test_every_therapy_that_is_listed_for_a_disease_has_its_states_there(kind: str) -> None:
    rows = listed(kind, "--disease", "oa")
    assert rows
    for row in rows:
        therapy = load_therapy(row[kind.removesuffix("s")])
        assert (therapy.kind == "cells") == (kind == "products")
        assert therapy.states <= set(load_disease("oa").model.states)


def test_a_knee_is_offered_no_rule_of_the_skin() -> None:
    rules = {row["rule"] for row in listed("rules", "--disease", "oa")}
    assert "oa_omeract_oarsi" in rules and "ssc_escape" not in rules


def test_lupus_has_the_rules_of_its_kidney() -> None:
    rules = {row["rule"] for row in listed("rules", "--disease", "sle")}
    assert {"ln_deng_remission", "ln_alms_response"} <= rules


def test_every_scenario_is_read_for_its_disease() -> None:
    rows = listed("scenarios")
    assert {row["disease"] for row in rows} >= {"sle", "ra", "oa"}
    for row in rows:
        assert read_ready(row["scenario"], load_disease(row["disease"])).title == row["title"]


def test_without_a_kind_every_kind_is_counted() -> None:
    assert {row["kind"]: row["names"] for row in listed()}["records"] == 8


def test_a_misspelt_kind_is_answered_by_the_nearest(monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture) -> None:
    code, words = failed(monkeypatch, capsys, "list", "product")
    assert code == 2 and "U007" in words and "`products`" in words
