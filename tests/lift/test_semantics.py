"""Lifted expressions have C's types and values, with words of 64 and of 32 bits: gcc is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from converter.lift.datamodel import DataModel, ilp32, lp64
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


MODELS = pytest.mark.parametrize("model", [lp64(), ilp32()], ids=lambda m: m.name)


# A batch of expressions names the one that is wrong: to shrink it would cost a compilation a step.
@MODELS
@settings(
    max_examples=4, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), derandomize=True,
)  # fmt: skip
@given(batch=st.lists(expressions, min_size=120, max_size=160, unique=True))
def test_typed_expressions_agree_with_gcc_on_every_input(
    batch: list[str], tmp_path_factory: pytest.TempPathFactory, model: DataModel
) -> None:
    work: Path = tmp_path_factory.mktemp("gcc")
    gcc.runs(model, work)
    arrays = gcc.inputs()
    for text, (size, signed, rows) in zip(batch, gcc.evaluated(batch, work, model), strict=True):
        made = lifted(text, gcc.PARAMETERS, model)
        assert (made.type.size, made.type.signed) == (size, signed), text
        assert values(made, arrays, gcc.ROWS, model) == rows, f"{text}\n{made.source()}"


@MODELS
def test_every_helper_has_the_value_that_gcc_computes(tmp_path: Path, model: DataModel) -> None:
    gcc.runs(model, tmp_path)
    known = [p.helper for p in helpers().values()]
    said = gcc.evaluated([h.example for h in known], tmp_path, model)
    for h, (size, signed, rows) in zip(known, said, strict=True):
        made = lifted(h.example, {}, model)
        assert (made.type.size, made.type.signed) == (size, signed), h.name
        assert values(made, {}, 1, model) == rows[:1], h.name


def test_every_helper_has_the_value_of_its_example() -> None:
    for h in (p.helper for p in helpers().values()):
        assert values(lifted(h.example, {}, lp64()), {}, 1, lp64())[0] == h.expect & (1 << 64) - 1, h.name


def test_words_of_32_bits_lose_the_upper_half_that_a_signed_mask_keeps() -> None:
    """The trap of 64-bit physical addresses: PAGE_MASK has to stay signed where it was."""
    phys, row = {"phys": "phys_addr_t"}, {"phys": np.array([0x1_2345_6789], np.uint64)}
    kept = values(lifted("phys & PAGE_MASK", phys, ilp32()), row, 1, ilp32())
    lost = values(lifted("phys & ~(PAGE_SIZE - 1)", phys, ilp32()), row, 1, ilp32())
    assert (kept, lost) == ([0x1_2345_6000], [0x2345_6000])
