"""SLEDAI-2K: 24 items, each present or absent, each with its weight."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.errors import Problems, nearest
from stroma.library import library_root
from stroma.tables import Column, Row, read_table

_COLUMNS = {
    "item": Column(required=True),
    "weight": Column("integer", required=True),
    "domain": Column(required=True),
    "meaning": Column(required=True),
    "source": Column(required=True),
}


@lru_cache(maxsize=8)
def item_weights(library: Path | None = None) -> Mapping[str, int]:
    """Return the weight of each item, from ``vocabulary/sledai_2k.csv``.

    Raises
    ------
    StromaError
        T120 for a table that is not as declared.

    Source
    ------
    Gladman DD, Ibañez D, Urowitz MB. J Rheumatol 2002;29:288-291.
    """
    return {row.text("item"): int(row.known("weight")) for row in _rows(library)}


@lru_cache(maxsize=8)
def item_domains(library: Path | None = None) -> Mapping[str, str]:
    """Return the organ domain of each item; source and errors as :func:`item_weights`."""
    return {row.text("item"): row.text("domain") for row in _rows(library)}


def _rows(library: Path | None) -> list[Row]:
    return read_table((library or library_root()) / "vocabulary" / "sledai_2k.csv", _COLUMNS, "T120", key=("item",))


def sledai_2k(items: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return the score, 0 to 105.

    Parameters
    ----------
    items : mapping of str to ndarray of bool
        Items by name, all of one shape, for example (n_subject, n_visit); an item left out is absent.

    Returns
    -------
    ndarray of int64, of the items' shape

    Raises
    ------
    StromaError
        T121 for every name that is no item of the scale.
    """
    weights, problems = item_weights(), Problems()
    for name in items:
        if name not in weights:
            problems.add("T121", f"`{name}` is not an item of the SLEDAI-2K", hint=nearest(name, weights))
    problems.raise_if_any()
    score = np.zeros(np.broadcast_shapes(*(np.shape(present) for present in items.values())), np.int64)
    for name, present in items.items():
        score += weights[name] * np.asarray(present, bool)
    return score
