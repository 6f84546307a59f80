"""Text for people on a terminal: no line passes its right edge.

In a pipe or a file each line stays whole, for there a line is what grep(1) finds. Formats for programs and diffs never
come here.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from typing import TextIO

NARROWEST = 80
"""Columns that tables are laid out for: on a narrower terminal nothing is cut up further."""

_LEAD = re.compile(r" *")
_LABEL = re.compile(r" *(?:\d+\.|[^ :]+ ) +(?=[^ ])")
_HANG = 4


def columns(stream: TextIO) -> int | None:
    """The width of the terminal that a stream writes to (COLUMNS, else its size); None where it writes to none."""
    return max(NARROWEST, shutil.get_terminal_size().columns) if stream.isatty() else None


def fit(line: str, width: int) -> list[str]:
    """A line as lines of at most `width` columns; what follows the first stands below its text.

    A word (a path, an identifier) is never cut, so one that is longer stands out.
    """
    if len(line) <= width:
        return [line]
    lead = len(_LEAD.match(line)[0])  # type: ignore[index]
    label = _LABEL.match(line)
    below = len(label[0]) if label is not None and len(label[0]) <= width // 2 else lead + _HANG
    return textwrap.wrap(
        line, width, subsequent_indent=" " * below, break_long_words=False, break_on_hyphens=False,
        expand_tabs=False, replace_whitespace=False,
    )  # fmt: skip


def fitted(text: str, stream: TextIO) -> str:
    """Text whose lines fit the terminal that `stream` writes to; as it is where it writes to none."""
    width = columns(stream)
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in fit(line, width))
