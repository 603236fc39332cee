"""The loop of one worker: fills lanes with subjects, stops at doses, reports visits, judges failures.

The arithmetic of a step is in the compiled kernel (:mod:`stroma.kernel.llvm_step`); this loop is compiled
once, for every model, and kept on disk (:mod:`stroma.engine.lane_program`). Nothing in it allocates or raises.
Each lane looks at its own rows only, so a subject's answer does not depend on the other lanes, on the order of
the batch or on the number of workers.
"""

from __future__ import annotations

import numpy as np

from stroma.engine.lane_events import find_events, fire, move_to_events
from stroma.engine.lane_memory import (
    ABSOLUTE,
    ACCEPTED,
    BEFORE,
    ERROR,
    FRESH,
    IDLE,
    MAX_STEPS,
    NOT_FINITE,
    OK,
    OUTSIDE,
    RELATIVE,
    STEP,
    STEP_UNDERFLOW,
    STOP,
    THETA,
    USED,
    WHEN,
    T,
    call,
    lane_loop,
    take,
)

RELATIVE_UNDERFLOW, ABSOLUTE_UNDERFLOW = 4.4e-16, 1e-24
"""A step below the first times the day, plus the second (days), no longer moves the clock."""


@lane_loop
def _place(f, task, room, lane, subject):
    """Put a subject into a lane, ready to report its first visit; tell whether its start is finite."""
    row = task.parameters.ctypes.data + subject * task.parameters.shape[1] * 8
    w, constants, states, switches = room.w, room.constants, room.states, room.switches
    call(f.prepare, row, constants.ctypes.data, states.ctypes.data, switches.ctypes.data)
    for i in range(f.n_constant):
        w[f.constants + i, lane] = constants[i]
    for i in range(f.n_switch):
        w[f.switches + i, lane] = switches[i]
    finite = True
    for i in range(f.n_state):
        w[f.new + i, lane] = states[i]
        w[f.peak + i, lane] = abs(states[i])
        finite = finite and np.isfinite(states[i])
    for i in range(f.n_base):
        w[f.base_peak + i, lane] = 0.0
    w[T, lane] = w[STOP, lane] = w[BEFORE, lane] = task.t_start
    w[USED, lane] = 0.0
    w[ACCEPTED, lane] = 1.0
    return finite


@lane_loop
def _finish(task, lane, subject, status):
    """Close the subject of a lane; a failed one has no values."""
    if status != OK:
        for visit in range(task.values.shape[1]):
            for i in range(task.values.shape[2]):
                task.values[subject[lane], visit, i] = np.nan
    task.status[subject[lane]] = status
    subject[lane] = IDLE


@lane_loop
def _due(task, w, lane, subject, visit, strict):
    """Tell whether a lane has reached (strictly: passed) its next visit."""
    if subject[lane] < 0 or visit[lane] >= task.t_visit.size:
        return False
    when = task.t_visit[visit[lane]]
    return when < w[T, lane] or (when == w[T, lane] and not strict)


@lane_loop
def _report(f, task, w, subject, visit, strict):
    """Write every visit that the lanes have reached (strictly: passed)."""
    n_out = task.values.shape[2]
    while True:
        due = False
        for lane in range(w.shape[1]):
            w[THETA, lane], w[WHEN, lane] = 1.0, w[T, lane]
            if _due(task, w, lane, subject, visit, strict):
                due = True
                when = task.t_visit[visit[lane]]
                w[WHEN, lane] = when
                if when < w[T, lane]:
                    w[THETA, lane] = (when - w[BEFORE, lane]) / w[USED, lane]
        if not due:
            return
        call(f.report, w.ctypes.data, 0, 0, 0)
        for lane in range(w.shape[1]):
            if _due(task, w, lane, subject, visit, strict):
                finite = True
                for i in range(n_out):
                    value = w[f.out + i, lane]
                    finite = finite and np.isfinite(value)
                    task.values[subject[lane], visit[lane], i] = value
                visit[lane] += 1
                if not finite:
                    _finish(task, lane, subject, NOT_FINITE)


@lane_loop
def _arrive(f, task, w, lane, subject, dose):
    """Give the doses that are due at a stop and set the next one; finish at the last visit."""
    end = task.t_visit[-1]
    now = w[T, lane]
    if now >= end:
        _finish(task, lane, subject, OK)
        return
    last = task.offset[subject[lane] + 1]
    while dose[lane] < last and task.dose_day[dose[lane]] <= now:
        w[f.new + task.dose_state[dose[lane]], lane] += task.dose_amount[dose[lane]]
        dose[lane] += 1
    w[STOP, lane] = end
    if dose[lane] < last and task.dose_day[dose[lane]] < end:
        w[STOP, lane] = task.dose_day[dose[lane]]
    for i in range(f.n_switch):
        if now < w[f.switches + i, lane] < w[STOP, lane]:
            w[STOP, lane] = w[f.switches + i, lane]
    w[FRESH, lane] = 1.0


@lane_loop
def _refill(f, task, events, room):
    """Put waiting subjects into idle lanes; return how many lanes are busy."""
    total, busy = task.status.size, 0
    for lane in range(room.w.shape[1]):
        while room.subject[lane] < 0 and task.taken[0] < total:
            following = take(task.taken)
            if following >= total:
                break
            if task.status[following] != OK:
                continue
            room.subject[lane] = following
            room.visit[lane], room.dose[lane], room.steps[lane] = 0, task.offset[following], 0
            for e in range(events.early.size):
                room.held[lane, e] = events.starts_true[e]
            if not _place(f, task, room, lane, following):
                _finish(task, lane, room.subject, NOT_FINITE)
        busy += room.subject[lane] >= 0
    return busy


@lane_loop
def _settle(f, task, events, room):
    """Report up to the events of the last steps, let them happen, and report what comes at the same time."""
    w, subject, cut = room.w, room.subject, room.cut
    find_events(f, room)
    _report(f, task, w, subject, room.visit, True)
    move_to_events(f, w, cut)
    for lane in range(w.shape[1]):
        stopped = subject[lane] >= 0 and (cut[lane] > 0.0 or w[T, lane] >= w[STOP, lane])
        if stopped and not fire(f, lane, events, room):
            _finish(task, lane, subject, MAX_STEPS)


@lane_loop
def _judge(task, room):
    """Count the attempt of every lane and close the subjects that cannot go on."""
    w, subject, steps = room.w, room.subject, room.steps
    room.tally[0] += 1
    for lane in range(w.shape[1]):
        if subject[lane] < 0:
            continue
        room.tally[1] += 1
        steps[lane] += 1
        if w[OUTSIDE, lane] > 0.0:
            _finish(task, lane, subject, NOT_FINITE)
        elif w[ACCEPTED, lane] > 0.0:
            room.tally[2] += 1
        elif w[STEP, lane] < RELATIVE_UNDERFLOW * abs(w[T, lane]) + ABSOLUTE_UNDERFLOW:
            _finish(task, lane, subject, STEP_UNDERFLOW if np.isfinite(w[ERROR, lane]) else NOT_FINITE)
        if subject[lane] >= 0 and steps[lane] >= task.max_steps and w[T, lane] < task.t_visit[-1]:
            _finish(task, lane, subject, MAX_STEPS)


@lane_loop
def work(f, task, events, room):
    """Solve subjects until none is left.

    Parameters
    ----------
    f : Functions
    task : Task
        Subjects whose status is not OK on entry are skipped.
    events : Events
    room : Room
    """
    w, subject = room.w, room.subject
    lanes = w.shape[1]
    for lane in range(lanes):
        subject[lane] = IDLE
        w[RELATIVE, lane], w[ABSOLUTE, lane] = task.relative, task.absolute
    while _refill(f, task, events, room) > 0:
        if events.early.size:
            _settle(f, task, events, room)
        _report(f, task, w, subject, room.visit, False)
        fresh, left = 0, 0
        for lane in range(lanes):
            if subject[lane] >= 0 and w[T, lane] >= w[STOP, lane]:
                _arrive(f, task, w, lane, subject, room.dose)
                if events.early.size and subject[lane] >= 0 and not fire(f, lane, events, room):
                    _finish(task, lane, subject, MAX_STEPS)
            fresh += w[FRESH, lane] > 0.0
            left += subject[lane] < 0
        if left and task.taken[0] < task.status.size:
            continue
        if fresh:
            room.tally[3] += fresh
            call(f.start, w.ctypes.data, 0, 0, 0)
        call(f.attempt, w.ctypes.data, 0, 0, 0)
        _judge(task, room)
