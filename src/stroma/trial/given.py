"""What an arm is given: therapies of the library by name, cells with their dose."""

from __future__ import annotations

from collections.abc import Sequence

from stroma.errors import EXIT_USAGE, Problems, StromaError, fail
from stroma.therapy import Therapy, load_therapy
from stroma.trial.dose import NOTATION, parse_dose


def given_therapies(names: Sequence[str], dose: str) -> list[Therapy]:
    """Load therapies and give cells their dose.

    Parameters
    ----------
    names : sequence of str
        Products and drugs by id.
    dose : str
        Of one infusion, for example ``1e6/kg@day0,7``; empty where no cells are given.

    Raises
    ------
    StromaError
        D010 a therapy, T205 a dose that cannot be read, U004 cells without a dose, all at once; U005 a dose without
        cells.
    """
    problems = Problems()
    found: list[Therapy] = []
    cells = None
    for name in names:
        try:
            found.append(load_therapy(name))
        except StromaError as error:
            problems.extend(error)
    if dose:
        try:
            cells = parse_dose(dose)
        except StromaError as error:
            problems.extend(error)
    products = [t.therapy_id for t in found if t.kind == "cells"]
    if products and not dose:
        problems.add("U004", f"`{products[0]}` needs a dose", hint=NOTATION)
    problems.raise_if_any()
    if dose and not products:
        raise fail("U005", f"the dose {dose} is for cells, and no cells are given", exit_code=EXIT_USAGE,
                   hint="name a cell product, for example uc_msc_allogeneic; `stroma list products` has them all")
    return [t.with_dose(cells) if t.kind == "cells" and cells else t for t in found]
