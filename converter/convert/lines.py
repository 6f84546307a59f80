"""A file as its lines, changes to them, and the changes as a unified diff in git's form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from converter.tree.entry import blob_id

Lines = list[bytes]

CONTEXT = 3
"""Unchanged lines around a change, as git shows them."""

_ESCAPES = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
_FUNCTION = re.compile(rb"[A-Za-z_$]")
_FUNCTION_LENGTH = 80


def split(data: bytes) -> Lines:
    """The lines of a file with their ends; only LF ends a line, as for git and the compiler."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


@dataclass(frozen=True, slots=True)
class Change:
    """Lines [lo, hi), counted from 0, become `new`."""

    lo: int
    hi: int
    new: tuple[bytes, ...]

    @property
    def churn(self) -> int:
        """Deleted and added lines, as a diffstat counts them."""
        return self.hi - self.lo + len(self.new)


def changed(lines: Lines, changes: Iterable[Change]) -> Lines:
    """The lines after the changes, which ascend and do not overlap."""
    out: Lines = []
    at = 0
    for c in changes:
        out += lines[at : c.lo]
        out += c.new
        at = c.hi
    return out + lines[at:]


def between(old: Lines, new: Lines) -> list[Change]:
    """Changes that make `new` of `old`."""
    if len(old) == len(new):
        differ = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
        if len(differ) * 4 < len(old) or len(old) < 8:
            return [Change(i, i + 1, (new[i],)) for i in differ]
    codes = SequenceMatcher(None, old, new).get_opcodes()
    return [Change(lo, hi, tuple(new[a:b])) for tag, lo, hi, a, b in codes if tag != "equal"]


def refined(old: Lines, changes: Iterable[Change]) -> list[Change]:
    """The same changes without the lines that they leave as they were."""
    return [
        Change(c.lo + d.lo, c.lo + d.hi, d.new) for c in changes for d in between(old[c.lo : c.hi], list(c.new))
    ]  # fmt: skip


def git_path(prefix: bytes, path: str) -> bytes:
    """`prefix` and path as git prints them: quoted like a C string where a byte needs it (core.quotePath)."""
    raw = prefix + path.encode("utf-8", "surrogateescape")
    if all(32 <= c < 127 and c not in b'"\\' for c in raw):
        return raw
    quoted = [
        _ESCAPES.get(c) or (bytes([c]) if 32 <= c < 127 else b"\\%03o" % c) for c in raw
    ]  # fmt: skip
    return b'"' + b"".join(quoted) + b'"'


def diff(path: str, old: Lines, changes: Sequence[Change], context: int = CONTEXT) -> bytes:
    """The changes to one file in the form of git-diff(1), with blob ids; nothing for no change."""
    if not changes:
        return b""
    old_id, new_id = blob_id(b"".join(old)), blob_id(b"".join(changed(old, changes)))
    a, b = git_path(b"a/", path), git_path(b"b/", path)
    tab = b"\t" if b" " in a and not a.startswith(b'"') else b""
    head = [
        b"diff --git %s %s\n" % (a, b),
        b"index %s..%s\n" % (old_id[:12].encode(), new_id[:12].encode()),
        b"--- %s%s\n+++ %s%s\n" % (a, tab, b, tab),
    ]
    return b"".join(head) + b"".join(_hunks(old, changes, context))


def _hunks(old: Lines, changes: Sequence[Change], context: int) -> Iterable[bytes]:
    group: list[Change] = []
    shift = 0
    for c in changes:
        if group and c.lo - group[-1].hi > 2 * context:
            yield _hunk(old, group, context, shift)
            shift += sum(len(g.new) - (g.hi - g.lo) for g in group)
            group = []
        group.append(c)
    yield _hunk(old, group, context, shift)


def _hunk(old: Lines, group: list[Change], context: int, shift: int) -> bytes:
    """One hunk; `shift` is by how many lines the new file is ahead of the old one before it."""
    start, end = max(0, group[0].lo - context), min(len(old), group[-1].hi + context)
    body: list[bytes] = []
    at = start
    for i, c in enumerate(group):
        body += [_line(b" ", x) for x in old[at : c.lo]]
        if i == 0 or group[i - 1].hi < c.lo:
            # git prints a run of changed lines as all that goes, then all that comes.
            run = [c]
            for later in group[i + 1 :]:
                if later.lo != run[-1].hi:
                    break
                run.append(later)
            body += [_line(b"-", x) for x in old[run[0].lo : run[-1].hi]]
            body += [_line(b"+", x) for r in run for x in r.new]
        at = c.hi
    body += [_line(b" ", x) for x in old[at:end]]
    gained = sum(len(g.new) - (g.hi - g.lo) for g in group)
    title = _function(old, start)
    head = b"@@ -%s +%s @@%s\n" % (_range(start, end - start), _range(start + shift, end - start + gained), title)
    return head + b"".join(body)


def _line(sign: bytes, line: bytes) -> bytes:
    return sign + line if line.endswith(b"\n") else sign + line + b"\n\\ No newline at end of file\n"


def _range(start: int, length: int) -> bytes:
    first = start + 1 if length else start
    return b"%d" % first if length == 1 else b"%d,%d" % (first, length)


def _function(old: Lines, before: int) -> bytes:
    """The line that git's default pattern takes for the head of the enclosing function."""
    for i in range(before - 1, -1, -1):
        if _FUNCTION.match(old[i]):
            return b" " + old[i][:_FUNCTION_LENGTH].rstrip()
    return b""
