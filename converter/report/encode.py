"""Values as JSON bytes, whatever bytes a kernel tree has in its file names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


def value(of: Any, indent: int = 0) -> bytes:
    """`of` (dicts, lists, dataclasses) as JSON in UTF-8, compact, or with that many blanks a level.

    A byte of a file name that is not UTF-8 (surrogateescape, PEP 383) is written as its \\udcXX escape, which Python's
    json reads back as the same name.
    """
    try:
        compact = _ENCODER.encode(of)
    except UnicodeEncodeError:
        separators = (",", ": " if indent else ":")
        return json.dumps(msgspec.to_builtins(of), indent=indent or None, separators=separators).encode("ascii")
    return msgspec.json.format(compact, indent=indent) if indent else compact


def lines(of: Sequence[Any]) -> bytes:
    """Each value as `value` has it, each ended by a newline."""
    try:
        return _ENCODER.encode_lines(of)
    except UnicodeEncodeError:
        return b"".join(value(each) + b"\n" for each in of)
