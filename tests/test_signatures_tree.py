"""Every seed of rules/signatures names something that Linux 6.12 has, where it says, in the shape it says."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

RULES = Path(__file__).resolve().parent.parent / "rules"
SIGNATURES = RULES / "signatures"
KINDS = ("function", "field", "global", "macro", "op")
SCHEME = tomllib.loads((RULES / "schemes" / "pte-pg.toml").read_text(encoding="utf-8"))
UNIT_OF = (
    {"pte": "pte", "pg": "pg"}
    | SCHEME["dimensions"]
    | {key: choice["unit"] for key, choice in SCHEME["policy"].items()}
)
"""What each dimension, or policy key, comes out as in the pte-pg scheme."""
PLAIN = {"byte", "order", "shift", "scalar", "-"}
VOCABULARY = tomllib.loads((RULES / "vocabulary.toml").read_text(encoding="utf-8"))["name"]
FAMILY = re.compile(rf"\b(?:{'|'.join(name['name'] for name in VOCABULARY if name['family'])})\b")
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)

Entry = dict[str, Any]


def load() -> Iterator[tuple[str, str, Entry]]:
    """(file name, kind, entry) of every seed, in file order."""
    for path in sorted(SIGNATURES.glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        document.pop("role", None)  # of all entries
        for kind in document:
            for entry in document[kind]:
                yield path.name, kind, entry


ENTRIES = list(load())


def label(kind: str, entry: Entry) -> str:
    """The C name of an entry: `name`, or `struct.member` of a field or an op."""
    member = entry.get("field") if kind == "op" else entry.get("name")
    return f"{entry['struct']}.{member}" if "struct" in entry else str(member)


def units(entry: Entry) -> list[str]:
    return [*entry.get("params", []), *(entry[key] for key in ("returns", "unit") if key in entry)]


def code(text: str) -> str:
    """C text with comments blanked, strings emptied and continued lines joined."""
    blank = COMMENT_OR_STRING.sub(lambda m: '""' if m[0].startswith('"') else "\n" * m[0].count("\n") + " ", text)
    return blank.replace("\\\n", " ")


def parenthesised(text: str, start: int) -> str:
    """The text between the parenthesis at `start` and its partner; empty if there is none."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + 1 : at]
    return ""


def arity(parameters: str) -> int:
    """Named parameters of a list, `...` not counted."""
    depth, items = 0, [""]
    for char in parameters:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            items.append("")
        else:
            items[-1] += char
    named = [item.strip() for item in items]
    return sum(item not in ("", "void", "...") for item in named)


def function_arities(text: str, name: str) -> set[int]:
    """Parameter counts of the declarations, definitions and function-like macros of `name`."""
    found: set[int] = set()
    for match in re.finditer(rf"\b{name}[ \t\n]*\(", text):
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        declared = before == "" or re.fullmatch(r"(?!return\b|else\b)[A-Za-z_][\w \t*(),\"]*", before)
        if declared and not before.rstrip().endswith((",", "(")):
            found.add(arity(parenthesised(text, match.end() - 1)))
    for match in re.finditer(rf"^[ \t]*#[ \t]*define[ \t]+{name}(\(([^)]*)\))?[ \t]*([^\n]*)", text, re.M):
        if match[1] is None:
            alias = re.match(r"\w+", match[3])
            if alias and alias[0] != name:
                found |= function_arities(text, alias[0])
        elif match[2].strip() == "...":
            wrapped = re.search(r"(\w+)\(__VA_ARGS__", match[3])
            found |= function_arities(text, wrapped[1]) if wrapped else set()
        else:
            found.add(arity(match[2]))
    return found


def has_object_macro(text: str, name: str) -> bool:
    return re.search(rf"^[ \t]*#[ \t]*define[ \t]+{name}(?![\w(])", text, re.M) is not None


def has_global(text: str, name: str) -> bool:
    pattern = rf"^[A-Za-z_][^\n;=(){{}}]*\b{name}\b(?:\[[^\]\n]*\])*[ \t]*(?:;|=|,|__\w+)"
    return re.search(pattern, text, re.M) is not None


def struct_bodies(text: str, struct: str) -> Iterator[str]:
    for match in re.finditer(rf"\b(?:struct|union)\s+{struct}\s*(?=\{{)", text):
        yield parenthesised(text, match.end())


def has_field(text: str, struct: str, name: str) -> bool:
    declarator = re.compile(rf"\b{name}\s*(?:\[[^\]]*\]\s*)*(?:;|,|:|__\w+)")
    return any(declarator.search(body) for body in struct_bodies(text, struct))


def op_arities(text: str, struct: str, name: str) -> set[int]:
    pointer = re.compile(rf"\(\s*\*\s*(?:const\s+)?{name}\s*\)\s*\(")
    return {
        arity(parenthesised(body, match.end() - 1))
        for body in struct_bodies(text, struct)
        for match in pointer.finditer(body)
    }


def complaint(text: str, kind: str, entry: Entry) -> str | None:
    """What is wrong with an entry against the code of its header; None if nothing is."""
    name, wanted = str(entry["field" if kind == "op" else "name"]), len(entry.get("params", []))
    found: set[int] = set()
    match kind:
        case "field":
            return None if has_field(text, entry["struct"], name) else "no such field"
        case "global":
            return None if has_global(text, name) else "no such global"
        case "macro" if "unit" in entry:
            return None if has_object_macro(text, name) else "no such object-like macro"
        case "op":
            found = op_arities(text, entry["struct"], name)
        case _:
            found = function_arities(text, name)
    if not found:
        return "not declared there"
    return None if wanted in found else f"has {sorted(found)} parameters, not {wanted}"


@cache
def source(path: Path) -> str:
    return code(path.read_text(encoding="utf-8", errors="replace"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_seed_exists_in_its_header(kernel: Path, kind: str) -> None:
    wrong = {}
    for file, of_kind, entry in ENTRIES:
        header = kernel / entry["header"]
        if of_kind == kind:
            said = complaint(source(header), kind, entry) if header.is_file() else "no such file"
            if said:
                wrong[f"{file}: {label(kind, entry)} ({entry['header']})"] = said
    assert wrong == {}


def test_there_are_at_least_400_seeds() -> None:
    assert len(ENTRIES) >= 400


def test_no_quantity_is_seeded_twice() -> None:
    names = Counter((("op" if kind == "op" else "field") if "struct" in entry else "name", label(kind, entry))
                    for _, kind, entry in ENTRIES)  # fmt: skip
    assert [name for name, times in names.items() if times > 1] == []


def test_every_kind_and_unit_is_known() -> None:
    wrong = []
    for file, kind, entry in ENTRIES:
        for unit in units(entry):
            equal = unit.startswith("=") and unit[1:].isdigit() and int(unit[1:]) < len(entry.get("params", []))
            if kind not in KINDS or not (equal or unit in PLAIN or unit.removeprefix("byte/") in UNIT_OF):
                wrong.append((file, label(kind, entry), unit))
    assert wrong == []


def test_every_seed_says_something() -> None:
    silent = [
        label(kind, entry) for _, kind, entry in ENTRIES if set(units(entry)) <= {"-"} or not entry["why"].strip()
    ]
    assert silent == []


def test_every_example_holds_the_uses_it_expects() -> None:
    wrong = [
        label(kind, entry)
        for _, kind, entry in ENTRIES
        if not entry["expect"] or len(FAMILY.findall(entry["example"])) != len(entry["expect"])
    ]
    assert wrong == []


def test_every_example_expects_units_that_the_entry_names() -> None:
    wrong = []
    for _, kind, entry in ENTRIES:
        named = {unit.removeprefix("byte/") for unit in units(entry)}
        possible = {UNIT_OF[unit] for unit in named & set(UNIT_OF)} | ({"pg"} if "order" in named else set())
        # An entry that passes a unit on, or names none, leaves the use with the unit that its other end gives it.
        passed_on = any(unit.startswith("=") for unit in named) or named <= PLAIN - {"order"}
        if not set(entry["expect"]) <= (set(UNIT_OF.values()) if passed_on else possible):
            wrong.append((label(kind, entry), entry["expect"]))
    assert wrong == []
