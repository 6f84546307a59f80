"""Text that spells a name: a macro that turns its argument into a string (#cond) puts the name into the object.

Such an object differs by design: an assertion of mm/percpu.c prints "offset_in_page(base_addr)", and after the rename
it prints the new name. Nothing is left out of the comparison for it. The converted file is preprocessed, each string
that differs from the original's by names of the conversion alone is given the original's spelling, and what the
compiler makes of that must be what it makes of the original, byte by byte.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from converter.errors import InputError
from converter.verify.kbuild import Build

Renames = frozenset[tuple[str, str]]
"""(old, new) names of the conversion."""

_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^#.*$', re.M)
_WORD = re.compile(r"[A-Za-z_]\w*|[^A-Za-z_]+")


def only_texts(before: Build, after: Build, path: str, renames: Renames) -> list[str]:
    """The texts that make an object differ, `"old" is "new"` each; none where anything else differs too."""
    with tempfile.TemporaryDirectory(prefix="pgconv-") as scratch:
        old, new = Path(scratch, "old.i"), Path(scratch, "new.i")
        for build, to in ((before, old), (after, new)):
            build.resume()
            if not _compile(build, path, "-E", to):
                return []
        original = old.read_text(encoding="utf-8", errors="surrogateescape")
        converted = new.read_text(encoding="utf-8", errors="surrogateescape")
        respelt, texts = respell(original, converted, renames)
        if not texts:
            return []
        new.write_text(respelt, encoding="utf-8", errors="surrogateescape")
        a, b = Path(scratch, "old.o"), Path(scratch, "new.o")
        if not (_compile(before, path, "-c", a, old) and _compile(after, path, "-c", b, new)):
            return []
        made = a.read_bytes()
        return [f"{x} is {y}" for x, y in texts if _holds(made, x)] if made == b.read_bytes() else []


def _holds(content: bytes, literal: str) -> bool:
    """Is the text of a string literal in an object? What only an error of the compiler would say is not."""
    text = re.sub(r"\\(.)", r"\1", literal[1:-1])
    return text.encode("utf-8", "surrogateescape") in content


def respell(original: str, converted: str, renames: Renames) -> tuple[str, list[tuple[str, str]]]:
    """Preprocessed text with the original's spelling in each string that differs by `renames` alone, and these strings
    as (original, converted).

    Strings correspond by their order; where there are more or fewer, nothing is respelt.
    """
    old = [m[0] for m in _TOKEN.finditer(original) if m[0].startswith('"')]
    matches = [m for m in _TOKEN.finditer(converted) if m[0].startswith('"')]
    if len(old) != len(matches):
        return converted, []
    out: list[str] = []
    texts: dict[tuple[str, str], None] = {}
    at = 0
    for was, m in zip(old, matches, strict=True):
        if was != m[0] and _renamed(was, m[0], renames):
            texts[was, m[0]] = None
            out += [converted[at : m.start()], was]
            at = m.end()
    return "".join([*out, converted[at:]]), list(texts)


def _renamed(old: str, new: str, renames: Renames) -> bool:
    a, b = _WORD.findall(old), _WORD.findall(new)
    return len(a) == len(b) and all(x == y or (x, y) in renames for x, y in zip(a, b, strict=True))


def _compile(build: Build, path: str, mode: str, to: Path, source: Path | None = None) -> bool:
    """Run the file's own compiler command with another goal; `source` instead of the file."""
    command = build.command(path)
    if command is None:
        return False
    words = [w for w in command if not w.startswith("-Wp,-M")]
    at = words.index("-o") if "-o" in words else -1
    if at < 0 or "-c" not in words:
        return False
    words[at + 1] = str(to)
    words[words.index("-c")] = mode
    if source is not None:
        words[-1] = str(source)
    try:
        done = subprocess.run(words, cwd=build.directory, env=build.environment, capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError(f"{words[0]} is not installed any more") from None
    return done.returncode == 0
