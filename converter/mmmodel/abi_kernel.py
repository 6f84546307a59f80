"""The real side of the oracle: operations on this machine's Linux kernel, in processes of their own.

`Kernel` runs in a process that the oracle forked for it; that process is process 0 of every program, and its children
by the `fork` operation take commands over socket pairs made before (abi_worker.py). The arena lies at a fixed address
below all other mappings, but those of a program that is linked to a fixed place (Debian's Python). Memory is observed
through /proc/PID/{maps,pagemap,mem}, which disturbs nothing. Linux only.
"""

import os
import platform
import select
import signal
import socket
from typing import NamedTuple

import numpy as np

from converter.errors import InputError
from converter.mmmodel import uapi
from converter.mmmodel.abi_program import ARENA_PAGES, ARENA_SIZE, FILE_SIZES, MAX_PROCESSES, PAGE, Op, file_content
from converter.mmmodel.abi_worker import COMMAND, NAMES, REPLY, Libc, Worker

_PR_SET_THP_DISABLE = 41
_MAPS_CHUNK = 1 << 16
_RESERVE = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_NORESERVE | uapi.MAP_FIXED_NOREPLACE
_PRESENT = np.uint64(1 << 63)
_SWAPPED = np.uint64(1 << 62)


class MapsLine(NamedTuple):
    """One line of /proc/PID/maps inside the arena: byte offsets from its start, permissions, file offset, inode."""

    start: int
    end: int
    perms: str
    offset: int
    inode: int


def require_linux() -> None:
    """InputError unless this machine can be the oracle."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise InputError(f"the oracle needs Linux on x86-64, this is {platform.system()} on {platform.machine()}")
    if os.sysconf("SC_PAGE_SIZE") != PAGE:
        raise InputError(f"the oracle needs pages of {PAGE} bytes")


def older_than_the_rules() -> bool:
    """True on a kernel before Linux 6.17, whose mremap(2) differs in corners from what the model does."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) < (6, 17)


def _has_swap() -> bool:
    """Can the kernel send anonymous memory to swap?"""
    with open("/proc/swaps") as file:
        return len(file.readlines()) > 1


class _Eyes:
    """What can be seen of one process from outside."""

    def __init__(self, pid: int, base: int) -> None:
        self.pid = pid
        self._base = base
        self._maps = os.open(f"/proc/{pid}/maps", os.O_RDONLY)
        self._pagemap = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
        self._mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        self._raw = b""
        self._lines: list[MapsLine] = []

    def close(self) -> None:
        """Let go of the process."""
        for fd in (self._maps, self._pagemap, self._mem):
            os.close(fd)

    def maps(self) -> list[MapsLine]:
        """The lines inside the arena."""
        end = self._base + ARENA_SIZE
        raw = os.pread(self._maps, _MAPS_CHUNK, 0)
        while True:
            last = raw[raw.rfind(b"\n", 0, -1) + 1 :]
            if not last or int(last.split(b"-", 1)[0], 16) >= end:
                break
            more = os.pread(self._maps, _MAPS_CHUNK, len(raw))
            if not more:
                break
            raw += more
        if raw != self._raw:
            self._raw = raw
            self._lines = _parse_maps(raw, self._base)
        return self._lines

    def entries(self, kind: np.uint64) -> list[int]:
        """Page numbers in the arena whose pagemap entry has the bit: the PTE is present, or holds a swap slot."""
        entries = np.frombuffer(os.pread(self._pagemap, ARENA_PAGES * 8, self._base // PAGE * 8), dtype=np.uint64)
        found: list[int] = np.flatnonzero(entries & kind).tolist()
        return found

    def pages(self, present: list[int]) -> dict[int, bytes]:
        """The bytes of these pages, whatever their protection; one in swap comes back by that."""
        found = {}
        i = 0
        while i < len(present):
            j = i + 1
            while j < len(present) and present[j] == present[j - 1] + 1:
                j += 1
            data = os.pread(self._mem, (j - i) * PAGE, self._base + present[i] * PAGE)
            for k in range(j - i):
                found[present[i] + k] = data[k * PAGE : (k + 1) * PAGE]
            i = j
        return found


def _parse_maps(raw: bytes, base: int) -> list[MapsLine]:
    lines = []
    for line in raw.splitlines():
        extent, perms, offset, _, inode, *_ = line.split(None, 5)
        start, end = (int(part, 16) - base for part in extent.split(b"-"))
        if start >= ARENA_SIZE:
            break
        if end > 0:
            lines.append(MapsLine(start, end, perms.decode(), int(offset, 16), int(inode)))
    return lines


class Kernel:
    """All processes of a program. To be made in a process forked for it; ends with `close`."""

    def __init__(self, base: int) -> None:
        self.base = base
        self._libc = Libc()
        self._libc.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
        reserved = self._libc("mmap", base, ARENA_SIZE, 0, _RESERVE, -1, 0)
        if reserved != base:
            raise InputError(f"cannot reserve the arena at {base:#x}: {os.strerror(abs(reserved))}")
        self._channels = [socket.socketpair() for _ in range(MAX_PROCESSES)]
        self._worker = Worker(self._libc, base)
        self._worker.make_attic()
        self.brk_works = self._worker.brk_works()
        self.has_swap = _has_swap()
        self._eyes = {0: _Eyes(os.getpid(), base)}
        self._pidfds: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """No children, an empty arena, new files with their first content."""
        for process in list(self._pidfds):
            self._end(process)
        files = []
        for number in range(len(FILE_SIZES)):
            fd = os.memfd_create(f"file{number}")
            os.write(fd, file_content(number))
            if number == len(FILE_SIZES) - 1:
                reopened = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
                os.close(fd)
                fd = reopened
            files.append(fd)
        self._worker.reset(files)

    def processes(self) -> list[int]:
        """Processes that live."""
        return list(self._eyes)

    def run(self, op: Op) -> tuple[int, bytes]:
        """Do one operation: (return value or -errno, bytes that it read); 0 for fork and exit."""
        if op.name == "exit":
            self._end(op.process)
            return 0, b""
        if op.process == 0:
            if op.name == "fork":
                result, data = self._worker.fork(self._channels[op.args[0]][1], self._channels), b""
            else:
                return self._worker.run(op.name, op.args)
        else:
            result, data = self._ask(op.process, op.name, op.args)
        if op.name == "fork":
            self._pidfds[op.args[0]] = os.pidfd_open(result)
            self._eyes[op.args[0]] = _Eyes(result, self.base)
            result = 0
        return result, data

    def _ask(self, process: int, name: str, args: tuple[int, ...]) -> tuple[int, bytes]:
        channel = self._channels[process][0]
        channel.sendall(COMMAND.pack(NAMES.index(name), *args, *(0,) * (7 - len(args))))
        reply = channel.recv(REPLY.size, socket.MSG_WAITALL)
        if len(reply) < REPLY.size:
            raise InputError(f"process {process} of the program died")
        result, length, data = REPLY.unpack(reply)
        return result, data[:length]

    def _end(self, process: int) -> None:
        """End a child and wait until its address space is gone."""
        self._ask_to_exit(process)
        pidfd = self._pidfds.pop(process)
        select.select([pidfd], [], [], 10)
        os.close(pidfd)
        self._eyes.pop(process).close()

    def _ask_to_exit(self, process: int) -> None:
        self._channels[process][0].sendall(COMMAND.pack(NAMES.index("exit"), *(0,) * 7))

    def maps(self, process: int) -> list[MapsLine]:
        """/proc/PID/maps inside the arena."""
        return self._eyes[process].maps()

    def pages(self, process: int) -> dict[int, bytes]:
        """The bytes of each arena page whose PTE is present."""
        eyes = self._eyes[process]
        return eyes.pages(eyes.entries(_PRESENT))

    def swapped(self, process: int) -> frozenset[int]:
        """The arena pages whose PTE holds a swap slot."""
        return frozenset(self._eyes[process].entries(_SWAPPED))

    def bring_back(self, process: int) -> None:
        """Read what is in swap, so that `pages` sees it."""
        eyes = self._eyes[process]
        eyes.pages(eyes.entries(_SWAPPED))

    def residency(self, process: int, mapped: int) -> bytes:
        """One byte, 0 or 1, for each page of the arena, by mincore(2) over the pages whose bit in `mapped` is set."""
        if not process:
            return self._worker.residency(mapped)
        half = (1 << 32) - 1
        return self._ask(process, "residency", (mapped & half, mapped >> 32))[1]

    def file(self, number: int) -> bytes:
        """The bytes of a file."""
        return os.pread(self._worker.files[number], FILE_SIZES[number], 0)

    def close(self) -> None:
        """End the children."""
        for process in list(self._pidfds):
            self._end(process)


def reap_silently() -> None:
    """Children of this process leave no zombies."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
