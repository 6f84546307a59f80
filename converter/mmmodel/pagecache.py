"""Files and their page cache, indexed in PG units.

A file's bytes live in its backing store until a page is read into the cache; a page cached and dirtied is written back
before it is dropped. The end of file is a matter of PTE units for user space: the part of the last page that lies
beyond it is never mapped (a 4K kernel gives SIGBUS there).
"""

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from converter.mmmodel.geometry import Geometry
from converter.mmmodel.physmem import DIRTY, FILE, PhysicalMemory

if TYPE_CHECKING:
    from converter.mmmodel.vma import Vma


Store = Literal["disk", "tmpfs", "anonymous"]
"""What is behind a file: a disk that pages can be written back to, nothing (tmpfs, memfd), or nothing and no name
either (shared anonymous memory, which ends with its last mapping)."""


class CacheOwner(Protocol):
    """What a file needs of the machine."""

    geometry: Geometry
    memory: PhysicalMemory

    def alloc_page(self, kind: int) -> int | None:
        """One order-0 page, or None."""


class File:
    """A file or shared anonymous memory: `size` bytes, `pages` the cached ones (index to page, both PG units)."""

    def __init__(
        self, machine: CacheOwner, ident: int, name: str, content: bytes | int, writable: bool, store: Store
    ) -> None:
        self.ident = ident
        self.name = name
        self.writable = writable  # open for writing
        self.store = store
        self.size = content if isinstance(content, int) else len(content)
        self.pages: dict[int, int] = {}
        self.mapped_by: dict[Vma, None] = {}
        self._machine = machine
        self._backing: dict[int, bytes] = {}  # by PTE_SIZE block; an absent block is zeros
        if isinstance(content, bytes):
            step = machine.geometry.pte_size
            for block in range(-(-len(content) // step)):
                part = content[block * step : (block + 1) * step]
                if part.strip(b"\0"):
                    self._backing[block] = part.ljust(step, b"\0")

    @property
    def pte_count(self) -> int:
        """Pages of PTE_SIZE that may be mapped: the size rounded up."""
        return -(-self.size >> self._machine.geometry.pte_shift)

    @property
    def page_count(self) -> int:
        """Pages of PG_SIZE that the whole file needs in the cache."""
        return -(-self.size >> self._machine.geometry.pg_shift)

    def page(self, index: int) -> int | None:
        """The cached page at `index`, read in if it is not there; None without memory."""
        page = self.pages.get(index)
        if page is not None:
            return page
        machine = self._machine
        page = machine.alloc_page(FILE)
        if page is None:
            return None
        memory, shift = machine.memory, machine.geometry.cluster_shift
        memory.mapping[page] = self.ident
        memory.index[page] = index
        self.pages[index] = page
        if self._backing:
            for part in range(machine.geometry.ptes_per_page):
                block = self._backing.get((index << shift) + part)
                if block is not None:
                    memory.data[(page << shift) + part] = bytearray(block)
                    if self.store != "disk":
                        memory.flags_at[page] |= DIRTY
        return page

    def read_ahead(self) -> int:
        """Read the whole file into the cache; returns the pages (PG units) it now has there."""
        for index in range(self.page_count):
            if self.page(index) is None:
                break
        return len(self.pages)

    def drop(self, index: int) -> None:
        """Take an unmapped page out of the cache, writing it back if it is dirty (remove_mapping(), mm/vmscan.c)."""
        page = self.pages.pop(index)
        machine = self._machine
        if machine.memory.flags[page] & DIRTY:
            self._write_back(page, index)
        machine.memory.free(page)

    def _write_back(self, page: int, index: int) -> None:
        shift, memory = self._machine.geometry.cluster_shift, self._machine.memory
        for part in range(self._machine.geometry.ptes_per_page):
            frame = memory.data.get((page << shift) + part)
            block = (index << shift) + part
            if frame is None:
                self._backing.pop(block, None)
            elif block < self.pte_count:
                beyond = self.size - (block << self._machine.geometry.pte_shift)
                self._backing[block] = bytes(frame[:beyond]).ljust(len(frame), b"\0")

    def content(self, pteoff: int) -> bytes:
        """The PTE_SIZE bytes at `pteoff`, cached or not, without reading anything in."""
        shift = self._machine.geometry.cluster_shift
        page = self.pages.get(pteoff >> shift)
        size = self._machine.geometry.pte_size
        if page is None:
            return self._backing.get(pteoff, bytes(size))
        return self._machine.memory.read((page << shift) + pteoff % (1 << shift), 0, size)

    def clear_block(self, pteoff: int) -> None:
        """Zero the PTE_SIZE bytes at `pteoff`, in the cache and behind it."""
        shift = self._machine.geometry.cluster_shift
        page = self.pages.get(pteoff >> shift)
        if page is not None:
            self._machine.memory.clear((page << shift) + pteoff % (1 << shift))
        self._backing.pop(pteoff, None)

    def tail_waste(self) -> int:
        """Bytes of cached pages beyond the end of the file rounded up to PTE_SIZE."""
        last = self.page_count - 1
        if last < 0 or last not in self.pages:
            return 0
        geometry = self._machine.geometry
        return (self.page_count << geometry.pg_shift) - (self.pte_count << geometry.pte_shift)

    def clean_unmapped(self) -> list[int]:
        """Indexes of cached pages that no PTE maps and that are clean."""
        if not self.pages:
            return []
        indexes = list(self.pages)
        pages = np.array([self.pages[index] for index in indexes], dtype=np.int64)
        memory = self._machine.memory
        idle = (memory.mapcount[pages] == 0) & (memory.flags[pages] & DIRTY == 0)
        return [indexes[i] for i in np.flatnonzero(idle)]
