"""The buddy allocator and the physical memory over it."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import InputError
from converter.mmmodel.buddy import Buddy
from converter.mmmodel.geometry import MAX_PAGE_ORDER, Geometry
from converter.mmmodel.physmem import ANON, KERNEL, PhysicalMemory, min_free_kbytes


def free_set(buddy: Buddy) -> set[int]:
    return set(np.flatnonzero(buddy.free_mask()).tolist())


def test_a_block_is_split_from_the_smallest_that_serves_and_merges_back() -> None:
    buddy = Buddy(1024)
    page = buddy.alloc(3)
    assert page is not None
    assert page % 8 == 0
    assert buddy.nr_free[3:10] == [1] * 7
    buddy.free(page, 3)
    assert buddy.nr_free == [0] * MAX_PAGE_ORDER + [1]


def test_a_buddy_that_is_in_use_keeps_its_neighbour_from_merging() -> None:
    buddy = Buddy(1024)
    first, second = buddy.alloc(0), buddy.alloc(0)
    assert first is not None
    assert second == first ^ 1
    buddy.free(first)
    assert buddy.nr_free[0] == 1
    buddy.free(second)
    assert buddy.nr_free[0] == 0


def test_pages_that_are_no_power_of_two_are_all_used() -> None:
    buddy = Buddy(1000)
    assert buddy.free_pages == 1000
    assert free_set(buddy) == set(range(1000))
    taken = buddy.alloc_bulk(1000)
    assert taken is not None
    assert sorted(taken.tolist()) == list(range(1000))
    assert buddy.alloc(0) is None


def test_a_bulk_allocation_that_does_not_fit_takes_nothing() -> None:
    buddy = Buddy(64)
    assert buddy.alloc_bulk(65) is None
    assert buddy.free_pages == 64


STEPS = st.lists(st.tuples(st.sampled_from(["alloc", "free", "bulk", "free_bulk"]), st.integers(0, 400)))


@given(st.integers(1, 3000), STEPS)
def test_no_page_is_ever_in_two_places(pages: int, steps: list[tuple[str, int]]) -> None:
    buddy, held = Buddy(pages), dict[int, int]()  # first page -> order
    for name, number in steps:
        if name == "alloc":
            order = number % 7
            page = buddy.alloc(order)
            if page is not None:
                held[page] = order
        elif name == "bulk":
            taken = buddy.alloc_bulk(number)
            if taken is not None:
                held.update(dict.fromkeys(taken.tolist(), 0))
        elif name == "free" and held:
            page = sorted(held)[number % len(held)]
            buddy.free(page, held.pop(page))
        elif name == "free_bulk":
            singles = [page for page, order in held.items() if not order][: number + 1]
            buddy.free_bulk(np.array(singles, dtype=np.int64))
            for page in singles:
                del held[page]
        used = [page + i for page, order in held.items() for i in range(1 << order)]
        assert len(used) == len(set(used))
        assert free_set(buddy) == set(range(pages)) - set(used)
        assert buddy.free_pages == pages - len(used)
        assert buddy.free_pages == sum(count << order for order, count in enumerate(buddy.nr_free))


@given(st.integers(1, 600), st.randoms(use_true_random=False))
def test_freeing_in_bulk_merges_as_freeing_one_by_one(count: int, rng: random.Random) -> None:
    one, bulk = Buddy(1024), Buddy(1024)
    pages = one.alloc_bulk(count)
    assert pages is not None
    bulk.alloc_bulk(count)
    part = np.array(rng.sample(pages.tolist(), count // 2 + 1), dtype=np.int64)
    for page in part.tolist():
        one.free(page)
    bulk.free_bulk(part)
    assert one.nr_free == bulk.nr_free


def test_fragmentation_index_tells_lack_of_memory_from_fragmentation() -> None:
    buddy = Buddy(1024)
    assert buddy.fragmentation_index(4) == -1
    pages = buddy.alloc_bulk(1024)
    assert pages is not None
    buddy.free_bulk(np.arange(0, 1024, 2, dtype=np.int64))
    assert buddy.fragmentation_index(4) > 0.9
    assert buddy.unusable_free_index(4) == 1.0
    buddy.free_bulk(np.arange(1, 1024, 2, dtype=np.int64))
    assert buddy.unusable_free_index(4) == 0.0


def test_the_reserve_is_the_kernels() -> None:
    assert min_free_kbytes(1 << 30) == 4096
    assert min_free_kbytes(1 << 50) == 262144


def test_memory_above_4g_is_a_zone_of_its_own_and_is_used_first() -> None:
    memory = PhysicalMemory(Geometry.parse("64K"), 8 << 30)
    assert [zone.name for zone in memory.zones] == ["DMA32", "Normal"]
    page = memory.alloc(ANON)
    assert page is not None
    assert page >= (4 << 30) >> 16


def test_struct_pages_are_taken_out_of_memory() -> None:
    memory = PhysicalMemory(Geometry.parse("4K"), 1 << 30)
    assert memory.reserved == (1 << 30 >> 12) * 64 >> 12
    assert int((memory.kind == KERNEL).sum()) == memory.reserved


def test_an_allocation_stops_at_the_min_watermark() -> None:
    memory = PhysicalMemory(Geometry.parse("4K"), 64 << 20)
    while memory.alloc(ANON) is not None:
        pass
    assert memory.free_pages == memory.zones[0].watermarks.min > 0
    assert memory.below_low()


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(InputError, match="at least 16"):
        PhysicalMemory(Geometry.parse("2M"), 16 << 20)
