"""smaps files: what is read from them, what they cannot know, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.errors import InputError
from converter.mmmodel import procfs
from converter.mmmodel.footprint import measure
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.procfs import parse_smaps, read_processes
from converter.mmmodel.smaps_bounds import bound, waste
from tests.sim.conftest import PTE, mapping, process

ENTRY = """\
564851c84000-564851c86000 r--p 00001000 fe:00 260386                     /usr/bin/a file
Size:                  8 kB
Rss:                   8 kB
Anonymous:             4 kB
VmFlags: rd mr mw me
"""


def test_an_entry_gives_range_offset_file_and_counts() -> None:
    (area,) = parse_smaps(ENTRY, "smaps")
    assert (area.start, area.end, area.offset) == (0x564851C84000, 0x564851C86000, 0x1000)
    assert (area.device, area.inode, area.path) == ("fe:00", 260386, "/usr/bin/a file")
    assert (area.rss, area.anonymous) == (8192, 4096)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("not smaps\n", 1, "not a line of"),
        (ENTRY + "Rss 8\n", 6, "not a line of"),
        ("564851c84000-564851c86000 r--p 00000000 fe:00 1 /x\nSize: 8 kB\n", 2, "has no Rss line"),
        ("564851c84000-7ffd2a738000 ---p 00000000 00:00 0  [rollup]\nRss: 8 kB\n", 1, "smaps_rollup"),
    ],
)
def test_what_is_no_smaps_file_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(InputError, match=f"saved:{line}: .*{why}"):
        parse_smaps(text, "saved")


def test_a_process_that_is_gone_is_counted_not_an_error() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    read, skipped = read_processes([pid, os.getpid()])
    assert [each.pid for each in read] == [os.getpid()]
    assert skipped.vanished == (pid,)


def test_a_zombie_has_no_memory_and_is_counted() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    read, skipped = read_processes([pid])
    os.waitpid(pid, 0)
    assert read == []
    assert skipped.without_memory == (pid,)


def test_a_process_of_somebody_else_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> procfs.Process:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(procfs, "read_process", refuse)
    assert read_processes([1])[1].unreadable == (1,)


@st.composite
def presences(draw: st.DrawFn) -> list[tuple[int, int, int, int, set[int], set[int]]]:
    """Areas as (gap, pages, inode, offset, anonymous, file) around a table boundary."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        pages = draw(st.integers(1, 60))
        inode = draw(st.sampled_from([0, 7, 8]))
        anon = draw(st.sets(st.integers(0, pages - 1)))
        file = draw(st.sets(st.integers(0, pages - 1))) - anon if inode else set()
        found.append((draw(st.integers(0, 20)), pages, inode, draw(st.integers(0, 40)) if inode else 0, anon, file))
    return found


@given(presences())
@settings(deadline=None, max_examples=150)
def test_the_bounds_hold_whatever_pages_are_present(
    areas: Sequence[tuple[int, int, int, int, set[int], set[int]]],
) -> None:
    at, residencies = 490, []
    for gap, pages, inode, offset, anon, file in areas:
        at += gap
        residencies.append(mapping(at * PTE, pages, anon=anon, file=file, inode=inode, offset=offset * PTE))
        at += pages
    for size in ("4K", "16K", "64K", "2M"):
        geometry = Geometry.parse(size)
        held = measure(process(*residencies), geometry)
        areas_alone = [residency.area for residency in residencies]
        bounds, wasted = bound(areas_alone, geometry), waste(areas_alone, geometry)
        assert bounds.anon.low <= held.anon <= bounds.anon.high
        assert bounds.file.low <= held.file <= bounds.file.high
        known, total = sum(wasted.by_cause.values()), sum(held.waste.values())
        assert known + wasted.rest.low <= total <= known + wasted.rest.high
        assert all(held.waste[cause] >= wasted.by_cause[cause] for cause in held.waste)


def test_the_bounds_meet_where_a_mapping_is_wholly_present() -> None:
    full = mapping(0x13000, 40, anon=range(40))
    bounds = bound([full.area], Geometry.parse("64K"))
    assert bounds.total.exact
    assert bounds.total.low == measure(process(full), Geometry.parse("64K")).total


def test_causes_are_told_where_a_mapping_is_wholly_present_and_left_open_elsewhere() -> None:
    full = mapping(0x13000, 40, anon=range(40))
    half = mapping(0x100000, 64, anon=range(0, 64, 2))
    geometry = Geometry.parse("64K")
    wasted = waste([full.area, half.area], geometry)
    assert wasted.areas == 1
    assert wasted.by_cause == measure(process(full), geometry).waste
    assert wasted.by_cause["vma_end"] == 8 * PTE
    assert (wasted.rest.low, wasted.rest.high) == (0, 32 * PTE)


def test_the_bounds_are_apart_where_half_is_present() -> None:
    half = mapping(0x10000, 64, anon=range(0, 64, 2))
    total = bound([half.area], Geometry.parse("64K")).total
    assert (total.low, total.high) == (2 << 16, 4 << 16)
