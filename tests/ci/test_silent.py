"""Rule silent-change: whatever a commit changes around a use, the use on a line that stays is named with both units."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.ci.conftest import Repo

USER = "mm/user.c"


@dataclass(frozen=True)
class Turn:
    """Files, the one edit that turns the use in mm/user.c, and the line of that use."""

    files: dict[str, str]
    path: str
    old: str
    new: str
    line: int


FAMILY = "#define BOX_MASK (~(PAGE_SIZE - 1))\n\n"
"""A header in which no name of the family stands is read for its types alone (docs/ci.md, Limits)."""

BOX = "struct box {\n\tstruct vm_fault *what;\n};\n"
COUNT = "unsigned long box_count(struct vm_area_struct *vma, struct folio *folio)\n{\n\treturn vma_pages(vma);\n}\n"
CALL = "void user(struct vm_area_struct *vma, struct folio *folio)\n{\n\tuse(box_count(vma, folio) << PAGE_SHIFT);\n}\n"

TURNS = {
    "type of a local variable": Turn(
        {USER: "void user(void *p)\n{\n\tstruct vm_fault *what = p;\n\n\tuse(what->pgoff << PAGE_SHIFT);\n}\n"},
        USER, "struct vm_fault", "struct page_vma_mapped_walk", 5,
    ),
    "type of a parameter": Turn(
        {USER: "void user(struct vm_fault *what,\n\t  int n)\n{\n\tuse(what->pgoff << PAGE_SHIFT);\n}\n"},
        USER, "struct vm_fault", "struct page_vma_mapped_walk", 4,
    ),
    "type of a field in a header": Turn(
        {"include/linux/box.h": BOX, USER: "void user(struct box *b)\n{\n\tuse(b->what->pgoff << PAGE_SHIFT);\n}\n"},
        "include/linux/box.h", "struct vm_fault", "struct page_vma_mapped_walk", 3,
    ),
    "type of a global variable": Turn(
        {USER: "static struct vm_fault *what;\n\nvoid user(void)\n{\n\tuse(what->pgoff << PAGE_SHIFT);\n}\n"},
        USER, "struct vm_fault", "struct page_vma_mapped_walk", 5,
    ),
    "value of a local variable": Turn(
        {USER: "void user(struct vm_area_struct *vma, struct folio *folio)\n{\n\tunsigned long n = vma_pages(vma);\n\n"
               "\tuse(n << PAGE_SHIFT);\n}\n"},
        USER, "vma_pages(vma)", "folio_nr_pages(folio)", 5,
    ),
    "body of a callee in the same file": Turn(
        {USER: "static " + COUNT + "\n" + CALL}, USER, "vma_pages(vma)", "folio_nr_pages(folio)", 8,
    ),
    "body of a callee in another file": Turn(
        {"mm/box.c": COUNT, USER: CALL}, "mm/box.c", "vma_pages(vma)", "folio_nr_pages(folio)", 3,
    ),
    "body of an inline callee in a header": Turn(
        {"include/linux/box.h": FAMILY + "static inline " + COUNT, USER: CALL},
        "include/linux/box.h", "vma_pages(vma)", "folio_nr_pages(folio)", 3,
    ),
    "body of a macro": Turn(
        {"include/linux/box.h": "#define box_count(vma, folio) vma_pages(vma)\n", USER: CALL},
        "include/linux/box.h", "vma_pages(vma)", "(folio_pos(folio) >> PAGE_SHIFT)", 3,
    ),
    "argument that a caller passes": Turn(
        {USER: "void box_bytes(unsigned long n)\n{\n\tuse(n << PAGE_SHIFT);\n}\n",
         "mm/box.c": "void f(struct vm_area_struct *vma, struct folio *folio)\n{\n\tbox_bytes(vma_pages(vma));\n}\n"},
        "mm/box.c", "vma_pages(vma)", "folio_nr_pages(folio)", 3,
    ),
    "value of a field": Turn(
        {"include/linux/box.h": "struct box {\n\tunsigned long n;\n};\n",
         "mm/box.c": "void fill(struct box *b, struct vm_area_struct *vma, struct folio *folio)\n{\n"
                     "\tb->n = vma_pages(vma);\n}\n",
         USER: "void user(struct box *b)\n{\n\tuse(b->n << PAGE_SHIFT);\n}\n"},
        "mm/box.c", "vma_pages(vma)", "folio_nr_pages(folio)", 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_use_whose_unit_a_commit_turns_is_found(repo: Repo, turn: Turn) -> None:
    start = repo.commit("mm: start", dict(turn.files))
    turned = repo.edit("mm: turn", turn.path, (turn.old, turn.new))
    (found,) = repo.findings(f"{start}..HEAD")
    assert (found.commit, found.rule, found.path, found.line) == (turned, "silent-change", USER, turn.line)
    assert found.message == "PAGE_SHIFT was PTE and is PG with this commit"
    assert found.evidence
    assert found.against
    assert found.fix.startswith("if the change is meant, say so in its message")


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_turned_back_it_is_found_again(repo: Repo, turn: Turn) -> None:
    repo.commit("mm: start", {p: t.replace(turn.old, turn.new) if p == turn.path else t for p, t in turn.files.items()})
    start = repo.git("rev-parse", "HEAD")
    repo.edit("mm: turn", turn.path, (turn.new, turn.old))
    (found,) = repo.findings(f"{start}..HEAD")
    assert (found.rule, found.path, found.line) == ("silent-change", USER, turn.line)
    assert found.message == "PAGE_SHIFT was PG and is PTE with this commit"


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_converted_name_has_to_follow(repo: Repo, turn: Turn) -> None:
    files = {p: t.replace("PAGE_SHIFT", "PTE_SHIFT") for p, t in turn.files.items()}
    start = repo.commit("mm: start", dict(files))
    repo.edit("mm: turn", turn.path, (turn.old, turn.new))
    (found,) = repo.findings(f"{start}..HEAD")
    assert (found.rule, found.path, found.line, found.name) == ("silent-change", USER, turn.line, "PTE_SHIFT")
    assert found.fix.startswith("write PG_SHIFT, or take back what changed the unit")


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_what_makes_a_converted_name_right_is_no_change_to_find(repo: Repo, turn: Turn) -> None:
    files = {p: t.replace("PAGE_SHIFT", "PTE_SHIFT") for p, t in turn.files.items()}
    files[turn.path] = files[turn.path].replace(turn.old, turn.new)
    start = repo.commit("mm: start", dict(files))
    repo.edit("mm: take back", turn.path, (turn.new, turn.old))
    assert repo.findings(f"{start}..HEAD") == []


@pytest.mark.parametrize("name", ["PG_PHYS", "PFN_PHYS", "PAGES_TO_PTES"])
def test_the_definition_of_a_name_is_no_use_of_it(repo: Repo, name: str) -> None:
    """What it calls counts otherwise now, but the name means what it is defined to mean."""
    box = FAMILY + "static inline " + COUNT.replace("vma_pages(vma)", "folio_nr_pages(folio)")
    user = "#define {}(v, f) (box_count(v, f) << PG_SHIFT)\n"
    start = repo.commit("mm: start", {"include/linux/box.h": box, "include/linux/user.h": user.format(name)})
    repo.edit("mm: turn", "include/linux/box.h", ("folio_nr_pages(folio)", "vma_pages(vma)"))
    assert repo.findings(f"{start}..HEAD") == []
    repo.commit("mm: box", {"include/linux/user.h": user.format("BOX_PHYS")})
    start = repo.edit("mm: back", "include/linux/box.h", ("vma_pages(vma)", "folio_nr_pages(folio)"))
    repo.edit("mm: turn", "include/linux/box.h", ("folio_nr_pages(folio)", "vma_pages(vma)"))
    assert [f.path for f in repo.findings(f"{start}..HEAD")] == ["include/linux/user.h"]
