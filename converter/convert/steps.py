"""Preparation of the steps that convert derived names: the new name beside the old one, for the same thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from converter.classify.record import Site
from converter.convert.lines import Change, Lines
from converter.convert.prepare import Preparation

_FIELD = re.compile(rb"^(\t+)(unsigned long[ \t]+)(vm_pgoff);([ \t]*)(.*)$", re.S)


def prepare_steps(preparation: Preparation, steps: Sequence[str], sites: Iterable[Site]) -> None:
    """The patches that a step needs before its uses can change, appended to the preparation."""
    if "vm-pteoff" in steps:
        new = preparation.name("vm_pgoff", "pte")
        files = {}
        for path in sorted({s.path for s in sites if s.macro == "vm_pgoff" and s.path.startswith("include/linux/")}):
            lines = preparation.workspace.lines(path)
            if lines is not None:
                files[path] = _both_names(lines, new)
        preparation.add(
            f"let vm_pgoff be called {new}",
            f"The offset of a VMA in its file counts units of what one PTE maps. Give the\nfield the name {new}, and "
            "keep the old name of the same field until its\nusers have changed.\n\nNo object changes.",
            files,
            "mm",
        )
    # The copy of a function names the field as it is called in this series.
    kept = frozenset[str]() if "vm-pteoff" in steps else frozenset(["vm_pgoff"])
    for step, macro in (("linear-pte-index", "linear_page_index"), ("pte-order", "get_order")):
        if step in steps:
            for path in sorted({s.path for s in sites if s.macro == macro and s.status == "definition"}):
                preparation.add_copy(path, macro, "pte", f"is {macro}() in units of what one PTE maps.", kept)


def _both_names(lines: Lines, new: str) -> list[Change]:
    if any(re.search(rb"\b" + new.encode() + rb"\b", line) for line in lines):
        return []
    made = []
    for i, line in enumerate(lines):
        if m := _FIELD.match(line):
            tabs, end = m[1], b"\r\n" if line.endswith(b"\r\n") else b"\n"
            old = tabs + b"\t" + m[2] + m[3] + b";" + m[4] + m[5]
            renamed = tabs + b"\t" + m[2] + new.encode() + b";" + end
            stop = i + 1
            while b"/*" in old and b"*/" not in b"".join([old, *lines[i + 1 : stop]]):
                stop += 1
            made.append(
                Change(i, stop, (tabs + b"union {" + end, renamed, old, *lines[i + 1 : stop], tabs + b"};" + end))
            )
    return made
