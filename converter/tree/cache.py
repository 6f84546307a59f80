"""What earlier scans found, by content: never trusted over the source, and never in the way of a scan."""

from collections.abc import Mapping

from converter.tree.entry import Tree


def open_cache(enabled: bool = True) -> "Cache":
    """The cache below XDG_CACHE_HOME/pgconv; one that keeps nothing where that cannot be had, or not `enabled`."""
    return Cache()


class Cache:
    """Values by (kind, key, digest). Every method works, and finds nothing, on a cache that cannot be used.

    kind    what the value is ("sites")
    key     all that the value depends on besides the content: digest of the rules, version of the tool, scheme
    digest  of the content, in hex (entry.blob_id() of a file)
    """

    warnings: tuple[str, ...] = ()

    def digests(self, tree: Tree) -> dict[str, str]:
        """path -> digest for every entry whose digest is known without reading it (all, in a git revision)."""
        return {}

    def remember_digests(self, tree: Tree, digests: Mapping[str, str]) -> None:
        """Keep the digests of the tree's files, path -> digest; replaces what was kept for this tree."""

    def get_many(self, kind: str, key: str, digests: "list[str]") -> dict[str, bytes]:
        """digest -> value, for those that are kept."""
        return {}

    def put_many(self, kind: str, key: str, values: Mapping[str, bytes]) -> None:
        """Keep digest -> value, all or nothing."""

    def get_one(self, kind: str, key: str, digest: str) -> bytes | None:
        """One value; `digest` may be tree_digest() of a whole tree."""
        return None

    def put_one(self, kind: str, key: str, digest: str, value: bytes) -> None:
        """Keep one value."""

    def clear(self) -> None:
        """Forget everything."""

    def close(self) -> None:
        """Finish: prune what was not used for longest, when there is too much."""
