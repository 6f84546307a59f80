"""Kernel builds with the tree's own Makefile, out of tree, on a copy, reproducible.

This is the one place where anything of a kernel tree runs; whoever opens a workshop has to have consent for it. Two
states of a tree are built from the same source directory in the same build directory, at the same pretended time, by
the same pretended user on the same pretended host, without what git knows of the tree: equal code gives equal objects.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from converter.errors import InputError
from converter.tree import Tree
from converter.tree.cache import cache_directory
from converter.verify import programs
from converter.verify.copy import Copy

Consent = Callable[[str], None]
"""Called with what is about to run and where, before it runs. Raises InputError where that is refused."""

_SAME = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "pgconv",
    "KBUILD_BUILD_HOST": "pgconv",
    "KBUILD_BUILD_VERSION": "1",
    "GIT_DIR": "/nonexistent",  # setlocalversion must find no repository, ours neither
}
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
_NAME = "pgconv.name"
_FLAG = "-ffile-prefix-map="
_ASKS = "-DPGCONV_ASKS"
_MAKES = re.compile(r" -c -o (\S+\.o)\b")
_PLANNED = re.compile(r"(?:^|; |&& )([^\s;&]+(?: [^;&]*)? -c -o (\S+\.o) \S+)(?=\s*(?:;|&&|$))", re.M)
"""A compiler's command in what a dry run says, or a copy of it among quotes, which kbuild writes down."""
_COMMAND = re.compile(r"^(?:saved)?cmd_\S+ := (.*)$", re.M)


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration: a target of the tree (x86_64_defconfig), and lines as in .config that change it."""

    target: str
    lines: tuple[str, ...] = ()
    arch: str = "x86_64"
    source_arch: str = "x86"  # its directory below arch/


@dataclass(frozen=True, slots=True)
class Made:
    """How a make ended: its exit code, all that it said, and seconds that it took."""

    code: int
    log: str
    seconds: float

    def complaint(self) -> str:
        """The first line that says what went wrong."""
        lines = [line.strip() for line in self.log.splitlines()]
        wrong = [line for line in lines if re.search(r"\b(?:fatal )?error: |\*\*\*|No rule to make", line)]
        return (wrong or [line for line in lines if line] or ["no message"])[0]


class Workshop:
    """A copy of a tree and the builds made of it."""

    def __init__(self, copy: Copy, jobs: int) -> None:
        self.copy = copy
        self.jobs = jobs
        self.files: Mapping[str, bytes] = {}
        self._active = copy.place / "build"
        self._leave()

    def state(self, name: str, files: Mapping[str, bytes]) -> None:
        """From now on the tree has these files as they are here, and all others as they are in the user's tree."""
        self.copy.become(name, files)
        self.files = files

    def build(self, name: str, config: Config) -> Build:
        """The build directory of that name. One for each pair of state and configuration builds least."""
        return Build(self, name, config)

    def directory(self, name: str) -> Path:
        """Where the build directory of that name is now."""
        return self._active if self._named() == name else self.copy.place / "out" / name

    def enter(self, name: str) -> Path:
        """Put a build directory at the one path where builds are made: it stands in what debug information says."""
        if self._named() != name:
            self._leave()
            kept = self.copy.place / "out" / name
            kept.mkdir(parents=True, exist_ok=True)
            (kept / _NAME).write_text(name)
            kept.rename(self._active)
        return self._active

    def _named(self) -> str | None:
        return (self._active / _NAME).read_text() if self._active.exists() else None

    def _leave(self) -> None:
        name = self._named()
        if name is not None:
            self._active.rename(self.copy.place / "out" / name)


class Build:
    """One build directory, configured for the workshop's present state when it is made. Raises InputError where the
    tree cannot be configured so."""

    def __init__(self, shop: Workshop, name: str, config: Config) -> None:
        self.shop = shop
        self.config = config
        self.name = name
        self.log = ""
        self._planned: dict[str, list[str]] = {}
        self._state, self._files = shop.copy.current, shop.files
        shop.enter(name)
        self._follow()
        self._configure()

    @property
    def directory(self) -> Path:
        """Where it is now. While it is built it is always at the same path."""
        return self.shop.directory(self.name)

    def make(self, *targets: str, keep_going: bool = False, flags: str = "") -> Made:
        """Run make for targets (`mm/mremap.o`, `bzImage`) in the state that the directory was made for; `flags` are
        more ones for the compiler."""
        assert self.shop.copy.current == self._state, "a build directory is for one state"
        self.shop.enter(self.name)
        source = self.shop.copy.source
        same_names = f"{_FLAG}{source}/= {_FLAG}{self.directory}={flags}"
        command = [
            "make", "--no-print-directory", f"-j{self.shop.jobs}", *(["-k"] if keep_going else []),
            "-C", str(source), f"O={self.directory}", f"ARCH={self.config.arch}", "LOCALVERSION=",
            f"KCFLAGS={same_names}", f"KAFLAGS={same_names}", *targets,
        ]  # fmt: skip
        start = time.perf_counter()
        try:
            done = programs.run(command, self.environment)
        except FileNotFoundError:
            raise InputError("make is not installed; `make verify` installs what builds need") from None
        self.log = done.said
        (self.directory / "pgconv.log").write_text(done.said, encoding="utf-8", errors="replace")
        return Made(done.code, done.said, time.perf_counter() - start)

    @property
    def environment(self) -> dict[str, str]:
        """Of make and of the compiler: nothing of the caller's that could change an object."""
        return {k: v for k, v in os.environ.items() if k in _PASSED_ON} | _SAME

    def resume(self) -> None:
        """Bring the directory back to where builds are made, and the tree to the state that it was made for."""
        self.shop.enter(self.name)
        if self.shop.copy.current != self._state:
            self.shop.state(self._state, self._files)

    def prepare(self) -> Made:
        """Make what all objects need: generated headers, host tools. Nothing that is there counts where this fails."""
        return self.make("prepare")

    def configured(self, directories: Iterable[str]) -> set[str]:
        """The objects (`mm/mremap.o`) that kbuild makes below directories in this configuration, after prepare().

        A dry run says so, with a flag that is new to every command, so that kbuild takes all objects for old; those
        that have flags of their own alone (arch/x86/realmode) are known by the command that made them. To ask for
        single objects would not do: kbuild compiles whatever is asked for.
        """
        targets = sorted({f"{d.rstrip('/')}/" for d in directories})
        made = self.make("-n", *targets, keep_going=True, flags=f" {_ASKS}") if targets else Made(0, "", 0.0)
        self._planned |= planned(made.log)
        return {os.path.normpath(m[1]) for m in _MAKES.finditer(made.log)} | self._aloof(directories)

    def _aloof(self, directories: Iterable[str]) -> set[str]:
        """Objects that are there, and were made by a command without the flags that every other has."""
        found = set()
        for directory in directories:
            for file in (self.directory / directory).rglob(".*.o.cmd"):
                made = file.with_name(file.name[1:].removesuffix(".cmd"))
                if made.is_file() and _FLAG not in file.read_text(errors="replace"):
                    found.add(str(made.relative_to(self.directory)))
        return found

    def object(self, path: str) -> Path | None:
        """The object of a source file (`mm/mremap.c`); None where it is not built."""
        file = self.directory / object_of(path)
        return file if file.is_file() else None

    def command(self, path: str) -> list[str] | None:
        """The compiler's command line by which kbuild made the object of a source file, or would make it, as far as
        configured() was asked about its directory; it is run in `directory`.

        kbuild keeps it in .NAME.o.cmd, as cmd_NAME or (later) savedcmd_NAME, with what runs after the compiler.
        """
        target = self.directory / object_of(path)
        try:
            text = target.with_name(f".{target.name}.cmd").read_text(errors="replace")
        except OSError:
            text = ""
        found = _COMMAND.search(text)
        planned = self._planned.get(object_of(path))
        if found is None:
            return planned
        words = shlex.split(found[1].replace("$(pound)", "#"))
        end = next((i for i, word in enumerate(words) if word.endswith(";")), len(words))
        return [*words[:end], *([words[end].rstrip(";")] if end < len(words) and words[end] != ";" else [])]

    def errors(self, path: str) -> str:
        """What the last make said of a file."""
        return "\n".join(line for line in self.log.splitlines() if path in line or object_of(path) in line)

    def value(self, symbol: str) -> str | None:
        """What .config says of CONFIG_`symbol`; None where it is not set."""
        found = re.search(rf"^CONFIG_{re.escape(symbol)}=(.*)$", self._dot_config(), re.M)
        return found[1] if found else None

    def _dot_config(self) -> str:
        return (self.directory / ".config").read_text(errors="replace")

    def _follow(self) -> None:
        """Time stamps of one state mean nothing to what was built from another."""
        marker = self.directory / "pgconv.state"
        if marker.exists() and marker.read_text() != self._state:
            self.shop.copy.touch()
        marker.write_text(self._state)

    def _configure(self) -> None:
        self.must(self.config.target)
        if self.config.lines:
            with open(self.directory / ".config", "a", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in self.config.lines)
            self.must("olddefconfig")
        lines = set(self._dot_config().splitlines())
        for line in self.config.lines:
            symbol = re.sub(r"\W*(CONFIG_\w+).*", r"\1", line)
            off = line.startswith("#") or line.endswith("=n")
            if not off and line not in lines:
                raise InputError(f"{self.config.target}: {line} cannot be had: the tree's Kconfig says otherwise")
            if off and any(other.startswith(f"{symbol}=") for other in lines):
                raise InputError(f"{self.config.target}: {symbol} cannot be turned off in this tree")

    def must(self, target: str) -> None:
        """make() of what cannot fail in a tree that builds. Raises InputError."""
        made = self.make(target)
        if made.code != 0:
            raise InputError(f"make {target} failed: {made.complaint()} ({self.directory / 'pgconv.log'} has all)")


def object_of(path: str) -> str:
    """`mm/mremap.o` of `mm/mremap.c`."""
    return path.rsplit(".", 1)[0] + ".o"


def planned(log: str) -> dict[str, list[str]]:
    """The compiler's command for each object that a dry run would make."""
    found: dict[str, list[str]] = {}
    for m in _PLANNED.finditer(log):
        try:
            words = shlex.split(m[1])
        except ValueError:  # the copy begins inside its quotes
            continue
        found[os.path.normpath(m[2])] = [w for w in words if w != _ASKS]
    return found


@contextmanager
def workshop(tree: Tree, keep: Path | None, jobs: int | None, consent: Consent) -> Iterator[Workshop]:
    """A workshop for a tree of files, below `keep` or the cache; one process at a time has it.

    Raises InputError without consent, for a tree that is a git revision, and where there is no place.
    """
    if tree.revision is not None:
        raise InputError(f"{tree.name}: builds need a tree of files, not a git revision; check one out")
    place = _place(tree, keep)
    consent(
        f"this runs make, and with it the Makefiles, scripts and tools of {tree.root}, as you, on a copy of the tree "
        f"in {place}"
    )
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = open(place / "lock", "w", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"{place}: cannot build here: {error.strerror}; name another place with --keep") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{place}: another build is at work there; wait for it, or use --keep DIR") from None
        copy = Copy(tree.root, place)
        copy.refresh()
        yield Workshop(copy, jobs or os.cpu_count() or 1)


def _place(tree: Tree, keep: Path | None) -> Path:
    """The directory of a tree's builds, outside the tree."""
    name = f"{tree.name}-{hashlib.sha1(os.fsencode(tree.root)).hexdigest()[:12]}"
    cache = cache_directory()
    if keep is None and cache is None:
        raise InputError("no place for builds: no home directory; name one with --keep DIR")
    place = (keep.resolve() if keep is not None else Path(cache or "") / "builds") / name
    if place.resolve().is_relative_to(tree.root):
        raise InputError(f"{place}: inside the kernel tree, where nothing is ever written; name another --keep DIR")
    return place
