"""Commits of a repository and what they change: read through git's plumbing, without a checkout."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from converter.errors import InputError
from converter.tree.entry import SUFFIXES
from converter.tree.git import (
    NOTHING,
    GitReader,
    check_revision,
    git,
    git_directory,
    is_scanned,
    lacking,
    last_line,
    partial_clone,
)
from converter.tree.problems import shown

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_FORMAT = "%T%x00%P%x00%s"
_WITHOUT = re.compile(r"\s+\^")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, or a mail that was applied: `name` is what people call it, `tree` and `parents` are object ids."""

    name: str
    tree: str
    parents: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines [start, start + len(lines)) of the old file, from 1, become those of the new. Without context."""

    old_start: int
    old: tuple[bytes, ...]
    new_start: int
    new: tuple[bytes, ...]


@dataclass(frozen=True)
class FileChange:
    """One file that two trees have differently; None where it is not there, or is none that is scanned."""

    old_path: str | None
    new_path: str | None
    old_blob: str
    new_blob: str
    hunks: tuple[Hunk, ...]

    @cached_property
    def added(self) -> frozenset[int]:
        """Numbers of the new file's lines that are added or changed."""
        return frozenset(n for h in self.hunks for n in range(h.new_start, h.new_start + len(h.new)))

    def new_line(self, old: int) -> int | None:
        """Where a line of the old file stands in the new one; None where it is gone."""
        shift = 0
        for h in self.hunks:
            if old < h.old_start or (not h.old and old == h.old_start):
                break
            if old < h.old_start + len(h.old):
                return None
            shift += len(h.new) - len(h.old)
        return old + shift


class Repository:
    """A git repository at `path`, bare or not. Raises InputError where there is none."""

    def __init__(self, path: str, extra: Mapping[str, str] = NOTHING) -> None:
        directory = git_directory(path) if "\0" not in path else None
        if directory is None:
            why = "no such directory" if not os.path.isdir(path) else "not a git repository"
            raise InputError(f"{shown(path)}: {why}; name the top of a repository, bare or not")
        self.path = path
        self.directory = os.path.realpath(directory)
        self.reader = GitReader(self.directory, extra)
        self._extra = extra
        self._trees: dict[str, str] = {}

    def run(self, *arguments: str, requests: str | bytes = b"") -> bytes:
        """What a plumbing command prints; raises InputError where it fails."""
        answer = git(self.directory, *arguments, requests=requests, extra=self._extra)
        if answer.returncode != 0:
            command = next(a for a in arguments if not a.startswith("-") and "=" not in a)
            said = f"{last_line(answer.stderr)}{partial_clone(self.directory)}"
            raise InputError(f"{shown(self.path)}: git {command}: {said}")
        return answer.stdout

    def has(self, object_id: str) -> bool:
        """Is the object there?"""
        return git(self.directory, "cat-file", "-e", object_id, extra=self._extra).returncode == 0

    @cached_property
    def is_shallow(self) -> bool:
        """Does the history end before its beginning?"""
        return self.run("rev-parse", "--is-shallow-repository").strip() == b"true"

    def commit(self, rev: str) -> Commit:
        """The commit that a revision names. Raises InputError."""
        check_revision(self.path, rev)
        answer = git(self.directory, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}", extra=self._extra)
        if answer.returncode != 0:
            hint = (
                "; the clone is shallow: git fetch --deepen=N, or --unshallow, brings more" if self.is_shallow else ""
            )
            raise InputError(f"{shown(self.path)}: unknown revision {shown(rev)}{hint}")
        return self._listed(["--no-walk", answer.stdout.decode().strip()])[0]

    def tree_of(self, commit: str) -> str:
        """Id of the tree of a commit. Raises InputError."""
        if commit not in self._trees:
            answer = git(self.directory, "rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}", extra=self._extra)
            if answer.returncode != 0:
                said = f"commit {commit[:12]} is not in this repository{lacking(self.directory)}"
                raise InputError(f"{shown(self.path)}: {said}")
            self._trees[commit] = answer.stdout.decode().strip()
        return self._trees[commit]

    def file(self, tree: str, path: str) -> bytes:
        """The bytes of a file of a tree. Raises InputError."""
        name = f"{tree}:{path}".encode("utf-8", "surrogateescape")
        return self.run("cat-file", "blob", os.fsdecode(name))

    def apply(self, patch: bytes) -> bytes:
        """Apply a patch to the index, which has to be a scratch one; what git says where it does not fit, else b""."""
        assert "GIT_INDEX_FILE" in self._extra
        answer = git(
            self.directory, "-c", "core.autocrlf=false", "-c", "apply.ignoreWhitespace=no", "apply", "--cached",
            "--whitespace=nowarn", "-", requests=patch, extra=self._extra,
        )  # fmt: skip
        return answer.stderr or b"git apply failed" if answer.returncode != 0 else b""

    def commits(self, range_: str) -> list[Commit]:
        """The commits of `A..B`, or of `A..B ^C`, which leaves out what C reaches, parents first; or the one commit
        that is named. `B ^A` is `A..B`. Raises InputError; never empty."""
        if "..." in range_:
            raise InputError(f"{shown(range_)}: a symmetric difference has two sides; write A..B")
        last, *without = _WITHOUT.split(range_)
        if ".." in last:
            first, last = (rev or "HEAD" for rev in last.split("..", 1))
            without.append(first)
        if not without:
            one = self.commit(range_)
            if len(one.parents) > 1:
                raise InputError(
                    f"{shown(range_)}: a merge commit has {len(one.parents)} parents; "
                    f"name a range, such as {shown(range_)}^1..{shown(range_)}"
                )
            found = [one]
        else:
            known = [f"^{self.commit(rev).name}" for rev in without]
            found = self._listed(["--reverse", "--topo-order", self.commit(last).name, *known])
            if not found:
                raise InputError(f"{shown(range_)}: an empty range: no commit is reachable from its end alone")
        for c in found:
            if not c.parents:
                self._rootless(c)
        return found

    def _rootless(self, commit: Commit) -> None:
        """A commit without a parent: the repository's first, or the end of a shallow clone. Raises InputError."""
        raw = self.run("cat-file", "commit", commit.name)
        if b"\nparent " in raw.split(b"\n\n", 1)[0]:
            raise InputError(
                f"{shown(self.path)}: a shallow clone that lacks the parent of {commit.name[:12]}: "
                "git fetch --deepen=N, or --unshallow, brings it"
            )
        raise InputError(
            f"{commit.name[:12]}: the first commit of a history has nothing before it to be judged against"
        )

    def _listed(self, arguments: list[str]) -> list[Commit]:
        raw = self.run("rev-list", f"--format={_FORMAT}", *arguments).decode("utf-8", "replace").split("\n")
        found = []
        for head, body in zip(raw[0::2], raw[1::2], strict=False):
            tree, parents, subject = body.split("\0", 2)
            self._trees[head.removeprefix("commit ")] = tree
            found.append(Commit(head.removeprefix("commit "), tree, tuple(parents.split()), subject))
        return found

    def diff(self, old: str, new: str, lines: bool = True) -> list[FileChange]:
        """The scanned files that two trees have differently; with `lines` also which lines. Raises InputError."""
        patch = ["-p", "-U0", "--text", "--no-ext-diff", "--no-textconv", "--no-color"] if lines else []
        raw = self.run(
            "-c", "diff.suppressBlankEmpty=false", "diff-tree", "-r", "-M", "--raw", *patch, "-z", "--full-index",
            old, new, "--", *(f"*{suffix}" for suffix in SUFFIXES),
        )  # fmt: skip
        listing, _, text = raw.partition(b"\0\0") if lines else (raw[:-1], b"", b"")
        files = _raw(listing)
        sections = iter(_sections(text)) if lines else iter(())
        found = []
        for kind, modes, blobs, paths in files:
            hunks = next(sections, ())
            if kind == "T" and lines:  # a file that becomes a link is printed as one that goes and one that comes
                next(sections, ())
                hunks = ()
            old_path = paths[0] if modes[0].startswith("100") and is_scanned(paths[0]) else None
            new_path = paths[-1] if modes[1].startswith("100") and is_scanned(paths[-1]) else None
            if old_path is not None or new_path is not None:
                found.append(FileChange(old_path, new_path, *blobs, hunks))
        return found


def _raw(listing: bytes) -> Iterator[tuple[str, tuple[str, str], tuple[str, str], list[str]]]:
    """Kind, modes, blobs and paths of each entry (git-diff-tree(1), RAW OUTPUT FORMAT, -z)."""
    fields = iter(listing.decode("utf-8", "surrogateescape").split("\0"))
    for head in fields:
        if not head:
            continue
        old_mode, new_mode, old, new, kind = head.removeprefix(":").split(" ")
        paths = [next(fields) for _ in range(2 if kind[0] in "RC" else 1)]
        yield kind[0], (old_mode, new_mode), (old, new), paths


def _sections(text: bytes) -> Iterator[tuple[Hunk, ...]]:
    """The hunks of each file of a patch without context."""
    hunks: list[Hunk] | None = None
    lines = iter(text.split(b"\n"))
    for line in lines:
        if line.startswith(b"diff --git "):
            if hunks is not None:
                yield tuple(hunks)
            hunks = []
        elif (m := _HUNK.match(line)) is not None and hunks is not None:
            gone, come = (int(m[n]) if m[n] is not None else 1 for n in (2, 4))
            old = tuple(_body(lines, gone))
            hunks.append(Hunk(int(m[1]), old, int(m[3]), tuple(_body(lines, come))))
    if hunks is not None:
        yield tuple(hunks)


def _body(lines: Iterator[bytes], count: int) -> Iterator[bytes]:
    while count:
        line = next(lines, b"")
        if not line.startswith(b"\\"):
            yield line[1:]
            count -= 1


@contextmanager
def scratch(path: str) -> Iterator[Repository]:
    """The repository with a place for new objects and an index that are nobody else's and go away at the end."""
    own = Repository(path)
    objects = own.run("rev-parse", "--git-path", "objects").decode("utf-8", "surrogateescape").rstrip("\n")
    place = tempfile.mkdtemp(prefix="pgconv-")
    try:
        os.mkdir(os.path.join(place, "objects"))
        quoted = os.path.realpath(os.path.join("/", objects)).replace("\\", "\\\\").replace('"', '\\"')
        repository = Repository(
            path,
            {
                "GIT_OBJECT_DIRECTORY": os.path.join(place, "objects"),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
                "GIT_INDEX_FILE": os.path.join(place, "index"),
            },
        )
        yield repository
        repository.reader.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)
