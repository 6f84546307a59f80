"""Physical memory: zones, struct pages and the bytes in them.

A page (PG units) has one struct page: a row over the arrays of `PhysicalMemory`. A pfn counts PTE units. Bytes are kept
for each pfn that was ever written; a pfn without an entry reads as zeros, so that a terabyte costs what is touched.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np

from converter.errors import InputError
from converter.mmmodel.buddy import Buddy, Pages, Watermarks
from converter.mmmodel.geometry import Geometry

FREE, ANON, FILE, TABLE, KERNEL = range(5)
"""What a page is used for (`PhysicalMemory.kind`)."""

EXCLUSIVE, DIRTY, LAZYFREE = 1, 2, 4
"""Bits of `PhysicalMemory.flags`: PageAnonExclusive, PG_dirty, an anonymous page that MADV_FREE made clean."""

_DMA32_END = 1 << 32
_MIN_FREE_KIB, _MAX_FREE_KIB = 128, 262144


@dataclass
class Zone:
    """`pages` pages from page number `first` on."""

    name: str
    first: int
    buddy: Buddy
    watermarks: Watermarks

    @property
    def end(self) -> int:
        """The page number after the zone."""
        return self.first + self.buddy.pages


def min_free_kbytes(ram: int) -> int:
    """The kernel's default reserve in KiB for `ram` bytes (calculate_min_free_kbytes(), mm/page_alloc.c)."""
    return max(_MIN_FREE_KIB, min(_MAX_FREE_KIB, isqrt((ram >> 10) * 16)))


class PhysicalMemory:
    """`ram` bytes of pages of PG_SIZE; refuses less than sixteen pages (InputError)."""

    def __init__(self, geometry: Geometry, ram: int) -> None:
        pages = ram >> geometry.pg_shift
        if pages < 16:
            raise InputError(f"ram of {ram} bytes holds {pages} pages of {geometry.pg_size} bytes (at least 16)")
        self.geometry = geometry
        self.pages = pages
        self.kind = np.zeros(pages, dtype=np.uint8)
        self.flags = np.zeros(pages, dtype=np.uint8)
        self.mapping = np.zeros(pages, dtype=np.int32)  # anon_vma or file identity
        self.index = np.zeros(pages, dtype=np.int64)  # linear page index (PG units) in the mapping
        self.mapcount = np.zeros(pages, dtype=np.int32)  # PTEs that map any part of the page
        self.refcount = np.zeros(pages, dtype=np.int32)
        # The same arrays for single elements: a memoryview spares numpy's boxing.
        self.kind_at = self.kind.data
        self.flags_at = self.flags.data
        self.map_at = self.mapcount.data
        self.ref_at = self.refcount.data
        self.data: dict[int, bytearray] = {}
        self.zones = _zones(geometry, pages)
        self._shift = geometry.cluster_shift
        self.reserved = self._reserve_struct_pages(ram)

    def _reserve_struct_pages(self, ram: int) -> int:
        """Take the pages that hold the struct pages, as memmap_init() does; returns how many."""
        need = -(-self.geometry.struct_page_bytes(ram) // self.geometry.pg_size)
        taken = self.zones[-1].buddy.alloc_bulk(need)
        if taken is None:
            raise InputError(f"ram of {ram} bytes cannot hold its own struct pages")
        taken += self.zones[-1].first
        self.kind[taken] = KERNEL
        self.refcount[taken] = 1
        return need

    @property
    def free_pages(self) -> int:
        """Free pages of all zones."""
        return sum(zone.buddy.free_pages for zone in self.zones)

    def below_low(self) -> bool:
        """True if every zone is below its low watermark: background reclaim would run."""
        return all(zone.buddy.free_pages < zone.watermarks.low for zone in self.zones)

    def below_high(self) -> int:
        """Pages that are missing up to the high watermarks of all zones."""
        return max(0, sum(zone.watermarks.high - zone.buddy.free_pages for zone in self.zones))

    def alloc(self, kind: int, order: int = 0) -> int | None:
        """The first page of a block of `order`, refcount 1 on its head; None if every zone would fall below min."""
        size = 1 << order
        for zone in reversed(self.zones):
            if zone.buddy.free_pages - size >= zone.watermarks.min:
                page = zone.buddy.alloc(order)
                if page is not None:
                    page += zone.first
                    if order:
                        self.kind[page : page + size] = kind
                        self.flags[page : page + size] = 0
                        self.refcount[page : page + size] = 1
                    else:
                        self.kind_at[page] = kind
                        self.flags_at[page] = 0
                        self.ref_at[page] = 1
                    return page
        return None

    def alloc_bulk(self, kind: int, count: int) -> Pages | None:
        """`count` order-0 pages with refcount 0 (the caller sets it); None (nothing taken) if they are not there."""
        for zone in reversed(self.zones):
            if zone.buddy.free_pages - count >= zone.watermarks.min:
                taken = zone.buddy.alloc_bulk(count)
                if taken is not None:
                    taken += zone.first
                    self.kind[taken] = kind
                    self.flags[taken] = 0
                    return taken
        return None

    def free(self, page: int, order: int = 0) -> None:
        """Give back a block whose references are gone; its bytes are forgotten."""
        size = 1 << order
        self.kind[page : page + size] = FREE
        self.refcount[page : page + size] = 0
        if self.data:
            first = page << self._shift
            for pfn in range(first, first + (size << self._shift)):
                self.data.pop(pfn, None)
        zone = self._zone(page)
        zone.buddy.free(page - zone.first, order)

    def free_bulk(self, pages: Pages) -> None:
        """Give back distinct order-0 pages."""
        if not len(pages):
            return
        self.kind[pages] = FREE
        self.refcount[pages] = 0
        if self.data:
            self._forget(pages)
        for zone in self.zones:
            own = pages[(pages >= zone.first) & (pages < zone.end)] - zone.first
            if len(own):
                zone.buddy.free_bulk(own)

    def _forget(self, pages: Pages) -> None:
        if len(self.data) < len(pages) << self._shift:
            doomed = set(pages.tolist())
            for pfn in [pfn for pfn in self.data if pfn >> self._shift in doomed]:
                del self.data[pfn]
            return
        for page in pages.tolist():
            for pfn in range(page << self._shift, (page + 1) << self._shift):
                self.data.pop(pfn, None)

    def _zone(self, page: int) -> Zone:
        return next(zone for zone in self.zones if page < zone.end)

    def read(self, pfn: int, offset: int, n: int) -> bytes:
        """n bytes from `offset` of page frame `pfn` (within the frame)."""
        frame = self.data.get(pfn)
        return bytes(n) if frame is None else bytes(frame[offset : offset + n])

    def write(self, pfn: int, offset: int, data: bytes) -> None:
        """Store bytes at `offset` of page frame `pfn` (within the frame)."""
        frame = self.data.get(pfn)
        if frame is None:
            frame = self.data[pfn] = bytearray(self.geometry.pte_size)
        frame[offset : offset + len(data)] = data

    def copy(self, source: int, target: int) -> None:
        """Copy one page frame (PTE_SIZE bytes): what copy_user_highpage() does to a sub-page."""
        frame = self.data.get(source)
        if frame is None:
            self.data.pop(target, None)
        else:
            self.data[target] = bytearray(frame)

    def clear(self, pfn: int) -> None:
        """Zero one page frame."""
        self.data.pop(pfn, None)


def _zones(geometry: Geometry, pages: int) -> list[Zone]:
    dma32 = min(pages, _DMA32_END >> geometry.pg_shift)
    spans = [("DMA32", 0, dma32)]
    if pages > dma32:
        spans.append(("Normal", dma32, pages - dma32))
    reserve = min_free_kbytes(pages << geometry.pg_shift) << 10 >> geometry.pg_shift
    zones = []
    for name, first, count in spans:
        low = reserve * count // pages
        zones.append(Zone(name, first, Buddy(count), Watermarks(low, low + low // 4, low + low // 2)))
    return zones
