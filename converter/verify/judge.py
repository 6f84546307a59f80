"""Holds a lifted pair against its oracle. Stands alone with converter.lift.runtime, and is copied into emitted scripts.

An input is bound to a column of a state: (column, turn, type, unit). `turn` numbers the inputs of an expression that
read one column, so that two of them are not always equal; `unit` is "pte" or "pg" for a count whose unit is known.
"""

from typing import Any

import numpy as np

from converter.lift.runtime import BITS

UNITS = ("pte", "pg")


class Kernel:
    """The page sizes that lifted code asks for, by shift: Kernel(64, PAGE=12), or Kernel(64, PTE=12, PG=16).

    With 32-bit words a mask is a signed int, as ARM and MIPS have it: it keeps the upper half of what is wider.
    """

    def __init__(self, bits: int, **shifts: int) -> None:
        for name, shift in shifts.items():
            setattr(self, f"{name}_SHIFT", np.int32(shift))
            setattr(self, f"{name}_SIZE", BITS[f"u{bits}"].type(1 << shift))
            setattr(self, f"{name}_MASK", np.int32(-1 << shift) if bits == 32 else ~np.uint64((1 << shift) - 1))


def one_size(shift: int, bits: int) -> Kernel:
    """A kernel with one page size, to which both names of a split one would be equal."""
    return Kernel(bits, PAGE=shift, PTE=shift, PG=shift)


class State:
    """A machine: the bits of its words, its two shifts, and columns of quantities. Rows below `real` are its own, the
    others are edges."""

    def __init__(self, bits: Any, pte: Any, pg: Any, real: Any, columns: Any, edges: Any) -> None:
        self.bits, self.pte, self.pg, self.real = bits, pte, pg, real
        self.columns = columns
        self.edges = edges

    def bound(self, bindings: Any) -> Any:
        """An array of each input's type, and its count unit."""
        return [(self._column(name, turn).astype(BITS[kind]), unit) for name, turn, kind, unit in bindings]

    def _column(self, name: Any, turn: Any) -> Any:
        """Rows of the machine, turned; then every edge against every other one."""
        n = len(self.edges)
        row = np.arange(n * n)
        which = row // n if turn == 0 else row % n if turn == 1 else (row * (2 * turn + 1) + turn * (row // n)) % n
        own = self.columns[name]
        return np.concatenate([np.roll(own, -5 * (turn // 2)), self.edges[which]])


class Verdict:
    """outcome: passed, failed or not covered; why, and the values of the first input that differs."""

    def __init__(self, outcome: Any, why: Any = "", detail: Any = "") -> None:
        self.outcome, self.why, self.detail = outcome, why, detail


def judge(before: Any, after: Any, names: Any, bindings: Any, unit: Any, states: Any, asked: Any = None) -> Any:
    """The pair against: itself where both sizes are one; where they are not, the original on a kernel whose PAGE_SIZE
    is that of `unit`, the unit that the quantities ask for. `asked`: the original with each use in the unit that its
    own quantities ask for, where these are two that do not meet."""
    told = False
    with np.errstate(all="ignore"):
        for state in states:
            bound = state.bound(bindings)
            split = Kernel(state.bits, PTE=state.pte, PG=state.pg)
            if state.pte == state.pg:
                wrong = _differ(before, after, bound, bound, one_size(state.pte, state.bits), split)
                if wrong is not None:
                    return _failed("differs where PTE_SIZE is PG_SIZE", names, state, wrong)
                continue
            if asked is not None:
                wrong = _differ(asked, after, bound, bound, split, split)
                if wrong is not None:
                    return _failed("differs from what the quantities ask for", names, state, wrong)
                told = True
                continue
            page = state.pte if unit == "pte" else state.pg
            mine, theirs = _encoded(bound, unit, state)
            wrong = _differ(before, after, theirs, mine, one_size(page, state.bits), split)
            if wrong is not None:
                why = f"differs from a kernel whose PAGE_SIZE is {unit.upper()}_SIZE"
                return _failed(why, names, state, wrong)
            other = one_size(state.pg if unit == "pte" else state.pte, state.bits)
            told = told or _differ(before, before, bound, bound, one_size(page, state.bits), other) is not None
    if not told:
        return Verdict("not covered", "the value is the same with either size")
    return Verdict("passed")


def _encoded(bound: Any, unit: Any, state: Any) -> Any:
    """Inputs for the split kernel, and for the reference, which counts in `unit` alone: the same machine, told in each
    one's units. Rows where a count of the other unit does not come out even are rounded, and edges are left out."""
    if all(u in ("", unit) for _, u in bound):
        arrays = [a for a, _ in bound]
        return arrays, arrays
    mine, theirs = [], []
    wide = state.pg - state.pte
    for array, u in bound:
        own = array[: state.real]
        count = own.dtype.type(wide)
        if u in ("", unit):
            mine.append(own)
            theirs.append(own)
        elif unit == "pg":
            mine.append((own >> count) << count)
            theirs.append(own >> count)
        else:
            mine.append(own)
            theirs.append(own << count)
    return mine, theirs


def _differ(before: Any, after: Any, theirs: Any, mine: Any, reference: Any, split: Any) -> Any:
    """The first row in which two functions differ, with inputs and values; None where there is none."""
    theirs = [a if isinstance(a, np.ndarray) else a[0] for a in theirs]
    mine = [a if isinstance(a, np.ndarray) else a[0] for a in mine]
    a, b = np.broadcast_arrays(before(*theirs, reference), after(*mine, split))
    rows = np.flatnonzero(np.atleast_1d(a != b))
    if not len(rows):
        return None
    row = int(rows[0])
    return [int(m[row]) for m in mine], int(np.atleast_1d(a)[row]), int(np.atleast_1d(b)[row]), len(rows), np.size(a)


def _failed(why: Any, names: Any, state: Any, wrong: Any) -> Any:
    inputs, a, b, count, rows = wrong
    given = ", ".join(f"{n} = {v:#x}" for n, v in zip(names, inputs, strict=True)) or "always"
    words = "32-bit words, " if state.bits == 32 else ""
    sizes = f"{words}PTE_SIZE {1 << state.pte >> 10}K, PG_SIZE {1 << state.pg >> 10}K"
    detail = f"{sizes}: {given}: before {a:#x}, after {b:#x} ({count} of {rows} inputs differ)"
    return Verdict("failed", why, detail)
