"""Page faults: what is mapped, copied and allocated, with PTEs smaller than pages."""

import errno
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.mmmodel import uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Crossing, Machine

P = 4096
BASE = 0x10_0000_0000
ANON = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED
PRIVATE, SHARED = uapi.MAP_PRIVATE | uapi.MAP_FIXED, uapi.MAP_SHARED | uapi.MAP_FIXED
R, RW = uapi.PROT_READ, uapi.PROT_READ | uapi.PROT_WRITE
PAGE64 = 1 << 16


def machine(size: str = "64K", **options: Any) -> Machine:
    return Machine(Geometry.parse(size), **{"ram": 64 << 20, **options})


def anon(mm: MM, pages: int, at: int = BASE) -> int:
    return mm.mmap(at, pages * P, RW, ANON)


def anon_pages(mm: MM) -> int:
    """Pages (PG units) of anonymous memory."""
    return mm.machine.memory_use()["anon"] >> mm.geometry.pg_shift


def test_reading_untouched_memory_maps_the_zero_page() -> None:
    mm = machine().spawn()
    anon(mm, 16)
    assert mm.read(BASE + 5 * P, 8) == bytes(8)
    assert anon_pages(mm) == 0
    assert mm.rss()["anon"] == 0


def test_a_write_maps_the_whole_page_with_one_fault() -> None:
    mm = machine().spawn()
    anon(mm, 32)
    mm.write(BASE + 5 * P, b"x")
    assert mm.faults == 1
    assert mm.rss()["anon"] == PAGE64
    for i in range(16):
        mm.write(BASE + i * P, b"y")
    assert mm.faults == 1
    assert anon_pages(mm) == 1


def test_a_write_after_a_read_replaces_the_zero_page_for_all_parts() -> None:
    mm = machine().spawn()
    anon(mm, 16)
    mm.read(BASE, 1)
    mm.write(BASE + P, b"x")
    assert mm.rss()["anon"] == PAGE64
    assert mm.read(BASE, 2) == bytes(2)


def test_an_area_smaller_than_a_page_takes_a_page() -> None:
    mm = machine().spawn()
    anon(mm, 3, BASE + 7 * P)
    mm.write(BASE + 8 * P, b"x")
    assert (mm.rss()["anon"], anon_pages(mm)) == (3 * P, 1)
    assert mm.waste()["vma_end"] == 13 * P


def test_a_part_that_comes_back_after_dontneed_is_zero_and_its_page_is_used_again() -> None:
    mm = machine().spawn()
    anon(mm, 16)
    mm.write(BASE, b"keep")
    mm.write(BASE + P, b"drop")
    mm.madvise(BASE + P, P, uapi.MADV_DONTNEED)
    assert mm.waste()["unmapped"] == P
    assert mm.read(BASE + P, 4) == bytes(4)
    mm.write(BASE + P + 8, b"new")
    assert mm.read(BASE + P, 11) == bytes(8) + b"new"
    assert mm.read(BASE, 4) == b"keep"
    assert anon_pages(mm) == 1
    mm.check()


def test_a_copy_on_write_copies_all_parts_of_an_anonymous_page_once() -> None:
    mm = machine().spawn()
    anon(mm, 16)
    for i in range(16):
        mm.write(BASE + i * P, bytes([i + 1]))
    child = mm.fork()
    assert isinstance(child, MM)
    child.write(BASE + 3 * P, b"c")
    child.write(BASE + 4 * P, b"d")
    assert mm.machine.copied_ptes == 16
    assert anon_pages(mm) == 2
    assert [child.read(BASE + i * P, 1) for i in (2, 3, 4)] == [b"\x03", b"c", b"d"]
    assert [mm.read(BASE + i * P, 1) for i in (2, 3, 4)] == [b"\x03", b"\x04", b"\x05"]
    mm.check()


def test_a_copy_on_write_keeps_what_was_written_to_a_sibling_before() -> None:
    mm = machine().spawn()
    file = mm.machine.file(bytes([7]) * (16 * P))
    mm.mmap(BASE, 16 * P, RW, PRIVATE, file)
    for i in range(16):
        mm.read(BASE + i * P, 1)
    mm.write(BASE + 3 * P, b"first")
    mm.write(BASE + 4 * P, b"second")
    assert mm.read(BASE + 3 * P, 6) == b"first\x07"
    assert mm.read(BASE + 4 * P, 7) == b"second\x07"
    assert anon_pages(mm) == 1
    assert mm.waste()["cow_siblings"] == 14 * P
    mm.check()


def test_a_private_file_copy_leaves_its_siblings_on_the_file() -> None:
    mm = machine().spawn()
    file = mm.machine.file(bytes(16 * P))
    mm.mmap(BASE, 16 * P, RW, PRIVATE, file)
    mm.mmap(BASE + 32 * P, 16 * P, RW, SHARED, file)
    mm.write(BASE, b"mine")
    mm.write(BASE + 32 * P, b"xxxx")
    mm.write(BASE + 33 * P, b"file")
    assert mm.read(BASE, 4) == b"mine"
    assert mm.read(BASE + P, 4) == b"file"


def test_the_last_owner_writes_in_place() -> None:
    mm = machine().spawn()
    anon(mm, 16)
    mm.write(BASE, b"x")
    child = mm.fork()
    assert isinstance(child, MM)
    child.exit()
    mm.write(BASE, b"y")
    assert mm.machine.copied_ptes == 0
    assert anon_pages(mm) == 1


def test_shared_writes_reach_the_file_and_every_mapping_of_it() -> None:
    m = machine()
    one, two, file = m.spawn(), m.spawn(), m.file(3 * P)
    one.mmap(BASE, 3 * P, RW, SHARED, file)
    two.mmap(BASE + 5 * P, 2 * P, R, SHARED, file, P)
    one.write(BASE + P, b"seen")
    assert two.read(BASE + 5 * P, 4) == b"seen"
    assert file.content(1)[:4] == b"seen"
    assert m.memory_use()["file"] == PAGE64


def test_a_file_ends_at_pte_size_for_user_space_whatever_the_page_holds() -> None:
    mm = machine().spawn()
    file = mm.machine.file(2 * P + 100)
    mm.mmap(BASE, 8 * P, RW, SHARED, file)
    assert mm.write(BASE + 2 * P + 200, b"tail") == 4
    assert mm.read(BASE + 3 * P, 1) == -errno.EFAULT
    assert mm.machine.waste()["file_tail"] == 13 * P


def test_a_read_fault_maps_cached_neighbours_around_it() -> None:
    mm = machine("4K").spawn()
    file = mm.machine.file(64 * P)
    file.read_ahead()
    mm.mmap(BASE, 64 * P, R, SHARED, file)
    mm.read(BASE + 20 * P, 1)
    assert mm.rss()["file"] == 16 * P
    assert mm.faults == 1


@pytest.mark.parametrize(("crossing", "pages", "wasted"), [("naive", 3, 16 * P), ("straddle", 2, 0)])
def test_a_page_at_a_table_boundary_is_one_or_two(crossing: Crossing, pages: int, wasted: int) -> None:
    m = machine(crossing=crossing)
    mm = m.spawn()
    boundary = BASE + (1 << 30)
    anon(mm, 32)
    mm.write(BASE, b"x")
    mm.write(BASE + PAGE64, b"y")
    moved = boundary - PAGE64 - 8 * P
    mm.mremap(BASE, 32 * P, 32 * P, 3, moved)
    mm.madvise(moved, 32 * P, uapi.MADV_DONTNEED)
    for i in range(32):
        assert mm.write(moved + i * P, bytes([i + 1])) == 1
    assert anon_pages(mm) == pages
    assert m.waste()["crossing"] == wasted
    assert [mm.read(moved + i * P, 1) for i in range(32)] == [bytes([i + 1]) for i in range(32)]
    m.check()


@pytest.mark.parametrize(("level", "boundary"), [(0, 3 << 21), (1, 3 << 30), (2, 3 << 39), (3, 3 << 48)])
@pytest.mark.parametrize("crossing", ["naive", "straddle"])
def test_a_moved_page_may_lie_across_the_end_of_any_table(level: int, boundary: int, crossing: Crossing) -> None:
    m = Machine(Geometry(pg_shift=16, levels=5), ram=64 << 20, crossing=crossing)
    mm = m.spawn()
    assert m.geometry.crossed_level(boundary) == level
    anon(mm, 16)
    for i in range(16):
        mm.write(BASE + i * P, bytes([i + 1]))
    target = boundary - 5 * P
    assert mm.mremap(BASE, 16 * P, 16 * P, 3, target) == target
    child = mm.fork()
    assert isinstance(child, MM)
    child.write(boundary, b"c")
    child.write(boundary - P, b"d")
    assert [mm.read(target + i * P, 1) for i in range(16)] == [bytes([i + 1]) for i in range(16)]
    assert [child.read(addr, 1) for addr in (boundary, boundary - P, target)] == [b"c", b"d", b"\x01"]
    m.check()
    child.exit()
    mm.exit()
    m.check()
    assert m.memory_use()["anon"] == m.memory_use()["tables"] == 0


def test_populate_maps_what_single_faults_would() -> None:
    single, vector = machine().spawn(), machine().spawn()
    for mm in (single, vector):
        mm.mmap(BASE + 3 * P, 600 * P, RW, ANON)
    for i in range(600):
        single.write(BASE + (3 + i) * P, b"x")
    assert vector.touch(BASE + 3 * P, 600 * P) == single.faults
    assert (vector.rss(), anon_pages(vector)) == (single.rss(), anon_pages(single))
    vector.check()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["4K", "16K", "64K", "2M"]),
    st.sampled_from(["naive", "straddle"]),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 63), st.integers(1, 24), st.booleans()), min_size=1, max_size=8),
)
def test_touching_ranges_leaves_every_page_present(
    size: str, crossing: Crossing, skew: int, ranges: list[tuple[int, int, bool]]
) -> None:
    m = Machine(Geometry.parse(size), ram=1 << 30, crossing=crossing)
    mm = m.spawn()
    start = BASE + (1 << 21) - 30 * P
    anon(mm, 100, BASE + 200 * P)
    mm.write(BASE + 200 * P, b"x")
    mm.mremap(BASE + 200 * P, 100 * P, 100 * P, 3, start + skew * P)
    for page, count, write in ranges:
        at = start + (skew + page) * P
        assert mm.touch(at, count * P, write) >= 0
        assert mm.mincore(at, count * P) == b"\1" * count
        m.check()


def test_fork_shares_pages_and_exit_leaves_none() -> None:
    m = machine("16K")
    mm = m.spawn()
    anon(mm, 64)
    mm.touch(BASE, 64 * P)
    children = [mm.fork() for _ in range(5)]
    assert m.memory_use()["anon"] == 64 * P
    for number, child in enumerate(children):
        assert isinstance(child, MM)
        child.write(BASE + number * P, b"x")
        m.check()
    for each in list(m.mms):
        each.exit()
    m.check()
    assert m.memory_use()["anon"] == 0


def test_memory_that_is_wiped_on_fork_is_zero_in_the_child() -> None:
    mm = machine().spawn()
    anon(mm, 4)
    mm.write(BASE, b"secret")
    mm.madvise(BASE, 4 * P, uapi.MADV_WIPEONFORK)
    child = mm.fork()
    assert isinstance(child, MM)
    assert child.read(BASE, 6) == bytes(6)
    assert mm.read(BASE, 6) == b"secret"
