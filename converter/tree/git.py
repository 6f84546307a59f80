"""A kernel tree as a revision of a git repository, bare or not, read without a checkout.

The repository is untrusted: only rev-parse, ls-tree and cat-file run, on an explicit git directory, and nothing that
its configuration names is executed: these three use no hook, filter, textconv, pager or fsmonitor, and a partial clone
may not fetch what is missing (git(1), GIT_ALLOW_PROTOCOL and GIT_NO_LAZY_FETCH).
"""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from converter.errors import InputError
from converter.tree.entry import LARGEST, SUFFIXES, Entry, Tree, Unreadable, kernel_version
from converter.tree.problems import Problems, shown

_BATCH = 256
"""Requests in flight to cat-file: with at most 65 bytes each they fit into a pipe (4096 x 16 bytes), so that the two
sides never wait for each other."""


def git_directory(path: str) -> str | None:
    """The git directory of the work tree or bare repository at `path`, None if it is neither. Parents do not count."""
    inner = os.path.join(path, ".git")
    if os.path.exists(inner):
        return inner
    return path if is_bare(path) else None


def is_bare(path: str) -> bool:
    """Whether `path` itself is a git directory (gitrepository-layout(5))."""
    return os.path.isfile(os.path.join(path, "HEAD")) and os.path.isdir(os.path.join(path, "objects"))


def open_revision(path: str, rev: str) -> Tree:
    """The tree of revision `rev` of the repository at `path`; raises InputError."""
    directory = git_directory(path)
    if directory is None:
        raise InputError(f"{shown(path)}: not a git repository: a revision (--rev) can only be read from one")
    directory = os.path.realpath(directory)
    listed_ns = time.time_ns()
    revision = _resolve(directory, path, rev)
    problems = Problems()
    entries, version = _listing(directory, f"{shown(path)} at {shown(rev)}", revision, problems)
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
    )


def _resolve(directory: str, path: str, rev: str) -> str:
    """The id of the commit, or of the bare tree, that `rev` names."""
    if rev and not rev.startswith("-") and "\0" not in rev:
        for kind in ("commit", "tree"):
            answer = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{{kind}}}")
            if answer.returncode == 0:
                return answer.stdout.decode().strip()
            if answer.returncode == 128 and answer.stderr.strip():
                raise InputError(f"{shown(path)}: git: {_last_line(answer.stderr)}")
    raise InputError(f"{shown(path)}: unknown revision {shown(rev)!r}")


def _listing(directory: str, where: str, revision: str, problems: Problems) -> tuple[list[Entry], str]:
    answer = _git(directory, "ls-tree", "-r", "-z", "-l", "--full-tree", revision)
    if answer.returncode != 0:
        raise InputError(f"{where}: git: {_last_line(answer.stderr)}")
    entries: list[Entry] = []
    makefile: Entry | None = None
    places = False
    for line in answer.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        description, _, name = line.partition("\t")
        mode, _, blob, size = description.split()
        places = places or name.startswith(("mm/", "arch/", "include/linux/"))
        if mode == "160000":
            problems.add("submodule not read", name)
        elif mode.startswith("100") and (name.endswith(SUFFIXES) or name == "Makefile") and not _hidden(name):
            entry = Entry(name, int(size) if size.isdigit() else 0, (), blob)
            if name == "Makefile":
                makefile = entry
            else:
                entries.append(entry)
    entries.sort()
    return entries, _version(directory, where, makefile, places)


def _version(directory: str, where: str, makefile: Entry | None, places: bool) -> str:
    if makefile is None:
        raise InputError(f"{where}: not a kernel tree: no Makefile")
    reader = GitReader(directory)
    try:
        version = kernel_version(reader.read(makefile))
    except Unreadable as error:
        raise InputError(f"{where}: {error}") from None
    finally:
        reader.close()
    if version is None:
        raise InputError(f"{where}: not a kernel tree: its Makefile has no VERSION and PATCHLEVEL")
    if not places:
        raise InputError(f"{where}: not a kernel tree: none of mm/, arch/ and include/linux/ is there")
    return version


def _hidden(name: str) -> bool:
    """Whether a directory on the way to `name` starts with a dot."""
    return "/." in "/" + name[: name.rfind("/") + 1]


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return shown(lines[-1].removeprefix("fatal: ")) if lines else "failed without a message"


def _environment(directory: str) -> dict[str, str]:
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
    }


def _command(*arguments: str) -> list[str]:
    return ["git", "--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *arguments]


def _git(directory: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            _command(*arguments),
            cwd=directory if os.path.isdir(directory) else os.path.dirname(directory),
            env=_environment(directory),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise InputError("git is not installed: a revision cannot be read without it") from None


class GitReader:
    """Reads blobs through one long-lived `git cat-file --batch` in each process that uses it."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __reduce__(self) -> tuple[type["GitReader"], tuple[str]]:
        return GitReader, (self._directory,)

    def read(self, entry: Entry) -> bytes:
        """The bytes of a blob; raises Unreadable."""
        for _, data in self.read_many((entry,)):
            if isinstance(data, bytes):
                return data
            raise data
        raise AssertionError("read_many() yields once for each entry")

    def read_many(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | Unreadable]]:
        """Every entry with its bytes, or why it has none."""
        rest = iter(entries)
        while batch := list(islice(rest, _BATCH)):
            yield from self._read_batch(batch)

    def close(self) -> None:
        """End git."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _read_batch(self, batch: list[Entry]) -> Iterator[tuple[Entry, bytes | Unreadable]]:
        done = 0
        try:
            while done < len(batch):
                process = self._started()
                try:
                    self._request(process, batch[done:])
                    while done < len(batch):
                        entry = batch[done]
                        answer = self._answer(process, entry)
                        done += 1
                        yield entry, answer
                except (OSError, EOFError):
                    self.close()
                    entry = batch[done]
                    done += 1
                    yield entry, Unreadable(entry.path, f"git cannot read object {entry.blob}")
        finally:
            if done < len(batch):
                # The consumer stopped early: answers nobody waits for are still in the pipe.
                self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                _command("cat-file", "--batch"),
                cwd=self._directory if os.path.isdir(self._directory) else os.path.dirname(self._directory),
                env=_environment(self._directory),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=1 << 16,
            )
        return self._process

    @staticmethod
    def _request(process: subprocess.Popen[bytes], entries: list[Entry]) -> None:
        assert process.stdin is not None
        process.stdin.write(b"".join(b"%s\n" % (entry.blob or "").encode() for entry in entries))
        process.stdin.flush()

    @staticmethod
    def _answer(process: subprocess.Popen[bytes], entry: Entry) -> bytes | Unreadable:
        assert process.stdout is not None
        header = process.stdout.readline().split()
        if not header:
            raise EOFError
        if len(header) != 3 or header[1] != b"blob":
            return Unreadable(entry.path, f"object {entry.blob} is missing from the repository")
        size = int(header[2])
        if size > LARGEST:
            raise OSError
        data = process.stdout.read(size + 1)
        if len(data) != size + 1:
            raise EOFError
        return data[:-1]
