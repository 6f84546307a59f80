"""Preparation of a tree for a scheme: free its names, then introduce them. Each patch builds and changes no object
while both sizes are the same."""

from __future__ import annotations

import os
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from converter.classify.record import Site
from converter.convert import taken
from converter.convert.copies import copied
from converter.convert.edits import by_line, changes
from converter.convert.introduce import MM, PFN, Introduction
from converter.convert.lines import Change, diff, refined
from converter.convert.workspace import Workspace
from converter.tree import Tree
from converter.vocabulary import UNITS, Scheme

_KCONFIG = re.compile(rb"^config PAGE_SHIFT\s*$")
_UNCHANGED = "No object changes as long as both sizes are the same."
_VDSO = "include/vdso/page.h"
_HEADER = re.compile(rf"arch/[^/]+/include/asm/|{re.escape(_VDSO)}$")


@dataclass(frozen=True, slots=True)
class Prepared:
    """One preparation patch: a subject without prefix, a message, its files with their diffs and changed lines."""

    subject: str
    message: str
    diffs: Mapping[str, bytes]
    churn: Mapping[str, tuple[int, int]]  # added, deleted by path
    prefix: str | None = None  # of the subject, where the paths do not say it


class Preparation:
    """Makes the patches one after the other, each on what those before it left."""

    def __init__(
        self, tree: Tree, chosen: Scheme, sites: Iterable[Site], definers: Mapping[str, Sequence[str]]
    ) -> None:
        """`definers`: the files that define names of the scheme, with these names."""
        self.workspace = Workspace(tree)
        self.patches: list[Prepared] = []
        self._tree = tree
        self._chosen = chosen
        self._definers = definers
        sites = list(sites)
        self._headers = page_headers(sites)
        self._defining: dict[str, set[str]] = defaultdict(set)
        self._uapi: set[str] = set()
        for s in sites:
            if s.status == "definition" and not s.derived:
                self._defining[s.path].add(s.macro)
            elif s.macro == "PAGE_SHIFT" and re.fullmatch(r"arch/[^/]+/include/uapi/asm/page\.h", s.path):
                self._uapi.add(s.path)
        self._kconfig = self._find_kconfig()
        self._introduction = Introduction(chosen, self._kconfig is not None)

    def run(self) -> None:
        """Make every patch that the tree still needs."""
        if not any(self._new_in(h) for h in self._headers):
            return
        self._free_names()
        self._kconfig_symbols()
        self._page_headers()
        self._uapi_headers()
        self._beside()
        self._helpers()
        self._lengths()
        self._choice()

    def _new_in(self, path: str) -> bool:
        lines = self.workspace.lines(path)
        return lines is not None and bool(self._introduction.page_header(lines))

    def _find_kconfig(self) -> str | None:
        arches = sorted({p.split("/")[1] for p in self._defining if p.startswith("arch/")})
        for path in ("arch/Kconfig", *(f"arch/{a}/Kconfig" for a in arches)):
            lines = self.workspace.lines(path)
            if lines is not None and any(_KCONFIG.match(line) for line in lines):
                return path
        return None

    def name(self, name: str, unit: str) -> str:
        """The scheme's name."""
        return self._introduction.name(name, unit)

    # patches

    def _free_names(self) -> None:
        for t in taken.find(self._tree, frozenset(self._chosen.origins()), self._definers):
            files: dict[str, list[Change]] = {}
            for path, edits in t.edits:
                lines = self.workspace.lines(path)
                if lines is not None:
                    files[path] = changes(lines, by_line(edits))
            place = t.scope.rstrip("/")
            where = place if place.startswith("arch/") else os.path.basename(place)
            self.add(
                f"rename {t.name} to {t.new}",
                f"{t.name} is about to get one meaning in the whole kernel. Here ({where}) it has\n"
                f"another one: call it {t.new}.\n\n"
                "Only the name changes, in code and in the comments that speak of it.\nNo object changes.",
                files,
            )

    def _kconfig_symbols(self) -> None:
        text = self._introduction.words.kconfig
        if self._kconfig is None or not text:
            return
        lines = self.workspace.lines(self._kconfig) or []
        at = next(i for i, line in enumerate(lines) if _KCONFIG.match(line)) + 1
        while at < len(lines) and lines[at].startswith((b"\t", b" ")):
            at += 1
        symbols = " and ".join(self._units("CONFIG_PAGE_SHIFT"))
        self.add(
            f"add {symbols}",
            f"The size of what one PTE maps and the size of an order-0 allocation get a\nsymbol each: {symbols}.\n"
            f"Both are CONFIG_PAGE_SHIFT until an architecture says otherwise.\n\n{_UNCHANGED}",
            {self._kconfig: [Change(at, at, _entries(text))]},
        )

    def _units(self, name: str) -> list[str]:
        made = (self._introduction.name(name, u) for u in UNITS)
        return [n for n in made if n != name]

    def _page_headers(self) -> None:
        names = " and ".join(self._units("PAGE_SIZE"))
        kept = self._introduction.kept("PAGE_SIZE") is not None
        for path in self._headers:
            lines = self.workspace.lines(path) or []
            self.add(
                f"introduce {names}",
                f"Define the shift, size and mask of {names} as PAGE_SHIFT,\nPAGE_SIZE and PAGE_MASK are defined here, "
                "so that the masks keep the type\nthat this architecture gives them.\n\n"
                + ("" if kept else "PAGE_* stay defined only while both sizes are the same: elsewhere the\n"
                   "compiler names the code that has not been converted.\n\n")
                + _UNCHANGED,
                {path: self._introduction.page_header(lines)},
            )  # fmt: skip

    def _uapi_headers(self) -> None:
        """Architectures that define the page size in a header of the user-space ABI (arc)."""
        for path in sorted(self._uapi):
            header = path.replace("/include/uapi/", "/include/")
            lines = self.workspace.lines(header)
            if lines is not None:
                self.add(
                    f"introduce {' and '.join(self._units('PAGE_SIZE'))}",
                    "The page size of this architecture is part of a header of the user-space ABI,\n"
                    f"which stays as it is. Both sizes are that one.\n\n{_UNCHANGED}",
                    {header: self._introduction.from_uapi(lines)},
                )

    def _beside(self) -> None:
        headers = set(self._headers)
        for path, names in sorted(self._defining.items()):
            if path in headers or path in (MM, PFN):
                continue
            lines = self.workspace.lines(path)
            if lines is None:
                continue
            self.add(
                "define the names of both sizes here too",
                "This file defines names of the page-size family on its own. It gets the\nnames of both sizes beside "
                f"them, with the same value.\n\n{_UNCHANGED}",
                {path: self._introduction.beside(lines, names, path.endswith(".h"))},
            )

    def _helpers(self) -> None:
        mm, pfn = self.workspace.lines(MM), self.workspace.lines(PFN)
        if mm is None or pfn is None:
            return
        in_mm, in_pfn = self._introduction.helpers(mm, pfn)
        self.add(
            "alignment and counts in units of both sizes",
            "Give each of the two sizes the helpers that PAGE_SIZE has: alignment, offset,\nand conversion of counts; "
            "and conversion between the two.\n\n"
            "In mm.h no line moves, since WARN_ON() puts line numbers into objects.\n" + _UNCHANGED,
            {MM: in_mm, PFN: in_pfn},
            "mm",
        )

    def _lengths(self) -> None:
        for unit in UNITS:
            if self.name("vma_pages", unit) != "vma_pages":
                what = "is the length of a VMA in units of what one PTE maps, beside vma_pages()."
                self.add_copy(MM, "vma_pages", unit, what, prefix="mm")

    def add_copy(
        self, path: str, function: str, unit: str, what: str, keep: frozenset[str] = frozenset(),
        prefix: str | None = None,
    ) -> None:  # fmt: skip
        """Append the patch that gives a header its function in the unit too, with the names to `keep`; `what` ends the
        sentence that the new name begins."""
        lines = self.workspace.lines(path)
        copy = copied(self._introduction, lines, function, unit, keep) if lines is not None else None
        if copy is not None:
            new = self.name(function, unit)
            self.add(f"add {new}()", f"{new}() {what}\n\n{copy.note}", {path: [copy.change]}, prefix)

    def _choice(self) -> None:
        path = "arch/x86/Kconfig"
        lines = self.workspace.lines(path)
        text = self._introduction.words.choice
        if lines is None or not text or self._kconfig is None:
            return
        at = _before_choice(lines)
        self.add(
            f"let the configuration choose {self._introduction.name('PAGE_SHIFT', 'pg')}",
            "Offer 4 KiB, 16 KiB and 64 KiB as the size of an order-0 allocation. What one\nPTE maps stays 4 KiB.\n\n"
            "The larger sizes do not build before all users of PAGE_SIZE say which size\nthey mean. "
            "The default changes nothing.",
            {path: [Change(at, at, _entries(text))]},
        )

    def add(self, subject: str, message: str, files: Mapping[str, Sequence[Change]], prefix: str | None = None) -> None:
        """Append a patch with these changes to files as they are now; none where nothing changes."""
        diffs, churn = {}, {}
        for path, own in sorted(files.items()):
            lines = self.workspace.lines(path)
            if lines is None:
                continue
            own = refined(lines, own)
            if own:
                diffs[path] = diff(path, lines, own)
                churn[path] = (sum(len(c.new) for c in own), sum(c.hi - c.lo for c in own))
                self.workspace.apply(path, own)
        if diffs:
            self.patches.append(Prepared(subject, _filled(message), diffs, churn, prefix))


def page_headers(sites: Iterable[Site]) -> list[str]:
    """The headers that give the kernel its page size: one for each architecture, or include/vdso/page.h for all."""
    found = {
        s.path for s in sites
        if s.status == "definition" and s.macro == "PAGE_SHIFT" and _HEADER.match(s.path)
    }  # fmt: skip
    return [_VDSO] if _VDSO in found else sorted(found)


def _entries(text: str) -> tuple[bytes, ...]:
    """Lines of Kconfig, after a blank one."""
    return (b"\n", *((line + "\n").encode() for line in text.strip("\n").split("\n")))


def _before_choice(lines: Sequence[bytes]) -> int:
    """Where x86's choice goes: before the menu of processors, else at the end of the file."""
    for i, line in enumerate(lines):
        if line.startswith(b'menu "Processor type and features"'):
            return i + 1
    return len(lines)


def _filled(message: str) -> str:
    """Its paragraphs, each within the columns of a commit message."""
    return "\n\n".join(textwrap.fill(" ".join(p.split()), 72) for p in message.split("\n\n"))
