"""Uses that stand in one expression: as a whole, or not at all."""

from __future__ import annotations

import re

import pytest

from converter.classify.record import Site
from converter.convert.lines import split
from converter.convert.together import Together, together


def found(text: str, *, open_: str = "", roles: str = "") -> tuple[Together, list[Site]]:
    """What belongs together of the names of the family in a file. The n-th is open where `open_` has its number, and
    has the n-th letter of `roles` as its role."""
    lines = split(text.encode())
    sites = []
    for n, (number, m) in enumerate(
        (number, m) for number, line in enumerate(text.split("\n"), 1) for m in re.finditer(r"\bPAGE_\w+", line)
    ):
        status = "review" if str(n) in open_ else "decided"
        role = roles[n] if roles else "r"
        sites.append(
            Site("a.c", number, m.start() + 1, m[0], None, status, "pte", "PTE_X", role, False, 1.0, "x", ())
        )  # fmt: skip
    wanted, left = ([s for s in sites if (s.status == "review") == is_open] for is_open in (False, True))
    return together({"a.c": wanted}, {"a.c": left}, lambda path: lines), sites


JOINED = [
    "x = (addr & ~PAGE_MASK) + PAGE_SIZE;",
    "x = ((addr & ~PAGE_MASK) + len) >> PAGE_SHIFT;",
    "x = a[PAGE_SIZE - 1] + PAGE_SIZE;",
    "x = f(a, b[1], PAGE_SIZE) - PAGE_SIZE;",
    "x = ALIGN(len + (pos & ~PAGE_MASK), PAGE_SIZE);",
    "x = min(PAGE_SIZE, n << PAGE_SHIFT);",
    "x = PAGE_ALIGN(len +\n\t       (addr & ~PAGE_MASK));",
    "x = n << PAGE_SHIFT /* a, b; */ | PAGE_SIZE;",
    "x = (a & PAGE_MASK) + (unsigned long)(b >> PAGE_SHIFT);",
    "if (end - start + (PAGE_SIZE - 1) <= entries << PAGE_SHIFT)",
]
PARTED = [
    "f(PAGE_SIZE, n << PAGE_SHIFT);",
    "x = PAGE_SIZE; y = PAGE_SIZE;",
    "if (n > PAGE_SIZE && m > PAGE_SIZE)",
    "for (; n < PAGE_SIZE; n += PAGE_SIZE)",
    "static char a[PAGE_SIZE] = {\n\tPAGE_SIZE };",
    "#define A PAGE_SIZE\n#define B PAGE_SIZE",
    "x = g(f(1, PAGE_SIZE), PAGE_SIZE);",
    "static char a[PAGE_SIZE] __aligned(PAGE_SIZE);",
    "if (size > PAGE_SIZE)\n\t\tsize = PAGE_SIZE;",
    "if (n && f(size > PAGE_SIZE))\n\t\treturn n << PAGE_SHIFT;",
    "x = PAGE_SIZE +\n\n\n\n\n\tPAGE_SIZE;",
]


@pytest.mark.parametrize("text", JOINED)
@pytest.mark.parametrize("open_", ["0", "1"])
def test_an_expression_with_an_open_use_stays(text: str, open_: str) -> None:
    told, sites = found(text, open_=open_)
    other = sites[int(open_)]
    assert told.held == {sites[1 - int(open_)].order(): other}


@pytest.mark.parametrize("text", PARTED)
def test_an_open_use_of_another_expression_holds_nothing(text: str) -> None:
    told, _ = found(text, open_="0")
    assert not told.held


@pytest.mark.parametrize("text", JOINED)
def test_an_expression_changes_in_one_patch(text: str) -> None:
    told, sites = found(text, roles="ab")
    assert told.with_ == {sites[1].order(): sites[0]}
    assert not told.held


@pytest.mark.parametrize("text", PARTED)
def test_what_two_expressions_hold_may_change_in_two_patches(text: str) -> None:
    told, _ = found(text, roles="ab")
    assert not told.with_


def test_a_file_that_changed_since_the_scan_binds_nothing() -> None:
    _, sites = found(JOINED[0])
    assert together({"a.c": sites[:1]}, {"a.c": sites[1:]}, lambda path: None) == Together({}, {})
