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
    count = _Recount(machine)
    for mm in machine.mms:
        _check_areas(mm)
        _check_entries(mm, count)
    _check_pages(machine, count)
    _law(np.array_equal(count.slots, machine.swap.count), "swap counts equal a recount")
    _check_owners(machine)
    _check_anon_vmas(machine)


class _Recount:
    """What the page tables say, table by table: PTEs of each page and swap slot, and page frames seen before."""

    def __init__(self, machine: "Machine") -> None:
        pages = machine.memory.pages
        self.pages = np.zeros(pages, dtype=np.int32)
        self.slots = np.zeros(len(machine.swap.count), dtype=np.int32)
        frames = machine.geometry.page_to_pfn(pages)
        self.mapped = np.zeros(frames, dtype=np.bool_)  # anonymous page frames with a PTE
        self.shared = np.zeros(frames, dtype=np.bool_)  # with more than one
        self.writable = np.zeros(frames, dtype=np.bool_)  # with a writable one

    def add_anon(self, pfns: Entries, writable: Entries) -> None:
        """Count the anonymous page frames of one table."""
        self.shared[pfns[self.mapped[pfns]]] = True
        self.mapped[pfns] = True
        self.writable[writable] = True
        distinct, times = np.unique(pfns, return_counts=True)
        if len(distinct) < len(pfns):
            self.shared[distinct[times > 1]] = True


def _law(holds: bool, law: str, where: object = "") -> None:
    if not holds:
        raise InvariantError(f"{law}: {where}" if where else law)


def _check_areas(mm: "MM") -> None:
    position = 0
    for vma in mm.vmas:
        _law(position <= vma.start < vma.end, "areas are in order and disjoint", vma)
        _law(mm.geometry.pte_aligned(vma.start | vma.end), "areas are PTE_SIZE-aligned", vma)
        _law(vma.file is None or vma in vma.file.mapped_by, "a file knows who maps it", vma)
        position = vma.end
    _law(mm.machine.geometry.task_size >= position, "areas lie below TASK_SIZE")


def _check_entries(mm: "MM", count: _Recount) -> None:
    shift = mm.geometry.pte_shift
    inside = anon = files = swapped = 0
    for vma in mm.vmas:
        for n, entries in mm.tables.views(vma.start >> shift, vma.end >> shift):
            places = np.flatnonzero(entries)
            if not len(places):
                continue
            inside += len(places)
            live = entries[places]
            present = live & PRESENT != 0
            if not present.all():
                slots = live[~present] >> PFN_SHIFT
                np.add.at(count.slots, slots, 1)
                swapped += len(slots)
                live, places = live[present], places[present]
            of_anon, of_file = _check_present(vma, live, places + (vma.pteoff + n - (vma.start >> shift)), count)
            anon, files = anon + of_anon, files + of_file
    total = mm.tables.entry_count()
    _law(inside == total, f"every PTE lies in an area: {total - inside} do not")
    counters, recount = (mm.rss_anon, mm.rss_file, mm.swapped), (anon, files, swapped)
    _law(counters == recount, "RSS counters equal a recount", (counters, recount))


def _check_present(vma: Vma, entries: Entries, pteoffs: Entries, count: _Recount) -> tuple[int, int]:
    """The laws of the present entries of one table within one area; how many are anonymous, and how many not."""
    machine = vma.mm.machine
    memory, cluster = machine.memory, machine.geometry.cluster_shift
    pfns = entries >> PFN_SHIFT
    real = pfns >> cluster != machine.zero_pfn >> cluster
    if not real.all():
        _law(not (entries[~real] & WRITABLE).any(), "the zero page is never writable", vma)
        pfns, entries, pteoffs = pfns[real], entries[real], pteoffs[real]
    pages = pfns >> cluster
    np.add.at(count.pages, pages, 1)
    mask = (1 << cluster) - 1
    _law(not ((pfns ^ pteoffs) & mask).any(), "a PTE maps the part of the page that its pteoff says", vma)
    _law(np.array_equal(memory.index[pages], pteoffs >> cluster), "a page's index is its pteoff", vma)
    writable = entries & WRITABLE != 0
    if writable.any():
        _law(bool(vma.flags & VM_WRITE), "a writable PTE lies in a writable area", vma)
    kinds, mappings = memory.kind[pages], memory.mapping[pages]
    anon = kinds == ANON
    if anon.any():
        count.add_anon(pfns[anon], pfns[anon & writable])
        chain = {anon_vma.ident for anon_vma in vma.chain}
        _law(set(np.unique(mappings[anon]).tolist()) <= chain, "an area's chain finds its pages", vma)
    if not anon.all():
        ident = vma.file.ident if vma.file is not None else -1
        _law(bool((kinds[~anon] == FILE).all()), "a PTE maps an anonymous or a page-cache page", vma)
        _law(bool((mappings[~anon] == ident).all()), "a page-cache page belongs to the area's file", vma)
        _law(not (writable & ~anon).any() or bool(vma.flags & VM_SHARED), "only shared areas write to files", vma)
    of_anon = int(np.count_nonzero(anon))
    return of_anon, len(anon) - of_anon


def _check_pages(machine: "Machine", count: _Recount) -> None:
    memory, cluster = machine.memory, machine.geometry.cluster_shift
    wrong = np.flatnonzero(count.pages != memory.mapcount)
    _law(not len(wrong), "mapcounts equal a recount", f"page {wrong[:1]} of {len(wrong)}")
    wrong = np.flatnonzero(count.pages + (memory.kind >= FILE) != memory.refcount)
    _law(not len(wrong), "refcounts equal the references", f"page {wrong[:1]} of {len(wrong)}")
    leaked = np.flatnonzero((memory.kind == ANON) & (count.pages == 0))
    _law(not len(leaked), "an anonymous page is mapped", f"page {leaked[:1]} of {len(leaked)} is leaked")
    shared = np.flatnonzero(count.shared)
    _law(not (memory.flags[shared >> cluster] & EXCLUSIVE).any(), "each part of an exclusive page is mapped once")
    _law(not count.writable[shared].any(), "a part of an anonymous page that one PTE may write has no other PTE")


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
            _law((vma.anon_vma is None) == (not vma.chain), "an area with an anon_vma has a chain", vma)
            links += len(vma.chain)
            for anon_vma in vma.chain:
                _law(vma in anon_vma.vmas, "an anon_vma knows its areas", vma)
                _law(anon_vma.ident in machine.anon_vmas, "an anon_vma lives as long as its areas", vma)
            if vma.anon_vma is not None:
                active[vma.anon_vma.ident] = active.get(vma.anon_vma.ident, 0) + 1
    _law(links == sum(len(a.vmas) for a in machine.anon_vmas.values()), "anon_vmas hold no areas that are gone")
    for ident, anon_vma in machine.anon_vmas.items():
        _law(anon_vma.active == active.get(ident, 0), f"anon_vma {ident}: active areas are counted")
