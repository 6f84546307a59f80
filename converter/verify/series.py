"""A patch series as the files that it makes, without touching the tree that it is for."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from converter.convert.sources import read_any
from converter.errors import InputError
from converter.tree import Tree

_MOVED = re.compile(rb"^(?:rename|copy) (?:from|to) (.+)$", re.M)
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_DIR": "/nonexistent",
    "LC_ALL": "C",
}


def patched(tree: Tree, directory: Path) -> dict[str, bytes]:
    """Every file that the patches of a series change, as the last one leaves it, by path.

    The patches are mails as git format-patch(1) writes them, in order of their names; those without a diff (the cover
    letter) are passed over. Raises InputError naming the first patch that does not apply.
    """
    patches = sorted(directory.glob("[0-9]*.patch"))
    if not patches:
        raise InputError(f"{directory}: no patches here (0001-*.patch, as `pgconv convert -o DIR` writes them)")
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="pgconv-") as scratch:
        work, body = Path(scratch, "tree"), Path(scratch, "body")
        work.mkdir()
        for mail in patches:
            with open(mail, "rb") as file:
                _git(mail, work, "mailinfo", "--quoted-cr=nowarn", os.devnull, str(body), stdin=file.fileno())
            if b"\ndiff --git " not in b"\n" + body.read_bytes():
                continue
            paths = _paths(mail, work, body)
            for path in paths - made.keys():
                _fetch(tree, path, work)
            _git(mail, work, "apply", "--whitespace=nowarn", str(body))
            for path in paths:
                at = work / path
                made[path] = at.read_bytes() if at.is_file() else b""
    return made


def _paths(mail: Path, work: Path, body: Path) -> set[str]:
    """Every path that a patch changes; of a rename both."""
    listed = _git(mail, work, "apply", "--numstat", "-z", str(body)).split(b"\0")
    found = {entry.split(b"\t", 2)[2] for entry in listed if entry.count(b"\t") == 2}
    found |= set(_MOVED.findall(body.read_bytes()))
    return {path.decode("utf-8", "surrogateescape") for path in found if path}


def _fetch(tree: Tree, path: str, work: Path) -> None:
    """Put the tree's file where git apply, which never follows a path out of `work`, finds it."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InputError(f"{path}: a patch of the series leads out of the tree")
    data = read_any(tree, path)
    if data is not None:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(data)


def _git(mail: Path, work: Path, *arguments: str, stdin: int = subprocess.DEVNULL) -> bytes:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | _ENVIRONMENT
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=work, env=environment, stdin=stdin, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise InputError("git is not installed: it is needed to apply a series") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise InputError(f"{mail}: does not apply to this tree: {said[0]}")
    return done.stdout
