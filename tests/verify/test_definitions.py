"""What defines the names has the value and the type of what defines the family, with the words that the kernel has."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.convert.conversion import Conversion, Options
from converter.convert.decisions import decisions
from converter.convert.sources import read_any
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.verify import definitions
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item
from converter.vocabulary import scheme

BEFORE = """
#define PAGE_SIZE (_AC(1, UL) << PAGE_SHIFT)
#define PAGE_MASK (~((1 << PAGE_SHIFT) - 1))
"""
AFTER = """
#define PTE_SIZE (_AC(1, UL) << PTE_SHIFT)
#define PTE_MASK %s
#define PG_SIZE (_AC(1, UL) << PG_SHIFT)
#define PG_MASK (~((1 << PG_SHIFT) - 1))
"""


def judged(mask: str, path: str = "arch/arm/include/asm/page.h") -> dict[str, Item]:
    found = definitions.run({path: BEFORE.encode()}, {path: (AFTER % mask).encode()}, scheme("pte-pg"))
    return {i.what.rpartition(" ")[2]: i for i in found}


def test_copies_pass() -> None:
    found = judged("(~((1 << PTE_SHIFT) - 1))")
    assert {name: i.outcome for name, i in found.items()} == dict.fromkeys(
        ("PTE_SIZE", "PG_SIZE", "PTE_MASK", "PG_MASK"), PASSED
    )


@pytest.mark.parametrize("path", ["arch/arm/include/asm/page.h", "arch/arm64/include/asm/page.h"])
def test_a_mask_of_another_type_fails(path: str) -> None:
    item = judged("(~(PTE_SIZE - 1))", path)["PTE_MASK"]
    bits = 64 if "64" in path else 32
    assert (item.outcome, item.line, item.why) == (FAILED, 3, "has another type than before")
    assert item.detail.endswith(f"{bits}-bit words: signed of 32 bits becomes unsigned of {bits} bits")


@pytest.mark.parametrize("mask", ["(~((1 << PG_SHIFT) - 1))", "(~((1 << PTE_SHIFT) - 2))"])
def test_another_value_fails(mask: str) -> None:
    assert judged(mask)["PTE_MASK"].outcome == FAILED


def test_what_is_made_of_unknown_things_is_not_covered() -> None:
    item = judged("ARCH_OWN_MASK")["PTE_MASK"]
    assert (item.outcome, item.why) == (NOT_COVERED, definitions.OPEN)


def test_every_architecture_keeps_the_type_of_its_masks(kernel: Path) -> None:
    tree = open_tree(str(kernel))
    with open_cache() as cache:
        decided = decisions(tree, cache, True, "pte-pg", 2)
    made = Conversion(tree, decided, Options()).preparation.workspace.files
    after = {path: b"".join(file.now) for path, file in made.items()}
    items = definitions.run({p: read_any(tree, p) or b"" for p in after}, after, scheme("pte-pg"))
    assert [i for i in items if i.outcome == FAILED] == []
    masks = {i.path.split("/")[1] for i in items if i.outcome == PASSED and "PAGE_MASK" in i.what}
    assert {"arm", "arm64", "mips", "powerpc", "x86"} <= masks
