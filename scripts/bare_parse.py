"""The yardstick of `make bench`: tree-sitter-c parses the files named on standard input, whole, by two processes."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_c

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


def parse(path: str) -> int:
    """The number of bytes of the file's syntax tree: proof that there is one."""
    return _PARSER.parse(Path(path).read_bytes()).root_node.end_byte


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(sum(pool.imap_unordered(parse, sys.stdin.read().splitlines(), chunksize=16)))
