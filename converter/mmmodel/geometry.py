"""The two page sizes and everything that follows from them.

Units: bytes; pfn and pteoff count PTE_SIZE units; page counts PG_SIZE units (one struct page each); order is a
logarithm over PG_SIZE. Source: "64k (or 16k) base page size on x86" (linux-mm, February 2026), arch/x86 page tables.
"""

import re
from dataclasses import dataclass

from converter.errors import InputError

TABLE_SHIFT = 12
"""log2 of the bytes of one page table: x86 tables are 4 KiB whatever PG_SIZE is."""
ENTRIES_SHIFT = 9
"""log2 of the entries of one page table (8 bytes each)."""
ENTRIES = 1 << ENTRIES_SHIFT
TABLE_SIZE = 1 << TABLE_SHIFT
MAX_PAGE_ORDER = 10
"""Largest buddy order (include/linux/mmzone.h)."""
STRUCT_PAGE_SIZE = 64
"""Bytes of one struct page on 64-bit (include/linux/mm_types.h)."""
MIN_PTE_SHIFT = 12
MAX_VA_BITS = 57
LEVEL_NAMES = ("pte", "pmd", "pud", "p4d", "pgd")
"""Table names from the leaf up; with 4 levels the p4d is folded into the pgd."""

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def parse_size(text: str) -> int:
    """Bytes of a size such as "64K", "2M", "1GiB" or "4096"; InputError if it is none."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InputError(f"not a size: {text!r} (write a number with K, M, G or T, such as 64K)")
    return int(match[1]) << _UNITS[match[2].lower()]


def format_size(size: int) -> str:
    """A size in the largest binary unit that divides it: 65536 is "64K"."""
    for suffix, shift in (("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if size >= 1 << shift and size % (1 << shift) == 0:
            return f"{size >> shift}{suffix}"
    return str(size)


@dataclass(frozen=True)
class Geometry:
    """PTE_SIZE, PG_SIZE and the number of page-table levels; refuses what no machine can be (InputError)."""

    pte_shift: int = 12
    pg_shift: int = 12
    levels: int = 4

    def __post_init__(self) -> None:
        if self.levels not in (4, 5):
            raise InputError(f"impossible geometry: {self.levels} page-table levels (x86-64 has 4 or 5)")
        if self.pte_shift < MIN_PTE_SHIFT:
            raise InputError(
                f"impossible geometry: PTE_SIZE of {1 << max(self.pte_shift, 0)} bytes (the smallest x86 page is 4K)"
            )
        if self.pg_shift < self.pte_shift:
            raise InputError(
                f"impossible geometry: PG_SIZE {format_size(1 << max(self.pg_shift, 0))} is smaller than PTE_SIZE"
                f" {format_size(1 << self.pte_shift)}; a struct page must cover at least one PTE"
            )
        if self.pg_shift > self.pte_shift + ENTRIES_SHIFT:
            raise InputError(
                f"impossible geometry: PG_SIZE {format_size(1 << self.pg_shift)} needs more than the {ENTRIES} entries"
                f" of one PTE table (at most {format_size(1 << (self.pte_shift + ENTRIES_SHIFT))})"
            )
        if self.va_bits > MAX_VA_BITS:
            raise InputError(
                f"impossible geometry: {self.levels} levels over PTE_SIZE {format_size(1 << self.pte_shift)} translate"
                f" {self.va_bits} address bits (at most {MAX_VA_BITS})"
            )

    @classmethod
    def parse(cls, text: str, levels: int = 4) -> "Geometry":
        """The geometry of a PG_SIZE given as text ("64K") over PTE_SIZE 4K; InputError with the reason otherwise."""
        size = parse_size(text)
        if size <= 0 or size & (size - 1):
            raise InputError(f"impossible geometry: PG_SIZE {text} is not a power of two")
        return cls(pg_shift=size.bit_length() - 1, levels=levels)

    def __str__(self) -> str:
        return f"PG_SIZE {format_size(self.pg_size)}, PTE_SIZE {format_size(self.pte_size)}, {self.levels} levels"

    @property
    def pte_size(self) -> int:
        """Bytes that one PTE maps."""
        return 1 << self.pte_shift

    @property
    def pg_size(self) -> int:
        """Bytes of an order-0 allocation."""
        return 1 << self.pg_shift

    @property
    def cluster_shift(self) -> int:
        """PG_SHIFT - PTE_SHIFT: log2 of the PTEs of one page."""
        return self.pg_shift - self.pte_shift

    @property
    def ptes_per_page(self) -> int:
        """PTEs that map one order-0 page."""
        return 1 << self.cluster_shift

    @property
    def tables_per_page(self) -> int:
        """4 KiB page tables that fit into one order-0 page."""
        return 1 << (self.pg_shift - TABLE_SHIFT)

    @property
    def va_bits(self) -> int:
        """Bits of a virtual address that the tables translate."""
        return self.pte_shift + self.levels * ENTRIES_SHIFT

    @property
    def task_size(self) -> int:
        """First byte address that user space cannot map (TASK_SIZE_MAX, arch/x86/include/asm/page_64.h)."""
        return (1 << (self.va_bits - 1)) - self.pte_size

    def level_shift(self, level: int) -> int:
        """log2 of the bytes that one entry of a table at `level` covers; level 0 is the PTE table."""
        return self.pte_shift + level * ENTRIES_SHIFT

    def table_span(self, level: int) -> int:
        """Bytes of address space that one table at `level` covers: 2M for a PTE table over 4K."""
        return 1 << (self.level_shift(level) + ENTRIES_SHIFT)

    def level_name(self, level: int) -> str:
        """ "pte", "pmd", "pud", ("p4d",) "pgd" for level 0 up."""
        return "pgd" if level == self.levels - 1 else LEVEL_NAMES[level]

    def crossed_level(self, addr: int) -> int | None:
        """The highest level whose table ends exactly at byte address `addr`, None if no table does."""
        crossed = None
        for level in range(self.levels):
            if addr % self.table_span(level) == 0:
                crossed = level
        return crossed

    def order_of(self, size: int) -> int:
        """get_order(): the smallest order whose block holds `size` bytes."""
        if size <= 0:
            raise InputError(f"no allocation order for {size} bytes")
        return max(0, (size - 1).bit_length() - self.pg_shift)

    def order_bytes(self, order: int) -> int:
        """Bytes of a block of `order`."""
        return self.pg_size << order

    def pfn_to_page(self, pfn: int) -> int:
        """The page (PG units) that holds page frame `pfn` (PTE units)."""
        return pfn >> self.cluster_shift

    def page_to_pfn(self, page: int) -> int:
        """The first page frame (PTE units) of `page` (PG units)."""
        return page << self.cluster_shift

    def pte_align(self, addr: int) -> int:
        """PTE_ALIGN(): bytes rounded up to PTE_SIZE."""
        return (addr + self.pte_size - 1) & -self.pte_size

    def pg_align(self, addr: int) -> int:
        """PG_ALIGN(): bytes rounded up to PG_SIZE."""
        return (addr + self.pg_size - 1) & -self.pg_size

    def pte_aligned(self, addr: int) -> bool:
        """True if `addr` bytes is a multiple of PTE_SIZE."""
        return not addr & (self.pte_size - 1)

    def struct_page_bytes(self, ram: int) -> int:
        """Bytes of struct pages that `ram` bytes need."""
        return (ram >> self.pg_shift) * STRUCT_PAGE_SIZE
