"""One process of a program on the real kernel: it does operations on itself, in the arena.

Memory is accessed through pread(2) and pwrite(2) on a scratch file, which fault as an access of user space does and
return EFAULT where that would get a signal. x86-64 constants.
"""

import ctypes
import os
import socket
import struct

from converter.mmmodel import uapi
from converter.mmmodel.abi_program import ARENA_PAGES, ARENA_SIZE, BREAK, OPERATIONS, PAGE

_PR_SET_MM, _PR_SET_MM_MAP = 35, 14
_SYS_BRK = 12
_RETURN_WORDS = frozenset(("mmap", "mremap", "pread", "pwrite"))
STRAY = -(1 << 20)
"""In place of a return value: a mapping landed beside memory of the interpreter, and may have merged with it."""
_ATTIC = 1 << 19
_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_MAX = -3, 32 << 20
COMMAND = struct.Struct("=8q")
"""A command to a child: a number of `NAMES` and its arguments."""
REPLY = struct.Struct("=qq64s")
"""The answer: the result, and how many of the bytes count."""
NAMES = (*OPERATIONS, "residency")


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


class Libc:
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


class Worker:
    """One process: does operations on itself."""

    def __init__(self, libc: Libc, base: int) -> None:
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
        return self._set_heap(layout["start_brk"], own, layout["start_data"], layout["end_data"])

    def serve(self, channel: socket.socket, channels: "list[tuple[socket.socket, socket.socket]]") -> None:
        """The life of a child: commands from process 0 until `exit` or until process 0 is gone."""
        channel.settimeout(60)
        while True:
            code, *numbers = COMMAND.unpack(channel.recv(COMMAND.size, socket.MSG_WAITALL))
            name, args = NAMES[code], tuple(numbers)
            if name == "exit":
                os._exit(0)
            if name == "fork":
                result, data = self.fork(channels[args[0]][1], channels), b""
            elif name == "residency":
                result, data = 0, self.residency(args[0] | args[1] << 32)
            else:
                result, data = self.run(name, args[: len(OPERATIONS[name])])
            channel.sendall(REPLY.pack(result, len(data), data))

    def fork(self, channel: socket.socket, channels: "list[tuple[socket.socket, socket.socket]]") -> int:
        """The pid of a child that serves `channel`."""
        pid = os.fork()
        if pid:
            return pid
        try:
            self.serve(channel, channels)
        finally:
            os._exit(1)
