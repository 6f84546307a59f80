"""Over the fixture trees: the names that were given, taken back, leave the original bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from converter import data
from converter.convert.conversion import Conversion, Options
from converter.convert.decisions import decisions
from converter.convert.edits import Edit, by_line, changes, check
from converter.convert.lines import Lines, changed, split
from converter.convert.plan import by_path, edits
from converter.tree import open_tree
from converter.tree.cache import open_cache

TREES = ("tree", "kbuild", "verify")


@cache
def fixtures() -> Sequence[tuple[str, Lines, Sequence[Edit]]]:
    """(path, lines, edits) of every file of the fixture trees in which uses change."""
    found = []
    for name in TREES:
        tree = open_tree(str(data.path(f"fixtures/{name}")))
        with open_cache(False) as cache:
            decided = decisions(tree, cache, False, "pte-pg", 1)
        made = Conversion(tree, decided, Options(prepare=False))
        found += [(f"{name}/{p}", made.scanned(p), edits(own)) for p, own in by_path(made.sites).items()]
    return found


def taken_back(own: Sequence[Edit], new: Lines) -> list[Edit]:
    """Edits that give each name back where it stands now: behind the one before it on its line."""
    back = []
    for number, on_line in by_line(own).items():
        at = on_line[0].col - 1
        for e in on_line:
            at = new[number - 1].index(e.new, at)
            back.append(Edit(number, at + 1, e.new, e.old))
            at += len(e.new)
    return back


ENDS = st.sampled_from([b"\n", b"\r\n"])
COMMENTS = st.builds(
    lambda text, encoding: text.encode(encoding, "replace").replace(b"\n", b"?").replace(b"\\", b"?"),
    st.sampled_from(["", " /* für */", " /* размер */", "\t/* サイズ */", "    // é"]),
    st.sampled_from(["utf-8", "utf-16-le", "koi8-r", "euc-jp", "latin-1"]),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_names_given_and_taken_back_leave_the_original_bytes(drawn: st.DataObject) -> None:
    """Whatever the ends of the lines, and in whatever encoding comments stand behind them."""
    path, plain, own = drawn.draw(st.sampled_from(fixtures()))
    end, comment = drawn.draw(st.lists(ENDS, min_size=1, max_size=3)), drawn.draw(COMMENTS)
    lines = [
        text + (b"" if text.endswith(b"\\") else comment) + end[n % len(end)]
        for n, text in enumerate(line.rstrip(b"\r\n") for line in plain)
    ]
    if drawn.draw(st.booleans()):
        lines[-1] = lines[-1].rstrip(b"\r\n")
    assert split(b"".join(lines)) == lines
    check(path, lines, own)
    new = changed(lines, changes(lines, by_line(own)))
    assert new != lines
    assert changed(new, changes(new, by_line(taken_back(own, new)))) == lines


def test_the_fixtures_hold_enough() -> None:
    assert len(fixtures()) > 30
    assert sum(len(own) for _, _, own in fixtures()) > 200
