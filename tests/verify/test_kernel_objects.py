"""Level objects on the real tree: three files, and the trap of x86's own PTE_SHIFT. Builds where `make verify` does, so
that it costs little after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from converter.convert.conversion import Conversion, Options
from converter.convert.decisions import decisions
from converter.tree import Tree, open_tree
from converter.tree.cache import open_cache
from converter.verify import objects
from converter.verify.kbuild import Workshop, workshop
from converter.verify.result import FAILED, PASSED
from converter.verify.spelling import Renames
from tests.conftest import ROOT
from tests.verify.conftest import CONFIG, builds_or_skip

FILES = ("mm/mremap.c", "mm/memory.c", "arch/x86/mm/pat/set_memory.c")
HEADER = "arch/x86/include/asm/pgtable.h"


@pytest.fixture(scope="module")
def tree(kernel: Path) -> Tree:
    builds_or_skip()
    return open_tree(str(kernel), None)


@pytest.fixture(scope="module")
def files(tree: Tree) -> Mapping[str, bytes]:
    with open_cache() as cache:
        decided = decisions(tree, cache, True, "pte-pg")
    return {f.path: f.new for f in Conversion(tree, decided, Options()).files()}


@pytest.fixture(scope="module")
def shop(tree: Tree) -> Iterator[Workshop]:
    with workshop(tree, ROOT / "build/verify", None, lambda what: None) as made:
        yield made


def test_a_converted_file_gives_the_same_object(
    shop: Workshop, tree: Tree, files: Mapping[str, bytes], renames: Renames
) -> None:
    result = objects.run(shop, tree, files, FILES, CONFIG, renames)
    assert [(i.path, i.outcome) for i in result.items] == [(path, PASSED) for path in sorted(FILES)]


def test_x86_s_own_pte_shift_left_in_is_caught(
    shop: Workshop, tree: Tree, files: Mapping[str, bytes], renames: Renames
) -> None:
    """Its definition gives way to the new one and its uses stay: that compiles, and page_level_shift() is wrong."""
    trap = files[HEADER].replace(b"#define X86_PTE_SHIFT ilog2(PTRS_PER_PTE)\n", b"\n")
    assert trap != files[HEADER]
    trap = trap.replace(b"X86_PTE_SHIFT", b"PTE_SHIFT")
    result = objects.run(shop, tree, {**files, HEADER: trap}, FILES, CONFIG, renames)
    failed = {i.path: i.why for i in result.items if i.outcome == FAILED}
    assert "differs: " in failed["arch/x86/mm/pat/set_memory.c"]
