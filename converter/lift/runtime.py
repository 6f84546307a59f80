"""C integer arithmetic on numpy arrays: what lifted functions call. Stands alone, and is copied into emitted scripts.

A value is an array (or numpy scalar) of the dtype of its C type, so that + - * & | ^ ~ wrap as C does with
-fwrapv. What C leaves undefined has a value here, the same for equal operands: a count of a shift is taken modulo the
width, as x86 does, and a division by zero gives zero.
"""

from typing import Any

import numpy as np

BITS = {
    f"{sign}{bits}": np.dtype(f"{kind}int{bits}") for sign, kind in (("i", ""), ("u", "u")) for bits in (8, 16, 32, 64)
}


def i8(x: Any) -> Any:
    return np.asarray(x).astype(np.int8)


def u8(x: Any) -> Any:
    return np.asarray(x).astype(np.uint8)


def i16(x: Any) -> Any:
    return np.asarray(x).astype(np.int16)


def u16(x: Any) -> Any:
    return np.asarray(x).astype(np.uint16)


def i32(x: Any) -> Any:
    return np.asarray(x).astype(np.int32)


def u32(x: Any) -> Any:
    return np.asarray(x).astype(np.uint32)


def i64(x: Any) -> Any:
    return np.asarray(x).astype(np.int64)


def u64(x: Any) -> Any:
    return np.asarray(x).astype(np.uint64)


def true(x: Any) -> Any:
    """Is it not zero? What a condition asks."""
    return np.asarray(x) != 0


def shl(x: Any, count: Any) -> Any:
    """x << count, in the type of x."""
    return np.left_shift(x, _count(x, count))


def shr(x: Any, count: Any) -> Any:
    """x >> count, in the type of x: a sign is kept."""
    return np.right_shift(x, _count(x, count))


def _count(x: Any, count: Any) -> Any:
    x = np.asarray(x)
    return (np.asarray(count).astype(np.int64) & (x.dtype.itemsize * 8 - 1)).astype(x.dtype)


def div(a: Any, b: Any) -> Any:
    """a / b, both of one type: towards zero."""
    return _divided(a, b)[0]


def mod(a: Any, b: Any) -> Any:
    """a % b, both of one type: the sign is that of a."""
    return _divided(a, b)[1]


def _divided(a: Any, b: Any) -> Any:
    a, b = np.broadcast_arrays(a, b)
    zero = b == 0
    safe = np.where(zero, np.ones_like(b), b)
    with np.errstate(all="ignore"):
        if a.dtype.kind == "u":
            return np.where(zero, np.zeros_like(a), a // safe), np.where(zero, np.zeros_like(a), a % safe)
        quotient = a // safe
        rest = a - quotient * safe
        quotient = quotient + ((rest != 0) & ((a < 0) != (safe < 0))).astype(a.dtype)  # numpy rounds down
        # The smallest number divided by -1 wraps.
        quotient = np.where(safe == -1, np.negative(a), quotient)
        rest = a - quotient * safe
    return np.where(zero, np.zeros_like(a), quotient), np.where(zero, np.zeros_like(a), rest)


def pick(condition: Any, a: Any, b: Any) -> Any:
    """condition ? a : b, with a and b of one type."""
    return np.where(condition, a, b)


def log2(x: Any) -> Any:
    """ilog2(): the number of the highest bit that is set; -1 where none is."""
    x = np.asarray(x).astype(np.uint64)
    found = np.zeros(x.shape, np.int32)
    for step in (32, 16, 8, 4, 2, 1):
        high = x >= np.uint64(1) << np.uint64(step)
        found = found + high.astype(np.int32) * step
        x = np.where(high, x >> np.uint64(step), x)
    return np.where(x == 0, np.int32(-1), found).astype(np.int32)
