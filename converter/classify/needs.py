"""What a text must hold for a regular expression to match: most texts lack it, and `in` is quicker than a search."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

_SHORTEST = 3
"""Characters of a literal that is worth looking for."""


def needed(pattern: str) -> tuple[str, ...]:
    """Literals of which every match holds at least one; none where that cannot be told."""
    parsed = _parser.parse(pattern)
    if parsed.state.flags & re.IGNORECASE:
        return ()
    return _any_of(parsed) or ()


def _any_of(items: Iterable[tuple[Any, Any]]) -> tuple[str, ...] | None:
    """The best of what each item of a sequence needs, or of the literals in a row between them."""
    found: list[tuple[str, ...]] = []
    run = ""
    for what, argument in (*items, (None, None)):
        if what is _constants.LITERAL:
            run += chr(argument)
            continue
        if len(run) >= _SHORTEST:
            found.append((run,))
        run = ""
        inner = _inside(what, argument)
        if inner:
            found.append(inner)
    return max(found, key=lambda some: (min(map(len, some)), -len(some)), default=None)


def _inside(what: Any, argument: Any) -> tuple[str, ...] | None:
    if what is _constants.SUBPATTERN:
        return _any_of(argument[-1])
    if what in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and argument[0] >= 1:
        return _any_of(argument[2])
    if what is _constants.BRANCH:
        branches = [_any_of(branch) for branch in argument[1]]
        if all(branches):
            return tuple(dict.fromkeys(one for some in branches for one in some or ()))
    return None
