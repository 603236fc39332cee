"""The background's own check as the report summarises it, against sums done by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from stroma.errors import StromaError
from stroma.report.background import FILE, CheckSummary, markdown_table, read_background_check, summarise
from stroma.report.sentences import background_sentence

TABLE = """\
check,trial,arm,outcome,day,n,unit,observed,median,lo50,hi50,lo90,hi90,inside_90,score,reference_lo90,reference_hi90,reference_score
loto,one,a,overall_remission,168,30,%,50,55,50,60,40,70,True,30,30,80,50
loto,two,b,overall_remission,168,30,%,90,55,50,60,40,70,False,430,30,95,65
later,three,c,overall_remission,365,100,%,60,55,50,60,40,70,True,30,nan,nan,nan
later,three,c,serum_albumin,365,100,change,9,5,4,6,3,7,False,5000,nan,nan,nan
"""


def test_coverage_and_mean_scores(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TABLE)
    loto, later = summarise(read_background_check(tmp_path))
    assert (loto.check, loto.numbers, loto.inside, loto.score, loto.reference_score) == ("loto", 2, 1, 230.0, 57.5)
    assert (loto.inside_50, loto.reference_median) == (1, 57.5)
    assert (later.check, later.numbers, later.inside, later.score) == ("later", 2, 1, 30.0)
    assert math.isnan(later.reference_score)


def test_the_sentence_says_when_intervals_were_too_narrow() -> None:
    narrow, honest = (background_sentence([CheckSummary("later", 40, n, n // 2, 1.0, math.nan, math.nan)])
                      for n in (24, 37))
    assert "24 lie inside" in narrow and "about 36 should" in narrow and "too narrow" in narrow
    assert "37 lie inside" in honest and "too narrow" not in honest
    assert background_sentence([]) == ""


def test_no_check_no_rows(tmp_path: Path) -> None:
    assert read_background_check(tmp_path) == () and summarise(()) == ()


def test_a_damaged_table_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TABLE.replace("430", "many"))
    with pytest.raises(StromaError) as caught:
        read_background_check(tmp_path)
    assert caught.value.diagnostics[0].code == "C021"


def test_a_check_is_shown_as_rows(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TABLE)
    rows = read_background_check(tmp_path)
    assert markdown_table(rows, "loto").splitlines()[2:] == [
        "| one | a | overall remission | 168 | 50 % | 55 (40 to 70) % | yes |",
        "| two | b | overall remission | 168 | 90 % | 55 (40 to 70) % | **no** |"]
    assert markdown_table(rows, "later").splitlines()[-1] == (
        "| three | c | serum albumin | 365 | 9 | 5 (3 to 7) | **no** |")
