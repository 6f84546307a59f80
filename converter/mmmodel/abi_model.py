"""The model's side of the oracle: a program of operations on a simulated machine."""

from typing import NamedTuple

from converter.mmmodel.abi_kernel import MapsLine
from converter.mmmodel.abi_program import ARENA_SIZE, BREAK, FILE_SIZES, Op, file_content
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.mm import MM, Crossing, Machine, TableStrategy
from converter.mmmodel.uapi import MREMAP_FIXED, MREMAP_MAYMOVE

_MACHINE_PAGES = 1024
_MACHINE_BYTES = 64 << 20


class Setup(NamedTuple):
    """What the model is, and where the arena lies (the byte address of its middle)."""

    geometry: Geometry
    tables: TableStrategy
    crossing: Crossing
    middle: int

    @property
    def base(self) -> int:
        """The byte address of the arena."""
        return self.middle - ARENA_SIZE // 2


def describe(setup: Setup) -> str:
    """The setup in words."""
    return f"{setup.geometry}, tables {setup.tables}, crossing {setup.crossing}, arena around {setup.middle:#x}"


class ModelSide:
    """The program on the model; `swap`: bytes of it."""

    def __init__(self, setup: Setup, swap: int = 0) -> None:
        self.base = setup.base
        ram = max(_MACHINE_BYTES, _MACHINE_PAGES << setup.geometry.pg_shift)
        self.machine = Machine(setup.geometry, ram=ram, swap=swap, tables=setup.tables, crossing=setup.crossing)
        last = len(FILE_SIZES) - 1
        self.files = [
            self.machine.file(file_content(i), f"file{i}", i != last, "tmpfs") for i in range(len(FILE_SIZES))
        ]
        for file in self.files:
            file.read_ahead()
        self.processes = {0: self.machine.spawn(self.base + BREAK)}

    def run(self, op: Op) -> tuple[int, bytes]:
        """Do one operation: (return value or -errno, bytes that it read)."""
        mm, base, args = self.processes[op.process], self.base, op.args
        if op.name == "write":
            return mm.write(base + args[0], bytes([args[2]]) * args[1]), b""
        if op.name in ("read", "mincore"):
            data = mm.read(base + args[0], args[1]) if op.name == "read" else mm.mincore(base + args[0], args[1])
            if isinstance(data, int):
                return data, b""
            return (len(data), data) if op.name == "read" else (0, b"")
        if op.name == "mmap":
            addr, length, prot, flags, file, offset, back = args
            source = self.files[file] if file >= 0 else None
            result = mm.mmap(base + addr if addr >= 0 else 0, length, prot, flags, source, offset)
            return self._move_back(mm, result, length, back), b""
        if op.name == "mremap":
            addr, old_size, new_size, flags, new_addr = args
            result = mm.mremap(base + addr, old_size, new_size, flags, base + new_addr)
            return self._move_back(mm, result, new_size, new_addr), b""
        if op.name == "fork":
            child = mm.fork()
            if isinstance(child, int):
                return child, b""
            self.processes[args[0]] = child
            return 0, b""
        if op.name == "exit":
            self.processes.pop(op.process).exit()
            return 0, b""
        if op.name == "brk":
            return mm.brk(base + args[0]) - base, b""
        result = getattr(mm, op.name)(base + args[0], *args[1:])
        return int(result), b""

    def _move_back(self, mm: MM, addr: int, length: int, back: int) -> int:
        if addr < 0:
            return addr
        if not self.base <= addr < self.base + ARENA_SIZE:
            length = mm.geometry.pte_align(length)
            moved = mm.mremap(addr, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, self.base + back)
            if moved < 0:
                mm.munmap(addr, length)
                return moved
            addr = moved
        return addr - self.base

    def maps(self, process: int) -> list[MapsLine]:
        """/proc/PID/maps inside the arena; the number of the file stands for the inode."""
        mm = self.processes[process]
        lines = []
        for row in mm.maps():
            if row.end > self.base and row.start < self.base + ARENA_SIZE:
                ident = row.file.ident if row.file is not None else 0
                lines.append(MapsLine(row.start - self.base, row.end - self.base, row.perms(), row.offset, ident))
        return lines

    def file_bytes(self, number: int) -> bytes:
        """The bytes of a file."""
        file = self.files[number]
        return b"".join(file.content(page) for page in range(file.pte_count))[: file.size]
