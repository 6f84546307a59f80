"""Declared types of a tree that changes file by file: as those of the whole tree, read off anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from converter.units.facts import Declared
from converter.units.graph import Types
from converter.units.typetable import TypeTable

FIELDS = ("index", "pfn", "next")
STRUCTS = ("page", "folio", "box")
SEEDS = ("F:page.index", "F:box.pfn", "F:gone.next", "R:page_to_pfn")
KEYS = (
    *(f"F:@R:{function}>{field}" for function in STRUCTS for field in FIELDS),
    *(f"F:{struct}.{field}" for struct in STRUCTS for field in FIELDS),
    *(f"F:?.{field}" for field in FIELDS),
)
TYPES = st.sampled_from(["struct page*", "struct box", "number"])

members = st.dictionaries(st.sampled_from(FIELDS), TYPES)
declared = st.tuples(
    st.dictionaries(st.sampled_from(STRUCTS), members), st.dictionaries(st.sampled_from(STRUCTS), TYPES)
)
files = st.dictionaries(st.sampled_from(("a.h", "b.h", "c.c")), declared)


def said(types: Types) -> list[tuple[str | None, str]]:
    return [(types.of(key), types.field(key)) for key in KEYS]


def expected(own: dict[str, Declared]) -> Types:
    return Types.linked([own[path] for path in sorted(own)], SEEDS)


def differing(was: Types, now: Types) -> set[str]:
    """Names of fields and functions that have another type."""
    fields = {
        field for struct in STRUCTS for field in FIELDS
        if was.structs.get(struct, {}).get(field) != now.structs.get(struct, {}).get(field)
    }  # fmt: skip
    return fields | {name for name in STRUCTS if was.returns.get(name) != now.returns.get(name)}


@given(start=files, steps=st.lists(files, max_size=3), kept=st.booleans())
def test_exchanged_declarations_give_the_types_of_the_whole_tree(
    start: dict[str, Declared], steps: list[dict[str, Declared]], kept: bool
) -> None:
    table = TypeTable.of(start.items(), SEEDS)
    own = dict(start)
    for come in steps:
        if kept:
            again = TypeTable.unpacked(table.packed("tree"), "tree", SEEDS)
            assert again is not None
            table = again
        before = expected(own)
        gone = {path: d for at, (path, d) in enumerate(own.items()) if at % 2 == 0 or path in come}
        own = {path: d for path, d in own.items() if path not in gone} | come
        words = table.exchange(gone, come)
        assert said(table.types) == said(expected(own))
        assert words == differing(before, expected(own))


def test_the_table_of_another_tree_is_not_taken() -> None:
    table = TypeTable.of((), SEEDS)
    assert TypeTable.unpacked(table.packed("this"), "that", SEEDS) is None
