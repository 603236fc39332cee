"""Organ domains of the SLEDAI-2K: which became active, and whether a major organ is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stroma.trial.scales.sledai import item_domains

Items = Mapping[str, NDArray[np.bool_]]
# Organs that low disease activity excludes: LLDAS, Franklyn 2016, doi 10.1136/annrheumdis-2015-207726.
MAJOR = frozenset({"kidney", "nervous_system", "vessels", "serositis", "constitutional"})


def active_domains(items: Items) -> dict[str, NDArray[np.bool_]]:
    """Return whether any item of each domain is present, shape of the items; domains without items are left out."""
    domains, found = item_domains(), {}
    for name, present in items.items():
        known = found.get(domains[name])
        found[domains[name]] = present if known is None else known | present
    return found


def new_domains(items: Items, grades: Mapping[str, str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the domains that have an item now and had none at the first visit, by the gravest item.

    Parameters
    ----------
    items : mapping of str to ndarray of bool, shape (n_subject, n_visit)
        SLEDAI-2K items; the first visit is the baseline.
    grades : mapping of str to {"A", "B", ""}
        What a newly present item stands for; ``""`` for nothing.

    Returns
    -------
    tuple of ndarray of int64, shape (n_subject, n_visit)
        Domains of grade A, and domains of grade B without A. A stand-in for new BILAG grades, which rest on
        items that the SLEDAI-2K does not have.
    """
    domains = item_domains()
    zero = np.zeros(np.shape(next(iter(items.values()))), np.int64)
    severe, moderate = zero.copy(), zero.copy()
    for domain, active in active_domains(items).items():
        new = active & ~active[:, :1]
        of = {g: [items[n] for n in items if domains[n] == domain and grades[n] == g] for g in ("A", "B")}
        grave = new & np.logical_or.reduce([zero > 0, *of["A"]])
        severe += grave
        moderate += new & np.logical_or.reduce([zero > 0, *of["B"]]) & ~grave
    return severe, moderate


def major_organ_active(items: Items) -> NDArray[np.bool_]:
    """Return whether an item of a major organ is present, shape of the items."""
    return np.logical_or.reduce([active for domain, active in active_domains(items).items() if domain in MAJOR])
