"""The history that ties anonymous pages to areas: anon_vmas and the chains of areas (mm/rmap.c of Linux 6.18).

It decides which areas may merge, and so what /proc/PID/maps shows.
"""

from converter.mmmodel.vma import VM_ACCESS_FLAGS, AnonVma, Vma


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
