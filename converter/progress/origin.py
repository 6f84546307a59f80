"""Uses that one step has and the one before had not, and which commit brought each."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from converter.progress.measure import Measured
from converter.progress.record import NewUse, Origin, Step, Use
from converter.progress.steps import seconds
from converter.tree.cache import Cache
from converter.tree.git import open_revision
from converter.tree.history import Repository
from converter.tree.lines import source_lines

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_ESCAPE = re.compile(rb"\\([0-7]{3})|\\(.)")
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_HEAD = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def new_uses(
    repository: Repository, measured: Measured, cache: Cache, before: Step, after: Step, number: int
) -> list[NewUse]:
    """The uses in kernel code that came between two steps, in the tree's order. `number` is that of the later one.

    A use is the same one where its file (under the name it has now) had the same expression already.
    """
    digest = hashlib.sha1(f"{before.commit} {after.commit}".encode()).hexdigest()
    raw = cache.get_one("progress-new", measured.key, digest)
    if raw is not None:
        return [msgspec.structs.replace(u, step=number) for u in msgspec.msgpack.decode(raw, type=list[NewUse])]
    came = _came(repository, measured, before, after)
    found = _with_origins(repository, came, before, after, number)
    with suppress(UnicodeEncodeError):  # a file's name is no UTF-8
        cache.put_one("progress-new", measured.key, digest, msgspec.msgpack.encode(found))
    return found


def _came(repository: Repository, measured: Measured, before: Step, after: Step) -> list[Use]:
    changes = repository.diff(before.tree, after.tree, lines=False)
    names = {c.old_path: c.new_path for c in changes if c.old_path is not None and c.new_path is not None}
    had = Counter(_key(u, names.get(u.path, u.path)) for u in measured.uses(before.tree))
    came = []
    for use in measured.uses(after.tree):
        key = _key(use, use.path)
        if had[key] > 0:
            had[key] -= 1
        else:
            came.append(use)
    return came


def _key(use: Use, path: str) -> tuple[str, str, str]:
    return path, use.macro, use.expression or use.function


def _with_origins(repository: Repository, came: list[Use], before: Step, after: Step, number: int) -> list[NewUse]:
    if not came:
        return []
    lines = source_lines(open_revision(repository.path, after.tree), {(u.path, u.line) for u in came})
    texts = {u: lines.get((u.path, u.line), b"") for u in came}
    wanted = {(u.path, _folded(text)) for u, text in texts.items()}
    origins = _origins(repository, wanted, before, after)
    return [
        NewUse(
            **msgspec.structs.asdict(u), source=text.decode("utf-8", "replace").strip(), step=number,
            origin=origins.get((u.path, _folded(text))),
        )
        for u, text in texts.items()
    ]  # fmt: skip


def _origins(
    repository: Repository, wanted: set[tuple[str, bytes]], before: Step, after: Step
) -> dict[tuple[str, bytes], Origin]:
    """The last commit between the steps that added each line (path, text with its white space folded)."""
    paths = sorted({path for path, _ in wanted})
    specs = "".join(f"{path}\n" for path in paths if "\n" not in path).encode("utf-8", "surrogateescape")
    listed = repository.run(
        "--literal-pathspecs", "rev-list", "--no-merges", "--stdin", "--format=%H %at %s",
        requests=b"%s\n^%s\n--\n%s" % (after.commit.encode(), before.commit.encode(), specs),
    )  # fmt: skip
    known = {}
    for line in listed.decode("utf-8", "replace").split("\n"):
        if line and not line.startswith("commit "):
            commit, time, subject = line.split(" ", 2)
            known[commit] = Origin(commit, subject, seconds(time, after.time))
    found: dict[tuple[str, bytes], Origin] = {}
    for commit, path, text in _added(repository, known):
        key = (path, _folded(text))
        if key in wanted:
            found.setdefault(key, known[commit])
    return found


def _added(repository: Repository, commits: Iterable[str]) -> Iterator[tuple[str, str, bytes]]:
    """Commit, path and text of every line that commits add, in the order of the commits."""
    raw = repository.run(
        "-c", "core.quotePath=false", "-c", "diff.suppressBlankEmpty=false",
        "diff-tree", "--stdin", "-r", "--root", "-p", "-U0", "--text", "-M", "--no-color", "--no-ext-diff",
        "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/",
        requests="".join(f"{commit}\n" for commit in commits),
    )  # fmt: skip
    commit, path, left = "", "", 0
    for line in raw.split(b"\n"):
        if left:
            left -= not line.startswith(b"\\")
            if line.startswith(b"+"):
                yield commit, path, line[1:]
        elif (m := _HUNK.match(line)) is not None:
            left = sum(int(m[n]) if m[n] is not None else 1 for n in (1, 2))
        elif line.startswith((b"+++ b/", b'+++ "b/')):
            path = _plain(line[4:].rstrip(b"\t")).removeprefix(b"b/").decode("utf-8", "surrogateescape")
        elif _HEAD.fullmatch(line):
            commit = line.decode()


def _plain(name: bytes) -> bytes:
    """A path as it is, of one that git may have quoted (git-config(1), core.quotePath)."""
    if not name.startswith(b'"'):
        return name
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 8)]) if m[1] else _ESCAPES.get(m[2], m[2]), name[1:-1])


def _folded(line: bytes) -> bytes:
    return b" ".join(line.split())
