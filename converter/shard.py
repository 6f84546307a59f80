"""A scan in shares, on as many machines: each makes the facts of its files, and a merge links, solves and decides.

Units are a matter of the whole tree, so a share decides nothing: what takes long is to read and to analyse, and that
is what is shared. The merged report is the one that a single scan gives, byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from converter.errors import InputError
from converter.examine import Analysis, Progress, cache_key, facts_of
from converter.tree import Entry, Problems, Tree, Unreadable
from converter.tree.cache import Cache
from converter.units.facts import decode, encode

SCHEMA = "pgconv.part/2"
MOST = 4096


class Part(msgspec.Struct, frozen=True):
    """One share of a scan. `key` names code, rules and scheme; `listing` the files of the whole tree.

    `entries` are all files of the share; `files` those with facts: path, digest, facts. Paths are bytes. `seal` is a
    digest of all the rest: facts that are damaged may still be facts.
    """

    schema: str
    number: int
    of: int
    key: str
    scheme: str
    listing: str
    name: bytes
    revision: str | None
    kernel_version: str
    warnings: tuple[str, ...]
    entries: list[bytes]
    files: list[tuple[bytes, str, bytes]]
    problems: dict[str, tuple[bytes, int]]
    seal: str = ""


def parse(text: str) -> tuple[int, int]:
    """ "3/16": the third share of sixteen. Raises InputError."""
    m = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    number, of = (int(m[1]), int(m[2])) if m else (0, 0)
    if not 1 <= number <= of <= MOST:
        raise InputError(f"--shard {text}: write K/N, the K-th of N shares, as in 3/16")
    return number, of


def share(
    tree: Tree, cache: Cache, scheme_name: str, number: int, of: int, jobs: int | None, progress: Progress | None
) -> Part:
    """Facts of every of-th file, from the number-th on. Raises InputError."""
    own = replace(tree, entries=tree.entries[number - 1 :: of])
    known = cache.digests(tree)
    here = {e.path: known[e.path] for e in own.entries if e.path in known}
    analysis = facts_of(own, cache, scheme_name, jobs, progress, here)
    cache.remember_digests(tree, known | analysis.digests)
    files = [
        (_raw(path), analysis.digests[path], encode(facts))
        for path, facts in zip(analysis.paths, analysis.facts, strict=True)
    ]
    return Part(
        SCHEMA, number, of, cache_key(scheme_name), scheme_name, _listing(tree), os.fsencode(tree.name), tree.revision,
        tree.kernel_version, tree.warnings, [_raw(e.path) for e in own.entries], files,
        {what: (_raw(path), count) for what, (path, count) in analysis.problems.found().items()},
    )  # fmt: skip


def written(part: Part) -> bytes:
    """A part as a file."""
    return msgspec.msgpack.encode(msgspec.structs.replace(part, seal=_seal(part)))


def _seal(part: Part) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(msgspec.structs.replace(part, seal=""))).hexdigest()


def read(path: Path) -> Part:
    """A part from its file. Raises InputError."""
    try:
        raw = path.read_bytes()
        part = msgspec.msgpack.decode(raw, type=Part)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a part of a scan, or damaged; scan --shard K/N -o FILE makes one") from error
    if part.schema != SCHEMA or part.key != cache_key(part.scheme):
        raise InputError(f"{path}: made by another version of pgconv or its rules; scan and merge with the same one")
    return part


def merged(paths: Sequence[Path]) -> tuple[Analysis, str]:
    """The analysis of the whole tree, and its scheme. Raises InputError where the parts are not all of one scan."""
    parts: dict[int, Part] = {}
    first: tuple[Path, Part] | None = None
    for path in paths:
        part = read(path)
        first = first or (path, part)
        one = first[1]
        if (part.of, part.scheme, part.listing, part.revision) != (one.of, one.scheme, one.listing, one.revision):
            raise InputError(f"{path}: of another scan than {first[0]}: tree, scheme or number of shares differ")
        if part.seal != _seal(part):
            raise InputError(f"{path}: a part is damaged: scan that share again")
        if part.number in parts:
            raise InputError(f"{path}: share {part.number}/{part.of} is given twice")
        parts[part.number] = part
    if first is None:
        raise InputError("no part named; name all that scan --shard wrote")
    one = first[1]
    if missing := [n for n in range(1, one.of + 1) if n not in parts]:
        raise InputError(
            f"share {missing[0]}/{one.of} is missing" + (f" and {len(missing) - 1} more" * (len(missing) > 1))
        )
    return _whole(one, list(parts.values())), one.scheme


def _whole(one: Part, parts: list[Part]) -> Analysis:
    problems = Problems()
    for part in parts:
        problems.merge({what: (_path(path), count) for what, (path, count) in part.problems.items()})
    files = sorted((_path(path), digest, facts) for part in parts for path, digest, facts in part.files)
    entries = tuple(Entry(_path(path), 0) for part in parts for path in part.entries)
    tree = Tree(os.fsdecode(one.name), "", one.revision, one.kernel_version, entries, one.warnings, 0, _Nothing())
    facts = [decode(f[2]) for f in files]
    digests = {path: digest for path, digest, _ in files}
    return Analysis(tree, [f[0] for f in files], facts, digests, [*tree.warnings, *problems.lines()], problems)


def _listing(tree: Tree) -> str:
    """Names and sizes of all files: two machines with the same source agree on it."""
    whole = hashlib.sha256()
    for e in tree.entries:
        whole.update(_raw(e.path) + b"\0%d\0" % e.size)
    return whole.hexdigest()


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _path(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class _Nothing:
    """The files are elsewhere."""

    def read(self, entry: Entry) -> bytes:
        raise Unreadable(entry.path, "not on this machine")

    def read_many(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | Unreadable]]:
        return ((e, Unreadable(e.path, "not on this machine")) for e in entries)

    def close(self) -> None:
        """Nothing is open."""
