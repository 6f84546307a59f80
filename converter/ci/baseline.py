"""The ratchet: open uses by file and function, as a file that a tree keeps. It goes down, never up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from converter import __version__
from converter.errors import InputError

SCHEMA = "pgconv.baseline/1"
"""The version that counts: that of the format, whichever pgconv wrote it."""

Count = Annotated[int, msgspec.Meta(ge=0)]


class Baseline(msgspec.Struct, frozen=True):
    """path -> function ('' outside of any) -> number of uses of the family that are still to be converted."""

    schema: str
    scheme: str
    revision: str
    pgconv: str
    files: dict[str, dict[str, Count]]

    def allowed(self, path: str, function: str) -> int:
        """Uses that a function may have."""
        return self.files.get(_plain(path), {}).get(function, 0)

    def is_listed(self, path: str) -> bool:
        """May the file have any?"""
        return _plain(path) in self.files

    @property
    def total(self) -> int:
        """All open uses."""
        return sum(sum(own.values()) for own in self.files.values())

    def encoded(self) -> bytes:
        """As it is kept: one function a line, in order, so that a diff of it reads well."""
        ordered = msgspec.structs.replace(
            self, files={p: dict(sorted(own.items())) for p, own in sorted(self.files.items())}
        )
        text = msgspec.json.encode(ordered).decode()
        return msgspec.json.format(text, indent=1).encode() + b"\n"

    def lowered(self, now: Baseline, renames: Mapping[str, str]) -> Baseline:
        """The smaller number of this and `now`, everywhere. `renames`: path now -> path in this baseline."""
        files = {}
        for path, own in now.files.items():
            least = {f: min(n, self.allowed(renames.get(path, path), f)) for f, n in own.items()}
            if kept := {f: n for f, n in least.items() if n}:
                files[path] = kept
        return msgspec.structs.replace(now, files=files)


def of(counts: Iterable[tuple[str, Counter[str]]], scheme_name: str, revision: str) -> Baseline:
    """The baseline of a tree, from the open uses of each file by function."""
    return Baseline(SCHEMA, scheme_name, revision, __version__, {_plain(p): dict(c) for p, c in counts if c})


def _plain(path: str) -> str:
    """A path as JSON can hold it: bytes that are no UTF-8 as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def load(path: Path, scheme_name: str) -> Baseline:
    """Raises InputError: no such file, no baseline, one of another format or scheme."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; pgconv baseline makes one") from error
    try:
        head = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        schema = msgspec.json.decode(head["schema"], type=str)
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a baseline; pgconv baseline makes one") from error
    if schema != SCHEMA:
        raise InputError(f"{path}: a baseline of version {schema}, not {SCHEMA}; make it anew with pgconv baseline")
    try:
        baseline = msgspec.json.decode(raw, type=Baseline)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: a damaged baseline: {error}; make it anew with pgconv baseline") from error
    if baseline.scheme != scheme_name:
        raise InputError(f"{path}: a baseline of scheme {baseline.scheme}, not {scheme_name}; say --scheme")
    return baseline
