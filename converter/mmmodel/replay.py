"""Carries out the operations of a trace on the model, and touches memory as a touch model says, for a log does not."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from converter.errors import InputError
from converter.mmmodel import resident, uapi
from converter.mmmodel.geometry import Geometry, parse_size
from converter.mmmodel.limits import check_size
from converter.mmmodel.mm import MM, Machine
from converter.mmmodel.pagecache import File
from converter.mmmodel.procfs import HEAP, Process
from converter.mmmodel.trace import PAGE, Op, Trace

DEFAULT_TOUCH = "first:1M"


@dataclass(frozen=True, slots=True)
class Touch:
    """Which pages of a mapping are used once it is there.

    `first:SIZE`: the first SIZE bytes of it (of a stack the last); `every:N`: each N-th page; `all`; `none`. The
    default is first:1M, since most mappings are small and resident as a whole: measured on shells and Python programs
    it comes within a tenth of their resident memory. A heap in one large mapping, as Java has it, needs more.
    """

    first: int | None = None  # bytes; None: no limit
    every: int = 1

    @classmethod
    def parse(cls, text: str) -> Touch:
        """Raises InputError for anything else than the four forms."""
        kind, _, amount = text.partition(":")
        if text == "all":
            return cls()
        if text == "none":
            return cls(first=0)
        if kind == "first" and amount:
            return cls(first=parse_size(amount))
        if kind == "every" and amount.isdigit() and int(amount):
            return cls(every=int(amount))
        raise InputError(f"--touch {text}: write all, none, first:SIZE (first:1M) or every:N (every:4)")

    def ranges(self, start: int, end: int, downward: bool) -> Iterator[tuple[int, int]]:
        """(address, length) of what is touched of [start, end), in bytes."""
        if self.every > 1:
            yield from ((address, PAGE) for address in range(start, end, PAGE * self.every))
            return
        length = end - start if self.first is None else min(end - start, self.first)
        if length:
            yield (end - length if downward else start), length


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay at one geometry came to."""

    geometry: Geometry
    peak: int  # most bytes in use, page cache and tables included
    busiest: int  # the operation (from 0) after which the processes' resident memory was largest
    faults: int
    out_of_memory: int
    unknown: int  # calls on memory that the log does not show being mapped: what execve set up
    different: int
    first_difference: str
    processes: tuple[Process, ...] = ()  # at the operation that the replay was to stop after


@dataclass(slots=True)
class _Pending:
    start: int
    end: int
    write: bool
    downward: bool


@dataclass(slots=True)
class _Live:
    mm: MM
    name: str
    heap: range = range(0)
    pending: list[_Pending] = field(default_factory=list)


class _Replay:
    def __init__(self, trace: Trace, geometry: Geometry, ram: int, touch: Touch) -> None:
        check_size(geometry, ram)
        self.machine = Machine(geometry, ram=ram)
        self.trace = trace
        self.touch = touch
        self.files: dict[str, File] = {}
        self.live: dict[int, _Live] = {}
        self.faults = self.out_of_memory = self.unknown = self.different = 0
        self.first_difference = ""

    def resident(self) -> int:
        """PTEs that map memory, over all live address spaces."""
        return sum(live.mm.rss_anon + live.mm.rss_file for live in self.live.values())

    def run(self, op: Op) -> None:
        if op.kind == "spawn":
            self.live[op.space] = _Live(self.machine.spawn(), op.name)
            return
        live = self.live.get(op.space)
        if live is None:  # its fork failed for lack of memory
            return
        if op.kind != "mmap":
            self.touch_pending(live)
        if op.kind == "fork":
            child = live.mm.fork()
            if isinstance(child, int):
                self.out_of_memory += 1
            else:
                self.live[op.args[0]] = _Live(child, live.name, live.heap)
        elif op.kind == "exit":
            self.faults += live.mm.faults
            live.mm.exit()
            del self.live[op.space]
        else:
            self.compare(op, _CALLS[op.kind](self, live, op))

    def compare(self, op: Op, result: int) -> None:
        if result == op.result:
            return
        if result in (-errno.ENOMEM, -errno.EFAULT) and op.kind != "mmap":
            self.unknown += 1
            return
        self.different += 1
        got = errno.errorcode.get(-result, hex(result))
        self.first_difference = self.first_difference or f"line {op.line}: {op.kind} gave {got}, not {op.result:#x}"

    def mmap(self, live: _Live, op: Op) -> int:
        start, length, prot, flags, offset = op.args
        if op.name == HEAP:
            live.heap = range(min(live.heap.start or start, start), start + length)
        file = None
        if not flags & uapi.MAP_ANONYMOUS:
            if op.name not in self.files:
                self.files[op.name] = self.machine.file(self.trace.files[op.name], op.name)
            file = self.files[op.name]
        result = live.mm.mmap(start, length, prot, flags & ~uapi.MAP_STACK, file, offset)
        if result == start:
            self.expect_use(live, start, length, prot, bool(flags & uapi.MAP_STACK))
        return result

    def munmap(self, live: _Live, op: Op) -> int:
        return live.mm.munmap(*op.args)

    def mprotect(self, live: _Live, op: Op) -> int:
        result = live.mm.mprotect(*op.args)
        if not result:
            start, length, prot = op.args
            self.expect_use(live, start, length, prot, downward=False)
        return result

    def mremap(self, live: _Live, op: Op) -> int:
        old, old_size, new_size, flags, new = op.args
        result = live.mm.mremap(old, old_size, new_size, flags, new if flags & uapi.MREMAP_FIXED else 0)
        if result == new:
            row = next(row for row in live.mm.maps() if row.start <= new < row.end)
            self.expect_use(live, new, new_size, row.prot, downward=False)
        return result

    def madvise(self, live: _Live, op: Op) -> int:
        return live.mm.madvise(*op.args)

    def mlock(self, live: _Live, op: Op) -> int:
        return live.mm.mlock(*op.args)

    def munlock(self, live: _Live, op: Op) -> int:
        return live.mm.munlock(*op.args)

    def expect_use(self, live: _Live, start: int, length: int, prot: int, downward: bool) -> None:
        """Notes what will be touched once the process does something else than mapping.

        A dynamic loader maps a library as a whole, and then its segments over it: what is overmapped is never used.
        """
        end = start + -(-length // PAGE) * PAGE
        kept = []
        for each in live.pending:
            if each.start < start:
                kept.append(_Pending(each.start, min(each.end, start), each.write, each.downward))
            if each.end > end:
                kept.append(_Pending(max(each.start, end), each.end, each.write, each.downward))
        if prot & (uapi.PROT_READ | uapi.PROT_WRITE | uapi.PROT_EXEC):
            kept.append(_Pending(start, end, bool(prot & uapi.PROT_WRITE), downward))
        live.pending = kept

    def touch_pending(self, live: _Live) -> None:
        for each in live.pending:
            for start, length in self.touch.ranges(each.start, each.end, each.downward):
                if live.mm.touch(start, length, each.write) == -errno.ENOMEM:
                    self.out_of_memory += 1
                    break
        live.pending.clear()


_CALLS: dict[str, Callable[[_Replay, _Live, Op], int]] = {
    "mmap": _Replay.mmap,
    "munmap": _Replay.munmap,
    "mprotect": _Replay.mprotect,
    "mremap": _Replay.mremap,
    "madvise": _Replay.madvise,
    "mlock": _Replay.mlock,
    "munlock": _Replay.munlock,
}


def replay(
    trace: Trace,
    geometry: Geometry,
    ram: int,
    touch: Touch,
    stop_after: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Outcome:
    """The whole trace on a machine with `ram` bytes, or its operations up to number stop_after (from 0) and no more.

    Running out of memory is counted; InputError if the machine is too small to exist, or too large to simulate.
    """
    state = _Replay(trace, geometry, ram, touch)
    memory = state.machine.memory
    at_start = memory.free_pages
    peak = most = busiest = 0
    for number, op in enumerate(trace.ops):
        state.run(op)
        peak = max(peak, at_start - memory.free_pages)
        if (resident_now := state.resident()) > most:
            most, busiest = resident_now, number
        if number == stop_after:
            break
        progress(number + 1)
    still = [(space, live) for space, live in state.live.items() if live.mm in state.machine.mms]
    return Outcome(
        geometry=geometry,
        peak=peak << geometry.pg_shift,
        busiest=busiest,
        faults=state.faults + sum(live.mm.faults for _, live in still),
        out_of_memory=state.out_of_memory,
        unknown=state.unknown,
        different=state.different,
        first_difference=state.first_difference,
        processes=tuple(resident.process(live.mm, trace.pids[space], live.name, live.heap) for space, live in still),
    )
