"""What each file of a tree declares, and the struct types that follow for the tree, kept up to date file by file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from converter.units.facts import Declared
from converter.units.graph import Types


class TypeTable:
    """Where files disagree the first by path wins, as when a whole tree is linked."""

    def __init__(self, files: Mapping[str, Declared], seeded: Iterable[str]) -> None:
        self.files = dict(files)
        self.types = Types([files[p] for p in sorted(files)], (key for key in seeded if key.startswith("F:")))

    def exchange(self, gone: Iterable[str], come: Mapping[str, Declared]) -> set[str]:
        """Take out what some files declare, put in what others do; names of fields and functions whose type changed."""
        structs: set[str] = set()
        returns: set[str] = set()
        for path in gone:
            was = self.files.pop(path, ({}, {}))
            structs |= was[0].keys()
            returns |= was[1].keys()
        for path, now in come.items():
            self.files[path] = now
            structs |= now[0].keys()
            returns |= now[1].keys()
        words: set[str] = set()
        declaring = self._declaring(structs, 0)
        for name in structs:
            words |= self._restruct(name, declaring.get(name, []))
        declaring = self._declaring(returns, 1)
        for name in returns:
            first = declaring.get(name)
            type_ = self.files[first[0]][1][name] if first else None
            if self.types.returns.get(name) != type_:
                words.add(name)
                _put(self.types.returns, name, type_)
        self.types.forget()
        return words

    def _declaring(self, names: set[str], what: int) -> dict[str, list[str]]:
        """The files that declare structs (0) or results (1) of some names, by path."""
        found: dict[str, list[str]] = {}
        for path, declared in self.files.items():
            if not names.isdisjoint(declared[what]):
                for name in names & declared[what].keys():
                    found.setdefault(name, []).append(path)
        for paths in found.values():
            paths.sort()
        return found

    def _restruct(self, name: str, paths: list[str]) -> set[str]:
        was = self.types.structs.get(name, {})
        now: dict[str, str] = {}
        for path in reversed(paths):
            now.update(self.files[path][0][name])
        if was == now:
            return set()
        self.types.structs[name] = now
        return {field for field in was.keys() | now.keys() if was.get(field) != now.get(field)}


def _put(table: dict[str, str], name: str, value: str | None) -> None:
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value
