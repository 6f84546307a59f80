"""The tree's MAINTAINERS: which sections a file belongs to, who gets its patches, and who merges them.

Patterns mean what scripts/get_maintainer.pl takes them for: `F:` and `X:` are paths with * and ?, which reach below
their directory only with a final slash; `N:` is a regular expression on the whole path.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import getaddresses

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


class Maintainers:
    """Sections of a MAINTAINERS file, asked by path."""

    def __init__(self, text: str, is_directory: Callable[[str], bool]) -> None:
        """`is_directory` says of a path of the tree without a final slash whether it is one."""
        self.sections = parse(text)
        self._by_head: dict[str, list[tuple[int, str, re.Pattern[str]]]] = defaultdict(list)
        self._excluded: dict[int, list[tuple[str, re.Pattern[str]]]] = {}
        self._names: list[tuple[int, re.Pattern[str]]] = []
        for i, s in enumerate(self.sections):
            for f in s.files:
                whole = _whole(f, is_directory)
                self._by_head[_head(whole)].append((i, whole, _pattern(whole)))
            self._excluded[i] = [(w, _pattern(w)) for w in (_whole(x, is_directory) for x in s.excluded)]
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
        for head in {path.split("/", 1)[0], ""}:
            for i, whole, pattern in self._by_head.get(head, ()):
                if _matches(path, whole, pattern):
                    literal = _WILD.split(whole)[0]
                    best[i] = max(best.get(i, (0, 0)), (whole.count("/"), len(literal)))
        for i, pattern in self._names:
            if i not in best and pattern.search(path):
                best[i] = (0, 1)
        kept = [i for i in best if not any(_matches(path, w, p) for w, p in self._excluded[i])]
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
    for name, address in getaddresses(values):
        if "@" in address:
            known.setdefault(address.lower(), (name, address))
    return list(known.values())


def _whole(pattern: str, is_directory: Callable[[str], bool]) -> str:
    bare = not pattern.endswith("/") and not _WILD.search(pattern) and is_directory(pattern)
    return pattern + "/" if bare else pattern


def _head(pattern: str) -> str:
    """The first component, where it holds no wildcard; "" where it may be any."""
    first = pattern.split("/", 1)[0]
    return "" if _WILD.search(first) or not first else first


def _pattern(whole: str) -> re.Pattern[str]:
    return re.compile(re.escape(whole).replace(r"\*", ".*").replace(r"\?", "."))


def _matches(path: str, whole: str, pattern: re.Pattern[str]) -> bool:
    return pattern.match(path) is not None and (whole.endswith("/") or whole.count("/") == path.count("/"))
