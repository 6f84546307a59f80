"""Page faults: anonymous (zero page and real), file, shared write, private copy-on-write, swap-in.

A fault works on the *group* of PTEs that the faulting page would have: those at the pteoffs that agree in everything
above PG_SIZE, cut at the ends of the area, and with the naive strategy also at the ends of the page table. One page
serves the whole group. A page that the group already owns exclusively takes in further parts one by one: only the
faulting part is copied into it, never the whole page, since its other parts may have been written since.
"""

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from converter.mmmodel.anon_vma import prepare_anon_vma
from converter.mmmodel.geometry import ENTRIES
from converter.mmmodel.pagetable import ACCESSED, DIRTY, ENTRY_MASK, PFN_SHIFT, PRESENT, WRITABLE
from converter.mmmodel.physmem import ANON, EXCLUSIVE
from converter.mmmodel.physmem import DIRTY as PAGE_DIRTY
from converter.mmmodel.rmap import mapped_only_by
from converter.mmmodel.vma import VM_SHARED, Vma

if TYPE_CHECKING:
    from converter.mmmodel.mm import Machine

FAULT_AROUND = 16
"""PTEs that a file read fault maps around itself if they are cached (fault_around_bytes, 64K, mm/memory.c)."""


class Result(IntEnum):
    """How a fault ended (vm_fault_t): fine, SIGSEGV, SIGBUS, no memory; or it must start again (within this module)."""

    OK = 0
    SEGV = 1
    BUS = 2
    OOM = 3
    RETRY = 4


def handle_fault(vma: Vma, n: int, write: bool) -> Result:
    """Resolve an access to entry n (PTE units) of `vma` that its protection allows (handle_mm_fault())."""
    result = _fault(vma, n, write)
    while result is Result.RETRY:
        result = _fault(vma, n, write)
    return result


def _fault(vma: Vma, n: int, write: bool) -> Result:
    """handle_pte_fault()."""
    mm = vma.mm
    leaf = mm.tables.ensure(n)
    if leaf is None:
        return Result.OOM
    entry = leaf.at[n & ENTRY_MASK]
    if entry & PRESENT:
        if write and not entry & WRITABLE:
            mm.faults += 1
            return _write_protected(vma, n, entry)
        leaf.at[n & ENTRY_MASK] = entry | (ACCESSED | DIRTY if write else ACCESSED)
        return Result.OK
    mm.faults += 1
    if entry:
        return _swap_in(vma, n, entry, write)
    if vma.file is None:
        return _anonymous_write(vma, n) if write else _anonymous_read(vma, n)
    if write and not vma.flags & VM_SHARED:
        return _file_private_write(vma, n)
    return _file_map(vma, n, write)


def group(vma: Vma, n: int) -> tuple[int, int]:
    """The entries [low, high) that share a page with entry n."""
    mm = vma.mm
    geometry = mm.geometry
    count = geometry.ptes_per_page
    if count == 1:
        return n, n + 1
    first = vma.start >> geometry.pte_shift
    low = n - (vma.pteoff + n - first) % count
    high = min(low + count, vma.end >> geometry.pte_shift)
    low = max(low, first)
    table = n & ~ENTRY_MASK
    if low >= table and high <= table + ENTRIES:
        return low, high
    if mm.machine.crossing == "straddle" and _ensure_both(vma, low, high):
        return low, high
    return max(low, table), min(high, table + ENTRIES)


def _ensure_both(vma: Vma, low: int, high: int) -> bool:
    tables = vma.mm.tables
    return tables.ensure(low) is not None and tables.ensure(high - 1) is not None


def own_page(machine: "Machine", entries: list[int]) -> int | None:
    """The anonymous page that only these entries map, so that its other parts are free to fill; None if none is."""
    if len(entries) == 1:
        return None
    memory, shift = machine.memory, machine.geometry.cluster_shift + PFN_SHIFT
    counts: dict[int, int] = {}
    for entry in entries:
        if entry & PRESENT:
            page = entry >> shift
            counts[page] = counts.get(page, 0) + 1
    for page, count in counts.items():
        if (
            memory.flags_at[page] & EXCLUSIVE
            and memory.kind_at[page] == ANON
            and memory.map_at[page] == count
            and memory.ref_at[page] == count
        ):
            return page
    return None


def new_anon_page(vma: Vma, n: int) -> int | None:
    """A page for the group of entry n, not mapped yet (refcount 0); None without memory."""
    prepare_anon_vma(vma)
    machine = vma.mm.machine
    page = machine.alloc_page(ANON)
    if page is None:
        return None
    assert vma.anon_vma is not None
    memory, geometry = machine.memory, machine.geometry
    memory.flags_at[page] = EXCLUSIVE
    memory.ref_at[page] = 0
    memory.mapping[page] = vma.anon_vma.ident
    memory.index[page] = (vma.pteoff + n - (vma.start >> geometry.pte_shift)) >> geometry.cluster_shift
    return page


class _Target(NamedTuple):
    """Where the anonymous copy of an entry goes: the group from entry `low` on, and a page for it."""

    low: int
    entries: list[int]
    page: int
    new: bool


def _target(vma: Vma, n: int) -> _Target | Result:
    """The group's own page, or a new one; RETRY if reclaim ran for it, as entries may have changed."""
    machine = vma.mm.machine
    low, high = group(vma, n)
    entries = vma.mm.tables.get_range(low, high)
    page = own_page(machine, entries)
    if page is not None:
        prepare_anon_vma(vma)
        return _Target(low, entries, page, False)
    generation = machine.reclaims
    page = new_anon_page(vma, n)
    if page is None:
        return Result.OOM
    if machine.reclaims != generation:
        machine.memory.free(page)
        return Result.RETRY
    return _Target(low, entries, page, True)


def _anonymous_read(vma: Vma, n: int) -> Result:
    mm = vma.mm
    low, high = group(vma, n)
    mask = mm.geometry.ptes_per_page - 1
    delta = vma.pteoff - (vma.start >> mm.geometry.pte_shift)
    for i, entry in enumerate(mm.tables.get_range(low, high), low):
        if not entry:
            mm.tables.set(i, (mm.machine.zero_pfn + (i + delta & mask)) << PFN_SHIFT | PRESENT | ACCESSED)
    return Result.OK


def _anonymous_write(vma: Vma, n: int) -> Result:
    found = _target(vma, n)
    if isinstance(found, Result):
        return found
    low, entries, page, new = found
    mm = vma.mm
    machine, tables, shift = mm.machine, mm.tables, mm.geometry.cluster_shift
    mask = (1 << shift) - 1
    delta = vma.pteoff - (vma.start >> mm.geometry.pte_shift)
    zero_page, mapped = machine.zero_pfn >> shift, 0
    for i, entry in enumerate(entries, low):
        if not entry or (entry & PRESENT and entry >> PFN_SHIFT >> shift == zero_page):
            pfn = (page << shift) + (i + delta & mask)
            if not new:
                machine.memory.clear(pfn)
            tables.set(i, pfn << PFN_SHIFT | PRESENT | WRITABLE | (ACCESSED | DIRTY if i == n else 0))
            mapped += 1
    mm.map_anon(page, mapped)
    return Result.OK


def _write_protected(vma: Vma, n: int, entry: int) -> Result:
    """do_wp_page(), mm/memory.c."""
    mm = vma.mm
    memory = mm.machine.memory
    page = entry >> PFN_SHIFT >> mm.geometry.cluster_shift
    if vma.flags & VM_SHARED:
        memory.flags_at[page] |= PAGE_DIRTY
        mm.tables.set(n, entry | WRITABLE | ACCESSED | DIRTY)
        return Result.OK
    if page == mm.machine.zero_pfn >> mm.geometry.cluster_shift:
        return _anonymous_write(vma, n)
    if memory.kind_at[page] != ANON:
        return _copy(vma, n, entry, alone=True)
    if memory.flags_at[page] & EXCLUSIVE or mapped_only_by(mm.machine, page, mm):
        memory.flags_at[page] |= EXCLUSIVE
        mm.tables.set(n, entry | WRITABLE | ACCESSED | DIRTY)
        return Result.OK
    return _copy(vma, n, entry, alone=False)


def _copy(vma: Vma, n: int, entry: int, alone: bool) -> Result:
    """Copy-on-write of entry n; siblings that map the same anonymous page move with it.

    `alone`: the source is a page-cache page, whose siblings must go on seeing what others write to the file.
    """
    found = _target(vma, n)
    if isinstance(found, Result):
        return found
    low, entries, page, _ = found
    mm = vma.mm
    memory, tables, shift = mm.machine.memory, mm.tables, mm.geometry.cluster_shift
    mask = (1 << shift) - 1
    source = entry >> PFN_SHIFT >> shift
    moved = 0
    for i, old in enumerate(entries, low):
        if old & PRESENT and old >> PFN_SHIFT >> shift == source and (i == n or not alone):
            pfn = (page << shift) + (old >> PFN_SHIFT & mask)
            memory.copy(old >> PFN_SHIFT, pfn)
            tables.set(i, pfn << PFN_SHIFT | PRESENT | WRITABLE | DIRTY | (ACCESSED if i == n else 0))
            moved += 1
    mm.map_anon(page, moved)
    mm.unmap(source, moved)
    mm.machine.copied_ptes += moved
    return Result.OK


def _file_private_write(vma: Vma, n: int) -> Result:
    """do_cow_fault(): the first access to a private file page is a write; copy it straight from the page cache."""
    mm = vma.mm
    machine, shift = mm.machine, mm.geometry.cluster_shift
    assert vma.file is not None
    pteoff = vma.pteoff + n - (vma.start >> mm.geometry.pte_shift)
    if pteoff >= vma.file.pte_count:
        return Result.BUS
    found = _target(vma, n)
    if isinstance(found, Result):
        return found
    _, _, page, new = found
    generation = machine.reclaims
    source = vma.file.page(pteoff >> shift)
    if source is None or machine.reclaims != generation:
        if new:
            machine.memory.free(page)
        return Result.OOM if source is None else Result.RETRY
    part = pteoff & ((1 << shift) - 1)
    pfn = (page << shift) + part
    machine.memory.copy((source << shift) + part, pfn)
    mm.tables.set(n, pfn << PFN_SHIFT | PRESENT | WRITABLE | ACCESSED | DIRTY)
    mm.map_anon(page, 1)
    machine.copied_ptes += 1
    return Result.OK


def _file_map(vma: Vma, n: int, write: bool) -> Result:
    """Map page-cache pages: the faulting one, its siblings, and with a read what is cached around it."""
    mm = vma.mm
    machine, file, shift = mm.machine, vma.file, mm.geometry.cluster_shift
    assert file is not None
    delta = vma.pteoff - (vma.start >> mm.geometry.pte_shift)
    if n + delta >= file.pte_count:
        return Result.BUS
    low, high = group(vma, n)
    page = file.page((n + delta) >> shift)
    if page is None:
        return Result.OOM
    if not write:
        low, high = _around(vma, n, low, high)
    high = min(high, file.pte_count - delta)
    mask, counts = (1 << shift) - 1, dict[int, int]()
    for i, entry in enumerate(mm.tables.get_range(low, high), low):
        if entry:
            continue
        found = file.pages.get((i + delta) >> shift)
        if found is None:
            continue
        pfn = (found << shift) + (i + delta & mask)
        mm.tables.set(i, pfn << PFN_SHIFT | PRESENT | (ACCESSED if i == n else 0))
        counts[found] = counts.get(found, 0) + 1
    for found, count in counts.items():
        mm.map_file(found, count)
    if write:
        machine.memory.flags_at[page] |= PAGE_DIRTY
        mm.tables.set(n, mm.tables.get(n) | WRITABLE | DIRTY)
    return Result.OK


def _around(vma: Vma, n: int, low: int, high: int) -> tuple[int, int]:
    """do_fault_around(): a window that starts aligned or with the area, ends with it or the table, holds the group."""
    shift = vma.mm.geometry.pte_shift
    first = max(n - n % FAULT_AROUND, vma.start >> shift)
    last = min(first + FAULT_AROUND, vma.end >> shift, (n | ENTRY_MASK) + 1)
    return min(low, first), max(high, last)


def _swap_in(vma: Vma, n: int, entry: int, write: bool) -> Result:
    """do_swap_page(): bring back the part, and the siblings that went out with it."""
    found = _target(vma, n)
    if isinstance(found, Result):
        return found
    low, entries, page, _ = found
    mm = vma.mm
    machine, count = mm.machine, mm.geometry.ptes_per_page
    cluster, brought = (entry >> PFN_SHIFT) // count, 0
    for i, old in enumerate(entries, low):
        slot = old >> PFN_SHIFT
        if not old or old & PRESENT or slot // count != cluster:
            continue
        pfn = page * count + slot % count
        data = machine.swap.data.get(slot)
        if data is None:
            machine.memory.clear(pfn)
        else:
            machine.memory.data[pfn] = bytearray(data)
        machine.swap.put(slot)
        written = write and i == n
        mm.tables.set(i, pfn << PFN_SHIFT | PRESENT | DIRTY | (WRITABLE | ACCESSED if written else 0))
        brought += 1
    mm.map_anon(page, brought)
    mm.swapped -= brought
    machine.swap_ins += brought
    return Result.OK
