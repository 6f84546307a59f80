"""One program on both sides, compared after each operation.

What is compared: the return value or errno; the bytes that a read got; the bytes of the files; and in every process
that lives, whoever acted:

- /proc/PID/maps with adjacent lines of equal meaning joined. Whether the lines are equal without being joined is
  counted, not required: where areas merge depends on the history of their anon_vmas.
- The bytes of every PTE_SIZE page.
- Residency by mincore(2). At PG_SIZE = PTE_SIZE it must be equal. At a larger PG_SIZE what the kernel has resident the
  model must have too, and an anonymous page of PG_SIZE may be in the model only if a part of it is, or once was,
  resident in the kernel: a page brings its neighbours in, but none comes by itself. Not compared is a clean page of the
  page cache where the kernel is free to drop it, or to keep it in spite of MADV_PAGEOUT.

On a machine with swap MADV_PAGEOUT asks the kernel to send memory there, which it may do, do later or not do. So in a
program that has paged out residency is not compared, nor what brought a page there. What the kernel has in swap the
model must have too, in memory or in swap; its bytes are compared each tenth operation and at the end of the program, as
looking brings them back.
"""

import errno
from collections import Counter
from dataclasses import dataclass, field

from converter.mmmodel.abi_kernel import Kernel, MapsLine
from converter.mmmodel.abi_model import ModelSide, Setup
from converter.mmmodel.abi_program import ARENA_PAGES, ARENA_SIZE, PAGE, Op
from converter.mmmodel.abi_worker import STRAY
from converter.mmmodel.mm import MM
from converter.mmmodel.pagecache import File
from converter.mmmodel.pagetable import PFN_SHIFT, PRESENT
from converter.mmmodel.physmem import ANON, DIRTY, FILE
from converter.mmmodel.uapi import MADV_PAGEOUT

_CHECK_EVERY = 50
_BRING_BACK_EVERY = 10
_SWAP = 64 << 20
_ZEROS = bytes(PAGE)
_CHANGES_FILES = frozenset(("write", "madvise"))


@dataclass
class Tally:
    """What a run did: operations, how often each call gave which answer on both sides, comparisons of address spaces.

    answers: by (name, errno), 0 where it succeeded.
    Each comparison looks at the maps lines, every page's bytes, and mincore(2). Counted are those where the lines were
    equal without being joined, and those where mincore gave the same bytes. in_swap: pages seen in the kernel's swap.
    """

    operations: int = 0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    compared: int = 0
    maps_equal_unjoined: int = 0
    mincore_equal: int = 0
    in_swap: int = 0

    @property
    def errors(self) -> int:
        """System calls that failed on both sides alike."""
        return sum(count for (_, error), count in self.answers.items() if error)

    def add(self, other: "Tally") -> None:
        """Sum up."""
        self.operations += other.operations
        self.answers += other.answers
        self.compared += other.compared
        self.maps_equal_unjoined += other.maps_equal_unjoined
        self.mincore_equal += other.mincore_equal
        self.in_swap += other.in_swap


class Pair:
    """Both sides of one program. `run` does an operation and says how the two differ, if they do."""

    def __init__(self, kernel: Kernel, setup: Setup) -> None:
        self.kernel = kernel
        self.model = ModelSide(setup, max(_SWAP, 64 << setup.geometry.pg_shift) if kernel.has_swap else 0)
        self.tally = Tally()
        self.stray = False  # the kernel's side is no longer comparable: the program ends here
        self._exact = setup.geometry.ptes_per_page == 1
        self._inodes: dict[int, int] = {}
        self._explained: set[int] = set()  # anonymous pages (PG units) of which the kernel has had a part
        self._paged_out = False
        kernel.reset()

    def possible(self, op: Op) -> bool:
        """False for an operation of a process that is not there, of a child that is, or that would leave the arena."""
        alive = self.model.processes
        if op.name == "brk" and not self.kernel.brk_works:
            return False
        if op.name == "mremap" and op.args[0] + op.args[2] > ARENA_SIZE:
            return False
        return op.process in alive and (op.name != "fork" or op.args[0] not in alive)

    def run(self, op: Op) -> str | None:
        """Do `op` on both sides; None, or what the two sides say differently."""
        if not self.possible(op):
            return None
        self.tally.operations += 1
        self._paged_out = self._paged_out or (op.name == "madvise" and op.args[2] == MADV_PAGEOUT)
        real, real_data = self.kernel.run(op)
        if real == STRAY:
            self.stray = True
            return None
        model, model_data = self.model.run(op)
        if real != model:
            return f"{op.name} returned {_value(real)} on the kernel, {_value(model)} on the model"
        if op.name == "read" and real_data != model_data:
            return f"read got {real_data.hex()} on the kernel, {model_data.hex()} on the model"
        self.tally.answers[op.name, max(0, -real)] += 1
        if self.tally.operations % _CHECK_EVERY == 0:
            self.model.machine.check()
        return self._compare(op)

    def finish(self) -> str | None:
        """Check the model, and see that nothing of it is left after exit."""
        self.model.machine.check()
        if self._may_swap:
            for process in self.model.processes:
                self.kernel.bring_back(process)
                difference = self._compare_process(process, {})
                if difference:
                    return difference
        for mm in list(self.model.processes.values()):
            mm.exit()
        self.model.machine.check()
        used = self.model.machine.memory_use()
        return f"the model leaks {used}" if used["anon"] or used["tables"] else None

    @property
    def _may_swap(self) -> bool:
        """May memory of this program be in the kernel's swap?"""
        return self.kernel.has_swap and self._paged_out

    def _compare(self, op: Op) -> str | None:
        present: dict[int, bool] = {}
        for process in self.model.processes:
            if self._may_swap and self.tally.operations % _BRING_BACK_EVERY == 0:
                self.kernel.bring_back(process)
            difference = self._compare_process(process, present)
            if difference:
                return difference
        unexplained = self._unexplained(present)
        if unexplained:
            return unexplained
        if op.name in _CHANGES_FILES:
            for number in range(len(self.model.files)):
                if self.kernel.file(number) != self.model.file_bytes(number):
                    return f"the bytes of file {number} differ"
        return None

    def _compare_process(self, process: int, present: dict[int, bool]) -> str | None:
        """Everything of one process; `present`: see _compare_bytes."""
        real, model = self.kernel.maps(process), self.model.maps(process)
        joined = _join(model)
        if not self._same_lines(_join(real), joined):
            return f"process {process}: maps differ\n{_show(_join(real))}\non the model\n{_show(joined)}"
        self.tally.compared += 1
        self.tally.maps_equal_unjoined += self._same_lines(real, model)
        return self._compare_bytes(process, present) or self._compare_residency(process)

    def _unexplained(self, present: dict[int, bool]) -> str | None:
        """An anonymous page of the model of which the kernel has no part and never had one."""
        seen = {page for page, witnessed in present.items() if witnessed or page in self._explained}
        self._explained = seen
        if len(seen) == len(present) or self._may_swap:
            return None
        return f"page {min(present.keys() - seen)} of the model has no part that the kernel ever had resident"

    def _same_lines(self, real: list[MapsLine], model: list[MapsLine]) -> bool:
        """Equal but for the names of files: one inode must always be the same file."""
        if len(real) != len(model):
            return False
        for ours, theirs in zip(model, real, strict=True):
            if ours[:4] != theirs[:4] or (ours.inode == 0) != (theirs.inode == 0):
                return False
            if ours.inode and self._inodes.setdefault(ours.inode, theirs.inode) != theirs.inode:
                return False
        return True

    def _compare_bytes(self, process: int, present: dict[int, bool]) -> str | None:
        """The bytes of every page; notes in `present` the anonymous pages (PG units): has the kernel a part of it?"""
        mm, base = self.model.processes[process], self.model.base
        memory, real = self.model.machine.memory, self.kernel.pages(process)
        in_swap = self.kernel.swapped(process) if self._may_swap else frozenset[int]()
        self.tally.in_swap += len(in_swap)
        shift = PFN_SHIFT + mm.geometry.cluster_shift
        for vma in mm.vmas.over(base, base + ARENA_SIZE):
            start, end = max(vma.start, base), min(vma.end, base + ARENA_SIZE)
            page, pteoff = (start - base) // PAGE, vma.offset_of(start)
            for i, entry in enumerate(mm.tables.get_range(start // PAGE, end // PAGE)):
                theirs = real.get(page + i)
                swapped = page + i in in_swap
                if entry & PRESENT and memory.kind_at[entry >> shift] == ANON:
                    witnessed = theirs is not None or swapped
                    present[entry >> shift] = witnessed or present.get(entry >> shift, False)
                if swapped and not entry:
                    return f"process {process}: page {page + i} is in swap on the kernel, not there on the model"
                if swapped or (theirs is None and not entry):
                    continue
                unmapped = _unmapped_bytes(vma.file, pteoff + i)
                ours = self._held(entry) if entry else unmapped
                if theirs is None:
                    theirs = unmapped
                if ours != theirs:
                    held = f"{_bytes(theirs)} on the kernel, {_bytes(ours)} on the model"
                    return f"process {process}: page {page + i} holds {held}"
        return None

    def _held(self, entry: int) -> bytes | bytearray:
        """The bytes that a page-table entry stands for, in memory or in swap."""
        machine = self.model.machine
        held = machine.memory.data if entry & PRESENT else machine.swap.data
        return held.get(entry >> PFN_SHIFT, _ZEROS)

    def _compare_residency(self, process: int) -> str | None:
        mm, base = self.model.processes[process], self.model.base
        mapped, ours = 0, bytearray(ARENA_PAGES)
        for vma in mm.vmas.over(base, base + ARENA_SIZE):
            start, end = max(vma.start, base), min(vma.end, base + ARENA_SIZE)
            vector = mm.mincore(start, end - start)
            assert isinstance(vector, bytes)
            first = (start - base) // PAGE
            mapped |= ((1 << len(vector)) - 1) << first
            ours[first : first + len(vector)] = vector
        theirs = self.kernel.residency(process, mapped)
        if theirs == ours:
            self.tally.mincore_equal += 1
            return None
        if self._may_swap:
            return None
        for page in range(ARENA_PAGES):
            differs = theirs[page] != ours[page] and (self._exact or theirs[page])
            if differs and not self._undetermined(mm, base + page * PAGE, bool(ours[page])):
                said = f"{theirs[page]} on the kernel, {ours[page]} on the model"
                return f"process {process}: mincore of page {page} is {said}"
        return None

    def _undetermined(self, mm: MM, addr: int, resident: bool) -> bool:
        """True for a clean page-cache page: the kernel may drop it unasked, or keep it where MADV_PAGEOUT asks."""
        vma = mm.vmas.lookup(addr)
        if vma is None or vma.file is None:
            return False
        if not resident:
            return self._paged_out
        memory, shift = self.model.machine.memory, mm.geometry.cluster_shift
        entry = mm.tables.get(addr >> mm.geometry.pte_shift)
        page = entry >> PFN_SHIFT >> shift if entry else vma.file.pages.get(vma.offset_of(addr) >> shift)
        return page is not None and memory.kind_at[page] == FILE and not memory.flags_at[page] & DIRTY


def _unmapped_bytes(file: File | None, pteoff: int) -> bytes | None:
    """What a page without a PTE must hold: zeros, what the file has there, or nothing beyond its end."""
    if file is None:
        return _ZEROS
    return file.content(pteoff) if pteoff < file.pte_count else None


def _join(lines: list[MapsLine]) -> list[MapsLine]:
    """Join adjacent lines that say the same."""
    joined: list[MapsLine] = []
    for line in lines:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.end == line.start
            and last.perms == line.perms
            and last.inode == line.inode
            and (not line.inode or last.offset + last.end - last.start == line.offset)
        ):
            joined[-1] = last._replace(end=line.end)
        else:
            joined.append(line)
    return joined


def _show(lines: list[MapsLine]) -> str:
    return "\n".join(
        f"  {line.start // PAGE}-{line.end // PAGE} {line.perms}"
        + (f" file+{line.offset // PAGE}" if line.inode else "")
        for line in lines
    )


def _bytes(data: bytes | bytearray | None) -> str:
    if data is None:
        return "nothing"
    if data == _ZEROS:
        return "zeros"
    first = next(i for i, byte in enumerate(data) if byte)
    return f"{data[first : first + 8].hex()} at +{first}"


def _value(result: int) -> str:
    return errno.errorcode.get(-result, str(result)) if result < 0 else f"{result:#x}"
