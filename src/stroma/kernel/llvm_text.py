"""Writing LLVM IR: how values, constants, loops and functions are spelled for a number of lanes.

Floating-point operations carry ``contract`` (a multiplication and an addition may be fused) and ``nsz``;
never ``reassoc``, which breaks the exact additions inside the elementary functions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

FLAGS = "contract nsz"


def bits_of(value: float) -> int:
    """Return the 64 bits of a double."""
    return struct.unpack("<Q", struct.pack("<d", value))[0]


class Code:
    """The body of one function with values of ``lanes`` doubles.

    Parameters
    ----------
    lanes : int
        1 spells plain ``double``; more spell vectors.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.real = self._wide("double")
        self.whole = self._wide("i64")
        self.truth = self._wide("i1")
        self.suffix = "f64" if lanes == 1 else f"v{lanes}f64"
        self.true = self._splat("i1", "true")
        self.lines: list[str] = []
        self.label = "entry"
        self._count = 0

    def _wide(self, kind: str) -> str:
        return kind if self.lanes == 1 else f"<{self.lanes} x {kind}>"

    def _splat(self, kind: str, text: str) -> str:
        return text if self.lanes == 1 else f"splat ({kind} {text})"

    def number(self, value: float) -> str:
        """Return a constant, the same in every lane."""
        return self._splat("double", f"0x{bits_of(value):016X}")

    def integer(self, value: int) -> str:
        """Return a 64-bit integer constant, the same in every lane."""
        return self._splat("i64", str(value))

    def fresh(self) -> str:
        """Return an unused value name."""
        self._count += 1
        return f"%v{self._count}"

    def line(self, text: str) -> None:
        """Append one instruction that yields nothing."""
        self.lines.append("  " + text)

    def let(self, text: str) -> str:
        """Append one instruction and return the name of its value."""
        name = self.fresh()
        self.line(f"{name} = {text}")
        return name

    # ---- arithmetic

    def binary(self, op: str, a: str, b: str) -> str:
        """Return ``fadd``, ``fsub``, ``fmul`` or ``fdiv`` of two values."""
        return self.let(f"{op} {FLAGS} {self.real} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        """Return a + b."""
        return self.binary("fadd", a, b)

    def sub(self, a: str, b: str) -> str:
        """Return a - b."""
        return self.binary("fsub", a, b)

    def mul(self, a: str, b: str) -> str:
        """Return a * b."""
        return self.binary("fmul", a, b)

    def div(self, a: str, b: str) -> str:
        """Return a / b."""
        return self.binary("fdiv", a, b)

    def neg(self, a: str) -> str:
        """Return -a."""
        return self.let(f"fneg {FLAGS} {self.real} {a}")

    def fma(self, a: str, b: str, c: str) -> str:
        """Return a * b + c, fused where the processor can."""
        return self.add(self.mul(a, b), c)

    def compare(self, how: str, a: str, b: str) -> str:
        """Return an ordered comparison: ``olt``, ``ole``, ``oeq``."""
        return self.let(f"fcmp {how} {self.real} {a}, {b}")

    def select(self, condition: str, yes: str, no: str) -> str:
        """Return ``yes`` in the lanes where the condition holds, else ``no``."""
        return self.let(f"select {self.truth} {condition}, {self.real} {yes}, {self.real} {no}")

    def larger(self, a: str, b: str) -> str:
        """Return the larger value; the first when one is NaN."""
        return self.select(self.compare("olt", a, b), b, a)

    def smaller(self, a: str, b: str) -> str:
        """Return the smaller value; the first when one is NaN."""
        return self.select(self.compare("olt", b, a), b, a)

    def call(self, function: str, *args: str) -> str:
        """Return the value of a function of values."""
        return self.let(f"call {self.real} @{function}({', '.join(f'{self.real} {a}' for a in args)})")

    def own_name(self, function: str) -> str:
        """Return the full name of a function of :mod:`stroma.kernel.elementary`, unknown to LLVM."""
        return f"stroma.{function}.{self.suffix}"

    def own(self, function: str, a: str) -> str:
        """Return the value of a function of :mod:`stroma.kernel.elementary`."""
        return self.call(self.own_name(function), a)

    def intrinsic(self, name: str, a: str) -> str:
        """Return LLVM's own function of one value, for instance ``sqrt``."""
        return self.call(f"llvm.{name}.{self.suffix}", a)

    def library(self, function: str, a: str) -> str:
        """Return a function of the C library, called lane by lane."""
        if self.lanes == 1:
            return self.call(function, a)
        value = "poison"
        for lane in range(self.lanes):
            one = self.let(f"extractelement {self.real} {a}, i64 {lane}")
            result = self.let(f"call double @{function}(double {one})")
            value = self.let(f"insertelement {self.real} {value}, double {result}, i64 {lane}")
        return value

    # ---- bits

    def as_whole(self, a: str) -> str:
        """Return the bits of a value as integers."""
        return self.let(f"bitcast {self.real} {a} to {self.whole}")

    def as_real(self, a: str) -> str:
        """Return bits as a value."""
        return self.let(f"bitcast {self.whole} {a} to {self.real}")

    def whole_op(self, op: str, a: str, b: str) -> str:
        """Return an integer operation."""
        return self.let(f"{op} {self.whole} {a}, {b}")

    # ---- memory

    def row(self, pointer: str, index: int | str) -> str:
        """Return the address of a row of an array."""
        if index == 0:
            return pointer
        return self.let(f"getelementptr inbounds {self.real}, ptr {pointer}, i64 {index}")

    def load(self, pointer: str, index: int | str = 0) -> str:
        """Return a row of an array."""
        return self.let(f"load {self.real}, ptr {self.row(pointer, index)}, align {8 * self.lanes}")

    def store(self, value: str, pointer: str, index: int | str = 0) -> None:
        """Write a row of an array."""
        self.line(f"store {self.real} {value}, ptr {self.row(pointer, index)}, align {8 * self.lanes}")

    # ---- control

    @contextmanager
    def loop(self, count: int, carried: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str], list[str]]]:
        """Repeat the block ``count`` times.

        Parameters
        ----------
        carried : tuple of str
            Values that each round passes to the next.

        Yields
        ------
        index : str
        current : list of str
            The carried values at the start of a round; the caller replaces its items by the next values.
        final : list of str
            Filled on leaving with the carried values after the last round.
        """
        name = f"loop{len(self.lines)}"
        before, index = self.label, self.fresh()
        current = [self.fresh() for _ in carried]
        entry = list(current)
        self.line(f"br label %{name}")
        self.lines.append(f"{name}:")
        at = len(self.lines)
        self.label = name
        final: list[str] = []
        yield index, current, final
        following, done = self.fresh(), self.fresh()
        self.line(f"{following} = add i64 {index}, 1")
        self.line(f"{done} = icmp eq i64 {following}, {count}")
        self.line(f"br i1 {done}, label %{name}.end, label %{name}")
        phis = [f"  {index} = phi i64 [ 0, %{before} ], [ {following}, %{name} ]"]
        phis += [f"  {e} = phi {self.real} [ {start}, %{before} ], [ {c}, %{name} ]"
                 for e, start, c in zip(entry, carried, current, strict=True)]
        self.lines[at:at] = phis
        self.lines.append(f"{name}.end:")
        self.label = f"{name}.end"
        final.extend(current)

    def function(self, head: str, attributes: str = "") -> str:
        """Return the whole function."""
        return "\n".join([f"define {head} {attributes} {{", "entry:", *self.lines, "}"]) + "\n"
