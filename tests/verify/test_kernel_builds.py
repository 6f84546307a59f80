"""Levels that build, on the real tree: three objects, the trap of x86's own PTE_SHIFT, the steps that copy functions of
headers, and a kernel that boots and is wrong. Builds where `make verify` does, so that it costs little after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from converter.convert.conversion import Conversion, Options
from converter.convert.decisions import Decisions, decisions
from converter.tree import Tree, open_tree
from converter.tree.cache import open_cache
from converter.verify import boot, objects
from converter.verify.kbuild import Workshop, workshop
from converter.verify.needs import builds
from converter.verify.result import FAILED, PASSED
from converter.verify.spelling import Renames
from tests.conftest import ROOT
from tests.verify.conftest import CONFIG, builds_or_skip

FILES = ("mm/mremap.c", "mm/memory.c", "arch/x86/mm/pat/set_memory.c")
HEADER = "arch/x86/include/asm/pgtable.h"
NUMBERED = ("mm/readahead.c", "fs/iomap/buffered-io.c")
"""Their objects hold the numbers of lines of pagemap.h, from BUG_ON() in readahead_page() and its like."""
PAGEMAP = "include/linux/pagemap.h"
VMA = "mm/vma.c"


@pytest.fixture(scope="module")
def tree(kernel: Path) -> Tree:
    builds_or_skip()
    return open_tree(str(kernel), None)


@pytest.fixture(scope="module")
def decided(tree: Tree) -> Decisions:
    with open_cache() as cache:
        return decisions(tree, cache, True, "pte-pg")


@pytest.fixture(scope="module")
def files(tree: Tree, decided: Decisions) -> Mapping[str, bytes]:
    return {f.path: f.new for f in Conversion(tree, decided, Options()).files()}


@pytest.fixture(scope="module")
def stepped(tree: Tree, decided: Decisions) -> Mapping[str, bytes]:
    options = Options(steps=("linear-pte-index",))
    return {f.path: f.new for f in Conversion(tree, decided, options).files()}


@pytest.fixture(scope="module")
def shop(tree: Tree) -> Iterator[Workshop]:
    with workshop(tree, ROOT / "build/verify", None, lambda what: None) as made:
        yield made


def test_a_kernel_that_boots_and_counts_wrongly_is_caught(
    shop: Workshop, tree: Tree, files: Mapping[str, bytes]
) -> None:
    """A file mapping that is split begins at another offset of its file. A good kernel takes seconds."""
    builds_or_skip("boot")
    split = b"new->vm_pgoff += ((addr - vma->vm_start) >> PTE_SHIFT);"
    assert files[VMA].count(split) == 1
    wrong = files[VMA].replace(split, split.replace(b"PTE_SHIFT", b"(PTE_SHIFT + 1)"))
    result = boot.run(shop, {**files, VMA: wrong}, msgspec.structs.replace(builds().boot, seconds=60))
    outcomes = {i.path: i.outcome for i in result.items}
    assert (outcomes["init"], outcomes["page_size"], outcomes["mmap_is_zero"]) == (PASSED, PASSED, PASSED)
    assert FAILED in outcomes.values()


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


def test_a_copied_function_changes_no_object(
    shop: Workshop, tree: Tree, stepped: Mapping[str, bytes], renames: Renames
) -> None:
    assert b" linear_pte_index(" in stepped[PAGEMAP]
    result = objects.run(shop, tree, stepped, NUMBERED, CONFIG, renames)
    assert [(i.path, i.outcome) for i in result.items] == [(path, PASSED) for path in sorted(NUMBERED)]


def test_a_copy_beside_its_original_would_change_objects(
    shop: Workshop, tree: Tree, stepped: Mapping[str, bytes], renames: Renames
) -> None:
    original = b"static inline pgoff_t linear_page_index("
    beside = stepped[PAGEMAP].replace(original, b"\n" * 15 + original)
    assert beside != stepped[PAGEMAP]
    result = objects.run(shop, tree, {**stepped, PAGEMAP: beside}, NUMBERED, CONFIG, renames)
    assert [(i.path, i.outcome) for i in result.items] == [(path, FAILED) for path in sorted(NUMBERED)]
