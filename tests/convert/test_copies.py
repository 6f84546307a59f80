"""A function once more in the other unit: where the copy stands, and which lines it moves."""

from __future__ import annotations

from converter.convert.copies import Copy, copied
from converter.convert.introduce import Introduction
from converter.convert.lines import changed, split
from converter.vocabulary import scheme

PTE_PG = Introduction(scheme("pte-pg"), kconfig=True)

LENGTH = """static inline unsigned long vma_pages(struct v *v)
{
	return (v->e - v->s) >> PAGE_SHIFT;
}
"""
COPY = LENGTH.replace("vma_pages", "vma_ptes").replace("PAGE_SHIFT", "PTE_SHIFT")
WARNING = """
static inline void check(struct v *v)
{
	WARN_ON(!v);
}
"""


def copy(text: str, function: str = "vma_pages") -> Copy:
    found = copied(PTE_PG, split(text.encode()), function, "pte")
    assert found is not None
    return found


def after(text: str, function: str = "vma_pages") -> str:
    return b"".join(changed(split(text.encode()), [copy(text, function).change])).decode()


def test_the_copy_stands_beside_its_original() -> None:
    text = f"void zap_vma_ptes(int);\n{LENGTH}\nint other;\n"
    assert after(text) == f"void zap_vma_ptes(int);\n{LENGTH}\n{COPY}\nint other;\n"
    assert copy(text).note == "No object changes."


def test_no_line_whose_number_goes_into_objects_moves() -> None:
    text = f"#ifndef _X_H\n#define _X_H\n{LENGTH}{WARNING}\n#endif\n"
    assert after(text) == f"#ifndef _X_H\n#define _X_H\n{LENGTH}{WARNING}\n{COPY}\n#endif\n"
    assert copy(text).below
    assert not copy(text).moves


def test_a_macro_numbers_the_line_of_its_caller() -> None:
    text = f"{LENGTH}\n#define check(v) WARN_ON(!(v))\n/* BUG() is for those who must */\n"
    assert not copy(text).below


def test_the_copy_stays_under_the_condition_of_its_original() -> None:
    text = f"#ifdef CONFIG_MMU\n{LENGTH}#if 1\nint x;\n#endif\n{WARNING}#else\nint y;\n#endif\n"
    assert f"{WARNING}\n{COPY}#else\n" in after(text)


def test_a_header_that_calls_the_function_has_the_copy_first_and_the_message_says_what_moves() -> None:
    call = "\nstatic inline long last(struct v *v)\n{\n\treturn vma_pages(v) - 1;\n}\n"
    text = f"{LENGTH}{call}{WARNING}"
    assert after(text) == f"{LENGTH}\n{COPY}{call}{WARNING}"
    assert "line numbers" in copy(text).note


def test_what_is_copied_already_is_left() -> None:
    assert copied(PTE_PG, split(after(LENGTH).encode()), "vma_pages", "pte") is None


def test_declarations_of_a_copy_end_in_a_blank_line() -> None:
    text = "static inline int get_order(unsigned long size)\n{\n\tint order;\n\tsize--;\n\treturn order;\n}\n"
    assert "get_pte_order(unsigned long size)\n{\n\tint order;\n\n\tsize--;\n" in after(text, "get_order")
