"""Do the patches that rename change nothing but names? For `make series`, on every file that they change.

Before and after them a file of C has to parse to the same tree, and on every line of any file all words and signs have
to be the same but for names of the family, which may have become one of their two names.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import tree_sitter_c
from tree_sitter import Language, Parser

from converter.vocabulary import scheme, vocabulary

_WORD = re.compile(rb"\w+|[^\w\s]", re.ASCII)


def check_tokens(clone: Path, prepared: str) -> int:
    """The number of files in which the commits after `prepared` change more than names."""
    fields = _git(clone, "diff", "--raw", "--no-abbrev", "--no-renames", "-z", prepared, "HEAD").split(b"\0")
    paths = [path.decode(errors="replace") for path in fields[1::2]]
    blobs = _blobs(clone, [blob for entry in fields[:-1:2] for blob in entry.split()[2:4]])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(difference, paths, blobs[::2], blobs[1::2], chunksize=16)
        wrong = [f"{path}: {what}" for path, what in zip(paths, found, strict=True) if what]
    parsed = sum(_is_c(p) for p in paths)
    print(
        f"{len(paths)} files compared before and after the renames, {parsed} of them as syntax trees: {len(wrong)} "
        "differ in more than names",
        flush=True,
    )
    for text in wrong:
        print(f"  {text}", flush=True)
    return len(wrong)


def difference(path: str, old: bytes, new: bytes) -> str:
    """How two files differ in more than names; empty where they do not."""
    before, after = old.split(b"\n"), new.split(b"\n")
    if len(before) != len(after):
        return f"{len(before)} lines became {len(after)}"
    for number, (a, b) in enumerate(zip(before, after, strict=True), 1):
        if a != b and not _renamed(_WORD.findall(a), _WORD.findall(b)):
            return f"line {number}: {a!r} became {b!r}"
    parser = _parser()
    if _is_c(path) and str(parser.parse(old).root_node) != str(parser.parse(new).root_node):
        return "another syntax tree"
    return ""


def _is_c(path: str) -> bool:
    return path.endswith((".c", ".h"))


def _renamed(old: Sequence[bytes], new: Sequence[bytes]) -> bool:
    names = _renames()
    return len(old) == len(new) and all(a == b or b in names.get(a, ()) for a, b in zip(old, new, strict=True))


@cache
def _renames() -> Mapping[bytes, frozenset[bytes]]:
    """A name of the family -> what it may become."""
    names = scheme("pte-pg").names
    return {n.encode(): frozenset(u.encode() for u in names[n].values()) for n in vocabulary().family}


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def _blobs(clone: Path, names: Sequence[bytes]) -> list[bytes]:
    """The contents of blobs, in order."""
    text = _git(clone, "cat-file", "--batch", given=b"".join(n + b"\n" for n in names))
    found = []
    at = 0
    for _ in names:
        start = text.index(b"\n", at) + 1
        size = int(text[at:start].rsplit(b" ", 1)[1])
        found.append(text[start : start + size])
        at = start + size + 1
    return found


def _git(clone: Path, *arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["git", *arguments], cwd=clone, input=given, check=True, capture_output=True).stdout
