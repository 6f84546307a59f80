"""What one file says about units: the edges between its quantities, its uses, and the struct types it declares.

Facts are small, independent of every other file, and are what the cache keeps; the solver links them over the whole
tree. A node is an int: 0.. are quantities of the file (locals, expressions, uses), -1.. are the file's global keys:

    F:vm_area_struct.vm_pgoff   a struct's field         P:remap_pfn_range/2   parameter 2 of a function or macro
    F:@KEY>vm_pgoff             a field of what KEY is   R:find_vma            what a function or macro returns
    V:name                      a global or macro value  T:pte                 a quantity of a type with a hint
    N:pfn                       of a name with a hint    U:pte                 a known unit
    X:rule                      what a role rule matches

Names that are private to a file carry its path, in UTF-8 (tree/problems.py, spelled): P:mm/mremap.c:move_ptes/1.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from converter.csource.context import Context

STRIDE = 4  # edge: a, b, kind, line


if TYPE_CHECKING:
    _Ints = array[int]
else:
    _Ints = array


class Flow(_Ints):
    """Edges, flat: a, b, kind, line, a, b, ..."""

    def __new__(cls, raw: bytes = b"") -> Flow:
        made = super().__new__(cls, "i", raw)
        assert isinstance(made, Flow)
        return made


@dataclass(slots=True)
class Use:
    """One occurrence of a vocabulary name. `node` is None where no quantity belongs to it (comments, definitions)."""

    line: int
    col: int
    name: str
    inert: str = ""  # why it is inert, if it is
    shared: str = ""  # what it is a part of that user space reads too, if it is
    defines: bool = False  # the name is being defined or tested here, or stands in the body of a family macro
    node: int | None = None
    function: str = ""
    context: Context | None = None
    types: tuple[str, ...] = ()  # C types of operands, as far as known
    rules: tuple[str, ...] = ()  # role rules that match
    written: str = ""  # the converted name that stands there; `name` is then what it was converted from


@dataclass(slots=True)
class Facts:
    keys: list[str] = field(default_factory=list)
    locals: list[str] = field(default_factory=list)
    edges: Flow = field(default_factory=Flow)
    uses: list[Use] = field(default_factory=list)
    written: list[Use] = field(default_factory=list)  # uses of converted names: claims, for the unit checker
    structs: dict[str, dict[str, str]] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)  # by name of a function, or by key of a variable (V:...)
    defines: list[str] = field(default_factory=list)  # names of the scheme's own that the file defines
    macros: list[str] = field(default_factory=list)  # macros that the file makes from the family
    warnings: list[str] = field(default_factory=list)  # what is wrong with the file, as short phrases


Declared = tuple[dict[str, dict[str, str]], dict[str, str]]
"""struct -> field -> type, and function -> type of its result."""


def declares(facts: Facts) -> Declared:
    """What one file declares."""
    return facts.structs, facts.returns


def _out(value: object) -> object:
    if isinstance(value, Flow):
        return value.tobytes()
    raise NotImplementedError(type(value))


def _in(kind: type, value: object) -> Any:
    if isinstance(value, bytes):
        return Flow(value)
    raise NotImplementedError(kind)


_encoder = msgspec.msgpack.Encoder(enc_hook=_out)
_decoder = msgspec.msgpack.Decoder(Facts, dec_hook=_in)


def encode(facts: Facts) -> bytes:
    return _encoder.encode(facts)


def decode(raw: bytes) -> Facts:
    """Raises msgspec.DecodeError on anything that is not facts."""
    return _decoder.decode(raw)
