"""A kernel tree as a revision of a git repository, bare or not, read without a checkout.

The repository is untrusted: only plumbing runs (rev-parse, ls-tree, cat-file, rev-list, config to ask; for commits and
mails also diff-tree, read-tree, apply --cached and write-tree), on an explicit git directory and with / as the working
directory, where no PATH entry can mean something inside the tree. Nothing that the repository's configuration names is
executed: these commands use no hook, filter, textconv, pager or fsmonitor, and a partial clone may not fetch what is
missing (git(1), GIT_ALLOW_PROTOCOL and GIT_NO_LAZY_FETCH).
"""

import os
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from converter.errors import InputError
from converter.tree.entry import LARGEST, PLACES, SUFFIXES, Entry, Tree, Unreadable, kernel_version
from converter.tree.problems import Problems, shown

_BATCH = 256
"""Requests in flight to cat-file: with at most 65 bytes each they fit into a pipe (4096 x 16 bytes), so that the two
sides never wait for each other."""

_FAILURES = 16
"""Times in a row that git may end without an answer: one damaged object costs one of them, a repository gone all."""

_PIECE = 1 << 20


def git_directory(path: str) -> str | None:
    """The git directory of the work tree or bare repository at `path`, None if it is neither; parents do not count."""
    inner = os.path.join(path, ".git")
    if os.path.exists(inner):
        return inner
    return path if is_bare(path) else None


def is_bare(path: str) -> bool:
    """Whether `path` itself is a git directory (gitrepository-layout(5))."""
    return os.path.isfile(os.path.join(path, "HEAD")) and os.path.isdir(os.path.join(path, "objects"))


def open_revision(path: str, rev: str, named: str | None = None) -> Tree:
    """The tree of revision `rev` of the repository at `path`; raises InputError. `named`: what people call it."""
    directory = git_directory(path)
    if directory is None:
        raise InputError(f"{shown(path)}: not a git repository: a revision (--rev) can only be read from one")
    directory = os.path.realpath(directory)
    listed_ns = time.time_ns()
    revision = _resolve(directory, path, rev, named or rev)
    problems = Problems()
    entries, absent, version = _listing(directory, at(path, named or rev), revision, problems)
    root = os.path.realpath(path)
    return Tree(
        name=os.path.basename(root) or root,
        root=root,
        revision=revision,
        kernel_version=version,
        entries=tuple(entries),
        warnings=problems.lines(),
        listed_ns=listed_ns,
        reader=GitReader(directory),
        absent=absent,
    )


def at(path: str, rev: str) -> str:
    """A revision of a repository, for people."""
    return f"{shown(path)} at {shown(rev)}"


def check_revision(path: str, rev: str, named: str = "") -> None:
    """Raises InputError for what git takes as an option, or as history to leave out (gitrevisions(7)): no revision."""
    if rev.startswith("^"):
        raise InputError(
            f"{shown(path)}: {shown(rev)}: a ^ in front names what is left out; name a commit, or a range as A..B"
        )
    # The "-": --end-of-options is not understood by every version that is in use.
    if rev.startswith("-") or "\0" in rev or not rev.strip():
        raise InputError(f"{shown(path)}: unknown revision {shown(named or rev)}")


def _resolve(directory: str, path: str, rev: str, named: str) -> str:
    """The id of the commit, or of the bare tree, that `rev` names."""
    check_revision(path, rev, named)
    ids: list[str] = []
    for kind in ("tree", "commit"):
        answer = git(directory, "rev-parse", "--verify", "--quiet", f"{rev}^{{{kind}}}")
        if answer.returncode == 0:
            ids.append(answer.stdout.decode().strip())
        elif not ids:
            why = f" ({last_line(answer.stderr)})" if answer.stderr.strip() else ""
            raise InputError(f"{shown(path)}: unknown revision {shown(named)}{why}{partial_clone(directory)}")
    return ids[-1]


def _listing(directory: str, where: str, revision: str, problems: Problems) -> tuple[list[Entry], tuple[str, ...], str]:
    """What is there, what is not, and the kernel's version."""
    names = _names(directory, where, revision, problems)
    blobs = {name: blob for name, blob in names.items() if is_scanned(name)}
    version = version_at(directory, where, revision)
    elsewhere = _absent(directory, revision)
    sizes = _sizes(directory, where, [blob for blob in blobs.values() if blob not in elsewhere])
    entries = [Entry(name, sizes[blob], (), blob) for name, blob in sorted(blobs.items()) if blob in sizes]
    absent = tuple(name for name, blob in sorted(blobs.items()) if blob not in sizes)
    for name in absent:
        problems.add("file not read: its blob is not in this repository", name)
    return entries, absent, version


def _names(directory: str, where: str, revision: str, problems: Problems) -> dict[str, str]:
    """path -> blob id of all regular files of the revision (the modes are those of git-fast-import(1))."""
    answer = git(directory, "ls-tree", "-r", "-z", "--full-tree", revision)
    if answer.returncode != 0:
        raise InputError(f"{where}: git: {last_line(answer.stderr)}{partial_clone(directory)}")
    names: dict[str, str] = {}
    for line in answer.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        description, _, name = line.partition("\t")
        mode, _, blob = description.split(" ")
        if mode.startswith("100"):
            names[name] = blob
        elif mode == "160000":
            problems.add("submodule not read", name)
    return names


def partial_clone(directory: str) -> str:
    """What to add to a message on what is not there, where the repository is a partial clone; else nothing."""
    keys = r"^(remote\..*\.promisor|extensions\.partialclone)$"
    if git(directory, "config", "--get-regexp", keys).returncode != 0:
        return ""
    return "; the clone is partial, and nothing is fetched: git fetch --refetch --no-filter brings all that it lacks"


def lacking(directory: str) -> str:
    """What to add to a message on an object that should be there."""
    return partial_clone(directory) or "; the repository is damaged: git fsck says what is missing"


def _absent(directory: str, revision: str) -> set[str]:
    """The blobs of the revision that a partial clone does not have: asking for one makes git try to fetch it."""
    if not partial_clone(directory):
        return set()
    objects = git(directory, "rev-list", "--objects", "--no-walk", "--missing=print", revision).stdout
    return {line[1:].decode() for line in objects.splitlines() if line.startswith(b"?")}


def _sizes(directory: str, where: str, blobs: list[str]) -> dict[str, int]:
    """blob id -> bytes, for those that the repository has."""
    answer = git(directory, "cat-file", "--buffer", "--batch-check", requests="".join(f"{blob}\n" for blob in blobs))
    if answer.returncode != 0:
        raise InputError(f"{where}: git: {last_line(answer.stderr)}")
    lines = (line.split(" ") for line in answer.stdout.decode().splitlines())
    return {line[0]: int(line[2]) for line in lines if len(line) == 3 and line[1] == "blob"}


def version_at(directory: str, where: str, revision: str) -> str:
    """The version of the kernel whose tree a revision is. Raises InputError where it is none."""
    answer = git(directory, "ls-tree", "-z", "--full-tree", revision, "Makefile", *PLACES)
    if answer.returncode != 0:
        raise InputError(f"{where}: git: {last_line(answer.stderr)}{partial_clone(directory)}")
    fields = [line.partition("\t") for line in answer.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]]
    blobs = {name: head.split(" ")[2] for head, _, name in fields if head.startswith("100")}
    if "Makefile" not in blobs:
        raise InputError(f"{where}: not a kernel tree: no Makefile")
    reader = GitReader(directory)
    try:
        version = kernel_version(reader.read(Entry("Makefile", 0, (), blobs["Makefile"])))
    except Unreadable as error:
        raise InputError(f"{where}: {error}{lacking(directory)}") from None
    finally:
        reader.close()
    if version is None:
        raise InputError(f"{where}: not a kernel tree: its Makefile has no VERSION and PATCHLEVEL")
    if not any(head.startswith("040000") for head, _, _ in fields):
        raise InputError(f"{where}: not a kernel tree: none of mm/, arch/ and include/linux/ is there")
    return version


def is_scanned(name: str) -> bool:
    """Is a file of this name read: a suffix that counts, and no directory on the way to it that starts with a dot?"""
    return name.endswith(SUFFIXES) and "/." not in "/" + name[: name.rfind("/") + 1]


def last_line(stderr: bytes) -> str:
    """What git said last, for people."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    return shown(lines[-1].removeprefix("fatal: ")) if lines else "failed without a message"


def _environment(directory: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its GIT_ variables, and with nothing that reaches outside the repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return environment | {
        "GIT_DIR": directory,
        "GIT_WORK_TREE": directory,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        **extra,
    }


def _command(*arguments: str) -> list[str]:
    return ["git", "--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *arguments]


NOTHING: Mapping[str, str] = {}


def git(
    directory: str, *arguments: str, requests: str | bytes = b"", extra: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[bytes]:
    """Run plumbing on a git directory. `extra`: variables of git's for this command. Raises InputError without git."""
    try:
        return subprocess.run(
            _command(*arguments),
            cwd="/",
            env=_environment(directory, extra),
            input=requests.encode() if isinstance(requests, str) else requests,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise InputError("git is not installed: a revision cannot be read without it") from None


class GitReader:
    """Reads blobs through one long-lived `git cat-file --batch` in each process that uses it."""

    def __init__(self, directory: str, extra: Mapping[str, str] = NOTHING) -> None:
        self.directory = directory
        self._extra = dict(extra)
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0

    def __reduce__(self) -> tuple[type["GitReader"], tuple[str, dict[str, str]]]:
        return GitReader, (self.directory, self._extra)

    def read(self, entry: Entry) -> bytes:
        """The bytes of a blob; raises Unreadable."""
        ((_, data),) = self.read_many((entry,))
        if isinstance(data, Unreadable):
            raise data
        return data

    def read_many(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | Unreadable]]:
        """Every entry with its bytes, or why it has none."""
        rest = iter(entries)
        while batch := deque(islice(rest, _BATCH)):
            try:
                while batch:
                    yield from self._answers(batch)
            finally:
                if batch:
                    # The consumer stopped early: answers that nobody waits for are still in the pipe.
                    self.close()

    def close(self) -> None:
        """End git."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _answers(self, batch: deque[Entry]) -> Iterator[tuple[Entry, bytes | Unreadable]]:
        """Take entries from the batch as long as git answers; on damage it ends, without a word."""
        if self._failures >= _FAILURES:
            entry = batch.popleft()
            yield entry, Unreadable(entry.path, "git does not answer any more")
            return
        try:
            process = self._started()
            self._request(process, batch)
            while batch:
                answer = self._answer(process, batch[0])
                self._failures = 0
                yield batch.popleft(), answer
        except (OSError, EOFError):
            self.close()
            self._failures += 1
            entry = batch.popleft()
            yield entry, Unreadable(entry.path, f"git cannot read object {entry.blob}")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                _command("cat-file", "--batch"),
                cwd="/",
                env=_environment(self.directory, self._extra),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=1 << 16,
            )
        return self._process

    @staticmethod
    def _request(process: subprocess.Popen[bytes], entries: Iterable[Entry]) -> None:
        assert process.stdin is not None
        process.stdin.write("".join(f"{entry.blob}\n" for entry in entries).encode())
        process.stdin.flush()

    @staticmethod
    def _answer(process: subprocess.Popen[bytes], entry: Entry) -> bytes | Unreadable:
        """The next answer (git-cat-file(1), BATCH OUTPUT); raises EOFError where git has ended."""
        output = process.stdout
        assert output is not None
        header = output.readline().split()
        if not header:
            raise EOFError
        if header[1:2] != [b"blob"]:
            return Unreadable(entry.path, f"object {entry.blob} is missing from the repository")
        size = int(header[2])
        if size > LARGEST:
            for start in range(0, size + 1, _PIECE):
                output.read(min(_PIECE, size + 1 - start))
            return Unreadable(entry.path, f"larger than {LARGEST >> 20} MiB")
        data = output.read(size + 1)
        if len(data) != size + 1:
            raise EOFError
        return data[:-1]
