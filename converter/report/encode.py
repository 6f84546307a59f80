"""Values as JSON bytes, whatever bytes a kernel tree has in its file names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


def value(of: Any) -> bytes:
    """`of` (dicts, lists, dataclasses) as compact JSON in UTF-8.

    A byte of a file name that is not UTF-8 (surrogateescape, PEP 383) is written as its \\udcXX escape, which Python's
    json reads back as the same name.
    """
    try:
        return _ENCODER.encode(of)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(of), separators=(",", ":")).encode("ascii")


def lines(of: Sequence[Any]) -> bytes:
    """Each value as `value` has it, each ended by a newline."""
    try:
        return _ENCODER.encode_lines(of)
    except UnicodeEncodeError:
        return b"".join(value(each) + b"\n" for each in of)
