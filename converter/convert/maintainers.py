"""The tree's MAINTAINERS: which sections a file belongs to, who gets its patches, and who merges them.

Patterns mean what scripts/get_maintainer.pl takes them for: `F:` and `X:` are paths with * and ?, which reach below
their directory only with a final slash; `N:` is a regular expression on the whole path.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import getaddresses
from functools import cache

_FIELD = re.compile(r"([A-Z]):[ \t]+(.*)")
_START = re.compile(r"^Maintainers List\b[^\n]*\n", re.M)
_WILD = re.compile(r"[*?]")
_LEFT = ("Obsolete", "Orphan")
REST = "THE REST"


@dataclass(frozen=True, slots=True)
class Section:
    """One entry. `mail` are M:, `reviewers` R:, `lists` L: (without those for subscribers only), `status` S:."""

    name: str
    mail: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    status: str = ""
    merges: bool = False  # it names a tree of its own (T:)
    files: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Does anybody look after it?"""
        return bool(self.mail) and not self.status.startswith(_LEFT)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path with * and ?; `literal` is what stands before the first of them."""

    text: str
    literal: str

    def matches(self, path: str) -> bool:
        if not path.startswith(self.literal):
            return False
        if len(self.literal) < len(self.text) and not _expression(self.text).match(path):
            return False
        return self.text.endswith("/") or self.text.count("/") == path.count("/")

    @property
    def weight(self) -> tuple[int, int]:
        """The greater, the more specific."""
        return self.text.count("/"), len(self.literal)


class Maintainers:
    """Sections of a MAINTAINERS file, asked by path."""

    def __init__(self, text: str, is_directory: Callable[[str], bool]) -> None:
        """`is_directory` says of a path of the tree without a final slash whether it is one."""
        self.sections = parse(text)
        self._by_place: dict[str, list[tuple[int, Pattern]]] = defaultdict(list)
        self._excluded: dict[int, list[Pattern]] = {}
        self._names: list[tuple[int, re.Pattern[str]]] = []
        for i, s in enumerate(self.sections):
            for f in s.files:
                pattern = _pattern(f, is_directory)
                self._by_place[pattern.literal.rpartition("/")[0]].append((i, pattern))
            self._excluded[i] = [_pattern(x, is_directory) for x in s.excluded]
            for n in s.names:
                try:
                    self._names.append((i, re.compile(n)))
                except re.error:  # a Perl pattern that Python does not know takes no file
                    continue
        self._found: dict[str, tuple[Section, ...]] = {}

    def of(self, path: str) -> tuple[Section, ...]:
        """The sections of a file, the most specific first; THE REST is last where there is one."""
        if path not in self._found:
            self._found[path] = self._look(path)
        return self._found[path]

    def merger(self, path: str) -> Section | None:
        """The section through whose tree a patch to the file goes: the most specific one that names a tree; else the
        most specific one at all."""
        sections = [s for s in self.of(path) if s.name != REST]
        return next((s for s in sections if s.merges and s.kept), sections[0] if sections else None)

    def rest(self) -> Section | None:
        return next((s for s in self.sections if s.name == REST), None)

    def _look(self, path: str) -> tuple[Section, ...]:
        best: dict[int, tuple[int, int]] = {}
        for place in _above(path):
            for i, pattern in self._by_place.get(place, ()):
                if pattern.matches(path):
                    best[i] = max(best.get(i, (0, 0)), pattern.weight)
        for i, name in self._names:
            if i not in best and name.search(path):
                best[i] = (0, 1)
        kept = [i for i in best if not any(x.matches(path) for x in self._excluded[i])]
        kept.sort(key=lambda i: (self.sections[i].name == REST, -best[i][0], -best[i][1], i))
        return tuple(self.sections[i] for i in kept)


def parse(text: str) -> list[Section]:
    """The sections of a MAINTAINERS file, in its order; what stands before "Maintainers List" describes the format."""
    start = _START.search(text)
    sections: list[Section] = []
    for block in re.split(r"\n[ \t]*\n", text[start.end() :] if start else text):
        lines = block.strip("\n").split("\n")
        fields: dict[str, list[str]] = defaultdict(list)
        for line in lines[1:]:
            if m := _FIELD.match(line):
                fields[m[1]].append(m[2].strip())
        if not fields:
            continue
        sections.append(
            Section(
                lines[0].strip(),
                tuple(fields["M"]),
                tuple(fields["R"]),
                tuple(v.split()[0] for v in fields["L"] if v and "subscribers-only" not in v),
                " ".join(fields["S"]),
                bool(fields["T"]),
                tuple(fields["F"]),
                tuple(fields["X"]),
                tuple(fields["N"]),
            )
        )
    return sections


def addresses(values: list[str]) -> list[tuple[str, str]]:
    """(name, address) of each, the first of those that share an address; what holds no address is left out."""
    known: dict[str, tuple[str, str]] = {}
    for value in values:
        for name, address in _parsed(value):
            known.setdefault(address.lower(), (name, address))
    return list(known.values())


@cache
def _parsed(value: str) -> tuple[tuple[str, str], ...]:
    """The same few hundred people stand in thousands of patches."""
    return tuple((name, address) for name, address in getaddresses([value]) if "@" in address)


def _above(path: str) -> Iterable[str]:
    """The directories above a path, and "" for the top."""
    place = path
    while place:
        place = place.rpartition("/")[0]
        yield place


def _pattern(text: str, is_directory: Callable[[str], bool]) -> Pattern:
    bare = not text.endswith("/") and not _WILD.search(text) and is_directory(text)
    whole = text + "/" if bare else text
    return Pattern(whole, _WILD.split(whole)[0])


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))
