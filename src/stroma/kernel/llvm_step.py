"""One attempt of a Rodas5P step, the choice of a first step, and reports, for all lanes at once.

Every lane has its own subject, time, step and verdict. The error of a step is the root mean square over the
states of ``error / (relative * (|y| + PEAK_SHARE * peak) + absolute)`` with ``peak`` the largest size the
state has had in this subject, so that seventy million cells that have decayed to less than seven no longer
dictate the step.
"""

from __future__ import annotations

from stroma.kernel.graph import Routine
from stroma.kernel.layout import Layout, Row
from stroma.kernel.llvm_printer import call_routine
from stroma.kernel.llvm_text import Code
from stroma.kernel.program import Program, Report
from stroma.kernel.rodas5p import GAMMA, STAGES, A, C, D, G

PEAK_SHARE = 1e-5
SAFETY, SHRINK_MOST, GROW_MOST = 0.9, 0.2, 6.0
SMALLEST_PIVOT = 1e-8
"""A pivot this much below its diagonal entry: the step is too long for elimination without pivoting."""
EPSILON = 2.0**-52
UNDERSHOOT = 1e-5
"""A base of a power may fall below zero by this share of its largest size so far: rounding, not meaning."""
FIRST_STEP = 100.0
"""What the estimated error term of the first step may be, in tolerances: the method's constant is about 1e-4."""


class Workspace:
    """Addresses of the blocks of a workspace inside a function whose argument is ``%w``."""

    def __init__(self, code: Code, layout: Layout) -> None:
        self.code = code
        self.layout = layout

    def block(self, name: str) -> str:
        """Return the address of a block."""
        return self.code.row("%w", getattr(self.layout, name))

    def head(self, row: Row) -> str:
        """Return the address of a row at the head."""
        return self.code.row("%w", int(row))

    def read(self, row: Row) -> str:
        """Return a row at the head."""
        return self.code.load("%w", int(row))

    def write(self, row: Row, value: str) -> None:
        """Set a row at the head."""
        self.code.store(value, "%w", int(row))


def attempt(program: Program, layout: Layout, lanes: int) -> str:
    """Return ``void @attempt(ptr w)``: try one step in every lane and judge it."""
    code = Code(lanes)
    w = Workspace(code, layout)
    n = program.n_state
    old, new, rest = w.block("old"), w.block("new"), w.block("rest")
    argument, stages = w.block("argument"), w.block("stages")
    h = _begin(code, w, n)
    inverse_h = code.div(code.number(1.0), h)
    w.write(Row.SCALE, code.mul(inverse_h, code.number(1 / GAMMA)))
    pointers = {"c": w.block("constants"), "lu": w.block("factors"), "ft": w.block("drift"), "k": rest,
                "g": w.head(Row.SCALE), "hd": w.head(Row.STAGE_STEP), "shrink": w.head(Row.SHRINK),
                "base": w.block("base")}
    w.write(Row.STAGE_STEP, code.mul(h, code.number(D[0])))
    before, stop = w.read(Row.BEFORE), w.read(Row.STOP)
    # A formula that switches at the stop belongs to the next step.
    before_stop = code.fma(code.number(-EPSILON), code.intrinsic("fabs", stop), stop)
    call_routine(code, program.first, pointers | {"t": w.head(Row.BEFORE), "y": old, "u": stages})
    _watch(code, w, program.n_base)
    for i in range(1, STAGES):
        drift = code.mul(h, code.number(D[i])) if program.timed and D[i] else None
        with code.loop(n) as (s, _, _):
            us = [code.load(stages, code.let(f"add i64 {s}, {j * n}")) for j in range(i)]
            value = code.load(old, s) if i < 6 else code.load(argument, s)
            weights = A[i] if i < 6 else (*(0.0,) * (i - 1), 1.0)
            code.store(_combined(code, value, weights, us), argument, s)
            known = code.mul(_combined(code, None, G[i], us), inverse_h)
            if drift is not None:
                known = code.fma(drift, code.load(w.block("drift"), s), known)
            code.store(known, rest, s)
        w.write(Row.STAGE_TIME, code.smaller(code.fma(h, code.number(C[i]), before), before_stop))
        result = code.row(stages, i * n)
        pointers |= {"t": w.head(Row.STAGE_TIME), "y": argument, "u": result}
        call_routine(code, program.stage, pointers)
    _judge(code, w, n, h, new)
    code.line("ret void")
    return code.function("void @attempt(ptr noalias %w)", "nounwind")


def _combined(code: Code, start: str | None, weights: tuple[float, ...], us: list[str]) -> str:
    value = start
    for weight, u in zip(weights, us, strict=True):
        if weight == 1.0 and value is not None:
            value = code.add(value, u)
        elif weight:
            product = code.mul(code.number(weight), u)
            value = product if value is None else code.add(product, value)
    assert value is not None
    return value


def _begin(code: Code, w: Workspace, n: int) -> str:
    """Take over the states of accepted lanes and cut the step at the next stop; return its length."""
    old, new = w.block("old"), w.block("new")
    accepted = code.compare("olt", code.number(0.0), w.read(Row.ACCEPTED))
    with code.loop(n) as (s, _, _):
        code.store(code.select(accepted, code.load(new, s), code.load(old, s)), old, s)
    t, stop, step = w.read(Row.T), w.read(Row.STOP), w.read(Row.STEP)
    left = code.sub(stop, t)
    # Two equal steps rather than a long one and a sliver.
    half = code.mul(left, code.number(0.5))
    h = code.select(code.compare("olt", half, step), half, step)
    h = code.select(code.compare("ole", code.mul(left, code.number(0.999)), step), left, h)
    w.write(Row.BEFORE, t)
    w.write(Row.USED, h)
    return h


def _watch(code: Code, w: Workspace, n_base: int) -> None:
    """Mark the lanes whose accepted state leaves the domain of a power."""
    outside = code.number(0.0)
    if n_base:
        base, peak = w.block("base"), w.block("base_peak")
        with code.loop(n_base, (outside,)) as (s, carried, final):
            value = code.load(base, s)
            top = code.larger(code.load(peak, s), code.intrinsic("fabs", value))
            code.store(top, peak, s)
            beyond = code.compare("olt", value, code.mul(code.number(-UNDERSHOOT), top))
            carried[0] = code.select(beyond, code.number(1.0), carried[0])
        outside = final[0]
    w.write(Row.OUTSIDE, outside)


def _judge(code: Code, w: Workspace, n: int, h: str, new: str) -> None:
    """Write the new states, the error and what to do next."""
    old, peak, argument = w.block("old"), w.block("peak"), w.block("argument")
    last = code.row(w.block("stages"), (STAGES - 1) * n)
    relative, absolute = w.read(Row.RELATIVE), w.read(Row.ABSOLUTE)
    with code.loop(n, (code.number(0.0),)) as (s, carried, final):
        error = code.load(last, s)
        value = code.add(code.load(argument, s), error)
        code.store(value, new, s)
        size = code.larger(code.intrinsic("fabs", code.load(old, s)), code.intrinsic("fabs", value))
        weight = _weight(code, size, code.larger(code.load(peak, s), size), relative, absolute)
        share = code.div(error, weight)
        carried[0] = code.fma(share, share, carried[0])
    error = code.intrinsic("sqrt", code.mul(final[0], code.number(1.0 / n)))
    sound = code.compare("ole", code.number(SMALLEST_PIVOT), w.read(Row.SHRINK))
    good = code.let(f"and {code.truth} {code.compare('ole', error, code.number(1.0))}, {sound}")
    with code.loop(n) as (s, _, _):
        before = code.load(peak, s)
        size = code.larger(before, code.intrinsic("fabs", code.load(new, s)))
        code.store(code.select(good, size, before), peak, s)
    root = code.own("exp", code.mul(code.number(-0.2), code.own("log_size", error)))
    factor = code.mul(code.number(SAFETY), root)
    factor = code.smaller(code.larger(code.number(SHRINK_MOST), factor), code.number(GROW_MOST))
    factor = code.select(good, factor, code.smaller(factor, code.number(0.5)))
    step = code.mul(h, factor)
    # A step cut short at a stop says nothing against the longer one that was planned.
    planned = code.select(good, code.larger(step, w.read(Row.STEP)), step)
    whole = code.compare("oeq", h, w.read(Row.STEP))
    w.write(Row.STEP, code.select(whole, step, planned))
    t, stop = w.read(Row.T), w.read(Row.STOP)
    at_stop = code.compare("oeq", h, code.sub(stop, t))
    w.write(Row.T, code.select(good, code.select(at_stop, stop, code.add(t, h)), t))
    w.write(Row.ERROR, error)
    w.write(Row.ACCEPTED, code.select(good, code.number(1.0), code.number(0.0)))


def _weight(code: Code, size: str, peak: str, relative: str, absolute: str) -> str:
    return code.fma(relative, code.fma(code.number(PEAK_SHARE), peak, size), absolute)


def start(program: Program, layout: Layout, lanes: int) -> str:
    """Return ``void @start(ptr w)``: choose a first step in the lanes marked fresh.

    With ``d1`` and ``d2`` the largest weighted first and second derivative, ``d2 / d1`` is the speed of
    whatever moves fastest and ``h^5 d1 (d2 / d1)^4`` the size of the error; the step makes it ``FIRST_STEP``.
    """
    code = Code(lanes)
    w = Workspace(code, layout)
    new, peak, f, f2 = w.block("new"), w.block("peak"), w.block("argument"), w.block("rest")
    pointers = {"c": w.block("constants"), "t": w.head(Row.T), "y": new, "f": f, "f2": f2}
    call_routine(code, program.slopes, pointers)
    relative, absolute = w.read(Row.RELATIVE), w.read(Row.ABSOLUTE)
    zero = code.number(0.0)
    fresh = code.compare("olt", zero, w.read(Row.FRESH))
    with code.loop(program.n_state, (zero, zero)) as (s, carried, final):
        size = code.intrinsic("fabs", code.load(new, s))
        top = code.larger(code.load(peak, s), size)
        code.store(code.select(fresh, top, code.load(peak, s)), peak, s)
        per_weight = code.div(code.number(1.0), _weight(code, size, top, relative, absolute))
        for i, block in enumerate((f, f2)):
            share = code.mul(code.intrinsic("fabs", code.load(block, s)), per_weight)
            carried[i] = code.larger(share, carried[i])
    first, second = (code.own("log_size", value) for value in final)
    power = code.sub(code.mul(code.number(0.6), first), code.mul(code.number(0.8), second))
    h = code.mul(code.number(FIRST_STEP**0.2), code.own("exp", power))
    left = code.sub(w.read(Row.STOP), w.read(Row.T))
    h = code.select(code.compare("olt", h, left), h, left)
    w.write(Row.STEP, code.select(fresh, h, w.read(Row.STEP)))
    w.write(Row.FRESH, zero)
    code.line("ret void")
    return code.function("void @start(ptr noalias %w)", "nounwind")


def events(program: Program, whole: Routine, layout: Layout, lanes: int) -> str:
    """Return ``void @moment(ptr w)`` and ``void @locate(ptr w)``: events now and inside the last step.

    Parameters
    ----------
    whole : Routine
        Interpolates all states.
    """
    text = ""
    for name, row in (("moment", Row.T), ("locate", Row.WHEN)):
        code = Code(lanes)
        w = Workspace(code, layout)
        pointers = {"c": w.block("constants"), "t": w.head(row), "y": w.block("new"), "theta": w.head(Row.THETA),
                    "y0": w.block("old"), "y1": w.block("new"), "u": w.block("stages"),
                    "trigger": w.block("trigger"), "rank": w.block("rank"), "change": w.block("change")}
        if name == "locate":
            pointers["y"] = w.block("argument")
            call_routine(code, whole, pointers)
        call_routine(code, program.events, pointers)
        code.line("ret void")
        text += code.function(f"void @{name}(ptr noalias %w)", "nounwind")
    return text


def report(report: Report, layout: Layout, lanes: int) -> str:
    """Return ``void @report(ptr w)``: outputs of every lane at its own place in its last step."""
    code = Code(lanes)
    w = Workspace(code, layout)
    values = w.block("argument")
    pointers = {"c": w.block("constants"), "t": w.head(Row.WHEN), "theta": w.head(Row.THETA), "y": values,
                "y0": w.block("old"), "y1": w.block("new"), "u": w.block("stages"), "out": w.block("out")}
    call_routine(code, report.dense, pointers)
    call_routine(code, report.values, pointers)
    code.line("ret void")
    return code.function("void @report(ptr noalias %w)", "nounwind")
