"""What an smaps file alone says of the memory held at a PG_SIZE: bounds, because it counts pages but not which.

Each mapping's resident pages lie as close together as they can (low) or as far apart as they can (high); both meet
where a mapping is wholly resident, wholly absent, or not larger than a page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converter.mmmodel.footprint import measure
from converter.mmmodel.geometry import ENTRIES, Geometry
from converter.mmmodel.procfs import Area, Process, Residency, no_pages

Cells = Counter[int]
"""How many cells of a grid an area has, by their size in PTE_SIZE units. Every page held lies in one cell."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure known to lie between low and high, in bytes."""

    low: int
    high: int

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    @property
    def exact(self) -> bool:
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Bounds:
    """Memory held at one PG_SIZE."""

    pg_size: int
    anon: Range
    file: Range
    by_area: tuple[Range, ...]  # each area by itself, in the order given

    @property
    def total(self) -> Range:
        return self.anon + self.file


@dataclass(frozen=True, slots=True)
class Waste:
    """Bytes of waste at one PG_SIZE: by cause where it is known which pages are present, bounds for the rest."""

    areas: int  # whose causes are known: all of their pages are present, or none
    by_cause: dict[str, int]  # file tails count as cache siblings: the size of a file is not in smaps
    rest: Range


def waste(areas: Sequence[Area], geometry: Geometry) -> Waste:
    """What can be said of the waste of one smaps file. Areas of one file are known together or not at all."""
    certain = {area: _pages(area, geometry) for area in areas}
    open_files = {(area.device, area.inode) for area, known in certain.items() if area.backed and known is None}
    known = [
        residency
        for area, residency in certain.items()
        if residency is not None and (not area.backed or (area.device, area.inode) not in open_files)
    ]
    settled = {residency.area for residency in known}
    rest = [area for area in areas if area not in settled]
    held, present = bound(rest, geometry).total, bound(rest, Geometry(geometry.pte_shift)).total
    return Waste(
        areas=len(known),
        by_cause=measure(Process(0, "", tuple(known)), geometry).waste,
        rest=Range(max(0, held.low - present.high), held.high - present.low),
    )


def _pages(area: Area, geometry: Geometry) -> Residency | None:
    """The present pages of an area, if its counts leave no choice."""
    if not area.rss:
        return Residency(area)
    if area.rss != area.end - area.start or area.anonymous not in (0, area.rss):
        return None
    pages = np.arange(area.start >> geometry.pte_shift, area.end >> geometry.pte_shift, dtype=np.int64)
    return Residency(area, pages, no_pages()) if area.anonymous else Residency(area, no_pages(), pages)


def bound(areas: Sequence[Area], geometry: Geometry) -> Bounds:
    """Bounds for the areas of one smaps file. Page-table crossings count as naive code has them."""
    pte, size = geometry.pte_shift, geometry.pg_size
    anon = [_spread(_anon_cells(area, geometry), area.anonymous >> pte) for area in areas]
    file = [_spread(_file_cells(area, geometry), (area.rss - area.anonymous) >> pte) for area in areas]
    by_area = tuple(Range((a.low + f.low) * size, (a.high + f.high) * size) for a, f in zip(anon, file, strict=True))
    total = sum(anon, Range(0, 0))
    cached = _files_together(areas, file, geometry)
    return Bounds(
        pg_size=size,
        anon=Range(total.low * size, total.high * size),
        file=Range(cached.low * size, cached.high * size),
        by_area=by_area,
    )


def _spread(cells: Cells, present: int) -> Range:
    """In how few and how many cells so many PTE_SIZE pages can lie."""
    low, left = 0, present
    for size, count in sorted(cells.items(), reverse=True):
        taken = min(count, -(-left // size))
        low += taken
        left = max(0, left - taken * size)
        if not left:
            break
    return Range(low, min(present, cells.total()))


def _cut(start: int, end: int, phase: int, ratio: int) -> Cells:
    """Cells of [start, end) on the grid phase + k * ratio, all in PTE_SIZE units."""
    head = min(end - start, (phase - start) % ratio)
    whole, tail = divmod(end - start - head, ratio)
    cells = Counter({ratio: whole})
    cells.update((head, tail))
    del cells[0]
    return +cells


def _anon_cells(area: Area, geometry: Geometry) -> Cells:
    """The grid of anonymous pages: by linear index, and cut at PTE tables where that grid does not meet their ends."""
    start, end = area.start >> geometry.pte_shift, area.end >> geometry.pte_shift
    ratio = geometry.ptes_per_page
    phase = (start - (area.offset >> geometry.pte_shift)) % ratio if area.backed else 0
    first, last = -(-start // ENTRIES) * ENTRIES, end // ENTRIES * ENTRIES
    if not phase or first > last:
        return _cut(start, end, phase, ratio)
    cells = _cut(start, first, phase, ratio) + _cut(last, end, phase, ratio)
    for size, count in _cut(0, ENTRIES, phase, ratio).items():
        cells[size] += count * ((last - first) // ENTRIES)
    return +cells


def _file_cells(area: Area, geometry: Geometry) -> Cells:
    """The grid of the page cache: by file offset."""
    start = area.offset >> geometry.pte_shift
    return _cut(start, start + ((area.end - area.start) >> geometry.pte_shift), 0, geometry.ptes_per_page)


def _files_together(areas: Sequence[Area], alone: Sequence[Range], geometry: Geometry) -> Range:
    """Pages of the page cache of all areas: areas of one file share the pages in which their offsets meet."""
    files: dict[tuple[str, int], list[int]] = {}
    for which, area in enumerate(areas):
        files.setdefault((area.device, area.inode), []).append(which)
    return sum((_file_together(areas, alone, members, geometry) for members in files.values()), Range(0, 0))


def _file_together(areas: Sequence[Area], alone: Sequence[Range], members: Sequence[int], geometry: Geometry) -> Range:
    ranges = sorted(
        (areas[which].offset, areas[which].offset + areas[which].end - areas[which].start, which)
        for which in members
        if alone[which].high
    )
    low = high = cells = most = reach = covered = 0
    disjoint = True
    for start, end, which in ranges:
        disjoint = disjoint and start >= reach
        first, last = start // geometry.pg_size, (end - 1) // geometry.pg_size
        shared = bool(covered) and first < covered
        low += max(0, alone[which].low - shared)
        high += alone[which].high
        cells += max(0, last + 1 - max(first, covered))
        most = max(most, alone[which].low)
        reach, covered = max(reach, end), max(covered, last + 1)
    return Range(low if disjoint else most, min(high, cells))
