"""TOML files under rules/, checked when loaded: an error names file, entry and line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from converter.errors import RulesError

T = TypeVar("T")


def load(path: Path, kind: type[T]) -> T:
    """The file as a `kind` (a msgspec struct). Raises RulesError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {_reason(error)}") from error
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise RulesError(f"{path}:{_line(text, str(error))}: {error}") from error


def _line(text: str, message: str) -> int:
    """The line of the entry that a msgspec error speaks of (`$.function[3].params`)."""
    m = re.search(r"`\$\.(\w+)(?:\[(\d+)\]|\[\.\.\.\]|\.(\w+))?", message)
    if m is None:
        return 1
    table, number, key = m.group(1), m.group(2), m.group(3)
    heads = [i for i, line in enumerate(text.splitlines(), 1) if re.match(rf"\[\[?{re.escape(table)}\b", line)]
    if number is not None and int(number) < len(heads):
        return heads[int(number)]
    if key is not None:
        for i, line in enumerate(text.splitlines(), 1):
            if re.match(rf"\[{re.escape(table)}\.{re.escape(key)}\]|{re.escape(key)}\s*=", line):
                return i
    return heads[0] if heads else 1


def at(path: Path, table: str, index: int) -> str:
    """`path:line` of the entry number `index` (from 0) of an array of tables, for errors found after loading."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = [i for i, line in enumerate(lines, 1) if line.strip().startswith(f"[[{table}]]")]
    return f"{path}:{heads[index] if index < len(heads) else 1}"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all rule entries: a misspelt field is an error, not a rule that never applies."""


Table = dict[str, Any]


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else f"not UTF-8: {error.reason}"
