"""A function of a header once more, in the other unit, where it moves no line whose number goes into objects."""

from __future__ import annotations

import re
from dataclasses import dataclass

from converter.convert.introduce import CONDITION, Introduction, line_end
from converter.convert.lines import Change, Lines

_NUMBERED = re.compile(
    rb"^(?![ \t]*(?:#|/?\*)).*(?:\b(?:(?!BUILD_)\w*(?:WARN|BUG)\w*|lockdep_assert\w*|might_\w+|alloc_hooks)\(|__LINE__)"
)
"""Code that writes its line number into the object, in some configuration at least."""
_DECLARATION = re.compile(rb"^\t(?!return\b)\w+ \w+;\r?\n?$")


@dataclass(frozen=True, slots=True)
class Copy:
    """The change that adds the copy. `below`: it does not stand beside its original; `moves`: it moves numbered lines,
    since the header itself calls it before the last of them."""

    change: Change
    below: bool
    moves: bool

    @property
    def note(self) -> str:
        """What a message says of the place and of objects."""
        if self.moves:
            return "No code changes; line numbers that BUG() and WARN_ON() keep do."
        where = "It stands below all code of the header whose lines BUG() or might_sleep()\nnumber. "
        return (where if self.below else "") + "No object changes."


def copied(
    introduction: Introduction, lines: Lines, function: str, unit: str, keep: frozenset[str] = frozenset()
) -> Copy | None:
    """An inline function's copy in the names of the unit, but for those to `keep`; None where there is nothing to copy
    or a copy is there."""
    head = re.compile(rb"^static\b[^;]*\b" + function.encode() + rb"\(")
    new = re.compile(rb"\b" + introduction.name(function, unit).encode() + rb"\(")
    start = next((i for i, line in enumerate(lines) if head.match(line)), None)
    if start is None or any(new.search(line) for line in lines):
        return None
    stop = next((i + 1 for i in range(start, len(lines)) if lines[i].startswith(b"}")), len(lines))
    end = line_end(lines, start)
    copy: list[bytes] = []
    for line in lines[start:stop]:
        if copy and _DECLARATION.match(copy[-1]) and not _DECLARATION.match(line) and line.strip():
            copy.append(end)  # as checkpatch asks of new lines
        copy.append(introduction.copy(line, unit, keep))
    at, moves = stop, False
    if any(_NUMBERED.match(line) for line in lines[stop:]):
        last = _branch_end(lines, stop)
        called = re.compile(rb"\b" + function.encode() + rb"\(")
        moves = any(called.search(line) for line in lines[stop:last])
        at = stop if moves else last
    text = (end, *copy) if lines[at - 1].strip() else (*copy, end)
    return Copy(Change(at, at, text), at > stop, moves)


def _branch_end(lines: Lines, at: int) -> int:
    """The line that ends the preprocessor's condition around line `at`."""
    depth = 0
    for i in range(at, len(lines)):
        if m := CONDITION.match(lines[i]):
            if m[1] in (b"if", b"ifdef", b"ifndef"):
                depth += 1
            elif depth == 0:
                return i
            else:
                depth -= m[1] == b"endif"
    return len(lines)
