"""The patches that bring the scheme's names into a tree: generated from the tree's own definitions of the family.

A definition is copied once for each unit, with the family's names in it replaced by that unit's, so that each
architecture keeps its own way of writing it: PAGE_MASK is signed on some of them on purpose, and so are the copies.
Where a unit keeps the name (a pfn stays PFN_DOWN), the definition itself speaks that unit. A name that neither unit
keeps stays defined only while both sizes are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from converter.convert.edits import Edit, render
from converter.convert.lines import Change, Lines
from converter.convert.templates import Conversions, conversions
from converter.vocabulary import UNITS, Scheme, vocabulary

MM = "include/linux/mm.h"
PFN = "include/linux/pfn.h"

_DEFINE = re.compile(rb"^[ \t]*#[ \t]*(define|undef)[ \t]+(\w+)(\([^()]*\))?")
CONDITION = re.compile(rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif)\b[ \t]*(\w*)")
_TIGHT = re.compile(rb"(?<=\w),(?=\w)")
"""`_AC(1,UL)`: a copy of it would be a new line with an old offence against the coding style."""
_BARE = ("PAGE_SHIFT", "PAGE_SIZE", "PAGE_MASK")


@dataclass(frozen=True, slots=True)
class Definition:
    """A line that defines or undefines a name of the family; `guard` is the name that an #ifndef around it asks for."""

    line: int  # from 0
    keyword: str
    name: str
    parameters: bool
    depth: int
    guard: str


def definitions(lines: Lines, names: Iterable[str]) -> list[Definition]:
    """The #define and #undef lines of the names, in order, without those that continue on a further line."""
    wanted = frozenset(n.encode() for n in names)
    found: list[Definition] = []
    guards: list[str] = []
    for i, line in enumerate(lines):
        if m := CONDITION.match(line):
            if m[1] == b"endif":
                del guards[-1:]
            elif m[1] in (b"if", b"ifdef", b"ifndef"):
                guards.append(m[2].decode() if m[1] == b"ifndef" else "")
            elif guards:
                guards[-1] = ""
        elif (m := _DEFINE.match(line)) and m[2] in wanted and not line.rstrip().endswith(b"\\"):
            guard = guards[-1] if guards else ""
            found.append(Definition(i, m[1].decode(), m[2].decode(), m[3] is not None, len(guards), guard))
    return found


class Introduction:
    """What one scheme makes of definitions."""

    def __init__(self, chosen: Scheme, kconfig: bool) -> None:
        """`kconfig`: CONFIG_PAGE_SHIFT is to be split too."""
        self.chosen = chosen
        self.words: Conversions = conversions(chosen.scheme)
        self._maps: dict[str, dict[bytes, bytes]] = {}
        for unit in UNITS:
            self._maps[unit] = {
                n.name.encode(): chosen.names[n.name][unit].encode()
                for n in vocabulary().names.values()
                if n.kind != "config" or (kconfig and n.name == "CONFIG_PAGE_SHIFT")
            }
        self._pattern = re.compile(rb"\b(?:" + b"|".join(self._maps["pte"]) + rb")\b")

    def name(self, name: str, unit: str) -> str:
        return self.chosen.names[name][unit]

    def kept(self, name: str) -> str | None:
        """The unit in which the name stays what it is, if there is one."""
        return next((u for u in UNITS if self.name(name, u) == name), None)

    def copy(self, line: bytes, unit: str, keep: frozenset[str] = frozenset()) -> bytes:
        """The line with every name of the family in its form for the unit, but for those to keep."""
        words = self._maps[unit]
        line = _TIGHT.sub(b", ", line)
        edits = [Edit(1, m.start() + 1, m.group(), words[m.group()]) for m in self._pattern.finditer(line)
                 if m.group().decode() not in keep]  # fmt: skip
        return render([line], 1, edits)

    @property
    def same(self) -> bytes:
        """The preprocessor's question whether the two sizes are the same."""
        return f"#if {self.name('PAGE_SHIFT', 'pte')} == {self.name('PAGE_SHIFT', 'pg')}".encode()

    # headers that define PAGE_SHIFT, PAGE_SIZE and PAGE_MASK

    def page_header(self, lines: Lines) -> list[Change]:
        """An architecture's page header, or include/vdso/page.h: each definition once for each unit, and PAGE_* from
        them while the sizes are the same. Nothing where the header defines the scheme's names already.

        Before Linux 6.9 (commit d3e5bab923d3) each architecture had its own symbols for the page size, and PAGE_SHIFT
        could be a plain number.
        """
        if self._speaks(lines):
            return []
        found = [d for d in definitions(lines, _BARE) if d.keyword == "define" and d.guard != d.name]
        if not found:
            return []
        end = line_end(lines, found[-1].line)
        changes = [self._both(lines, run, end) for run in _runs(found)]
        names = list(dict.fromkeys(d.name for d in found if self.kept(d.name) is None))
        if names:
            at = _after(lines, found)
            changes = _appended(changes, at, self._while_same(names, end, lines[found[0].line]))
        return changes

    def beside(self, lines: Lines, names: Iterable[str], header: bool) -> list[Change]:
        """A file with definitions of its own (a linker script, a vDSO): the scheme's names beside them.

        Definitions for the case that there is none yet are copied in headers alone, which programs include too.
        """
        if self._speaks(lines):
            return []
        changes = []
        for d in definitions(lines, names):
            line = lines[d.line]
            copies = [(self.name(d.name, u), self.copy(line, u)) for u in UNITS if self.name(d.name, u) != d.name]
            if d.guard == d.name and not header:
                continue
            if d.guard == d.name:
                end = line_end(lines, d.line)
                new = [x for n, c in copies for x in (f"#ifndef {n}".encode() + end, c, b"#endif" + end)]
                at = _after(lines, [d], outside=True)
                changes.append(Change(at, at, tuple(new)))
            else:
                changes.append(Change(d.line, d.line + 1, (line, *(c for _, c in copies))))
        return changes

    def from_uapi(self, lines: Lines) -> list[Change]:
        """A page header whose definitions are text of the user-space ABI and stay: both units beside the include."""
        at = next((i + 1 for i, line in enumerate(lines) if re.match(rb"#include <uapi/asm/page\.h>", line)), None)
        if at is None or self._speaks(lines):
            return []
        end = line_end(lines, at - 1)
        pairs = [(self.name(n, u), n) for u in UNITS for n in _BARE if self.name(n, u) != n]
        return [Change(at, at, (end, *(f"#define {new}\t{old}".encode() + end for new, old in pairs)))]

    def _speaks(self, lines: Lines) -> bool:
        marker = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+" + self.chosen.marker.encode() + rb"\b", re.M)
        return any(marker.match(line) for line in lines)

    def _both(self, lines: Lines, run: list[Definition], end: bytes) -> Change:
        out: list[bytes] = []
        for unit in UNITS:
            if out and len(run) > 1:
                out.append(end)
            out += [self.copy(lines[d.line], unit) for d in run]
        return Change(run[0].line, run[-1].line + 1, tuple(out))

    def _while_same(self, names: list[str], end: bytes, like: bytes) -> list[bytes]:
        gap = b"\t\t" if b"\t\t" in like else b"\t"
        out = [end, b"/* " + self.words.same.encode() + b" */" + end, self.same + end]
        out += [f"#define {n}".encode() + gap + self.name(n, "pte").encode() + end for n in names]
        return [*out, b"#endif" + end]

    # helpers

    def helpers(self, mm: Lines, pfn: Lines) -> tuple[list[Change], list[Change]]:
        """Changes to mm.h and pfn.h: the alignment helpers of mm.h once for each unit go to pfn.h, which mm.h includes.

        In mm.h no line moves: WARN_ON() in its inline functions puts line numbers into objects.
        """
        if self._speaks_helpers(pfn):
            return [], []
        names = [n.name for n in vocabulary().names.values() if n.form == "call"]
        own = [d for d in definitions(mm, names) if d.keyword == "define" and not d.guard.startswith("PAGE")]
        wrapped = [d for d in own if self.kept(d.name) is None]
        end = line_end(pfn, 0)
        added = [f"/* {self.words.helpers} */".encode() + end]
        known: set[bytes] = set()
        for unit in UNITS:
            for d in own:
                new = self.name(d.name, unit)
                if new != d.name and new.encode() not in known:
                    known.add(new.encode())
                    added.append(self.copy(mm[d.line], unit))
        for d in (x for x in definitions(pfn, names) if x.keyword == "define"):
            for unit in UNITS:
                new = self.name(d.name, unit)
                if new != d.name and new.encode() not in known:
                    known.add(new.encode())
                    added.append(self.copy(pfn[d.line], unit))
        added += [end, *(line.encode() + end for line in self.words.lines)]
        changes = self._speaking(pfn, names)
        closing = max((i for i, line in enumerate(pfn) if re.match(rb"[ \t]*#[ \t]*endif", line)), default=len(pfn))
        blank = 1 if closing and not pfn[closing - 1].strip() else 0
        changes.append(Change(closing - blank, closing, (end, *added, end)))
        return self._wrapped(mm, wrapped), changes

    def _speaks_helpers(self, pfn: Lines) -> bool:
        first = self.words.marker.encode()
        return any(first in line for line in pfn)

    def _speaking(self, lines: Lines, names: Iterable[str]) -> list[Change]:
        """Definitions whose name one unit keeps say that unit in their bodies too."""
        changes = []
        for d in definitions(lines, names):
            unit = self.kept(d.name)
            if unit is not None and (new := self.copy(lines[d.line], unit)) != lines[d.line]:
                changes.append(Change(d.line, d.line + 1, (new,)))
        return changes

    def _wrapped(self, mm: Lines, found: list[Definition]) -> list[Change]:
        """Definitions that neither unit keeps, under the condition, in as many lines as before where that can be.

        Those that stand alone join the largest group, and a comment takes their line.
        """
        if not found:
            return []
        groups = _blocks(mm, found)
        groups.sort(key=lambda g: len(g[2]))
        start, stop, _ = groups.pop()
        end = line_end(mm, start)
        defined = [*(mm[d.line] for d in found), b"#endif" + end]
        head = [f"/* {self.words.wrapped} */".encode() + end, self.same + end]
        spare = stop - start - len(head) - len(defined)
        block = [*head, *([end] * spare), *defined]
        changes = [Change(start, stop, tuple(block))]
        for a, b, members in groups:
            names = ", ".join(d.name for d in members).encode()
            note = b"/* " + names + b"() and its like: above, and linux/pfn.h */" + end
            changes.append(Change(a, b, (note, *([end] * (b - a - 1)))))
        return sorted(changes, key=lambda c: c.lo)


def line_end(lines: Lines, near: int) -> bytes:
    """How lines end here."""
    return b"\r\n" if near < len(lines) and lines[near].endswith(b"\r\n") else b"\n"


def _runs(found: list[Definition]) -> list[list[Definition]]:
    """Definitions on consecutive lines."""
    runs: list[list[Definition]] = []
    for d in found:
        if runs and runs[-1][-1].line + 1 == d.line:
            runs[-1].append(d)
        else:
            runs.append([d])
    return runs


def _after(lines: Lines, found: list[Definition], outside: bool = False) -> int:
    """The line after the last definition and after the conditions around it that the first one is not in; `outside`
    leaves the innermost condition of the first one too."""
    lowest = min(d.depth for d in found) - outside
    depth = found[-1].depth
    at = found[-1].line + 1
    while depth > lowest and at < len(lines):
        if m := CONDITION.match(lines[at]):
            depth += m[1] in (b"if", b"ifdef", b"ifndef")
            depth -= m[1] == b"endif"
        at += 1
    return at


def _appended(changes: list[Change], at: int, new: list[bytes]) -> list[Change]:
    """The changes, with `new` at line `at`, at or after the end of the last one."""
    last = changes[-1]
    if last.hi == at:
        return [*changes[:-1], Change(last.lo, last.hi, (*last.new, *new))]
    return [*changes, Change(at, at, tuple(new))]


def _blocks(lines: Lines, found: list[Definition]) -> list[tuple[int, int, list[Definition]]]:
    """Definitions with the comments before them; groups that only blank lines part are one."""
    groups: list[tuple[int, int, list[Definition]]] = []
    for d in found:
        start = d.line
        while start and lines[start - 1].startswith(b"/*") and b"*/" in lines[start - 1]:
            start -= 1
        if groups and all(not line.strip() for line in lines[groups[-1][1] : start]):
            groups[-1] = (groups[-1][0], d.line + 1, [*groups[-1][2], d])
        else:
            groups.append((start, d.line + 1, [d]))
    return groups
