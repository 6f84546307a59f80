"""The question that an open use asks."""

from __future__ import annotations

import pytest

from converter.classify.record import Site
from converter.convert.worklist import question

SELDOM = "evidence of this kind (units:pg:middle:contested) is right too seldom to decide"


@pytest.mark.parametrize(
    ("status", "unit", "missing", "asked"),
    [
        ("review", None, "the unit of size is unknown",
         "What is size measured in: what one PTE maps or an order-0 allocation? Its unit is unknown."),
        ("review", None, "the unit of (NR_CPUS * 9)/32 is unknown",
         "What is (NR_CPUS * 9)/32 measured in: what one PTE maps or an order-0 allocation? Its unit is unknown."),
        ("review", None, "the unit of 10 is unknown",
         "Which size is meant: what one PTE maps or an order-0 allocation? The unit of 10 is unknown."),
        ("review", None, "the unit of sizeof(u64) is unknown",
         "Which size is meant: what one PTE maps or an order-0 allocation? The unit of sizeof(u64) is unknown."),
        ("review", None, "no unit reaches this use",
         "Which size is meant: what one PTE maps or an order-0 allocation? No unit reaches this use."),
        ("review", "pg", SELDOM, f"Is it an order-0 allocation? E{SELDOM[1:]}."),
        ("review", "pte", None, "Is it what one PTE maps?"),
        ("review", "pg", "its result meets the other unit: f() or g()?",
         "Its result meets the other unit: f() or g()?"),
        ("logic", "pg", None, "Both units meet here: where does the code have to convert from one to the other?"),
        ("logic", "pg", "pfn is used in both units here: which is meant?",
         "pfn is used in both units here: which is meant?"),
        ("logic", "pg", "vma->vm_pgoff is used in both units here: which is meant?",
         "vma->vm_pgoff is used in both units here: which is meant?"),
        ("logic", "pg", "get_user_pages() yields one", "get_user_pages() yields one."),
        ("logic", "pte", "the fault offset counts PTEs", "The fault offset counts PTEs."),
    ],
)  # fmt: skip
def test_what_is_asked(status: str, unit: str | None, missing: str | None, asked: str) -> None:
    site = Site("a.c", 1, 1, "PAGE_SIZE", None, status, unit, None, None, False, 0.5, "x", (), missing=missing)
    assert question(site) == asked
