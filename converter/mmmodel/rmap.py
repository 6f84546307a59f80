"""Reverse mapping: from a page to the PTEs that map it.

An anonymous page names an anon_vma, a page-cache page a file; both name the areas that may map it, and in each area a
page of index i can be mapped only where pteoff is in [i, i + 1) pages. So every PTE of a page lies at a pteoff that is
congruent to its pfn modulo PG_SIZE / PTE_SIZE, wherever mremap(2) has moved it. Source: mm/rmap.c.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT
from converter.mmmodel.physmem import ANON

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM, Machine
    from converter.mmmodel.vma import Vma


def page_areas(machine: "Machine", page: int) -> "Iterable[Vma]":
    """The areas that may map `page` (PG units)."""
    mapping = int(machine.memory.mapping[page])
    if machine.memory.kind[page] == ANON:
        anon_vma = machine.anon_vmas.get(mapping)
        return () if anon_vma is None else anon_vma.vmas
    return machine.files[mapping].mapped_by


def page_ptes(machine: "Machine", page: int) -> "Iterator[tuple[MM, Vma, int, int]]":
    """rmap_walk(): (address space, area, entry number, entry) of each PTE that maps any part of `page`."""
    geometry = machine.geometry
    shift, pte_shift = geometry.cluster_shift, geometry.pte_shift
    first = int(machine.memory.index[page]) << shift
    for vma in page_areas(machine, page):
        low, high = max(first, vma.pteoff), min(first + (1 << shift), vma.pte_end)
        if low >= high:
            continue
        n = (vma.start >> pte_shift) + low - vma.pteoff
        for i, entry in enumerate(vma.mm.tables.get_range(n, n + high - low)):
            if entry & PRESENT and entry >> PFN_SHIFT >> shift == page:
                yield vma.mm, vma, n + i, entry


def pte_mapcount(machine: "Machine", pfn: int) -> int:
    """PTEs that map exactly the page frame `pfn` (PTE units)."""
    page = machine.geometry.pfn_to_page(pfn)
    return sum(1 for _, _, _, entry in page_ptes(machine, page) if entry >> PFN_SHIFT == pfn)


def mapped_only_by(machine: "Machine", page: int, mm: "MM") -> bool:
    """True if every PTE of the page is in `mm` and nothing else holds a reference: it may be written in place."""
    memory = machine.memory
    if memory.ref_at[page] != memory.map_at[page]:
        return False
    return sum(1 for owner, _, _, _ in page_ptes(machine, page) if owner is mm) == memory.map_at[page]
