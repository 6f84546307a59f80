"""A machine with 64K pages, next to no memory, and swap holds the same bytes as one with 4K pages and plenty."""

import random

import pytest

from converter.mmmodel import reclaim, uapi
from converter.mmmodel.abi_model import ModelSide, Setup
from converter.mmmodel.abi_program import ARENA_PAGES, BOUNDARIES, BREAK, FILE_SIZES, PAGE, Generator, Op, file_content
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import Crossing, Machine

RAM_PAGES = {"4K": 48, "16K": 26, "64K": 19, "2M": 17}
"""So few that most programs reclaim, and some run out."""


class Tight(ModelSide):
    """The model with little memory, its files on disk."""

    def __init__(self, setup: Setup, pages: int) -> None:
        super().__init__(setup)
        size = setup.geometry.pg_size
        self.machine = Machine(setup.geometry, ram=pages * size, swap=1024 * size, crossing=setup.crossing)
        self.files = [self.machine.file(file_content(i), writable=i == 0) for i in range(len(FILE_SIZES))]
        self.processes = {0: self.machine.spawn(self.base + BREAK)}


def comparable(op: Op, side: ModelSide) -> bool:
    """False for what depends on how much memory there is, or what the program cannot do now."""
    if op.process not in side.processes or (op.name == "fork" and op.args[0] in side.processes):
        return False
    if op.name == "madvise":
        return op.args[2] != uapi.MADV_FREE
    if op.name == "mmap":
        shared_anonymous = op.args[4] < 0 and op.args[3] & uapi.MAP_SHARED
        return not op.args[3] & uapi.MAP_LOCKED and not shared_anonymous
    return op.name not in ("mlock", "mincore")


@pytest.mark.parametrize("crossing", ["naive", "straddle"])
@pytest.mark.parametrize("size", RAM_PAGES)
def test_little_memory_changes_no_byte(size: str, crossing: Crossing) -> None:
    swapped = 0
    for seed in range(6):
        rng = random.Random(seed)
        middle = rng.choice(BOUNDARIES)[1]
        plenty = ModelSide(Setup(Geometry(), "packed", "naive", middle))
        tight = Tight(Setup(Geometry.parse(size), "packed", crossing, middle), RAM_PAGES[size])
        generator = Generator(rng)
        for _ in range(120):
            op = generator.op()
            if not comparable(op, plenty):
                continue
            results = plenty.run(op), tight.run(op)
            if tight.machine.ooms:
                break
            assert results[0] == results[1], op
            if rng.random() < 0.25:
                first = tight.base // PAGE
                mm = tight.processes[rng.choice(list(tight.processes))]
                reclaim.page_out(mm, first + rng.randrange(ARENA_PAGES), first + ARENA_PAGES)
            tight.machine.check()
            for process, mm in tight.processes.items():
                for addr in range(tight.base, tight.base + ARENA_PAGES * PAGE, PAGE):
                    assert mm.peek(addr) == plenty.processes[process].peek(addr), (op, process, hex(addr))
        swapped += tight.machine.swap_outs
    assert swapped > 0
