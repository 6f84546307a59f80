"""A process's memory as Linux tells it: its mappings (/proc/PID/smaps) and their present pages (pagemap).

Source: Documentation/filesystems/proc.rst, Documentation/admin-guide/mm/pagemap.rst. Presence bits of one's own
processes need no privilege; page frame numbers would, and are not used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.errors import InputError

Indexes = NDArray[np.int64]
"""Ascending virtual addresses in PTE_SIZE units (address >> PTE_SHIFT)."""

PTE_SHIFT = 12  # of the running kernel: pagemap counts in its pages
_PRESENT = np.uint64(1 << 63)
_FILE_OR_SHARED = np.uint64(1 << 61)
_EXCLUSIVE = np.uint64(1 << 56)
_CHUNK = 4 << 20  # bytes of pagemap in one read: 2 GiB of address space

_HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ([rwxsp-]{4}) ([0-9a-f]+) (\S+) (\d+)(?: +(.*))?$")
_FIELD = re.compile(r"(\w+): +(\d+) kB$")
_COUNTED = ("Rss", "Anonymous")
HEAP = "[heap]"
"""How /proc/PID/maps names what brk(2) gave."""

_KERNEL_OWNED = frozenset({"[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]", "[uprobes]"})


def no_pages() -> Indexes:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Area:
    """One VMA. start, end, offset, rss and anonymous are bytes; end is the first address after it."""

    start: int
    end: int
    prot: str  # "rw-p": as /proc/PID/maps writes it
    offset: int
    device: str
    inode: int  # 0 where no file is mapped
    path: str
    rss: int = 0
    anonymous: int = 0

    @property
    def label(self) -> str:
        """The name that people know the mapping by."""
        return self.path or "(anonymous)"

    @property
    def backed(self) -> bool:
        """Whether a file, or shared memory, stands behind it."""
        return self.inode != 0

    @property
    def kernel_owned(self) -> bool:
        """Whether its pages belong to the kernel image (vDSO and the like) and to no process."""
        return self.path in _KERNEL_OWNED


@dataclass(frozen=True, slots=True)
class Residency:
    """An area and its present pages, apart by kind; shared_anon counts those of anon that a fork still shares."""

    area: Area
    anon: Indexes = field(default_factory=no_pages)
    file: Indexes = field(default_factory=no_pages)
    shared_anon: int = 0
    file_size: int | None = None  # bytes; None where the file is gone or not readable


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    name: str
    areas: tuple[Residency, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Processes that were asked for and could not be read."""

    vanished: tuple[int, ...] = ()
    unreadable: tuple[int, ...] = ()
    without_memory: tuple[int, ...] = ()  # kernel threads and zombies

    @property
    def total(self) -> int:
        return len(self.vanished) + len(self.unreadable) + len(self.without_memory)


def parse_smaps(text: str, source: str) -> list[Area]:
    """The areas of an smaps file in address order.

    Raises InputError, with the line, where it is not one: another file, a rollup, or a file cut off in the middle.
    """
    areas: list[Area] = []
    counted: dict[str, int] = {}
    header: re.Match[str] | None = None
    number = 0

    def close() -> None:
        if header is None:
            return
        if missing := [name for name in _COUNTED if name not in counted]:
            raise InputError(f"{source}:{number}: mapping {header[1]}-{header[2]} has no {missing[0]} line; cut off?")
        areas.append(_area(header, counted))

    for number, line in enumerate(text.splitlines(), 1):
        if found := _FIELD.match(line):
            counted[found[1]] = int(found[2]) << 10
        elif found := _HEADER.match(line):
            close()
            if found[7] == "[rollup]":
                raise InputError(f"{source}:{number}: an smaps_rollup file has no mappings; give /proc/PID/smaps")
            header, counted = found, {}
        elif not re.match(r"\w+:", line):
            raise InputError(f"{source}:{number}: not a line of /proc/PID/smaps: {line[:40]!r}")
    close()
    return areas


def _area(header: re.Match[str], counted: dict[str, int]) -> Area:
    start, end, prot, offset, device, inode, path = header.groups()
    return Area(
        start=int(start, 16),
        end=int(end, 16),
        prot=prot,
        offset=int(offset, 16),
        device=device,
        inode=int(inode),
        path=path or "",
        rss=counted["Rss"],
        anonymous=counted["Anonymous"],
    )


def memory_total() -> int:
    """Bytes of memory of this machine (MemTotal, /proc/meminfo)."""
    found = re.search(r"^MemTotal: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if found is None:
        raise InputError("/proc/meminfo has no MemTotal line; give the machine's memory")
    return int(found[1]) << 10


def all_pids() -> list[int]:
    """Every process that /proc shows now, in order."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def read_processes(pids: Iterable[int]) -> tuple[list[Process], Skipped]:
    """The processes that can be read, and those that cannot: gone meanwhile, another user's, or without memory."""
    read: list[Process] = []
    vanished: list[int] = []
    unreadable: list[int] = []
    without: list[int] = []
    for pid in pids:
        try:
            process = read_process(pid)
        except (FileNotFoundError, ProcessLookupError):
            vanished.append(pid)
        except PermissionError:
            unreadable.append(pid)
        else:
            if process.areas:
                read.append(process)
            else:
                without.append(pid)
    return read, Skipped(tuple(vanished), tuple(unreadable), tuple(without))


def read_process(pid: int) -> Process:
    """One process; without areas if it is a kernel thread or a zombie. Raises OSError where /proc refuses."""
    home = Path("/proc") / str(pid)
    areas = parse_smaps((home / "smaps").read_text(errors="replace"), f"{home}/smaps")
    name = (home / "comm").read_text(errors="replace").strip()
    if not areas:
        return Process(pid, name, ())
    pagemap = os.open(home / "pagemap", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Process(pid, name, tuple(_residency(home, pagemap, area) for area in areas if not area.kernel_owned))
    finally:
        os.close(pagemap)


def _residency(home: Path, pagemap: int, area: Area) -> Residency:
    size = _file_size(home, area) if area.backed else None
    if not area.rss:  # spares reading the pagemap of reservations, terabytes in some runtimes, and of device memory
        return Residency(area, file_size=size)
    anon: list[Indexes] = []
    file: list[Indexes] = []
    shared = 0
    for first, entries in _entries(pagemap, area):
        present = np.flatnonzero(entries & _PRESENT)
        held = entries[present]
        is_file = (held & _FILE_OR_SHARED) != 0
        file.append(present[is_file] + first)
        anon.append(present[~is_file] + first)
        shared += int(np.count_nonzero((held[~is_file] & _EXCLUSIVE) == 0))
    return Residency(area, _joined(anon), _joined(file), shared, size)


def _entries(pagemap: int, area: Area) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Runs of pagemap entries of the area, each with the index of its first page."""
    first, end = area.start >> PTE_SHIFT, area.end >> PTE_SHIFT
    while first < end:
        data = os.pread(pagemap, min(_CHUNK, (end - first) * 8), first * 8)
        if not data:  # the process has exited, or the area lies above what pagemap covers
            return
        entries = np.frombuffer(data, dtype=np.uint64)
        yield first, entries
        first += len(entries)


def _joined(parts: list[Indexes]) -> Indexes:
    return np.concatenate(parts).astype(np.int64) if parts else no_pages()


def _file_size(home: Path, area: Area) -> int | None:
    """Bytes of the mapped file, if its path still leads to it as the process sees its file system."""
    try:
        status = os.stat(f"{home}/root{area.path}")
    except OSError:
        return None
    return status.st_size if status.st_ino == area.inode else None
