"""What each file of a tree declares, and the struct types that follow for the tree, kept up to date file by file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from converter.units.facts import Facts
from converter.units.graph import Types

Declared = tuple[dict[str, dict[str, str]], dict[str, str]]
"""struct -> field -> type, and function -> type of its result."""


def declares(facts: Facts) -> Declared:
    """What one file declares."""
    return facts.structs, facts.returns


class TypeTable:
    """Where files disagree the first by path wins, as when a whole tree is linked."""

    def __init__(self, files: Mapping[str, Declared], seeded: Iterable[str]) -> None:
        self.files = dict(files)
        self._structs: dict[str, set[str]] = {}
        self._returns: dict[str, set[str]] = {}
        for path, (structs, returns) in files.items():
            for name in structs:
                self._structs.setdefault(name, set()).add(path)
            for name in returns:
                self._returns.setdefault(name, set()).add(path)
        whole = [Facts(structs=files[p][0], returns=files[p][1]) for p in sorted(files)]
        self.types = Types(whole, (key for key in seeded if key.startswith("F:")))

    def exchange(self, gone: Iterable[str], come: Mapping[str, Declared]) -> set[str]:
        """Take out what some files declare, put in what others do; names of fields and functions whose type changed."""
        structs: set[str] = set()
        returns: set[str] = set()
        for path in gone:
            was = self.files.pop(path, ({}, {}))
            structs |= was[0].keys()
            returns |= was[1].keys()
            for name in was[0]:
                self._structs[name].discard(path)
            for name in was[1]:
                self._returns[name].discard(path)
        for path, now in come.items():
            self.files[path] = now
            structs |= now[0].keys()
            returns |= now[1].keys()
            for name in now[0]:
                self._structs.setdefault(name, set()).add(path)
            for name in now[1]:
                self._returns.setdefault(name, set()).add(path)
        words: set[str] = set()
        for name in structs:
            words |= self._restruct(name)
        for name in returns:
            files = sorted(self._returns[name])
            type_ = self.files[files[0]][1][name] if files else None
            if self.types.returns.get(name) != type_:
                words.add(name)
                _put(self.types.returns, name, type_)
        self.types.forget()
        return words

    def _restruct(self, name: str) -> set[str]:
        was = self.types.structs.get(name, {})
        now: dict[str, str] = {}
        for path in sorted(self._structs[name]):
            for field, type_ in self.files[path][0][name].items():
                now.setdefault(field, type_)
        if was == now:
            return set()
        self.types.structs[name] = now
        return {field for field in was.keys() | now.keys() if was.get(field) != now.get(field)}


def _put(table: dict[str, str], name: str, value: str | None) -> None:
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value
