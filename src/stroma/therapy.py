"""Therapies: products and drugs as text, and their regimens as exact additions to model states."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from stroma.errors import fail, nearest
from stroma.library import library_root


@dataclass(frozen=True)
class CellDose:
    """How many cells, when.

    Parameters
    ----------
    amount : float
        Cells per infusion, or cells per kg when ``per_kg``.
    per_kg : bool
    days : tuple of float
        Days of the infusions.
    """

    amount: float
    per_kg: bool
    days: tuple[float, ...] = (0.0,)

    def cells(self, weight_kg: np.ndarray) -> np.ndarray:
        """Return the cells of one infusion for each subject, shape (n,)."""
        return self.amount * (weight_kg if self.per_kg else np.ones_like(weight_kg))


@dataclass(frozen=True)
class Therapy:
    """One row of a treatment plan.

    Parameters
    ----------
    therapy_id, name, kind : str
        ``kind`` is ``cells``, ``drug`` or ``placebo``.
    names : tuple of str
        Words by which registries and papers call it.
    source : str
    doses : tuple of (state, day, amount)
        Drug additions to states; daily rates are steps of a rate state.
    product : dict
        Properties of a cell product (``kind == "cells"``). ``site``, where stated, begins the names of the states
        that its cells enter: ``joint`` for ``joint_viable`` and ``joint_apoptotic``.
    cell_dose : CellDose or None
        Set by the trial, never by the product.
    thawed : bool
        Whether the cells are given just thawed.
    """

    therapy_id: str
    name: str
    kind: str
    names: tuple[str, ...]
    source: str
    doses: tuple[tuple[str, float, float], ...] = ()
    product: Mapping = field(default_factory=dict, repr=False)
    cell_dose: CellDose | None = None
    thawed: bool = False

    def with_dose(self, dose: CellDose, thawed: bool = False) -> Therapy:
        """Return the product with the trial's dose."""
        return replace(self, cell_dose=dose, thawed=thawed)

    @property
    def cell_states(self) -> tuple[str, str]:
        """Return the states that living and dead cells are added to: of the product's site, or of the blood's first."""
        site = self.product.get("site", "")
        return (f"{site}_viable", f"{site}_apoptotic") if site else ("viable", "apoptotic")

    @property
    def states(self) -> frozenset[str]:
        """Return every state that the therapy adds to."""
        return frozenset({state for state, _, _ in self.doses} | set(self.cell_states if self.kind == "cells" else ()))

    def value(self, key: str) -> float:
        """Return a product property."""
        return float(self.product[key]["value"])


def known_therapies(library: Path | None = None) -> list[str]:
    """Return the ids of the therapies that the library holds."""
    return sorted(p.stem for p in ((library or library_root()) / "therapies").glob("*.toml"))


@lru_cache(maxsize=128)
def load_therapy(therapy_id: str, library: Path | None = None) -> Therapy:
    """Read ``therapies/<id>.toml``.

    Raises
    ------
    StromaError
        D010 unknown therapy, D011 malformed file.
    """
    root = library or library_root()
    path = root / "therapies" / f"{therapy_id}.toml"
    if not path.is_file():
        near = nearest(therapy_id, known_therapies(root))
        raise fail("D010", f"the library knows no therapy `{therapy_id}`",
                   hint="; ".join(filter(None, (near, "docs/add-a-therapy.md says how to add one"))))
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
        doses = [(d["state"], float(day), float(d["amount"])) for d in text.get("dose", []) for day in d["days"]]
        for level in text.get("level", []):
            before = 0.0
            for day, value in level["steps"]:
                doses.append((level["state"], float(day), float(value) - before))
                before = float(value)
        return Therapy(text["id"], text["name"], text["kind"], tuple(text["names"]), text["source"],
                       tuple(doses), text.get("product", {}))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise fail("D011", f"therapy `{therapy_id}` cannot be read: {error}", file=path,
                   hint="it needs id, name, kind, names, source; drugs also [[dose]] or [[level]]") from error
