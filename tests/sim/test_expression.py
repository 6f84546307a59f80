"""Expressions of scenarios: sizes, names, whole-number arithmetic, random choice, and nothing else."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.mmmodel.expression import Expression, ExpressionError

NAMES = {"a": 0x10000, "i": 3, "PG": 65536, "PTE": 4096}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (7, 7),
        ("64K", 65536),
        ("2M - 4K", (2 << 20) - 4096),
        ("a + i*PTE", 0x10000 + 3 * 4096),
        ("0x7f00 + 1", 0x7F01),
        ("(1 + i % 2) * 16G", 32 << 30),
        ("PG // PTE", 16),
        ("-4K + PG", 61440),
    ],
)
def test_an_expression_has_the_value_it_reads_as(text: str | int, value: int) -> None:
    assert Expression(text).value(NAMES, Random(1)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "64Q",
        "a.b",
        "f(1)",
        "rand(1, 2)",
        "2 ** 99",
        "1 << 9",
        "1.5",
        "'a'",
        "a if i else 1",
        "[1]",
        "True",
        "(" * 150,
    ],
)
def test_everything_else_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text)


def test_names_are_known_before_there_is_a_value() -> None:
    assert Expression("a + rand(0, PG, 4K) * i").names == {"a", "PG", "i"}


@pytest.mark.parametrize("text", ["a // (i - 3)", "a % (i - 3)", "rand(4K, 4K, 4K)", "rand(0, 4K, 0)"])
def test_what_has_no_value_says_so(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text).value(NAMES, Random(1))


@given(st.integers(), st.integers(0, 1000), st.integers(1, 50), st.integers())
def test_a_random_choice_lies_on_its_grid(low: int, steps: int, by: int, seed: int) -> None:
    high = low + (steps + 1) * by
    value = Expression(f"rand({low}, {high}, {by})").value({}, Random(seed))
    assert low <= value < high
    assert (value - low) % by == 0
