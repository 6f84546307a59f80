"""The schema of a scenario file: its tables and fields, and which of them hold expressions or words (docs/sim.md)."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

from converter.mmmodel import uapi

Value = int | str
"""A number or an expression."""

BySize = dict[str, Value]
"""One value for each PG_SIZE: { 4K = 16, 64K = 1 }."""

PROTS = {"none": 0, "r": 1, "w": 2, "rw": 3, "x": 4, "rx": 5, "rwx": 7}
MAP_FLAGS = {
    "shared": uapi.MAP_SHARED,
    "private": uapi.MAP_PRIVATE,
    "anonymous": uapi.MAP_ANONYMOUS,
    "fixed": uapi.MAP_FIXED,
    "noreplace": uapi.MAP_FIXED_NOREPLACE,
    "populate": uapi.MAP_POPULATE,
    "growsdown": uapi.MAP_GROWSDOWN,
    "locked": uapi.MAP_LOCKED,
    "noreserve": uapi.MAP_NORESERVE,
}
REMAP_FLAGS = {
    "maymove": uapi.MREMAP_MAYMOVE,
    "fixed": uapi.MREMAP_FIXED,
    "dontunmap": uapi.MREMAP_DONTUNMAP,
}
ADVICE = {name.removeprefix("MADV_").lower(): value for name, value in vars(uapi).items() if name.startswith("MADV_")}
SYNC_FLAGS = {"async": uapi.MS_ASYNC, "invalidate": uapi.MS_INVALIDATE, "sync": uapi.MS_SYNC}

QUANTITIES = (
    *("total", "free", "anon", "file", "tables", "kernel", "swap_used"),
    *("rss.anon", "rss.file", "rss.swap", "maps", "faults", "ooms", "copied", "swap_ins", "swap_outs", "reclaims"),
    *("free_order", "table_count", "struct_pages", "order_2M", "order_1G"),
    *("waste.vma_end", "waste.misaligned", "waste.crossing", "waste.cow_siblings", "waste.unmapped"),
    *("waste.tables", "waste.file_tail", "waste.all"),
)
"""What an `expect` step can ask for; docs/sim.md says what each is."""

CONSTANTS = ("PG", "PTE", "TABLE", "PMD", "PUD", "P4D")
"""Names that every expression knows: the two sizes, and the bytes that one table of each level maps."""

FIRST_SPACE = "main"
_ERRNO = re.compile(r"E[A-Z0-9]+")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op"):
    """One step. space: the process that makes it (`in`)."""

    space: str = msgspec.field(default=FIRST_SPACE, name="in")

    values: ClassVar[tuple[str, ...]] = ()  # fields that hold expressions
    words: ClassVar[dict[str, dict[str, int]]] = {}  # fields that hold words, and which


class Call(Step, frozen=True, kw_only=True):
    """A step with a result. expect: an errno, "any", or the value it must return; without it, no errno."""

    expect: Value | BySize | None = None
    keep: str | None = msgspec.field(default=None, name="as")


class Range(Call, frozen=True, kw_only=True):
    """A call on [addr, addr + length)."""

    addr: Value
    length: Value

    values: ClassVar[tuple[str, ...]] = ("addr", "length")


class Mmap(Call, frozen=True, kw_only=True, tag="mmap"):
    length: Value
    addr: Value = 0
    prot: str = "rw"
    flags: str = "private anonymous"
    file: str | None = None
    offset: Value = 0

    values: ClassVar[tuple[str, ...]] = ("addr", "length", "offset")
    words: ClassVar[dict[str, dict[str, int]]] = {"prot": PROTS, "flags": MAP_FLAGS}


class Munmap(Range, frozen=True, kw_only=True, tag="munmap"):
    pass


class Mprotect(Range, frozen=True, kw_only=True, tag="mprotect"):
    prot: str

    words: ClassVar[dict[str, dict[str, int]]] = {"prot": PROTS}


class Mremap(Range, frozen=True, kw_only=True, tag="mremap"):
    new_length: Value
    flags: str = "maymove"
    to: Value = 0

    values: ClassVar[tuple[str, ...]] = ("addr", "length", "new_length", "to")
    words: ClassVar[dict[str, dict[str, int]]] = {"flags": REMAP_FLAGS}


class Madvise(Range, frozen=True, kw_only=True, tag="madvise"):
    advice: str

    words: ClassVar[dict[str, dict[str, int]]] = {"advice": ADVICE}


class Mlock(Range, frozen=True, kw_only=True, tag="mlock"):
    pass


class Munlock(Range, frozen=True, kw_only=True, tag="munlock"):
    pass


class Msync(Range, frozen=True, kw_only=True, tag="msync"):
    flags: str = "sync"

    words: ClassVar[dict[str, dict[str, int]]] = {"flags": SYNC_FLAGS}


class Mincore(Range, frozen=True, kw_only=True, tag="mincore"):
    """Returns how many pages of PTE_SIZE are resident."""


class Brk(Call, frozen=True, kw_only=True, tag="brk"):
    addr: Value

    values: ClassVar[tuple[str, ...]] = ("addr",)


class Touch(Range, frozen=True, kw_only=True, tag="touch"):
    """Accesses every page of the range; returns the number of faults."""

    write: bool = True


class Write(Range, frozen=True, kw_only=True, tag="write"):
    """Stores the byte fill + k * step (modulo 256) all over the k-th PTE_SIZE page; returns the bytes stored."""

    fill: Value = 1
    step: Value = 0

    values: ClassVar[tuple[str, ...]] = ("addr", "length", "fill", "step")


class Read(Range, frozen=True, kw_only=True, tag="read"):
    """Reads, and compares with what such a Write stored; returns the bytes read."""

    fill: Value = 1
    step: Value = 0

    values: ClassVar[tuple[str, ...]] = ("addr", "length", "fill", "step")


class Fork(Call, frozen=True, kw_only=True, tag="fork"):
    """Makes the process `child`."""

    child: str


class Exit(Step, frozen=True, kw_only=True, tag="exit"):
    pass


class DropCaches(Step, frozen=True, kw_only=True, tag="drop_caches"):
    pass


class Expect(Step, frozen=True, kw_only=True, tag="expect"):
    """Compares a quantity. At least one of equal (`is`), min and max."""

    what: str
    equal: Value | BySize | None = msgspec.field(default=None, name="is")
    min: Value | BySize | None = None
    max: Value | BySize | None = None


Simple = (
    Mmap | Munmap | Mprotect | Mremap | Madvise | Mlock | Munlock | Msync | Mincore | Brk
    | Touch | Write | Read | Fork | Exit | DropCaches | Expect
)  # fmt: skip


class Repeat(Step, frozen=True, kw_only=True, tag="repeat"):
    """Carries out `do` in rounds: `times` of them, or one for each value of `over`.

    The expressions in it know the number of the round, from 0, as i, and the value as each.
    """

    do: list[Simple]
    times: Value | None = None
    over: list[Value] | None = None


class MachineSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine that a scenario runs on; sizes as text."""

    ram: str = "64M"
    swap: str = "0"
    tables: Literal["whole-page", "packed", "batch"] = "whole-page"
    crossing: Literal["naive", "straddle"] = "naive"
    levels: int = 4
    pg: list[str] = msgspec.field(default_factory=lambda: ["4K", "16K", "64K"])


class FileSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that steps can map. Its k-th PTE_SIZE page is filled with the byte fill + k * step (modulo 256)."""

    name: str
    size: str
    fill: int = 0
    step: int = 0


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario file as it is written."""

    about: str
    step: list[Simple | Repeat]
    seed: int = 1
    machine: MachineSpec = msgspec.field(default_factory=MachineSpec)
    file: list[FileSpec] = msgspec.field(default_factory=list)


def is_errno(value: Value) -> bool:
    """Whether an expected value is the name of an error."""
    return isinstance(value, str) and _ERRNO.fullmatch(value) is not None
