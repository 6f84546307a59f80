"""Data models: what C's type names stand for on a kernel with 64-bit words (LP64), and with 32-bit words (ILP32).

The latter is the hard case of its kind: physical addresses have 64 bits (PAE on x86, LPAE on ARM), and PAGE_MASK is
signed, as it is on ARM and MIPS, so that it keeps their upper half.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from converter import data, toml
from converter.lift.ctypes import BOOL, INT, LLONG, UINT, ULLONG, CType

_NOISE = re.compile(
    r"\b(?:const|volatile|static|inline|register|extern|__always_inline|__must_check|__init|__user|__iomem|__percpu"
    r"|__force|__rcu|__read_mostly|__ro_after_init|noinline|asmlinkage|__maybe_unused|__bitwise)\b"
)
_ONE_WORD = re.compile(r"(?:unsigned|signed|long|short|int|char)(?:_(?:long|short|int|char))+")
"""As converter.lift.helpers.one_word() leaves a type."""


class _Types(toml.Entry, frozen=True):
    """typedef name -> the type that it stands for, and sizes in bytes."""

    typedef: dict[str, str]
    sizeof: dict[str, int]


class _File(_Types, frozen=True):
    """Of every data model; `ilp32` has what differs there, and sizes that hold there. `only` is as in models_of()."""

    ilp32: _Types
    only: dict[str, tuple[str, ...]]


@cache
def _file() -> _File:
    return toml.load(data.path("rules/lift/types.toml"), _File)


@dataclass(frozen=True)
class _Sizes:
    """What a model is made of: bits of long and of pointers, and the types of sizeof() and of PAGE_MASK."""

    bits: int
    size_t: str
    mask: str


class DataModel:
    """One data model. `bits`: of long and of a pointer."""

    def __init__(self, name: str, sizes: _Sizes, own: Iterable[_Types]) -> None:
        self.name = name
        self.bits = sizes.bits
        self.long, self.ulong = CType(self.bits, True, 4), CType(self.bits, False, 4)
        self._basic = {
            "bool": BOOL, "_Bool": BOOL,
            "char": CType(8, True, 1), "signed char": CType(8, True, 1), "unsigned char": CType(8, False, 1),
            "short": CType(16, True, 2), "unsigned short": CType(16, False, 2),
            "int": INT, "unsigned int": UINT, "long": self.long, "unsigned long": self.ulong,
            "long long": LLONG, "unsigned long long": ULLONG,
        }  # fmt: skip
        self._typedef: dict[str, str] = {}
        self._sizeof: dict[str, int] = {}
        for types in own:
            self._typedef |= types.typedef
            self._sizeof |= types.sizeof
        self._parsed: dict[str, CType | None] = {}
        self.size_t, self.mask = self._basic[sizes.size_t], self._basic[sizes.mask]

    @property
    def word(self) -> int:
        """sizeof(long), and of a pointer."""
        return self.bits // 8

    def parse(self, text: str) -> CType | None:
        """The type that a C type name is ("unsigned long", "pgoff_t", "struct page *"); None where it is not known."""
        if text not in self._parsed:
            self._parsed[text] = self._parse(text)
        return self._parsed[text]

    def _parse(self, text: str) -> CType | None:
        if _ONE_WORD.fullmatch(text):
            text = text.replace("_", " ")
        words = _NOISE.sub(" ", text).replace("*", " * ").split()
        depth = words.count("*")
        base = [w for w in words if w != "*"]
        if depth:
            return CType(self.bits, False, 4, pointee=self.word if depth > 1 else self.size_of(" ".join(base)) or 0)
        name = _ordered(base)
        if name in self._basic:
            return self._basic[name]
        target = self._typedef.get(name)
        return self.parse(target) if target is not None and target != name else None

    def size_of(self, name: str) -> int | None:
        """sizeof() of a type that is named; None where it is not known. void counts 1, as gcc has it."""
        name = " ".join(name.split())
        if name in ("void", ""):
            return 1
        if name in self._sizeof:
            return self._sizeof[name]
        known = self.parse(name)
        return known.size if known is not None else None

    def literal(self, text: str) -> tuple[int, CType] | None:
        """Value and type of an integer constant (C11 6.4.4.1); None for a floating one."""
        m = re.fullmatch(r"(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)([uUlL]*)", text)
        if m is None:
            return None
        digits, suffix = m[1], m[2].lower()
        plain = digits[0] != "0" or digits == "0"
        value = int(digits, 0) if plain or digits[1] in "xXbB" else int(digits, 8)
        candidates = [(INT, UINT), (self.long, self.ulong), (LLONG, ULLONG)][suffix.count("l") :]
        for signed, unsigned in candidates:
            if "u" not in suffix and signed.holds(value):
                return value, signed
            if ("u" in suffix or not plain) and unsigned.holds(value):
                return value, unsigned
        return value & (1 << 64) - 1, ULLONG


@cache
def lp64() -> DataModel:
    """64-bit words, as on x86-64."""
    return DataModel("lp64", _Sizes(64, "unsigned long", "unsigned long"), [_file()])


@cache
def ilp32() -> DataModel:
    """32-bit words and 64-bit physical addresses."""
    common = _Types(_file().typedef, {})
    return DataModel("ilp32", _Sizes(32, "unsigned int", "int"), [common, _file().ilp32])


@cache
def models_of(path: str) -> tuple[DataModel, ...]:
    """The data models of kernels that a file of the tree can be a part of."""
    known = {m.name: m for m in (lp64(), ilp32())}
    for pattern, names in _file().only.items():
        if re.search(pattern, path):
            return tuple(known[n] for n in names)
    return tuple(known.values())


def _ordered(words: list[str]) -> str:
    """unsigned long int, long unsigned: one spelling of each basic type."""
    if not words or any(w not in ("unsigned", "signed", "long", "int", "short", "char") for w in words):
        return " ".join(words)
    kind = "char" if "char" in words else "short" if "short" in words else " ".join(["long"] * words.count("long"))
    sign = "unsigned " if "unsigned" in words else "signed " if "signed" in words and kind == "char" else ""
    return sign + (kind or "int")
