"""How subjects begin."""

from __future__ import annotations

import pytest

from converter.convert.message import prefix


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
        (["MAINTAINERS", "Makefile"], "treewide"),
    ],
)
def test_a_subject_begins_with_the_place_of_most_files(paths: list[str], start: str) -> None:
    assert prefix(paths) == start
