"""How subjects begin, and what a message says of evidence and policy."""

from __future__ import annotations

import pytest

from converter.classify.record import Evidence, Site
from converter.convert.maintainers import Maintainers
from converter.convert.message import LONGEST, Letter, mechanical, prefix, titles
from converter.convert.plan import Part
from converter.convert.reasons import reasons
from converter.vocabulary import scheme


@pytest.mark.parametrize(
    ("paths", "start"),
    [
        (["mm/mremap.c"], "mm/mremap"),
        (["mm/mremap.c", "mm/mmap.c", "include/linux/mm.h"], "mm"),
        (["drivers/devfreq/devfreq.c"], "devfreq"),
        (["include/linux/slab.h"], "slab"),
        (["include/net/page_pool/helpers.h"], "net/page_pool"),
        (["drivers/char/hpet.c", "drivers/misc/a.c", "drivers/misc/b/c.c"], "misc"),
        (["drivers/char/hpet.c", "drivers/misc/a.c"], "drivers"),
        (["arch/x86/hyperv/hv_init.c", "drivers/hv/a.c", "drivers/hv/b.c"], "hv"),
        (["fs/exec.c", "fs/dax.c", "fs/ramfs/inode.c"], "fs"),
        (["mm/kasan/a.c", "mm/kasan/b.c", "mm/kmsan/hooks.c"], "mm"),
        (["drivers/net/wireless/ath/ath11k/pci.c", "drivers/net/wireless/ath/ath11k/mac.c"], "wifi: ath11k"),
        (["drivers/media/pci/ivtv/ivtv-udma.c"], "media: ivtv"),
        (["arch/arm/mach-omap2/a.c", "arch/arm/mach-omap2/b.c"], "ARM: mach-omap2"),
        (["arch/mips/mm/a.c", "arch/mips/kernel/b.c"], "MIPS"),
        (["arch/sparc/kernel/a.c", "arch/sparc/kernel/b.c"], "sparc"),
        (["kernel/kexec_core.c"], "kexec"),
        (["drivers/md/dm-bufio.c", "drivers/md/dm-crypt.c", "drivers/md/persistent-data/dm-array.c"], "dm"),
        (["drivers/md/dm-bufio.c", "drivers/md/raid5.c"], "md"),
        (["drivers/md/bcache/bset.c"], "bcache"),
        (["fs/smb/client/file.c", "fs/smb/client/misc.c"], "smb: client"),
        (["arch/x86/kvm/x86.c", "arch/x86/kernel/a.c", "arch/x86/mm/b.c"], "x86"),
        (["MAINTAINERS", "Makefile"], "treewide"),
    ],
)
def test_a_subject_begins_with_the_place_of_most_files(paths: list[str], start: str) -> None:
    assert prefix(paths) == start


def use(line: int, why: str, role: str = "alloc-size", key: str | None = None) -> Site:
    end = Evidence("include/linux/x.h", 0, why)
    policy = key is not None
    return Site(
        "mm/a.c", line, 1, "PAGE_SIZE", "f", "decided", "pg", "PG_SIZE", role, policy, 0.9, "x", (end,), policy_key=key
    )


def letter(*sites: Site) -> Letter:
    return mechanical(Part(sites[0].role, "MM", None, sites), scheme("pte-pg"), Maintainers("", lambda path: False))


def test_reasons_are_counted_and_the_rest_summed() -> None:
    sites = [use(n, f"parameter {n} of f() is byte/pg: so it is") for n in range(1, 9)]
    sites += [use(9, "an order is one")] * 3
    said = reasons(sites, 72)
    assert said.startswith("  3 an order is one\n  1 parameter 1 of f(): so it is\n")
    assert said.endswith("\n  and 3 other reasons for 3 more")


def test_a_message_says_what_decided_and_no_policy_where_none_did() -> None:
    body = letter(use(1, "the order that the buddy allocator needs")).body
    assert "What says so:\n\n  1 the order that the buddy allocator needs\n" in body
    assert "free choice" not in body


def test_a_message_says_how_many_uses_the_policy_decided() -> None:
    body = letter(use(1, "x", "buffer-size", "buffer-size"), use(2, "y", "buffer-size")).body
    assert "The unit of 1 of them is a free choice." in body
    both = letter(use(1, "x", "buffer-size", "buffer-size"), use(2, "y", "buffer-size", "buffer-size"))
    assert "The unit of all of them is a free choice." in both.body
    assert "The unit is a free choice." in letter(use(1, "x", "buffer-size", "buffer-size")).body


def test_patches_of_one_title_are_numbered() -> None:
    made = titles(["mm: use PG_SIZE", "net: use PG_SIZE", "mm: use PG_SIZE"])
    assert made == ["mm: use PG_SIZE (1/2)", "net: use PG_SIZE", "mm: use PG_SIZE (2/2)"]


def test_long_titles_end_before_their_number() -> None:
    made = titles(["mm: " + "word " * 20 + end for end in ("a", "b")])
    assert [m[-6:] for m in made] == [" (1/2)", " (2/2)"]
    assert max(map(len, made)) <= LONGEST


def test_a_message_counts_the_uses_of_other_roles_that_come_along() -> None:
    body = letter(use(1, "x"), use(2, "y", "page-array"), use(3, "z")).body
    said = "1 use of another role (for numbers of struct pages) in an expression with one of this role came along."
    assert said in " ".join(body.split())
    assert "another role" not in letter(use(1, "x"), use(2, "y")).body
