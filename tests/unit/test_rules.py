"""Response rules: loading and the three kinds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from stroma.errors import StromaError
from stroma.trial.rules import known_quantities, load_rules

LIBRARY = Path(__file__).parents[2] / "library"
HEADER = "rule_id,outcome,disease,definition,formula,better,kind,source,certainty\n"
DAY = np.array([0.0, 28.0, 84.0, 180.0])


def write(folder: Path, *rows: str) -> Path:
    path = folder / "rules.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_every_rule_of_the_library_speaks_of_known_quantities() -> None:
    vocabulary = known_quantities(LIBRARY)
    rules = load_rules(LIBRARY / "evidence" / "response_rules.csv")
    needed = {"ln_deng_remission": {"serum_creatinine", "upcr", "sediment_active"},
              "sle_complement_normalised": {"c3", "c4", "c3_lln", "c4_lln"},
              "ra_early_escape": {"tjc28", "sjc28"}}
    used = {rule_id: rule.names(vocabulary) for rule_id, rule in rules.items()}
    assert {rule_id: used[rule_id] for rule_id in needed} == needed
    assert "unknown" not in rules
    assert not any(name.endswith(("0", "_min", "_max")) for names in used.values() for name in names)


def test_a_rule_is_as_good_as_its_outcome() -> None:
    with (LIBRARY / "vocabulary" / "outcomes.csv").open(encoding="utf-8", newline="") as stream:
        better = {row["outcome_id"]: row["better"] for row in csv.DictReader(stream)}
    rules = load_rules(LIBRARY / "evidence" / "response_rules.csv").values()
    assert {r.rule_id: r.improves for r in rules} == {
        r.rule_id: {"up": 1.0, "down": -1.0}[better[r.outcome]] for r in rules}


def test_the_kinds_differ_in_what_they_remember(tmp_path: Path) -> None:
    path = write(tmp_path, *(f"{kind},o,LN,words,upcr < 1,higher,{kind},s,inferred"
                             for kind in ("binary_at_visit", "any_time", "time_to_event")))
    rules = load_rules(path)
    values = {"upcr": np.array([[3.0, 0.5, 2.0, 0.4], [3.0, 2.0, np.nan, 2.0]])}
    at_visit = rules["binary_at_visit"].evaluate(values, DAY)
    assert at_visit.tolist() == [[False, True, False, True], [False] * 4]
    for kind in ("any_time", "time_to_event"):
        assert rules[kind].evaluate(values, DAY).tolist() == [[False, True, True, True], [False] * 4]


def test_the_remission_of_the_lupus_trial_by_day_180() -> None:
    rule = load_rules(LIBRARY / "evidence" / "response_rules.csv")["ln_deng_remission"]
    assert rule.kind == "any_time" and rule.certainty == "inferred"
    steady = [80.0] * 4
    values = {
        "upcr": np.array([[4.0, 3.0, 1.9, 3.5],    # halved and below 3 at day 84, lost later: counts
                          [8.0, 5.0, 3.9, 3.5],    # halved but still nephrotic
                          [4.0, 1.0, 1.0, 1.0],    # halved, creatinine up by half
                          [2.0, 1.5, 1.2, 0.9],    # halved, sediment newly active
                          [2.0, 1.5, 1.2, 0.9]]),  # the same sediment was active before: counts
        "serum_creatinine": np.array([steady, steady, [80.0, 120.0, 120.0, 120.0], steady, steady]),
        "sediment_active": np.array([[0] * 4, [0] * 4, [0] * 4, [0, 1, 1, 1], [1] * 4]),
    }
    assert rule.evaluate(values, DAY)[:, -1].tolist() == [True, False, False, False, True]
    assert rule.evaluate(values, DAY)[0].tolist() == [False, False, True, True]


def test_all_bad_rows_are_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "a,o,LN,words,upcr <,higher,any_time,s,inferred",
                 "b,o,LN,words,upcr + 1,higher,any_time,s,inferred",
                 "c,o,LN,words,heldd(upcr),higher,any_time,s,inferred")
    with pytest.raises(StromaError) as caught:
        load_rules(path)
    assert [(d.code, d.line) for d in caught.value.diagnostics] == [("E301", 2), ("T101", 3), ("E303", 4)]
    with pytest.raises(StromaError, match="`formula` of rule `a` is empty"):
        load_rules(write(tmp_path, "a,o,LN,words,,higher,any_time,s,inferred"))
