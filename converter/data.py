"""Where the files that travel with pgconv are: `rules/` (what the kernel's names mean) and `fixtures/` (trees, cases).

In a checkout, and so in an editable install, they stand beside the package; in an installed wheel they lie inside it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from converter.errors import InputError

_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "_data", _PACKAGE.parent)


def path(name: str) -> Path:
    """The file or directory that `name` ("rules/signatures", "fixtures/tree") names.

    Raises InputError where it is missing: the installation is not whole.
    """
    for root in _ROOTS:
        if (found := root / name).exists():
            return found
    raise InputError(f"{name}: missing from this installation of pgconv ({_PACKAGE}); install it again")


@cache
def rules_version() -> str:
    """Digest of all files under rules/, names and contents, as 12 hex digits: equal digests mean equal decisions."""
    rules = path("rules")
    digest = hashlib.sha256()
    for file in sorted(rules.rglob("*.toml")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(rules).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]
