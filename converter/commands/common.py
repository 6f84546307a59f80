"""What the commands share: their common options, and opening a tree with its cache."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from converter.errors import InputError
from converter.tree import Tree, check_paths, open_tree
from converter.tree.cache import Cache, open_cache
from converter.tree.files import portable

TreePath = Annotated[
    str | None, typer.Argument(metavar="TREE", help="An unpacked kernel tree, or a git repository (bare too).")
]
Repository = Annotated[str | None, typer.Argument(metavar="REPO", help="A git repository of the kernel, bare or not.")]
Revision = Annotated[
    str | None, typer.Option("--rev", metavar="REV", help="Read this revision from git, not the files.")
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, not to standard output.")
]
SchemeName = Annotated[str, typer.Option("--scheme", help="pte-pg or mmupage.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; one for each CPU by default.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")]


@contextmanager
def opened(path: str | None, rev: str | None, cached: bool, jobs: int | None = 1) -> Iterator[tuple[Tree, Cache]]:
    """The tree and the cache of one command. Raises InputError.

    `jobs`: how many processes will read the tree, None for one each CPU. Where the cache does not know it, they begin
    to import what they need while it is listed.
    """
    if path is None:
        raise InputError("no tree named; say which kernel tree to read; --help shows an example")
    with open_cache(cached) as cache:
        if (jobs or os.cpu_count() or 1) > 1 and rev is None and os.path.isdir(path) and not cache.knows(path):
            from converter.tree.pool import warm

            warm("converter.worker")
        yield open_tree(path, rev), cache


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM ends what is done here as Ctrl-C does: what is half written, or still running, goes first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def inside(path: str) -> str:
    """A path of the tree in its own form; "" is the whole tree. Raises InputError for one that leads outside."""
    parts: list[str] = []
    path = portable(path)
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise InputError(f"{path}: outside the tree; paths are relative to its top")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if path.startswith("/"):
        raise InputError(f"{path}: outside the tree; paths are relative to its top")
    return "/".join(parts)


def chosen_paths(tree: Tree, paths: Iterable[str] | None) -> tuple[str, ...]:
    """`paths` as the tree writes them, "" for its top. Raises InputError where the tree has no such file."""
    wanted = tuple(inside(p) for p in paths or ())
    check_paths(tree, wanted)
    return wanted


def within(path: str, paths: tuple[str, ...]) -> bool:
    """Is `path` one of `paths` (files and directories of the tree), or are there none?"""
    return not paths or any(not p or path == p or path.startswith(p + "/") for p in paths)


def choose(value: str, known: Iterable[str], option: str) -> None:
    """Raises InputError for a value that an option does not have."""
    if value not in known:
        raise InputError(f"{option} {value}: not one of {', '.join(known)}")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error while it is a terminal; nothing otherwise. Of a path the last part is shown."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    bar = Progress(
        # A name is neither markup nor a format, whatever is in it.
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task(f"reading {os.path.basename(os.path.abspath(what))}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
