"""What differs between two objects of the same source: functions as a diff of their disassembly, data of bytes.

objdump (binutils) reads the objects. Addresses of instructions are left out of the diff: one instruction more would
change all that follow it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from converter.errors import InputError

_FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
_ADDRESS = re.compile(r"^\s*[0-9a-f]+:\s*")
_TARGET = re.compile(r"\b[0-9a-f]+ (?=<)")
_SECTION = re.compile(r"^Contents of section (.+):$")


@dataclass(frozen=True, slots=True)
class Difference:
    """The functions, or else the sections, that differ, and the diff of each."""

    names: tuple[str, ...]
    diff: str


def compare(old: Path, new: Path) -> Difference:
    """How two objects differ. Raises InputError where objdump cannot read them."""
    differ = list(_differing(_functions(old), _functions(new), "()"))
    if not differ:
        differ = list(_differing(_sections(old), _sections(new), ""))
    if not differ:
        return Difference(("headers or symbols",), "")
    return Difference(tuple(name for name, _ in differ), "\n".join(text for _, text in differ))


def _differing(old: dict[str, list[str]], new: dict[str, list[str]], suffix: str) -> Iterator[tuple[str, str]]:
    for name in sorted(old.keys() | new.keys()):
        a, b = old.get(name, []), new.get(name, [])
        if a != b:
            yield name + suffix, "\n".join(unified_diff(a, b, f"before {name}", f"after {name}", lineterm=""))


def _functions(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in _objdump("-dr", "--no-show-raw-insn", str(file)):
        if m := _FUNCTION.match(line):
            lines = found.setdefault(m[1], [])
        elif line.strip():
            lines.append(_TARGET.sub("", _ADDRESS.sub("", line)))
    return found


def _sections(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in _objdump("-s", str(file)):
        if m := _SECTION.match(line):
            lines = found.setdefault(m[1], [])
        elif line.strip():
            lines.append(line)
    return found


def _objdump(*arguments: str) -> list[str]:
    try:
        done = subprocess.run(
            ["objdump", *arguments], capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        raise InputError("objdump is not installed: apt-get install binutils") from None
    if done.returncode != 0:
        raise InputError(f"objdump: {done.stderr.decode(errors='replace').strip()}")
    # The first lines name the file.
    return [x for x in done.stdout.decode(errors="replace").expandtabs().splitlines() if "file format" not in x]
