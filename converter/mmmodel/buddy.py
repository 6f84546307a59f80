"""The buddy allocator of one zone, in PG units.

A page here is an order-0 block, numbered from the start of the zone. Free blocks are heads in one int8 array (their
order, -1 elsewhere) and entries in one stack an order; an entry whose head says otherwise is stale and is skipped when
popped, so that a merge need not search a list. Source: mm/page_alloc.c, Documentation/mm/physical_memory.rst.
"""

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from converter.mmmodel.geometry import MAX_PAGE_ORDER

Pages = npt.NDArray[np.int64]
"""Page numbers (PG units)."""

_STALE_SLACK = 1024


@dataclass(frozen=True)
class Watermarks:
    """Free pages (PG units) below which a zone reclaims: in the background (low), directly (min), no more (high)."""

    min: int
    low: int
    high: int


class Buddy:
    """Free pages of one zone: alloc and free of blocks of 2**order pages."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.nr_free = [0] * (MAX_PAGE_ORDER + 1)
        self._head = np.full(pages, -1, dtype=np.int8)
        self._order_of = self._head.data  # scalar access without numpy's boxing
        self._stacks = [array("q") for _ in range(MAX_PAGE_ORDER + 1)]
        blocks = pages >> MAX_PAGE_ORDER
        self.free_pages = pages
        self._push(np.arange(blocks, dtype=np.int64)[::-1] << MAX_PAGE_ORDER, MAX_PAGE_ORDER)
        page = blocks << MAX_PAGE_ORDER
        while page < pages:
            order = (pages - page).bit_length() - 1
            self._push(np.array([page], dtype=np.int64), order)
            page += 1 << order

    def alloc(self, order: int) -> int | None:
        """The first page of a free block of `order`, the lowest split that serves; None if there is none."""
        for found in range(order, MAX_PAGE_ORDER + 1):
            if not self.nr_free[found]:
                continue
            stack, order_of = self._stacks[found], self._order_of
            page = stack.pop()
            while order_of[page] != found:
                page = stack.pop()
            order_of[page] = -1
            self.nr_free[found] -= 1
            self.free_pages -= 1 << order
            while found > order:
                found -= 1
                upper = page + (1 << found)
                order_of[upper] = found
                self._stacks[found].append(upper)
                self.nr_free[found] += 1
            return page
        return None

    def alloc_bulk(self, count: int) -> Pages | None:
        """`count` order-0 pages, in runs as long as the zone has them; None (nothing taken) if it has fewer."""
        if count > self.free_pages:
            return None
        runs = []
        order = min(MAX_PAGE_ORDER, count.bit_length() - 1)
        while count:
            order = min(order, count.bit_length() - 1)
            page = self.alloc(order)
            if page is None:
                order -= 1
                continue
            runs.append(np.arange(page, page + (1 << order), dtype=np.int64))
            count -= 1 << order
        return np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)

    def free(self, page: int, order: int = 0) -> None:
        """Give back a block and merge it with its free buddies."""
        order_of = self._order_of
        self.free_pages += 1 << order
        while order < MAX_PAGE_ORDER:
            other = page ^ (1 << order)
            if other >= self.pages or order_of[other] != order:
                break
            order_of[other] = -1
            self.nr_free[order] -= 1
            page &= ~(1 << order)
            order += 1
        order_of[page] = order
        self._stacks[order].append(page)
        self.nr_free[order] += 1
        self._drop_stale(order)

    def free_bulk(self, pages: Pages) -> None:
        """Give back order-0 pages (distinct), merging level by level."""
        self.free_pages += len(pages)
        blocks = np.sort(pages)
        for order in range(MAX_PAGE_ORDER + 1):
            if not len(blocks):
                return
            if order == MAX_PAGE_ORDER:
                self._push(blocks, order)
                return
            bit = 1 << order
            other = blocks ^ bit
            paired = np.zeros(len(blocks), dtype=bool)
            first = other[:-1] == blocks[1:]
            paired[:-1] |= first
            paired[1:] |= first
            inside = other < self.pages
            met = np.zeros(len(blocks), dtype=bool)
            met[inside] = self._head[other[inside]] == order
            self._head[other[met]] = -1
            self.nr_free[order] -= int(np.count_nonzero(met))
            merged = paired | met
            self._push(blocks[~merged], order)
            blocks = np.unique(blocks[merged] & ~bit)

    def fragmentation_index(self, order: int) -> float:
        """Why an allocation of `order` fails: for lack of memory (0) to for fragmentation (1); -1 if it succeeds.

        Source: __fragmentation_index(), mm/vmstat.c.
        """
        blocks = sum(self.nr_free)
        if not blocks:
            return 0.0
        if any(self.nr_free[order:]):
            return -1.0
        return 1 - (1 + self.free_pages / (1 << order)) / blocks

    def unusable_free_index(self, order: int) -> float:
        """The share of free memory that an allocation of `order` cannot use, 0 to 1 (unusable_show(), mm/vmstat.c)."""
        if not self.free_pages:
            return 1.0
        usable = sum(self.nr_free[o] << o for o in range(order, MAX_PAGE_ORDER + 1))
        return (self.free_pages - usable) / self.free_pages

    def free_mask(self) -> npt.NDArray[np.bool_]:
        """One bool a page: does it lie in a free block."""
        steps = np.zeros(self.pages + 1, dtype=np.int64)
        heads = np.flatnonzero(self._head >= 0)
        steps[heads] += 1
        np.add.at(steps, heads + (1 << self._head[heads].astype(np.int64)), -1)
        return np.cumsum(steps)[:-1] > 0

    def _push(self, blocks: Pages, order: int) -> None:
        if not len(blocks):
            return
        self._head[blocks] = order
        self._stacks[order].frombytes(np.ascontiguousarray(blocks).tobytes())
        self.nr_free[order] += len(blocks)
        self._drop_stale(order)

    def _drop_stale(self, order: int) -> None:
        stack = self._stacks[order]
        if len(stack) <= 2 * self.nr_free[order] + _STALE_SLACK:
            return
        entries = np.unique(np.frombuffer(stack, dtype=np.int64))
        live = entries[self._head[entries] == order][::-1]
        self._stacks[order] = array("q", np.ascontiguousarray(live).tobytes())
