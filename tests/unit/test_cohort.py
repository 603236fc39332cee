"""`stroma.simulate`: one arm as a table, the same patients in every arm."""

from __future__ import annotations

import numpy as np
import pytest

import stroma
from stroma.errors import StromaError

DAYS = (0, 90, 180)


def column(table, name: str) -> np.ndarray:
    return table[name].to_numpy().reshape(-1, len(DAYS))


@pytest.fixture(scope="module")
def untreated():
    return stroma.simulate("sle", ["mycophenolate"], days=DAYS, n=60)


def test_one_row_a_patient_and_visit(untreated) -> None:
    assert untreated.num_rows == 60 * 3
    assert column(untreated, "day").tolist() == [list(DAYS)] * 60
    assert untreated.schema.metadata[b"stroma"].startswith(b"SIMULATED")
    assert np.isfinite(column(untreated, "proteinuria_24h")).all()


def test_cells_change_the_same_patients_after_day_0_and_for_the_better(untreated) -> None:
    treated = stroma.simulate("sle", ["mycophenolate", "uc_msc_allogeneic"], dose="1e6/kg", days=DAYS, n=60,
                              prior="enthusiastic", parameters={"renal_brake_tone": 10.0})
    same = stroma.simulate("sle", ["mycophenolate"], days=DAYS, n=60, prior="enthusiastic",
                           parameters={"renal_brake_tone": 10.0})
    cells, none = column(treated, "proteinuria_24h"), column(same, "proteinuria_24h")
    np.testing.assert_allclose(cells[:, 0], none[:, 0])
    assert cells[:, 2].mean() < none[:, 2].mean()


def test_under_the_prior_none_cells_do_nothing() -> None:
    cells = stroma.simulate("oa", ["bm_msc_allogeneic_ia"], dose="4e7", days=DAYS, n=8, prior="none")
    assert cells.equals(stroma.simulate("oa", days=DAYS, n=8, prior="none"))


def test_a_visit_that_is_not_asked_for_is_not_there() -> None:
    assert set(stroma.simulate("oa", days=(90,), n=3)["day"].to_pylist()) == {90.0}


@pytest.mark.parametrize(("asked", "code"), [
    ({"prior": "nun"}, "C023"), ({"n": 0}, "C023"), ({"population": "old"}, "P001"),
    ({"therapies": ["uc_msc_allogeneic"]}, "U004"), ({"dose": "1e6/kg"}, "U005"), ({"days": (0, 99999)}, "T205"),
    ({"parameters": {"renal_brake": 1.0}}, "T221"), ({"therapies": ["mycofenolate"]}, "D010")])
def test_what_cannot_be_simulated_is_refused(asked: dict, code: str) -> None:
    with pytest.raises(StromaError) as raised:
        stroma.simulate("sle", **asked)
    assert {d.code for d in raised.value.diagnostics} == {code}
