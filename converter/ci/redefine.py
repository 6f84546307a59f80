"""Rule redefinition: a name of the scheme gets a second meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator

from converter.ci.finding import Finding
from converter.ci.view import Changed, View
from converter.convert.taken import own_names

_DEFINE = re.compile(rb"^([ \t]*#[ \t]*(define|undef)[ \t]+)(\w+)")
_SHARED = re.compile(r"include/|arch/[^/]+/include/")


def find(view: View) -> Iterator[Finding]:
    """Lines that define or undefine a name of the scheme, other than where the scheme itself is defined."""
    names = own_names(view.chosen)
    for file in view.files:
        for line in sorted(file.added):
            m = _DEFINE.match(file.text[line])
            name = m[3].decode() if m is not None else ""
            if m is None or name not in names:
                continue
            why = _wrong(view, file, name, m[2] == b"undef")
            if why is not None:
                fix = "call it something else, or define it beside the name that it comes from"
                message = f"{m[2].decode()}s {name}, {why}"
                yield view.finding("redefinition", file.path, line, len(m[1]) + 1, name, message, fix)


def _wrong(view: View, file: Changed, name: str, undefined: bool) -> str | None:
    if file.old is not None and name in file.old.defines:
        return None  # its own definition is edited
    if not undefined and name not in file.new.defines:
        return None  # in a comment
    other = next((p for p, own in sorted(view.ledger.defines.items()) if name in own and _meets(p, file.path)), None)
    if other is not None:
        return f"which {other} defines already"
    if not undefined and _SHARED.match(file.path) and _defines_family(file):
        return None  # the scheme is being introduced, or completed, beside the family
    return f"a name of scheme {view.chosen.scheme}" + ("" if view.spoken else ", which the tree does not speak yet")


def _defines_family(file: Changed) -> bool:
    return any(u.defines and u.function == u.name for u in file.new.uses)


def _meets(path: str, other: str) -> bool:
    """Does `other` see what `path` defines? A generic header and an architecture's are alternatives."""
    if path == other or not _SHARED.match(path):
        return False
    seen = {_scope(other)} if _SHARED.match(other) else {_scope(other), "include"}
    return _scope(path) in seen


def _scope(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "arch" else parts[0]
