"""The machine as a whole: its size, its waste, the speed it promises, and laws that catch a broken model."""

import subprocess
import sys

import pytest

from converter.mmmodel import bench, uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.invariants import InvariantError
from converter.mmmodel.mm import MM, Machine
from converter.mmmodel.pagetable import WRITABLE

P = 4096
BASE = 0x10_0000_0000
ANON = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED
RW = uapi.PROT_READ | uapi.PROT_WRITE

TERABYTE = """
import resource
from converter.mmmodel import uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import Machine

machine = Machine(Geometry.parse("64K"), ram=1 << 40, tables="packed")
mm = machine.spawn()
mm.mmap(1 << 40, 1000 << 30, 3, uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED)
assert mm.touch(1 << 40, 1000 << 30) == (1000 << 30) >> 16
assert mm.rss()["anon"] == 1000 << 30
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
"""


def test_a_terabyte_at_64k_populated_fits_in_a_gigabyte() -> None:
    done = subprocess.run([sys.executable, "-c", TERABYTE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1 << 30


@pytest.mark.parametrize("size", ["4K", "16K", "64K"])
def test_half_a_million_faults_a_second_on_a_populated_range(size: str) -> None:
    geometry = Geometry.parse(size)
    rate = bench.populate_rate(geometry)
    assert rate > 500_000
    assert rate > 5 * bench.loop_rate(geometry)


@pytest.mark.parametrize("size", ["4K", "64K"])
def test_twenty_thousand_mixed_operations_a_second_with_checks(size: str) -> None:
    assert bench.mixed_rate(Geometry.parse(size)) > 20_000


def test_memory_use_adds_up() -> None:
    machine = Machine(Geometry.parse("16K"), ram=64 << 20)
    mm = machine.spawn()
    mm.mmap(BASE, 1 << 20, RW, ANON)
    mm.touch(BASE, 1 << 20)
    machine.file(100_000).read_ahead()
    use = machine.memory_use()
    assert use["anon"] == 1 << 20
    assert use["file"] == 7 << 14
    assert use["total"] == 64 << 20
    assert sum(use[kind] for kind in ("free", "anon", "file", "tables", "kernel")) == use["total"]


def test_a_misaligned_area_wastes_at_an_aligned_end() -> None:
    machine = Machine(Geometry.parse("64K"), ram=64 << 20)
    mm = machine.spawn()
    mm.mmap(BASE, 32 * P, RW, ANON)
    mm.write(BASE, b"x")
    mm.write(BASE + 16 * P, b"x")
    mm.mremap(BASE, 32 * P, 32 * P, 3, BASE + 64 * P + 8 * P)
    mm.munmap(BASE + 80 * P, 32 * P)
    assert mm.waste()["misaligned"] == 8 * P
    assert mm.waste()["vma_end"] == 0


def test_nothing_is_wasted_where_both_sizes_are_equal() -> None:
    machine = Machine(Geometry(), ram=64 << 20)
    mm = machine.spawn()
    mm.mmap(BASE + P, 5 * P, RW, ANON)
    mm.touch(BASE + P, 5 * P)
    mm.madvise(BASE + 2 * P, P, uapi.MADV_DONTNEED)
    machine.file(5000).read_ahead()
    assert not any(machine.waste().values())


def test_the_struct_pages_saved_are_fifteen_sixteenths_at_64k() -> None:
    assert Machine(Geometry.parse("64K"), ram=1 << 30).waste()["struct_pages_saved"] == 15 << 20


def broken() -> tuple[Machine, MM]:
    machine = Machine(Geometry.parse("64K"), ram=64 << 20)
    mm = machine.spawn()
    mm.mmap(BASE, 16 * P, RW, ANON)
    mm.write(BASE, b"x")
    machine.check()
    return machine, mm


def test_check_sees_a_pte_at_the_wrong_part() -> None:
    machine, mm = broken()
    entry = mm.tables.get(BASE // P)
    mm.tables.set(BASE // P, mm.tables.get(BASE // P + 1))
    mm.tables.set(BASE // P + 1, entry)
    with pytest.raises(InvariantError, match="the part of the page"):
        machine.check()


def test_check_sees_a_lost_pte() -> None:
    machine, mm = broken()
    mm.tables.set(BASE // P, 0)
    with pytest.raises(InvariantError, match="RSS counters"):
        machine.check()
    mm.rss_anon -= 1
    with pytest.raises(InvariantError, match="mapcounts"):
        machine.check()


def test_check_sees_a_writable_page_that_another_maps() -> None:
    machine, mm = broken()
    mm.fork()
    mm.tables.set(BASE // P, mm.tables.get(BASE // P) | WRITABLE)
    with pytest.raises(InvariantError, match="one PTE may write"):
        machine.check()


def test_check_sees_a_leak() -> None:
    machine, _ = broken()
    machine.alloc_page(1)
    with pytest.raises(InvariantError, match=r"refcounts|leaked"):
        machine.check()


def test_check_sees_a_page_that_is_used_and_free() -> None:
    machine, mm = broken()
    zone = machine.memory.zones[0]
    zone.buddy.free(mm.tables.get(BASE // P) >> 12 >> 4)
    with pytest.raises(InvariantError, match="the buddy owns what nobody uses"):
        machine.check()
