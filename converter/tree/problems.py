"""Trouble with single files: counted by kind, one line for each kind, however many files there are."""

from collections.abc import Mapping

_ESCAPES = {
    0x07: "\\a",
    0x08: "\\b",
    0x09: "\\t",
    0x0A: "\\n",
    0x0B: "\\v",
    0x0C: "\\f",
    0x0D: "\\r",
    0x22: '\\"',
    0x5C: "\\\\",
}


def shown(path: str) -> str:
    """A path as it can be printed on one line of a terminal: quoted as git does it (core.quotePath) where need be."""
    if path and path.isprintable() and not path.startswith('"'):
        return path
    text = []
    for char in path:
        if char.isprintable() and char not in '"\\':
            text.append(char)
            continue
        for byte in char.encode("utf-8", "surrogateescape"):
            text.append(_ESCAPES.get(byte) or f"\\{byte:03o}")
    return f'"{"".join(text)}"'


def spelled(path: str) -> str:
    """A path as text that UTF-8 can hold: a byte that is not UTF-8 is written out, as \\xff."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Problems:
    """Counts problems by what is wrong and keeps the first path of each by name: directories have no order."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._count: dict[str, int] = {}

    def add(self, what: str, path: str) -> None:
        """One more `what` (a short phrase, "directory not read: Permission denied") at `path`."""
        self._first[what] = min(path, self._first.get(what, path))
        self._count[what] = self._count.get(what, 0) + 1

    def found(self) -> dict[str, tuple[str, int]]:
        """What is wrong -> first path, number of files."""
        return {what: (self._first[what], count) for what, count in self._count.items()}

    def merge(self, found: Mapping[str, tuple[str, int]]) -> None:
        """Add what was found elsewhere."""
        for what, (path, count) in found.items():
            self._first[what] = min(path, self._first.get(what, path))
            self._count[what] = self._count.get(what, 0) + count

    def lines(self) -> tuple[str, ...]:
        """One line a kind, by first path: "mm/x.c: cannot be read (and 3 more)"."""
        return tuple(
            f"{shown(self._first[what])}: {what}" + (f" (and {count - 1} more)" if count > 1 else "")
            for what, count in sorted(self._count.items(), key=lambda item: (self._first[item[0]], item[0]))
        )

    def __len__(self) -> int:
        return sum(self._count.values())
