"""How page-size names are read: the original has one page size, the converted text two, under a scheme's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from tree_sitter import Node

from converter.lift.ctypes import INT, CType
from converter.lift.datamodel import DataModel, lp64
from converter.vocabulary import UNITS, scheme, vocabulary

Family = Callable[[Node], str | None]
"""The page-size name that an identifier of the source is to be read as; '' where it is open, None where it is none."""


@dataclass
class Reading:
    """How names in the source are read.

    family   see Family
    kernel   page-size names that are attributes of the kernel: name -> type
    family_helpers   name -> helper of the family that it is a copy of, and what each family constant in it becomes
    origin   the text by which an input is known: equal on both sides of a conversion
    """

    family: Family
    kernel: dict[str, CType]
    copies: dict[str, tuple[str, dict[str, str]]]
    origin: Callable[[Node], str]
    model: DataModel
    last: int = -1  # offset of the page-size name that was read last


KERNELS = ("page", *UNITS)
"""The page sizes there are: the original's one, and the converted one's two."""

_KINDS = ("size", "mask", "shift")


@cache
def constants(model: DataModel) -> dict[str, CType]:
    """Attributes of a kernel in lifted code -> type: PAGE_SIZE of the original, PTE_SIZE and PG_SIZE of the other.

    They are called so whatever the scheme calls them: a scheme may keep PAGE_SIZE for one of the two.
    """
    types = {"size": model.ulong, "mask": model.mask, "shift": INT}
    found = {}
    for n in vocabulary().names.values():
        if n.kind in _KINDS and n.form == "constant":
            for kernel in KERNELS:
                found[attribute(n.name, kernel)] = types[n.kind]
    return found


def attribute(name: str, kernel: str) -> str:
    return name if kernel == "page" else name.replace("PAGE", kernel.upper())


@cache
def copies(scheme_name: str) -> dict[str, tuple[str, dict[str, str]]]:
    """`kernel:name` of a macro with arguments -> the helper that it copies, and what the constants in it become; the
    scheme's conversions between its two counts are helpers of their own."""
    found = {}
    for n in vocabulary().names.values():
        if n.form == "call":
            for kernel in KERNELS:
                made = {c: attribute(c, kernel) for c in ("PAGE_SIZE", "PAGE_SHIFT", "PAGE_MASK")}
                found[f"{n.name}:{kernel}"] = (n.name, made)
    for c in scheme(scheme_name).conversion:
        made = {u: attribute("PAGE_SHIFT", u) for u in UNITS}
        helper = "__wider" if c.gives == "pg" else "__narrower"
        found[c.name] = (helper, {"PTE_SHIFT": made["pte"], "PG_SHIFT": made["pg"]})
    return found


def meaning(name: str, kernel: str) -> str | None:
    """What lifted code calls a name of the vocabulary on a kernel; None for one that is no arithmetic (vm_pgoff)."""
    known = vocabulary().names.get(name)
    if known is None:
        return None
    if known.form == "constant" and known.kind in _KINDS:
        return attribute(name, kernel)
    return f"{name}:{kernel}" if known.form == "call" else None


def reading(
    scheme_name: str,
    named: Callable[[Node], str | None],
    origin: Callable[[Node], str],
    model: DataModel | None = None,
) -> Reading:
    """See Reading. `named` answers as its `family` does. `model` is that of 64-bit words unless it is named."""
    spoken: Mapping[str, tuple[str, dict[str, str]]] = copies(scheme_name)
    model = model or lp64()
    return Reading(named, constants(model), dict(spoken), origin, model)
