"""Rule redefinition: a name of the scheme gets a second meaning.

What the name comes from tells a meaning of its own from the scheme's: a file that has had its own PAGE_SIZE has its own
PTE_SIZE in the same words, and headers that both defined PAGE_SIZE are alternatives for PTE_SIZE too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

from converter.ci.finding import Finding
from converter.ci.meaning import Meaning, former, meanings
from converter.ci.view import Changed, View
from converter.vocabulary import Scheme

_SHARED = re.compile(r"include/|arch/[^/]+/include/")
_MACRO = ("defines", "undefs")
_OTHERWISE = "otherwise than the file did before"
_RENAME = "call it something else, or define it beside the name that it comes from"
_RESTORE = "leave it as it was: the names of a unit are made of one another, and its shift is the symbol of Kconfig"


def find(view: View) -> Iterator[Finding]:
    """Added lines that give a name of the scheme a meaning, other than where the scheme itself is defined."""
    origin = _Origin(view)
    names = frozenset(origin.names)
    for file in view.files:
        lines = (file.text[n] for n in file.added)
        if file.added and (names.intersection(file.new.defines) or any(map(origin.word.search, lines))):
            yield from _File(view, file, origin).find(names)


class _Origin:
    """What the names of the scheme come from, and which files define that."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.names = view.chosen.origins()
        self.words = frozenset(view.chosen.names) | self.names.keys()
        self.word = re.compile(rb"\b(?:" + "|".join(sorted(self.names)).encode() + rb")\b")
        self._own = _own_words(view.chosen)
        self._defined: dict[str, frozenset[str]] = {}

    def of(self, name: str) -> str:
        """PAGE_SIZE of PTE_SIZE."""
        return self.names[name]

    def before(self, body: bytes) -> bytes:
        """What a macro says, in the words that the scheme's come from."""
        return self.word.sub(lambda m: self.names[m[0].decode()].encode(), body)

    def is_own(self, m: Meaning) -> bool:
        """Does the macro say what the scheme means by its name?"""
        return m.body in self._own.get(m.name, ())

    def is_defined(self, path: str, name: str) -> bool:
        """Does the file define what `name` comes from?"""
        if path not in self._defined:
            own = meanings(path, self._view.content(path), self.words)
            self._defined[path] = frozenset(m.name for m in own if m.does == "defines")
        return self.of(name) in self._defined[path]


def _own_words(chosen: Scheme) -> dict[str, tuple[bytes, ...]]:
    """Size and mask are made of the shift, and that is the symbol of Kconfig."""
    made: dict[str, tuple[bytes, ...]] = {}
    for unit, shift in chosen.names["PAGE_SHIFT"].items():
        size = chosen.names["PAGE_SIZE"][unit]
        made[shift] = (chosen.names["CONFIG_PAGE_SHIFT"][unit].encode(),)
        made[size] = (f"1<<{shift}".encode(),)
        made[chosen.names["PAGE_MASK"][unit]] = (f"~({size}-1)".encode(), f"~((1<<{shift})-1)".encode())
    return made


class _File:
    """A file of the commit: its meanings now and before."""

    def __init__(self, view: View, file: Changed, origin: _Origin) -> None:
        self.view = view
        self.file = file
        self.origin = origin
        self.content = view.content(file.path)
        self.now = meanings(file.path, self.content, origin.words)
        self.shared = _SHARED.match(file.path) is not None

    @cached_property
    def was(self) -> Sequence[Meaning]:
        old = self.file.change.old_path
        if old is None:
            return ()
        return meanings(old, former(self.content, self.file.change.hunks), self.origin.words)

    def find(self, names: frozenset[str]) -> Iterator[Finding]:
        """In the order of the lines."""
        for m in sorted((m for m in self.now if m.name in names), key=lambda m: (m.line, m.col)):
            line = next((n for n in range(m.line, m.last + 1) if n in self.file.added), None)
            if line is None:
                continue
            why = self._macro(m) if m.does in _MACRO else self._plain(m)
            if why is not None:
                yield self.view.finding(
                    "redefinition", self.file.path, line, m.col if line == m.line else 1, m.name,
                    f"{m.does} {m.name}, {why}", _RESTORE if why == _OTHERWISE else _RENAME,
                )  # fmt: skip

    def _macro(self, m: Meaning) -> str | None:
        """Why a #define or #undef is a second meaning, None where it is none."""
        own = [w for w in self.was if w.name == m.name and w.does in _MACRO]
        derived = [w for w in self.was if w.name == self.origin.of(m.name) and w.does == m.does]
        if own:
            return self._edited(m, own, bool(derived))
        if derived and not self.shared and self._renamed(m, derived):
            return None
        other = self._other(m, bool(derived))
        if other is not None:
            return f"which {other} defines already"
        own_words = self.origin.is_own(m) or (self.origin.of(m.name) == "PAGE_SHIFT" and m.body.isdigit())
        introduced = own_words or self._defines_family() or self._is_alias(m)
        if m.does == "defines" and self.shared and introduced:
            return None  # beside the family, or for an architecture that never had it
        return self._of_scheme()

    def _edited(self, m: Meaning, own: Sequence[Meaning], derived: bool) -> str | None:
        """An edit of a definition that is there; one that is not the scheme's own is left alone."""
        same = any((w.does, w.body) == (m.does, m.body) for w in own)
        if same or self.origin.is_own(m) or not self.view.spoken or not (self.shared or derived):
            return None
        return "which the file defines already" if m.does == "undefs" else _OTHERWISE

    def _renamed(self, m: Meaning, derived: Sequence[Meaning]) -> bool:
        """Does the macro say of the scheme's name what the file said of the one that it comes from?"""
        said = self.origin.before(m.body)
        return self.origin.is_own(m) or any(said == self.origin.before(w.body) for w in derived)

    def _other(self, m: Meaning, derived: bool) -> str | None:
        """A file that defines the name too, where both are seen."""
        path, origin = self.file.path, self.origin
        for other, names in sorted(self.view.ledger.defines.items()):
            if m.name not in names or not _meets(other, path):
                continue
            apart, its = _scope(other) != _scope(path), origin.is_defined(other, m.name)
            own = apart or its if derived else apart and its and (self._is_alias(m) or origin.is_defined(path, m.name))
            if not (self.shared and own):
                return other
        return None

    def _is_alias(self, m: Meaning) -> bool:
        """`#define PTE_SIZE PAGE_SIZE`: beside an include of definitions that stay what they are."""
        return m.body == self.origin.of(m.name).encode()

    def _defines_family(self) -> bool:
        return any(u.defines and u.function == u.name for u in self.file.new.uses)

    def _plain(self, m: Meaning) -> str | None:
        """In a shared header a declaration is the scheme's where the name that it comes from is declared likewise."""
        now, was = (Counter((w.name, w.does) for w in own) for own in (self.now, self.was))
        origin = self.origin.of(m.name), m.does
        kin = max(now[origin], was[origin]) if self.shared else 0
        return None if now[m.name, m.does] <= max(was[m.name, m.does], kin) else self._of_scheme()

    def _of_scheme(self) -> str:
        spoken = "" if self.view.spoken else ", which the tree does not speak yet"
        return f"a name of scheme {self.view.chosen.scheme}{spoken}"


def _meets(path: str, other: str) -> bool:
    """Does `other` see what `path` defines? Of one architecture's headers another sees nothing."""
    if path == other or not _SHARED.match(path):
        return False
    one, two = _scope(path), _scope(other)
    return one in (two, "include") or (two == "include" and _SHARED.match(other) is not None)


def _scope(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "arch" else parts[0]
