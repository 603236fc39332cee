"""Adding an arm, a patient or a worker moves no other draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stroma.calibration.forecast import Trial, forecast_trial, read_registered
from stroma.calibration.prediction import Forecast, Settings
from stroma.engine.cpu import CpuBackend
from stroma.trial.conduct import PotentialOutcomes, run_trials

SMALL = Settings(draws=24, subjects=20, trials=200)
TRIAL = read_registered("NCT01539902")
RNG = np.random.default_rng(5)
WINS = RNG.random((2, 12, 30, 3)) < 0.5
POOL = PotentialOutcomes(np.array([0.0, 90.0, 180.0]), RNG.random((12, 30)) < 0.8, {"win": WINS}, {},
                         np.full(12, 0.3), np.full(12, 0.4))


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=3), more=st.integers(1, 9), place=st.integers(0, 3),
       seed=st.integers(0, 10**6))
def test_more_patients_or_arms_leave_the_others_where_they_are(sizes: list[int], more: int, place: int,
                                                                seed: int) -> None:
    names = [f"arm {i}" for i in range(len(sizes))]
    before = run_trials(POOL, "win", 0, sizes, np.ones(12), 20, seed, "trial", names=names)
    grown = run_trials(POOL, "win", 0, [sizes[0] + more, *sizes[1:]], np.ones(12), 20, seed, "trial", names=names)
    wider = run_trials(POOL, "win", 0, [*sizes[:place], more, *sizes[place:]], np.ones(12), 20, seed, "trial",
                       names=[*names[:place], "new", *names[place:]])
    assert np.array_equal(before.draw, grown.draw) and np.array_equal(before.draw, wider.draw)
    left = [i for i in range(len(sizes) + 1) if i != min(place, len(sizes))]
    for i, size in enumerate(sizes):
        for other, at in ((grown, i), (wider, left[i])):
            assert np.array_equal(before.subject[i], other.subject[at][:, :size])
            assert np.array_equal(before.last_visit[i], other.last_visit[at][:, :size])


def predicted(found: Forecast) -> dict[str, np.ndarray]:
    return {o.arm: o.density for o in found.outcomes}


def test_an_added_arm_moves_no_number_of_the_others() -> None:
    design = TRIAL.designs[0]
    extra = replace(design.arms[0], label="again", n=5)
    two = Trial("t", "t", TRIAL.disease, (design,))
    three = replace(two, designs=(replace(design, arms=(extra, *design.arms)),))
    narrow, wide = (predicted(forecast_trial(t, SMALL, CpuBackend(1))) for t in (two, three))
    assert set(wide) == {*narrow, "again"}
    assert all(np.array_equal(narrow[arm], wide[arm]) for arm in narrow)


def test_a_worker_moves_no_number() -> None:
    trial = Trial("t", "t", TRIAL.disease, (TRIAL.designs[0],))
    one, two = (predicted(forecast_trial(trial, SMALL, CpuBackend(w))) for w in (1, 2))
    assert all(np.array_equal(one[arm], two[arm]) for arm in one)
