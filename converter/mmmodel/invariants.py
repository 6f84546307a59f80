"""What must hold after every operation, recounted from the page tables alone.

The laws: a PTE lies in an area and maps inside a page of that area's object, at the part its pteoff says; mapcounts,
refcounts, RSS and swap counters equal a recount; a page has exactly one owner; a writable PTE is one that may be
written; nothing outlives its last reference.
"""

from typing import TYPE_CHECKING

import numpy as np

from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT, WRITABLE, Entries
from converter.mmmodel.physmem import ANON, EXCLUSIVE, FILE, FREE, KERNEL, TABLE
from converter.mmmodel.vma import VM_SHARED, VM_WRITE, Vma

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM, Machine


class InvariantError(AssertionError):
    """A law of the model is broken: a bug of the model, never of its input."""


def check(machine: "Machine") -> None:
    """Check every law; InvariantError names the first broken one."""
    mapped: list[Entries] = []
    swapped: list[Entries] = []
    for mm in machine.mms:
        _check_areas(mm)
        _check_entries(mm, mapped, swapped)
    _check_pages(machine, np.concatenate(mapped) if mapped else np.empty(0, dtype=np.int64))
    _check_swap(machine, np.concatenate(swapped) if swapped else np.empty(0, dtype=np.int64))
    _check_owners(machine)
    _check_anon_vmas(machine)


def _law(holds: bool, law: str) -> None:
    if not holds:
        raise InvariantError(law)


def _check_areas(mm: "MM") -> None:
    position = 0
    for vma in mm.vmas:
        _law(position <= vma.start < vma.end, f"areas are in order and disjoint: {vma}")
        _law(mm.geometry.pte_aligned(vma.start | vma.end), f"areas are PTE_SIZE-aligned: {vma}")
        _law(vma.file is None or vma in vma.file.mapped_by, f"a file knows who maps it: {vma}")
        position = vma.end
    _law(mm.machine.geometry.task_size >= position, "areas lie below TASK_SIZE")


def _check_entries(mm: "MM", mapped: list[Entries], swapped: list[Entries]) -> None:
    shift = mm.geometry.pte_shift
    inside = anon = files = slots = 0
    for vma in mm.vmas:
        for n, leaf, where in mm.tables.spans(vma.start >> shift, vma.end >> shift):
            entries = leaf.entries[where]
            places = np.flatnonzero(entries)
            if not len(places):
                continue
            inside += len(places)
            live = entries[places]
            present = live & PRESENT != 0
            pteoffs = places[present] + (vma.pteoff + n - (vma.start >> shift))
            of_anon, of_file = _check_present(vma, live[present], pteoffs, mapped)
            anon, files, slots = anon + of_anon, files + of_file, slots + int(np.count_nonzero(~present))
            swapped.append(live[~present] >> PFN_SHIFT)
    total = sum(int(np.count_nonzero(leaf.entries)) for leaf in mm.tables.leaves.values())
    _law(inside == total, f"every PTE lies in an area: {total - inside} do not")
    counters = (mm.rss_anon, mm.rss_file, mm.swapped)
    _law(counters == (anon, files, slots), f"RSS counters {counters} equal a recount {(anon, files, slots)}")


def _check_present(vma: Vma, entries: Entries, pteoffs: Entries, mapped: list[Entries]) -> tuple[int, int]:
    machine = vma.mm.machine
    memory, cluster = machine.memory, machine.geometry.cluster_shift
    pfns = entries >> PFN_SHIFT
    real = pfns >> cluster != machine.zero_pfn >> cluster
    _law(bool(np.all(real | (entries & WRITABLE == 0))), f"the zero page is never writable: {vma}")
    pfns, entries, pteoffs = pfns[real], entries[real], pteoffs[real]
    mapped.append(entries)
    pages = pfns >> cluster
    mask = (1 << cluster) - 1
    _law(bool(np.all(pfns & mask == pteoffs & mask)), f"a PTE maps the part of the page that its pteoff says: {vma}")
    _law(bool(np.all(memory.index[pages] == pteoffs >> cluster)), f"a page's index is its pteoff: {vma}")
    writable = entries & WRITABLE != 0
    _law(not writable.any() or bool(vma.flags & VM_WRITE), f"a writable PTE lies in a writable area: {vma}")
    kinds = memory.kind[pages]
    anon = kinds == ANON
    _law(bool(np.all(anon | (kinds == FILE))), f"a PTE maps an anonymous or a page-cache page: {vma}")
    if anon.any():
        chain = [anon_vma.ident for anon_vma in vma.chain]
        _law(bool(np.isin(memory.mapping[pages[anon]], chain).all()), f"an area's chain finds its pages: {vma}")
    if not anon.all():
        ident = vma.file.ident if vma.file is not None else -1
        _law(bool(np.all(memory.mapping[pages[~anon]] == ident)), f"a cached page belongs to the area's file: {vma}")
        _law(not (writable & ~anon).any() or bool(vma.flags & VM_SHARED), f"only shared areas write to files: {vma}")
    of_anon = int(np.count_nonzero(anon))
    return of_anon, len(anon) - of_anon


def _check_pages(machine: "Machine", entries: Entries) -> None:
    memory, cluster = machine.memory, machine.geometry.cluster_shift
    pfns = entries >> PFN_SHIFT
    counts = np.bincount(pfns >> cluster, minlength=memory.pages)
    wrong = np.flatnonzero(counts != memory.mapcount)
    _law(not len(wrong), f"mapcounts equal a recount: page {wrong[:1]} of {len(wrong)}")
    extra = np.array([0, 0, 1, 1, 1], dtype=np.int64)[memory.kind]
    wrong = np.flatnonzero(counts + extra != memory.refcount)
    _law(not len(wrong), f"refcounts equal the references: page {wrong[:1]} of {len(wrong)}")
    leaked = np.flatnonzero((memory.kind == ANON) & (counts == 0))
    _law(not len(leaked), f"an anonymous page is mapped: page {leaked[:1]} of {len(leaked)} is leaked")
    distinct, times = np.unique(pfns, return_counts=True)
    shared = distinct[times > 1]
    _law(not (memory.flags[shared >> cluster] & EXCLUSIVE).any(), "each part of an exclusive page is mapped once")
    writable = pfns[(entries & WRITABLE != 0) & (memory.kind[pfns >> cluster] == ANON)]
    _law(not np.isin(writable, shared).any(), "a part of an anonymous page that one PTE may write has no other PTE")


def _check_swap(machine: "Machine", slots: Entries) -> None:
    counts = np.bincount(slots, minlength=len(machine.swap.count))
    _law(bool(np.array_equal(counts, machine.swap.count)), "swap counts equal a recount")


def _check_owners(machine: "Machine") -> None:
    memory, geometry = machine.memory, machine.geometry
    for zone in machine.memory.zones:
        free = memory.kind[zone.first : zone.end] == FREE
        _law(bool(np.array_equal(zone.buddy.free_mask(), free)), f"zone {zone.name}: the buddy owns what nobody uses")
        _law(int(np.count_nonzero(free)) == zone.buddy.free_pages, f"zone {zone.name}: free pages are counted")
    kinds = np.bincount(memory.kind, minlength=KERNEL + 1)
    _law(int(kinds[TABLE]) == machine.table_store.pages, "page-table pages are counted")
    _law(int(kinds[KERNEL]) == memory.reserved + 1, "kernel pages are counted")
    tables = sum(mm.tables.table_count() for mm in machine.mms)
    _law(tables == machine.table_store.tables, f"{machine.table_store.tables} tables exist, {tables} are in use")
    cached = 0
    for file in machine.files.values():
        cached += len(file.pages)
        for index, page in file.pages.items():
            owner = (memory.kind_at[page], int(memory.mapping[page]), int(memory.index[page]))
            _law(owner == (FILE, file.ident, index), f"page {page} belongs to {file.name} at {index}")
    _law(cached == int(kinds[FILE]), "every page-cache page is in a file")
    stray = [pfn for pfn in memory.data if memory.kind_at[geometry.pfn_to_page(pfn)] == FREE]
    _law(not stray, f"free memory holds no bytes: pfns {stray[:3]}")


def _check_anon_vmas(machine: "Machine") -> None:
    active: dict[int, int] = {}
    links = 0
    for mm in machine.mms:
        for vma in mm.vmas:
            _law((vma.anon_vma is None) == (not vma.chain), f"an area with an anon_vma has a chain: {vma}")
            links += len(vma.chain)
            for anon_vma in vma.chain:
                _law(vma in anon_vma.vmas, f"an anon_vma knows its areas: {vma}")
                _law(anon_vma.ident in machine.anon_vmas, f"an anon_vma lives as long as its areas: {vma}")
            if vma.anon_vma is not None:
                active[vma.anon_vma.ident] = active.get(vma.anon_vma.ident, 0) + 1
    _law(links == sum(len(a.vmas) for a in machine.anon_vmas.values()), "anon_vmas hold no areas that are gone")
    for ident, anon_vma in machine.anon_vmas.items():
        _law(anon_vma.active == active.get(ident, 0), f"anon_vma {ident}: active areas are counted")
