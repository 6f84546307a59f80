"""A directory that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A directory to fill, which then takes the target's place. Whatever happens before, the target stays as it was.

    Raises OSError.
    """
    target = Path(os.path.abspath(target))
    place = _beside(target)
    try:
        yield place
        umask = os.umask(0)
        os.umask(umask)
        place.chmod(0o777 & ~umask)
        if target.exists():
            _exchange(place, target)
        else:
            place.rename(target)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _exchange(new: Path, target: Path) -> None:
    aside = _beside(target)
    old = aside / "old"
    try:
        target.rename(old)
        new.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _beside(target: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
