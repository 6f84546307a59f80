"""Fix-up patches: what a commit's findings ask for, where a word is all, as a mail that git am applies on top of it."""

from __future__ import annotations

from collections import defaultdict

from converter.ci.finding import Finding, Judged
from converter.convert.edits import Edit, by_line, changes
from converter.convert.lines import diff, split
from converter.tree.history import Repository

_EPOCH = "Mon Sep 17 00:00:00 2001"
"""What git format-patch writes there (git-format-patch(1))."""


def patch(repository: Repository, tree: str, judged: Judged) -> bytes:
    """The fix-up of one commit, whose tree is `tree`; b"" where no finding is mended by a word."""
    by_path: dict[str, list[Finding]] = defaultdict(list)
    for f in judged.findings:
        if f.replacement and f.replacement != f.name:
            by_path[f.path].append(f)
    parts = [part for path, found in sorted(by_path.items()) if (part := _file(repository, tree, path, found))]
    if not parts:
        return b""
    told = [f"{f.path}:{f.line}: {f.message}" for found in by_path.values() for f in found]
    return _mail(judged, told).encode("utf-8", "surrogateescape") + b"---\n" + b"".join(parts) + b"-- \npgconv\n\n"


def _file(repository: Repository, tree: str, path: str, found: list[Finding]) -> bytes:
    lines = split(repository.file(tree, path))
    edits = {Edit(f.line, f.col, f.name.encode(), (f.replacement or "").encode()) for f in found}
    return diff(path, lines, changes(lines, by_line(edits)))


def _mail(judged: Judged, told: list[str]) -> str:
    name = judged.name if len(judged.name) >= 40 else "0" * 40
    return "\n".join(
        [
            f"From {name} {_EPOCH}",
            "From: pgconv <pgconv@localhost>",
            f"Subject: [PATCH] fixup! {judged.subject}",
            "",
            *told,
            "",
        ]
    )
