"""How many uses of the family, and of the scheme's names, each file has: what is converted can be read off that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from converter.units.facts import Facts, Use
from converter.vocabulary import Scheme, vocabulary


def is_family(use: Use) -> bool:
    """Is it a use of the family in code?"""
    return not use.inert and not use.defines and vocabulary().names[use.name].family


@dataclass(slots=True)
class Ledger:
    """By file, where there are any.

    counts   uses of the family, and names of the scheme that are used
    defines  names of the scheme that are defined
    """

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
        family, written = sum(map(is_family, facts.uses)), len(facts.written)
        if family or written:
            self.counts[path] = family, written
        if facts.defines:
            self.defines[path] = facts.defines

    def speaks(self, chosen: Scheme) -> bool:
        """Does the tree speak the scheme: does a header define its marker?"""
        return any(chosen.marker in own and p.startswith(("include/", "arch/")) for p, own in self.defines.items())

    def beside(self, path: str) -> Iterator[tuple[str, int, int]]:
        """The other files of a file's directory: path, uses of the family, and written names."""
        place = os.path.dirname(path)
        return ((p, *c) for p, c in self.counts.items() if os.path.dirname(p) == place and p != path)
