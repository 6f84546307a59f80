"""What the files of a tree declare, by name, and the types that follow for the tree, kept up to date file by file."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Generic, TypeVar

import msgspec

from converter.units.facts import Declared
from converter.units.graph import Members, Types, merged, owners, seeded_fields, unique

T = TypeVar("T")
_Raw = dict[str, msgspec.Raw]
_Said = list[tuple[str, T]]
"""What files say of a name, in the order of their paths."""

_NOTHING: Members = {}


class _Kept(msgspec.Struct, array_like=True):
    """By name what files say of it; and owners()."""

    tree: str
    structs: _Raw
    returns: _Raw
    owners: dict[str, set[str]]


class _Names(Mapping[str, T], Generic[T]):
    """What holds for the tree, by name. What is said of a name is decoded when it is asked for."""

    def __init__(self, raw: _Raw, said: dict[str, _Said[T]], kind: type[_Said[T]], one: Callable[[list[T]], T]) -> None:
        """`one`: what holds where files say something, the first by path first."""
        self._raw, self._said, self._kind, self._one = raw, said, kind, one
        self._holds: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._holds:
            said = self._of(name)
            if not said:
                raise KeyError(name)
            self._holds[name] = self._one([value for _, value in said])
        return self._holds[name]

    def __contains__(self, name: object) -> bool:
        return bool(self._said[name]) if isinstance(name, str) and name in self._said else name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept())

    def __len__(self) -> int:
        return len(self.kept())

    def put(self, name: str, path: str, value: T | None) -> None:
        """What a file says of a name from now on."""
        said = self._said[name] = [own for own in self._of(name) if own[0] != path]
        if value is not None:
            insort(said, (path, value), key=itemgetter(0))
        self._holds.pop(name, None)

    def kept(self) -> dict[str, msgspec.Raw | _Said[T]]:
        """All that is said, to be encoded."""
        new = {name: said for name, said in self._said.items() if said}
        return {name: raw for name, raw in self._raw.items() if name not in self._said} | new

    def _of(self, name: str) -> _Said[T]:
        found = self._said.get(name)
        if found is None and (raw := self._raw.get(name)) is not None:
            found = self._said[name] = msgspec.msgpack.decode(raw, type=self._kind)
        return found or []


class TypeTable:
    """Where files disagree the first by path wins, as when a whole tree is linked."""

    def __init__(
        self, structs: _Names[Members], returns: _Names[str], owning: dict[str, set[str]], seeded: Iterable[str]
    ) -> None:
        self._structs, self._returns, self._owners = structs, returns, owning
        self._fields = seeded_fields(seeded)
        self.types = self._now()

    def _now(self) -> Types:
        return Types(self._structs, self._returns, unique(self._fields, self._owners))

    @classmethod
    def of(cls, files: Iterable[tuple[str, Declared]], seeded: Iterable[str]) -> TypeTable:
        """`seeded`: the keys that signatures know."""
        structs: dict[str, _Said[Members]] = {}
        returns: dict[str, _Said[str]] = {}
        for path, declared in sorted(files, key=itemgetter(0)):
            for name, members in declared[0].items():
                structs.setdefault(name, []).append((path, members))
            for name, type_ in declared[1].items():
                returns.setdefault(name, []).append((path, type_))
        owning = owners(((n, m) for n, said in structs.items() for _, m in said), seeded_fields(seeded))
        return cls(_structs({}, structs), _returns({}, returns), owning, seeded)

    def packed(self, tree: str) -> bytes:
        """To be kept as the table of a tree. Raises UnicodeEncodeError."""
        return msgspec.msgpack.encode((tree, self._structs.kept(), self._returns.kept(), self._owners))

    @classmethod
    def unpacked(cls, raw: bytes, tree: str, seeded: Iterable[str]) -> TypeTable | None:
        """The table that was kept, if it is that of a tree. Raises MsgspecError."""
        kept = msgspec.msgpack.decode(raw, type=_Kept)
        if kept.tree != tree:
            return None
        return cls(_structs(kept.structs, {}), _returns(kept.returns, {}), kept.owners, seeded)

    def exchange(self, gone: Mapping[str, Declared], come: Mapping[str, Declared]) -> set[str]:
        """Take out what some files declare, put in what others do; names of fields and functions whose type changed."""
        structs = {name for declared in (*gone.values(), *come.values()) for name in declared[0]}
        returns = {name for declared in (*gone.values(), *come.values()) for name in declared[1]}
        fields = {name: self._structs.get(name, _NOTHING) for name in structs}
        types = {name: self._returns.get(name) for name in returns}
        for path, declared in gone.items():
            _put(self._structs, path, dict.fromkeys(declared[0]))
            _put(self._returns, path, dict.fromkeys(declared[1]))
        for path, declared in come.items():
            _put(self._structs, path, declared[0])
            _put(self._returns, path, declared[1])
        words = {name for name, was in types.items() if self._returns.get(name) != was}
        for name, was in fields.items():
            now = self._structs.get(name, _NOTHING)
            words |= {field for field in was.keys() | now.keys() if was.get(field) != now.get(field)}
            for field in (was.keys() | now.keys()) & self._fields.keys():
                owning = self._owners.setdefault(field, set())
                (owning.add if field in now else owning.discard)(name)
        self.types = self._now()
        return words


def _put(names: _Names[T], path: str, said: Mapping[str, T | None]) -> None:
    for name, value in said.items():
        names.put(name, path, value)


def _structs(raw: _Raw, said: dict[str, _Said[Members]]) -> _Names[Members]:
    return _Names(raw, said, list[tuple[str, dict[str, str]]], merged)


def _returns(raw: _Raw, said: dict[str, _Said[str]]) -> _Names[str]:
    return _Names(raw, said, list[tuple[str, str]], lambda types: types[0])
