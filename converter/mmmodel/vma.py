"""Virtual memory areas and the tree of one address space.

`start` and `end` are byte addresses, `pteoff` counts PTE units (vm_pteoff, was vm_pgoff): an anonymous area's is its
address when first mapped, a file area's the offset into the file.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from converter.mmmodel import uapi

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM
    from converter.mmmodel.pagecache import File

VM_READ, VM_WRITE, VM_EXEC, VM_SHARED = 0x1, 0x2, 0x4, 0x8
VM_MAYREAD, VM_MAYWRITE, VM_MAYEXEC, VM_MAYSHARE = 0x10, 0x20, 0x40, 0x80
VM_GROWSDOWN = 0x100
VM_LOCKED = 0x2000
VM_SEQ_READ, VM_RAND_READ = 0x8000, 0x10000
VM_DONTCOPY = 0x20000
VM_ACCOUNT, VM_NORESERVE = 0x100000, 0x200000
VM_WIPEONFORK, VM_DONTDUMP = 0x2000000, 0x4000000
VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC


class AnonVma:
    """What ties anonymous pages to the areas that may map them (struct anon_vma, include/linux/rmap.h)."""

    __slots__ = ("active", "children", "ident", "parent", "vmas")

    def __init__(self, ident: int, parent: "AnonVma | None") -> None:
        self.ident = ident
        self.parent = parent if parent is not None else self
        self.vmas: dict[Vma, None] = {}  # areas whose chain holds this, in order of insertion
        self.children = 0 if parent is not None else 1  # a root counts itself
        self.active = 0  # areas whose own anon_vma this is


class Vma:
    """struct vm_area_struct."""

    __slots__ = ("anon_vma", "chain", "end", "file", "flags", "mm", "pteoff", "start")

    def __init__(self, mm: "MM", start: int, end: int, pteoff: int, flags: int, file: "File | None") -> None:
        self.mm = mm
        self.start = start
        self.end = end
        self.pteoff = pteoff
        self.flags = flags
        self.file = file
        self.anon_vma: AnonVma | None = None
        self.chain: list[AnonVma] = []  # newest first, as anon_vma_chain

    def __repr__(self) -> str:
        return f"Vma({self.start:#x}-{self.end:#x} pteoff {self.pteoff:#x} flags {self.flags:#x})"

    @property
    def prot(self) -> int:
        """PROT_* bits."""
        return self.flags & VM_ACCESS_FLAGS

    def offset_of(self, addr: int) -> int:
        """linear_page_index(): the pteoff of byte address `addr`."""
        return self.pteoff + ((addr - self.start) >> self.mm.geometry.pte_shift)

    @property
    def pte_end(self) -> int:
        """The pteoff after the last page."""
        return self.pteoff + ((self.end - self.start) >> self.mm.geometry.pte_shift)

    def forked(self) -> bool:
        """True if pages may be shared with a parent's area: such areas do not merge by taking over an anon_vma."""
        return self.anon_vma is not None and len(self.chain) != 1


class VmaTree:
    """The areas of one address space, by address."""

    def __init__(self) -> None:
        self.vmas: list[Vma] = []
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self.vmas)

    def __iter__(self) -> Iterator[Vma]:
        return iter(self.vmas)

    def position(self, addr: int) -> int:
        """Index of the first area that ends after `addr`."""
        i = bisect_right(self._starts, addr)
        return i - 1 if i and self.vmas[i - 1].end > addr else i

    def find(self, addr: int) -> Vma | None:
        """find_vma(): the first area that ends after `addr`."""
        i = self.position(addr)
        return self.vmas[i] if i < len(self.vmas) else None

    def lookup(self, addr: int) -> Vma | None:
        """vma_lookup(): the area that holds `addr`."""
        i = bisect_right(self._starts, addr) - 1
        if i >= 0 and self.vmas[i].end > addr:
            return self.vmas[i]
        return None

    def before(self, addr: int) -> Vma | None:
        """The last area that starts before `addr`."""
        i = bisect_left(self._starts, addr)
        return self.vmas[i - 1] if i else None

    def over(self, start: int, end: int) -> list[Vma]:
        """The areas that meet [start, end), in order."""
        first = self.position(start)
        return self.vmas[first : bisect_left(self._starts, end, first)]

    def insert(self, vma: Vma) -> None:
        """Add an area that meets no other."""
        i = bisect_left(self._starts, vma.start)
        self._starts.insert(i, vma.start)
        self.vmas.insert(i, vma)

    def remove(self, vma: Vma) -> None:
        """Take an area out."""
        i = bisect_left(self._starts, vma.start)
        del self._starts[i]
        del self.vmas[i]

    def resize(self, vma: Vma, start: int, end: int, pteoff: int) -> None:
        """Change an area's extent in place; its order among the others stays."""
        i = bisect_left(self._starts, vma.start)
        self._starts[i] = start
        vma.start, vma.end, vma.pteoff = start, end, pteoff


def flags_of_prot(prot: int) -> int:
    """VM_READ, VM_WRITE, VM_EXEC of PROT_* bits."""
    return prot & (uapi.PROT_READ | uapi.PROT_WRITE | uapi.PROT_EXEC)
