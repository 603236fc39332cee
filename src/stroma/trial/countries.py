"""The countries that a study may name, and which of them has a drug response of its own."""

from __future__ import annotations

from collections.abc import Sequence

from stroma.disease import Disease
from stroma.library import library_root
from stroma.tables import Column, read_table


def known_countries() -> dict[str, str]:
    """Return the name of a country for every spelling of it, from ``vocabulary/countries.csv``.

    Raises
    ------
    StromaError
        T102 for a table that is not as declared.
    """
    columns = {"country": Column(required=True), "also": Column()}
    rows = read_table(library_root() / "vocabulary" / "countries.csv", columns, "T102", key=("country",))
    found = {other: row.text("country") for row in rows for other in filter(None, row.text("also").split(";"))}
    return found | {row.text("country"): row.text("country") for row in rows}


def response_notes(countries: Sequence[str], disease: Disease) -> tuple[str, ...]:
    """Return what is said of countries whose patients are simulated with another response than their own.

    The first country with a response of its own lends it to every patient of the study.
    """
    own = [c for c in countries if disease.region(c)]
    lacking = [c for c in countries if not disease.region(c)]
    if not lacking and len({disease.region(c) for c in own}) < 2:
        return ()
    used = f"that of {own[0]} is used for every patient" if own else "the general response is used"
    if not lacking:
        return (f"{' and '.join(own)} differ in their drug response: {used}",)
    have = "has no drug response of its own" if len(lacking) == 1 else "have no drug response of their own"
    return (f"{' and '.join(lacking)} {have} in `{disease.disease_id}`: {used}",)
