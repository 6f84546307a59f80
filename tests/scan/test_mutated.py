"""Whatever is done to kernel-like source, nothing crashes and every use is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converter import data
from converter.analyse import analyse
from converter.csource import normalise, text
from converter.csource.pieces import Source
from converter.units.facts import decode, encode
from converter.vocabulary import vocabulary
from tests.scan.lexer import FAMILY, words

TREE = data.path("fixtures/tree")
SOURCES = sorted(path for path in TREE.rglob("*") if path.suffix in (".c", ".h", ".S"))
PATHS = ("mm/x.c", "include/linux/x.h", "arch/x86/kernel/x.S", "arch/x86/kernel/vmlinux.lds.S")
SPLINTERS = (
    b"{", b"}", b"(", b")", b";", b'"', b"'", b"/*", b"*/", b"//", b"\\\n", b"\r\n", b"\n}", b"\n#if 0\n", b"\n#else\n",
    b"\n#endif\n", b"\n#define X(", b"\n#define ", b"\0", b"\xff", b"SYSCALL_DEFINE3(", b" __aligned(",
    b"TP_fast_assign(", b" __attribute__((aligned(", b"static ", b" PAGE_SIZE ", b"<< PAGE_SHIFT", b"& ~PAGE_MASK",
    b"offset_in_page(", b", ",
    b"} x = {\n", b"asm volatile(", b"case ", b"sizeof(", b"->vm_pgoff", b"...",
)  # fmt: skip
TOLERANT = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A piece of a file of the demo tree, with parts deleted, doubled, swapped and splinters driven in."""
    source = draw(st.sampled_from(SOURCES)).read_bytes()
    start = draw(st.integers(0, max(len(source) - 1, 0)))
    code = source[start : start + draw(st.integers(100, 3000))] if draw(st.booleans()) else source[:4000]
    for _ in range(draw(st.integers(1, 8))):
        a = draw(st.integers(0, len(code)))
        b = min(len(code), a + draw(st.integers(0, 200)))
        c = draw(st.integers(b, len(code)))
        match draw(st.sampled_from(("delete", "double", "swap", "splinter", "bytes"))):
            case "delete":
                code = code[:a] + code[b:]
            case "double":
                code = code[:b] + code[a:]
            case "swap":
                code = code[:a] + code[b:c] + code[a:b] + code[c:]
            case "splinter":
                code = code[:a] + draw(st.sampled_from(SPLINTERS)) + code[a:]
            case _:
                code = code[:a] + draw(st.binary(max_size=12)) + code[a:]
    return code


@given(mutated(), st.sampled_from(PATHS))
@TOLERANT
def test_every_use_has_one_record_in_its_place(code: bytes, path: str) -> None:
    facts = analyse(path, code, "pte-pg")
    family = {name.decode() for name in FAMILY}
    got = [(use.line, use.col, use.name) for use in facts.uses if use.name in family] if facts is not None else []
    assert got == [(w.line, w.col, w.name) for w in words(code)]


@given(mutated())
@TOLERANT
def test_facts_survive_the_cache_and_are_the_same_twice(code: bytes) -> None:
    facts = analyse("mm/x.c", code, "pte-pg")
    if facts is not None:
        assert encode(decode(encode(facts))) == encode(facts) == encode(analyse("mm/x.c", code, "pte-pg") or facts)


@given(mutated(), st.booleans())
@TOLERANT
def test_masking_keeps_length_and_line_breaks(code: bytes, assembler: bool) -> None:
    masked = text.mask(code, assembler)
    assert len(masked) == len(code)
    assert [at for at, c in enumerate(masked) if c == 10] == [at for at, c in enumerate(code) if c == 10]


@given(mutated())
@TOLERANT
def test_pieces_cover_the_file_in_order(code: bytes) -> None:
    source = Source(code)
    at = 0
    for start, end in source.blocks():
        for piece in source.pieces(start, end):
            assert piece.start == at
            at = piece.end
    assert at == len(code)


@given(mutated())
@TOLERANT
def test_normalising_keeps_length_line_breaks_and_names(code: bytes) -> None:
    code = Source(code).code
    normal = normalise.normalise(code)
    names = vocabulary().pattern()
    assert len(normal) == len(code)
    assert [at for at, c in enumerate(normal) if c == 10] == [at for at, c in enumerate(code) if c == 10]
    assert [(m.start(), m.group()) for m in names.finditer(normal)] == [
        (m.start(), m.group()) for m in names.finditer(code)
    ]


@given(st.lists(st.integers(0, 3999)), mutated())
@TOLERANT
def test_a_large_file_hides_what_a_mask_would_hide(offsets: list[int], code: bytes) -> None:
    inside = sorted({offset for offset in offsets if offset < len(code)})
    spans = [m.span() for m in text._LEXEME.finditer(code)]
    assert text.hidden(code, inside) == {at for at in inside if any(start <= at < end for start, end in spans)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TREE)))
def test_a_file_cut_anywhere_is_accounted_for(path: Path) -> None:
    code = path.read_bytes()
    for end in range(0, len(code), max(len(code) // 12, 1)):
        facts = analyse(str(path.relative_to(TREE)), code[:end], "pte-pg")
        got = [(use.line, use.col) for use in facts.uses if use.name.encode() in FAMILY] if facts is not None else []
        assert got == [(w.line, w.col) for w in words(code[:end])]
