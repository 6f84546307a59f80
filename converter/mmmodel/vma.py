"""Virtual memory areas: the tree of one address space, splitting, merging, the anon_vma history that limits merging.

`start` and `end` are byte addresses, `pteoff` counts PTE units (vm_pteoff, was vm_pgoff): an anonymous area's is its
address when first mapped, a file area's the offset into the file. Merging and anon_vma rules are those of Linux 6.18
(mm/vma.c, mm/rmap.c), where they decide what a system call returns or what /proc/PID/maps shows.
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


def link(vma: Vma) -> None:
    """vma_link(): into the tree and the file's mapping list."""
    vma.mm.vmas.insert(vma)
    if vma.file is not None:
        vma.file.mapped_by[vma] = None


def unlink(vma: Vma) -> None:
    """Out of the tree, the file's list and the anon_vmas (remove_vma())."""
    vma.mm.vmas.remove(vma)
    if vma.file is not None:
        del vma.file.mapped_by[vma]
    unlink_anon_vmas(vma)


def anon_vma_clone(target: Vma, source: Vma) -> None:
    """Put `target` on every anon_vma of `source`; a target without one may take over an idle one of an ancestor."""
    for anon_vma in reversed(source.chain):
        target.chain.insert(0, anon_vma)
        anon_vma.vmas[target] = None
        if target.anon_vma is None and source.anon_vma is not None and anon_vma.children < 2 and not anon_vma.active:
            target.anon_vma = anon_vma
    if target.anon_vma is not None:
        target.anon_vma.active += 1


def anon_vma_fork(child: Vma, parent: Vma) -> None:
    """The child's area joins the parent's anon_vmas and gets one of its own for pages it will copy."""
    if parent.anon_vma is None:
        return
    anon_vma_clone(child, parent)
    if child.anon_vma is not None:
        return
    own = child.mm.machine.new_anon_vma(parent.anon_vma)
    own.active += 1
    own.parent.children += 1
    own.vmas[child] = None
    child.anon_vma = own
    child.chain.insert(0, own)


def unlink_anon_vmas(vma: Vma) -> None:
    """Leave every anon_vma; those without areas end."""
    for anon_vma in vma.chain:
        del anon_vma.vmas[vma]
        if not anon_vma.vmas:
            anon_vma.parent.children -= 1
            vma.mm.machine.drop_anon_vma(anon_vma)
    vma.chain = []
    if vma.anon_vma is not None:
        vma.anon_vma.active -= 1
        vma.anon_vma = None


def prepare_anon_vma(vma: Vma) -> None:
    """anon_vma_prepare(): before the first anonymous page; a neighbour's is taken if the two could merge again."""
    if vma.anon_vma is not None:
        return
    anon_vma = _neighbour_anon_vma(vma)
    if anon_vma is None:
        anon_vma = vma.mm.machine.new_anon_vma(None)
    anon_vma.active += 1
    anon_vma.vmas[vma] = None
    vma.anon_vma = anon_vma
    vma.chain.insert(0, anon_vma)


def _neighbour_anon_vma(vma: Vma) -> AnonVma | None:
    following = vma.mm.vmas.lookup(vma.end)
    if following is not None and _could_share(vma, following):
        anon_vma = _simple(following)
        if anon_vma is not None:
            return anon_vma
    previous = vma.mm.vmas.before(vma.start)
    if previous is not None and _could_share(previous, vma):
        return _simple(previous)
    return None


def _simple(vma: Vma) -> AnonVma | None:
    return vma.anon_vma if len(vma.chain) == 1 else None


def _could_share(low: Vma, high: Vma) -> bool:
    return (
        low.end == high.start
        and low.file is high.file
        and not (low.flags ^ high.flags) & ~VM_ACCESS_FLAGS
        and high.pteoff == low.pte_end
    )


def split(vma: Vma, addr: int) -> Vma:
    """__split_vma(): `vma` keeps [start, addr), the returned new area has the rest."""
    upper = Vma(vma.mm, addr, vma.end, vma.offset_of(addr), vma.flags, vma.file)
    upper.anon_vma = vma.anon_vma
    anon_vma_clone(upper, vma)
    vma.mm.vmas.resize(vma, vma.start, addr, vma.pteoff)
    link(upper)
    return upper


def _joinable(flags: int, file: "File | None", other: Vma) -> bool:
    return flags == other.flags and file is other.file


def _anon_joinable(source: AnonVma | None, origins: tuple[Vma | None, ...], target: Vma) -> bool:
    """is_mergeable_anon_vma(): may an area with anon_vma `source` become part of `target`."""
    if target.anon_vma is None and source is not None:
        return not any(origin is not None and origin.forked() for origin in origins)
    if target.anon_vma is not None and source is None:
        return not target.forked()
    return source is target.anon_vma


def _compatible(low: Vma, high: Vma) -> bool:
    """are_anon_vmas_compatible(): may both end up in one area."""
    if low.anon_vma is None and high.anon_vma is not None:
        return not high.forked()
    if low.anon_vma is not None and high.anon_vma is None:
        return not low.forked()
    return low.anon_vma is high.anon_vma


def _take_anon_vma(target: Vma, source: Vma) -> None:
    """dup_anon_vma(): the area that grows must know the pages it takes in."""
    if source.anon_vma is not None and target.anon_vma is None:
        target.anon_vma = source.anon_vma
        anon_vma_clone(target, source)


def merge_new(
    mm: "MM",
    start: int,
    end: int,
    pteoff: int,
    flags: int,
    file: "File | None",
    anon_vma: AnonVma | None = None,
    copied: Vma | None = None,
) -> Vma | None:
    """vma_merge_new_range(): make a neighbour cover the free range [start, end) if one fits; None if none does.

    `anon_vma`: what the pages of the range will belong to. `copied`: the area that mremap() copies there.
    """
    pages = (end - start) >> mm.geometry.pte_shift
    previous, following = mm.vmas.before(start), mm.vmas.lookup(end)
    left = (
        previous is not None
        and previous.end == start
        and _joinable(flags, file, previous)
        and previous.pte_end == pteoff
        and _anon_joinable(anon_vma, (copied,), previous)
    )
    right = (
        following is not None
        and following.start == end
        and _joinable(flags, file, following)
        and following.pteoff == pteoff + pages
        and _anon_joinable(anon_vma, (copied,), following)
    )
    if left and right:
        assert previous is not None
        assert following is not None
        right = _compatible(previous, following)
    if left:
        assert previous is not None
        if right:
            assert following is not None
            end = following.end
            _take_anon_vma(previous, following)
        if copied is not None:
            _take_anon_vma(previous, copied)
        if right:
            assert following is not None
            unlink(following)
        mm.vmas.resize(previous, previous.start, end, previous.pteoff)
        return previous
    if right:
        assert following is not None
        if copied is not None:
            _take_anon_vma(following, copied)
        mm.vmas.resize(following, start, following.end, following.pteoff - pages)
        return following
    return None


def modify(vma: Vma, start: int, end: int, flags: int) -> Vma:
    """vma_modify_flags(): give [start, end) of `vma` new flags; merges with neighbours or splits; returns the area."""
    mm = vma.mm
    left_side, right_side = start == vma.start, end == vma.end
    previous = mm.vmas.before(start) if left_side else None
    following = mm.vmas.lookup(end) if right_side else None
    left = (
        previous is not None
        and previous.end == start
        and _joinable(flags, vma.file, previous)
        and previous.pte_end == vma.pteoff
        and _anon_joinable(vma.anon_vma, (vma,), previous)
    )
    right = (
        following is not None
        and following.start == end
        and _joinable(flags, vma.file, following)
        and following.pteoff == vma.pte_end
        and _anon_joinable(vma.anon_vma, (vma,), following)
    )
    if left and right:
        assert previous is not None
        assert following is not None
        right = _compatible(previous, following)
    if left:
        assert previous is not None
        return _merge_left(vma, previous, following if right else None, end)
    if right:
        assert following is not None
        _take_anon_vma(following, vma)
        whole = left_side
        pages = (end - start) >> mm.geometry.pte_shift
        if whole:
            unlink(vma)
        else:
            mm.vmas.resize(vma, vma.start, start, vma.pteoff)
        mm.vmas.resize(following, start, following.end, following.pteoff - pages)
        return following
    if not left_side:
        vma = split(vma, start)
    if vma.end > end:
        split(vma, end)
    vma.flags = flags
    return vma


def _merge_left(vma: Vma, previous: Vma, following: Vma | None, end: int) -> Vma:
    tree = vma.mm.vmas
    if following is not None:
        _take_anon_vma(previous, following if following.anon_vma is not None else vma)
        unlink(vma)
        unlink(following)
        tree.resize(previous, previous.start, following.end, previous.pteoff)
        return previous
    _take_anon_vma(previous, vma)
    if end == vma.end:
        unlink(vma)
    else:
        tree.resize(vma, end, vma.end, vma.offset_of(end))
    tree.resize(previous, previous.start, end, previous.pteoff)
    return previous


def flags_of_prot(prot: int) -> int:
    """VM_READ, VM_WRITE, VM_EXEC of PROT_* bits."""
    return prot & (uapi.PROT_READ | uapi.PROT_WRITE | uapi.PROT_EXEC)
