"""What a level of proof says: each site or file passed, failed, or was not covered and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

PASSED = "passed"
FAILED = "failed"
NOT_COVERED = "not covered"

OUTCOMES = (PASSED, FAILED, NOT_COVERED)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a level looked at.

    path     of the file in the tree; of a boot, the name of the test
    line     counts from 1; 0 where the item is a whole file
    outcome  one of OUTCOMES
    what     the use or the object in a few words
    why      of a failure, what differs; of what is not covered, the reason, worded so that equal reasons can be counted
    detail   more lines for a person: values that differ, a disassembly diff
    assumed  what was taken for granted, each as (C, why), `why` worded as above
    """

    path: str
    line: int
    outcome: str
    what: str
    why: str = ""
    detail: str = ""
    assumed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A level's verdict. `figures` are numbers of the level's own, by name, in the order in which they are printed."""

    level: str
    items: tuple[Item, ...]
    figures: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, outcome: str) -> int:
        return sum(item.outcome == outcome for item in self.items)

    def with_items(self, more: Iterable[Item]) -> Result:
        """With more items, in order of place."""
        items = sorted((*self.items, *more), key=lambda i: (i.path, i.line, i.what))
        return replace(self, items=tuple(items))

    @property
    def failed(self) -> bool:
        return self.count(FAILED) > 0

    def reasons(self) -> list[tuple[str, int]]:
        """Why items were not covered, the most frequent first."""
        return _counted(item.why for item in self.items if item.outcome == NOT_COVERED)

    def assumptions(self) -> list[tuple[str, int]]:
        """What was assumed of items that passed or failed, with the number of items, the most frequent first."""
        covered = [item for item in self.items if item.outcome != NOT_COVERED]
        return _counted(why for item in covered for why in {why for _, why in item.assumed})


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))


def below(path: str, paths: Iterable[str]) -> bool:
    """Is a file one of `paths`, or below one that is a directory? All are where no path is given."""
    wanted = tuple(paths)
    return not wanted or any(path == p or path.startswith(p.rstrip("/") + "/") for p in wanted)
