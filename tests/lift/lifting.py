"""Lifts one C expression of typed parameters and runs it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node

from converter.lift import runtime
from converter.lift.ctypes import BOOL
from converter.lift.datamodel import DataModel
from converter.lift.helpers import one_word, parser
from converter.lift.lower import Lower
from converter.lift.reading import reading
from converter.lift.scope import Declarations, Scope
from converter.lift.value import Lifted
from converter.verify.judge import Kernel


def lifted(text: str, parameters: Mapping[str, str], model: DataModel) -> Lifted:
    """The function of an expression, in which page-size names are read as they stand."""
    declared = ", ".join(f"{t} {n}" for n, t in parameters.items())
    source = one_word(f"void f({declared}) {{ x = ({text}); }}".encode())
    root = parser().parse(source).root_node
    assert not root.has_error, text
    scope = Scope(root, source, Declarations())
    body = root.named_children[0].child_by_field_name("body")
    assert body is not None
    top = body.named_children[0].named_children[0].child_by_field_name("right")
    assert top is not None
    lower = Lower(scope, reading("pte-pg", lambda node: _family(node, source), lambda node: scope.raw(node), model))
    return lower.function("before", lower.value(top))


def _family(node: Node, source: bytes) -> str | None:
    word = source[node.start_byte : node.end_byte].decode()
    if word in ("PTE_SHIFT", "PG_SHIFT", "PAGE_SIZE", "PAGE_SHIFT", "PAGE_MASK"):
        return word
    return f"{word}:page" if word in FAMILY_CALLS else None


FAMILY_CALLS = (
    "PAGE_ALIGN", "PAGE_ALIGN_DOWN", "PAGE_ALIGNED", "offset_in_page", "PFN_ALIGN", "PFN_UP", "PFN_DOWN", "PFN_PHYS",
    "PHYS_PFN", "get_order",
)  # fmt: skip


def values(made: Lifted, arrays: Mapping[str, NDArray[np.uint64]], rows: int, model: DataModel) -> list[int]:
    """The value in each row, sign-extended or zero-extended to 64 bits."""
    scope = dict(vars(runtime))
    exec(compile(made.source(), "<lifted>", "exec"), scope)
    given = [
        (arrays[i.text] != 0 if i.type == BOOL else arrays[i.text]).astype(runtime.BITS[i.type.name])
        for i in made.inputs
    ]
    with np.errstate(all="ignore"):
        result = np.broadcast_to(
            np.asarray(scope["before"](*given, Kernel(model.bits, PAGE=12, PTE=12, PG=14))), (rows,)
        )
    wide = result.astype(np.int64) if result.dtype.kind == "i" else result
    return [int(v) for v in wide.astype(np.uint64)]
