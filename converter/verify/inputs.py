"""Values to feed lifted expressions with: quantities of a simulated machine, one consistent situation a row.

A row is one access of a process: an address inside a VMA, that VMA, the pfn that is mapped there, the struct page that
holds it, the file behind it, a position in the file and its page-cache index. rules/lift/inputs.toml says which
quantity an input of an expression is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from converter import data, toml
from converter.errors import RulesError
from converter.mmmodel import uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Machine
from converter.mmmodel.pagecache import File
from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT
from converter.mmmodel.vma import Vma

Words = NDArray[np.uint64]

GEOMETRIES = ((12, 12), (12, 14), (12, 16))
"""(PTE_SHIFT, PG_SHIFT) of the states: both sizes one, 4K/16K and 4K/64K."""

WORDS = (64, 32)
"""Bits of a word of the machines: x86-64, and x86 with PAE."""
ROWS = 192


@dataclass(frozen=True)
class Layout:
    """Where a kernel puts what, in byte addresses.

    direct  where it maps physical memory (PAGE_OFFSET); heap, fixed: where the heap of the process and a mapping lie
    below   where its other mappings lie, from there on; 0: where the kernel puts them
    high    physical addresses of memory that has no place in the direct map begin here; 0: there is none
    kmap    where kmap() shows such memory (PKMAP_BASE)
    """

    direct: int
    heap: int
    fixed: int
    below: int = 0
    high: int = 0
    kmap: int = 0


LAYOUTS = {
    64: Layout(0xFFFF_8880_0000_0000, 0x5555_5555_0000, 0x7000_0000_3000),
    32: Layout(0xC000_0000, 0x0804_8000, 0x7000_3000, 0x4000_0000, 0x1_4000_0000, 0xFF80_0000),
}
"""By bits of a word (arch/x86/include/asm/page_64_types.h, page_32_types.h, pgtable_32_areas.h)."""


class Bind(toml.Entry, frozen=True):
    """An input whose C text `text` matches (search), and of the measure and unit where given, reads `column`."""

    column: str
    why: str
    example: str  # an input that this entry is for
    text: str = ""
    measure: Literal["", "byte", "count"] = ""
    unit: Literal["", "pte", "pg"] = ""


class _File(toml.Entry, frozen=True):
    bind: tuple[Bind, ...]


@dataclass(frozen=True)
class Situations:
    """Columns of `ROWS` rows, by name, of one geometry and word size."""

    bits: int
    pte: int
    pg: int
    columns: dict[str, Words]


def edges() -> Words:
    """Values at which C arithmetic turns: ends of the types, all ones, next to page boundaries of either size."""
    top = (1 << 64) - 1
    some = [0, 1, 2, 63, 511, 512, 4095, 4096, 4097, 16383, 16384, 65535, 65536, 65537, 1 << 20]
    ends = [(1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 47) - 4096, 1 << 52, (1 << 63) - 1, 1 << 63]
    return np.array([*some, *ends, top - 65535, top - 4095, top], np.uint64)


@cache
def situations(bits: int = 64) -> tuple[Situations, ...]:
    """One state of the model for each geometry; the same in every process."""
    return tuple(_situations(Geometry(pte_shift=pte, pg_shift=pg), bits) for pte, pg in GEOMETRIES)


def _situations(geometry: Geometry, bits: int) -> Situations:
    machine, layout = Machine(geometry, ram=256 << 20), LAYOUTS[bits]
    mm, files = _process(machine, layout)
    places = [(v, _addresses(v, geometry)) for v in mm.vmas]
    rows = [_row(mm, files, layout, *_place(places, n), n) for n in range(ROWS)]
    mm.check()
    columns = {name: np.array([r[name] for r in rows], np.uint64) for name in rows[0]}
    return Situations(bits, geometry.pte_shift, geometry.pg_shift, columns)


def _process(machine: Machine, layout: Layout) -> tuple[MM, list[File]]:
    """A process with anonymous memory, a heap, and files mapped at offsets that are no multiples of PG_SIZE."""
    mm, pte, hint = machine.spawn(layout.heap), machine.geometry.pte_size, layout.below
    files = [machine.file(size, f"file{n}") for n, size in enumerate((1, 70_001, 1 << 20, (3 << 20) + 4097))]
    rw, private = uapi.PROT_READ | uapi.PROT_WRITE, uapi.MAP_PRIVATE
    mm.brk(mm.start_brk + 37 * pte + 123)
    for n, length in enumerate((1, 5, 16, 33, 512, 700)):
        mm.mmap(hint, length * pte, rw, private | uapi.MAP_ANONYMOUS)
        mm.mmap(hint and hint + length * pte, pte, 0, private | uapi.MAP_ANONYMOUS)
        file = files[n % len(files)]
        kind = uapi.MAP_SHARED if n % 2 else private
        mm.mmap(hint and hint + (length + 2) * pte, length * pte - 100, rw, kind, file,
                (n * 3 % max(1, file.pte_count)) * pte)  # fmt: skip
        hint = hint and hint + 2 * (length + 3) * pte
    mm.mmap(layout.fixed, 48 * pte, rw, private | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED)
    for vma in list(mm.vmas):
        if vma.prot:
            mm.touch(vma.start, min(vma.end - vma.start, 64 * pte))
    return mm, files


def _addresses(vma: Vma, geometry: Geometry) -> list[int]:
    """Byte addresses inside a VMA: its ends, and bytes in pages between."""
    size = vma.end - vma.start
    return [vma.start + o % size for o in (0, size - 1, 1, size // 2, 7 * size // 11 + 5, geometry.pte_size + 8)]


def _place(places: list[tuple[Vma, list[int]]], n: int) -> tuple[Vma, int]:
    vma, addresses = places[n % len(places)]
    return vma, addresses[n // len(places) % len(addresses)]


def _row(mm: MM, files: list[File], layout: Layout, vma: Vma, addr: int, n: int) -> dict[str, int]:
    g = mm.geometry
    entry = mm.tables.get(addr >> g.pte_shift)
    file = vma.file or files[n % len(files)]
    pfn = entry >> PFN_SHIFT if entry & PRESENT else mm.machine.zero_pfn
    page = layout.direct + (g.pfn_to_page(pfn) << g.pg_shift)
    if layout.high and n % 2:
        page = layout.kmap + (g.pfn_to_page(pfn) % 32 << g.pg_shift)
        pfn += layout.high >> g.pte_shift
    phys = (pfn << g.pte_shift) + addr % g.pte_size
    position = n * 4099 * 7 % (file.size + 1)
    remaining = min(file.size - position, 1 << 20)
    left = vma.end - addr
    length = 1 + n * 7919 % left
    order = n % 11
    aligned = addr & -g.pte_size
    return {
        "va": addr, "va_page": aligned, "va_end": min(addr + length, vma.end),
        "vm_start": vma.start, "vm_end": vma.end, "vm_pteoff": vma.pteoff, "vm_len": vma.end - vma.start,
        "pteoff": vma.offset_of(addr), "ptes": (vma.end - vma.start) >> g.pte_shift, "length": length,
        "pfn": pfn, "phys": phys, "phys_page": pfn << g.pte_shift, "kaddr": page + phys % g.pg_size,
        "kaddr_page": page, "page": g.pfn_to_page(pfn),
        "position": position, "file_end": file.size, "index": position >> g.pg_shift,
        "last_index": max(file.page_count - 1, 0), "bytes": remaining, "pages": file.page_count,
        "in_page": addr % g.pg_size, "order": order, "nr": 1 << order, "block": 512 << n % 8,
        "size": length * (1 + n % 3), "bit": 1 << n % 63, "small": n % 67, "half": n * 2654435761 % (1 << 32),
    }  # fmt: skip


@cache
def binds() -> tuple[tuple[Bind, re.Pattern[str] | None], ...]:
    """The entries of rules/lift/inputs.toml, in order. Raises RulesError with file and line."""
    path = data.path("rules/lift/inputs.toml")
    known = situations()[0].columns
    found: list[tuple[Bind, re.Pattern[str] | None]] = []
    for i, b in enumerate(toml.load(path, _File).bind):
        if b.column not in known:
            raise RulesError(f"{toml.at(path, 'bind', i)}: no column {b.column!r}; there are {', '.join(known)}")
        try:
            found.append((b, re.compile(b.text) if b.text else None))
        except re.error as error:
            raise RulesError(f"{toml.at(path, 'bind', i)}: {b.text!r}: {error}") from error
    return tuple(found)


@cache
def column(text: str, measure: str, unit: str) -> str:
    """The column that an input reads, by its C text and, as far as they are known, its measure and unit."""
    for b, pattern in binds():
        if b.measure in ("", measure) and b.unit in ("", unit) and (pattern is None or pattern.search(text)):
            return b.column
    return "half"
