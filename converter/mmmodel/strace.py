"""Reads the log of `strace -f`: which process made which system call, with which arguments, and what came back.

Source: strace(1). Understood: process numbers as `-o FILE` and as a terminal write them, times (-r, -t, -tt, -ttt, -T),
descriptor paths (-y), instruction pointers (-i), calls that were interrupted and resumed, signals, exits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from converter.errors import InputError

_PID = re.compile(r"(?:\[pid\s+(\d+)\]|(\d+))\s+")
_PREFIX = re.compile(
    r"(?:(?:\d\d:\d\d:\d\d(?:\.\d+)?|\d+\.\d+)\s+)?"  # -t, -tt, -ttt, -r
    r"(?:\(\+\s*\d+\.\d+\)\s+)?"  # -r together with -t
    r"(?:\[\s*[0-9a-f?]+\]\s+)*"  # -n, -i
)
_BEGUN = re.compile(r"(\w+)\((.*)<unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)$")
_WHOLE = re.compile(
    r"(\w+)\((.*)\)\s+=\s+"
    r"(\?|0x[0-9a-f]+|-?\d+)(?:<.*?>+)?"  # the result, with -y the path of a new descriptor
    r"(?:\s+(E[A-Z0-9]+)\b)?"
    r"(?:\s+\(.*\))?(?:\s+<[\d.]+>)?$"  # what it means, and with -T how long it took
)
_ENDED = re.compile(r"\+\+\+ (?:exited with|killed by) .*\+\+\+$")
_IGNORED = re.compile(
    r"--- .*|\+\+\+ superseded by execve .*"
    r"|strace: .*|\[ Process PID=.*"
    r"|> .*|"  # -k: a line of a stack trace; or nothing
)
_ATTACHED = re.compile(r"strace: Process (\d+) attached$")  # on a terminal it may stand in the middle of a call
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)(?:<(.*)>)?$")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that has returned. result is None where strace could not tell ("?"); errno is a name or None."""

    source: str
    line: int  # where it began
    pid: int  # 0 for the process that strace started, where the log leaves its number out
    name: str
    args: tuple[str, ...]
    result: int | None
    errno: str | None

    def fail(self, position: int, field: str, why: str) -> InputError:
        """The error for an argument that cannot be used."""
        given = self.args[position] if position < len(self.args) else "missing"
        return InputError(f"{self.source}:{self.line}: {self.name}: {field} {given!r}: {why}")

    def text(self, position: int, field: str) -> str:
        """An argument as it stands in the log. Raises InputError if there is none."""
        if position >= len(self.args):
            raise self.fail(position, field, f"only {len(self.args)} arguments")
        return self.args[position]

    def number(self, position: int, field: str) -> int:
        """An address, length or offset; NULL is 0. Raises InputError."""
        text = self.text(position, field).split(" /*")[0]
        try:
            return 0 if text == "NULL" else int(text, 0)
        except ValueError:
            raise self.fail(position, field, "not a number") from None

    def flags(self, position: int, field: str, names: Mapping[str, int]) -> int:
        """Names joined by |, or numbers, as bits. Raises InputError for a name that `names` does not have."""
        bits = 0
        for part in self.text(position, field).split(" /*")[0].split("|"):
            try:
                bits |= names[part] if part in names else int(part, 0)
            except ValueError:
                raise self.fail(position, field, f"unknown flag {part}") from None
        return bits

    def descriptor(self, position: int, field: str) -> tuple[int, str | None]:
        """A file descriptor, and with -y its path. Raises InputError."""
        found = _DESCRIPTOR.match(self.text(position, field))
        if found is None:
            raise self.fail(position, field, "not a file descriptor")
        return (-1 if found[1] == "AT_FDCWD" else int(found[1])), found[2]

    def path(self, position: int, field: str) -> str:
        """A quoted path. Raises InputError."""
        text = self.text(position, field)
        if not _QUOTED.match(text):
            raise self.fail(position, field, "not a quoted path")
        return text[1:].rpartition('"')[0]


@dataclass(frozen=True, slots=True)
class Exit:
    """A process is gone."""

    line: int
    pid: int


def parse(text: str, source: str) -> Iterator[Call | Exit]:
    """What the log tells, in its order; an interrupted call counts where it returned, and not at all if it never did.

    Raises InputError with the line where one cannot be read.
    """
    processes = _Processes()
    begun: dict[int, tuple[int, str, str]] = {}
    for number, line in _whole_lines(text):
        given, body = _head(line)
        if found := _ATTACHED.match(body):
            processes.attached(int(found[1]))
            continue
        pid = processes.of(given)
        if found := _BEGUN.match(body):
            begun[pid] = (number, found[1], found[2])
            continue
        start = number
        if found := _RESUMED.match(body):
            if pid not in begun or begun[pid][1] != found[1]:
                raise InputError(f"{source}:{number}: {found[1]} resumed, but process {pid} was not in that call")
            start, name, head = begun.pop(pid)
            body = f"{name}({head.rstrip()}{found[2]}"
        if found := _WHOLE.match(body):
            name, args, result, errno = found.groups()
            value = None if result == "?" else int(result, 0)
            yield Call(source, start, pid, name, tuple(_split(args)), value, errno)
        elif _ENDED.match(body):
            begun.pop(pid, None)
            processes.ended(pid)
            yield Exit(number, pid)
        elif not _IGNORED.fullmatch(body):
            raise InputError(f"{source}:{number}: not a line of an strace log: {_clipped(line)}")


class _Processes:
    """Whose line it is where strace leaves the number out: on a terminal it does while only one process is traced."""

    def __init__(self) -> None:
        self._first = 0  # the number of the process that strace started, once a line tells it
        self._children: set[int] = set()
        self._live: set[int] = {0}

    def attached(self, pid: int) -> None:
        self._children.add(pid)
        self._live.add(pid)

    def ended(self, pid: int) -> None:
        self._live.discard(pid)

    def of(self, given: int | None) -> int:
        """The process, with 0 for the one that strace started if the log began without its number."""
        if given is None:
            return next(iter(self._live)) if len(self._live) == 1 else 0
        if self._children and not self._first and given not in self._children:
            self._first = given
        return 0 if given == self._first else given


def _whole_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; a message that broke into a call comes first, and the call is whole again."""
    broken = ""
    for number, line in enumerate(text.splitlines(), 1):
        whole, broken = broken + line.rstrip(), ""
        found = _ATTACHED.search(whole)
        if found and found.start():
            broken, whole = whole[: found.start()], found[0]
        yield number, whole


def _head(line: str) -> tuple[int | None, str]:
    """The process number, if the line has one, and what follows it and the times."""
    pid = None
    if found := _PID.match(line):
        pid = int(found[1] or found[2])
        line = line[found.end() :]
    line = line.lstrip()
    prefix = _PREFIX.match(line)
    return pid, line[prefix.end() :] if prefix else line


def _split(args: str) -> Iterator[str]:
    """Arguments at the commas that no quote, bracket or descriptor path encloses."""
    depth = start = at = 0
    while at < len(args):
        character = args[at]
        if character == '"' and (quoted := _QUOTED.match(args, at)):
            at = quoted.end()
            continue
        if character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        elif character == "," and depth <= 0:
            yield args[start:at].strip()
            start = at + 1
        at += 1
    if last := args[start:].strip():
        yield last


def _clipped(line: str) -> str:
    return repr(line if len(line) <= 48 else f"{line[:45]}...")
