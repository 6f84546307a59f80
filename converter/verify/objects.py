"""Level *objects*: while both sizes are the same, the compiler makes the same object of a file before and after.

Of each file that the conversion touches, and where it touches headers of all files below the directories asked for. The
comparison is of bytes, and nothing is left out of it: a rename keeps lines, and both states have the same build path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.classify.roles import inert_directory
from converter.tree import Tree
from converter.verify import disassembly, spelling
from converter.verify.kbuild import Build, Config, Workshop, object_of
from converter.verify.result import FAILED, NOT_COVERED, PASSED, Item, Result
from converter.verify.spelling import Renames

LEVEL = "objects"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is built: whole directories, and single files. `files` are all the source files that this is about."""

    files: tuple[str, ...]
    directories: tuple[str, ...]

    @property
    def places(self) -> list[str]:
        """The directories to ask kbuild about."""
        return sorted({*self.directories, *(os.path.dirname(f) for f in self.files)})


def scope(tree: Tree, touched: Mapping[str, bytes], paths: Sequence[str], arch: str) -> Scope:
    """Without paths the touched files. With paths the files named, and below directories named all files where a header
    is touched, for any may include it."""
    sources = [e.path for e in tree.entries if e.path.endswith((".c", ".S")) and _is_built(e.path, arch)]
    if not paths:
        return Scope(tuple(p for p in sources if p in touched), ())
    headers = any(p.endswith(".h") for p in touched)
    directories = tuple(p for p in paths if not p.endswith((".c", ".S", ".h")))
    below = tuple(d + "/" for d in directories)
    files = [p for p in sources if p in paths or (p.startswith(below) and (headers or p in touched))]
    return Scope(tuple(files), directories if headers else ())


def _is_built(path: str, arch: str) -> bool:
    """Can kbuild make an object of the file for this architecture?"""
    parts = path.split("/")
    return not inert_directory(os.path.dirname(path)) and (parts[0] != "arch" or parts[1:2] == [arch])


def build(made: Build, wanted: Scope, objects: Iterable[str]) -> None:
    """Make the objects of a scope, as many as can be made. kbuild does not reach arch/x86/lib from arch/x86, so every
    directory is named."""
    below = tuple(f"{d}/" for d in wanted.directories)
    whole = {f"{os.path.dirname(o)}/" for o in objects if o.startswith(below)} if below else set[str]()
    single = {o for o in objects if not (below and o.startswith(below))}
    made.make(*sorted(whole), *sorted(single), keep_going=True)


def run(
    shop: Workshop, tree: Tree, files: Mapping[str, bytes], paths: Sequence[str], config: Config, renames: Renames
) -> Result:
    """Build the scope before and after, and compare. Raises InputError where the tree itself does not build."""
    wanted = scope(tree, files, paths, config.source_arch)
    shop.state("base", {})
    before = shop.build("before", config)
    before.must("prepare")
    objects = before.configured(wanted.places) & {object_of(p) for p in wanted.files}
    build(before, wanted, objects)
    shop.state("converted", files)
    after = shop.build("after", config)
    prepared = after.prepare()
    if prepared.code != 0:
        return Result(LEVEL, (Item("Makefile", 0, FAILED, "make prepare", prepared.complaint(), prepared.log),))
    build(after, wanted, objects)
    items = tuple(_compare(before, after, p, object_of(p) in objects, renames) for p in wanted.files)
    spelled = [item for item in items if item.outcome == PASSED and item.detail]
    notes = tuple(f"{item.path}: {line}" for item in spelled for line in item.detail.splitlines())
    figures = (("objects compared", float(sum(i.outcome != NOT_COVERED for i in items))),
               ("identical byte by byte", float(sum(i.outcome == PASSED and not i.detail for i in items))),
               ("identical but for the spelling of a name in a text", float(len(spelled))))  # fmt: skip
    return Result(LEVEL, items, figures, notes)


def _compare(before: Build, after: Build, path: str, configured: bool, renames: Renames) -> Item:
    what = object_of(path)
    old, new = before.object(path), after.object(path)
    if not configured:
        return Item(path, 0, NOT_COVERED, what, "not part of this configuration")
    if old is None:
        return Item(path, 0, NOT_COVERED, what, "not built before the conversion either")
    if new is None:
        return Item(path, 0, FAILED, what, "does not build after the conversion", after.errors(path))
    if same(old, new):
        return Item(path, 0, PASSED, what)
    texts = spelling.only_texts(before, after, path, renames)
    if texts:
        return Item(path, 0, PASSED, what, detail="\n".join(texts))
    difference = disassembly.compare(old, new)
    return Item(path, 0, FAILED, what, f"differs: {', '.join(difference.names)}", difference.diff)


def same(old: Path, new: Path) -> bool:
    return old.read_bytes() == new.read_bytes()
