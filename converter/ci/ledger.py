"""How many uses of the family, and of the scheme's names, each file has: what is converted can be read off that."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from converter.units.facts import Facts, Use
from converter.vocabulary import Scheme, vocabulary


def is_open(use: Use) -> bool:
    """Is it a use of the family in code that is still to be converted?"""
    return not use.inert and not use.defines and vocabulary().names[use.name].family


def by_function(facts: Facts | None) -> Counter[str]:
    """Open uses of a file by function; '' is outside of any."""
    return Counter(u.function for u in facts.uses if is_open(u)) if facts is not None else Counter()


@dataclass(slots=True)
class Ledger:
    """By file, where there are any: open uses and written names of the scheme, and the scheme's names it defines."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    defines: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Iterable[tuple[str, Facts]]) -> Ledger:
        """The ledger of a whole tree."""
        ledger = cls()
        for path, facts in files:
            ledger.put(path, facts)
        return ledger

    def put(self, path: str, facts: Facts | None) -> None:
        """A file as it is now; None where it is gone."""
        self.counts.pop(path, None)
        self.defines.pop(path, None)
        if facts is None:
            return
        open_, written = sum(by_function(facts).values()), len(facts.written)
        if open_ or written:
            self.counts[path] = open_, written
        if facts.defines:
            self.defines[path] = facts.defines

    def speaks(self, chosen: Scheme) -> bool:
        """Does the tree speak the scheme: does a header define its marker?"""
        return any(chosen.marker in own and p.startswith(("include/", "arch/")) for p, own in self.defines.items())

    def directory(self, path: str) -> tuple[int, int]:
        """Open uses and written names of the other files of a file's directory."""
        place = os.path.dirname(path)
        own = [c for p, c in self.counts.items() if os.path.dirname(p) == place and p != path]
        return sum(c[0] for c in own), sum(c[1] for c in own)
