"""Memory pressure: what goes first, swap and back, and running out as a result."""

import errno

import pytest

from converter.mmmodel import uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Machine

P = 4096
MIB = 1 << 20
BASE = 0x10_0000_0000
ANON = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED
SHARED = uapi.MAP_SHARED | uapi.MAP_FIXED
R, RW = uapi.PROT_READ, uapi.PROT_READ | uapi.PROT_WRITE

SIZES = pytest.mark.parametrize("size", ["4K", "64K"])


def machine(size: str, ram: int = 16 * MIB, swap: int = 0) -> Machine:
    return Machine(Geometry.parse(size), ram=ram, swap=swap)


def fill(mm: MM, addr: int, pages: int) -> None:
    """Write its own number to each page."""
    for i in range(pages):
        assert mm.write(addr + i * P, i.to_bytes(4, "little")) == 4


def holds(mm: MM, addr: int, pages: int) -> bool:
    return all(mm.read(addr + i * P, 4) == i.to_bytes(4, "little") for i in range(pages))


@SIZES
def test_without_swap_the_end_of_memory_is_a_result(size: str) -> None:
    m = machine(size)
    mm = m.spawn()
    assert mm.mmap(BASE, 32 * MIB, RW, ANON) == -errno.ENOMEM
    assert mm.mmap(BASE, 12 * MIB, RW, ANON) == BASE
    assert mm.mmap(BASE + 12 * MIB, 12 * MIB, RW, ANON) == BASE + 12 * MIB
    assert mm.touch(BASE, 24 * MIB) == -errno.ENOMEM
    assert m.ooms == 1
    assert mm.write(BASE + 23 * MIB, b"x") == -errno.ENOMEM
    m.check()
    mm.munmap(BASE, 24 * MIB)
    assert mm.mmap(BASE, MIB, RW, ANON) == BASE
    assert mm.write(BASE, b"x") == 1


@SIZES
def test_with_swap_more_is_used_than_there_is(size: str) -> None:
    m = machine(size, swap=64 * MIB)
    mm = m.spawn()
    pages = 24 * MIB // P
    mm.mmap(BASE, pages * P, RW, ANON)
    fill(mm, BASE, pages)
    assert m.swap_outs > 0
    assert mm.rss()["swap"] == m.memory_use()["swap_used"] > 0
    m.check()
    assert holds(mm, BASE, pages)
    m.check()
    mm.exit()
    m.check()
    assert m.memory_use()["swap_used"] == 0


@SIZES
def test_a_shared_swapped_page_comes_back_on_both_sides(size: str) -> None:
    m = machine(size, swap=16 * MIB)
    mm = m.spawn()
    mm.mmap(BASE, 64 * P, RW, ANON)
    fill(mm, BASE, 64)
    mm.madvise(BASE, 64 * P, uapi.MADV_PAGEOUT)
    assert mm.rss() == {"anon": 0, "file": 0, "swap": 64 * P}
    assert mm.mincore(BASE, 64 * P) == bytes(64)
    child = mm.fork()
    assert isinstance(child, MM)
    m.check()
    child.write(BASE, b"child")
    assert holds(mm, BASE, 64)
    assert child.read(BASE, 5) == b"child"
    m.check()


def test_a_swap_in_brings_all_parts_of_the_page() -> None:
    m = machine("64K", swap=16 * MIB)
    mm = m.spawn()
    mm.mmap(BASE, 32 * P, RW, ANON)
    fill(mm, BASE, 32)
    mm.madvise(BASE, 32 * P, uapi.MADV_PAGEOUT)
    mm.read(BASE + 5 * P, 1)
    assert mm.mincore(BASE, 32 * P) == b"\1" * 16 + bytes(16)
    assert m.swap_ins == 16


def test_willneed_brings_swapped_pages_back() -> None:
    m = machine("16K", swap=16 * MIB)
    mm = m.spawn()
    mm.mmap(BASE, 8 * P, RW, ANON)
    fill(mm, BASE, 8)
    mm.madvise(BASE, 8 * P, uapi.MADV_PAGEOUT)
    mm.madvise(BASE, 8 * P, uapi.MADV_WILLNEED)
    assert mm.mincore(BASE, 8 * P) == b"\1" * 8


@SIZES
def test_clean_page_cache_goes_before_anonymous_memory(size: str) -> None:
    m = machine(size, swap=16 * MIB)
    mm, file = m.spawn(), m.file(8 * MIB)
    file.read_ahead()
    mm.mmap(BASE, 11 * MIB, RW, ANON)
    assert mm.touch(BASE, 11 * MIB) > 0
    assert m.swap_outs == 0
    assert m.memory_use()["file"] < 8 * MIB
    m.check()


@SIZES
def test_dirty_page_cache_is_written_back_and_read_again(size: str) -> None:
    m = machine(size)
    mm, file = m.spawn(), m.file(32 * MIB)
    mm.mmap(BASE, 32 * MIB, RW, SHARED, file)
    pages = 32 * MIB // P
    fill(mm, BASE, pages)
    m.check()
    assert len(file.pages) < file.page_count
    assert holds(mm, BASE, pages)


@SIZES
def test_what_madv_free_left_clean_is_dropped_and_what_was_written_after_is_kept(size: str) -> None:
    m = machine(size)
    mm = m.spawn()
    half = 64 * P
    mm.mmap(BASE, 2 * half, RW, ANON)
    fill(mm, BASE, 128)
    mm.madvise(BASE, 2 * half, uapi.MADV_FREE)
    assert holds(mm, BASE, 128)
    fill(mm, BASE, 64)
    mm.mmap(BASE + 64 * MIB, 15 * MIB, RW, ANON)
    mm.touch(BASE + 64 * MIB, 15 * MIB)
    assert holds(mm, BASE, 64)
    assert mm.read(BASE + half + P, 4) == bytes(4)
    m.check()


def test_parts_copied_into_a_lazily_freed_page_are_not_dropped_with_it() -> None:
    m = machine("64K")
    mm = m.spawn()
    mm.mmap(BASE, 16 * P, RW, ANON)
    fill(mm, BASE, 16)
    child = mm.fork()
    assert isinstance(child, MM)
    child.mprotect(BASE + 8 * P, 8 * P, R)
    child.write(BASE + 3 * P, b"x")
    child.mprotect(BASE + 8 * P, 8 * P, RW)
    child.madvise(BASE, 8 * P, uapi.MADV_FREE)
    child.write(BASE + 9 * P, b"x")
    child.madvise(BASE + 9 * P, P, uapi.MADV_DONTNEED)
    child.madvise(BASE, 16 * P, uapi.MADV_PAGEOUT)
    assert child.read(BASE + 10 * P, 4) == b"\x0a\0\0\0"


@SIZES
def test_locked_memory_stays(size: str) -> None:
    m = machine(size, swap=64 * MIB)
    mm = m.spawn()
    mm.mmap(BASE, 2 * MIB, RW, ANON)
    fill(mm, BASE, 2 * MIB // P)
    mm.mlock(BASE, 2 * MIB)
    mm.mmap(BASE + 64 * MIB, 15 * MIB, RW, ANON)
    mm.touch(BASE + 64 * MIB, 15 * MIB)
    assert m.swap_outs > 0
    assert mm.mincore(BASE, 2 * MIB) == b"\1" * (2 * MIB // P)


def test_below_the_low_watermark_clean_cache_goes_in_the_background_up_to_the_high_one() -> None:
    m = machine("4K", ram=64 * MIB)
    mm, file = m.spawn(), m.file(32 * MIB)
    file.read_ahead()
    marks = m.memory.zones[0].watermarks
    mm.mmap(BASE, 60 * MIB, RW, ANON)
    while len(file.pages) == file.page_count:
        mm.write(BASE + mm.rss()["anon"], b"x")
    assert m.memory.free_pages >= marks.high - 1 > marks.low
    assert m.reclaims == 0
    m.check()


def test_dropping_caches_frees_what_nothing_maps() -> None:
    m = machine("64K")
    mm, mapped, idle = m.spawn(), m.file(MIB), m.file(MIB)
    idle.read_ahead()
    mm.mmap(BASE, MIB, R, SHARED, mapped)
    mm.touch(BASE, MIB, write=False)
    assert m.drop_caches() == MIB >> 16
    assert m.memory_use()["file"] == MIB
    m.check()


def test_a_fork_without_memory_for_tables_leaves_nothing_behind() -> None:
    m = machine("64K", ram=4 * MIB)
    mm = m.spawn()
    mm.mmap(BASE, 64 << 21, RW, ANON | uapi.MAP_NORESERVE)
    touched = 0
    while mm.write(BASE + (touched << 21), b"x") == 1:
        touched += 1
    mm.munmap(BASE + (touched - 2 << 21), 64 << 21)
    assert mm.fork() == -errno.ENOMEM
    m.check()
    assert len(m.mms) == 1
