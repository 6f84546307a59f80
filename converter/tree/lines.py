"""Source lines of a tree, for reports: every file is read once, and only the lines that are asked for are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from converter.tree.entry import Tree


def source_lines(tree: Tree, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
    """(path, line) -> the line without its end, for those `places` that the tree has. Lines count from 1."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for path, line in places:
        if line > 0:
            wanted[path].add(line)
    found: dict[tuple[str, int], bytes] = {}
    try:
        for entry, content in tree.reader.read_many([e for e in tree.entries if e.path in wanted]):
            if isinstance(content, bytes):
                lines = content.split(b"\n")
                numbers = (n for n in wanted[entry.path] if n <= len(lines))
                found.update(((entry.path, n), lines[n - 1].rstrip(b"\r")) for n in numbers)
    finally:
        tree.reader.close()
    return found
