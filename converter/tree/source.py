"""From what the user names to a tree."""

import os
from collections.abc import Iterable

from converter.errors import InputError
from converter.tree.entry import Tree
from converter.tree.files import open_files
from converter.tree.git import is_bare, open_revision
from converter.tree.problems import shown


def open_tree(path: str | os.PathLike[str], rev: str | None = None) -> Tree:
    """The kernel tree at `path`: its files, or with `rev` that revision of its git repository.

    A git work tree without `rev` is read as files, a bare repository without `rev` at its HEAD. Nothing is executed and
    nothing is written. Raises InputError: no such tree, not a kernel tree, unknown revision, no git.
    """
    name = os.fspath(path)
    if "\0" in name or not os.path.isdir(name):
        what = "not a directory" if "\0" not in name and os.path.lexists(name) else "no such tree"
        raise InputError(f"{shown(name)}: {what}")
    if rev is not None:
        return open_revision(name, rev)
    if is_bare(name) and not os.path.lexists(os.path.join(name, "Makefile")):
        return open_revision(name, "HEAD")
    return open_files(name)


def check_paths(tree: Tree, paths: Iterable[str]) -> None:
    """Raises InputError where one of `paths` (without a final slash; "" is all) is no scanned file or directory."""
    for p in paths:
        if p and not any(e.path == p or e.path.startswith(p + "/") for e in tree.entries):
            raise InputError(f"{shown(p)}: no file of the tree that is scanned")
