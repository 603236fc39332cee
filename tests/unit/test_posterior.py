"""The posterior file: what is written comes back, and nothing foreign or damaged is used."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stroma.calibration.fingerprint import data_hash
from stroma.calibration.posterior import (
    FILE,
    PRIORS,
    Posterior,
    choose_posterior,
    compact,
    load_posterior,
    origin_file,
    save_posterior,
)
from stroma.disease import Disease, load_disease
from stroma.errors import StromaError

DRAWS = 40


@pytest.fixture
def disease(tmp_path: Path) -> Disease:
    """The lupus disease with an empty place for its posterior."""
    return replace(load_disease("sle"), folder=tmp_path)


@pytest.fixture
def posterior(disease: Disease) -> Posterior:
    rng = np.random.default_rng(3)
    weights = {p: rng.dirichlet(np.ones(DRAWS)) for p in PRIORS}
    return Posterior(disease.uncertain, rng.normal(size=(DRAWS, len(disease.uncertain))), np.arange(DRAWS), weights,
                     {"target_ids": ["a", "b"], "fitted_before": "2014-01-01",
                      "model_hash": disease.model.content_hash})


def code(disease: Disease) -> str:
    with pytest.raises(StromaError) as caught:
        load_posterior(disease)
    (found,) = caught.value.diagnostics
    assert found.file == disease.folder / FILE and "stroma calibrate sle" in found.hint
    return found.code


def test_what_is_written_comes_back(disease: Disease, posterior: Posterior) -> None:
    path = save_posterior(posterior, disease.folder)
    found = load_posterior(disease)
    assert [p.name for p in path.parent.iterdir()] == [FILE], "no part is left behind"
    assert found.names == posterior.names and np.array_equal(found.scaled, posterior.scaled)
    assert all(np.array_equal(found.weights[p], posterior.weights[p]) for p in PRIORS)
    assert found.content_hash == posterior.content_hash == found.manifest["hash"]
    assert found.manifest["target_ids"] == ["a", "b"]


@pytest.mark.parametrize("change", ["draws", "weights", "groups", "targets"])
def test_the_hash_names_the_content(posterior: Posterior, change: str) -> None:
    scaled, weights, manifest = posterior.scaled.copy(), dict(posterior.weights), dict(posterior.manifest)
    group = posterior.group.copy()
    if change == "draws":
        scaled[3, 2] += 1e-12
    elif change == "weights":
        weights["sceptical"] = np.roll(weights["sceptical"], 1)
    elif change == "groups":
        group[0] = group[1]
    else:
        manifest["target_ids"] = ["a", "c"]
    assert Posterior(posterior.names, scaled, group, weights, manifest).content_hash != posterior.content_hash


def test_a_parameter_comes_back_on_its_own_scale(disease: Disease, posterior: Posterior) -> None:
    name = next(n for n in disease.uncertain if disease.parameters[n].distribution == "lognormal")
    p, scaled = disease.parameters[name], posterior.scaled[:, posterior.names.index(name)]
    assert np.allclose(posterior.natural(disease, name), np.exp(scaled).clip(p.lower, p.upper))


def test_effective_size_of_equal_weights_is_their_number(posterior: Posterior) -> None:
    even = replace(posterior, weights={p: np.full(DRAWS, 1 / DRAWS) for p in PRIORS})
    assert even.effective_size() == pytest.approx(DRAWS)
    assert 1 < posterior.effective_size("none") < DRAWS


def test_no_posterior(disease: Disease) -> None:
    assert code(disease) == "C020"


@pytest.mark.parametrize("keep", [0, 100, 0.5, -8])
def test_a_cut_off_file(disease: Disease, posterior: Posterior, keep: float) -> None:
    path = save_posterior(posterior, disease.folder)
    content = path.read_bytes()
    path.write_bytes(content[:int(keep if keep != 0.5 else len(content) / 2)])
    assert code(disease) == "C021"


def test_a_table_that_stroma_did_not_write(disease: Disease) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1.0]}), disease.folder / FILE)
    assert code(disease) == "C021"


@pytest.mark.parametrize("column", ["draws", "weight_none"])
def test_numbers_changed_by_hand(disease: Disease, posterior: Posterior, column: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = save_posterior(posterior, disease.folder)
    table = pq.read_table(path)
    name = posterior.names[0] if column == "draws" else column
    at = table.column_names.index(name)
    pq.write_table(table.set_column(at, name, pa.array(table[name].to_numpy() * 1.001)), path)
    assert code(disease) == "C021"


def test_a_missing_set_of_weights(disease: Disease, posterior: Posterior) -> None:
    import pyarrow.parquet as pq

    path = save_posterior(posterior, disease.folder)
    pq.write_table(pq.read_table(path).drop_columns(["weight_sceptical"]), path)
    assert code(disease) == "C021"


def test_a_posterior_of_other_parameters(disease: Disease, posterior: Posterior) -> None:
    foreign = replace(posterior, names=("tea_effect", *posterior.names[1:]))
    save_posterior(foreign, disease.folder)
    with pytest.raises(StromaError, match=f"C021.*other parameters: {posterior.names[0]}, tea_effect"):
        load_posterior(disease)


def test_a_posterior_of_another_model(disease: Disease, posterior: Posterior) -> None:
    save_posterior(replace(posterior, manifest={**posterior.manifest, "model_hash": "other"}), disease.folder)
    with pytest.raises(StromaError, match=r"C021.*another model of `sle`"):
        load_posterior(disease)


def test_effective_size_counts_background_draws_once(posterior: Posterior) -> None:
    pairs = replace(posterior, group=np.arange(DRAWS) // 2, weights={p: np.full(DRAWS, 1 / DRAWS) for p in PRIORS})
    assert pairs.effective_size() == pytest.approx(DRAWS / 2)


def test_the_shipped_one_was_fitted_to_the_tables_of_today() -> None:
    disease = load_disease("sle")
    manifest = load_posterior(disease).manifest
    assert manifest["data_hash"] == data_hash(disease), "run `stroma calibrate sle`"
    assert min(manifest["effective_size"][p] for p in ("background", *PRIORS)) >= 100


def test_the_library_has_one_that_loads(tmp_path: Path) -> None:
    disease = load_disease("sle")
    shutil.copy(disease.folder / FILE, tmp_path / FILE)
    found = load_posterior(replace(disease, folder=tmp_path))
    assert all(found.weights[p].sum() == pytest.approx(1) and found.weights[p].min() >= 0 for p in PRIORS)
    assert np.isfinite(found.scaled).all()


def test_a_posterior_of_an_origin_is_small_and_comes_back(disease: Disease, posterior: Posterior) -> None:
    small = compact(posterior, 1)
    save_posterior(small, disease.folder, origin_file("before-2017-01-01"))
    found = load_posterior(disease, origin_file("before-2017-01-01"))
    assert found.content_hash == small.content_hash and np.array_equal(found.scaled, small.scaled)
    assert np.allclose(found.scaled, posterior.scaled, rtol=1e-6)
    with pytest.raises(StromaError, match=r"(?s)C020.*stroma validate --rebuild --disease sle"):
        load_posterior(disease, origin_file("before-1999-01-01"))


def test_a_thinned_posterior_keeps_its_weighted_means(disease: Disease, posterior: Posterior) -> None:
    many = 6000
    rng = np.random.default_rng(5)
    whole = replace(posterior, scaled=rng.normal(size=(many, len(posterior.names))), group=np.arange(many),
                    weights={p: rng.dirichlet(np.full(many, 2.0)) for p in PRIORS})
    thin = compact(whole, 1)
    assert thin.group.size == 2000
    for p in PRIORS:
        assert thin.weights[p].sum() == pytest.approx(1)
        assert thin.weights[p] @ thin.scaled == pytest.approx(whole.weights[p] @ whole.scaled, abs=0.12)


def test_the_fit_is_chosen_by_what_it_had_seen(disease: Disease, posterior: Posterior) -> None:
    def kept(date: str, name: str) -> Posterior:
        made = replace(posterior, manifest={**posterior.manifest, "fitted_before": date, "target_ids": [date]})
        save_posterior(made, disease.folder, name)
        return made

    kept("2014-01-01", FILE)
    early = kept("2010-01-01", origin_file("before-2010-06-01"))
    middle = kept("2012-01-01", origin_file("before-2012-01-01"))
    assert choose_posterior(disease).manifest["fitted_before"] == "2014-01-01"
    assert choose_posterior(disease, "before:2013-12-31").content_hash == middle.content_hash
    assert choose_posterior(disease, "before:2012-01-01").content_hash == middle.content_hash
    assert choose_posterior(disease, "before:2011-12-31").content_hash == early.content_hash
    assert choose_posterior(disease, "before:2030-01-01").manifest["fitted_before"] == "2014-01-01"
    newest = kept("2026-01-01", origin_file("current"))
    assert choose_posterior(disease, "current").content_hash == newest.content_hash


@pytest.mark.parametrize(("fit", "told"), [
    ("before:2009-01-01", "C040 there is: before:2014-01-01; make one: `stroma calibrate sle --before 2009-01-01`"),
    ("current", "C040 there is: before:2014-01-01; make one: `stroma calibrate sle --before everything`"),
    ("yesterday", "C022 `current` or `before:DATE`"), ("before:2014", "C022 `current` or `before:DATE`"),
    ("before:2014-13-01", "C022 `current` or `before:DATE`")])
def test_a_fit_that_is_not_there_names_those_that_are(disease: Disease, posterior: Posterior, fit: str,
                                                      told: str) -> None:
    save_posterior(replace(posterior, manifest={**posterior.manifest, "fitted_before": "2014-01-01"}), disease.folder)
    with pytest.raises(StromaError) as caught:
        choose_posterior(disease, fit)
    (found,) = caught.value.diagnostics
    assert f"{found.code} {found.hint}".startswith(told)
