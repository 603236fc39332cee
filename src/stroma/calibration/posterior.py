"""The calibrated ensemble: weighted draws, and a manifest that says what they were fitted to, and when."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.disease import Disease
from stroma.errors import fail
from stroma.population.priors import from_scale
from stroma.population.subjects import effective_size
from stroma.streams import generator

GROUP = "background_draw"
PRIORS = ("none", "sceptical", "current", "enthusiastic")
FILE = "posterior.parquet"
BEFORE = "before:"


def distinct_size(weight: NDArray[np.float64], group: NDArray[np.int64]) -> float:
    """Return Kish's effective sample size of groups of draws, each with the weight of its members."""
    place = np.unique(group, return_inverse=True)[1]
    return effective_size(np.bincount(place, weights=weight).astype(float))


@dataclass(frozen=True)
class Posterior:
    """Weighted draws of every uncertain parameter.

    Parameters
    ----------
    names : tuple of str
    scaled : ndarray, shape (n_draw, n_name)
        On the scale of the priors.
    group : ndarray of int64, shape (n_draw,)
        Which background draw each row has; rows of one group differ in the parameters of the cells only.
    weights : dict of str to ndarray, shape (n_draw,)
        One set of weights for each named prior of the MSC effect; each sums to one. ``none`` carries the
        background only: the cells' amplitude is then taken as zero.
    manifest : dict
        Target ids, cut-off dates computed from them, sizes, hashes.
    """

    names: tuple[str, ...]
    scaled: NDArray[np.float64]
    group: NDArray[np.int64]
    weights: Mapping[str, NDArray[np.float64]]
    manifest: Mapping

    @property
    def content_hash(self) -> str:
        """Return the hash of draws, weights and target list."""
        digest = hashlib.sha256(repr(self.names).encode())
        digest.update(np.ascontiguousarray(self.scaled).tobytes())
        digest.update(np.ascontiguousarray(self.group, dtype=np.int64).tobytes())
        for name in PRIORS:
            digest.update(np.ascontiguousarray(self.weights[name]).tobytes())
        digest.update(json.dumps(self.manifest["target_ids"]).encode())
        return digest.hexdigest()[:16]

    def effective_size(self, prior: str = "current") -> float:
        """Return the effective number of distinct background draws under a prior."""
        return distinct_size(self.weights[prior], self.group)

    def natural(self, disease: Disease, name: str) -> NDArray[np.float64]:
        """Return one parameter on its natural scale, shape (n_draw,)."""
        return from_scale(disease.parameters[name], self.scaled[:, self.names.index(name)])


def compact(posterior: Posterior, seed: int, rows: int = 2000) -> Posterior:
    """Return a posterior of no more than ``rows`` draws, in single precision.

    Draws are taken from the mixture of the named priors, each prior's weights corrected for it.
    """
    if posterior.group.size <= rows:
        pick, weights = np.arange(posterior.group.size), dict(posterior.weights)
    else:
        mixture = np.mean([posterior.weights[p] for p in PRIORS], axis=0)
        position = (np.arange(rows) + generator(seed, "compact").random()) / rows
        pick = np.searchsorted(np.cumsum(mixture), position).clip(0, mixture.size - 1)
        weights = {p: posterior.weights[p][pick] / mixture[pick] for p in PRIORS}
    single = posterior.scaled[pick].astype(np.float32).astype(np.float64)
    group, weights = posterior.group[pick], {p: w / w.sum() for p, w in weights.items()}
    sizes = {p: round(distinct_size(w, group), 1) for p, w in weights.items()}
    manifest = {**posterior.manifest, "effective_size": {**posterior.manifest.get("effective_size", {}), **sizes}}
    return replace(posterior, scaled=single, group=group, weights=weights, manifest=manifest)


def origin_file(label: str) -> str:
    """Return where, in a disease's folder, the posterior of an origin lies."""
    return FILE if label == "retrospective" else f"posteriors/{label}.parquet"


def save_posterior(posterior: Posterior, folder: Path, file: str = FILE) -> Path:
    """Write a posterior, whole or not at all; draws that single precision holds exactly are stored so."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    single = posterior.scaled.astype(np.float32)
    stored = single if np.array_equal(single, posterior.scaled) else posterior.scaled
    columns: dict[str, NDArray] = {name: stored[:, i] for i, name in enumerate(posterior.names)}
    columns[GROUP] = posterior.group
    columns |= {f"weight_{name}": posterior.weights[name] for name in PRIORS}
    manifest = dict(posterior.manifest) | {"hash": posterior.content_hash}
    table = pa.table(columns).replace_schema_metadata({"stroma": json.dumps(manifest, sort_keys=True)})
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    pq.write_table(table, part, compression="zstd")
    part.replace(path)
    return path


def choose_posterior(disease: Disease, fit: str = "") -> Posterior:
    """Read the posterior that is asked for.

    Parameters
    ----------
    fit : str
        Empty for the retrospective one that the library ships; ``current`` for the one fitted to everything;
        ``before:DATE`` for the latest that was fitted only to results published before the date.

    Raises
    ------
    StromaError
        C020, C021 as :func:`load_posterior`; C022 for a choice that cannot be read, C040 for one that no posterior
        meets.
    """
    if not fit:
        return load_posterior(disease)
    if fit == "current":
        if not (disease.folder / origin_file(fit)).is_file():
            raise fail("C040", f"no posterior of `{disease.disease_id}` is fitted to everything",
                       file=disease.folder / origin_file(fit),
                       hint=f"{_cut_offs(disease)}; make one: "
                            f"`stroma calibrate {disease.disease_id} --before everything`")
        return load_posterior(disease, origin_file(fit))
    last = fit.removeprefix(BEFORE)
    if not fit.startswith(BEFORE) or not _is_date(last):
        raise fail("C022", f"`{fit}` names no fit", hint="`current` or `before:DATE`, for example `before:2014-01-01`")
    found = [p for p in _every(disease) if p.manifest["fitted_before"] <= last]
    if not found:
        raise fail("C040", f"no posterior of `{disease.disease_id}` was fitted only to results before {last}",
                   file=disease.folder,
                   hint=f"{_cut_offs(disease)}; make one: `stroma calibrate {disease.disease_id} --before {last}`")
    return max(found, key=lambda p: p.manifest["fitted_before"])


def _every(disease: Disease) -> list[Posterior]:
    kept = sorted((disease.folder / "posteriors").glob("*.parquet"))
    files = [*([FILE] if (disease.folder / FILE).is_file() else []), *(origin_file(p.stem) for p in kept)]
    return [load_posterior(disease, file) for file in files]


def _cut_offs(disease: Disease) -> str:
    there = ", ".join(sorted({f"{BEFORE}{p.manifest['fitted_before']}" for p in _every(disease)}))
    return f"there is: {there}" if there else "there is none"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def load_posterior(disease: Disease, file: str = FILE) -> Posterior:
    """Read a posterior of a disease: the retrospective one, or that of ``file`` in its folder.

    Raises
    ------
    StromaError
        C020 when there is none, C021 when it was fitted with other parameters or another model, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = disease.folder / file
    hint = (f"run `stroma calibrate {disease.disease_id}`" if file == FILE
            else f"run `stroma validate --rebuild --disease {disease.disease_id}`")
    if not path.is_file():
        raise fail("C020", f"`{disease.disease_id}` has no posterior", file=path, hint=hint)
    try:
        table = pq.read_table(path)
        manifest = json.loads(table.schema.metadata[b"stroma"])
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise fail("C021", f"the posterior cannot be read: {error}", file=path,
                   hint=hint) from error
    lacking = sorted({GROUP, *(f"weight_{p}" for p in PRIORS)} - set(table.column_names))
    if lacking:
        raise fail("C021", f"the posterior has no column {', '.join(lacking)}", file=path,
                   hint=hint)
    names = tuple(n for n in table.column_names if n != GROUP and not n.startswith("weight_"))
    if set(names) != set(disease.uncertain):
        moved = sorted(set(names) ^ set(disease.uncertain))
        raise fail("C021", f"the posterior was fitted for other parameters: {', '.join(moved)}", file=path,
                   hint=hint)
    if manifest.get("model_hash") != disease.model.content_hash:
        raise fail("C021", f"the posterior was fitted with another model of `{disease.disease_id}`", file=path,
                   hint=hint)
    scaled = np.stack([table[n].to_numpy().astype(np.float64) for n in names], axis=1)
    weights = {p: table[f"weight_{p}"].to_numpy() for p in PRIORS}
    found = Posterior(names, scaled, table[GROUP].to_numpy().astype(np.int64), weights, manifest)
    if found.content_hash != manifest.get("hash"):
        raise fail("C021", "the posterior does not match its own hash", file=path,
                   hint=hint)
    return found
