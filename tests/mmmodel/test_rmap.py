"""From a page to its PTEs and back: counts under fork, partial unmap, mremap and copy-on-write."""

from converter.mmmodel import rmap, uapi
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Machine
from converter.mmmodel.pagetable import PFN_SHIFT

P = 4096
BASE = 0x10_0000_0000
ANON = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED
RW = uapi.PROT_READ | uapi.PROT_WRITE


def one_page(parts: int = 16) -> tuple[MM, int]:
    """An address space with one 64K page, written, and the page's number."""
    mm = Machine(Geometry.parse("64K"), ram=64 << 20).spawn()
    mm.mmap(BASE, parts * P, RW, ANON)
    mm.write(BASE, b"x")
    return mm, page_at(mm, BASE)


def page_at(mm: MM, addr: int) -> int:
    return mm.geometry.pfn_to_page(mm.tables.get(addr // P) >> PFN_SHIFT)


def addresses(mm: MM, page: int) -> list[int]:
    """Where the page is mapped, in pages from BASE, over all address spaces."""
    return sorted(n - BASE // P for _, _, n, _ in rmap.page_ptes(mm.machine, page))


def forked(mm: MM) -> MM:
    child = mm.fork()
    assert isinstance(child, MM)
    return child


def test_a_fresh_page_is_found_at_all_its_parts() -> None:
    mm, page = one_page()
    assert addresses(mm, page) == list(range(16))
    assert mm.machine.memory.mapcount[page] == mm.machine.memory.refcount[page] == 16


def test_fork_doubles_every_count() -> None:
    mm, page = one_page()
    forked(mm)
    assert addresses(mm, page) == sorted([*range(16), *range(16)])
    first = mm.geometry.page_to_pfn(page)
    assert [rmap.pte_mapcount(mm.machine, first + part) for part in range(16)] == [2] * 16
    assert mm.machine.memory.mapcount[page] == 32


def test_a_partial_unmap_takes_its_parts_only() -> None:
    mm, page = one_page()
    child = forked(mm)
    mm.munmap(BASE + 4 * P, 4 * P)
    first = mm.geometry.page_to_pfn(page)
    assert [rmap.pte_mapcount(mm.machine, first + part) for part in range(16)] == [2] * 4 + [1] * 4 + [2] * 8
    assert mm.machine.memory.mapcount[page] == 28
    child.exit()
    assert mm.machine.memory.mapcount[page] == 12
    mm.check()


def test_a_move_to_a_misaligned_address_keeps_page_and_parts() -> None:
    mm, page = one_page()
    mm.mremap(BASE + 2 * P, 3 * P, 3 * P, uapi.MREMAP_MAYMOVE | uapi.MREMAP_FIXED, BASE + 101 * P)
    assert addresses(mm, page) == [0, 1, *range(5, 16), 101, 102, 103]
    assert page_at(mm, BASE + 102 * P) == page
    mm.check()


def test_a_slot_that_was_moved_away_is_not_given_out_again() -> None:
    mm, page = one_page()
    mm.write(BASE + 2 * P, b"moved")
    mm.mremap(BASE + 2 * P, P, P, uapi.MREMAP_MAYMOVE | uapi.MREMAP_FIXED, BASE + 101 * P)
    mm.mmap(BASE + 2 * P, P, RW, ANON)
    mm.write(BASE + 2 * P, b"other")
    assert mm.read(BASE + 101 * P, 5) == b"moved"
    assert page_at(mm, BASE + 2 * P) != page
    mm.check()


def test_a_copy_leaves_the_old_page_to_the_other_side() -> None:
    mm, page = one_page()
    child = forked(mm)
    child.write(BASE + P, b"y")
    assert page_at(child, BASE) != page
    assert mm.machine.memory.mapcount[page] == 16
    assert rmap.mapped_only_by(mm.machine, page, mm)
    mm.check()


def test_a_grandchild_finds_pages_of_all_its_ancestors() -> None:
    mm, page = one_page(32)
    child = forked(mm)
    child.write(BASE + 16 * P, b"child")
    grandchild = forked(child)
    own = page_at(child, BASE + 16 * P)
    assert len(addresses(mm, page)) == 48
    assert addresses(mm, own) == sorted([*range(16, 32), *range(16, 32)])
    child.exit()
    assert len(addresses(mm, page)) == 32
    assert grandchild.read(BASE + 16 * P, 5) == b"child"
    mm.check()


def test_a_file_page_is_found_in_every_mapping_of_it() -> None:
    machine = Machine(Geometry.parse("64K"), ram=64 << 20)
    file = machine.file(16 * P)
    one, two = machine.spawn(), machine.spawn()
    one.mmap(BASE, 16 * P, RW, uapi.MAP_SHARED | uapi.MAP_FIXED, file)
    two.mmap(BASE + 3 * P, 4 * P, RW, uapi.MAP_PRIVATE | uapi.MAP_FIXED, file, 8 * P)
    one.read(BASE, 1)
    two.read(BASE + 3 * P, 1)
    page = file.pages[0]
    assert addresses(one, page) == sorted([*range(16), 3, 4, 5, 6])
    assert machine.memory.refcount[page] == machine.memory.mapcount[page] + 1 == 21
    machine.check()
