"""Lifted pairs as a script that a person can read and run: numpy alone, with the values that were used."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence

from converter.lift import runtime
from converter.verify import judge
from converter.verify.inputs import WORDS, Situations, Words, edges, situations
from converter.verify.written import Written

_HEAD = '''"""Arithmetic of {tree} before and after its conversion: {count} expressions, lifted to Python.

Run it: each pair is compared on quantities of a simulated machine, with PTE_SIZE 4K and PG_SIZE 4K, 16K and 64K,
and with words of 64 and 32 bits.
Written by `pgconv verify --level arithmetic --emit`.
"""
'''
_MAIN = """

def main():
    counted = {}
    for title, text, why, before, after, inputs, bindings, unit, asked, bits in PAIRS:
        v = judge(before, after, inputs, bindings, unit, STATES[bits], asked)
        counted[v.outcome] = counted.get(v.outcome, 0) + 1
        if v.outcome != "passed":
            print(f"{title}: {v.outcome}: {v.why}\\n    {text}\\n    {why}\\n    {v.detail}")
    print(", ".join(f"{n} {outcome}" for outcome, n in sorted(counted.items())))
    return 1 if counted.get("failed") else 0


if __name__ == "__main__":
    raise SystemExit(main())
"""


def script(tree: str, pairs: Sequence[Written]) -> str:
    """The script's text. The functions that judge are those of pgconv itself."""
    numbered = list(enumerate(pairs, 1))
    parts = [_HEAD.format(tree=tree.replace("\\", "/").replace('"', "'"), count=len(pairs))]
    parts.append("from typing import Any\n\nimport numpy as np\n")
    parts += [_body(runtime), _body(judge)]
    parts.append("\nPAIRS = []\n")
    parts += [_pair(n, w) for n, w in numbered]
    parts.append("\n\n# What the model gives: a row is one access of a simulated process.\n")
    parts.append(f"EDGES = {_array(edges())}\nSTATES = {{\n")
    for bits in WORDS:
        states = "".join(_state(s, _columns(pairs)) for s in situations(bits))
        parts.append(f"    {bits}: [\n{textwrap.indent(states, ' ' * 4)}    ],\n")
    parts += ["}\n", _MAIN]
    return "".join(parts)


def _columns(pairs: Sequence[Written]) -> list[str]:
    return sorted({name for w in pairs for name, *_ in w.bindings})


def _body(module: object) -> str:
    """A module's source behind its imports."""
    text = inspect.getsource(module)  # type: ignore[arg-type]
    lines = text.splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if line.startswith(("import ", "from ")))
    return "".join(lines[last + 1 :])


def _state(s: Situations, names: Sequence[str]) -> str:
    rows = len(s.columns["va"])
    columns = "".join(f"        {n!r}: {_array(s.columns[n])},\n" for n in names)
    return f"    State({s.bits}, {s.pte}, {s.pg}, {rows}, {{\n{columns}    }}, EDGES),\n"


def _array(values: Words) -> str:
    text = ", ".join(hex(int(v)) for v in values)
    return "np.array([\n" + textwrap.indent(textwrap.fill(text, 104), " " * 12) + "\n        ], np.uint64)"


def _pair(number: int, w: Written) -> str:
    before = w.before.replace("def before(", f"def before_{number}(")
    after = w.after.replace("def after(", f"def after_{number}(")
    asked = w.asked.replace("def before(", f"def asked_{number}(")
    names = f"before_{number}", f"after_{number}", f"asked_{number}" if w.asked else "None"
    given = (repr(w.title), repr(w.text), repr(w.why), *names[:2], repr(w.inputs), repr(w.bindings), repr(w.unit))
    entry = "PAIRS.append((\n" + "".join(f"    {x},\n" for x in (*given, names[2], w.bits)) + "))"
    head = "\n".join(f"# {line}" for line in (f"{w.title}, {w.bits}-bit words", w.text, w.why))
    return f"\n\n{head}\n{before}\n\n{after}\n" + (f"\n\n{asked}\n" if asked else "") + f"\n{entry}\n"
