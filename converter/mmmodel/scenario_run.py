"""Carries out a scenario on the model at one geometry, and says which expectations failed."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from converter.errors import InputError
from converter.mmmodel import scenario_schema as schema
from converter.mmmodel.expression import Expression, ExpressionError
from converter.mmmodel.geometry import MAX_PAGE_ORDER, Geometry, format_size, parse_size
from converter.mmmodel.invariants import InvariantError
from converter.mmmodel.limits import check_size
from converter.mmmodel.mm import MM, Machine
from converter.mmmodel.pagecache import File
from converter.mmmodel.scenario import Scenario

_CHECK_EVERY = 1000
"""Operations inside a repeat between two checks of the invariants; every other step is followed by one."""

_MOST_FAILURES = 10
"""A scenario that has failed so often is not carried on: in a repeat, each round would fail."""

_MOST_BYTES = 1 << 30
"""What one step can read or write."""

Entry = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A scenario at one geometry. figures: quantities before the processes exit, and `peak`; bytes or counts."""

    geometry: Geometry
    operations: int
    failures: tuple[str, ...]
    figures: dict[str, int]


class _TooManyFailures(Exception):
    pass


class _State:
    def __init__(self, scenario: Scenario, geometry: Geometry, progress: Callable[[int], None]) -> None:
        spec = scenario.document.machine
        ram, swap = parse_size(spec.ram), parse_size(spec.swap)
        try:
            check_size(geometry, ram + swap)
            self.machine = Machine(
                geometry,
                ram=ram,
                swap=swap,
                tables=spec.tables,
                crossing=spec.crossing,
            )
        except InputError as error:
            raise InputError(f"{scenario.place(('machine',), 'ram')}: {error}") from error
        self.scenario = scenario
        self.geometry = geometry
        self.progress = progress
        self.random = Random(scenario.document.seed)
        self.spaces: dict[str, list[MM]] = {schema.FIRST_SPACE: [self.machine.spawn()]}
        self.files = {
            file.name: _file(self.machine, file, geometry.pte_size) for file in scenario.document.file
        }  # fmt: skip
        self.names = {
            "PG": geometry.pg_size,
            "PTE": geometry.pte_size,
            "TABLE": geometry.table_span(0),
            "PMD": geometry.table_span(1),
            "PUD": geometry.table_span(2),
            "P4D": geometry.table_span(3),
        }
        self.expressions: dict[schema.Value, Expression] = {}
        self.round: int | None = None  # of the repeat that is being carried out, from 0
        self.operations = 0
        self.faults_of_the_dead = 0
        self.failures: list[str] = []
        self.free_at_start = self.machine.memory.free_pages
        self.least_free = self.free_at_start

    def value(self, value: schema.Value) -> int:
        if isinstance(value, int):
            return value
        if value not in self.expressions:
            self.expressions[value] = Expression(value)
        return self.expressions[value].value(self.names, self.random)

    def mm(self, step: schema.Step) -> MM:
        return self.spaces[step.space][-1]

    def fail(self, entry: Entry, field: str, why: str) -> None:
        where = self.scenario.place(entry, field)
        turn = "" if self.round is None else f", round {self.round + 1}"
        self.failures.append(f"{where} at PG_SIZE {format_size(self.geometry.pg_size)}{turn}: {why}")
        if len(self.failures) >= _MOST_FAILURES:
            raise _TooManyFailures

    def step(self, entry: Entry, step: schema.Step) -> None:
        try:
            self._step(entry, step)
        except ExpressionError as error:
            self.fail(entry, "", str(error))
        self.operations += 1
        self.least_free = min(self.least_free, self.machine.memory.free_pages)
        self.progress(self.operations)

    def _step(self, entry: Entry, step: schema.Step) -> None:
        if not self.spaces.get(step.space):
            self.fail(entry, "in", f"process {step.space!r} does not live any more")
        elif isinstance(step, schema.Expect):
            self.expect(entry, step)
        elif isinstance(step, schema.Exit):
            for mm in self.spaces.pop(step.space):
                self.faults_of_the_dead += mm.faults
                mm.exit()
        elif isinstance(step, schema.DropCaches):
            self.machine.drop_caches()
        elif isinstance(step, schema.Call):
            result = self.call(entry, step)
            if step.keep is not None:
                self.names[step.keep] = result
            self.compare(entry, step, result)

    def call(self, entry: Entry, step: schema.Call) -> int:
        mm, value = self.mm(step), self.value
        match step:
            case schema.Mmap():
                flags = _bits(step.flags, schema.MAP_FLAGS)
                file = None
                if step.file is not None:
                    file, flags = self.files[step.file], flags & ~schema.MAP_FLAGS["anonymous"]
                prot = schema.PROTS[step.prot]
                return mm.mmap(value(step.addr), value(step.length), prot, flags, file, value(step.offset))
            case schema.Munmap():
                return mm.munmap(value(step.addr), value(step.length))
            case schema.Mprotect():
                return mm.mprotect(value(step.addr), value(step.length), schema.PROTS[step.prot])
            case schema.Mremap():
                flags = _bits(step.flags, schema.REMAP_FLAGS)
                lengths = value(step.length), value(step.new_length)
                return mm.mremap(value(step.addr), *lengths, flags, value(step.to))
            case schema.Madvise():
                return mm.madvise(value(step.addr), value(step.length), schema.ADVICE[step.advice])
            case schema.Mlock():
                return mm.mlock(value(step.addr), value(step.length))
            case schema.Munlock():
                return mm.munlock(value(step.addr), value(step.length))
            case schema.Msync():
                return mm.msync(value(step.addr), value(step.length), _bits(step.flags, schema.SYNC_FLAGS))
            case schema.Mincore():
                vector = mm.mincore(value(step.addr), value(step.length))
                return vector if isinstance(vector, int) else sum(vector)
            case schema.Brk():
                return mm.brk(value(step.addr))
            case schema.Touch():
                return mm.touch(value(step.addr), value(step.length), step.write)
            case schema.Write():
                fill, by = value(step.fill), value(step.step)
                return mm.write(value(step.addr), pattern(self.bytes_of(step), fill, by, self.geometry.pte_size))
            case schema.Read():
                return self.read(entry, step)
            case schema.Fork():
                child = mm.fork()
                if isinstance(child, int):
                    return child
                self.spaces.setdefault(step.child, []).append(child)
                return 0
        raise AssertionError(step)

    def bytes_of(self, step: schema.Write | schema.Read) -> int:
        """The length of a step that handles every byte."""
        length = self.value(step.length)
        if not 0 <= length <= _MOST_BYTES:
            raise ExpressionError(f"length {length} is not between 0 and {format_size(_MOST_BYTES)}")
        return length

    def read(self, entry: Entry, step: schema.Read) -> int:
        length, size = self.bytes_of(step), self.geometry.pte_size
        found = self.mm(step).read(self.value(step.addr), length)
        if isinstance(found, int):
            return found
        wanted = pattern(length, self.value(step.fill), self.value(step.step), size)
        if found != wanted:
            at = next(at for at in range(length) if found[at] != wanted[at])
            self.fail(entry, "fill", f"byte {at} (page {at // size}) is {found[at]}, expected {wanted[at]}")
        return len(found)

    def compare(self, entry: Entry, step: schema.Call, result: int) -> None:
        wanted = self.by_size(step.expect)
        if wanted is None and result < 0:
            self.fail(entry, "op", f"failed with {_shown(result)}")
        elif schema.is_errno(wanted or 0):
            if result != -getattr(errno, str(wanted)):
                self.fail(entry, "expect", f"gave {_shown(result)}, expected {wanted}")
        elif wanted is not None and wanted != "any" and (number := self.value(wanted)) != result:
            self.fail(entry, "expect", f"gave {_shown(result)}, expected {_shown(number)}")

    def by_size(self, value: schema.Value | schema.BySize | None) -> schema.Value | None:
        """The value for this geometry; None where none is given for it."""
        if isinstance(value, dict):
            return next((each for size, each in value.items() if parse_size(size) == self.geometry.pg_size), None)
        return value

    def expect(self, entry: Entry, step: schema.Expect) -> None:
        found = self.quantity(step.what, self.mm(step))
        for field, given in (("is", step.equal), ("min", step.min), ("max", step.max)):
            wanted = self.by_size(given)
            if wanted is None:
                continue
            number = self.value(wanted)
            met = {"is": found == number, "min": found >= number, "max": found <= number}[field]
            if not met:
                limit = {"is": "", "min": "at least ", "max": "at most "}[field]
                self.fail(entry, field, f"{step.what} is {_shown(found)}, expected {limit}{_shown(number)}")

    def quantity(self, what: str, mm: MM) -> int:
        machine = self.machine
        kind, _, part = what.partition(".")
        if kind == "rss":
            return mm.rss()[part]
        if kind == "waste":
            return self.waste()[part]
        if what == "maps":
            return len(mm.maps())
        if what in (use := machine.memory_use()):
            return use[what]
        return self.counters()[what]

    def waste(self) -> dict[str, int]:
        """All of it together, and bytes by cause."""
        causes = {cause: size for cause, size in self.machine.waste().items() if cause != "struct_pages_saved"}
        return {"all": sum(causes.values()), **causes}

    def counters(self) -> Mapping[str, int]:
        machine, geometry = self.machine, self.geometry
        orders = [
            order
            for order in range(MAX_PAGE_ORDER + 1)
            if any(zone.buddy.nr_free[order] for zone in machine.memory.zones)
        ]
        return {
            "faults": self.faults_of_the_dead + sum(mm.faults for mms in self.spaces.values() for mm in mms),
            "ooms": machine.ooms,
            "copied": machine.copied_ptes << geometry.pte_shift,
            "swap_ins": machine.swap_ins,
            "swap_outs": machine.swap_outs,
            "reclaims": machine.reclaims,
            "free_order": max(orders, default=-1),
            "table_count": machine.table_store.tables,
            "struct_pages": geometry.struct_page_bytes(machine.ram),
            "order_2M": geometry.order_of(2 << 20),
            "order_1G": geometry.order_of(1 << 30),
        }

    def check(self, entry: Entry) -> None:
        try:
            self.machine.check()
        except InvariantError as error:
            self.fail(entry, "", f"invariant broken: {error}")

    def figures(self) -> dict[str, int]:
        use, counters = self.machine.memory_use(), self.counters()
        waste = {f"waste.{cause}": size for cause, size in self.waste().items()}
        return {
            "peak": (self.free_at_start - self.least_free) << self.geometry.pg_shift,
            **{name: use[name] for name in ("anon", "file", "tables", "swap_used")},
            **waste,
            **{name: counters[name] for name in ("faults", "copied", "swap_outs", "ooms")},
        }

    def finish(self) -> None:
        """Lets every process exit, after which nothing but the page cache may be held."""
        last: Entry = ("step", len(self.scenario.document.step) - 1)
        for mms in self.spaces.values():
            for mm in mms:
                mm.exit()
        self.check(last)
        use = self.machine.memory_use()
        for name in ("anon", "tables", "swap_used"):
            if use[name]:
                self.fail(last, "", f"{_shown(use[name])} of {name} is left after every process has exited")


def run(scenario: Scenario, geometry: Geometry, progress: Callable[[int], None] = lambda done: None) -> Run:
    """The whole scenario. progress is told the number of operations done.

    Raises InputError only where the machine is too small to exist: running out of its memory is a result.
    """
    state = _State(scenario, geometry, progress)
    figures: dict[str, int] = {}
    try:
        for number, step in enumerate(scenario.document.step):
            _carry_out(state, ("step", number), step)
        figures = state.figures()
        state.finish()
    except _TooManyFailures:
        state.failures.append(f"{scenario.name}: given up after {_MOST_FAILURES} failures")
    return Run(geometry, state.operations, tuple(state.failures), figures)


def length(scenario: Scenario, geometry: Geometry) -> int:
    """How many operations a run will make, as far as it can be known before: repeats that count with names are 1."""
    names = {"PG": geometry.pg_size, "PTE": geometry.pte_size}
    total = 0
    for step in scenario.document.step:
        if isinstance(step, schema.Repeat):
            expression = Expression(step.times or 0)
            times = expression.value(names, Random(0)) if expression.names <= set(names) else 1
            total += (times if step.over is None else len(step.over)) * len(step.do)
        else:
            total += 1
    return total


def _carry_out(state: _State, entry: Entry, step: schema.Simple | schema.Repeat) -> None:
    if isinstance(step, schema.Repeat):
        for turn, value in enumerate(_rounds(state, step)):
            state.round = turn
            state.names["i"], state.names["each"] = turn, value
            for number, inner in enumerate(step.do):
                state.step((*entry, "do", number), inner)
                if state.operations % _CHECK_EVERY == 0:
                    state.check((*entry, "do", number))
        state.round = None
    else:
        state.step(entry, step)
    state.check(entry)


def _rounds(state: _State, step: schema.Repeat) -> Iterable[int]:
    if step.over is not None:
        return [state.value(value) for value in step.over]
    return range(state.value(step.times or 0))


def pattern(length: int, fill: int, step: int, page: int) -> bytes:
    """length bytes, all those of the k-th page equal to fill + k * step, modulo 256."""
    pages = -(-length // page)
    return b"".join(bytes([(fill + number * step) % 256]) * page for number in range(pages))[:length]


def _file(machine: Machine, spec: schema.FileSpec, page: int) -> File:
    size = parse_size(spec.size)
    return machine.file(pattern(size, spec.fill, spec.step, page) if spec.fill or spec.step else size, spec.name)


def _bits(words: str, known: Mapping[str, int]) -> int:
    bits = 0
    for word in words.split():
        bits |= known[word]
    return bits


def _shown(number: int) -> str:
    """An errno by name, a size with its unit."""
    if -4096 < number < 0:
        return errno.errorcode.get(-number, str(number))
    return f"{number} ({format_size(number)})" if number and number % 1024 == 0 else str(number)
