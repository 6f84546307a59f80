"""The real side of the oracle: operations on this machine's Linux kernel, in processes of their own.

`Kernel` runs in a process that the oracle forked for it; that process is process 0 of every program, and its children
by the `fork` operation take commands over socket pairs made before. The arena lies at a fixed address below all other
mappings. Memory is accessed through pread(2) and pwrite(2) on a scratch file, which fault as an access of user space
does and return EFAULT where that would get a signal; it is observed through /proc/PID/{maps,pagemap,mem}, which
disturbs nothing. Linux only, x86-64 constants.
"""

import ctypes
import os
import platform
import select
import signal
import socket
import struct
from typing import NamedTuple

import numpy as np

from converter.errors import InputError
from converter.mmmodel import uapi
from converter.mmmodel.abi_program import (
    ARENA_PAGES,
    ARENA_SIZE,
    BREAK,
    FILE_SIZES,
    MAX_PROCESSES,
    OPERATIONS,
    PAGE,
    Op,
    file_content,
)

_PR_SET_MM, _PR_SET_MM_MAP, _PR_SET_THP_DISABLE = 35, 14, 41
_SYS_BRK = 12
_RETURN_WORDS = frozenset(("mmap", "mremap", "pread", "pwrite"))
STRAY = -(1 << 20)
"""In place of a return value: a mapping landed beside memory of the interpreter, and may have merged with it."""
_ATTIC = 1 << 19
_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_MAX = -3, 32 << 20
_MAPS_CHUNK = 1 << 16
_RESERVE = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_NORESERVE | uapi.MAP_FIXED_NOREPLACE
_COMMAND = struct.Struct("=8q")
_REPLY = struct.Struct("=qq64s")
_NAMES = (*OPERATIONS, "residency")
_PRESENT = np.uint64(1 << 63)


_STAT_FIELDS = {
    "start_code": 23,
    "end_code": 24,
    "start_stack": 25,
    "start_data": 42,
    "end_data": 43,
    "start_brk": 44,
    "arg_start": 45,
    "arg_end": 46,
    "env_start": 47,
    "env_end": 48,
}
"""Where proc_pid_stat(5) has the words of struct prctl_mm_map, counted after the command's name."""
_LAYOUT = (
    *("start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack"),
    *("arg_start", "arg_end", "env_start", "env_end"),
)


class _MmMap(ctypes.Structure):
    """struct prctl_mm_map, include/uapi/linux/prctl.h."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in _LAYOUT),
        ("auxv", ctypes.c_void_p),
        ("auxv_size", ctypes.c_uint32),
        ("exe_fd", ctypes.c_uint32),
    ]


class MapsLine(NamedTuple):
    """One line of /proc/PID/maps inside the arena: byte offsets from its start, permissions, file offset, inode."""

    start: int
    end: int
    perms: str
    offset: int
    inode: int


class _Libc:
    """The system calls, with argument types set once."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        word, number = ctypes.c_ulong, ctypes.c_int
        signatures = {
            "mmap": (word, word, number, number, number, ctypes.c_long),
            "munmap": (word, word),
            "mprotect": (word, word, number),
            "mremap": (word, word, word, number, word),
            "madvise": (word, word, number),
            "mlock": (word, word),
            "munlock": (word, word),
            "mincore": (word, word, ctypes.c_void_p),
            "msync": (word, word, number),
            "pread": (number, word, word, ctypes.c_long),
            "pwrite": (number, word, word, ctypes.c_long),
        }
        self.call = {}
        for name, arguments in signatures.items():
            function = getattr(libc, name)
            function.argtypes = arguments
            function.restype = ctypes.c_long if name in _RETURN_WORDS else ctypes.c_int
            self.call[name] = function
        self.syscall = libc.syscall
        self.syscall.restype = ctypes.c_long
        self.prctl = libc.prctl

    def __call__(self, name: str, *args: int) -> int:
        result: int = self.call[name](*args)
        return -ctypes.get_errno() if result == -1 else result


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


class Worker:
    """One process: does operations on itself."""

    def __init__(self, libc: _Libc, base: int) -> None:
        self._libc = libc
        self._base = base
        self._break = base + BREAK
        with open("/proc/self/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        self._layout = {name: int(fields[number]) for name, number in _STAT_FIELDS.items()}
        self._vector = ctypes.create_string_buffer(ARENA_PAGES)
        self._vector_at = ctypes.addressof(self._vector)
        self.attic = (0, 0)
        self.scratch = os.memfd_create("scratch")
        os.ftruncate(self.scratch, PAGE)
        self.files: list[int] = []

    def reset(self, files: list[int]) -> None:
        """An empty arena and new files."""
        self._libc("munmap", self._base, ARENA_SIZE)
        for fd in self.files:
            os.close(fd)
        self.files = files
        self._break = self._base + BREAK

    def run(self, name: str, args: tuple[int, ...]) -> tuple[int, bytes]:
        """Do one operation: (return value or -errno, bytes that it read). Addresses are offsets from the arena."""
        libc, base = self._libc, self._base
        if name == "write":
            os.pwrite(self.scratch, bytes([args[2]]) * args[1], 0)
            return libc("pread", self.scratch, base + args[0], args[1], 0), b""
        if name == "read":
            result = libc("pwrite", self.scratch, base + args[0], args[1], 0)
            return result, os.pread(self.scratch, args[1], 0) if result > 0 else b""
        if name == "mmap":
            addr, length, prot, flags, file, offset, back = args
            fd = self.files[file] if file >= 0 else -1
            result = libc("mmap", base + addr if addr >= 0 else 0, length, prot, flags, fd, offset)
            return self._move_back(result, length, back), b""
        if name == "mremap":
            addr, old_size, new_size, flags, new_addr = args
            result = libc("mremap", base + addr, old_size, new_size, flags, base + new_addr)
            return self._move_back(result, new_size, new_addr), b""
        if name == "mincore":
            return libc("mincore", base + args[0], args[1], self._vector_at), b""
        if name == "brk":
            return self._brk(base + args[0]) - base, b""
        return libc(name, base + args[0], *args[1:]), b""

    def _move_back(self, addr: int, length: int, back: int) -> int:
        """Move a mapping that the kernel placed outside the arena to offset `back`; the offset it has in the end."""
        if addr < 0:
            return addr
        if not self._base <= addr < self._base + ARENA_SIZE:
            if not self.attic[0] <= addr < self.attic[1]:
                return STRAY
            length = -(-length // PAGE) * PAGE
            flags = uapi.MREMAP_MAYMOVE | uapi.MREMAP_FIXED
            moved = self._libc("mremap", addr, length, length, flags, self._base + back)
            if moved < 0:
                self._libc("munmap", addr, length)
                return moved
            addr = moved
        return addr - self._base

    def _brk(self, addr: int) -> int:
        """brk with the heap moved into the arena for the length of the call, and back for the C library's sake."""
        own = self._libc.syscall(_SYS_BRK, ctypes.c_ulong(0))
        self._set_heap(self._base + BREAK, self._break, self._base - 2, self._base - 1)
        self._break = self._libc.syscall(_SYS_BRK, ctypes.c_ulong(addr))
        self._set_heap(self._layout["start_brk"], own, self._layout["start_data"], self._layout["end_data"])
        return self._break

    def _set_heap(self, start: int, end: int, start_data: int, end_data: int) -> bool:
        """prctl(PR_SET_MM_MAP): the data segment must lie below the heap; all else stays what it is.

        The arguments and the environment above all: whoever reads /proc/PID/cmdline makes the kernel look there.
        """
        layout = _MmMap(**self._layout)
        layout.start_brk, layout.brk, layout.start_data, layout.end_data = start, end, start_data, end_data
        layout.exe_fd = 0xFFFFFFFF
        size = ctypes.c_ulong(ctypes.sizeof(layout))
        failed: int = self._libc.prctl(_PR_SET_MM, _PR_SET_MM_MAP, ctypes.byref(layout), size, ctypes.c_ulong(0))
        return not failed

    def residency(self, mapped: int) -> bytes:
        """One byte, 0 or 1, for each page of the arena, by mincore(2) over the pages whose bit in `mapped` is set."""
        found, page = bytearray(ARENA_PAGES), 0
        while mapped:
            skip = (mapped & -mapped).bit_length() - 1
            page, mapped = page + skip, mapped >> skip
            count = (~mapped & mapped + 1).bit_length() - 1
            self._libc("mincore", self._base + page * PAGE, count * PAGE, self._vector_at)
            found[page : page + count] = self._vector.raw[:count]
            page, mapped = page + count, mapped >> count
        return bytes(byte & 1 for byte in found)

    def make_attic(self) -> None:
        """Make a hole for mappings whose place the kernel chooses, between reserved memory that none can merge with.

        The kernel takes the highest gap that fits: all gaps above the hole are filled. The interpreter's own arenas are
        larger than the hole, and its C library is told not to map smaller ones.
        """
        libc = self._libc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_MAX)
        flags = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_NORESERVE
        start = libc("mmap", 0, 4 * _ATTIC, 0, flags, -1, 0)
        size = 4 * _ATTIC
        while size >= PAGE:
            filled = libc("mmap", 0, size, 0, flags, -1, 0)
            if filled < start:
                libc("munmap", filled, size)
                size //= 2
        self.attic = (start + _ATTIC, start + 2 * _ATTIC)
        libc("munmap", self.attic[0], _ATTIC)

    def brk_works(self) -> bool:
        """True if the heap may be moved, which brk operations need."""
        layout, own = self._layout, self._libc.syscall(_SYS_BRK, ctypes.c_ulong(0))
        if layout["start_brk"] <= self._base:
            return False
        return self._set_heap(layout["start_brk"], own, layout["start_data"], layout["end_data"])

    def serve(self, channel: socket.socket, channels: "list[tuple[socket.socket, socket.socket]]") -> None:
        """The life of a child: commands from process 0 until `exit` or until process 0 is gone."""
        channel.settimeout(60)
        while True:
            code, *numbers = _COMMAND.unpack(channel.recv(_COMMAND.size, socket.MSG_WAITALL))
            name, args = _NAMES[code], tuple(numbers)
            if name == "exit":
                os._exit(0)
            if name == "fork":
                result, data = self.fork(channels[args[0]][1], channels), b""
            elif name == "residency":
                result, data = 0, self.residency(args[0] | args[1] << 32)
            else:
                result, data = self.run(name, args[: len(OPERATIONS[name])])
            channel.sendall(_REPLY.pack(result, len(data), data))

    def fork(self, channel: socket.socket, channels: "list[tuple[socket.socket, socket.socket]]") -> int:
        """The pid of a child that serves `channel`."""
        pid = os.fork()
        if pid:
            return pid
        try:
            self.serve(channel, channels)
        finally:
            os._exit(1)


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

    def present(self) -> list[int]:
        """Page numbers in the arena whose PTE is present."""
        entries = np.frombuffer(os.pread(self._pagemap, ARENA_PAGES * 8, self._base // PAGE * 8), dtype=np.uint64)
        found: list[int] = np.flatnonzero(entries & _PRESENT).tolist()
        return found

    def pages(self, present: list[int]) -> dict[int, bytes]:
        """The bytes of pages whose PTE is present, whatever their protection."""
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
        self._libc = _Libc()
        self._libc.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
        reserved = self._libc("mmap", base, ARENA_SIZE, 0, _RESERVE, -1, 0)
        if reserved != base:
            raise InputError(f"cannot reserve the arena at {base:#x}: {os.strerror(abs(reserved))}")
        if min(line.start for line in _parse_all_maps(base)) < 0:
            raise InputError(f"something is mapped below the arena at {base:#x}")
        self._channels = [socket.socketpair() for _ in range(MAX_PROCESSES)]
        self._worker = Worker(self._libc, base)
        self._worker.make_attic()
        self.brk_works = self._worker.brk_works()
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
        channel.sendall(_COMMAND.pack(_NAMES.index(name), *args, *(0,) * (7 - len(args))))
        reply = channel.recv(_REPLY.size, socket.MSG_WAITALL)
        if len(reply) < _REPLY.size:
            raise InputError(f"process {process} of the program died")
        result, length, data = _REPLY.unpack(reply)
        return result, data[:length]

    def _end(self, process: int) -> None:
        """End a child and wait until its address space is gone."""
        self._ask_to_exit(process)
        pidfd = self._pidfds.pop(process)
        select.select([pidfd], [], [], 10)
        os.close(pidfd)
        self._eyes.pop(process).close()

    def _ask_to_exit(self, process: int) -> None:
        self._channels[process][0].sendall(_COMMAND.pack(_NAMES.index("exit"), *(0,) * 7))

    def maps(self, process: int) -> list[MapsLine]:
        """/proc/PID/maps inside the arena."""
        return self._eyes[process].maps()

    def pages(self, process: int) -> dict[int, bytes]:
        """The bytes of each arena page whose PTE is present."""
        eyes = self._eyes[process]
        return eyes.pages(eyes.present())

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


def _parse_all_maps(base: int) -> list[MapsLine]:
    with open("/proc/self/maps", "rb") as file:
        first = file.readline()
    start, end = (int(part, 16) - base for part in first.split(None, 1)[0].split(b"-"))
    return [MapsLine(start, end, "", 0, 0)]


def reap_silently() -> None:
    """Children of this process leave no zombies."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
