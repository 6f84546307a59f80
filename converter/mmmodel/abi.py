"""The oracle: random programs on this machine's kernel and on the model, and the smallest one that tells them apart.

Everything that touches the real kernel runs in a forked child with a process group of its own, so that a program can
do no harm to the caller, and nothing of it outlives the call.
"""

import os
import pickle
import random
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from converter.errors import InputError
from converter.mmmodel.abi_compare import Pair, Tally
from converter.mmmodel.abi_kernel import Kernel, reap_silently, require_linux
from converter.mmmodel.abi_model import Setup
from converter.mmmodel.abi_program import BOUNDARIES, Generator, Op
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.invariants import InvariantError
from converter.mmmodel.mm import Crossing, TableStrategy

PG_SIZES = ("4K", "8K", "16K", "32K", "64K", "128K", "256K", "512K", "1M", "2M")
"""Every PG_SIZE over PTE_SIZE 4K that a geometry allows."""
PROGRAM_LENGTH = 100
_BATCH = 2000
"""Operations that one child runs."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Difference:
    """A program after whose last operation the two sides differ, and what they say."""

    setup: Setup
    program: tuple[Op, ...]
    said: str


@dataclass
class Report:
    """A run of the oracle. `strays`: programs that ended early, as the kernel put a mapping where it could merge."""

    tally: Tally = field(default_factory=Tally)
    programs: int = 0
    strays: int = 0
    brk: bool = True
    difference: Difference | None = None


def run(operations: int, seed: int, sizes: tuple[str, ...], progress: Callable[[Tally], None] | None = None) -> Report:
    """Run at least `operations` operations, in equal parts at each PG_SIZE; stops at the first difference.

    One child a processor; what they do and the order in which they report depend on the seed alone. InputError if this
    machine cannot be the oracle.
    """
    require_linux()
    report = Report()
    share = -(-operations // len(sizes))
    batches = (
        partial(_run_batch, Geometry.parse(size), seed, number, min(_BATCH, share - begin))
        for size in sizes
        for number, begin in enumerate(range(0, share, _BATCH))
    )
    for part in _in_children(batches, len(os.sched_getaffinity(0))):
        report.tally.add(part.tally)
        report.programs += part.programs
        report.strays += part.strays
        report.brk = report.brk and part.brk
        if progress is not None:
            progress(report.tally)
        if part.difference is not None:
            report.difference = part.difference
            break
    return report


def _run_batch(geometry: Geometry, seed: int, batch: int, operations: int) -> Report:
    """Programs, one after the other, around one page-table boundary, until they have done that many operations."""
    middle = BOUNDARIES[batch % len(BOUNDARIES)][1]
    report = Report()
    kernel = Kernel(_setup(geometry, random.Random(0), middle).base)
    report.brk = kernel.brk_works
    while report.tally.operations < operations:
        rng = random.Random(f"{seed}/{geometry.pg_shift}/{batch}/{report.programs}")
        setup = _setup(geometry, rng, middle)
        generator = Generator(rng, kernel.brk_works)
        program = [generator.op() for _ in range(PROGRAM_LENGTH)]
        outcome = _run_one(kernel, setup, program)
        report.programs += 1
        report.strays += outcome.stray
        report.tally.add(outcome.tally)
        if outcome.said is not None:
            report.difference = Difference(setup, tuple(program[: outcome.done]), outcome.said)
            break
    kernel.close()
    return report


def _setup(geometry: Geometry, rng: random.Random, middle: int) -> Setup:
    """A model of this PG_SIZE with other choices at random: levels, page-table and crossing strategy."""
    tables: tuple[TableStrategy, ...] = ("whole-page", "packed", "batch")
    crossings: tuple[Crossing, ...] = ("naive", "straddle")
    levels = rng.choice((4, 5))
    return Setup(replace(geometry, levels=levels), rng.choice(tables), rng.choice(crossings), middle)


@dataclass(frozen=True)
class Outcome:
    """One program: what the sides said differently (None: nothing), after how many operations."""

    said: str | None
    done: int
    stray: bool
    tally: Tally


def _run_one(kernel: Kernel, setup: Setup, program: list[Op]) -> Outcome:
    pair = Pair(kernel, setup)
    done = 0
    try:
        for op in program:
            done += 1
            said = pair.run(op)
            if said is not None or pair.stray:
                return Outcome(said, done, pair.stray, pair.tally)
        return Outcome(pair.finish(), done, False, pair.tally)
    except (InvariantError, ArithmeticError, LookupError, TypeError, ValueError, AssertionError) as error:
        return Outcome(f"the model fails: {type(error).__name__}: {error}", done, False, pair.tally)


def run_program(setup: Setup, program: list[Op]) -> Outcome:
    """Run one given program on both sides. InputError if this machine cannot be the oracle."""
    require_linux()

    def body() -> Outcome:
        kernel = Kernel(setup.base)
        outcome = _run_one(kernel, setup, program)
        kernel.close()
        return outcome

    return _in_child(body)


def shrink(difference: Difference) -> Difference:
    """A program that still differs, from which no operation can be taken, its numbers as round as they get."""
    program, said = list(difference.program), difference.said
    size = len(program) // 2
    while size:
        position = 0
        while position < len(program):
            shorter = program[:position] + program[position + size :]
            found = _differs(difference.setup, shorter)
            if found is not None:
                program, said = shorter[: found.done], found.said or said
            else:
                position += size
        size //= 2
    position = 0
    while position < len(program):
        for simpler in _simpler(program[position]):
            found = _differs(difference.setup, [*program[:position], simpler, *program[position + 1 :]])
            if found is not None:
                program[position], said = simpler, found.said or said
                break
        else:
            position += 1
    return Difference(difference.setup, tuple(program), said)


def _differs(setup: Setup, program: list[Op]) -> Outcome | None:
    outcome = run_program(setup, program) if program else None
    return outcome if outcome is not None and outcome.said is not None else None


def _simpler(op: Op) -> Iterator[Op]:
    """The same operation with one byte number rounded to a page, or a shorter range."""
    for i, value in enumerate(op.args):
        if i > 2 or (op.name in ("mprotect", "madvise", "msync", "write") and i == 2):
            continue
        for simpler in (value & -4096, value // 2 & -4096):
            if 0 < simpler < value:
                yield op._replace(args=(*op.args[:i], simpler, *op.args[i + 1 :]))


def _in_child(body: Callable[[], _T]) -> _T:
    """The result of `body` in a forked child; its InputErrors are raised here."""
    return next(_in_children(iter([body]), 1))


def _in_children(bodies: Iterator[Callable[[], _T]], at_once: int) -> Iterator[_T]:
    """The results of all `bodies`, in their order, each from a forked child with a process group of its own."""
    running = deque(_start(body) for body in islice(bodies, at_once))
    try:
        while running:
            result: _T = _result(running[0][1])
            _end(*running.popleft())
            running.extend(_start(body) for body in islice(bodies, 1))
            yield result
    finally:
        for child in running:
            _end(*child)


def _start(body: Callable[[], object]) -> tuple[int, int]:
    """The pid of a new child, and the file descriptor from which its result can be read."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        _child(body, writer)
    os.close(writer)
    with suppress(OSError):  # it has done so itself, and may be gone
        os.setpgid(pid, pid)
    return pid, reader


def _result(reader: int) -> Any:
    """What a child sends."""
    with os.fdopen(reader, "rb", closefd=False) as stream:
        data = stream.read()
    if not data:
        raise InputError("the oracle's process died")
    good, result = pickle.loads(data)
    if not good:
        raise InputError(result)
    return result


def _end(pid: int, reader: int) -> None:
    """End a child and all its descendants."""
    os.close(reader)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _child(body: Callable[[], object], writer: int) -> None:
    """Run `body`, send its result, and end with all descendants, without the caller's cleanup."""
    try:
        os.setpgid(0, 0)
        reap_silently()
        try:
            data = pickle.dumps((True, body()))
        except InputError as error:
            data = pickle.dumps((False, str(error)))
        with os.fdopen(writer, "wb") as stream:
            stream.write(data)
    except Exception:  # a bug of the oracle itself: the caller sees a child that sent nothing
        traceback.print_exc()
    finally:
        os.killpg(0, signal.SIGKILL)
