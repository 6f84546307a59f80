"""The machine and its address spaces: the system calls of memory management over the model."""

from typing import Literal, NamedTuple

from converter.mmmodel.geometry import Geometry

TableStrategy = Literal["whole-page", "packed", "batch"]
Crossing = Literal["naive", "straddle"]


class MapsRow(NamedTuple):
    """One line of /proc/PID/maps: byte addresses, PROT_* bits, byte offset into `file` (0 and None if anonymous)."""

    start: int
    end: int
    prot: int
    shared: bool
    offset: int
    file: "File | None"

    def perms(self) -> str:
        """"rw-p" and the like."""
        raise NotImplementedError


class File:
    """A regular file: `name`, `size` bytes, its page cache (`cached_pages`, PG units) and its bytes."""

    name: str
    size: int


class Machine:
    """RAM, swap, a page cache and the address spaces on it.

    ram, swap: bytes. tables: how 4 KiB page tables are put into pages of PG_SIZE. crossing: what an anonymous fault
    does with a page whose PTEs lie in two page tables.
    """

    geometry: Geometry
    mms: "list[MM]"
    ooms: int  # allocations that failed with nothing left to reclaim

    def __init__(
        self,
        geometry: Geometry,
        *,
        ram: int = 1 << 30,
        swap: int = 0,
        tables: TableStrategy = "whole-page",
        crossing: Crossing = "naive",
    ) -> None:
        raise NotImplementedError

    def spawn(self) -> "MM":
        """A new, empty address space."""
        raise NotImplementedError

    def file(self, content: bytes | int, name: str = "file") -> File:
        """A file with these bytes, or of this many zero bytes."""
        raise NotImplementedError

    def drop_caches(self) -> int:
        """Free the clean, unmapped page-cache pages; returns how many (PG units)."""
        raise NotImplementedError

    def waste(self) -> dict[str, int]:
        """Bytes by cause, all address spaces and the page cache: see MM.waste() for the causes."""
        raise NotImplementedError

    def memory(self) -> dict[str, int]:
        """Bytes by use: total, free, anon, file, tables, zero, struct_page, swap_used."""
        raise NotImplementedError

    def check(self) -> None:
        """All invariants of all address spaces; InvariantError names the first that is broken."""
        raise NotImplementedError


class MM:
    """One address space (struct mm_struct). Byte addresses and lengths; system calls return an int, -errno on failure."""

    machine: Machine

    def mmap(self, addr: int, length: int, prot: int, flags: int, file: File | None = None, offset: int = 0) -> int:
        raise NotImplementedError

    def munmap(self, addr: int, length: int) -> int:
        raise NotImplementedError

    def mprotect(self, addr: int, length: int, prot: int) -> int:
        raise NotImplementedError

    def mremap(self, old: int, old_size: int, new_size: int, flags: int, new_addr: int = 0) -> int:
        raise NotImplementedError

    def madvise(self, addr: int, length: int, advice: int) -> int:
        raise NotImplementedError

    def mlock(self, addr: int, length: int) -> int:
        raise NotImplementedError

    def munlock(self, addr: int, length: int) -> int:
        raise NotImplementedError

    def mincore(self, addr: int, length: int) -> bytes | int:
        """One byte (0 or 1) a PTE_SIZE page, or -errno."""
        raise NotImplementedError

    def msync(self, addr: int, length: int, flags: int) -> int:
        raise NotImplementedError

    def brk(self, addr: int) -> int:
        """The new (or, on failure, the unchanged) program break, as the raw system call; brk(0) asks for it."""
        raise NotImplementedError

    def fork(self) -> "MM | int":
        """A child address space, or -ENOMEM."""
        raise NotImplementedError

    def exit(self) -> None:
        raise NotImplementedError

    def read(self, addr: int, n: int) -> bytes | int:
        """n bytes at addr as user space reads them (faults included), or -EFAULT; -ENOMEM when out of memory."""
        raise NotImplementedError

    def write(self, addr: int, data: bytes) -> int:
        """Writes as user space does (faults included): len(data), or -EFAULT; -ENOMEM when out of memory."""
        raise NotImplementedError

    def touch(self, addr: int, length: int, write: bool = True) -> int:
        """Faults in every page of the range, vectorised: number of faults taken, or -EFAULT / -ENOMEM."""
        raise NotImplementedError

    def maps(self) -> list[MapsRow]:
        raise NotImplementedError

    def rss(self) -> dict[str, int]:
        """Resident bytes that PTEs map: anon, file, swap (bytes swapped out)."""
        raise NotImplementedError

    def waste(self) -> dict[str, int]:
        """Bytes of allocated memory that no PTE maps, by cause: vma_end, misaligned, crossing, cow_siblings, unmapped_siblings,
        tables; negative figures are savings."""
        raise NotImplementedError

    def check(self) -> None:
        """All invariants; InvariantError names the first that is broken."""
        raise NotImplementedError
