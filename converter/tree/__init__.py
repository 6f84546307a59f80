"""A kernel tree as files or as a git revision: what to read, how to read it, and what is known of it from before."""

from converter.tree.entry import Entry, Reader, Tree, Unreadable
from converter.tree.problems import Problems, shown
from converter.tree.source import check_paths, open_tree

__all__ = ["Entry", "Problems", "Reader", "Tree", "Unreadable", "check_paths", "open_tree", "shown"]
