"""How much memory a set of mappings holds at a PG_SIZE, and what of it is waste, by cause (DESIGN.md section 6).

An anonymous page belongs to one VMA and is placed by linear index: the virtual address, or the file offset where a
private file mapping was written to. A page of the page cache belongs to its file, whoever maps it. Waste is what a
page holds beyond the PTE_SIZE pages that were present in it, so it is 0 at PG_SIZE == PTE_SIZE.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from converter.mmmodel.geometry import Geometry
from converter.mmmodel.procfs import Indexes, Process, Residency, Skipped

CAUSES = {
    "misaligned": "the page begins before its VMA does",
    "vma-end": "the page goes on after its VMA ends",
    "table-crossing": "the page goes on behind a page-table boundary, where naive code maps another page",
    "cow-siblings": "neighbours copied along with a written page of a private file mapping",
    "untouched": "neighbours inside the VMA or file that are not mapped",
    "file-tails": "the page goes on after the end of its file",
}
"""Every cause of waste, and what it means."""

STRUCT_PAGE = 64
"""Bytes of one struct page (include/linux/mm_types.h, x86_64 defconfig)."""

_Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tables:
    """Page tables of one process: how many 4 KiB tables, and the bytes that they hold under each strategy."""

    count: int
    whole_page: int  # each table in an order-0 page of its own
    packed: int  # several to an order-0 page


@dataclass(frozen=True, slots=True)
class Held:
    """Memory held at one PG_SIZE, in bytes. by_area has one figure for each area that was measured, in its order."""

    anon: int
    file: int
    waste: dict[str, int]
    by_area: tuple[int, ...]

    @property
    def total(self) -> int:
        return self.anon + self.file

    @property
    def struct_pages(self) -> int:
        """pages of a geometry times STRUCT_PAGE needs the geometry; see Footprint.struct_pages."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the areas lie on a PG_SIZE grid."""

    areas: int
    off_grid: int  # an edge that PG_SIZE does not divide
    backed: int
    incongruent: int  # address and file offset differ modulo PG_SIZE


@dataclass(frozen=True, slots=True)
class _Waste:
    """Parts of pages, in PTE_SIZE units, one figure for each page."""

    area: NDArray[np.int64]
    parts: dict[str, _Counts] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return len(self.area)
