"""Lifted expressions have C's types and values: gcc is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from converter.lift.helpers import helpers
from tests.lift import gcc
from tests.lift.lifting import lifted, values

TYPES = (*dict.fromkeys(gcc.PARAMETERS.values()),)
LITERALS = (
    "0",
    "1",
    "2U",
    "7L",
    "12",
    "0x80000000",
    "2147483647",
    "4294967295",
    "0xffffffffffffffff",
    "1UL",
    "3ULL",
    "010",
)

names = st.sampled_from(sorted(gcc.PARAMETERS))
leaves = names | st.sampled_from(LITERALS)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Shifts stay within the width and no division traps: the kernel's C defines the rest (-fno-strict-overflow)."""
    plain = st.sampled_from(["+", "-", "*", "&", "|", "^", "<", ">", "<=", ">=", "==", "!=", "&&", "||"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, plain, inner),
        st.builds("({} {} (({}) & 31))".format, inner, st.sampled_from(["<<", ">>"]), inner),
        st.builds("({} {} ((unsigned char)({}) | 1))".format, inner, st.sampled_from("/%"), inner),
        st.builds("({} {} ((unsigned long)({}) | 1))".format, inner, st.sampled_from("/%"), inner),
        st.builds("({}({}))".format, st.sampled_from("-~!+"), inner),
        st.builds("(({})({}))".format, st.sampled_from(TYPES), inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("({}({}, {}))".format, st.sampled_from(["min", "max", "umin", "umax"]), inner, inner),
        st.builds("(min_t({}, {}, {}))".format, st.sampled_from(["u32", "int", "u64"]), inner, inner),
        st.builds(
            "({}({}, {}))".format,
            st.sampled_from(["ALIGN", "IS_ALIGNED", "round_up", "round_down"]),
            inner,
            st.sampled_from(["PAGE_SIZE", "8", "1U"]),
        ),
        st.builds("(DIV_ROUND_UP({}, PAGE_SIZE))".format, inner),
        st.builds(
            "({}({}))".format,
            st.sampled_from(["PAGE_ALIGN", "offset_in_page", "PFN_UP", "PFN_PHYS", "get_order"]),
            inner,
        ),
    )


expressions = st.recursive(leaves, _grown, max_leaves=8)


# A batch of expressions names the one that is wrong: to shrink it would cost a compilation a step.
@settings(
    max_examples=6, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), derandomize=True,
)  # fmt: skip
@given(batch=st.lists(expressions, min_size=120, max_size=160, unique=True))
def test_typed_expressions_agree_with_gcc_on_every_input(
    batch: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    work: Path = tmp_path_factory.mktemp("gcc")
    arrays = gcc.inputs()
    for text, (size, signed, rows) in zip(batch, gcc.evaluated(batch, work), strict=True):
        made = lifted(text, gcc.PARAMETERS)
        assert (made.type.size, made.type.signed) == (size, signed), text
        assert values(made, arrays, gcc.ROWS) == rows, f"{text}\n{made.source()}"


def test_every_helper_has_the_value_of_its_example(tmp_path: Path) -> None:
    known = [p.helper for p in helpers().values()]
    said = gcc.evaluated([h.example for h in known], tmp_path)
    for h, (_, _, rows) in zip(known, said, strict=True):
        assert values(lifted(h.example, {}), {}, 1)[0] == h.expect & (1 << 64) - 1, h.name
        assert rows[0] == h.expect & (1 << 64) - 1, f"gcc of {h.name}"
