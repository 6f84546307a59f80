"""Declared types over a whole tree, as far as lifting asks for them: from the facts of the scan."""

from __future__ import annotations

from collections import Counter, defaultdict

from converter.examine import Analysis
from converter.lift.datamodel import lp64
from converter.lift.scope import Declarations
from converter.units.names import names


def declarations(analysis: Analysis, scheme_name: str) -> Declarations:
    """Fields by struct and, where all structs agree on a field's type, by name alone."""
    structs: dict[str, dict[str, str]] = {}
    returns: dict[str, str] = {}
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path, facts in zip(analysis.paths, analysis.facts, strict=True):
        for struct, members in facts.structs.items():
            if path.startswith("include/"):
                structs.setdefault(struct, {}).update(members)
            for name, type_ in members.items():
                if lp64().parse(type_) is not None:
                    seen[name][type_] += 1
        for function, type_ in facts.returns.items():
            returns.setdefault(function, type_)
    fields = {name: next(iter(types)) for name, types in seen.items() if len(types) == 1}
    return Declarations(structs, returns, names(scheme_name).variables, fields)
