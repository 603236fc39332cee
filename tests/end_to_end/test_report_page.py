"""The report: complete, well formed, and without any request that leaves the machine."""

from __future__ import annotations

import html
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stroma.calibration.prediction import Forecast
from stroma.report.run_folder import RunRecord, write_run
from stroma.report.sentences import first_line, harmless_sentence, size_sentence
from stroma.report.terminal import forecast_view

FETCHING = {"src", "href", "xlink:href", "srcset", "action", "formaction", "data", "poster", "background", "ping"}
VOID = {"meta", "br", "img", "hr", "input", "link", "wbr"}


class Page(HTMLParser):
    """Collects what a browser would fetch, and checks that tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [v or "" for k, v in attrs if k in FETCHING]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [v or "" for k, v in attrs if k in FETCHING]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)


@pytest.fixture(scope="module")
def text(small_forecast: Forecast, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_run(small_forecast, tmp_path_factory.mktemp("runs"), RunRecord("stroma forecast NCT01539902", 1.0))
    return (folder / "report.html").read_text(encoding="utf-8")


def words(text: str) -> str:
    without = re.sub(r"<(style|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without)))


def test_nothing_is_fetched(text: str) -> None:
    page = Page()
    page.feed(text)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "base", "form", "img"}
    assert all(target.startswith("#") for target in page.fetched)
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", text))
    assert "@import" not in text
    outside = re.sub(r'xmlns(:\w+)?="http://www\.w3\.org/[^"]+"', "", text)
    assert not re.search(r"https?://", outside)


def test_every_tag_closes(text: str) -> None:
    page = Page()
    page.feed(text)
    assert page.unbalanced == [] and page.open == []


def test_first_line_comes_first(text: str, small_forecast: Forecast) -> None:
    shown = words(text)
    order = [first_line(small_forecast), "The trial ", size_sentence(small_forecast), "How it was made"]
    assert [shown.index(part) for part in order] == sorted(shown.index(part) for part in order)


def test_the_sections_stand_in_their_order(text: str) -> None:
    ids = [i for i in re.findall(r'<h2 id="(\w+)"', text) if i != "background"]
    assert ids == ["trial", "forecast", "reports", "size", "figures", "priors", "safety", "assumptions", "made",
                   "words"]


def test_the_card_says_what_the_record_says(text: str) -> None:
    shown = words(text)
    for part in ("Reconstructed record.", "25 planned (17 hUC-MSC, 8 Placebo)", "18 conducted (12 hUC-MSC, 6 Placebo)",
                 "Remission of nephritis, partial and complete", "double (participant, investigator)",
                 "WHO III/IV LN", "interval not reported: 1 to 14 days", "is not simulated and excludes nobody"):
        assert part in shown, part


def test_assumed_values_of_the_trial_are_listed_with_reasons(text: str, small_forecast: Forecast) -> None:
    shown = words(text)
    for fact in small_forecast.designs[0].assumptions:
        assert fact.reason in shown, fact.name


def test_free_text_keeps_its_decimals_and_statistics_have_names(small_forecast: Forecast, tmp_path: Path) -> None:
    planned = small_forecast.designs[0]
    cells, control = planned.arms
    drug = replace(control.treatments[0], words="cyclophosphamide, 0.5 to 1 g/m2")
    arms = (cells, replace(control, treatments=(drug, *control.treatments[1:])))
    found = replace(small_forecast, designs=(replace(planned, arms=arms), *small_forecast.designs[1:]))
    shown = words((write_run(found, tmp_path, RunRecord("x", 1.0)) / "report.html").read_text(encoding="utf-8"))
    assert "treatment: cyclophosphamide, 0.5 to 1 g/m2" in shown and "uc msc allogeneic: interval day" in shown
    assert "median true difference, points (90 % interval)" in shown and harmless_sentence(small_forecast) in shown


def test_doubts_and_a_fit_without_series_are_told(small_forecast: Forecast, tmp_path: Path) -> None:
    designs = (replace(small_forecast.designs[0], doubts=("the dose is odd",)), *small_forecast.designs[1:])
    manifest = dict(small_forecast.posterior.manifest) | {"msc_fitted_before": ""}
    found = replace(small_forecast, designs=designs, posterior=replace(small_forecast.posterior, manifest=manifest))
    page = words((write_run(found, tmp_path, RunRecord("x", 1.0)) / "report.html").read_text(encoding="utf-8"))
    assert page.index("Assumptions, with their sources") < page.index("Doubtful: the dose is odd.")
    assert "no early series informed this fit" in page and "at face value." not in page.split("no early series")[0]


def test_words_of_others_cannot_become_markup(small_forecast: Forecast, tmp_path: Path) -> None:
    hostile = replace(small_forecast, title="<script>alert(1)</script>")
    page = (write_run(hostile, tmp_path, RunRecord("<b>", 1.0)) / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "<b>" not in page


def test_the_terminal_shows_the_same_sentences(small_forecast: Forecast) -> None:
    from rich.console import Console

    console = Console(width=4000, file=io.StringIO())
    with console.capture() as captured:
        console.print(forecast_view(small_forecast))
    shown = captured.get()
    assert first_line(small_forecast) in shown and size_sentence(small_forecast) in shown
    assert "not medical advice" in shown and "9/12" in shown
