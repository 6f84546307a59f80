"""Definitions of the family, copied for each unit."""

from __future__ import annotations

from converter.convert.introduce import Introduction
from converter.convert.lines import Change, Lines, changed, split
from converter.vocabulary import scheme

PTE_PG = Introduction(scheme("pte-pg"), kconfig=True)
MMUPAGE = Introduction(scheme("mmupage"), kconfig=True)

HEADER = b"""#ifndef _ASM_PAGE_H
#define PAGE_SHIFT\tCONFIG_PAGE_SHIFT
#define PAGE_SIZE\t(_AC(1,UL) << PAGE_SHIFT)
#define PAGE_MASK\t(~((1 << PAGE_SHIFT) - 1))

#define OTHER\t1
#endif
"""


def made(text: bytes, changes: list[Change]) -> str:
    return b"".join(changed(split(text), changes)).decode()


def header(text: bytes, introduction: Introduction = PTE_PG) -> str:
    return made(text, introduction.page_header(split(text)))


def test_each_unit_gets_the_architecture_s_own_definitions() -> None:
    text = header(HEADER)
    assert "#define PTE_SHIFT\tCONFIG_PTE_SHIFT\n" in text
    assert "#define PG_SIZE\t\t(_AC(1, UL) << PG_SHIFT)\n" in text


def test_a_signed_mask_stays_signed() -> None:
    text = header(HEADER)
    assert "#define PTE_MASK\t(~((1 << PTE_SHIFT) - 1))\n" in text
    assert "#define PG_MASK\t\t(~((1 << PG_SHIFT) - 1))\n" in text


def test_the_family_is_defined_only_while_both_sizes_are_the_same() -> None:
    text = header(HEADER)
    block = text[text.index("#if PTE_SHIFT == PG_SHIFT\n") :]
    assert block.startswith(
        "#if PTE_SHIFT == PG_SHIFT\n#define PAGE_SHIFT\tPTE_SHIFT\n#define PAGE_SIZE\tPTE_SIZE\n"
        "#define PAGE_MASK\tPTE_MASK\n#endif\n"
    )
    assert "#define PAGE_SIZE" not in text[: text.index("#if PTE_SHIFT")]


def test_a_scheme_that_keeps_the_family_adds_one_unit() -> None:
    text = header(HEADER, MMUPAGE)
    assert "#define MMUPAGE_SIZE" in text
    assert "#define PAGE_SIZE\t(_AC(1, UL) << PAGE_SHIFT)\n" in text
    assert "#if" not in text.replace("#ifndef _ASM", "")


def test_definitions_under_a_condition_are_copied_there() -> None:
    text = header(
        b"#define PAGE_SHIFT 12\n#ifdef __ASSEMBLY__\n#define PAGE_SIZE (1 << PAGE_SHIFT)\n#else\n"
        b"#define PAGE_SIZE (1UL << PAGE_SHIFT)\n#endif\n#define X 1\n"
    )
    assert text.index("#define PG_SIZE (1 <<") < text.index("#else") < text.index("#define PG_SIZE (1UL")
    assert text.index("#endif") < text.index("#if PTE_SHIFT") < text.index("#define X")


def test_a_header_that_has_the_names_is_left_alone() -> None:
    once = header(HEADER).encode()
    assert PTE_PG.page_header(split(once)) == []


def test_a_file_with_its_own_definition_gets_the_names_beside_it() -> None:
    lines = split(b"#undef PAGE_SIZE\n#define PAGE_SIZE _PAGE_SIZE\n")
    text = made(b"".join(lines), PTE_PG.beside(lines, ["PAGE_SIZE"], header=False))
    assert text == (
        "#undef PAGE_SIZE\n#undef PTE_SIZE\n#undef PG_SIZE\n"
        "#define PAGE_SIZE _PAGE_SIZE\n#define PTE_SIZE _PAGE_SIZE\n#define PG_SIZE _PAGE_SIZE\n"
    )


def test_a_default_keeps_being_one() -> None:
    text = b"#ifndef PAGE_SIZE\n# define PAGE_SIZE 4096\n#endif\nx\n"
    after = made(text, PTE_PG.beside(split(text), ["PAGE_SIZE"], header=True))
    assert after.endswith(
        "#ifndef PTE_SIZE\n# define PTE_SIZE 4096\n#endif\n#ifndef PG_SIZE\n# define PG_SIZE 4096\n#endif\nx\n"
    )


MM = b"""/* to the next boundary */
#define PAGE_ALIGN(addr) ALIGN(addr, PAGE_SIZE)

/* to the previous boundary */
#define PAGE_ALIGN_DOWN(addr) ALIGN_DOWN(addr, PAGE_SIZE)

/* on a boundary? */
#define PAGE_ALIGNED(addr)	IS_ALIGNED((unsigned long)(addr), PAGE_SIZE)

static inline int f(void) { return WARN_ON(1); }
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
static inline int g(void) { return WARN_ON(1); }
"""
PFN = b"""#ifndef _PFN_H
#define PFN_UP(x)\t(((x) + PAGE_SIZE-1) >> PAGE_SHIFT)
#define PFN_DOWN(x)\t((x) >> PAGE_SHIFT)

#endif
"""


def helpers(introduction: Introduction = PTE_PG) -> tuple[Lines, Lines]:
    mm, pfn = split(MM), split(PFN)
    in_mm, in_pfn = introduction.helpers(mm, pfn)
    return changed(mm, in_mm), changed(pfn, in_pfn)


def test_no_line_of_mm_h_moves() -> None:
    mm, _ = helpers()
    before = {i for i, line in enumerate(split(MM)) if b"WARN_ON" in line}
    assert {i for i, line in enumerate(mm) if b"WARN_ON" in line} == before


def test_each_helper_comes_in_both_units() -> None:
    _, pfn = helpers()
    text = b"".join(pfn).decode()
    for name in ("PTE_ALIGN(", "PG_ALIGN(", "PTE_ALIGNED(", "PG_ALIGN_DOWN(", "offset_in_pte(", "offset_in_pg("):
        assert f"#define {name}" in text
    for name in ("PTES_PER_PAGE", "PTES_TO_PAGES(nr)", "PAGES_TO_PTES(nr)"):
        assert f"#define {name}" in text


def test_a_pfn_counts_the_scheme_s_unit() -> None:
    assert b"#define PFN_DOWN(x)\t((x) >> PTE_SHIFT)\n" in helpers()[1]
    assert b"#define PG_DOWN(x)\t((x) >> PG_SHIFT)\n" in helpers()[1]
    assert b"#define PFN_DOWN(x)\t((x) >> PAGE_SHIFT)\n" in helpers(MMUPAGE)[1]
    assert b"#define MMUPFN_DOWN(x)\t((x) >> MMUPAGE_SHIFT)\n" in helpers(MMUPAGE)[1]


def test_the_old_helpers_stay_only_while_both_sizes_are_the_same() -> None:
    text = b"".join(helpers()[0])
    block = text[text.index(b"#if PTE_SHIFT") : text.index(b"#endif")]
    for name in (b"PAGE_ALIGN(", b"PAGE_ALIGN_DOWN(", b"PAGE_ALIGNED(", b"offset_in_page("):
        assert b"#define " + name in block
        assert text.count(b"#define " + name) == 1


def test_helpers_are_introduced_once() -> None:
    mm, pfn = helpers()
    assert PTE_PG.helpers(mm, pfn) == ([], [])
