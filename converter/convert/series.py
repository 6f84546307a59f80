"""A conversion as a series in the form of git-format-patch(1), in a directory that appears whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate, parseaddr
from pathlib import Path

from converter.classify.record import Site
from converter.convert import cover, repository, worklist
from converter.convert.conversion import Conversion, refuse
from converter.convert.directory import whole
from converter.convert.edits import Edit, Stale, by_line, check, render
from converter.convert.lines import Change, Lines, changed, diff
from converter.convert.maintainers import Maintainers, addresses
from converter.convert.message import Addresses, Letter, mail, mechanical, prefix, recipients, titles
from converter.convert.plan import Part, by_path, edits, partition
from converter.convert.sources import read_any
from converter.convert.stringified import Shown, stringified
from converter.convert.templates import words
from converter.errors import InputError
from converter.tree import Tree, shown

_SIGNATURE = "-- \npgconv\n"
_NAME = 60


@dataclass(frozen=True, slots=True)
class Written:
    """What a series holds."""

    patches: int
    uses: int
    files: int


@dataclass(frozen=True, slots=True)
class _Patch:
    letter: Letter
    diffs: bytes
    stat: dict[str, tuple[int, int]]


def check_target(directory: Path) -> None:
    """Raises InputError where a series cannot go, before anything is scanned."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: not a directory")
    if directory.is_dir():
        foreign = [n for n in os.listdir(directory) if not _is_ours(n)]
        if foreign:
            other = shown(sorted(foreign)[0])
            raise InputError(f"{directory}: holds other files ({other}); name an empty or a new directory")
    parent = directory.resolve().parent
    if not parent.is_dir():
        raise InputError(f"{directory}: {parent} is not there")
    if not os.access(parent, os.W_OK | os.X_OK) or (directory.is_dir() and not os.access(directory, os.W_OK)):
        raise InputError(f"{directory}: cannot be written")


def author(signoff: str | None, tree: Tree) -> str:
    """Who signs: the option, else git's user. Raises InputError where neither says so: nobody is made up."""
    text = signoff or repository.user(tree)
    if text is None:
        raise InputError("who signs the series? say --signoff 'NAME <ADDRESS>', or set git's user.name and user.email")
    name, address = parseaddr(text)
    if not name or "@" not in address or "\n" in text:
        raise InputError(f"--signoff {text}: not of the form 'NAME <ADDRESS>'")
    return f"{name} <{address}>"


def write(conversion: Conversion, directory: Path, by: Sequence[str], author: str) -> Written:
    """Write the series, its cover letter and the worklist. Raises InputError; then DIR is as it was."""
    maintainers = _maintainers(conversion.tree)
    patches, parts = _patches(conversion, by, maintainers)
    options = conversion.options
    left = worklist.open_sites(
        conversion.report, conversion.sites, options.prefixes, options.steps, conversion.together.held
    )
    stat: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for patch in patches:
        for path, (added, deleted) in patch.stat.items():
            stat[path] = (stat[path][0] + added, stat[path][1] + deleted)
    base = repository.head(conversion.tree)
    prepared = [p.letter.subject for p in patches[: len(patches) - len(parts)]]
    printed = _printed(conversion)
    text = cover.body(
        conversion.report, conversion.scheme, conversion.sites, left, parts, prepared, by, printed, stat, base
    )
    letter = Letter(f"split PAGE_SIZE by unit (scheme {conversion.scheme.scheme})", text, *_everyone(maintainers))
    date = formatdate(_now(), localtime=True)
    total = len(patches)
    try:
        with whole(directory) as place:
            trailer = f"\nbase-commit: {base}\n" if base else "\n"
            cover_letter = mail(letter, author, date, 0, max(total, 2), _bytes(trailer + _SIGNATURE), sign=False)
            (place / "0000-cover-letter.patch").write_bytes(cover_letter)
            for number, patch in enumerate(patches, 1):
                lines = "\n".join(cover.diffstat(patch.stat))
                end = _bytes(f"---\n{lines}\n\n") + patch.diffs + _bytes(_SIGNATURE + "\n")
                name = f"{number:04d}-{_slug(patch.letter.subject)}.patch"
                (place / name).write_bytes(mail(patch.letter, author, date, number, total, end))
            (place / "worklist.md").write_bytes(_bytes(worklist.as_markdown(conversion.report, left)))
            (place / "worklist.json").write_bytes(worklist.as_json(conversion.report, left))
    except OSError as error:
        raise InputError(f"{directory}: cannot write: {error.strerror or error}; no series was left there") from None
    return Written(total, len(conversion.sites), len({s.path for s in conversion.sites}))


def _printed(conversion: Conversion) -> list[Shown]:
    try:
        return stringified(conversion.tree, by_path(conversion.sites), conversion.scanned)
    except Stale as error:
        raise InputError(f"a file changed while the series was made ({error}); nothing was written") from None


def _patches(conversion: Conversion, by: Sequence[str], maintainers: Maintainers) -> tuple[list[_Patch], list[Part]]:
    parts = partition(
        conversion.sites, by, maintainers, conversion.options.steps, list(words().role), conversion.together.with_
    )
    patches = []
    for p in conversion.preparation.patches:
        paths = list(p.diffs)
        to, cc = recipients(paths, maintainers)
        letter = Letter(f"{p.prefix or prefix(paths)}: {p.subject}", p.message, to, cc)
        patches.append(_Patch(letter, b"".join(p.diffs.values()), dict(p.churn)))
    diffs: list[dict[str, tuple[bytes, int]]] = [{} for _ in parts]
    owners = {s.order(): i for i, p in enumerate(parts) for s in p.sites}
    stale = []
    for path, own in by_path(conversion.sites).items():
        try:
            for number, made, churn in _steps(conversion, path, own, owners):
                diffs[number][path] = made, churn
        except Stale as error:
            stale.append(f"{shown(path)} ({error})")
    refuse(stale)
    kept: list[Part] = []
    for part, files in zip(parts, diffs, strict=True):
        if files:
            stat = {path: (n, n) for path, (_, n) in files.items()}
            letter = mechanical(part, conversion.scheme, maintainers)
            patches.append(_Patch(letter, b"".join(d for d, _ in files.values()), stat))
            kept.append(part)
    subjects = titles([p.letter.subject for p in patches])
    named = [replace(p, letter=replace(p.letter, subject=s)) for p, s in zip(patches, subjects, strict=True)]
    return named, kept


def _steps(
    conversion: Conversion, path: str, sites: list[Site], owners: Mapping[tuple[str, int, int], int]
) -> Iterator[tuple[int, bytes, int]]:
    """(number of the part, diff, changed lines) for each patch to the file, each on what those before left."""
    lines = conversion.lines(path)
    pending: dict[int, list[Edit]] = defaultdict(list)
    for s in sites:
        pending[owners[s.order()]] += edits(conversion.located(path, [s]))
    every = [e for own in pending.values() for e in own]
    check(path, lines, every)
    done: dict[int, list[Edit]] = defaultdict(list)
    now: Lines = lines
    for number in sorted(pending):
        made = []
        for line, own in sorted(by_line(pending[number]).items()):
            done[line] = sorted([*done[line], *own])
            made.append(Change(line - 1, line, (render(lines, line, done[line]),)))
        if made:
            yield number, diff(path, now, made), len(made)
            now = changed(now, made)


def _maintainers(tree: Tree) -> Maintainers:
    text = (read_any(tree, "MAINTAINERS") or b"").decode("utf-8", "replace")
    return Maintainers(text, _directories(tree).__contains__)


def _everyone(maintainers: Maintainers) -> tuple[Addresses, Addresses]:
    """Who gets the cover letter: the lists of memory management, and that of all the rest."""
    rest = maintainers.rest()
    to = [x for s in maintainers.of("mm/memory.c") if s is not rest for x in s.lists]
    return tuple(addresses(to)), tuple(addresses(list(rest.lists))) if rest else ()


def _directories(tree: Tree) -> set[str]:
    """The directories that hold scanned files."""
    found: set[str] = set()
    for e in tree.entries:
        place = os.path.dirname(e.path)
        while place and place not in found:
            found.add(place)
            place = os.path.dirname(place)
    return found


def _is_ours(name: str) -> bool:
    return re.fullmatch(r"\d{4,}-.*\.patch|worklist\.(md|json)", name) is not None


def _slug(subject: str) -> str:
    """A subject as git-format-patch(1) makes a file name of it."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", subject).strip("-.")[:_NAME].rstrip("-.")


def _now() -> float:
    """Seconds; SOURCE_DATE_EPOCH (reproducible-builds.org) makes a series the same each time."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(text) if text.isdigit() else time.time()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
