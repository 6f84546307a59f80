"""Conversion of a tree where it stands: each file is replaced as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from converter.convert.conversion import Converted
from converter.errors import InputError
from converter.tree import Tree, shown


def write(tree: Tree, files: Sequence[Converted]) -> None:
    """Put the converted files in place, with their modes. Raises InputError naming the file that cannot be written;
    those before it are converted by then."""
    for done, file in enumerate(files):
        try:
            _replace(os.path.join(os.fsencode(tree.root), file.path.encode("utf-8", "surrogateescape")), file)
        except OSError as error:
            raise InputError(
                f"{shown(file.path)}: cannot write: {error.strerror}; {done} of {len(files)} files are converted"
            ) from None


def _replace(target: bytes, file: Converted) -> None:
    handle, name = tempfile.mkstemp(prefix=b".pgconv.", dir=os.path.dirname(target))
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(file.new)
        with open(target, "rb") as now:
            if now.read() != b"".join(file.old):
                raise InputError(f"{shown(file.path)}: changed while it was converted; it is left as it is")
        _put(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _put(new: bytes, target: bytes) -> None:
    """The new file takes the target's place and mode, at once."""
    os.chmod(new, os.lstat(target).st_mode & 0o7777)
    os.replace(new, target)
