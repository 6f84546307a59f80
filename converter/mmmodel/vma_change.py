"""Areas come, go, split and merge as in Linux 6.18 (mm/vma.c): what a system call returns and /proc/PID/maps shows."""

from typing import TYPE_CHECKING

from converter.mmmodel.anon_vma import anon_vma_clone, unlink_anon_vmas
from converter.mmmodel.vma import AnonVma, Vma

if TYPE_CHECKING:
    from converter.mmmodel.mm import MM
    from converter.mmmodel.pagecache import File


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


def split(vma: Vma, addr: int) -> Vma:
    """__split_vma(): `vma` keeps [start, addr), the returned new area has the rest."""
    upper = Vma(vma.mm, addr, vma.end, vma.offset_of(addr), vma.flags, vma.file)
    upper.anon_vma = vma.anon_vma
    anon_vma_clone(upper, vma)
    vma.mm.vmas.resize(vma, vma.start, addr, vma.pteoff)
    link(upper)
    return upper


def _anon_joinable(source: AnonVma | None, origin: Vma | None, target: Vma) -> bool:
    """is_mergeable_anon_vma(): may an area with anon_vma `source` become part of `target`."""
    if target.anon_vma is None and source is not None:
        return origin is None or not origin.forked()
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


def _mergeable(wanted: Vma, origin: Vma | None) -> tuple[Vma | None, Vma | None]:
    """The areas before and after that `wanted` could become part of, of one area all three.

    wanted: extent, flags, file and anon_vma of the result, in no tree. origin: the area whose pages they are.
    """

    def joinable(other: Vma) -> bool:
        same = wanted.flags == other.flags and wanted.file is other.file
        return same and _anon_joinable(wanted.anon_vma, origin, other)

    previous, following = wanted.mm.vmas.before(wanted.start), wanted.mm.vmas.lookup(wanted.end)
    if previous is not None and not (
        previous.end == wanted.start and previous.pte_end == wanted.pteoff and joinable(previous)
    ):
        previous = None
    if following is not None and not (
        following.start == wanted.end and following.pteoff == wanted.pte_end and joinable(following)
    ):
        following = None
    if previous is not None and following is not None and not _compatible(previous, following):
        following = None
    return previous, following


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
    wanted = Vma(mm, start, end, pteoff, flags, file)
    wanted.anon_vma = anon_vma
    previous, following = _mergeable(wanted, copied)
    if previous is not None:
        if following is not None:
            end = following.end
            _take_anon_vma(previous, following)
        if copied is not None:
            _take_anon_vma(previous, copied)
        if following is not None:
            unlink(following)
        mm.vmas.resize(previous, previous.start, end, previous.pteoff)
        return previous
    if following is not None:
        if copied is not None:
            _take_anon_vma(following, copied)
        mm.vmas.resize(following, start, following.end, pteoff)
    return following


def modify(vma: Vma, start: int, end: int, flags: int) -> Vma:
    """vma_modify_flags(): give [start, end) of `vma` new flags; merges with neighbours or splits; returns the area."""
    wanted = Vma(vma.mm, start, end, vma.offset_of(start), flags, vma.file)
    wanted.anon_vma = vma.anon_vma
    previous, following = _mergeable(wanted, vma)
    if previous is not None:
        return _merge_left(vma, previous, following, end)
    if following is not None:
        return _merge_right(vma, following, start, wanted.pteoff)
    if start != vma.start:
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


def _merge_right(vma: Vma, following: Vma, start: int, pteoff: int) -> Vma:
    tree = vma.mm.vmas
    _take_anon_vma(following, vma)
    if start == vma.start:
        unlink(vma)
    else:
        tree.resize(vma, vma.start, start, vma.pteoff)
    tree.resize(following, start, following.end, pteoff)
    return following
