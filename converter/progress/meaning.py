"""Names of a scheme that mean something else in a tree: powerpc's PTE_SIZE is the size of a hash table's entry.

In a tree that speaks the scheme every such name is the scheme's. In one that does not, or not yet, a name is the
scheme's where nothing of the file's own surroundings defines it: what is converted ahead of the definitions is
converted.
"""

from __future__ import annotations

import os
from collections import defaultdict

from converter.ledger import Ledger
from converter.vocabulary import Scheme


class OwnMeaning:
    """Asked for each use of a name of the scheme."""

    def __init__(self, ledger: Ledger, chosen: Scheme) -> None:
        self._places: dict[str, set[str]] = defaultdict(set)
        if not ledger.speaks(chosen):
            for path, names in ledger.defines.items():
                for name in names:
                    self._places[name].add(_place(path))

    def of(self, path: str, name: str) -> bool:
        """Does the name mean something else in the file?"""
        return _place(path) in self._places[name]


def _place(path: str) -> str:
    """An architecture is one place, anywhere else a directory is."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "arch" else os.path.dirname(path)
