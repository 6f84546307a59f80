"""How fast the model is: page faults a second, against a plain loop over the same ones, and mixed operations a second.

Times are CPU time of this one thread, so that what else the machine does stays out of them.

Run as a module to print the figures; `figures()` is what `make bench` shows.
"""

import random
import time
from collections.abc import Callable

from converter.mmmodel import uapi
from converter.mmmodel.fault import handle_fault
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Machine

_ANON = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED
_RW = uapi.PROT_READ | uapi.PROT_WRITE
_START = 0x10_0000_0000
_FAULT_BYTES = 4 << 30
_LOOP_FAULTS = 20_000
_MIXED = 40_000
_CHECK_EVERY = 1_000
_ARENA_PAGES = 4096


def figures() -> list[tuple[str, float, str]]:
    """(name, value, unit or explanation) of each figure; about ten seconds."""
    found = []
    for size in ("4K", "16K", "64K"):
        geometry = Geometry.parse(size)
        vector, loop = populate_rate(geometry), loop_rate(geometry)
        found.append((f"faults {size}", vector, "page faults a second, populating 4G of anonymous memory"))
        found.append((f"faults {size} against a loop", vector / loop, "times a plain loop over single faults"))
    for size in ("4K", "64K"):
        rate = mixed_rate(Geometry.parse(size))
        found.append((f"mixed operations {size}", rate, f"a second, all invariants checked every {_CHECK_EVERY}"))
    return found


def populate_rate(geometry: Geometry) -> float:
    """Faults a second of touch() over a fresh anonymous mapping."""
    mm = Machine(geometry, ram=_FAULT_BYTES + (1 << 30)).spawn()
    mm.mmap(_START, _FAULT_BYTES, _RW, _ANON)
    begin = time.process_time()
    faults = mm.touch(_START, _FAULT_BYTES)
    return faults / (time.process_time() - begin)


def loop_rate(geometry: Geometry) -> float:
    """Faults a second of a plain Python loop that takes the same faults one by one."""
    mm = Machine(geometry, ram=(_LOOP_FAULTS << geometry.pg_shift) + (1 << 30)).spawn()
    mm.mmap(_START, _LOOP_FAULTS << geometry.pg_shift, _RW, _ANON)
    vma = mm.vmas.lookup(_START)
    assert vma is not None
    begin = time.process_time()
    for fault in range(_LOOP_FAULTS):
        handle_fault(vma, (_START + (fault << geometry.pg_shift)) >> geometry.pte_shift, True)
    return _LOOP_FAULTS / (time.process_time() - begin)


def mixed_rate(geometry: Geometry) -> float:
    """Operations a second of a random mix of system calls, reads and writes, with check() every 1,000."""
    rng = random.Random(1)
    machine = Machine(geometry, ram=256 << 20)
    mm = machine.spawn()
    mm.mmap(_START, _ARENA_PAGES * geometry.pte_size, _RW, _ANON)
    operations = [_random_operation(rng, geometry) for _ in range(_MIXED)]
    begin = time.process_time()
    for number, operation in enumerate(operations):
        operation(mm)
        if number % _CHECK_EVERY == 0:
            machine.check()
    return _MIXED / (time.process_time() - begin)


def _random_operation(rng: random.Random, geometry: Geometry) -> Callable[[MM], object]:
    """One of the mix: 30 % writes, 25 % reads, the rest system calls on up to 16 pages."""
    size = geometry.pte_size
    addr = _START + rng.randrange(_ARENA_PAGES - 16) * size
    length, luck = rng.randrange(1, 17) * size, rng.random()
    if luck < 0.30:
        return lambda mm: mm.write(addr + 8, b"x" * 64)
    if luck < 0.55:
        return lambda mm: mm.read(addr + 8, 64)
    if luck < 0.70:
        return lambda mm: mm.mmap(addr, length, _RW, _ANON)
    if luck < 0.75:
        return lambda mm: mm.munmap(addr, length)
    if luck < 0.85:
        prot = rng.choice((uapi.PROT_READ, _RW))
        return lambda mm: mm.mprotect(addr, length, prot)
    if luck < 0.92:
        return lambda mm: mm.madvise(addr, length, uapi.MADV_DONTNEED)
    target = _START + rng.randrange(_ARENA_PAGES - 16) * size
    flags = uapi.MREMAP_MAYMOVE | uapi.MREMAP_FIXED
    return lambda mm: mm.mremap(addr, length, length, flags, target)


def main() -> None:
    """Print the figures, one a line."""
    for name, value, unit in figures():
        print(f"{name:32} {value:14,.1f}  {unit}")


if __name__ == "__main__":
    main()
