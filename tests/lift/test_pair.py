"""How far the expression around a use goes, and what of it is an input."""

from __future__ import annotations

import libcst
import pytest

from converter.classify.record import Site
from converter.lift.datamodel import lp64
from converter.lift.pair import Pair, Uncovered, pairs
from converter.lift.scope import Declarations
from converter.vocabulary import scheme

CHOSEN = scheme("pte-pg")


def lifted(statements: str, name: str = "PAGE_SHIFT") -> Pair:
    """The pair of the first use of a name in a function, converted to PTE, with 64-bit words."""
    code = f"""
unsigned long f(unsigned long addr, unsigned long len, struct vm_area_struct *vma)
{{
	{statements}
}}
"""
    at = code.index(name)
    line, col = code.count("\n", 0, at) + 1, at - code.rfind("\n", 0, at)
    site = Site("mm/one.c", line, col, name, "f", "decided", "pte", CHOSEN.names[name]["pte"], None, False, 1.0, None)
    ((made, *_),) = pairs("mm/one.c", code.encode(), [site], [site], CHOSEN, Declarations(), {})
    assert not isinstance(made, Uncovered), made.why
    assert made.model == lp64()
    return made


def inputs(made: Pair) -> list[str]:
    return [i.text for i in made.before.inputs]


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);",
         "vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT)"),
        ("return len ? (addr + len) >> PAGE_SHIFT : 0;", "len ? (addr + len) >> PAGE_SHIFT : 0"),
        ("if (addr && len >> PAGE_SHIFT > 7) return 1;", "len >> PAGE_SHIFT > 7"),
        ("take(addr, 1 + (len >> PAGE_SHIFT));", "1 + (len >> PAGE_SHIFT)"),
        ("return max(addr, len >> PAGE_SHIFT) + 1;", "max(addr, len >> PAGE_SHIFT) + 1"),
        ("addr += len >> PAGE_SHIFT;", "addr += len >> PAGE_SHIFT"),
    ],
)  # fmt: skip
def test_the_expression_is_the_largest_one_that_is_one_computation(statement: str, text: str) -> None:
    assert lifted(statement).text == text


def test_a_local_with_one_value_is_that_value() -> None:
    made = lifted("unsigned long size = len - addr; unsigned long n = size >> PAGE_SHIFT; return n;")
    assert inputs(made) == ["len", "addr"]


@pytest.mark.parametrize("change", ["size += 8;", "size++;", "take(&size);", "if (len) size = 0;"])
def test_a_local_that_may_have_another_value_is_an_input(change: str) -> None:
    made = lifted(f"unsigned long size = len - addr; {change} return size >> PAGE_SHIFT;")
    assert inputs(made) == ["size"]


@pytest.mark.parametrize("call", ["next(addr)", "vma->vm_start", "array[len]", "*at", "addr++"])
def test_what_is_read_or_has_effects_is_an_input_and_not_computed(call: str) -> None:
    made = lifted(f"return ({call}) >> PAGE_SHIFT;")
    assert inputs(made) in ([call], [f"({call})"])


def test_both_sides_are_python_that_libcst_reads_and_differ_in_the_name_alone() -> None:
    made = lifted("return (addr + len - 1) >> PAGE_SHIFT;")
    before, after = made.before.source(), made.after.source()
    for text in (before, after):
        (function,) = libcst.parse_module(text).body
        assert isinstance(function, libcst.FunctionDef)
    assert before.replace("k.PAGE_SHIFT", "k.PTE_SHIFT").replace("def before", "def after") == after
