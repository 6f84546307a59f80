"""Token edits: what changes on a line, and what keeps its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.convert.edits import Edit, Stale, by_line, changes, check, render, width
from converter.convert.lines import changed, split
from converter.vocabulary import scheme, vocabulary

FAMILY = tuple(vocabulary().family)
NAMES = scheme("pte-pg").names


def converted(text: bytes, unit: str, name: str = "pte-pg") -> bytes:
    """Every name of the family in `text` in its form for the unit."""
    lines = split(text)
    return b"".join(changed(lines, changes(lines, by_line(edits(text, unit, name)))))


def edits(text: bytes, unit: str, name: str = "pte-pg") -> list[Edit]:
    names = scheme(name).names
    pattern = re.compile(rb"(?<!\w)(?:" + "|".join(FAMILY).encode() + rb")(?!\w)", re.ASCII)
    return [
        Edit(i, m.start() + 1, m.group(), names[m.group().decode()][unit].encode())
        for i, line in enumerate(split(text), 1)
        for m in pattern.finditer(line)
    ]


def test_only_the_name_changes() -> None:
    assert converted(b"new = round_down(new, PAGE_SIZE);\n", "pte") == b"new = round_down(new, PTE_SIZE);\n"


def test_several_names_on_a_line_change() -> None:
    line = b"end = (addr + PAGE_SIZE) & PAGE_MASK;\n"
    assert converted(line, "pg") == b"end = (addr + PG_SIZE) & PG_MASK;\n"


def test_a_trailing_comment_keeps_its_column() -> None:
    assert converted(b"#define A  PAGE_SIZE   /* x */\n", "pg") == b"#define A  PG_SIZE     /* x */\n"


def test_a_tab_before_aligned_text_still_reaches_its_column() -> None:
    before = b"#define A\tPAGE_SIZE\t/* x */\n"
    after = converted(before, "pg")
    assert width(after.split(b"/*")[0]) == width(before.split(b"/*")[0])


def test_a_column_of_backslashes_stays_one() -> None:
    text = b"#define A(x)\t\t\\\n\tf(x, PAGE_SIZE)\t\\\n\tg(x)\t\t\\\n\th(x)\n"
    columns = {width(line.split(b"\\")[0]) for line in split(converted(text, "pte")) if b"\\" in line}
    assert columns == {24}


def test_a_backslash_after_one_blank_follows_its_neighbours() -> None:
    text = b"#define A(x, y)        \\\n\tfff(PAGE_SHIFT) \\\n\tx\n"
    lines = split(converted(text, "pg"))
    assert width(lines[0].split(b"\\")[0]) == width(lines[1].split(b"\\")[0]) == 23 or lines[1].count(b" \\")


def test_a_lone_blank_before_a_backslash_stays_one() -> None:
    assert converted(b"#define A PAGE_SIZE \\\n\t+ 1\n", "pg") == b"#define A PG_SIZE \\\n\t+ 1\n"


def test_blanks_inside_a_string_stay() -> None:
    assert converted(b'f(PAGE_SIZE, "a  b");\n', "pg") == b'f(PG_SIZE, "a  b");\n'


def test_a_longer_name_pushes_text_that_has_no_room() -> None:
    assert converted(b"PAGE_SIZE  x\n", "pte", "mmupage") == b"MMUPAGE_SIZE x\n"


def test_carriage_returns_stay() -> None:
    assert converted(b"a = PAGE_SIZE; \\\r\nb\r\n", "pte") == b"a = PTE_SIZE; \\\r\nb\r\n"


def test_an_edit_whose_name_is_gone_is_stale() -> None:
    with pytest.raises(Stale, match="1:5: PAGE_SIZE is not there"):
        check("a.c", split(b"int MY_PAGE_SIZE;\n"), [Edit(1, 5, b"PAGE_SIZE", b"PG_SIZE")])


def test_part_of_a_longer_name_is_not_the_name() -> None:
    with pytest.raises(Stale):
        check("a.c", split(b"PAGE_SIZE_4K\n"), [Edit(1, 1, b"PAGE_SIZE", b"PG_SIZE")])


def test_a_role_at_a_time_ends_where_all_at_once_ends() -> None:
    lines = [b"#define A\tPAGE_SIZE + PAGE_SHIFT\t/* x */\n"]
    first, second = edits(lines[0], "pg")
    assert render(lines, 1, [first]) != render(lines, 1, [first, second])
    assert render(lines, 1, [first, second]) == converted(lines[0], "pg")


WORDS = st.sampled_from([n.encode() for n in FAMILY] + [b"x", b"(", b")", b"+", b"f", b"\xe9\xff", b"\xc3\xa9"])
GAPS = st.sampled_from([b" ", b"\t", b"\t\t", b"  ", b"     "])
ENDS = st.sampled_from([b"\n", b"\r\n", b" \\\n", b"\t\\\r\n"])
ROW = st.lists(st.tuples(WORDS, GAPS), min_size=1, max_size=6)
LINES = st.lists(st.tuples(st.sampled_from([b"", b"\t", b"\t\t"]), ROW, WORDS, ENDS))


def source(parts: list[tuple[bytes, list[tuple[bytes, bytes]], bytes, bytes]]) -> bytes:
    return b"".join(indent + b"".join(w + g for w, g in row) + last + end for indent, row, last, end in parts)


@given(LINES, st.sampled_from(["pte", "pg"]))
def test_the_reverse_mapping_gives_the_original_words_in_any_encoding(
    parts: list[tuple[bytes, list[tuple[bytes, bytes]], bytes, bytes]], unit: str
) -> None:
    text = source(parts)
    made = converted(text, unit)
    back = made
    for name in sorted(FAMILY, key=len):
        new = NAMES[name][unit].encode()
        back = re.sub(rb"(?<!\w)" + re.escape(new) + rb"(?!\w)", name.encode(), back)
    assert [line.split() for line in split(back)] == [line.split() for line in split(text)]
    assert [line.endswith(b"\r\n") for line in split(made)] == [line.endswith(b"\r\n") for line in split(text)]


@given(LINES, st.sampled_from(["pte", "pg"]))
def test_converting_twice_changes_nothing(
    parts: list[tuple[bytes, list[tuple[bytes, bytes]], bytes, bytes]], unit: str
) -> None:
    made = converted(source(parts), unit)
    assert converted(made, unit) == made


@given(st.binary(max_size=200))
def test_lines_are_the_whole_file(data: bytes) -> None:
    assert b"".join(split(data)) == data
    assert all(line.count(b"\n") <= 1 for line in split(data))


@given(st.lists(st.sampled_from([b"PAGE_SIZE", b"PAGE_SHIFT", b"x", b"y"]), min_size=2, max_size=5), st.integers(1, 30))
def test_text_after_a_wide_gap_keeps_its_column(words: list[bytes], blanks: int) -> None:
    line = b" + ".join(words) + b" " * (blanks + 12) + b"/* end */\n"
    assert width(converted(line, "pg").split(b"/*")[0]) == width(line.split(b"/*")[0])
