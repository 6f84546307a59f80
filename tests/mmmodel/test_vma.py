"""Areas: splitting, merging, and the system calls that lay them out."""

import errno

import pytest

from converter.mmmodel import uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Machine

P = 4096
BASE = 0x10_0000_0000
ANON = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS
FIXED = ANON | uapi.MAP_FIXED
R, RW = uapi.PROT_READ, uapi.PROT_READ | uapi.PROT_WRITE


@pytest.fixture(params=["4K", "64K"])
def mm(request: pytest.FixtureRequest) -> MM:
    return Machine(Geometry.parse(request.param), ram=64 << 20).spawn()


def rows(mm: MM) -> list[tuple[int, int, str]]:
    """(first page, page after the last, permissions) of each area, counted from BASE."""
    return [((row.start - BASE) // P, (row.end - BASE) // P, row.perms()) for row in mm.maps()]


def test_neighbours_of_equal_kind_are_one_area(mm: MM) -> None:
    mm.mmap(BASE, 2 * P, RW, FIXED)
    mm.mmap(BASE + 2 * P, P, RW, FIXED)
    assert rows(mm) == [(0, 3, "rw-p")]


def test_a_hole_that_is_filled_joins_both_sides(mm: MM) -> None:
    mm.mmap(BASE, P, RW, FIXED)
    mm.mmap(BASE + 2 * P, P, RW, FIXED)
    mm.mmap(BASE + P, P, RW, FIXED)
    assert rows(mm) == [(0, 3, "rw-p")]


def test_areas_with_different_anon_vmas_stay_apart(mm: MM) -> None:
    mm.mmap(BASE, P, RW, FIXED)
    mm.mmap(BASE + 2 * P, P, RW, FIXED)
    mm.write(BASE, b"x")
    mm.write(BASE + 2 * P, b"x")
    mm.mmap(BASE + P, P, RW, FIXED)
    assert rows(mm) == [(0, 2, "rw-p"), (2, 3, "rw-p")]


def test_a_changed_middle_splits_in_three_and_joins_again(mm: MM) -> None:
    mm.mmap(BASE, 3 * P, RW, FIXED)
    mm.mprotect(BASE + P, P, R)
    assert rows(mm) == [(0, 1, "rw-p"), (1, 2, "r--p"), (2, 3, "rw-p")]
    mm.mprotect(BASE + P, P, RW)
    assert rows(mm) == [(0, 3, "rw-p")]


def test_advice_splits_what_is_not_seen_in_the_permissions(mm: MM) -> None:
    mm.mmap(BASE, 3 * P, RW, FIXED)
    mm.madvise(BASE + P, P, uapi.MADV_DONTFORK)
    assert rows(mm) == [(0, 1, "rw-p"), (1, 2, "rw-p"), (2, 3, "rw-p")]
    child = mm.fork()
    assert isinstance(child, MM)
    assert rows(child) == [(0, 1, "rw-p"), (2, 3, "rw-p")]


def test_file_areas_join_where_their_offsets_go_on(mm: MM) -> None:
    file = mm.machine.file(8 * P)
    mm.mmap(BASE, 2 * P, R, uapi.MAP_SHARED | uapi.MAP_FIXED, file, 0)
    mm.mmap(BASE + 2 * P, P, R, uapi.MAP_SHARED | uapi.MAP_FIXED, file, 2 * P)
    mm.mmap(BASE + 3 * P, P, R, uapi.MAP_SHARED | uapi.MAP_FIXED, file, 5 * P)
    assert rows(mm) == [(0, 3, "r--s"), (3, 4, "r--s")]
    assert [row.offset for row in mm.maps()] == [0, 5 * P]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((BASE, 0, RW, FIXED), errno.EINVAL),
        ((BASE + 1, P, RW, FIXED), errno.EINVAL),
        ((BASE, P, RW, uapi.MAP_ANONYMOUS), errno.EINVAL),
        ((BASE, P, RW, uapi.MAP_PRIVATE), errno.EBADF),
        ((BASE, 1 << 60, RW, FIXED), errno.ENOMEM),
        ((BASE, P, RW, uapi.MAP_SHARED | uapi.MAP_ANONYMOUS | uapi.MAP_GROWSDOWN), errno.EINVAL),
    ],
)
def test_mmap_refuses_as_the_manual_says(mm: MM, arguments: tuple[int, int, int, int], error: int) -> None:
    assert mm.mmap(*arguments) == -error


def test_noreplace_leaves_what_is_there(mm: MM) -> None:
    mm.mmap(BASE, 2 * P, RW, FIXED)
    assert mm.mmap(BASE + P, P, R, ANON | uapi.MAP_FIXED_NOREPLACE) == -errno.EEXIST
    assert rows(mm) == [(0, 2, "rw-p")]


def test_a_shared_file_that_is_open_for_reading_only_cannot_be_made_writable(mm: MM) -> None:
    file = mm.machine.file(P, writable=False)
    assert mm.mmap(BASE, P, RW, uapi.MAP_SHARED | uapi.MAP_FIXED, file) == -errno.EACCES
    assert mm.mmap(BASE, P, R, uapi.MAP_SHARED | uapi.MAP_FIXED, file) == BASE
    assert mm.mprotect(BASE, P, RW) == -errno.EACCES


def test_mappings_without_an_address_go_top_down(mm: MM) -> None:
    first, second = mm.mmap(0, 3 * P, R, ANON), mm.mmap(0, 2 * P, RW, ANON)
    assert second == first - 2 * P


def test_an_address_in_use_is_only_a_hint(mm: MM) -> None:
    mm.mmap(BASE, 2 * P, RW, FIXED)
    assert mm.mmap(BASE + 8 * P, P, RW, ANON) == BASE + 8 * P
    assert mm.mmap(BASE + P, P, R, ANON) not in range(BASE, BASE + 2 * P)


def test_mprotect_stops_at_a_hole_with_the_first_part_changed(mm: MM) -> None:
    mm.mmap(BASE, P, RW, FIXED)
    mm.mmap(BASE + 2 * P, P, RW, FIXED)
    assert mm.mprotect(BASE, 3 * P, R) == -errno.ENOMEM
    assert rows(mm) == [(0, 1, "r--p"), (2, 3, "rw-p")]


def test_the_heap_grows_shrinks_and_stops_at_the_next_mapping(mm: MM) -> None:
    start = mm.brk(0)
    assert mm.brk(start + 100) == start + 100
    assert mm.brk(start + 4 * P) == start + 4 * P
    mm.write(start + 3 * P, b"x")
    mm.mmap(start + 8 * P, P, R, FIXED)
    assert mm.brk(start + 9 * P) == start + 4 * P
    assert mm.brk(start + P) == start + P
    assert mm.read(start + 3 * P, 1) == -errno.EFAULT


def test_a_stack_grows_down_to_the_page_that_is_touched_and_no_further_than_its_limit(mm: MM) -> None:
    mm.mmap(BASE, P, RW, FIXED | uapi.MAP_GROWSDOWN)
    assert mm.write(BASE - 3 * P, b"x") == 1
    assert rows(mm) == [(-3, 1, "rw-p")]
    assert mm.write(BASE - (9 << 20), b"x") == -errno.EFAULT


def test_a_stack_keeps_its_distance_from_what_lies_below(mm: MM) -> None:
    mm.mmap(BASE, P, RW, FIXED | uapi.MAP_GROWSDOWN)
    mm.mmap(BASE - 300 * P, P, RW, FIXED)
    assert mm.write(BASE - 20 * P, b"x") == 1
    assert mm.write(BASE - 100 * P, b"x") == -errno.EFAULT


def test_mremap_grows_in_place_where_it_can_and_moves_where_it_may(mm: MM) -> None:
    mm.mmap(BASE, P, RW, FIXED)
    mm.write(BASE, b"here")
    assert mm.mremap(BASE, P, 3 * P, 0) == BASE
    mm.mmap(BASE + 3 * P, P, R, FIXED)
    assert mm.mremap(BASE, 3 * P, 4 * P, 0) == -errno.ENOMEM
    moved = mm.mremap(BASE, 3 * P, 4 * P, uapi.MREMAP_MAYMOVE)
    assert moved > 0
    assert mm.read(moved, 4) == b"here"
    assert mm.read(BASE, 1) == -errno.EFAULT


def test_dontunmap_leaves_an_empty_area_behind(mm: MM) -> None:
    mm.mmap(BASE, 2 * P, RW, FIXED)
    mm.write(BASE, b"here")
    flags = uapi.MREMAP_MAYMOVE | uapi.MREMAP_DONTUNMAP | uapi.MREMAP_FIXED
    assert mm.mremap(BASE, 2 * P, 2 * P, flags, BASE + 9 * P) == BASE + 9 * P
    assert mm.read(BASE, 4) == bytes(4)
    assert mm.read(BASE + 9 * P, 4) == b"here"


def test_an_old_size_of_zero_duplicates_a_shared_mapping_only(mm: MM) -> None:
    mm.mmap(BASE, P, RW, uapi.MAP_SHARED | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED)
    mm.write(BASE, b"both")
    copy = mm.mremap(BASE, 0, P, uapi.MREMAP_MAYMOVE)
    assert mm.read(copy, 4) == b"both"
    mm.mmap(BASE + 4 * P, P, RW, FIXED)
    assert mm.mremap(BASE + 4 * P, 0, P, uapi.MREMAP_MAYMOVE) == -errno.EINVAL


def test_msync_reports_holes_and_refuses_to_invalidate_locked_memory(mm: MM) -> None:
    mm.mmap(BASE, P, RW, FIXED)
    assert mm.msync(BASE, P, uapi.MS_SYNC) == 0
    assert mm.msync(BASE, 2 * P, uapi.MS_SYNC) == -errno.ENOMEM
    assert mm.msync(BASE, P, uapi.MS_SYNC | uapi.MS_ASYNC) == -errno.EINVAL
    mm.mlock(BASE, P)
    assert mm.msync(BASE, P, uapi.MS_INVALIDATE) == -errno.EBUSY
