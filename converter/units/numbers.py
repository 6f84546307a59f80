"""Sets of node and edge numbers as sorted arrays. NumPy's own set functions import masked arrays, a tenth of a run."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_I = TypeVar("_I", bound=np.integer)


def union(*parts: NDArray[_I]) -> NDArray[_I]:
    """All numbers of the arrays, each once, in order. They are of one type."""
    values = np.sort(np.concatenate(parts))
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    distinct: NDArray[_I] = values[first]
    return distinct


def without(values: NDArray[_I], others: NDArray[_I]) -> NDArray[_I]:
    """The numbers of a set that are not in another one; both are sorted."""
    if not len(others):
        return values
    at = np.minimum(np.searchsorted(others, values), len(others) - 1)
    rest: NDArray[_I] = values[others[at] != values]
    return rest
