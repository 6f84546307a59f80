"""Literals that a pattern needs: every text that it matches holds one of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.classify.needs import needed
from converter.classify.roles import rules


def patterns() -> list[str]:
    """What role rules search in expressions and in code."""
    found: set[str] = set()
    for rule in rules().rules.values():
        w = rule.when
        found |= {w.expression, w.lacks, *((w.body,) if isinstance(w.body, str) else w.body)}
    return sorted(found - {""})


@given(st.data())
def test_whatever_a_rule_matches_holds_what_it_needs(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(patterns()))
    text = data.draw(st.from_regex(re.compile(pattern)))
    assert not needed(pattern) or any(literal in text for literal in needed(pattern)), pattern


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        (r"\bpte_offset_map\(", ("pte_offset_map(",)),
        (r"\b(alloc_page|kmap)\w*\(", ("alloc_page", "kmap")),
        (r"(\w+_)?vm_insert_page", ("vm_insert_page",)),
        (r"(?:pgoff)?", ()),
        (r"(pgoff|\w+)", ()),
        (r"(?!vm_start)\w+", ()),
        (r"(?i)pgoff", ()),
        (r"(pgoff){0,2}x", ()),
        (r"[ab]c", ()),
    ],
)
def test_what_a_pattern_needs(pattern: str, needs: tuple[str, ...]) -> None:
    assert needed(pattern) == needs


def test_most_rules_are_told_apart_by_a_literal() -> None:
    some = patterns()
    assert sum(bool(needed(p)) for p in some) > 0.9 * len(some)
