"""Which file had which content when it was last read, so that an unchanged tree need not be read again."""

from collections.abc import Mapping

import msgspec

from converter.tree.entry import Tree

GRANULE = 2_000_000_000
"""ns: the coarsest time stamp of a file system in use (FAT, 2 s)."""


class _Rows(msgspec.Struct, array_like=True):
    """Columns, as they decode fastest. Paths are joined by NUL, digests (20 bytes each) by nothing."""

    listed_ns: int
    paths: bytes
    stamps: list[tuple[int, int, int, int]]
    digests: bytes


_DECODER = msgspec.msgpack.Decoder(_Rows)


def pack(tree: Tree, digests: Mapping[str, str]) -> bytes:
    """The stamps of the tree's files with their digests; files without a digest are left out."""
    known = [(entry.path, entry.stamp, digest) for entry in tree.entries if (digest := digests.get(entry.path))]
    rows = _Rows(
        tree.listed_ns,
        "\0".join(path for path, _, _ in known).encode("utf-8", "surrogateescape"),
        [stamp for _, stamp, _ in known],  # type: ignore[misc]
        bytes.fromhex("".join(digest for _, _, digest in known)),
    )
    return msgspec.msgpack.encode(rows)


def unpack(data: bytes, tree: Tree) -> dict[str, str]:
    """The digests of those files of the tree that are what they were when `data` was packed; raises ValueError.

    A file whose times are not older than the listing is no proof: it may have changed after it was read without getting
    a new stamp (git's "racy" entries, Documentation/technical/racy-git.txt).
    """
    rows = _DECODER.decode(data)
    paths = rows.paths.decode("utf-8", "surrogateescape").split("\0") if rows.stamps else []
    text = rows.digests.hex()
    if not len(paths) == len(rows.stamps) == len(text) / 40:
        raise ValueError("columns of different length")
    horizon = rows.listed_ns - GRANULE
    stamps = dict(zip(paths, zip(rows.stamps, range(0, len(text), 40), strict=True), strict=True))
    known: dict[str, str] = {}
    for entry in tree.entries:
        row = stamps.get(entry.path)
        if row is not None and row[0] == entry.stamp and row[0][1] < horizon and row[0][2] < horizon:
            known[entry.path] = text[row[1] : row[1] + 40]
    return known
