"""From an strace log to memory operations of address spaces: who shares, forks or replaces one, which file is meant.

Addresses are those that the log shows: every mapping is made where the kernel put it, so that later calls meet it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from converter.mmmodel import uapi
from converter.mmmodel.procfs import HEAP
from converter.mmmodel.strace import Call, Exit

PAGE = 4096
"""Bytes of a page on the machine that was traced."""

_PROTS = {name: value for name, value in vars(uapi).items() if name.startswith("PROT_")}
_NO_EFFECT = ("MAP_DENYWRITE", "MAP_EXECUTABLE", "MAP_UNINITIALIZED", "MAP_SYNC", "MAP_32BIT", "MAP_FILE", "MAP_LOCKED")
_HUGE = 1 << 40
_FLAGS = {
    **{name: value for name, value in vars(uapi).items() if name.startswith("MAP_")},
    **dict.fromkeys(_NO_EFFECT, 0),
    **dict.fromkeys(("MAP_HUGETLB", "MAP_HUGE_2MB", "MAP_HUGE_1GB", "21<<MAP_HUGE_SHIFT", "30<<MAP_HUGE_SHIFT"), _HUGE),
}
_REMAPS = {name: value for name, value in vars(uapi).items() if name.startswith("MREMAP_")}
_ADVICE = {name: value for name, value in vars(uapi).items() if name.startswith("MADV_")}
_OF_OTHER_FEATURES = (  # advice about what the model does not have: huge pages, same-page merging, poison
    *("MADV_HUGEPAGE", "MADV_NOHUGEPAGE", "MADV_COLLAPSE", "MADV_MERGEABLE", "MADV_UNMERGEABLE"),
    *("MADV_HWPOISON", "MADV_SOFT_OFFLINE", "MADV_GUARD_INSTALL", "MADV_GUARD_REMOVE"),
)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation on an address space. Addresses and lengths in bytes."""

    line: int
    space: int
    kind: str  # spawn, fork, exit, mmap, munmap, mprotect, mremap, madvise, mlock, munlock
    args: tuple[int, ...] = ()
    result: int = 0
    name: str = ""  # spawn: the program; mmap: the file, or [heap]


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole log. files: for each mapped file the bytes that its mappings reach. left_out: calls by reason."""

    ops: tuple[Op, ...]
    files: dict[str, int]
    pids: dict[int, int]  # address space -> the process that it was made for
    left_out: dict[str, int]


@dataclass(slots=True)
class _Space:
    number: int
    users: int = 1
    brk: int | None = None
    files: dict[int, str] = field(default_factory=dict)  # by descriptor


@dataclass(frozen=True, slots=True)
class _Birth:
    parent: int
    shares: bool  # CLONE_VM: a thread, or a child until it calls execve


class _Compiler:
    def __init__(self, births: dict[int, list[_Birth]]) -> None:
        self.ops: list[Op] = []
        self.files: dict[str, int] = {}
        self.pids: dict[int, int] = {}
        self.left_out: dict[str, int] = defaultdict(int)
        self._births = births
        self._spaces: dict[int, _Space] = {}

    def event(self, event: Call | Exit) -> None:
        if isinstance(event, Exit):
            if event.pid in self._spaces:
                self._leave(event.line, self._spaces.pop(event.pid))
            return
        handler = _HANDLERS.get(event.name)
        if handler is None:
            return
        space = self._space(event.line, event.pid)
        if event.errno is not None or event.result is None:
            self.left_out["failed, or never returned"] += event.name in _MEMORY
        else:
            handler(self, event, space, event.result)

    def _space(self, line: int, pid: int) -> _Space:
        """The address space of a process; made when its first line comes, which may be before clone's in the parent."""
        ancestors = [pid]  # those that have not been seen either: the log may begin with the youngest
        while ancestors[-1] not in self._spaces and (born := self._births.get(ancestors[-1])):
            if born[0].parent in ancestors:
                break
            ancestors.append(born[0].parent)
        for each in reversed(ancestors):
            if each not in self._spaces:
                self._spaces[each] = self._new_space(line, each)
        return self._spaces[pid]

    def _new_space(self, line: int, pid: int) -> _Space:
        birth = self._births[pid].pop(0) if self._births.get(pid) else None
        parent = self._spaces.get(birth.parent) if birth else None
        if birth is None or parent is None:
            return self._spawn(line, pid, f"process {pid}" if pid else "traced program")
        if birth.shares:
            parent.users += 1
            return parent
        space = _Space(len(self.pids), brk=parent.brk, files=dict(parent.files))
        self.pids[space.number] = pid
        self.ops.append(Op(line, parent.number, "fork", (space.number,)))
        return space

    def _spawn(self, line: int, pid: int, name: str) -> _Space:
        space = _Space(len(self.pids))
        self.pids[space.number] = pid
        self.ops.append(Op(line, space.number, "spawn", name=name))
        return space

    def _leave(self, line: int, space: _Space) -> None:
        space.users -= 1
        if not space.users:
            self.ops.append(Op(line, space.number, "exit"))

    def born(self, call: Call, space: _Space, result: int) -> None:
        """The child's space is made now, unless a line of its own came first."""
        if result and result not in self._spaces and self._births.get(result):
            self._space(call.line, result)

    def execve(self, call: Call, space: _Space, result: int) -> None:
        program = call.path(1 if call.name == "execveat" else 0, "path")
        self._leave(call.line, space)
        new = self._spawn(call.line, call.pid, PurePosixPath(program).name)
        new.files = dict(space.files)
        self._spaces[call.pid] = new

    def opened(self, call: Call, space: _Space, result: int) -> None:
        space.files[result] = call.path(1 if call.name == "openat" else 0, "path")

    def duplicated(self, call: Call, space: _Space, result: int) -> None:
        if call.name == "fcntl" and not call.text(1, "command").startswith("F_DUPFD"):
            return
        old, _ = call.descriptor(0, "descriptor")
        if old in space.files:
            space.files[result] = space.files[old]

    def mmap(self, call: Call, space: _Space, result: int) -> None:
        length = call.number(1, "length")
        prot = call.flags(2, "prot", _PROTS)
        flags = call.flags(3, "flags", _FLAGS)
        descriptor, path = call.descriptor(4, "descriptor")
        offset = call.number(5, "offset")
        if flags & _HUGE:
            self.left_out["huge pages"] += 1
            return
        flags &= ~(uapi.MAP_FIXED_NOREPLACE | uapi.MAP_GROWSDOWN | uapi.MAP_NONBLOCK)
        if flags & uapi.MAP_TYPE == uapi.MAP_SHARED_VALIDATE:
            flags = flags & ~uapi.MAP_TYPE | uapi.MAP_SHARED
        name = ""
        if not flags & uapi.MAP_ANONYMOUS:
            name = path or space.files.get(descriptor, f"descriptor {descriptor}")
            self.files[name] = max(self.files.get(name, 0), offset + length)
        args = (result, length, prot, flags | uapi.MAP_FIXED, offset)
        self._add(call, space, "mmap", args, result, name)

    def munmap(self, call: Call, space: _Space, result: int) -> None:
        self._add(call, space, "munmap", self._range(call), result)

    def mprotect(self, call: Call, space: _Space, result: int) -> None:
        self._add(call, space, "mprotect", (*self._range(call), call.flags(2, "prot", _PROTS)), result)

    def madvise(self, call: Call, space: _Space, result: int) -> None:
        if call.text(2, "advice") in _OF_OTHER_FEATURES:
            self.left_out["advice without effect on PTE_SIZE pages"] += 1
            return
        self._add(call, space, "madvise", (*self._range(call), call.flags(2, "advice", _ADVICE)), result)

    def mlock(self, call: Call, space: _Space, result: int) -> None:
        self._add(call, space, call.name.removesuffix("2"), self._range(call), result)

    def mremap(self, call: Call, space: _Space, result: int) -> None:
        old, old_size, new_size = (call.number(at, name) for at, name in enumerate(("address", "length", "new length")))
        flags = call.flags(3, "flags", _REMAPS)
        if result != old:
            flags |= uapi.MREMAP_FIXED | uapi.MREMAP_MAYMOVE
        self._add(call, space, "mremap", (old, old_size, new_size, flags, result), result)

    def brk(self, call: Call, space: _Space, result: int) -> None:
        """The heap is grown and cut as a mapping of its own: its place comes from execve, which a log does not show."""
        new = -(-result // PAGE) * PAGE
        old, space.brk = space.brk, new
        if old is None or new == old:
            return
        if new > old:
            prot = uapi.PROT_READ | uapi.PROT_WRITE
            flags = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS | uapi.MAP_FIXED
            self._add(call, space, "mmap", (old, new - old, prot, flags, 0), old, HEAP)
        else:
            self._add(call, space, "munmap", (new, old - new), 0)

    def _range(self, call: Call) -> tuple[int, int]:
        return call.number(0, "address"), call.number(1, "length")

    def _add(self, call: Call, space: _Space, kind: str, args: tuple[int, ...], result: int, name: str = "") -> None:
        self.ops.append(Op(call.line, space.number, kind, args, result, name))


_MEMORY = ("mmap", "munmap", "mprotect", "mremap", "madvise", "mlock", "munlock")
_BIRTHS = ("clone", "clone3", "fork", "vfork")
_HANDLERS = {
    "mmap": _Compiler.mmap,
    "munmap": _Compiler.munmap,
    "mprotect": _Compiler.mprotect,
    "pkey_mprotect": _Compiler.mprotect,
    "mremap": _Compiler.mremap,
    "madvise": _Compiler.madvise,
    "mlock": _Compiler.mlock,
    "mlock2": _Compiler.mlock,
    "munlock": _Compiler.mlock,
    "brk": _Compiler.brk,
    "execve": _Compiler.execve,
    "execveat": _Compiler.execve,
    "open": _Compiler.opened,
    "openat": _Compiler.opened,
    "creat": _Compiler.opened,
    "memfd_create": _Compiler.opened,
    "dup": _Compiler.duplicated,
    "dup2": _Compiler.duplicated,
    "dup3": _Compiler.duplicated,
    "fcntl": _Compiler.duplicated,
    **dict.fromkeys(_BIRTHS, _Compiler.born),
}


def compile_trace(events: Iterable[Call | Exit]) -> Trace:
    """The operations of a log. Raises InputError, with line and argument, for a memory call that cannot be read."""
    events = list(events)
    births: dict[int, list[_Birth]] = defaultdict(list)
    for event in events:
        if isinstance(event, Call) and event.name in _BIRTHS and event.result:
            shares = event.name == "vfork" or any(re.search(r"\bCLONE_VM\b", arg) for arg in event.args)
            births[event.result].append(_Birth(event.pid, shares))
    compiler = _Compiler(births)
    for event in events:
        compiler.event(event)
    return Trace(tuple(compiler.ops), compiler.files, compiler.pids, dict(compiler.left_out))
