"""A series of mails as commits: each applied to the tree that the one before left, in objects of our own."""

from __future__ import annotations

import email.policy
import mailbox
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.parser import BytesParser
from itertools import pairwise
from pathlib import Path
from typing import IO

from converter.errors import InputError
from converter.tree import shown
from converter.tree.git import last_line
from converter.tree.history import Commit, Repository

LONGEST = 60
"""Characters of a source line that a message quotes."""

_WORD = re.compile(rb"\w")
_DIFF = re.compile(rb"^(?:diff --git |--- \S)", re.M)
_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@.*$", re.M)
_FILE = re.compile(rb"^(?:diff --git .* b/|--- (?:/dev/null\n\+\+\+ )?[^/\n]+/)([^\t\n]*)", re.M)
_SIGNATURE = b"-- "
_FAILED = re.compile(r"error: patch failed: (.*):(\d+)$", re.M)
_WHY = re.compile(r"error: (?!patch failed)(.*)$", re.M)
_AT_LINE = re.compile(r" (?:at |on |\()line (\d+)")
_NUMBER = re.compile(r"\[[^\]]*?(\d+)/\d+[^\]]*\]")
_VERSION = re.compile(r"\[[^\]]*?\bv(\d+)\b[^\]]*\]", re.I)
_BASE = re.compile(rb"^base-commit: ([0-9a-f]{40,64})\s*$", re.M)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with a patch; `number` counts the mails of the file from 1."""

    number: int
    subject: str
    patch: bytes

    @property
    def name(self) -> str:
        return f"mail {self.number}"


def read(path: Path) -> tuple[list[Mail], str | None]:
    """The patches of a series in order, and the base commit that it names. Raises InputError."""
    raw = _raw(path)
    if not raw.startswith(b"From "):
        raise InputError(f"{path}: not an mbox: its first line does not begin with 'From '")
    with tempfile.NamedTemporaryFile(prefix="pgconv-") as copy:  # mailbox seeks, and `path` may be a pipe
        copy.write(raw)
        copy.flush()
        box = mailbox.mbox(copy.name, factory=_message, create=False)  # type: ignore[arg-type]
        return _series(path, box)


def _raw(path: Path) -> bytes:
    """The bytes of a file or a pipe. Raises InputError."""
    try:
        if stat.S_ISCHR(path.stat().st_mode):
            raise InputError(f"{path}: a device, not an mbox")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _message(file: IO[bytes]) -> Message:
    return BytesParser(policy=email.policy.default).parse(file)


def _series(path: Path, box: mailbox.mbox) -> tuple[list[Mail], str | None]:
    mails, base = [], None
    for number, message in enumerate(box, 1):
        assert isinstance(message, EmailMessage)
        text = _text(path, number, message)
        subject = " ".join(str(message.get("Subject", "")).split()) or f"mail {number}"
        if (m := _BASE.search(text)) is not None:
            base = base or m[1].decode()
        start = _DIFF.search(text)
        if start is not None:
            mails.append(Mail(number, subject, _whole(text[start.start() :])))
        elif (n := _NUMBER.match(subject)) is not None and int(n[1]):
            raise InputError(f"{path}: mail {number} ({subject}): no patch in it that could be read")
    if not mails:
        raise InputError(f"{path}: no patch in it: none of its {len(box)} mails holds a diff")
    return _ordered(path, list({(m.subject, m.patch): m for m in reversed(mails)}.values())[::-1]), base


def _text(path: Path, number: int, message: EmailMessage) -> bytes:
    """The bodies of a mail that may hold a patch, as UTF-8."""
    parts = []
    for part in message.walk():
        if part.is_multipart() or not _may_hold_patch(part):
            continue
        raw = part.get_payload(decode=True)
        charset = part.get_content_charset("utf-8")
        assert isinstance(raw, bytes)
        try:
            text = raw.decode("utf-8" if charset == "us-ascii" else charset).encode()
            flowed = str(part.get_param("format", "")).lower() == "flowed"
            parts.append(_unflowed(text) if flowed else text)
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"{path}: mail {number}: line {line} of its body is not {charset}: byte 0x{raw[error.start]:02x}; "
                "git am takes the bytes of such a file as they are: judge the commits that it makes"
            ) from error
        except LookupError as error:
            raise InputError(f"{path}: mail {number}: unknown character set {charset}") from error
    return b"\n".join(parts)


def _may_hold_patch(part: Message) -> bool:
    """Plain text, a patch by its type, or a file that is called one; a copy of it in HTML is none."""
    kind = part.get_content_type()
    name = part.get_filename() or ""
    return kind == "text/plain" or kind.endswith(("patch", "diff")) or name.endswith((".patch", ".diff"))


def _unflowed(text: bytes) -> bytes:
    """Text of format=flowed (RFC 3676) as it was written; a context line that is empty is no soft line break."""
    lines: list[bytes] = []
    begun = b""
    for line in text.split(b"\n"):
        bare = line.rstrip(b"\r")
        bare = bare[1:] if bare.startswith(b" ") else bare
        begun += bare
        if not bare.endswith(b" ") or bare in (b" ", b"-- "):
            lines.append(begun)
            begun = b""
    return b"\n".join([*lines, begun] if begun else lines)


def _whole(patch: bytes) -> bytes:
    """The patch without the signature of the mail."""
    return patch if patch.endswith(b"\n") else patch + b"\n"


def _ordered(path: Path, mails: list[Mail]) -> list[Mail]:
    """By the numbers in [PATCH n/m], where all have one: mail arrives in any order. Raises InputError."""
    numbers = [_NUMBER.match(m.subject) for m in mails]
    versions = {int(v[1]) if (v := _VERSION.match(m.subject)) else 1 for m, n in zip(mails, numbers, strict=True) if n}
    if len(versions) > 1:
        raise InputError(
            f"{path}: holds versions {', '.join(map(str, sorted(versions)))} of a series; keep one of them"
        )
    if not all(numbers):
        return mails
    places = [int(n[1]) for n in numbers if n]
    for earlier, later in pairwise(sorted(places)):
        if later > earlier + 1:
            raise InputError(f"{path}: holds patch {later} of a series, and {earlier}, but not {earlier + 1}")
    return [m for _, m in sorted(zip(places, mails, strict=True), key=lambda p: p[0])]


def commits(repository: Repository, mails: list[Mail], base: Commit) -> Iterator[Commit]:
    """The series as commits on `base`. `repository` is a scratch one. Raises InputError where a mail does not apply."""
    repository.run("read-tree", base.tree)
    parent = base
    for mail in mails:
        problem = repository.apply(mail.patch)
        if problem:
            raise InputError(
                f"{mail.name} ({mail.subject}): does not apply: {_why(repository, parent.tree, mail, problem)}"
            )
        tree = repository.run("write-tree").decode().strip()
        parent = Commit(mail.name, tree, (parent.name,), mail.subject)
        yield parent


def _why(repository: Repository, tree: str, mail: Mail, problem: bytes) -> str:
    """Which hunk of a patch does not fit, and why not."""
    text = problem.decode("utf-8", "replace")
    failed = _FAILED.search(text)
    if failed is None:
        reason = _WHY.search(text)
        return _unread(mail.patch, reason[1]) if reason is not None else last_line(problem)
    path, line = failed[1], int(failed[2])
    hunks = [h for h in _hunks(mail.patch) if h.path == path]
    for hunk in hunks:
        if hunk.start == line:
            return f"{hunk.name(hunks)}: {_differs(repository, tree, path, line, hunk.old)}"
    return f"{shown(path)}, line {line}: what the patch takes out is not there"


def _unread(patch: bytes, reason: str) -> str:
    """What git cannot read of a patch, where it names no more than the line of it."""
    found = _AT_LINE.search(reason)
    if found is None:
        return reason
    number = int(found[1])
    rest = patch.split(b"\n")[number - 1 :]
    hunks = _hunks(patch)
    for hunk in hunks:
        if hunk.at < number <= hunk.end and hunk.counted != hunk.has:
            where = hunk.name([h for h in hunks if h.path == hunk.path])
            counted, has = (f"{old} and {new}" for old, new in (hunk.counted, hunk.has))
            then = f"comes {_quoted(rest[0])}" if any(rest) else "it ends"
            return f"{where}: corrupt patch: its header counts {counted} lines, old and new; after {has} {then}"
    names = _FILE.findall(b"\n".join(patch.split(b"\n")[:number]))
    where = f"{shown(names[-1].decode('utf-8', 'surrogateescape'))}: " if names else ""
    return f"{where}{reason[: found.start()]} at {_quoted(rest[0]) if any(rest) else 'its end'}"


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Lines `at` to `end` of a patch, the first of which is its header; `end` is the one that does not belong to it.

    start    where its lines are in the old file
    counted  old and new lines that the header promises
    has      those that are there
    """

    path: str
    at: int
    end: int
    start: int
    old: list[bytes]
    counted: tuple[int, int]
    has: tuple[int, int]

    def name(self, hunks: list[_Hunk]) -> str:
        """For people; `hunks` are those of its file."""
        return f"hunk {hunks.index(self) + 1} of {len(hunks)} of {shown(self.path)} (line {self.start})"


def _hunks(patch: bytes) -> list[_Hunk]:
    """The hunks of all files, as git reads them: one ends where its lines are as many as it says, or with one that is
    no line of a hunk."""
    found = []
    path = ""
    lines = patch.removesuffix(b"\n").split(b"\n")
    at = 0
    while at < len(lines):
        if (m := _HUNK.match(lines[at])) is None:
            named = _FILE.match(b"\n".join(lines[at : at + 2]))
            path = named[1].decode("utf-8", "surrogateescape") if named is not None else path
            at += 1
            continue
        counted = (int(m[2] or 1), int(m[4] or 1))
        old: list[bytes] = []
        new, end = 0, at + 1
        while (len(old), new) != counted and end < len(lines) and lines[end][:1] in (b" ", b"-", b"+", b"\\", b""):
            kind = lines[end][:1]
            if kind in (b" ", b"-", b""):
                old.append(lines[end][1:])
            new += kind in (b" ", b"+", b"")
            end += 1
        if (len(old), new) != counted and lines[end - 1] == _SIGNATURE:
            old.pop()
        found.append(_Hunk(path, at + 1, end + 1, int(m[1]), old, counted, (len(old), new)))
        at = end
    return found


def _differs(repository: Repository, tree: str, path: str, start: int, old: list[bytes]) -> str:
    """The first line that does not fit where most of the hunk does: code above it may have come or gone."""
    there = repository.file(tree, path).removesuffix(b"\n").split(b"\n")
    at = _place(there, old, start - 1)
    if at is None:
        return f"nothing in the file is like its lines, which begin with {_quoted(old[0])}"
    for number, line in enumerate(old, at):
        here = there[number] if 0 <= number < len(there) else None
        if here != line:
            if here is not None and here.split() == line.split():
                return f"line {number + 1}, {_quoted(line)}, differs in white space"
            says = "the file ends there" if here is None else f"the file has {_quoted(here)}"
            return f"line {number + 1} should be {_quoted(line)}, {says}"
    end = "beginning" if start == 1 else "end"  # git apply holds a hunk to it whose context ends there
    return f"its lines are at line {at + 1}, and should be at the {end} of the file"


def _place(there: list[bytes], old: list[bytes], start: int) -> int | None:
    """Index of the line at which most of a hunk is there, white space aside, the nearest to `start`; None where less
    than half of it is anywhere. Lines without a word, such as braces, are everywhere and do not count."""
    lines: dict[bytes, list[int]] = {}
    for number, line in enumerate(there):
        lines.setdefault(b" ".join(line.split()), []).append(number)
    words = [(number, b" ".join(line.split())) for number, line in enumerate(old) if _WORD.search(line)]
    fits = Counter({start: 0})
    for number, line in words:
        fits.update(n - number for n in lines.get(line, ()))
    best = max(fits, key=lambda at: (fits[at], -abs(at - start)))
    return best if 2 * fits[best] >= len(words) else None


def _quoted(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return shown(f"'{text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'}'")
