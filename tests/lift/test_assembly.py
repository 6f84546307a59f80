"""Expressions of assembler and linker scripts are read as gas and ld read them: both are asked."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from converter.classify.record import Site
from converter.csource.pieces import Source
from converter.lift.assembly import operand
from converter.lift.datamodel import lp64
from converter.lift.pair import Pair, Uncovered, pairs
from converter.lift.scope import Declarations
from converter.vocabulary import scheme
from tests.lift import gcc
from tests.lift.lifting import lifted, values

leaves = st.sampled_from(["PAGE_SIZE", "PAGE_SHIFT", "0x1000", "3", "12", "0xffff"])


def _grown(inner: st.SearchStrategy[str], signs: str) -> st.SearchStrategy[str]:
    """Precedence is left to the reader: few parentheses. No division by zero, no count of a shift above 63."""
    plain = st.sampled_from(signs)
    return st.one_of(
        st.builds("{} {} {}".format, inner, plain, inner),
        st.builds("{}{}{}".format, inner, plain, inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(["<<", ">>"]), st.sampled_from(["3", "PAGE_SHIFT"])),
        st.builds("{} / {}".format, inner, st.sampled_from(["8", "PAGE_SIZE"])),
        st.builds("({})".format, inner),
        st.builds("~({})".format, inner),
        st.builds("-({})".format, inner),
    )


def batches(signs: str) -> st.SearchStrategy[list[str]]:
    grown = st.recursive(leaves, lambda inner: _grown(inner, signs), max_leaves=6)
    return st.lists(grown, min_size=150, max_size=150, unique=True)


batched = settings(
    max_examples=2, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), derandomize=True,
)  # fmt: skip


def _value(text: str, linker: bool) -> int:
    """What pgconv computes of an expression that holds a page-size name; `.` is 0x5008."""
    line = f"X = 0 * PAGE_SIZE + ({text});" if linker else f"\t.quad 0 * PAGE_SIZE + ({text})"
    found = operand(line.encode(), line.index("PAGE_SIZE"), linker)
    assert found is not None, text
    made = lifted(found.c.decode(), {"__dot": "unsigned long"}, lp64())
    return values(made, {"__dot": np.array([0x5008], np.uint64)}, 1, lp64())[0]


def _said(command: Sequence[str | Path], made: Path, place: Path) -> list[int]:
    gcc.required()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    plain = place / "plain"
    subprocess.run(["objcopy", "-O", "binary", "-j", ".data", made, plain], check=True)
    data = plain.read_bytes()
    return list(struct.unpack(f"<{len(data) // 8}Q", data))


@batched
@given(batch=batches("+-*&|^"))
def test_gas_computes_the_same(batch: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("gas")
    lines = [".data", ".set PAGE_SHIFT, 12", ".set PAGE_SIZE, 4096", *(f".quad {text}" for text in batch)]
    (place / "x.s").write_text("\n".join(lines) + "\n")
    said = _said(["as", "-o", place / "x.o", place / "x.s"], place / "x.o", place)
    for text, value in zip(batch, said, strict=True):
        assert _value(text, linker=False) == value, text


@batched
@given(batch=batches("+-*&|"))
def test_ld_computes_the_same(batch: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("ld")
    batch = [*batch, "ALIGN(PAGE_SIZE)", "ALIGN(. + 1, PAGE_SIZE * 2)", "ALIGN(0x1001, 8) | 1 == 1 && 2 > PAGE_SHIFT"]
    own = "\n".join(f"x{n} = {text};" for n, text in enumerate(batch))
    quads = " ".join(f"QUAD(x{n})" for n in range(len(batch)))
    script = f"PAGE_SHIFT = 12; PAGE_SIZE = 4096; . = 0x5008;\n{own}\nSECTIONS {{ .data 0 : {{ {quads} }} }}\n"
    (place / "x.lds").write_text(script)
    (place / "x.s").write_text("")
    subprocess.run(["as", "-o", place / "x.o", place / "x.s"], check=True)
    said = _said(["ld", "-o", place / "x", "-T", place / "x.lds", place / "x.o"], place / "x", place)
    for text, value in zip(batch, said, strict=True):
        assert _value(text, linker=True) == value, text


@pytest.mark.parametrize(
    ("line", "text", "taker"),
    [
        ("\taddq $PAGE_SIZE, %rax", "PAGE_SIZE", "addq"),
        ("\tlea PAGE_SIZE(%ebx), %esp", "PAGE_SIZE", "lea"),
        ("1:\tldi -PAGE_SIZE+1, %r1", "-PAGE_SIZE+1", "ldi"),
        ("\tsethi %hi(PAGE_SIZE - 1), %g2", "(PAGE_SIZE - 1)", "sethi"),
        ("\tadd x0, x1, #PAGE_SIZE * (\\level + 2)", "PAGE_SIZE * (\\level + 2)", "add"),
        ("\tmov r0, r8, lsr #PAGE_SIZE", "PAGE_SIZE", "mov"),
        ("COPY(%g1, 31-PAGE_SIZE, %g3)", "31-PAGE_SIZE", "COPY"),
    ],
)
def test_an_operand_ends_where_its_instruction_goes_on(line: str, text: str, taker: str) -> None:
    found = operand(line.encode(), line.index("PAGE_SIZE"), linker=False)
    assert found is not None
    assert (found.text, found.taker) == (text, taker)


def _one(path: str, code: str) -> Pair | Uncovered:
    """The pair of the first PAGE_SIZE of a file, converted to PTE_SIZE."""
    at = code.index("PAGE_SIZE")
    line = code.count("\n", 0, at) + 1
    col = at - code.rfind("\n", 0, at)
    site = Site(path, line, col, "PAGE_SIZE", None, "decided", "pte", "PTE_SIZE", None, False, 1.0, None)
    ((made,),) = pairs(path, code.encode(), [site], [site], scheme("pte-pg"), Declarations(), {})
    return made


def test_both_sides_of_a_linker_script_are_lifted() -> None:
    made = _one("arch/x86/kernel/vmlinux.lds.S", "SECTIONS\n{\n\t. = ALIGN(PAGE_SIZE);\n}\n")
    assert isinstance(made, Pair)
    assert made.text == "ALIGN(PAGE_SIZE)"
    assert [i.text for i in made.before.inputs] == ["__dot"]
    assert "k.PAGE_SIZE" in made.before.source()
    assert "k.PTE_SIZE" in made.after.source()


def test_a_name_in_the_text_of_a_definition_is_lifted_without_the_name_before_it() -> None:
    made = _one("arch/x86/kernel/head_32.S", "#define STEP -PAGE_SIZE\n")
    assert isinstance(made, Pair)
    assert made.text == "-PAGE_SIZE"


def test_what_is_no_operand_is_said_to_be_none() -> None:
    made = _one("arch/x86/kernel/head_32.S", "PAGE_SIZE = 4096\n")
    assert isinstance(made, Uncovered)
    assert made.why == "no expression of the assembler"


def test_comments_hold_no_operand() -> None:
    assert operand(Source(b"\tret # PAGE_SIZE\n", True, b"#").masked, 7, linker=False) is None
