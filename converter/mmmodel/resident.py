"""The view of a simulated address space that /proc gives of a real one: its areas and their present pages."""

from __future__ import annotations

import numpy as np

from converter.mmmodel.mm import MM, MapsRow
from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT
from converter.mmmodel.physmem import ANON, FILE
from converter.mmmodel.procfs import HEAP, Area, Process, Residency, no_pages

_DEVICE = "00:00"


def process(mm: MM, pid: int, name: str, heap: range = range(0)) -> Process:
    """All areas of an address space; heap: the addresses that brk(2) gave it.

    The zero page is held by nobody, and so not present here.
    """
    return Process(pid, name, tuple(_residency(mm, row, heap) for row in mm.maps()))


def _residency(mm: MM, row: MapsRow, heap: range) -> Residency:
    area = Area(
        start=row.start,
        end=row.end,
        prot=row.perms(),
        offset=row.offset,
        device=_DEVICE,
        inode=row.file.ident if row.file is not None else 0,
        path=row.file.name if row.file is not None else HEAP if row.start in heap else "",
    )
    geometry, kinds = mm.geometry, mm.machine.memory.kind
    anon, file = [no_pages()], [no_pages()]
    for first, leaf, where in mm.tables.spans(row.start >> geometry.pte_shift, row.end >> geometry.pte_shift):
        entries = leaf.entries[where]
        present = np.flatnonzero(entries & PRESENT)
        kind = kinds[entries[present] >> (PFN_SHIFT + geometry.cluster_shift)]
        anon.append(present[kind == ANON] + first)
        file.append(present[kind == FILE] + first)
    size = row.file.size if row.file is not None else None
    return Residency(area, np.concatenate(anon), np.concatenate(file), file_size=size)
