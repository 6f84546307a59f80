"""C's integer types on x86-64 (LP64): promotions and the usual arithmetic conversions (C11 6.3.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from converter import data, toml


@dataclass(frozen=True, slots=True)
class CType:
    """An integer type, or a pointer: `pointee` is the size in bytes of what it points to (0: not known).

    `rank` orders types of one width: long is above int, and long long above long.
    """

    bits: int
    signed: bool
    rank: int = 0
    pointee: int | None = None

    @property
    def name(self) -> str:
        """The name of its numpy conversion in converter.lift.runtime."""
        return f"{'i' if self.signed else 'u'}{self.bits}"

    @property
    def size(self) -> int:
        return self.bits // 8

    @property
    def pointer(self) -> bool:
        return self.pointee is not None

    def holds(self, value: int) -> bool:
        low = -(1 << (self.bits - 1)) if self.signed else 0
        return low <= value < low + (1 << self.bits)


INT = CType(32, True, 3)
UINT = CType(32, False, 3)
LONG = CType(64, True, 4)
ULONG = CType(64, False, 4)
LLONG = CType(64, True, 5)
ULLONG = CType(64, False, 5)
POINTER = CType(64, False, 4, pointee=1)

BASIC = {
    "bool": CType(8, False, 0), "_Bool": CType(8, False, 0),
    "char": CType(8, True, 1), "signed char": CType(8, True, 1), "unsigned char": CType(8, False, 1),
    "short": CType(16, True, 2), "unsigned short": CType(16, False, 2),
    "int": INT, "unsigned int": UINT, "long": LONG, "unsigned long": ULONG,
    "long long": LLONG, "unsigned long long": ULLONG,
}  # fmt: skip
BOOL = BASIC["bool"]

_NOISE = re.compile(
    r"\b(?:const|volatile|static|inline|register|extern|__always_inline|__must_check|__init|__user|__iomem|__percpu"
    r"|__force|__rcu|__read_mostly|__ro_after_init|noinline|asmlinkage|__maybe_unused|__bitwise)\b"
)


_ONE_WORD = re.compile(r"(?:unsigned|signed|long|short|int|char)(?:_(?:long|short|int|char))+")
"""As converter.lift.helpers.one_word() leaves a type."""


class _Types(toml.Entry, frozen=True):
    """typedef name -> the type that it stands for on x86-64."""

    typedef: dict[str, str]
    sizeof: dict[str, int]


@cache
def _file() -> _Types:
    return toml.load(data.path("rules/lift/types.toml"), _Types)


@cache
def parse(text: str) -> CType | None:
    """The type that a C type name is ("unsigned long", "pgoff_t", "struct page *"); None where it is not known."""
    if _ONE_WORD.fullmatch(text):
        text = text.replace("_", " ")
    words = _NOISE.sub(" ", text).replace("*", " * ").split()
    depth = words.count("*")
    base = [w for w in words if w != "*"]
    if depth:
        return CType(64, False, 4, pointee=8 if depth > 1 else size_of(" ".join(base)) or 0)
    name = _ordered(base)
    if name in BASIC:
        return BASIC[name]
    target = _file().typedef.get(name)
    return parse(target) if target is not None and target != name else None


def size_of(name: str) -> int | None:
    """sizeof() of a type that is named; None where it is not known. void counts 1, as gcc has it."""
    name = " ".join(name.split())
    if name in ("void", ""):
        return 1
    if name in _file().sizeof:
        return _file().sizeof[name]
    known = parse(name)
    return known.size if known is not None else None


def _ordered(words: list[str]) -> str:
    """unsigned long int, long unsigned: one spelling of each basic type."""
    if not words or any(w not in ("unsigned", "signed", "long", "int", "short", "char") for w in words):
        return " ".join(words)
    kind = "char" if "char" in words else "short" if "short" in words else " ".join(["long"] * words.count("long"))
    sign = "unsigned " if "unsigned" in words else "signed " if "signed" in words and kind == "char" else ""
    return sign + (kind or "int")


def promoted(t: CType) -> CType:
    """The integer promotions: what is narrower than int becomes int."""
    return INT if not t.pointer and t.bits < INT.bits else t


def common(a: CType, b: CType) -> CType:
    """The usual arithmetic conversions."""
    a, b = promoted(a), promoted(b)
    if a.pointer or b.pointer:
        return ULONG
    if a.signed == b.signed:
        return a if (a.bits, a.rank) >= (b.bits, b.rank) else b
    unsigned, signed = (b, a) if a.signed else (a, b)
    if (unsigned.bits, unsigned.rank) >= (signed.bits, signed.rank):
        return unsigned
    if signed.bits > unsigned.bits:
        return signed
    return CType(signed.bits, False, signed.rank)


def literal(text: str) -> tuple[int, CType] | None:
    """Value and type of an integer constant (C11 6.4.4.1); None for a floating one."""
    m = re.fullmatch(r"(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)([uUlL]*)", text)
    if m is None:
        return None
    digits, suffix = m[1], m[2].lower()
    plain = digits[0] != "0" or digits == "0"
    value = int(digits, 0) if plain or digits[1] in "xXbB" else int(digits, 8)
    longs = suffix.count("l")
    candidates = [(INT, UINT), (LONG, ULONG), (LLONG, ULLONG)][longs:]
    for signed, unsigned in candidates:
        if "u" not in suffix and signed.holds(value):
            return value, signed
        if ("u" in suffix or not plain) and unsigned.holds(value):
            return value, unsigned
    return (value & (1 << 64) - 1), ULLONG
