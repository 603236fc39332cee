"""Forest and funnel plots: what stands on them, read back from the figure's artists."""

import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from stroma.errors import StromaError
from stroma.evidence.effect_sizes import clopper_pearson, log_risk_ratio, logit_proportion
from stroma.evidence.forest import Study, forest
from stroma.evidence.funnel import funnel
from stroma.evidence.pooling import pool, trim_and_fill

EFFECT = [-1.2, -0.4, -2.0, 0.3, -0.9, -1.5, -3.1, -0.2]
VARIANCE = [0.2, 0.1, 0.5, 0.3, 0.15, 0.4, 0.9, 0.05]


def words(figure: Figure) -> list[str]:
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def studies(kinds: list[str], groups: list[str]) -> list[Study]:
    return [Study(f"Study {i}", y, v, k, g, (f"n = {10 + i}",))
            for i, (y, v, k, g) in enumerate(zip(EFFECT, VARIANCE, kinds, groups, strict=True))]


def test_families_have_their_own_axes_and_total(tmp_path: Path) -> None:
    figure = forest(studies(["placebo"] * 4 + ["uncontrolled"] * 4, [""] * 8), "mean_difference", unit="points",
                    columns=["size"], title="Title")
    assert len(figure.axes) == 3  # the page and one plot each
    said = words(figure)
    assert sum(w.startswith("Pooled: k = 4") for w in said) == 2
    assert not any("k = 8" in w for w in said)
    assert "Without a control group: not an effect of the treatment alone" in said
    assert "← better than before" in said
    assert "← favours experimental" in said
    assert any("k = 4: the spread between studies cannot be known" in w for w in said)
    figure.savefig(tmp_path / "forest.svg")
    assert (tmp_path / "forest.svg").stat().st_size > 5000


def test_numbers_on_the_plot_are_the_pooled_ones() -> None:
    groups = ["bm"] * 5 + ["uc"] * 3
    said = words(forest(studies(["active"] * 8, groups), "smd", columns=["size"], better="higher"))
    total, part = pool(EFFECT, VARIANCE), pool(EFFECT[:5], VARIANCE[:5])
    for pooled in (total, part):
        low, high = pooled.ci
        assert f"{pooled.estimate:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−") in said
    assert total.prediction_interval is not None
    low, high = total.prediction_interval
    assert f"[{low:.2f}, {high:.2f}]".replace("-", "−") in said
    assert "95 % prediction interval (t, 6 df)" in said
    assert f"{total.weights[0]:.1f} %" in said
    assert f"{sum(total.weights[:5]):.1f} %" in said
    assert any(w.startswith("Difference between subgroups: Q = ") for w in said)
    assert "favours experimental →" in said
    assert "favours comparator" in " ".join(said)
    assert "placebo" not in " ".join(said)


def test_ratios_and_shares_are_turned_back() -> None:
    made = log_risk_ratio([4, 9], [40, 50], [8, 9], [40, 50])
    said = words(forest([Study(f"S{i}", float(y), float(v), "placebo") for i, (y, v)
                         in enumerate(zip(made.effect, made.variance, strict=True))], "log_risk_ratio"))
    assert any(w.startswith("0.50 [") for w in said)
    assert any(w.startswith("1.00 [") for w in said)


def test_no_events_show_the_exact_limit() -> None:
    events, n = [0, 3, 2], [12, 30, 25]
    made, (low, high) = logit_proportion(events, n), clopper_pearson(events, n)
    rows = [Study(f"S{i}", float(made.effect[i]), float(made.variance[i]), "uncontrolled",
                  exact=(events[i] / n[i], float(low[i]), float(high[i]))) for i in range(3)]
    said = words(forest(rows, "logit_proportion"))
    assert "0.0 [0.0, 22.1]" in said  # 1 - 0.05^(1/12)
    assert "Arms without events, or with nothing else: one-sided exact limit." in said


def test_one_study_has_no_diamond() -> None:
    said = words(forest([Study("Only", 0.2, 0.1, "placebo")], "mean_difference"))
    assert not any(w.startswith("Pooled") for w in said)
    assert any(w.startswith("one study") for w in said)


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(StromaError, match="E535"):
        forest([], "smd")
    with pytest.raises(StromaError, match="smd"):
        forest(studies(["placebo"] * 8, [""] * 8), "smdd", columns=["size"])
    with pytest.raises(StromaError, match="1 cells for 0 columns"):
        forest(studies(["placebo"] * 8, [""] * 8), "smd")
    with pytest.raises(StromaError, match="sample size"):
        forest([Study("a", 0.2, 0.1, "uncontrolled")], "freeman_tukey")


def test_funnel_has_its_points_and_contours() -> None:
    filled = trim_and_fill(EFFECT, VARIANCE)
    figure = funnel(EFFECT, VARIANCE, "mean_difference", filled=filled)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    labels = [t.get_text() for t in legend.get_texts()]
    assert "studies (k = 8)" in labels
    assert "0.01 < p < 0.05" in labels
    assert (f"filled in (k = {filled.missing})" in labels) == (filled.missing > 0)
    plain = funnel(EFFECT, VARIANCE, "logit_proportion").axes[0].get_legend()
    assert plain is not None
    assert not any(t.get_text().startswith("p") for t in plain.get_texts())


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = "import sys, stroma.evidence.forest, stroma.evidence.funnel; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
