"""The Python function in the making: its parameters, its statements, and names that nothing else has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import libcst as cst

from converter.lift.arithmetic import full
from converter.lift.code import call
from converter.lift.ctypes import CType
from converter.lift.measures import Measures
from converter.lift.value import Input, Lifted, Value

KERNEL = "k"
"""The parameter that holds the page sizes."""

TAKEN = {
    "k", "np", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
    "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or",
    "pass", "raise", "return", "try", "while", "with", "yield", "True", "False", "None", "true", "shl", "shr", "div",
    "mod", "pick", "log2", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "before", "after",
}  # fmt: skip


@dataclass
class Body:
    """Inputs by their C, names by the C that they stand for, statements, and locals that have become variables."""

    inputs: dict[str, Input] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    statements: list[cst.SimpleStatementLine] = field(default_factory=list)
    locals: dict[str, Value] = field(default_factory=dict)

    def input(self, text: str, t: CType, guess: str, owner: str = "") -> Value:
        known = self.inputs.get(text)
        if known is None:
            known = self.inputs[text] = Input(self.fresh(text), text, t, guess, owner)
        return Value(cst.Name(known.name), known.type, terms=frozenset([text]))

    def fresh(self, text: str) -> str:
        """A Python name for a piece of C."""
        name = re.sub(r"\W+", "_", text).strip("_")[:40].rstrip("_") or "x"
        if name[0].isdigit() or name in TAKEN:
            name = f"c_{name}"
        made, n = name, 1
        while made in self.names:
            n += 1
            made = f"{name}_{n}"
        self.names[made] = text
        return made

    def named(self, name: str, v: Value) -> Value:
        """A Python variable for a value that is used more than once."""
        made = self.fresh(name)
        target = [cst.AssignTarget(cst.Name(made))]
        self.statements.append(cst.SimpleStatementLine([cst.Assign(target, full(v))]))
        return Value(cst.Name(made), v.type, page=v.page, terms=v.terms, count=v.count)

    def copy(self) -> Body:
        """To go back to where an attempt fails."""
        return Body(dict(self.inputs), dict(self.names), list(self.statements), dict(self.locals))

    def function(self, name: str, value: Value, noted: Measures) -> Lifted:
        """The function whose value has been lifted."""
        code = value.code
        if value.truth or value.literal is not None:
            code = call(value.type.name, code)
        params = [cst.Param(cst.Name(i.name)) for i in self.inputs.values()]
        params.append(cst.Param(cst.Name(KERNEL)))
        body = [*self.statements, cst.SimpleStatementLine([cst.Return(code)])]
        made = cst.FunctionDef(cst.Name(name), cst.Parameters(params), cst.IndentedBlock(body))
        return Lifted(
            made,
            tuple(self.inputs.values()),
            value.type,
            noted.measures,
            frozenset(noted.meets),
            frozenset(noted.scaled),
        )
