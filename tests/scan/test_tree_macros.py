"""Macros that a tree makes from the family: found where they are defined, recorded where they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.scan.conftest import Make, scanned

FILES = {
    "include/linux/tables.h": b"""#define TABLE_STEP\tPAGE_SIZE
#define next_entry(pte, addr) (pte++, addr += PAGE_SIZE)
""",
    "arch/x86/include/asm/ring.h": b"#define RING_BYTES (PAGE_SIZE << 1)\n",
    "arch/arm64/include/asm/ring.h": b"#define RING_BYTES (3 * PAGE_SIZE)\n",
    "mm/walk.c": b"""
#define SCRATCH PAGE_SIZE

/* TABLE_STEP in a comment */
void walk(pte_t *pte, unsigned long addr, struct vm_area_struct *vma)
{
	for (; addr < vma->vm_end; pte++, addr += TABLE_STEP)
		set_pte_at(vma->vm_mm, addr, pte, 0);
	next_entry(pte, addr);
	use(RING_BYTES);
	char *p = kmalloc(SCRATCH, GFP_KERNEL);
}
""",
    "drivers/other.c": b"int SCRATCH;\n",
}


@pytest.fixture
def tree(make_tree: Make) -> Path:
    return make_tree(FILES)


@pytest.fixture
def made(pgconv: Run, tree: Path) -> list[dict[str, Any]]:
    names = ("TABLE_STEP", "next_entry", "RING_BYTES", "SCRATCH")
    return [s for s in scanned(pgconv, tree, "--tree-macros")["sites"] if s["macro"] in names]


def test_each_use_has_a_record_and_the_definition_has_none(made: list[dict[str, Any]]) -> None:
    assert [(s["path"], s["line"], s["macro"], s["status"] == "inert") for s in made] == [
        ("mm/walk.c", 4, "TABLE_STEP", True),
        ("mm/walk.c", 7, "TABLE_STEP", False),
        ("mm/walk.c", 9, "next_entry", False),
        ("mm/walk.c", 10, "RING_BYTES", False),
        ("mm/walk.c", 11, "SCRATCH", False),
    ]
    assert all(s["derived"] for s in made)


def test_a_use_takes_the_unit_of_the_body_and_says_where_it_stands(made: list[dict[str, Any]]) -> None:
    [use] = [s for s in made if s["macro"] == "next_entry"]
    assert (use["status"], use["unit"], use["replacement"]) == ("decided", "pte", "next_entry")
    assert use["evidence"][0]["path"] == "include/linux/tables.h"
    assert use["evidence"][0]["line"] == 2


def test_architectures_that_define_it_otherwise_are_all_evidence(made: list[dict[str, Any]]) -> None:
    [use] = [s for s in made if s["macro"] == "RING_BYTES"]
    assert {e["path"].split("/")[1] for e in use["evidence"]} == {"x86", "arm64"}


def test_a_plain_scan_has_no_such_records(pgconv: Run, tree: Path) -> None:
    names = {s["macro"] for s in scanned(pgconv, tree)["sites"]}
    assert names == {"PAGE_SIZE"}


def test_the_vocabulary_of_a_tree_lists_them_with_kind_and_unit(pgconv: Run, tree: Path) -> None:
    text = pgconv("scan", tree, "--vocabulary").stdout
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert rows["PAGE_SIZE"] == ["size", "PTE_SIZE", "PG_SIZE", "family"]
    assert rows["next_entry"] == ["size", "pte", "1", "include/linux/tables.h:2"]
