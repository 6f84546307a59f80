"""C's integer types, promotions and the usual arithmetic conversions (C11 6.3.1)."""

from __future__ import annotations

from dataclasses import dataclass


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
LLONG = CType(64, True, 5)
ULLONG = CType(64, False, 5)
BOOL = CType(8, False, 0)


def promoted(t: CType) -> CType:
    """The integer promotions: what is narrower than int becomes int."""
    return INT if not t.pointer and t.bits < INT.bits else t


def common(a: CType, b: CType) -> CType:
    """The usual arithmetic conversions; where there is a pointer, the unsigned long that holds it."""
    a, b = promoted(a), promoted(b)
    if a.pointer or b.pointer:
        return CType(a.bits if a.pointer else b.bits, False, 4)
    if a.signed == b.signed:
        return a if (a.bits, a.rank) >= (b.bits, b.rank) else b
    unsigned, signed = (b, a) if a.signed else (a, b)
    if (unsigned.bits, unsigned.rank) >= (signed.bits, signed.rank):
        return unsigned
    if signed.bits > unsigned.bits:
        return signed
    return CType(signed.bits, False, signed.rank)
