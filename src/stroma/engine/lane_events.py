"""State-triggered events in the lanes: found on the dense output, fired in the order of their priorities.

A trigger is looked at eight times in every step; one that is true for less than an eighth of a step can pass
unseen. When one has turned true the moment is narrowed down by halving and the step ends there.
"""

from __future__ import annotations

from stroma.engine.lane_memory import ACCEPTED, BEFORE, FRESH, THETA, USED, WHEN, T, call, lane_loop

LOOKS = 8
CLOCK_BIT = 2.0**-52
"""The clock's last bit, relative to the time."""
MOST_FIRINGS = 1000
"""Firings at one moment after which a subject is given up: the events call one another without end."""


@lane_loop
def _turned_true(f, w, lane, held):
    found = False
    for e in range(f.rank - f.trigger):
        found = found or (w[f.trigger + e, lane] > 0.0 and not held[lane, e])
    return found


@lane_loop
def _hold(f, w, lane, held):
    for e in range(f.rank - f.trigger):
        held[lane, e] = 1 if w[f.trigger + e, lane] > 0.0 else 0


@lane_loop
def _look(f, w, lane, theta):
    w[THETA, lane] = theta
    w[WHEN, lane] = w[T, lane] if theta >= 1.0 else w[BEFORE, lane] + theta * w[USED, lane]


@lane_loop
def _wide(w, lane, low, cut):
    """Tell whether an event is not yet known to the last bit of the clock, which every event must move."""
    unsure = (cut[lane] - low[lane]) * w[USED, lane]
    return low[lane] < w[THETA, lane] < cut[lane] and unsure > CLOCK_BIT * abs(w[T, lane])


@lane_loop
def find_events(f, room):
    """Look for events inside the steps just accepted.

    ``room.cut`` receives where in the step the first event fires; 0 for none. The lane's time is set to that
    moment.
    """
    w, subject, held, cut, low = room.w, room.subject, room.held, room.cut, room.low
    lanes = w.shape[1]
    for lane in range(lanes):
        cut[lane], low[lane] = 0.0, 0.0
    for look in range(1, LOOKS + 1):
        for lane in range(lanes):
            _look(f, w, lane, look / LOOKS)
        call(f.locate, w.ctypes.data, 0, 0, 0)
        for lane in range(lanes):
            moved = subject[lane] >= 0 and w[ACCEPTED, lane] > 0.0 and w[T, lane] > w[BEFORE, lane]
            if moved and cut[lane] == 0.0:
                if _turned_true(f, w, lane, held):
                    cut[lane] = look / LOOKS
                else:
                    low[lane] = look / LOOKS
                    _hold(f, w, lane, held)
    while True:
        narrowing = False
        for lane in range(lanes):
            _look(f, w, lane, 0.5 * (low[lane] + cut[lane]))
            narrowing = narrowing or _wide(w, lane, low, cut)
        if not narrowing:
            break
        call(f.locate, w.ctypes.data, 0, 0, 0)
        for lane in range(lanes):
            if _wide(w, lane, low, cut):
                if _turned_true(f, w, lane, held):
                    cut[lane] = w[THETA, lane]
                else:
                    low[lane] = w[THETA, lane]
    for lane in range(lanes):
        if 0.0 < cut[lane] < 1.0:
            w[T, lane] = w[BEFORE, lane] + cut[lane] * w[USED, lane]


@lane_loop
def move_to_events(f, w, cut):
    """Replace the states at the end of a cut step by those at the event."""
    for lane in range(w.shape[1]):
        _look(f, w, lane, cut[lane])
    call(f.locate, w.ctypes.data, 0, 0, 0)
    for lane in range(w.shape[1]):
        if 0.0 < cut[lane] < 1.0:
            for i in range(f.n_state):
                w[f.new + i, lane] = w[f.argument + i, lane]


@lane_loop
def fire(f, lane, events, room):
    """Let every event happen whose trigger has turned true, and those that follow from it at once.

    Returns
    -------
    bool
        False when they never come to an end.
    """
    w, held = room.w, room.held
    n_waiting = 0
    for _ in range(MOST_FIRINGS):
        call(f.moment, w.ctypes.data, 0, 0, 0)
        for e in range(f.rank - f.trigger):
            if w[f.trigger + e, lane] > 0.0 and not held[lane, e]:
                if n_waiting == room.waiting.size:
                    return False
                room.waiting[n_waiting] = e
                for i in range(events.offset[e], events.offset[e + 1]):
                    room.queued[n_waiting, i] = w[f.change + i, lane]
                n_waiting += 1
        _hold(f, w, lane, held)
        n_waiting = _drop(lane, n_waiting, events, room)
        if n_waiting == 0:
            return True
        _happen(f, lane, n_waiting, events, room)
        n_waiting -= 1
    return False


@lane_loop
def _move(room, here, there):
    """Copy a waiting event to another place in the queue."""
    room.waiting[there] = room.waiting[here]
    for i in range(room.queued.shape[1]):
        room.queued[there, i] = room.queued[here, i]


@lane_loop
def _drop(lane, n_waiting, events, room):
    """Take events that do not persist and no longer hold out of the queue; return its new length."""
    kept = 0
    for k in range(n_waiting):
        if room.held[lane, room.waiting[k]] or events.persistent[room.waiting[k]]:
            _move(room, k, kept)
            kept += 1
    return kept


@lane_loop
def _happen(f, lane, n_waiting, events, room):
    """Apply the waiting event of the highest priority and take it out of the queue."""
    w, best = room.w, 0
    for k in range(1, n_waiting):
        if w[f.rank + room.waiting[k], lane] > w[f.rank + room.waiting[best], lane]:
            best = k
    e = room.waiting[best]
    for i in range(events.offset[e], events.offset[e + 1]):
        now = room.queued[best, i] if events.early[e] else w[f.change + i, lane]
        w[f.new + events.target[i], lane] = now
    for k in range(best, n_waiting - 1):
        _move(room, k + 1, k)
    w[FRESH, lane] = 1.0
