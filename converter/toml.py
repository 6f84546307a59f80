"""TOML files under rules/, checked when loaded: an error names file, entry and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import tomli

from converter.errors import RulesError

T = TypeVar("T")

_PLACE = re.compile(r" - at `\$(?:\.(\w+))?(?:\[(\d+)\])?(.*)`$")
_FIELD = re.compile(r"(?:unknown|required) field `(\w+)`")
_VALUE = re.compile(r"Invalid enum value '(.*)'")
_SYNTAX = re.compile(r" \(at line (\d+), column \d+\)$")


def load(path: Path, kind: type[T]) -> T:
    """The file as a `kind` (a msgspec struct). Raises RulesError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {_reason(error)}") from error
    try:
        raw = tomli.loads(text)  # compiled: every run reads all rules
        return msgspec.convert(raw, kind)
    except tomli.TOMLDecodeError as error:
        place = _SYNTAX.search(str(error))
        line = f":{place[1]}" if place else ""
        raise RulesError(f"{path}{line}: not TOML: {_SYNTAX.sub('', str(error))}") from error
    except msgspec.ValidationError as error:
        raise RulesError(f"{path}:{_explained(text, raw, str(error))}") from error


def _explained(text: str, raw: dict[str, Any], message: str) -> str:
    """`line: entry: what is wrong` for an error of msgspec (`Expected ... - at `$.function[3].params``)."""
    place = _PLACE.search(message)
    table, index, below = (place[1] or "", place[2], place[3].removeprefix(".")) if place else ("", None, "")
    entry = raw[table][int(index)] if index is not None else None
    name = (entry.get("id") or entry.get("name")) if isinstance(entry, dict) else None
    parts = [str(name)] if name else [table] if table else []
    if below and not below.startswith("["):
        parts.append(below)
    field, value = _FIELD.search(message), _VALUE.search(message)
    searched = field[1] if field else re.split(r"[\[.]", below)[-1]
    line = _line(text, table, index, searched, value[1] if value else "")
    return f"{line}: {': '.join([*parts, _PLACE.sub('', message)])}"


def _line(text: str, table: str, index: str | None, field: str, value: str) -> int:
    """The line on which an entry sets `field` to `value`, else that where the entry begins; without `table`, the
    line that begins the table `field`."""
    lines = text.splitlines()
    heads = [i for i, line in enumerate(lines) if re.match(rf"\[+ *{re.escape(table or field)}\b", line)]
    first = int(index) if index is not None and int(index) < len(heads) else 0
    begin, *after = heads[first:] or [0]
    if not table or not field:
        return begin + 1
    asked = re.compile(rf"\b{re.escape(field)} *=.*{re.escape(value)}")
    end = after[0] if index is not None and after else len(lines)
    return next((i for i in range(begin, end) if asked.search(lines[i])), begin) + 1


def at(path: Path, table: str, index: int) -> str:
    """`path:line` of the entry number `index` (from 0) of an array of tables, for errors found after loading."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = [i for i, line in enumerate(lines, 1) if line.strip().startswith(f"[[{table}]]")]
    return f"{path}:{heads[index] if index < len(heads) else 1}"


def at_key(path: Path, table: str, key: str) -> str:
    """`path:line` of a key of a table, for errors found after loading."""
    return f"{path}:{_line(path.read_text(encoding='utf-8'), table, None, key, '')}"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all rule entries: a misspelt field is an error, not a rule that never applies."""


Table = dict[str, Any]


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else f"not UTF-8: {error.reason}"
