"""Which file had which content when it was last read, so that an unchanged tree need not be read again."""

from collections.abc import Mapping

import msgspec

from converter.tree.entry import Tree

GRANULE = 2_000_000_000
"""ns: the coarsest time stamp of a file system in use (FAT, 2 s)."""


class _Rows(msgspec.Struct, array_like=True):
    """Columns, as they decode fastest. Paths are joined by NUL, digests (20 bytes each) by nothing."""

    paths: bytes
    stamps: list[tuple[int, int, int, int]]
    digests: bytes


_DECODER = msgspec.msgpack.Decoder(_Rows)


def pack(tree: Tree, digests: Mapping[str, str]) -> bytes:
    """The stamps of the tree's files with their digests; files without a digest are left out.

    So is a file whose times are not older than the listing: it may have changed after it was read without getting a new
    stamp (git's "racy" entries, Documentation/technical/racy-git.txt).
    """
    horizon = tree.listed_ns - GRANULE
    known = [
        (path, stamp, digests[path])
        for path, _, stamp, _ in tree.entries
        if path in digests and stamp[1] < horizon and stamp[2] < horizon
    ]
    rows = _Rows(
        "\0".join(path for path, _, _ in known).encode("utf-8", "surrogateescape"),
        [stamp for _, stamp, _ in known],  # type: ignore[misc]
        bytes.fromhex("".join(digest for _, _, digest in known)),
    )
    return msgspec.msgpack.encode(rows)


def unpack(data: bytes, tree: Tree) -> dict[str, str]:
    """The digests of those files of the tree that are what they were when `data` was packed; raises ValueError."""
    rows = _DECODER.decode(data)
    paths = rows.paths.decode("utf-8", "surrogateescape").split("\0") if rows.stamps else []
    text = rows.digests.hex()
    if not len(paths) == len(rows.stamps) == len(text) / 40:
        raise ValueError("columns of different length")
    digests = [text[at : at + 40] for at in range(0, len(text), 40)]
    if paths == [entry.path for entry in tree.entries]:  # nearly always
        rows_of = zip(tree.entries, rows.stamps, digests, strict=True)
        return {path: digest for (path, _, stamp, _), was, digest in rows_of if stamp == was}
    at_path = dict(zip(paths, zip(rows.stamps, digests, strict=True), strict=True))
    found = ((path, stamp, at_path.get(path)) for path, _, stamp, _ in tree.entries)
    return {path: row[1] for path, stamp, row in found if row is not None and row[0] == stamp}
