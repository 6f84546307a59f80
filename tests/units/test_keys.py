"""Keys of a tree: names by number and numbers by name, packed or not."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.units.keys import Keys, Packed

NAMES = ["F:page.index", "P:fill/0", "R:größe", "V:mm/a.c:x", ""]
SAME_CRC = ["plumless", "buckeroo"]

names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), unique=True, max_size=20)


def packed(some: list[str]) -> Keys:
    """As they are read back."""
    return Keys(msgspec.msgpack.decode(msgspec.msgpack.encode(Packed.of(some)), type=Packed))


@given(kept=names, more=names)
def test_packed_keys_are_the_names(kept: list[str], more: list[str]) -> None:
    more = [name for name in more if name not in kept]
    for keys in (packed(kept), Keys.of(kept)):
        assert [keys.number(name) for name in more] == [None] * len(more)
        for name in more:
            keys.append(name)
        own = [*kept, *more]
        assert list(keys) == [keys[n] for n in range(len(keys))] == own
        assert [keys.number(name) for name in own] == list(range(len(own)))
        assert list(Keys(keys.pack())) == own


def test_names_of_one_checksum_are_told_apart() -> None:
    keys = packed([SAME_CRC[0], "x"])
    assert keys.number(SAME_CRC[1]) is None
    assert packed(SAME_CRC).number(SAME_CRC[1]) == 1


@given(kept=names, more=names, words=st.lists(st.text("ab:F", min_size=1, max_size=3), min_size=1, max_size=3))
def test_the_names_that_hold_a_word(kept: list[str], more: list[str], words: list[str]) -> None:
    more = [name for name in more if name not in kept]
    keys = packed(kept)
    for name in more:
        keys.append(name)
    expected = {n for n, name in enumerate([*kept, *more]) if any(word in name for word in words)}
    assert set(keys.holding(words)) == expected


def test_a_word_across_two_names_is_in_neither() -> None:
    assert packed(["xa", "by", "ab"]).holding(["ab"]) == [2]


def test_a_word_that_laps_over_is_found_behind_it() -> None:
    assert sorted(packed(["xa", "bab", "aba"]).holding(["aba", "ab"])) == [1, 2]


def test_columns_that_do_not_fit_are_no_keys() -> None:
    made = Packed.of(NAMES)
    with pytest.raises(ValueError, match="columns"):
        Keys(Packed(made.text[:-1], made.lengths, made.crc, made.by_crc))
    with pytest.raises(ValueError, match="columns"):
        Keys(Packed(made.text, made.lengths, made.crc[:-1], made.by_crc))
