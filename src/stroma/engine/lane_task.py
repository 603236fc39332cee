"""What one worker of the lane loop is given, as Python fills it and the compiled loop reads it.

The loop takes two vectors: whole numbers (addresses and sizes) and real numbers. :func:`pack` writes them, and
:mod:`stroma.engine.lane_entry` reads them back in the same order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Functions(NamedTuple):
    """Addresses of the compiled kernel and where it keeps things; see ``stroma.kernel.compile.Kernel``."""

    prepare: int
    attempt: int
    start: int
    report: int
    moment: int
    locate: int
    constants: int
    n_constant: int
    new: int
    n_state: int
    peak: int
    base_peak: int
    n_base: int
    switches: int
    n_switch: int
    trigger: int
    rank: int
    change: int
    argument: int
    out: int


class Events(NamedTuple):
    """The state-triggered events of a model, see ``stroma.model.ode_model.Event``; empty arrays for none.

    Parameters
    ----------
    offset : ndarray of int64, shape (n_event + 1,)
        First change of each event.
    target : ndarray of int64
        State that each change sets.
    starts_true, persistent, early : ndarray of int64, shape (n_event,)
        Truth values; ``early`` events compute their new values when they fire, others when their turn comes.
    """

    offset: NDArray[np.int64]
    target: NDArray[np.int64]
    starts_true: NDArray[np.int64]
    persistent: NDArray[np.int64]
    early: NDArray[np.int64]


class Task(NamedTuple):
    """What all workers share: inputs, results and the number of the next subject to take.

    Parameters
    ----------
    parameters : ndarray, shape (n_subject, n_parameter)
    offset, dose_state : ndarray of int64
    dose_day, dose_amount, t_visit : ndarray
    taken : ndarray of int64, shape (1,)
    values : ndarray, shape (n_subject, n_visit, n_output)
    status : ndarray of int64, shape (n_subject,)
    max_steps : int
    t_start, relative, absolute : float
    """

    parameters: NDArray[np.float64]
    offset: NDArray[np.int64]
    dose_state: NDArray[np.int64]
    dose_day: NDArray[np.float64]
    dose_amount: NDArray[np.float64]
    t_visit: NDArray[np.float64]
    taken: NDArray[np.int64]
    values: NDArray[np.float64]
    status: NDArray[np.int64]
    max_steps: int
    t_start: float
    relative: float
    absolute: float


class Room(NamedTuple):
    """What one worker has to itself.

    Parameters
    ----------
    w : ndarray, shape (rows, lanes), aligned to the vector width
        Workspace of the kernel.
    subject, visit, dose, steps : ndarray of int64, shape (lanes,)
        Of each lane: who is in it, next visit, next dose, steps taken.
    held : ndarray of int64, shape (lanes, n_event)
        Whether each trigger held when last looked at.
    waiting : ndarray of int64, shape (2 * n_event,)
        Events that fired and wait for their turn; each may wait twice.
    tally : ndarray of int64, shape (4,)
        Attempts, lane attempts with a subject, accepted steps, first steps chosen.
    cut, low : ndarray, shape (lanes,)
        Where in the step the first event fires (0 for none); how far none is known to.
    queued : ndarray, shape (2 * n_event, n_change)
        New values of the waiting events.
    constants, states, switches : ndarray
        What ``prepare`` writes.
    """

    w: NDArray[np.float64]
    subject: NDArray[np.int64]
    visit: NDArray[np.int64]
    dose: NDArray[np.int64]
    steps: NDArray[np.int64]
    held: NDArray[np.int64]
    waiting: NDArray[np.int64]
    tally: NDArray[np.int64]
    cut: NDArray[np.float64]
    low: NDArray[np.float64]
    queued: NDArray[np.float64]
    constants: NDArray[np.float64]
    states: NDArray[np.float64]
    switches: NDArray[np.float64]


def make_room(f: Functions, rows: int, lanes: int) -> Room:
    """Return the room of one worker."""
    n_event, n_change = f.rank - f.trigger, f.out - f.change
    space = np.zeros(rows * lanes + 8)
    skip = (-space.ctypes.data % 64) // 8  # the first row starts on a 64-byte boundary
    whole = np.int64
    return Room(
        w=space[skip:skip + rows * lanes].reshape(rows, lanes), subject=np.zeros(lanes, whole),
        visit=np.zeros(lanes, whole), dose=np.zeros(lanes, whole), steps=np.zeros(lanes, whole),
        held=np.zeros((lanes, n_event), whole), waiting=np.zeros(2 * n_event, whole), tally=np.zeros(4, whole),
        cut=np.zeros(lanes), low=np.zeros(lanes), queued=np.zeros((2 * n_event, n_change)),
        constants=np.zeros(f.n_constant), states=np.zeros(f.n_state), switches=np.zeros(f.n_switch))


def pack(f: Functions, task: Task, events: Events, room: Room) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the two vectors; the arrays must outlive them."""
    words: list[int] = list(f)
    reals: list[float] = []
    for item in (*task, *events, *room):
        if isinstance(item, np.ndarray):
            words += [item.ctypes.data, *item.shape]
        elif isinstance(item, int):
            words.append(item)
        else:
            reals.append(item)
    return np.array(words, np.int64), np.array(reals, np.float64)
