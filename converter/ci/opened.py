"""Which uses are still to be converted.

A scheme may keep a name for one of its units (mmupage's PAGE_SIZE is PG): a use that is decided for that unit is
right as it stands, and not open.
"""

from __future__ import annotations

from collections import Counter

from converter.classify.decide import Decider
from converter.ledger import is_family
from converter.units.facts import Use
from converter.vocabulary import vocabulary


class Opened:
    """The open uses of a tree that is solved. Files are named by their number in it."""

    def __init__(self, judge: Decider) -> None:
        self._judge = judge
        self._kept = {name for name in judge.scheme.names if judge.scheme.keeps(name)}
        self._kept &= set(vocabulary().family)

    def is_open(self, file: int, use: Use) -> bool:
        """Is it a use of the family that is still to be converted?"""
        if not is_family(use) or use.name not in self._kept:
            return is_family(use)
        site = self._judge.site(file, use)
        return site.status != "decided" or site.replacement != use.name

    def by_function(self, file: int | None) -> Counter[str]:
        """How many of them each function of a file has; '' is outside of any. None is a file that is not there."""
        if file is None:
            return Counter()
        return Counter(u.function for u in self._judge.graph.facts[file].uses if self.is_open(file, u))

    def total(self, file: int, family: int) -> int:
        """How many of them a file has that has so many uses of the family."""
        return self.by_function(file).total() if self._kept else family
